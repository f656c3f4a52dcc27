//! Task management: tasks are really gone, late data is swallowed, others learn what they must (RFC 7143 §11.5, SAM-5 §7).
//!
//! A write whose R2T is not answered stays in flight for as long as a test wants it to.

use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, Error, Pdu, Session, cdb, opcode, task::function};

use super::{SOON, assert_works, bytes};

const COMPLETE: u8 = 0;
const NO_SUCH_TASK: u8 = 1;
const NO_SUCH_LUN: u8 = 2;

/// A write in flight: its tag, its command number, and the R2T that waits for an answer.
fn hold(session: &mut Session, lba: u32) -> (u32, u32, Pdu, Command) {
    session.answer_r2t = false;
    let payload = bytes(8192, u64::from(lba) + 40);
    let mut command = Command::new(0, &cdb::write10(lba, 16, false)).writes(&payload);
    command.immediate_data = Some(0);
    command.unsolicited = Some(0);
    let sn = session.cmd_sn;
    let itt = session.start(&command).unwrap();
    while session.r2ts.is_empty() {
        assert!(session.step(Instant::now() + SOON).unwrap().is_none());
    }
    (itt, sn, session.r2ts.remove(0), command)
}

/// The aborted task never answers, and data for it that was on its way is swallowed.
fn assert_gone(session: &mut Session, itt: u32, r2t: &Pdu, command: &Command, lba: u32) {
    let from = r2t.u32(40) as usize;
    let late = session.data_out_pdu(itt, r2t.ttt(), command, 0, from, from + r2t.u32(44) as usize, true);
    session.send(&late).unwrap();
    match session.step(Instant::now() + Duration::from_millis(120)) {
        Err(Error::Timeout) => {}
        other => panic!("late data of an aborted task brought {other:?}"),
    }
    session.forget(itt);
    session.answer_r2t = true;
    let now = session.read10(0, lba, 16, 512).unwrap().good().unwrap();
    assert!(now != command.out, "the aborted write has been written");
    assert_works(session, 0);
}

#[test]
fn abort_task() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    let (itt, sn, r2t, command) = hold(&mut session, 300);
    assert_eq!(session.tmf(function::ABORT_TASK, 0, itt, sn).unwrap(), COMPLETE);
    assert_gone(&mut session, itt, &r2t, &command, 300);
}

#[test]
fn abort_task_that_is_not_there() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    let old = session.cmd_sn;
    session.test_unit_ready(0).unwrap();
    assert_eq!(session.tmf(function::ABORT_TASK, 0, 0x1234_5678, old).unwrap(), NO_SUCH_TASK);
    // A command that was lost on its way counts as come and gone (RFC 7143 §11.6.1), so that the window moves on.
    let lost = session.take_cmd_sn();
    assert_eq!(session.tmf(function::ABORT_TASK, 0, 0x1234_5678, lost).unwrap(), COMPLETE);
    session.test_unit_ready(0).unwrap().good().unwrap();
}

#[test]
fn abort_and_clear_task_set() {
    let daemon = Daemon::memory();
    for function in [function::ABORT_TASK_SET, function::CLEAR_TASK_SET] {
        let mut session = daemon.session();
        let (itt, _, r2t, command) = hold(&mut session, 400 + u32::from(function));
        assert_eq!(session.tmf(function, 0, u32::MAX, 0).unwrap(), COMPLETE, "function {function}");
        assert_gone(&mut session, itt, &r2t, &command, 400 + u32::from(function));
    }
}

#[test]
fn logical_unit_reset_reaches_everybody() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    let mut other = daemon.session_of(&daemon.login().session(7)).unwrap();
    let (itt, _, r2t, command) = hold(&mut session, 500);
    let (other_itt, _, _, _) = hold(&mut other, 600);
    assert_eq!(session.tmf(function::LOGICAL_UNIT_RESET, 0, u32::MAX, 0).unwrap(), COMPLETE);
    let seen = session.clear_attentions(0).unwrap();
    assert_gone(&mut session, itt, &r2t, &command, 500);
    // The other's task ends: silently (TAS=0) or with TASK ABORTED, and a unit attention tells why (SAM-5 §6.3.3 et al.).
    other.forget(other_itt);
    other.answer_r2t = true;
    let told = other.clear_attentions(0).unwrap();
    assert!(told.iter().any(|(asc, ascq)| *asc == 0x29 && [0, 2, 3, 7].contains(ascq)), "{told:02x?}");
    assert!(seen.iter().all(|(asc, _)| *asc == 0x29), "{seen:02x?}");
    assert_works(&mut other, 0);
}

#[test]
fn targets_warm_reset_and_functions_we_do_not_have() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    assert_eq!(session.tmf(function::LOGICAL_UNIT_RESET, 9, u32::MAX, 0).unwrap(), NO_SUCH_LUN);
    let answer = session.tmf(function::TARGET_WARM_RESET, 0, u32::MAX, 0).unwrap();
    assert!([0, 5].contains(&answer), "{answer}");
    session.clear_attentions(0).unwrap();
    let (itt, sn, r2t, command) = hold(&mut session, 700);
    // Reassignment is of ErrorRecoveryLevel 2 (RFC 7143 §11.6.1): 4, or 5 for not at all.
    let answer = session.tmf(function::TASK_REASSIGN, 0, itt, sn).unwrap();
    assert!([4, 5].contains(&answer), "{answer}");
    let answer = session.tmf(function::CLEAR_ACA, 0, u32::MAX, 0).unwrap();
    assert!([0, 5, 255].contains(&answer), "{answer}");
    let answer = session.tmf(77, 0, u32::MAX, 0).unwrap();
    assert!([5, 255].contains(&answer), "{answer}");
    // None of this has touched the task.
    session.answer(&r2t).unwrap();
    session.wait(itt).unwrap().good().unwrap();
    session.answer_r2t = true;
    assert!(session.read10(0, 700, 16, 512).unwrap().good().unwrap() == command.out);
}

#[test]
fn cold_reset_lets_initiators_come_back() {
    let mut daemon = Daemon::memory();
    let mut session = daemon.session();
    let pdu = session.tmf_pdu(function::TARGET_COLD_RESET, 0, u32::MAX, 0);
    session.send(&pdu).unwrap();
    // Either it is not supported, or all sessions end (RFC 7143 §11.5.1).
    match session.receive() {
        Ok(answer) => assert_eq!(answer.opcode(), opcode::TASK_MANAGEMENT_RESPONSE, "{answer:?}"),
        Err(Error::Closed) => {}
        Err(why) => panic!("{why}"),
    }
    assert_works(&mut daemon.session(), 0);
    daemon.assert_alive();
}
