//! I/O commands under way: waiting for data, for their second half, for somebody to read what they answer.

use super::super::super::bytes::bytes;
use super::super::{Scene, Stage};
use super::{PATIENCE, good_end, is_there, odd};
use mainstay_testkit::host::pdu::{Pdu, kind};
use mainstay_testkit::host::{
    Cid, Connection, Controller, Data, Done, Entry, Error, Host, Raw, Result, Sgl, Status, command,
};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::time::Instant;

/// Answers R2Ts as they come until the command ends.
pub(super) fn answer_all(io: &mut Connection, cid: Cid) -> Result<Done> {
    let deadline = Instant::now() + io.patience;
    while !io.is_done(cid) {
        for r2t in std::mem::take(&mut io.r2ts) {
            io.answer(&r2t)?;
        }
        io.step(deadline)?;
    }
    io.wait(cid)
}

/// A controller whose host answers R2Ts when it likes, and sends nothing before.
fn asked(stage: &Stage<'_>) -> Result<Controller> {
    let mut controller = stage.controller(&stage.host("open").hold_r2ts())?;
    controller.no_in_capsule();
    Ok(controller)
}

fn await_r2ts(io: &mut Connection, count: usize) -> Result<()> {
    let deadline = Instant::now() + io.patience;
    while io.r2ts.len() < count {
        io.step(deadline)?;
    }
    Ok(())
}

/// A command that has been asked for its data, which goes with the finish; then `check`.
fn waits(
    name: &'static str,
    mut controller: Controller,
    (entry, data): (Entry, Vec<u8>),
    check: impl FnOnce(&mut Controller) -> Result<()> + Send + 'static,
) -> Result<Scene> {
    let io = &mut controller.io[0];
    let cid = io.start(entry, Data::ToController(data))?;
    await_r2ts(io, 1)?;
    Ok(Scene::of(name, move || {
        answer_all(&mut controller.io[0], cid)?.good(name)?;
        check(&mut controller)?;
        good_end(controller)
    }))
}

pub(in super::super) fn r2t(stage: &mut Stage<'_>) -> Result<Scene> {
    let (controller, lba) = (asked(stage)?, stage.ground.plot(stage.number, 512));
    let len = stage.between(1, 256) * 512;
    let payload = bytes(len, u64::from(stage.number) + 109);
    let write = (command::write(2, lba, (len / 512) as u32, false), payload.clone());
    waits("R2T unanswered", controller, write, move |controller| is_there(controller, 2, lba, &payload))
}

/// One R2T, two H2CData: the first has come.
pub(in super::super) fn r2t_half(stage: &mut Stage<'_>) -> Result<Scene> {
    let host = Host { io_queues_asked: 2, ..stage.host("open").queues(0, 32) };
    let (mut controller, lba) = (stage.controller(&host)?, stage.ground.plot(stage.number, 512));
    let payload = bytes(65536, u64::from(stage.number) + 113);
    let digests = stage.number.is_multiple_of(2);
    let connect = host.connect.io(controller.cntlid, 1, 32);
    let (mut raw, _) = Raw::connected(stage.ground.nvme, digests, &connect)?;
    raw.patience = PATIENCE;
    let mut entry = command::write(2, lba, 128, false);
    entry.0[2] = 77;
    entry.set_sgl(Sgl::Transport { len: 65536 });
    raw.send(&Pdu::capsule(&entry.0, &[]))?;
    let r2t = raw.receive()?;
    if r2t.kind != kind::R2T || r2t.u32(16) != 65536 {
        return odd(format!("{r2t:?} where an R2T for all is due"));
    }
    let (tag, half) = (r2t.u16(10), 8 * stage.between(1, 8000));
    raw.send(&Pdu { flags: 0, ..Pdu::h2c_data(77, tag, 0, &payload[..half]) })?;
    Ok(Scene::of("R2T half answered", move || {
        raw.send(&Pdu::h2c_data(77, tag, half as u32, &payload[half..]))?;
        let done = raw.receive()?;
        if done.kind != kind::CAPSULE_RESP || done.u16(20) != 77 || done.u16(22) != 0 {
            return odd(format!("{done:?} where a good completion is due"));
        }
        let io = controller.io_queue(2)?;
        controller.io.push(io);
        is_there(&mut controller, 2, lba, &payload)?;
        good_end(controller)
    }))
}

