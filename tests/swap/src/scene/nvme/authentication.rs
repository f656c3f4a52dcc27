//! DH-HMAC-CHAP that stops half way.

use super::super::{Scene, Stage};
use super::{PATIENCE, good_end, is_there, odd, whole};
use mainstay_testkit::host::authentication::{Exchange, Group, Hash, receive};
use mainstay_testkit::host::{Connection, Data, Error, Host, Result};

/// A host of the guarded subsystem: hash and group by the number. The large groups are left out: they take long in a build
/// that is not optimized.
fn host(at: &Stage<'_>) -> Host {
    let hash = [Hash::Sha256, Hash::Sha384, Hash::Sha512][usize::from(at.number) % 3];
    let group = if at.number % 4 < 2 { Group::Null } else { Group::Ffdhe2048 };
    at.host("guarded").offering(&[hash], &[group])
}

/// Connected, and told to authenticate; the controller's identifier and the exchange to come.
fn connected(at: &Stage<'_>, host: &Host) -> Result<(Connection, u16, Exchange)> {
    let mut admin = Connection::open(at.ground.nvme, host.setup)?;
    admin.patience = PATIENCE;
    let done = admin.connect(&host.connect)?;
    let cntlid = done.completion.dword() as u16;
    done.good("Connect")?;
    Ok((admin, cntlid, exchange(host, 1)?))
}

fn exchange(host: &Host, transaction: u16) -> Result<Exchange> {
    let credentials = host.credentials().ok_or_else(|| Error::Odd("a host without keys".to_owned()))?;
    Exchange::new(&credentials, transaction)
}

/// After so many messages.
fn after(at: &mut Stage<'_>, name: &str, steps: usize) -> Result<Scene> {
    let host = host(at);
    let (mut admin, cntlid, mut exchange) = connected(at, &host)?;
    for _ in 0..steps {
        exchange.step(&mut admin)?;
    }
    Ok(Scene::of(name, move || {
        exchange.finish(&mut admin)?;
        whole(&host, admin, cntlid)
    }))
}

pub(in super::super) fn silent(at: &mut Stage<'_>) -> Result<Scene> {
    after(at, "nothing said", 0)
}

pub(in super::super) fn negotiated(at: &mut Stage<'_>) -> Result<Scene> {
    after(at, "negotiated", 1)
}

pub(in super::super) fn challenged(at: &mut Stage<'_>) -> Result<Scene> {
    after(at, "challenged", 2)
}

pub(in super::super) fn replied(at: &mut Stage<'_>) -> Result<Scene> {
    after(at, "replied", 3)
}

/// The controller has proven itself, and waits to hear that the host agrees.
pub(in super::super) fn half_proven(at: &mut Stage<'_>) -> Result<Scene> {
    after(at, "one proof is left", 4)
}

pub(in super::super) fn io_queue(at: &mut Stage<'_>) -> Result<Scene> {
    let host = Host { io_queues_asked: 1, ..host(at).queues(0, 32) };
    let (mut controller, lba) = (at.controller(&host)?, at.ground.plot(at.number, 512));
    let mut io = Connection::open(at.ground.nvme, host.setup)?;
    io.patience = PATIENCE;
    io.connect(&host.connect.io(controller.cntlid, 1, 32))?.good("Connect of an I/O queue")?;
    let mut exchange = exchange(&host, 2)?;
    for _ in 0..at.between(0, 4) {
        exchange.step(&mut io)?;
    }
    Ok(Scene::of("an I/O queue authenticates", move || {
        exchange.finish(&mut io)?;
        controller.io.push(io);
        let payload = vec![lba as u8; 4096];
        controller.write(1, lba, &payload, 512)?;
        is_there(&mut controller, 1, lba, &payload)?;
        good_end(controller)
    }))
}

/// The first proof stands until the second exchange has ended.
pub(in super::super) fn again(at: &mut Stage<'_>) -> Result<Scene> {
    let host = host(at);
    let mut controller = at.controller(&host)?;
    let mut exchange = exchange(&host, 9)?;
    for _ in 0..at.between(1, 5) {
        exchange.step(&mut controller.admin)?;
    }
    Ok(Scene::of("authentication again", move || {
        controller.read(1, 0, 8, 512)?;
        exchange.finish(&mut controller.admin)?;
        controller.identify(1, 0)?;
        good_end(controller)
    }))
}

/// Several at once, in a large group: some of them wait until the others are computed, and the host for the challenge.
pub(in super::super) fn computing(at: &mut Stage<'_>) -> Result<Scene> {
    const HOSTS: usize = 3;
    let host = at.host("guarded").offering(&[Hash::Sha256], &[Group::Ffdhe4096]);
    let mut all = (0..HOSTS).map(|_| connected(at, &host)).collect::<Result<Vec<_>>>()?;
    for (admin, _, exchange) in &mut all {
        exchange.step(admin)?;
    }
    let mut asked = Vec::new();
    for (mut admin, cntlid, exchange) in all {
        let cid = admin.start(receive(), Data::ToHost(4096))?;
        asked.push((admin, cntlid, exchange, cid));
    }
    let mut scene = Scene::of("computation pending", move || {
        for (mut admin, cntlid, mut exchange, cid) in asked {
            let done = admin.wait(cid)?;
            exchange.received(done)?;
            let proof = exchange.finish(&mut admin)?;
            if !proof.to_string().contains("4096") {
                return odd(proof.to_string());
            }
            whole(&host, admin, cntlid)?;
        }
        Ok(())
    });
    scene.spoils_ms = 1000;
    Ok(scene)
}
