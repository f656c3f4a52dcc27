//! Who may connect: DH-HMAC-CHAP one way and both ways, with every hash; wrong and missing keys; again and again.

use std::time::Duration;

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::host::authentication::{Group, Hash, key};
use mainstay_testkit::host::{Data, Error, Host, Status, command};

use super::nvme_connect::configured;
use super::nvme_data::works;

/// A daemon that wants keys; `more` goes into its table.
fn guarded(more: &str) -> Daemon {
    let host = key(1, Some(Hash::Sha256));
    configured("", &format!("dhchap = {{ key = \"{host}\"{more} }}"), "").start()
}

fn controller_key() -> String {
    key(2, Some(Hash::Sha384))
}

pub fn both_ways() -> Daemon {
    guarded(&format!(", controller_key = \"{}\"", controller_key()))
}

/// A host that proves itself to [`both_ways`], and asks the same of it.
pub fn proving(daemon: &Daemon) -> Host {
    daemon.host().keys(&key(1, Some(Hash::Sha256)), Some(&controller_key()))
}

/// A host with the right key.
fn known(daemon: &Daemon) -> Host {
    daemon.host().keys(&key(1, Some(Hash::Sha256)), None)
}

#[test]
fn one_way_with_every_hash() {
    let daemon = guarded("");
    for hash in Hash::ALL {
        for group in Group::ALL {
            let host = known(&daemon).offering(&[hash], &[group]);
            let mut controller =
                host.connect(daemon.namespace().portal).unwrap_or_else(|e| panic!("{hash:?} {group:?}: {e}"));
            works(&mut controller);
        }
    }
    let status = daemon.wait_status("a controller that has proved itself", super::SOON, |status| {
        status["nvme"]["subsystems"][0]["auth"] == "chap"
    });
    assert!(!status.to_string().contains("DHHC-1"), "keys are told to nobody");
}

#[test]
fn both_ways_with_every_hash() {
    let daemon = both_ways();
    for hash in Hash::ALL {
        for group in Group::ALL {
            let host = proving(&daemon).offering(&[hash], &[group]);
            let mut controller =
                host.connect(daemon.namespace().portal).unwrap_or_else(|e| panic!("{hash:?} {group:?}: {e}"));
            works(&mut controller);
        }
    }
    // Who does not ask need not be told.
    works(&mut daemon.controller_of(&known(&daemon)));
}

#[test]
fn keys_of_every_kind() {
    for hash in [None, Some(Hash::Sha256), Some(Hash::Sha384), Some(Hash::Sha512)] {
        let key = key(7, hash);
        let daemon = configured("", &format!("dhchap = {{ key = \"{key}\" }}"), "").start();
        works(&mut daemon.controller_of(&daemon.host().keys(&key, None)));
    }
}

#[test]
fn wrong_and_missing_keys_are_refused() {
    let mut daemon = both_ways();
    let portal = daemon.namespace().portal;
    for (host, controller) in [
        (key(3, Some(Hash::Sha256)), None),
        (controller_key(), None),
        (key(1, None), None),
        (key(1, Some(Hash::Sha256)), Some(key(4, Some(Hash::Sha384)))),
    ] {
        let host = daemon.host().keys(&host, controller.as_deref());
        match host.connect(portal) {
            Err(Error::Unproven(_) | Error::Status { .. } | Error::Closed) => {}
            other => panic!("{:?}", other.map(|_| "a controller")),
        }
    }
    // Without keys a host is asked for them, and nothing else is answered.
    let (mut admin, _) = daemon.host().admin(portal).expect("Connect itself succeeds");
    for entry in [command::property_get(command::property::CAP), command::identify(1, 0), command::keep_alive()] {
        let data = if entry.opcode() == command::admin::IDENTIFY { Data::ToHost(4096) } else { Data::Nothing };
        match admin.run(entry, data) {
            Ok(done) => assert_eq!(done.status(), Status::AUTHENTICATION_REQUIRED, "{entry:?}"),
            Err(Error::Closed | Error::Ended(_)) => break,
            Err(why) => panic!("{why}"),
        }
    }
    works(&mut daemon.controller_of(&known(&daemon)));
    daemon.assert_alive();
}

#[test]
fn what_is_not_accepted_is_not_negotiated() {
    let daemon = guarded(", hashes = [\"SHA-512\"], groups = [\"ffdhe2048\"]");
    let portal = daemon.namespace().portal;
    for (hashes, groups) in [
        (&[Hash::Sha256, Hash::Sha384][..], &[Group::Ffdhe2048][..]),
        (&[Hash::Sha512], &[Group::Null, Group::Ffdhe3072]),
    ] {
        let result = known(&daemon).offering(hashes, groups).connect(portal);
        assert!(matches!(result, Err(Error::Unproven(_))), "{:?}", result.map(|_| "a controller"));
    }
    works(&mut daemon.controller_of(&known(&daemon)));
}

/// CVE-2024-50215: what a second negotiation freed was freed again.
#[test]
fn cve_2024_50215_negotiations_begun_again() {
    let mut daemon = both_ways();
    let portal = daemon.namespace().portal;
    let host = proving(&daemon);
    let (mut admin, _) = daemon.host().admin(portal).unwrap();
    let credentials = host.credentials().unwrap();
    for transaction in 0..40 {
        let message = credentials.negotiation(transaction);
        let entry = command::authentication_send(message.len() as u32);
        if admin.run(entry, Data::ToController(message)).is_err() {
            break;
        }
        if transaction % 3 == 0 && admin.run(command::authentication_receive(4096), Data::ToHost(4096)).is_err() {
            break;
        }
    }
    drop(admin);
    // And after a success, as re-authentication.
    let mut controller = host.connect(portal).unwrap();
    for transaction in 2..6 {
        controller.admin.authenticate(&credentials, transaction).unwrap();
        works(&mut controller);
    }
    std::thread::sleep(Duration::from_millis(50));
    works(&mut controller);
    daemon.assert_alive();
}

#[test]
fn discovery_wants_keys_of_its_own() {
    let key = key(5, Some(Hash::Sha512));
    let daemon = configured("", "", &format!("[nvme.discovery]\ndhchap = {{ key = \"{key}\" }}")).start();
    let portal = daemon.namespace().portal;
    assert!(Host::discovery().discover(portal).is_err(), "a log for a stranger");
    let (_, records) = Host::discovery().keys(&key, None).discover(portal).unwrap();
    assert!(records.iter().any(|record| record.kind == 2), "{records:?}");
    works(&mut daemon.controller());
}
