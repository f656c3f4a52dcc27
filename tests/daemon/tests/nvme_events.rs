//! What a controller tells without being asked: sizes, ways, and the end of what was aborted.

use std::time::Duration;

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::host::{Cid, Controller, Data, Error, Host, Status, command};

use super::nvme_connect::refused;
use super::nvme_data::works;
use super::{SOON, bytes};

/// Asynchronous Event Configuration, and its bits.
const EVENTS: u8 = 0x0b;
const NAMESPACES: u32 = 1 << 8;
const WAYS: u32 = 1 << 11;
/// Log pages.
const CHANGED_NAMESPACES: u8 = 0x04;
const ANA: u8 = 0x0c;
/// Of the event that a notice is.
const NOTICE: u8 = 2;

/// Nothing has happened to the request yet.
#[track_caller]
fn is_held(controller: &mut Controller, request: Cid) {
    controller.admin.settle(Duration::from_millis(200)).unwrap();
    assert!(!controller.admin.is_done(request), "an event that should not be");
}

#[test]
fn a_new_size_is_told_once_until_it_was_read() {
    let daemon = Daemon::builder().arg("--size").arg("8M").start();
    let name = daemon.volume().name;
    let mut controller = daemon.controller();
    assert!(controller.identify.events & NAMESPACES != 0);
    controller.set_feature(EVENTS, NAMESPACES).unwrap();
    let request = controller.listen().unwrap();
    is_held(&mut controller, request);
    daemon.ctl_ok(&["resize", &name, "16M"]);
    assert_eq!(controller.event(request).unwrap(), (NOTICE, 0, CHANGED_NAMESPACES));
    assert_eq!(controller.namespace(1).unwrap().blocks, 32768);
    // No further one until the log was read (base §5.2).
    let request = controller.listen().unwrap();
    daemon.ctl_ok(&["resize", &name, "24M"]);
    is_held(&mut controller, request);
    let log = controller.log(CHANGED_NAMESPACES, 0xffff_ffff, 0, 4096).unwrap();
    assert_eq!(log[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
    daemon.ctl_ok(&["resize", &name, "32M"]);
    assert_eq!(controller.event(request).unwrap(), (NOTICE, 0, CHANGED_NAMESPACES));
    // Reading with RAE set leaves the event where it is.
    let entry = command::get_log_page(CHANGED_NAMESPACES, 0xffff_ffff, 0, 4096, true);
    let read = controller.admin.run(entry, Data::ToHost(4096)).unwrap().good("Get Log Page").unwrap();
    assert_eq!(read[..4], [1, 0, 0, 0]);
    let log = controller.log(CHANGED_NAMESPACES, 0xffff_ffff, 0, 4096).unwrap();
    assert_eq!(log[..4], [1, 0, 0, 0]);
    assert_eq!(controller.log(CHANGED_NAMESPACES, 0xffff_ffff, 0, 4096).unwrap()[..4], [0; 4]);
    let payload = bytes(4096, 1);
    controller.write(1, 65528, &payload, 512).unwrap();
    assert!(controller.read(1, 65528, 8, 512).unwrap() == payload);
}

#[test]
fn events_nobody_asked_for_are_not_told() {
    let daemon = Daemon::builder().arg("--size").arg("8M").start();
    let mut controller = daemon.controller();
    controller.set_feature(EVENTS, 0).unwrap();
    let request = controller.listen().unwrap();
    daemon.ctl_ok(&["resize", &daemon.volume().name, "16M"]);
    is_held(&mut controller, request);
    works(&mut controller);
}

/// The state of the first group in the ANA log, and its change count.
fn state(controller: &mut Controller) -> (u8, u64) {
    let log = controller.log(ANA, 0, 0, 4096).unwrap();
    assert!(u16::from_le_bytes([log[8], log[9]]) >= 1, "{:02x?}", &log[..64]);
    assert_eq!(log[16..24], [1, 0, 0, 0, 1, 0, 0, 0], "group 1 of one namespace");
    let mut count = [0; 8];
    count.copy_from_slice(&log[24..32]);
    assert_eq!(log[48..52], [1, 0, 0, 0], "namespace 1");
    (log[32] & 0xf, u64::from_le_bytes(count))
}

#[test]
fn a_way_changes() {
    let daemon = Daemon::memory();
    let portal = daemon.status()["nvme"]["portals"][0]["name"].as_str().unwrap().to_owned();
    let mut controller = daemon.controller();
    controller.set_feature(EVENTS, WAYS).unwrap();
    let (first, mut changes) = state(&mut controller);
    assert_eq!(first, 1, "optimized");
    for (name, number, refusal) in [
        ("non-optimized", 2, None),
        ("inaccessible", 3, Some(Status::ANA_INACCESSIBLE)),
        ("change", 0xf, Some(Status::ANA_TRANSITION)),
        ("persistent-loss", 4, Some(Status::ANA_PERSISTENT_LOSS)),
        ("optimized", 1, None),
    ] {
        let request = controller.listen().unwrap();
        daemon.ctl_ok(&["path", "set", &portal, name]);
        assert_eq!(controller.event(request).unwrap(), (NOTICE, 3, ANA), "{name}");
        let (now, count) = state(&mut controller);
        assert_eq!(now, number, "{name}");
        assert!(count > changes, "{name}");
        changes = count;
        match refusal {
            None => works(&mut controller),
            Some(status) => {
                refused(controller.read(1, 0, 1, 512), status);
                refused(controller.write(1, 0, &[0; 512], 512), status);
                controller.identify(1, 0).expect("the controller itself answers");
            }
        }
    }
    let shown = daemon.ctl_ok(&["path", "show"]);
    assert!(shown.contains("optimized") && shown.contains(&portal), "{shown}");
    assert!(!daemon.ctl(&["path", "set", "nowhere", "optimized"]).status.success());
}

#[test]
fn a_discovery_log_that_changes_is_told() {
    let daemon = Daemon::memory();
    let mut discovery =
        Host::discovery().keep_alive(Duration::from_secs(30)).connect(daemon.namespace().portal).unwrap();
    discovery.set_feature(EVENTS, 1 << 31).unwrap();
    let request = discovery.listen().unwrap();
    is_held(&mut discovery, request);
    assert_eq!(discovery.feature(EVENTS, 0).unwrap(), 1 << 31);
}

#[test]
fn a_command_that_waits_for_data_is_aborted() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller_of(&daemon.host().hold_r2ts());
    let old = bytes(65536, 1);
    let write = |controller: &mut Controller, data: &[u8]| {
        controller.io[0].start(command::write(1, 0, 128, false), Data::ToController(data.to_vec())).unwrap()
    };
    let cid = write(&mut controller, &old);
    while !controller.io[0].is_done(cid) {
        let r2t = match controller.io[0].r2ts.pop() {
            Some(r2t) => r2t,
            None => {
                controller.io[0].step(std::time::Instant::now() + SOON).unwrap();
                continue;
            }
        };
        controller.io[0].answer(&r2t).unwrap();
    }
    assert!(controller.io[0].wait(cid).unwrap().status().is_success());
    let cid = write(&mut controller, &bytes(65536, 2));
    let r2t = controller.io[0].next_r2t().unwrap();
    assert!(controller.abort(1, cid).unwrap(), "it was there to be aborted");
    // What was asked for has to come, and is forgotten: until then its tag is not free.
    controller.io[0].answer(&r2t).unwrap();
    assert_eq!(controller.io[0].wait(cid).unwrap().status(), Status::ABORT_REQUESTED);
    assert!(!controller.abort(1, cid).unwrap(), "it has gone");
    assert!(!controller.abort(9, cid).unwrap(), "there is no such queue");
    assert!(controller.read(1, 0, 128, 512).unwrap() == old, "nothing of it was written");
}

#[test]
fn event_requests_are_bounded_and_can_be_aborted() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller();
    let limit = usize::from(controller.identify.event_limit) + 1;
    let held: Vec<Cid> = (0..limit).map(|_| controller.listen().unwrap()).collect();
    let more = controller.listen().unwrap();
    match controller.event(more) {
        Err(Error::Status { status, .. }) => assert_eq!(status, Status::ASYNC_EVENT_LIMIT_EXCEEDED),
        other => panic!("{other:?}"),
    }
    assert!(controller.abort(0, held[0]).unwrap());
    assert_eq!(controller.admin.wait(held[0]).unwrap().status(), Status::ABORT_REQUESTED);
    controller.listen().unwrap();
    works(&mut controller);
}
