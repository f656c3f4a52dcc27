//! Keys at login: each by its rule, none without an answer (RFC 7143 §6.2, §13).

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::Session;

use super::assert_works;

/// Logs in with one more key and gives the session.
fn with(daemon: &Daemon, key: &str, value: &str) -> Session {
    daemon.session_of(&daemon.login().key(key, value)).unwrap_or_else(|e| panic!("{key}={value}: {e}"))
}

#[test]
fn every_key_is_answered_by_its_rule() {
    let daemon = Daemon::memory();
    // Key, offer, and what may come back. Lists: the first that both know. Booleans: AND or OR. Numbers: least or most.
    for (key, offer, may) in [
        ("HeaderDigest", "CRC32C,None", &["CRC32C"][..]),
        ("HeaderDigest", "None,CRC32C", &["None"]),
        ("HeaderDigest", "X-md5,CRC32C", &["CRC32C"]),
        ("DataDigest", "None", &["None"]),
        ("MaxConnections", "8", &["1"]),
        ("ErrorRecoveryLevel", "2", &["0"]),
        ("InitialR2T", "Yes", &["Yes"]),
        ("InitialR2T", "No", &["No", "Yes"]),
        ("ImmediateData", "No", &["No"]),
        ("ImmediateData", "Yes", &["Yes", "No"]),
        ("DataPDUInOrder", "Yes", &["Yes"]),
        ("DataPDUInOrder", "No", &["Yes"]),
        ("DataSequenceInOrder", "No", &["Yes"]),
        ("MaxBurstLength", "512", &["512"]),
        ("DefaultTime2Wait", "3600", &["3600"]),
        ("DefaultTime2Retain", "0", &["0"]),
        ("MaxOutstandingR2T", "1", &["1"]),
        ("X-com.example.colour", "blue", &["NotUnderstood"]),
        ("Colour", "blue", &["NotUnderstood"]),
    ] {
        let mut session = with(&daemon, key, offer);
        let answer = session.keys.get(key).unwrap_or_else(|| panic!("no answer to {key}={offer}: {:?}", session.keys));
        assert!(may.contains(&answer.as_str()), "{key}={offer} was answered with {answer}");
        // HeaderDigest alone is on for what follows, so this proves that both think alike.
        assert_works(&mut session, 0);
    }
    // Markers are gone since RFC 7143, but understood (§13.25); what cannot be taken is rejected and changes nothing (§6.2).
    let no_marker: &[&str] = &["No", "Reject"];
    for (key, offer, may) in [
        ("IFMarker", "Yes", no_marker),
        ("OFMarker", "Yes", no_marker),
        ("IFMarkInt", "2048~8192", &["Reject"]),
        ("OFMarkInt", "2048", &["Reject"]),
        ("HeaderDigest", "X-unheard-of", &["Reject"]),
        ("MaxOutstandingR2T", "0", &["Reject", "1"]),
    ] {
        let mut session = with(&daemon, key, offer);
        let answer = session.keys.get(key).unwrap_or_else(|| panic!("no answer to {key}={offer}"));
        assert!(may.contains(&answer.as_str()), "{key}: {answer}");
        assert_works(&mut session, 0);
    }
}

#[test]
fn numbers_never_exceed_the_offer() {
    let daemon = Daemon::memory();
    for (key, offers) in [
        ("MaxBurstLength", [512, 65536, 16_777_215]),
        ("FirstBurstLength", [512, 32768, 262_144]),
        ("MaxOutstandingR2T", [1, 8, 65535]),
        ("DefaultTime2Retain", [0, 20, 3600]),
    ] {
        for offer in offers {
            let mut session = with(&daemon, key, &offer.to_string());
            let answer: u32 = session.keys[key].parse().unwrap();
            assert!(answer <= offer, "{key}={offer} became {answer}");
            let agreed = session.agreed.clone();
            assert!(agreed.first_burst <= agreed.max_burst, "{key}={offer}: {agreed:?}");
            assert_works(&mut session, 0);
        }
    }
}

#[test]
fn nothing_offered_means_the_defaults() {
    let daemon = Daemon::memory();
    let mut login = daemon.login();
    login.keys.clear();
    let mut session = daemon.session_of(&login).unwrap();
    // RFC 7143 §13: InitialR2T=Yes, ImmediateData=Yes, bursts of 64 KiB and 256 KiB, segments of 8 KiB.
    assert!(session.agreed.initial_r2t && session.agreed.immediate_data);
    let data = super::bytes(300 * 512, 1);
    session.write10(0, 0, &data, 512).unwrap().good().unwrap();
    let read = session.read10(0, 0, 300, 512).unwrap();
    assert!(read.data_pdus >= 19, "an initiator that said nothing takes 8 KiB at a time: {}", read.data_pdus);
    assert!(read.good().unwrap() == data);
}

#[test]
fn the_target_declares_itself() {
    let daemon = Daemon::memory();
    let session = daemon.session();
    assert_eq!(session.keys["TargetPortalGroupTag"], "1", "in the first answer (RFC 7143 §13.9)");
    assert!(session.keys.contains_key("MaxRecvDataSegmentLength"), "{:?}", session.keys);
    let mut straight = daemon.login();
    straight.skip_security = true;
    let session = daemon.session_of(&straight).unwrap();
    assert_eq!(session.keys["TargetPortalGroupTag"], "1");
}
