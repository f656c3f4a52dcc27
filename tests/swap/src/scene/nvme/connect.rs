//! Connections that stop on their way to a controller.

use super::super::super::bytes::bytes;
use super::super::{Scene, Stage};
use super::{good_end, is_there, whole};
use mainstay_testkit::host::{Connection, Host, Result};

/// From Connect on.
fn connect(host: &Host, mut admin: Connection) -> Result<()> {
    let done = admin.connect(&host.connect)?;
    let cntlid = host.connected(&mut admin, done)?;
    whole(host, admin, cntlid)
}

fn begin(at: &mut Stage<'_>, bytes: usize) -> Result<(Host, Connection)> {
    let host = at.host("open");
    let mut admin = Connection::begin(at.ground.nvme, host.setup)?;
    admin.patience = super::PATIENCE;
    admin.flush_part(bytes)?;
    Ok((host, admin))
}

pub(in super::super) fn silent(at: &mut Stage<'_>) -> Result<Scene> {
    let (host, mut admin) = begin(at, 0)?;
    Ok(Scene::of("connected, nothing said", move || {
        admin.opened()?;
        connect(&host, admin)
    }))
}

pub(in super::super) fn request_cut(at: &mut Stage<'_>) -> Result<Scene> {
    let cut = at.between(1, 128);
    let (host, mut admin) = begin(at, cut)?;
    Ok(Scene::of(format!("ICReq cut at {cut}"), move || {
        admin.opened()?;
        connect(&host, admin)
    }))
}

pub(in super::super) fn opened(at: &mut Stage<'_>) -> Result<Scene> {
    let host = at.host("open");
    let admin = Connection::open(at.ground.nvme, host.setup)?;
    Ok(Scene::of("ICReq answered", move || connect(&host, admin)))
}

fn cut(at: &mut Stage<'_>, from: usize, to: usize) -> Result<Scene> {
    let (host, cut) = (at.host("open"), at.between(from, to));
    let mut admin = Connection::open(at.ground.nvme, host.setup)?;
    admin.patience = super::PATIENCE;
    let cid = admin.queue.connect(&host.connect)?;
    admin.flush_part(cut)?;
    Ok(Scene::of(format!("Connect cut at {cut}"), move || {
        admin.flush()?;
        let done = admin.wait(cid)?;
        let cntlid = host.connected(&mut admin, done)?;
        whole(&host, admin, cntlid)
    }))
}

pub(in super::super) fn capsule_cut(at: &mut Stage<'_>) -> Result<Scene> {
    cut(at, 1, 72)
}

pub(in super::super) fn data_cut(at: &mut Stage<'_>) -> Result<Scene> {
    cut(at, 76, 72 + 1024)
}

/// A controller without I/O queues that may have one.
fn lone(at: &mut Stage<'_>) -> Result<mainstay_testkit::host::Controller> {
    let host = Host { io_queues_asked: 2, ..at.host("open").queues(0, 32) };
    at.controller(&host)
}

pub(in super::super) fn io_opened(at: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba) = (lone(at)?, at.ground.plot(at.number, 512));
    let mut io = Connection::open(at.ground.nvme, controller.host.setup)?;
    io.patience = super::PATIENCE;
    Ok(Scene::of("I/O queue opened", move || {
        let connect = controller.host.connect.io(controller.cntlid, 1, 32);
        io.connect(&connect)?.good("Connect of an I/O queue")?;
        controller.io.push(io);
        let payload = bytes(4096, lba + 3);
        controller.write(1, lba, &payload, 512)?;
        is_there(&mut controller, 1, lba, &payload)?;
        good_end(controller)
    }))
}

pub(in super::super) fn io_cut(at: &mut Stage<'_>) -> Result<Scene> {
    let (mut controller, lba, cut) = (lone(at)?, at.ground.plot(at.number, 512), at.between(1, 72 + 1024));
    let mut io = Connection::open(at.ground.nvme, controller.host.setup)?;
    io.patience = super::PATIENCE;
    let cid = io.queue.connect(&controller.host.connect.io(controller.cntlid, 1, 32))?;
    io.flush_part(cut)?;
    Ok(Scene::of(format!("I/O queue's Connect cut at {cut}"), move || {
        io.flush()?;
        io.wait(cid)?.good("Connect of an I/O queue")?;
        controller.io.push(io);
        let payload = bytes(4096, lba + 5);
        controller.write(1, lba, &payload, 512)?;
        is_there(&mut controller, 1, lba, &payload)?;
        good_end(controller)
    }))
}

pub(in super::super) fn not_enabled(at: &mut Stage<'_>) -> Result<Scene> {
    let host = at.host("open");
    let (admin, cntlid) = host.admin(at.ground.nvme)?;
    Ok(Scene::of("controller not enabled", move || whole(&host, admin, cntlid)))
}
