//! Controllers at rest, with what they remember.

use super::super::super::bytes::bytes;
use super::super::super::ground::DISCOVERY;
use super::super::{Scene, Stage};
use super::{Result, good_end, is_there, odd};
use mainstay_testkit::host::{Cid, Controller, Data, Host, command};
use std::time::Duration;

/// Asynchronous Event Configuration.
pub(super) const EVENTS: u8 = 0x0b;
/// Notices of namespaces, of ANA and of discovery in it.
pub(super) const NOTICES: [u32; 3] = [1 << 8, 1 << 11, 1 << 31];

pub(in super::super) fn idle(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba) = (stage.controller(&stage.host("open"))?, stage.ground.plot(stage.number, 4096));
    let payload = bytes(4096, u64::from(stage.number) + 179);
    controller.write(3, lba, &payload, 4096)?;
    let pages = [controller.identify(1, 0)?, controller.identify(0, 3)?, controller.identify(3, 3)?];
    Ok(Scene::of("idle", move || {
        if controller.read(3, lba, 1, 4096)? != payload {
            return odd("not what was written");
        }
        if [controller.identify(1, 0)?, controller.identify(0, 3)?, controller.identify(3, 3)?] != pages {
            return odd("another identity");
        }
        good_end(controller)
    }))
}

pub(in super::super) fn four_queues(stage: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba) =
        (stage.controller(&stage.host("open").queues(4, 16))?, stage.ground.plot(stage.number, 512));
    let payload = bytes(4096, u64::from(stage.number) + 181);
    controller.write(4, lba, &payload, 512)?;
    Ok(Scene::of("four I/O queues", move || {
        for io in &mut controller.io {
            if io.run(command::read(4, lba, 8), Data::ToHost(4096))?.good("Read")? != payload {
                return odd("not what was written");
            }
        }
        good_end(controller)
    }))
}

/// So many flushes: SQHD of each is one further than that of the one before.
fn in_step(controller: &mut Controller, count: usize, head: &mut u16) -> Result<()> {
    let entries = controller.host.io_entries;
    for _ in 0..count {
        let done = controller.io[0].run(command::flush(4), Data::Nothing)?;
        let found = done.completion.sq_head;
        done.good("Flush")?;
        let due = (*head + 1) % entries;
        if found != due {
            return odd(format!("SQHD {found} where {due} is due"));
        }
        *head = due;
    }
    Ok(())
}

/// The head of the submission queue goes on where it was, over the end of the ring.
pub(in super::super) fn flow_control(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut controller = stage.controller(&stage.host("open").flow_control().queues(1, 16))?;
    // Connect was the first.
    let mut head = 1;
    let count = stage.between(0, 40);
    in_step(&mut controller, count, &mut head)?;
    Ok(Scene::of("flow control", move || {
        in_step(&mut controller, 20, &mut head)?;
        good_end(controller)
    }))
}

/// As many requests for events as there may be.
fn listen(controller: &mut Controller, notices: u32) -> Result<Vec<Cid>> {
    controller.set_feature(EVENTS, notices)?;
    (0..4).map(|_| controller.listen()).collect()
}

/// None of them was answered.
fn nothing_heard(controller: &mut Controller, requests: &[Cid]) -> Result<()> {
    controller.admin.settle(Duration::from_millis(5))?;
    match requests.iter().find(|request| controller.admin.is_done(**request)) {
        None => Ok(()),
        Some(&request) => {
            let event = controller.event(request)?;
            odd(format!("an event that nobody caused: {event:02x?}"))
        }
    }
}

pub(in super::super) fn listening(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut controller = stage.controller(&stage.host("open"))?;
    let requests = listen(&mut controller, NOTICES[0] | NOTICES[1])?;
    Ok(Scene::of("events asked for", move || {
        nothing_heard(&mut controller, &requests)?;
        // A fifth is one too many: the four are still there.
        match controller.listen().and_then(|fifth| controller.admin.wait(fifth))?.status() {
            mainstay_testkit::host::Status::ASYNC_EVENT_LIMIT_EXCEEDED => {}
            other => return odd(format!("a fifth request ended with {other:?}")),
        }
        controller.shut_down()
    }))
}

/// Nothing is said for longer than a swap takes, and the time runs on.
pub(in super::super) fn keep_alive(stage: &mut Stage<'_>) -> Result<Scene> {
    let host = stage.host("open").keep_alive(Duration::from_secs(90));
    let (mut controller, lba) = (stage.controller(&host)?, stage.ground.plot(stage.number, 512));
    controller.keep_alive()?;
    Ok(Scene::of("keep alive", move || {
        controller.keep_alive()?;
        let payload = bytes(4096, lba + 191);
        controller.write(1, lba, &payload, 512)?;
        is_there(&mut controller, 1, lba, &payload)?;
        good_end(controller)
    }))
}

pub(in super::super) fn shut_down(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut controller = stage.controller(&stage.host("open"))?;
    controller.shut_down()?;
    Ok(Scene::of("shut down", move || {
        let status = controller.property(command::property::CSTS)?;
        if status & 0xc == 8 { Ok(()) } else { odd(format!("CSTS {status:#x} after a shutdown")) }
    }))
}

/// A persistent discovery controller, which hosts keep to hear what is new.
pub(in super::super) fn discovery(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut host = Host::discovery().keep_alive(Duration::from_secs(60));
    host.connect.subsystem_nqn = DISCOVERY.to_owned();
    let mut controller = stage.controller(&host)?;
    let requests = listen(&mut controller, NOTICES[2])?;
    let before = controller.discovery_log()?;
    let mut scene = Scene::of("discovery, listening", move || {
        nothing_heard(&mut controller, &requests)?;
        match controller.discovery_log()? {
            log if log == before => controller.shut_down(),
            log => odd(format!("the discovery log was {before:?}, is {log:?}")),
        }
    });
    scene.spoils_ms = 10_000;
    Ok(scene)
}