pub(in super::super) fn several_r2ts(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba) = (asked(stage)?, stage.ground.plot(stage.number, 512));
    let payload = bytes(768 << 10, u64::from(stage.number) + 127);
    let io = &mut controller.io[0];
    let cid = io.start(command::write(1, lba, 1536, false), Data::ToController(payload.clone()))?;
    await_r2ts(io, 2)?;
    Ok(Scene::of("several R2Ts", move || {
        answer_all(&mut controller.io[0], cid)?.good("Write")?;
        is_there(&mut controller, 1, lba, &payload)?;
        good_end(controller)
    }))
}

/// An aborted write whose data comes all the same, later: it is swallowed, and then the write is answered.
pub(in super::super) fn aborted(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba) =
        (stage.controller(&stage.host("open").hold_r2ts())?, stage.ground.plot(stage.number, 512));
    let before = bytes(8192, u64::from(stage.number) + 131);
    controller.write(2, lba, &before, 512)?;
    controller.no_in_capsule();
    let io = &mut controller.io[0];
    let cid = io.start(command::write(2, lba, 16, false), Data::ToController(vec![0xee; 8192]))?;
    let r2t = io.next_r2t()?;
    if !controller.abort(1, cid)? {
        return odd("the write was not aborted");
    }
    Ok(Scene::of("aborted, data late", move || {
        let io = &mut controller.io[0];
        io.answer(&r2t)?;
        match io.wait(cid)?.status() {
            Status::ABORT_REQUESTED => {}
            other => return odd(format!("the aborted write ended with {other:?}")),
        }
        is_there(&mut controller, 2, lba, &before)?;
        good_end(controller)
    }))
}

/// An Abort of which nobody has read the answer yet.
pub(in super::super) fn abort_unread(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba) = (asked(stage)?, stage.ground.plot(stage.number, 512));
    let io = &mut controller.io[0];
    let cid = io.start(command::write(2, lba, 16, false), Data::ToController(vec![0xee; 8192]))?;
    let r2t = io.next_r2t()?;
    let abort = controller.admin.start(command::abort(1, cid.0), Data::Nothing)?;
    Ok(Scene::of("Abort unread", move || {
        let done = controller.admin.wait(abort)?;
        if done.completion.dword() & 1 != 0 {
            return odd("the write was not aborted");
        }
        done.good("Abort")?;
        controller.io[0].answer(&r2t)?;
        match controller.io[0].wait(cid)?.status() {
            Status::ABORT_REQUESTED => good_end(controller),
            other => odd(format!("the aborted write ended with {other:?}")),
        }
    }))
}

pub(in super::super) fn compare(stage: &mut Stage<'_>) -> Result<Scene> {
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(16384, u64::from(stage.number) + 137);
    let mut controller = stage.controller(&stage.host("open").hold_r2ts())?;
    controller.write(1, lba, &payload, 512)?;
    controller.no_in_capsule();
    let entry = command::compare(1, lba, 32);
    waits("compare", controller, (entry, payload.clone()), move |controller| is_there(controller, 1, lba, &payload))
}

/// The two of a Compare and Write that finds `old`.
fn two(lba: u64) -> (Entry, Entry) {
    command::fuse(command::compare(1, lba, 8), command::write(1, lba, 8, false))
}

fn is_swapped(mut controller: Controller, [first, second]: [Done; 2], lba: u64, new: &[u8]) -> Result<()> {
    first.good("Compare")?;
    second.good("Write")?;
    is_there(&mut controller, 1, lba, new)?;
    good_end(controller)
}

pub(in super::super) fn first_of_two(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba) = (stage.controller(&stage.host("open"))?, stage.ground.plot(stage.number, 512));
    let (old, new) = (bytes(4096, 139), bytes(4096, u64::from(stage.number) + 149));
    controller.write(1, lba, &old, 512)?;
    let (first, second) = two(lba);
    let first = controller.io[0].start(first, Data::ToController(old))?;
    Ok(Scene::of("first of two", move || {
        let io = &mut controller.io[0];
        let second = io.start(second, Data::ToController(new.clone()))?;
        let done = [io.wait(first)?, io.wait(second)?];
        is_swapped(controller, done, lba, &new)
    }))
}

