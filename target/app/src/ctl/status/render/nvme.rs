//! What is served over NVMe/TCP, and to whom.

use super::state;
use crate::control::words::{Auth, Controller, Queue, Status};
use crate::ctl::paint::Paint;
use crate::ctl::size;
use crate::ctl::table::Lean::{Left, Right};
use crate::ctl::table::Table;

/// Subsystems, portals and controllers; none: it is not served.
pub(super) fn parts(status: &Status, paint: Paint, columns_max: Option<usize>) -> Vec<String> {
    if status.nvme.portals.is_empty() {
        return Vec::new();
    }
    let mut parts = vec![subsystems(status, paint, columns_max), portals(status, paint, columns_max)];
    if !status.nvme.controllers.is_empty() {
        parts.push(controllers(status, paint, columns_max));
    }
    parts
}

pub(super) fn auth(auth: Auth) -> &'static str {
    match auth {
        Auth::None => "no",
        Auth::Chap => "yes",
        Auth::MutualChap => "mutual",
    }
}

fn subsystems(status: &Status, paint: Paint, columns_max: Option<usize>) -> String {
    let columns = [("SUBSYSTEM", Left), ("NSID", Right), ("VOLUME", Left), ("DHCHAP", Left), ("CONTROLLERS", Right)];
    let mut table = Table::new(&columns);
    for subsystem in &status.nvme.subsystems {
        let is_here = |controller: &&Controller| controller.subsystem.as_ref() == Some(&subsystem.nqn);
        let count = status.nvme.controllers.iter().filter(is_here).count();
        let first = [subsystem.nqn.clone(), auth(subsystem.auth).to_owned(), count.to_string()];
        if subsystem.namespaces.is_empty() {
            let [nqn, auth, count] = first;
            table.row([nqn, "-".into(), "-".into(), auth, count]);
            continue;
        }
        for (at, namespace) in subsystem.namespaces.iter().enumerate() {
            let [nqn, auth, count] = if at == 0 { first.clone() } else { Default::default() };
            table.row([nqn, namespace.nsid.to_string(), namespace.volume.clone(), auth, count]);
        }
    }
    table.render(paint, columns_max)
}

fn portals(status: &Status, paint: Paint, columns_max: Option<usize>) -> String {
    let mut table = Table::new(&[("NVME PORTAL", Left), ("SERVES", Left), ("QUEUES", Right), ("ADVERTISED AS", Left)]);
    for portal in &status.nvme.portals {
        let serves = if portal.discovery_only { "discovery" } else { "all" };
        let advertise = portal.advertise.clone().unwrap_or_default();
        table.row([portal.address.to_string(), serves.to_owned(), portal.queues.to_string(), advertise]);
    }
    table.render(paint, columns_max)
}

fn controllers(status: &Status, paint: Paint, columns_max: Option<usize>) -> String {
    let columns = [
        ("CONTROLLER", Right),
        ("HOST", Left),
        ("SUBSYSTEM", Left),
        ("CNTLID", Right),
        ("FROM", Left),
        ("QUEUES", Right),
        ("FOR", Right),
        ("COMMANDS", Right),
        ("SENT", Right),
        ("RECEIVED", Right),
        ("STATE", Left),
    ];
    let mut table = Table::new(&columns).spare(&["CNTLID", "FOR", "COMMANDS"]);
    let now = status.daemon.started_ms + status.daemon.uptime_ms;
    for controller in &status.nvme.controllers {
        let sum = |of: fn(&Queue) -> u64| controller.queues.iter().map(of).sum::<u64>();
        table.row([
            controller.id.to_string(),
            controller.host.clone(),
            controller.subsystem.clone().unwrap_or_else(|| "(discovery)".to_owned()),
            controller.cntlid.to_string(),
            controller.queues.first().map(|queue| queue.peer.to_string()).unwrap_or_default(),
            controller.queues.len().to_string(),
            size::duration(now.saturating_sub(controller.since_ms)),
            size::count(sum(|queue| queue.commands)),
            size::bytes(sum(|queue| queue.read_bytes)),
            size::bytes(sum(|queue| queue.written_bytes)),
            state(controller.state).to_owned(),
        ]);
    }
    table.render(paint, columns_max)
}
