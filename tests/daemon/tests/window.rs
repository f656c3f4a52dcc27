//! CmdSN: order, gaps, repeats, the window, and immediate commands that stand beside it (RFC 7143 §4.2.2.1).

use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, Error, Session, cdb, task::attribute};

use super::bytes;

/// Nothing but pings may come for a while.
#[track_caller]
fn assert_silent(session: &mut Session) {
    match session.step(Instant::now() + Duration::from_millis(120)) {
        Err(Error::Timeout) => {}
        other => panic!("expected silence, not {other:?}"),
    }
}

#[test]
fn commands_run_in_the_order_of_their_numbers() {
    let daemon = Daemon::memory();
    let mut session = daemon.session_of(&daemon.login().key("MaxOutstandingR2T", "1")).unwrap();
    // Grow the window first.
    for _ in 0..40 {
        session.test_unit_ready(0).unwrap();
    }
    assert!(session.window() >= 4, "a window of {}", session.window());
    let write = |seed| Command::new(0, &cdb::write10(0, 8, false)).writes(&bytes(4096, seed));
    let read = Command::new(0, &cdb::read10(0, 8)).reads(4096);
    let first = session.cmd_sn;
    let mut commands = [write(1), write(2), read, write(3)];
    commands.iter_mut().for_each(|command| command.attribute = attribute::ORDERED);
    let pdus: Vec<_> = commands.iter().map(|command| session.command_pdu(command)).collect();
    assert_eq!(session.cmd_sn, first + 4);
    for n in [3, 2, 1] {
        session.send(&pdus[n]).unwrap();
        session.expect(pdus[n].itt(), &commands[n]);
    }
    assert_silent(&mut session);
    // Immediate ones do not wait for the gap.
    assert_eq!(session.ping(b"beside").unwrap(), b"beside");
    let mut immediate = Command::new(0, &cdb::inquiry(None, 36)).reads(36);
    immediate.immediate = true;
    session.run(&immediate).unwrap().good().unwrap();
    assert_eq!(session.exp_cmd_sn, first);

    session.send(&pdus[0]).unwrap();
    session.expect(pdus[0].itt(), &commands[0]);
    let outcomes: Vec<_> = pdus.iter().map(|pdu| session.wait(pdu.itt()).unwrap().good().unwrap()).collect();
    assert!(outcomes[2] == bytes(4096, 2), "the read ran where its number stands");
    assert_eq!(session.exp_cmd_sn, first + 4);
}

#[test]
fn ordered_tasks_keep_their_order() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    for _ in 0..40 {
        session.test_unit_ready(0).unwrap();
    }
    for round in 0..10 {
        let mut tags = Vec::new();
        for step in 0..4u64 {
            let mut command = Command::new(0, &cdb::write10(0, 128, false)).writes(&bytes(65536, round * 10 + step));
            command.attribute = attribute::ORDERED;
            tags.push(session.start(&command).unwrap());
        }
        let mut read = Command::new(0, &cdb::read10(0, 128)).reads(65536);
        read.attribute = attribute::ORDERED;
        let last = session.start(&read).unwrap();
        assert!(session.wait(last).unwrap().good().unwrap() == bytes(65536, round * 10 + 3), "round {round}");
        for tag in tags {
            session.wait(tag).unwrap().good().unwrap();
        }
    }
}

#[test]
fn repeated_and_far_numbers_are_ignored() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    let command = Command::new(0, &cdb::test_unit_ready());
    let pdu = session.command_pdu(&command);
    session.send(&pdu).unwrap();
    session.expect(pdu.itt(), &command);
    session.wait(pdu.itt()).unwrap().good().unwrap();
    // The same again, an older one, and some beyond MaxCmdSN: silently ignored.
    session.send(&pdu).unwrap();
    for sn in
        [session.cmd_sn.wrapping_sub(100), session.max_cmd_sn.wrapping_add(1), session.max_cmd_sn.wrapping_add(5000)]
    {
        let mut odd = pdu.clone();
        odd.set_u32(16, 0x7000_0000).set_u32(24, sn);
        session.send(&odd).unwrap();
    }
    assert_silent(&mut session);
    session.test_unit_ready(0).unwrap().good().unwrap();
}

#[test]
fn the_numbers_go_around() {
    let daemon = Daemon::memory();
    let mut login = daemon.login();
    login.cmd_sn = u32::MAX - 20;
    let mut session = daemon.session_of(&login).unwrap();
    for n in 0..60 {
        let payload = bytes(512, n);
        session.write10(0, 5, &payload, 512).unwrap().good().unwrap();
        assert_eq!(session.read10(0, 5, 1, 512).unwrap().good().unwrap(), payload);
    }
    assert!(session.cmd_sn < 1000, "{}", session.cmd_sn);
    assert_eq!(session.exp_cmd_sn, session.cmd_sn);
}

#[test]
fn a_tag_in_use_is_refused() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    for _ in 0..40 {
        session.test_unit_ready(0).unwrap();
    }
    session.answer_r2t = false;
    let payload = bytes(4096, 1);
    let mut held = Command::new(0, &cdb::write10(0, 8, false)).writes(&payload);
    held.immediate_data = Some(0);
    held.unsolicited = Some(0);
    let itt = session.start(&held).unwrap();
    while session.r2ts.is_empty() {
        assert!(session.step(Instant::now() + super::SOON).unwrap().is_none());
    }
    let mut again = session.command_pdu(&Command::new(0, &cdb::test_unit_ready()));
    again.set_u32(16, itt);
    session.send(&again).unwrap();
    // Reject "task in progress" (RFC 7143 §11.17.1), or the end of the session: the tag names two things now.
    match session.receive() {
        Ok(answer) => assert!(super::has_reject(std::slice::from_ref(&answer), 0x07), "{answer:?}"),
        Err(Error::Closed) => return,
        Err(why) => panic!("{why}"),
    }
    let r2t = session.r2ts.remove(0);
    if session.answer(&r2t).is_ok() {
        session.wait(itt).unwrap().good().unwrap();
    }
}