pub(in super::super) fn pair(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba) =
        (stage.controller(&stage.host("open").hold_r2ts())?, stage.ground.plot(stage.number, 512));
    let (old, new) = (bytes(4096, 151), bytes(4096, u64::from(stage.number) + 157));
    controller.write(1, lba, &old, 512)?;
    controller.no_in_capsule();
    let (first, second) = two(lba);
    let io = &mut controller.io[0];
    let first = io.queue.submit(first, Data::ToController(old))?;
    let second = io.start(second, Data::ToController(new.clone()))?;
    await_r2ts(io, 1)?;
    Ok(Scene::of("fused, waits for data", move || {
        let io = &mut controller.io[0];
        let second = answer_all(io, second)?;
        let done = [io.wait(first)?, second];
        is_swapped(controller, done, lba, &new)
    }))
}

pub(in super::super) fn deallocate(stage: &mut Stage<'_>) -> Result<Scene> {
    let lba = stage.ground.plot(stage.number, 512);
    let mut controller = stage.controller(&stage.host("open").hold_r2ts())?;
    controller.write(1, lba, &bytes(8192, 163), 512)?;
    controller.no_in_capsule();
    let list = command::deallocate(1, &[(lba, 8), (lba + 8, 8)]);
    waits("deallocate", controller, list, move |controller| is_there(controller, 1, lba, &[0; 8192]))
}

pub(in super::super) fn copy(stage: &mut Stage<'_>) -> Result<Scene> {
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(8192, u64::from(stage.number) + 167);
    let mut controller = stage.controller(&stage.host("open").hold_r2ts())?;
    controller.write(1, lba, &payload, 512)?;
    controller.no_in_capsule();
    let list = command::copy(1, lba + 64, &[(lba, 8), (lba + 8, 8)], 0);
    waits("copy", controller, list, move |controller| is_there(controller, 1, lba + 64, &payload))
}

/// Reads whose data nobody takes: 24 MiB are on their way, of which the sockets hold a part. A flush is behind them.
fn reads_unread(stage: &mut Stage<'_>) -> Result<(Controller, Vec<Cid>, Vec<u8>)> {
    let (mut controller, lba) = (stage.controller(&stage.host("open"))?, stage.ground.plot(stage.number, 512));
    let payload = bytes(1 << 20, u64::from(stage.number) + 173);
    controller.write(1, lba, &payload, 512)?;
    let io = &mut controller.io[0];
    // The kernel takes little for who does not read.
    set_socket_recv_buffer_size(io.stream(), 64 << 10).map_err(|error| Error::Io(error.into()))?;
    let mut read = || io.start(command::read(1, lba, 2048), Data::ToHost(1 << 20));
    let cids = (0..24).map(|_| read()).collect::<Result<Vec<_>>>()?;
    Ok((controller, cids, payload))
}

pub(in super::super) fn unread(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, cids, payload) = reads_unread(stage)?;
    let flush = controller.io[0].start(command::flush(1), Data::Nothing)?;
    Ok(Scene::of("data unread", move || {
        for cid in cids {
            if controller.io[0].wait(cid)?.good("Read")? != payload {
                return odd("not what was written");
            }
        }
        controller.io[0].wait(flush)?.good("Flush")?;
        good_end(controller)
    }))
}

/// An Abort of the last, which has not begun to answer.
pub(in super::super) fn unread_abort(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, cids, payload) = reads_unread(stage)?;
    let last = *cids.last().ok_or_else(|| Error::Odd("no read".to_owned()))?;
    let abort = controller.admin.start(command::abort(1, last.0), Data::Nothing)?;
    Ok(Scene::of("data unread, then abort", move || {
        let answer = controller.admin.wait(abort)?;
        let aborted = answer.completion.dword() & 1 == 0;
        answer.good("Abort")?;
        for cid in cids {
            let done = controller.io[0].wait(cid)?;
            match done.status() {
                Status::ABORT_REQUESTED if aborted && cid == last => {}
                _ if done.good("Read")? == payload => {}
                _ => return odd("not what was written"),
            }
        }
        good_end(controller)
    }))
}

/// CC.EN was cleared while data was unread: the I/O queue has ended without an answer, the admin queue goes on.
pub(in super::super) fn unread_reset(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, _, _) = reads_unread(stage)?;
    controller.set_property(command::property::CC, 0)?;
    let mut io = controller.io.remove(0);
    if let Some(other) = io.read_to_close(PATIENCE)? {
        return odd(format!("the I/O queue ended with {other}"));
    }
    Ok(Scene::of("data unread, then reset", move || {
        let Controller { admin, portal, cntlid, host, .. } = controller;
        let mut controller = host.start(portal, admin, cntlid)?;
        controller.read(1, 0, 8, 512)?;
        good_end(controller)
    }))
}
