//! Commands under way: waiting for data, for their turn, for somebody to read what they answer.

use super::super::bytes::bytes;
use super::{Scene, Stage, good_end};
use mainstay_testkit::initiator::{
    Command, Error, Pdu, Result, Session, cdb, opcode, pdu,
    task::{attribute, function},
};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::time::{Duration, Instant};

/// Takes PDUs in until `count` R2Ts wait to be answered.
fn await_r2ts(session: &mut Session, count: usize) -> Result<()> {
    let deadline = Instant::now() + session.patience;
    while session.r2ts.len() < count {
        if let Some(odd) = session.step(deadline)? {
            return Err(Error::Odd(format!("instead of an R2T came {odd:?}")));
        }
    }
    Ok(())
}

/// Sends a write of `len` bytes to LUN 1 without any data and waits for R2Ts.
fn begin_write(stage: &Stage<'_>, session: &mut Session, len: usize) -> Result<(u32, Command, u64)> {
    session.answer_r2t = false;
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(len, u64::from(stage.number) + 17);
    let mut command = Command::new(1, &cdb::write16(lba, (len / 512) as u32)).writes(&payload);
    (command.immediate_data, command.unsolicited) = (Some(0), Some(0));
    let tag = session.start(&command)?;
    Ok((tag, command, lba))
}

/// Answers what waits, then whatever else is asked for; what was written is there.
fn finish_write(session: &mut Session, tag: u32, command: &Command, lba: u64) -> Result<()> {
    session.answer_r2t = true;
    for r2t in std::mem::take(&mut session.r2ts) {
        session.answer(&r2t)?;
    }
    session.wait(tag)?.good()?;
    is_there(session, 1, lba, &command.out)
}

fn is_there(session: &mut Session, lun: u8, lba: u64, data: &[u8]) -> Result<()> {
    if session.read16(lun, lba, (data.len() / 512) as u32, 512)?.good()? == data {
        return Ok(());
    }
    Err(Error::Odd("not what was written".to_owned()))
}

pub(super) fn r2t(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 1)?;
    let len = stage.between(1, 256) * 512;
    let (tag, command, lba) = begin_write(stage, &mut session, len)?;
    await_r2ts(&mut session, 1)?;
    Scene::new("R2T unanswered", move || {
        finish_write(&mut session, tag, &command, lba)?;
        good_end(session)
    })
}

pub(super) fn r2t_half(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 1)?;
    let (tag, command, lba) = begin_write(stage, &mut session, 65536)?;
    await_r2ts(&mut session, 1)?;
    let r2t = session.r2ts.remove(0);
    let (from, asked) = (r2t.u32(40) as usize, r2t.u32(44) as usize);
    let half = from + asked / 2;
    let first = session.data_out_pdu(tag, r2t.ttt(), &command, 0, from, half, false);
    session.send(&first)?;
    Scene::new("R2T half answered", move || {
        let second = session.data_out_pdu(tag, r2t.ttt(), &command, 1, half, from + asked, true);
        session.send(&second)?;
        finish_write(&mut session, tag, &command, lba)?;
        good_end(session)
    })
}

pub(super) fn several_r2ts(stage: &mut Stage<'_>) -> Result<Scene> {
    let login = stage.login("open").key("MaxBurstLength", "16384").key("FirstBurstLength", "4096");
    let mut session = stage.session_of(&login, 1)?;
    let (tag, command, lba) = begin_write(stage, &mut session, 128 << 10)?;
    await_r2ts(&mut session, 4)?;
    Scene::new("several R2Ts", move || {
        finish_write(&mut session, tag, &command, lba)?;
        good_end(session)
    })
}

pub(super) fn unsolicited(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 1)?;
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(32768, u64::from(stage.number) + 19);
    let mut command = Command::new(1, &cdb::write16(lba, 64)).writes(&payload);
    (command.immediate_data, command.unsolicited) = (Some(8192), Some(24576));
    let request = session.command_pdu(&command);
    session.send(&request)?;
    session.expect(request.itt(), &command);
    let first = session.data_out_pdu(request.itt(), pdu::NO_TAG, &command, 0, 8192, 16384, false);
    session.send(&first)?;
    Scene::new("unsolicited data open", move || {
        let second = session.data_out_pdu(request.itt(), pdu::NO_TAG, &command, 1, 16384, 32768, true);
        session.send(&second)?;
        session.wait(request.itt())?.good()?;
        is_there(&mut session, 1, lba, &payload)?;
        good_end(session)
    })
}

/// An ordered read waits behind a write that waits for its data, and must see it.
pub(super) fn ordered(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 1)?;
    let (tag, command, lba) = begin_write(stage, &mut session, 8192)?;
    await_r2ts(&mut session, 1)?;
    let mut read = Command::new(1, &cdb::read16(lba, 16)).reads(8192);
    read.attribute = attribute::ORDERED;
    let behind = session.start(&read)?;
    Scene::new("ordered behind a write", move || {
        session.answer_r2t = true;
        let r2t = session.r2ts.remove(0);
        session.answer(&r2t)?;
        session.wait(tag)?.good()?;
        if session.wait(behind)?.good()? != command.out {
            return Err(Error::Odd("the read did not wait for the write".to_owned()));
        }
        good_end(session)
    })
}

