//! Residual counts: what the command moves against what the initiator expected (RFC 7143 §11.4.5).

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, Session, cdb};

use super::bytes;

fn session(daemon: &Daemon) -> Session {
    let mut session = daemon.session();
    session.write10(0, 0, &bytes(8192, 1), 512).unwrap().good().unwrap();
    session
}

#[test]
fn reads() {
    let daemon = Daemon::memory();
    let mut session = session(&daemon);
    // Blocks read, bytes expected; over, under, residual.
    for (blocks, expected, over, under, residual) in [
        (2, 1024, false, false, 0),
        (2, 512, true, false, 512),
        (2, 1000, true, false, 24),
        (2, 4096, false, true, 3072),
        (2, 0, true, false, 1024),
        (0, 512, false, true, 512),
        (0, 0, false, false, 0),
    ] {
        let outcome = session.run(&Command::new(0, &cdb::read10(0, blocks)).reads(expected)).unwrap();
        let moved = (u32::from(blocks) * 512).min(expected) as usize;
        assert_eq!(outcome.status, 0, "{blocks} {expected}: {outcome:?}");
        assert_eq!(
            (outcome.overflow, outcome.underflow, outcome.residual),
            (over, under, residual),
            "{blocks} {expected}"
        );
        assert!(outcome.data == bytes(8192, 1)[..moved], "{blocks} {expected}");
    }
    let inquiry = session.run(&Command::new(0, &cdb::inquiry(None, 1000)).reads(1000)).unwrap();
    assert!(inquiry.underflow && inquiry.data.len() + inquiry.residual as usize == 1000, "{inquiry:?}");
    let short = session.run(&Command::new(0, &cdb::inquiry(None, 8)).reads(8)).unwrap();
    assert!(!short.underflow && !short.overflow && short.data == inquiry.data[..8], "{short:?}");
}

#[test]
fn writes() {
    let daemon = Daemon::memory();
    let mut session = session(&daemon);
    // Blocks written, bytes brought; over, under, residual.
    for (blocks, brought, over, under, residual) in [
        (2, 1024, false, false, 0),
        (2, 512, true, false, 512),
        (2, 4096, false, true, 3072),
        (0, 512, false, true, 512),
    ] {
        let name = format!("{blocks} blocks with {brought} bytes");
        let before = session.read10(0, 100, 16, 512).unwrap().good().unwrap();
        let payload = bytes(brought, 77 + brought as u64);
        let outcome = session.run(&Command::new(0, &cdb::write10(100, blocks, false)).writes(&payload)).unwrap();
        assert_eq!(
            (outcome.overflow, outcome.underflow, outcome.residual),
            (over, under, residual),
            "{name}: {outcome:?}"
        );
        let after = session.read10(0, 100, 16, 512).unwrap().good().unwrap();
        let moved = (usize::from(blocks) * 512).min(brought);
        // Where too little was brought a target may also refuse; it must not write what nobody sent.
        let written = if outcome.status == 0 { moved } else { 0 };
        assert!(after[..written] == payload[..written], "{name}");
        assert!(after[moved..] == before[moved..], "{name}: more was written than was brought");
    }
    // The same without immediate data: all by R2T.
    let payload = bytes(4096, 3);
    let mut command = Command::new(0, &cdb::write10(200, 2, false)).writes(&payload);
    command.immediate_data = Some(0);
    command.unsolicited = Some(0);
    let outcome = session.run(&command).unwrap();
    assert_eq!((outcome.status, outcome.underflow, outcome.residual), (0, true, 3072), "{outcome:?}");
    assert!(session.read10(0, 200, 2, 512).unwrap().good().unwrap() == payload[..1024]);
}

#[test]
fn commands_without_data() {
    let daemon = Daemon::memory();
    let mut session = session(&daemon);
    let outcome = session.run(&Command::new(0, &cdb::test_unit_ready()).reads(512)).unwrap();
    assert_eq!((outcome.status, outcome.underflow, outcome.residual), (0, true, 512), "{outcome:?}");
    let outcome = session.run(&Command::new(0, &cdb::test_unit_ready()).writes(&[1; 512])).unwrap();
    assert_eq!((outcome.status, outcome.underflow, outcome.residual), (0, true, 512), "{outcome:?}");
    assert_eq!(session.read10(0, 0, 1, 512).unwrap().good().unwrap(), bytes(8192, 1)[..512]);
}
