//! The life of sessions: reinstatement, logout, kick, liveness, limits.

use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, Error, cdb, opcode};

use super::{SOON, assert_ends, assert_refused, assert_works, bytes, configured};

#[test]
fn the_same_initiator_port_replaces_its_session() {
    let daemon = Daemon::memory();
    let mut old = daemon.session();
    let mut other = daemon.session_of(&daemon.login().session(3)).unwrap();
    // A write in flight must not hold the newcomer up, nor ever happen.
    old.answer_r2t = false;
    let payload = bytes(8192, 1);
    let mut command = Command::new(0, &cdb::write10(50, 16, false)).writes(&payload);
    (command.immediate_data, command.unsolicited) = (Some(0), Some(0));
    old.start(&command).unwrap();
    while old.r2ts.is_empty() {
        assert!(old.step(Instant::now() + SOON).unwrap().is_none());
    }
    let mut new = daemon.session_of(&daemon.login()).unwrap();
    assert_ends(&mut old, SOON);
    assert_works(&mut new, 0);
    assert_works(&mut other, 0);
    assert_ne!(old.tsih, 0);
    assert!(new.read10(0, 50, 16, 512).unwrap().good().unwrap() != payload);
    let status = daemon.status();
    assert_eq!(status["sessions"].as_array().map(Vec::len), Some(2), "{status:#}");
}

#[test]
fn a_session_that_does_not_exist_cannot_be_joined() {
    let daemon = Daemon::memory();
    let mut login = daemon.login();
    login.tsih = 4321;
    // 020a: session does not exist (RFC 7143 §11.13.5).
    assert_refused(login.connect(daemon.volume().portal), 2, Some(0x0a));
    // A second connection is what MaxConnections=1 rules out: 0206.
    let first = daemon.session();
    let mut login = daemon.login();
    login.tsih = first.tsih;
    login.cid = 9;
    assert_refused(login.connect(daemon.volume().portal), 2, Some(6));
}

#[test]
fn logout_answers_and_closes() {
    let daemon = Daemon::memory();
    for _ in 0..3 {
        assert_eq!(daemon.session().logout().unwrap(), 0);
    }
    daemon.wait_status("no session", SOON, |status| status["sessions"].as_array().is_some_and(Vec::is_empty));
    // Another connection's number: 1, CID not found (RFC 7143 §11.15.1).
    let mut session = daemon.session();
    let mut pdu = session.request(opcode::LOGOUT, true);
    pdu.bhs[1] = 0x81;
    pdu.set_u16(20, 99);
    session.send(&pdu).unwrap();
    assert_eq!(session.answer_to(pdu.itt(), opcode::LOGOUT_RESPONSE).unwrap().bhs[2], 1);
    assert_works(&mut session, 0);
}

#[test]
fn kick_ends_one_session_only() {
    let daemon = Daemon::memory();
    let mut one = daemon.session();
    let mut two = daemon.session_of(&daemon.login().session(2)).unwrap();
    let status = daemon.status();
    let sessions = status["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{status:#}");
    let victim = (sessions.iter())
        .find(|session| session["tsih"] == one.tsih)
        .unwrap_or_else(|| panic!("no session with TSIH {}: {status:#}", one.tsih));
    for (key, value) in [("HeaderDigest", "None"), ("ImmediateData", "true"), ("FirstBurstLength", "65536")] {
        assert!(victim["negotiated"][key].to_string().trim_matches('"').contains(value), "{key}: {victim:#}");
    }
    daemon.ctl_ok(&["kick", &victim["id"].to_string()]);
    // It is asked to log out, in so many seconds; then it is told that it is dropped (RFC 7143 §11.9.1, events 1 and 3).
    let seen = assert_ends(&mut one, 2 * SOON);
    let events: Vec<u8> = seen.iter().map(|pdu| pdu.bhs[36]).collect();
    assert_eq!(events, [1, 3], "{seen:?}");
    assert_eq!(seen[0].bhs[42..44], [0, 5], "{seen:?}");
    assert_works(&mut two, 0);
    daemon.wait_status("one session", SOON, |status| status["sessions"].as_array().is_some_and(|list| list.len() == 1));
    assert!(!daemon.ctl(&["kick", "99999"]).status.success());
    // Whoever does as asked is gone at once.
    let last = daemon.status()["sessions"][0]["id"].to_string();
    daemon.ctl_ok(&["kick", &last]);
    let asked = two.receive().unwrap();
    assert_eq!((asked.opcode(), asked.bhs[36]), (opcode::ASYNC_MESSAGE, 1), "{asked:?}");
    assert_eq!(two.logout().unwrap(), 0);
    daemon.wait_status("no session", Duration::from_secs(2), |status| {
        status["sessions"].as_array().is_some_and(Vec::is_empty)
    });
}

#[test]
fn silent_initiators_are_pinged_and_dead_ones_dropped() {
    let daemon = configured("", "", "[limits]\nping_interval = \"1 s\"\nping_timeout = \"1 s\"").start();
    let mut dead = daemon.session();
    dead.answer_pings = false;
    let mut live = daemon.session_of(&daemon.login().session(2)).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3500) {
        match live.step(Instant::now() + Duration::from_millis(200)) {
            Ok(None) | Err(Error::Timeout) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!live.pings.is_empty(), "nobody asked");
    assert_works(&mut live, 0);
    let seen = assert_ends(&mut dead, SOON);
    assert!(seen.iter().any(|pdu| pdu.opcode() == opcode::NOP_IN && pdu.ttt() != u32::MAX), "{seen:?}");
}

#[test]
fn no_more_sessions_than_the_limit() {
    let daemon = configured("", "", "[limits]\nsessions = 3").start();
    let mut held: Vec<_> = (1..=3).map(|n| daemon.session_of(&daemon.login().session(n)).unwrap()).collect();
    // 0302: out of resources, come later.
    assert_refused(daemon.login().session(4).connect(daemon.volume().portal), 3, Some(2));
    held.remove(0).logout().unwrap();
    held.push(daemon.session_of(&daemon.login().session(4)).unwrap());
    for session in &mut held {
        assert_works(session, 0);
    }
}