/// Grows the window so that there is room for `count` commands.
fn open_window(session: &mut Session, lun: u8, count: u32) -> Result<()> {
    for _ in 0..200 {
        if session.window() >= count {
            return Ok(());
        }
        session.test_unit_ready(lun)?.good()?;
    }
    Err(Error::Odd(format!("the window stays at {}", session.window())))
}

pub(super) fn gap(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 1)?;
    open_window(&mut session, 1, 4)?;
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(4096, u64::from(stage.number) + 23);
    let mut write = Command::new(1, &cdb::write16(lba, 8)).writes(&payload);
    write.attribute = attribute::ORDERED;
    let mut read = Command::new(1, &cdb::read16(lba, 8)).reads(4096);
    read.attribute = attribute::ORDERED;
    let missing = session.command_pdu(&Command::new(1, &cdb::test_unit_ready()));
    let (first, second) = (session.command_pdu(&write), session.command_pdu(&read));
    // Backwards, the first not at all.
    session.send(&second)?;
    session.send(&first)?;
    session.expect(second.itt(), &read);
    session.expect(first.itt(), &write);
    Scene::new("a number missing", move || {
        session.send(&missing)?;
        session.expect(missing.itt(), &Command::new(1, &cdb::test_unit_ready()));
        session.wait(missing.itt())?.good()?;
        session.wait(first.itt())?.good()?;
        if session.wait(second.itt())?.good()? != payload {
            return Err(Error::Odd("the read did not come after the write".to_owned()));
        }
        good_end(session)
    })
}

/// A task management function that stands behind a missing number: it waits for its turn like a command.
pub(super) fn management_gap(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 1)?;
    open_window(&mut session, 1, 4)?;
    let (tag, _, _) = begin_write(stage, &mut session, 8192)?;
    await_r2ts(&mut session, 1)?;
    let missing = session.command_pdu(&Command::new(1, &cdb::test_unit_ready()));
    let mut request = session.request(opcode::TASK_MANAGEMENT, false);
    request.bhs[1] = pdu::FINAL | function::ABORT_TASK_SET;
    request.bhs[9] = 1;
    request.set_u32(20, pdu::NO_TAG);
    session.send(&request)?;
    Scene::new("management behind a gap", move || {
        session.send(&missing)?;
        session.expect(missing.itt(), &Command::new(1, &cdb::test_unit_ready()));
        let answer = session.answer_to(request.itt(), opcode::TASK_MANAGEMENT_RESPONSE)?;
        if answer.bhs[2] != 0 {
            return Err(Error::Odd(format!("{answer:?}")));
        }
        session.forget(tag);
        session.forget(missing.itt());
        session.test_unit_ready(1)?.good()?;
        good_end(session)
    })
}

/// An aborted write whose data comes all the same, later: it is swallowed.
pub(super) fn aborted(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 1)?;
    let lba = stage.ground.plot(stage.number, 512);
    let before = bytes(8192, u64::from(stage.number) + 29);
    session.write16(1, lba, &before, 512)?.good()?;
    let number = session.cmd_sn;
    let (tag, command, _) = begin_write(stage, &mut session, 8192)?;
    await_r2ts(&mut session, 1)?;
    let r2t = session.r2ts.remove(0);
    // Immediate: it does not wait for the write's own data.
    let code = session.tmf(function::ABORT_TASK, 1, tag, number)?;
    if code != 0 {
        return Err(Error::Odd(format!("the abort is answered with {code}")));
    }
    Scene::new("aborted, data late", move || {
        let from = r2t.u32(40) as usize;
        let late = session.data_out_pdu(tag, r2t.ttt(), &command, 0, from, from + r2t.u32(44) as usize, true);
        session.send(&late)?;
        session.forget(tag);
        is_there(&mut session, 1, lba, &before)?;
        good_end(session)
    })
}

/// A command of LUN 0 that has been asked for its parameter data, which goes with `finish`.
fn waits_for_data(
    name: &'static str,
    mut session: Session,
    mut command: Command,
    finish: impl FnOnce(&mut Session) -> Result<()> + Send + 'static,
) -> Result<Scene> {
    session.answer_r2t = false;
    (command.immediate_data, command.unsolicited) = (Some(0), Some(0));
    let tag = session.start(&command)?;
    await_r2ts(&mut session, 1)?;
    Scene::new(name, move || {
        session.answer_r2t = true;
        let r2t = session.r2ts.remove(0);
        session.answer(&r2t)?;
        session.wait(tag)?.good()?;
        finish(&mut session)?;
        good_end(session)
    })
}

