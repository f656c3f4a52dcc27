//! PDUs of which only a part was sent: cut in the header, in its digest, in the data, in its padding or digest.

use super::super::bytes::bytes;
use super::{Scene, Stage, good_end};
use mainstay_testkit::initiator::{Command, Error, Pdu, Result, Session, cdb, opcode, pdu, task::function};
use std::time::Instant;

/// Sends a part of `pdu`: where it is cut is chosen among the places it has. Gives the place's name and the rest.
fn send_part(stage: &mut Stage<'_>, session: &mut Session, pdu: &Pdu) -> Result<(&'static str, Vec<u8>)> {
    let header = 48 + pdu.ahs.len();
    let digest = if session.header_digest { 4 } else { 0 };
    let (data, padded) = (pdu.data.len(), pdu.data.len().next_multiple_of(4));
    let mut places = vec![("header", 1, 48)];
    if !pdu.ahs.is_empty() {
        places.push(("additional header", 49, header));
    }
    if digest > 0 {
        places.push(("header digest", header + 1, header + 4));
    }
    if data > 0 {
        places.push(("before data", header + digest, header + digest + 1));
        places.push(("data", header + digest + 1, header + digest + data));
        if padded > data {
            places.push(("padding", header + digest + data, header + digest + padded));
        }
        if session.data_digest {
            places.push(("data digest", header + digest + padded + 1, header + digest + padded + 4));
        }
    }
    let (name, from, to) = places[stage.random.below(places.len() as u64) as usize];
    let at = stage.between(from, to);
    Ok((name, session.send_part(pdu, at as isize)?))
}

pub(super) fn command_with_data(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let lba = stage.ground.plot(stage.number, 512);
    let len = stage.between(1, 16) * 512;
    let payload = bytes(len, u64::from(stage.number) + 7);
    let mut command = Command::new(0, &cdb::write16(lba, (len / 512) as u32)).writes(&payload);
    command.unsolicited = Some(0);
    let request = session.command_pdu(&command);
    let (place, rest) = send_part(stage, &mut session, &request)?;
    Scene::new(format!("SCSI command with data, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        session.expect(request.itt(), &command);
        session.wait(request.itt())?.good()?;
        if session.read16(0, lba, (len / 512) as u32, 512)?.good()? != payload {
            return Err(Error::Odd("not what was written".to_owned()));
        }
        good_end(session)
    })
}

pub(super) fn command(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 2)?;
    let lba = stage.ground.plot(stage.number, 4096);
    let payload = bytes(8192, u64::from(stage.number));
    session.write16(2, lba, &payload, 4096)?.good()?;
    let command = Command::new(2, &cdb::read16(lba, 2)).reads(8192);
    let request = session.command_pdu(&command);
    let (place, rest) = send_part(stage, &mut session, &request)?;
    Scene::new(format!("SCSI command, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        session.expect(request.itt(), &command);
        if session.wait(request.itt())?.good()? != payload {
            return Err(Error::Odd("not what was written".to_owned()));
        }
        good_end(session)
    })
}

/// A CDB of 32 bytes, which goes on in an additional header. No command has one, so the answer is ILLEGAL REQUEST.
pub(super) fn long_cdb(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let mut cdb = vec![0; 32];
    (cdb[0], cdb[7]) = (0x7f, 24);
    let command = Command::new(0, &cdb);
    let request = session.command_pdu(&command);
    let (place, rest) = send_part(stage, &mut session, &request)?;
    Scene::new(format!("long CDB, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        session.expect(request.itt(), &command);
        match session.wait(request.itt())? {
            outcome if outcome.status == 2 && outcome.sense().is_some_and(|sense| sense.0 == 5) => good_end(session),
            other => Err(Error::Odd(format!("{other:?}"))),
        }
    })
}

/// A write that has been asked for its data.
fn asked(stage: &mut Stage<'_>, len: usize) -> Result<(Session, Command, u64, Pdu)> {
    let mut session = stage.session("open", 1)?;
    session.answer_r2t = false;
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(len, u64::from(stage.number) + 11);
    let mut command = Command::new(1, &cdb::write16(lba, (len / 512) as u32)).writes(&payload);
    (command.immediate_data, command.unsolicited) = (Some(0), Some(0));
    session.start(&command)?;
    let deadline = Instant::now() + session.patience;
    while session.r2ts.is_empty() {
        if let Some(odd) = session.step(deadline)? {
            return Err(Error::Odd(format!("instead of an R2T came {odd:?}")));
        }
    }
    let r2t = session.r2ts.remove(0);
    Ok((session, command, lba, r2t))
}

