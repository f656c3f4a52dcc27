//! Every PDU an initiator sends, cut at every kind of place with a pause in between: the answer is the same.

use std::thread;
use std::time::Duration;

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, Login, Session, cdb, login::stage, opcode, pdu, task::function};

use super::bytes;

/// Inside the basic header, at its end, inside what follows, and just before the end.
const CUTS: [isize; 9] = [1, 7, 24, 47, 48, 49, 52, 57, -1];

fn send_cut(session: &mut Session, pdu: &mainstay_testkit::initiator::Pdu, at: isize) {
    let rest = session.send_part(pdu, at).unwrap();
    if !rest.is_empty() {
        thread::sleep(Duration::from_millis(3));
        session.send_bytes(&rest).unwrap();
    }
}

#[test]
fn full_feature_requests() {
    let daemon = Daemon::memory();
    for digests in [false, true] {
        let mut login = daemon.login().key("InitialR2T", "Yes");
        if digests {
            login = login.digests();
        }
        let mut session = daemon.session_of(&login).unwrap();
        for cut in CUTS {
            // SCSI Command without and with immediate data.
            let read = Command::new(0, &cdb::read10(0, 1)).reads(512);
            let pdu = session.command_pdu(&read);
            send_cut(&mut session, &pdu, cut);
            session.expect(pdu.itt(), &read);
            session.wait(pdu.itt()).unwrap().good().unwrap();

            let payload = bytes(20480, cut as u64);
            let mut write = Command::new(0, &cdb::write10(0, 40, false)).writes(&payload);
            write.immediate_data = Some(8192);
            let pdu = session.command_pdu(&write);
            send_cut(&mut session, &pdu, cut);
            session.expect(pdu.itt(), &write);
            // Data-Out for what is asked.
            session.answer_r2t = false;
            while !session.is_done(pdu.itt()) {
                assert!(session.step(std::time::Instant::now() + super::SOON).unwrap().is_none());
                if let Some(r2t) = session.r2ts.pop() {
                    let (from, len) = (r2t.u32(40) as usize, r2t.u32(44) as usize);
                    let data = session.data_out_pdu(pdu.itt(), r2t.ttt(), &write, 0, from, from + len, true);
                    send_cut(&mut session, &data, cut);
                }
            }
            session.answer_r2t = true;
            session.wait(pdu.itt()).unwrap().good().unwrap();
            assert!(session.read10(0, 0, 40, 512).unwrap().good().unwrap() == payload, "cut at {cut}");

            let mut ping = session.request(opcode::NOP_OUT, true);
            ping.set_u32(20, pdu::NO_TAG);
            ping.data = bytes(77, 1);
            send_cut(&mut session, &ping, cut);
            assert_eq!(session.answer_to(ping.itt(), opcode::NOP_IN).unwrap().data, ping.data);

            let mut text = session.request(opcode::TEXT, false);
            text.set_u32(20, pdu::NO_TAG);
            text.data = pdu::text(&[("SendTargets", "")]);
            send_cut(&mut session, &text, cut);
            assert!(!session.answer_to(text.itt(), opcode::TEXT_RESPONSE).unwrap().data.is_empty());

            let tmf = session.tmf_pdu(function::ABORT_TASK_SET, 0, u32::MAX, 0);
            send_cut(&mut session, &tmf, cut);
            assert_eq!(session.answer_to(tmf.itt(), opcode::TASK_MANAGEMENT_RESPONSE).unwrap().bhs[2], 0);
        }
        let logout = session.request(opcode::LOGOUT, true);
        send_cut(&mut session, &logout, 30);
        assert_eq!(session.answer_to(logout.itt(), opcode::LOGOUT_RESPONSE).unwrap().bhs[2], 0);
    }
}

#[test]
fn login_requests() {
    let daemon = Daemon::memory();
    let portal = daemon.volume().portal;
    let login: Login = daemon.login();
    for cut in CUTS {
        let mut session = Session::connect(portal).unwrap();
        let mut pdu = session.login_request(&login, stage::OPERATIONAL, Some(stage::FULL_FEATURE));
        pdu.data = pdu::text(&[
            ("InitiatorName", login.initiator.as_str()),
            ("TargetName", login.target.as_deref().unwrap()),
            ("SessionType", "Normal"),
        ]);
        send_cut(&mut session, &pdu, cut);
        let answer = session.login_response().unwrap();
        assert_eq!(answer.flags() & 0x87, 0x87, "{answer:?}");
    }
}

#[test]
fn byte_by_byte_and_all_at_once() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    let payload = bytes(512, 1);
    let write = Command::new(0, &cdb::write10(9, 1, false)).writes(&payload);
    let pdu = session.command_pdu(&write);
    for byte in session.encode(&pdu) {
        session.send_bytes(&[byte]).unwrap();
    }
    session.expect(pdu.itt(), &write);
    session.wait(pdu.itt()).unwrap().good().unwrap();
    // Many PDUs in one segment.
    let read = Command::new(0, &cdb::read10(9, 1)).reads(512);
    let mut together = Vec::new();
    let mut tags = Vec::new();
    for _ in 0..session.window().min(16) {
        let pdu = session.command_pdu(&read);
        together.extend(session.encode(&pdu));
        session.expect(pdu.itt(), &read);
        tags.push(pdu.itt());
    }
    session.send_bytes(&together).unwrap();
    for tag in tags {
        assert_eq!(session.wait(tag).unwrap().good().unwrap(), payload);
    }
}
