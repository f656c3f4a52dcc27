//! PDUs of which only a part was sent.

use super::super::super::bytes::bytes;
use super::super::{Scene, Stage};
use super::{Result, good_end, is_there, odd};
use mainstay_testkit::host::{Connection, Data, Digests, command};

/// A place to cut a PDU of `header` bytes and `data` bytes at, among those it has: its name and the bytes before it.
fn place(stage: &mut Stage<'_>, connection: &Connection, header: usize, data: usize) -> (&'static str, usize) {
    let Digests { header: sealed, data: summed } = connection.queue.digests().unwrap_or_default();
    let behind = header + if sealed { 4 } else { 0 };
    let mut places = vec![("header", 1, header)];
    if sealed {
        places.push(("header digest", header + 1, header + 4));
    }
    if data > 0 {
        places.push(("before data", behind, behind + 1));
        places.push(("data", behind + 1, behind + data));
        if summed {
            places.push(("data digest", behind + data + 1, behind + data + 4));
        }
    }
    let (name, from, to) = places[stage.random.below(places.len() as u64) as usize];
    (name, stage.between(from, to))
}

pub(in super::super) fn command(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut controller = stage.controller(&stage.host("open"))?;
    let lba = stage.ground.plot(stage.number, 512);
    let payload = bytes(8192, u64::from(stage.number) + 101);
    controller.write(2, lba, &payload, 512)?;
    let (place, at) = place(stage, &controller.io[0], 72, 0);
    let cid = controller.io[0].start_part(command::read(2, lba, 16), Data::ToHost(8192), at)?;
    Ok(Scene::of(format!("command, cut in {place}"), move || {
        controller.io[0].flush()?;
        if controller.io[0].wait(cid)?.good("Read")? != payload {
            return odd("not what was written");
        }
        good_end(controller)
    }))
}

pub(in super::super) fn command_with_data(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut controller = stage.controller(&stage.host("open"))?;
    let lba = stage.ground.plot(stage.number, 512);
    let len = stage.between(1, 17) * 512;
    let payload = bytes(len, u64::from(stage.number) + 103);
    let (place, at) = place(stage, &controller.io[0], 72, len);
    let entry = command::write(1, lba, (len / 512) as u32, false);
    let cid = controller.io[0].start_part(entry, Data::ToController(payload.clone()), at)?;
    Ok(Scene::of(format!("command with data, cut in {place}"), move || {
        controller.io[0].flush()?;
        controller.io[0].wait(cid)?.good("Write")?;
        is_there(&mut controller, 1, lba, &payload)?;
        good_end(controller)
    }))
}

pub(in super::super) fn data(stage: &mut Stage<'_>) -> Result<Scene> {
    let host = stage.host("open").hold_r2ts();
    let mut controller = stage.controller(&host)?;
    controller.no_in_capsule();
    let lba = stage.ground.plot(stage.number, 512);
    let len = stage.between(4, 400) * 512;
    let payload = bytes(len, u64::from(stage.number) + 107);
    let entry = command::write(2, lba, (len / 512) as u32, false);
    let io = &mut controller.io[0];
    let cid = io.start(entry, Data::ToController(payload.clone()))?;
    let r2t = io.next_r2t()?;
    let (place, at) = place(stage, io, 24, r2t.len as usize);
    io.queue.answer(&r2t);
    io.flush_part(at)?;
    Ok(Scene::of(format!("H2CData, cut in {place}"), move || {
        let io = &mut controller.io[0];
        io.flush()?;
        super::command::answer_all(io, cid)?.good("Write")?;
        is_there(&mut controller, 2, lba, &payload)?;
        good_end(controller)
    }))
}

pub(in super::super) fn admin(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut controller = stage.controller(&stage.host("open"))?;
    let before = controller.identify(1, 0)?;
    let (place, at) = place(stage, &controller.admin, 72, 0);
    let cid = controller.admin.start_part(command::identify(1, 0), Data::ToHost(4096), at)?;
    Ok(Scene::of(format!("admin command, cut in {place}"), move || {
        controller.admin.flush()?;
        if controller.admin.wait(cid)?.good("Identify")? != before {
            return odd("another controller");
        }
        good_end(controller)
    }))
}
