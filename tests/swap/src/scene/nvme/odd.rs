//! State of namespaces that everybody sees: one scene of each kind at a time.

use super::super::super::bytes::bytes;
use super::super::super::ground::strange::{FAR, GROUP, MARKED, PROTECTED};
use super::super::{Scene, Stage};
use super::controller::{EVENTS, NOTICES};
use super::{Result, good_end, odd};
use mainstay_testkit::host::{Controller, Data, Status, command};

/// Ends as it should.
fn expect(found: Result<impl std::fmt::Debug>, due: Status) -> Result<()> {
    match found {
        Err(why) if why.status().is_some_and(|status| (status.kind, status.code) == (due.kind, due.code)) => Ok(()),
        other => odd(format!("{other:?} where {due:?} is due")),
    }
}

/// Waits for an event, which must be this one.
fn hears(controller: &mut Controller, due: (u8, u8, u8)) -> Result<()> {
    let request = controller.listen()?;
    match controller.event(request)? {
        event if event == due => Ok(()),
        event => odd(format!("event {event:02x?} where {due:02x?} is due")),
    }
}

/// A group of volumes is not reached this way; the host has heard of it but not read how, or has not asked for events yet.
pub(in super::super) fn inaccessible(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, ground) = (stage.controller(&stage.host("odd"))?, stage.ground.clone());
    let payload = bytes(4096, 193);
    controller.write(FAR, 8, &payload, 512)?;
    controller.set_feature(EVENTS, NOTICES[1])?;
    ground.set_path(GROUP, "inaccessible")?;
    let told = stage.random.below(2) == 0;
    if told {
        hears(&mut controller, (2, 3, 0x0c))?;
    }
    Ok(Scene::of(format!("ways that are not there, told: {told}"), move || {
        if !told {
            hears(&mut controller, (2, 3, 0x0c))?;
        }
        expect(controller.read(FAR, 8, 8, 512), Status::ANA_INACCESSIBLE)?;
        // The page takes note; a change is told again.
        controller.log(0x0c, 0, 0, 4096)?;
        let request = controller.listen()?;
        ground.set_path(GROUP, "optimized")?;
        if controller.event(request)? != (2, 3, 0x0c) {
            return odd("another event than the way back");
        }
        if controller.read(FAR, 8, 8, 512)? != payload {
            return odd("not what was written");
        }
        good_end(controller)
    }))
}

/// Blocks that a host has declared unreadable.
pub(in super::super) fn marked(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut controller = stage.controller(&stage.host("odd"))?;
    let lba = 8 * stage.between(1, 2000) as u64;
    let payload = bytes(4096, lba);
    controller.write(MARKED, lba, &payload, 512)?;
    controller.write_uncorrectable(MARKED, lba + 3, 2)?;
    Ok(Scene::of("blocks marked", move || {
        expect(controller.read(MARKED, lba, 8, 512), Status::UNRECOVERED_READ_ERROR)?;
        if controller.read(MARKED, lba, 3, 512)? != payload[..3 * 512] {
            return odd("not what was written before the mark");
        }
        controller.write(MARKED, lba + 3, &payload[3 * 512..5 * 512], 512)?;
        if controller.read(MARKED, lba, 8, 512)? != payload {
            return odd("not what was written over the mark");
        }
        good_end(controller)
    }))
}

/// One host protects a namespace; the other has not heard of it yet.
pub(in super::super) fn protected(stage: &mut Stage<'_>) -> Result<Scene> {
    const PROTECTION: u8 = 0x84;
    let mut controller = stage.controller(&stage.host("odd"))?;
    let mut other = stage.controller(&stage.host("odd").named("nqn.2026-11.internal.mainstay.test:other"))?;
    let set = |controller: &mut Controller, on: u32| {
        let mut entry = command::set_features(PROTECTION, on);
        entry.0[4] = PROTECTED as u8;
        controller.admin.run(entry, Data::Nothing)?.good("Namespace Write Protection").map(drop)
    };
    other.set_feature(EVENTS, NOTICES[0])?;
    let payload = bytes(4096, 197);
    controller.write(PROTECTED, 0, &payload, 512)?;
    set(&mut controller, 1)?;
    Ok(Scene::of("write protected", move || {
        for host in [&mut controller, &mut other] {
            expect(host.write(PROTECTED, 0, &[1; 512], 512), Status::NAMESPACE_WRITE_PROTECTED)?;
            if host.read(PROTECTED, 0, 8, 512)? != payload {
                return odd("not what was written");
            }
        }
        hears(&mut other, (2, 0, 4))?;
        let changed = other.log(4, 0, 0, 4096)?;
        if changed[..8] != [PROTECTED as u8, 0, 0, 0, 0, 0, 0, 0] {
            return odd(format!("changed namespaces {:02x?}", &changed[..8]));
        }
        set(&mut controller, 0)?;
        controller.write(PROTECTED, 0, &payload, 512)?;
        hears(&mut other, (2, 0, 4))?;
        good_end(controller)?;
        good_end(other)
    }))
}

/// What a host has set at a controller that stays, while nobody is connected to it.
pub(in super::super) fn kept(stage: &mut Stage<'_>) -> Result<Scene> {
    const RECOVERY: u8 = 0x05;
    let host = stage.host("kept");
    let mut controller = stage.controller(&host)?;
    let cntlid = controller.cntlid;
    let limit = stage.between(1, 60_000) as u32;
    let mut entry = command::set_features(RECOVERY, limit);
    entry.0[4] = 1;
    // SV: for the next life, too.
    entry.0[43] |= 0x80;
    controller.admin.run(entry, Data::Nothing)?.good("Error Recovery")?;
    good_end(controller)?;
    let nvme = stage.ground.nvme;
    Ok(Scene::of("static controller left", move || {
        let mut host = host;
        host.connect.cntlid = cntlid;
        let mut controller = host.connect(nvme)?;
        let mut entry = command::get_features(RECOVERY, 0, 0);
        entry.0[4] = 1;
        let done = controller.admin.run(entry, Data::Nothing)?;
        let found = done.completion.dword();
        done.good("Get Features")?;
        if found & 0xffff != limit {
            return odd(format!("a limit of {found:#x} where {limit:#x} was set"));
        }
        good_end(controller)
    }))
}