pub(super) fn compare(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let lba = stage.ground.plot(stage.number, 512);
    let (old, new) = (bytes(4096, 31), bytes(4096, u64::from(stage.number) + 37));
    session.write16(0, lba, &old, 512)?.good()?;
    let mut cdb = cdb::sixteen(0x89, 0, lba, 0);
    cdb[13] = 8;
    let command = Command::new(0, &cdb).writes(&[old, new.clone()].concat());
    waits_for_data("compare and write", session, command, move |session| is_there(session, 0, lba, &new))
}

pub(super) fn write_same(stage: &mut Stage<'_>) -> Result<Scene> {
    let session = stage.session("open", 0)?;
    let lba = stage.ground.plot(stage.number, 512);
    let block = bytes(512, u64::from(stage.number) + 41);
    let command = Command::new(0, &cdb::write_same16(0, lba, 64)).writes(&block);
    waits_for_data("write same", session, command, move |session| is_there(session, 0, lba, &block.repeat(64)))
}

pub(super) fn unmap(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let lba = stage.ground.plot(stage.number, 512);
    session.write16(0, lba, &bytes(8192, 43), 512)?.good()?;
    // UNMAP parameter list (SBC-4 §5.32.2): lengths, then one descriptor.
    let mut list = vec![0, 22, 0, 16, 0, 0, 0, 0];
    list.extend_from_slice(&lba.to_be_bytes());
    list.extend_from_slice(&16u32.to_be_bytes());
    list.extend_from_slice(&[0; 4]);
    let mut cdb = cdb::ten(0x42, 0, 0, list.len() as u16);
    cdb[9] = 0;
    let command = Command::new(0, &cdb).writes(&list);
    waits_for_data("unmap", session, command, move |session| is_there(session, 0, lba, &[0; 8192]))
}

pub(super) fn write_verify(stage: &mut Stage<'_>) -> Result<Scene> {
    let session = stage.session("open", 0)?;
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(16384, u64::from(stage.number) + 47);
    let command = Command::new(0, &cdb::sixteen(0x8e, 0, lba, 32)).writes(&payload);
    waits_for_data("write and verify", session, command, move |session| is_there(session, 0, lba, &payload))
}

/// Reads whose answers nobody takes: 24 MiB are on their way, of which the sockets hold a part.
fn reads_unread(stage: &mut Stage<'_>) -> Result<(Session, Vec<u32>, Vec<u8>)> {
    let mut session = stage.session("open", 0)?;
    open_window(&mut session, 0, 6)?;
    // The kernel takes little for who does not read.
    set_socket_recv_buffer_size(session.stream(), 64 << 10).map_err(std::io::Error::from)?;
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(4 << 20, u64::from(stage.number) + 53);
    session.write16(0, lba, &payload, 512)?.good()?;
    let read = Command::new(0, &cdb::read16(lba, 8192)).reads(4 << 20);
    let tags = (0..6).map(|_| session.start(&read)).collect::<Result<Vec<u32>>>()?;
    Ok((session, tags, payload))
}

pub(super) fn unread(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut session, tags, payload) = reads_unread(stage)?;
    Scene::new("answers unread", move || {
        for tag in tags {
            if session.wait(tag)?.good()? != payload {
                return Err(Error::Odd("not what was written".to_owned()));
            }
        }
        good_end(session)
    })
}

pub(super) fn unread_logout(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut session, _, _) = reads_unread(stage)?;
    let mut request = session.request(opcode::LOGOUT, true);
    request.bhs[1] = pdu::FINAL;
    session.send(&request)?;
    let asked = Instant::now();
    let mut scene = Scene::new("answers unread, logout asked for", move || {
        let seen = session.read_to_close(session.patience)?;
        let answered = |pdu: &&Pdu| pdu.opcode() == opcode::LOGOUT_RESPONSE && pdu.itt() == request.itt();
        match seen.iter().filter(answered).count() {
            1 => Ok(()),
            // A session that is closing is given 5 s, and then it is over.
            0 if asked.elapsed() > Duration::from_secs(4) => Ok(()),
            count => Err(Error::Odd(format!("{count} logout responses among {} PDUs", seen.len()))),
        }
    })?;
    scene.spoils_ms = 2000;
    Ok(scene)
}

/// An abort of all that is not read yet.
pub(super) fn unread_abort(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut session, tags, payload) = reads_unread(stage)?;
    let request = session.tmf_pdu(function::ABORT_TASK_SET, 0, pdu::NO_TAG, 0);
    session.send(&request)?;
    Scene::new("answers unread, abort asked for", move || {
        let answer = session.answer_to(request.itt(), opcode::TASK_MANAGEMENT_RESPONSE)?;
        if answer.bhs[2] != 0 {
            return Err(Error::Odd(format!("{answer:?}")));
        }
        for tag in tags {
            // What was answered before the abort is whole; the rest is gone.
            if session.is_done(tag) && session.wait(tag)?.good()? != payload {
                return Err(Error::Odd("not what was written".to_owned()));
            }
            session.forget(tag);
        }
        session.test_unit_ready(0)?.good()?;
        good_end(session)
    })
}