pub(super) fn data_out(stage: &mut Stage<'_>) -> Result<Scene> {
    let len = stage.between(4, 128) * 512;
    let (mut session, command, lba, r2t) = asked(stage, len)?;
    let (from, asked) = (r2t.u32(40) as usize, r2t.u32(44) as usize);
    let whole = session.data_out_pdu(r2t.itt(), r2t.ttt(), &command, 0, from, from + asked, true);
    let (place, rest) = send_part(stage, &mut session, &whole)?;
    Scene::new(format!("Data-Out, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        session.answer_r2t = true;
        for r2t in std::mem::take(&mut session.r2ts) {
            session.answer(&r2t)?;
        }
        session.wait(r2t.itt())?.good()?;
        if session.read16(1, lba, (len / 512) as u32, 512)?.good()? != command.out {
            return Err(Error::Odd("not what was written".to_owned()));
        }
        good_end(session)
    })
}

pub(super) fn unsolicited(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 1)?;
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(16384, u64::from(stage.number) + 13);
    let mut command = Command::new(1, &cdb::write16(lba, 32)).writes(&payload);
    (command.immediate_data, command.unsolicited) = (Some(4096), Some(12288));
    let request = session.command_pdu(&command);
    session.send(&request)?;
    session.expect(request.itt(), &command);
    let rest = session.data_out_pdu(request.itt(), pdu::NO_TAG, &command, 0, 4096, 16384, true);
    let (place, rest) = send_part(stage, &mut session, &rest)?;
    Scene::new(format!("unsolicited Data-Out, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        session.wait(request.itt())?.good()?;
        if session.read16(1, lba, 32, 512)?.good()? != payload {
            return Err(Error::Odd("not what was written".to_owned()));
        }
        good_end(session)
    })
}

pub(super) fn nop_out(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let mut request = session.request(opcode::NOP_OUT, true);
    request.set_u32(20, pdu::NO_TAG);
    request.data = bytes(stage.between(1, 900), 3);
    let (place, rest) = send_part(stage, &mut session, &request)?;
    Scene::new(format!("NOP-Out, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        if session.answer_to(request.itt(), opcode::NOP_IN)?.data != request.data {
            return Err(Error::Odd("another echo".to_owned()));
        }
        good_end(session)
    })
}

pub(super) fn management(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let missing = session.cmd_sn.wrapping_sub(1);
    let request = session.tmf_pdu(function::ABORT_TASK, 0, 0x7777, missing);
    let (place, rest) = send_part(stage, &mut session, &request)?;
    Scene::new(format!("task management, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        let answer = session.answer_to(request.itt(), opcode::TASK_MANAGEMENT_RESPONSE)?;
        // 1: task does not exist (RFC 7143 §11.6.1).
        if answer.bhs[2] != 1 {
            return Err(Error::Odd(format!("{answer:?}")));
        }
        good_end(session)
    })
}

pub(super) fn text(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let mut request = session.request(opcode::TEXT, false);
    request.set_u32(20, pdu::NO_TAG);
    request.data = pdu::text(&[("SendTargets", "")]);
    let (place, rest) = send_part(stage, &mut session, &request)?;
    Scene::new(format!("text, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        let answer = session.answer_to(request.itt(), opcode::TEXT_RESPONSE)?;
        if !String::from_utf8_lossy(&answer.data).contains("TargetName=") {
            return Err(Error::Odd(format!("{answer:?}")));
        }
        good_end(session)
    })
}

pub(super) fn logout(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let mut request = session.request(opcode::LOGOUT, true);
    request.bhs[1] = pdu::FINAL;
    let (place, rest) = send_part(stage, &mut session, &request)?;
    Scene::new(format!("logout, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        let answer = session.answer_to(request.itt(), opcode::LOGOUT_RESPONSE)?;
        if answer.bhs[2] != 0 {
            return Err(Error::Odd(format!("{answer:?}")));
        }
        session.read_to_close(session.patience).map(drop)
    })
}

/// At error recovery level 0 a SNACK is a protocol error: it is rejected, or the session ends (RFC 7143 §7.1.1).
pub(super) fn snack(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let mut request = session.request(opcode::SNACK, false);
    request.bhs[1] = pdu::FINAL | 1;
    let (place, rest) = send_part(stage, &mut session, &request)?;
    Scene::new(format!("SNACK, cut in {place}"), move || {
        session.send_bytes(&rest)?;
        let deadline = Instant::now() + session.patience;
        while session.rejects.is_empty() {
            match session.step(deadline) {
                Ok(None) => {}
                Err(Error::Closed) => break,
                other => return Err(Error::Odd(format!("{other:?}"))),
            }
        }
        Ok(())
    })
}
