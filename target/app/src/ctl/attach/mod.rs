//! How to attach what is served: the exact commands for each kind of initiator.

mod commands;
mod reach;
#[cfg(test)]
mod tests;

use super::failure::{Failure, say};
use super::paint::{Paint, clean};
use super::{Ask, size};
use crate::control::words::{Auth, Call, Served, ServedVolume, Status, Subsystem, Target, VolumeKind};
use clap::Args;
use reach::Reach;
use serde::Serialize;

/// Print the commands that attach what is served
///
/// For Linux (open-iscsi, and nvme-cli for NVMe/TCP), Windows, macOS, QEMU and libiscsi, with the address and the names of
/// the running daemon.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay attach          for the first target\n  mainstay attach disk     for the target of volume `disk`"
)]
pub struct Attach {
    /// Name of a target, of a subsystem, or of a volume
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    ask: Ask,
}

impl Attach {
    pub(super) fn run(self) -> Result<(), Failure> {
        let status: Status = self.ask.client()?.call(&Call::Status)?;
        let served = Served::from(&status);
        let wanted = |target: &&Target| match &self.name {
            None => true,
            Some(name) => target.name == *name || target.luns.iter().any(|lun| lun.volume == *name),
        };
        let shows = |subsystem: &&Subsystem| match &self.name {
            None => true,
            Some(name) => subsystem.nqn == *name || subsystem.namespaces.iter().any(|it| it.volume == *name),
        };
        let (target, subsystem) = (served.targets.iter().find(wanted), served.subsystems.iter().find(shows));
        if target.is_none() && subsystem.is_none() {
            let targets = served.targets.iter().map(|target| target.name.as_str());
            let names: Vec<&str> = targets.chain(served.subsystems.iter().map(|it| it.nqn.as_str())).collect();
            return Err(Failure::problem(match &self.name {
                Some(name) => format!("nothing called {name:?} is served; there are {}", names.join(", ")),
                None => "nothing is served".to_owned(),
            }));
        }
        let paint = Paint::for_stdout();
        let mut out = Vec::new();
        if let Some(target) = target {
            let reach = Reach::of(target, &served.portals);
            let head = format!("{} at {}\n\n", paint.bold(&clean(&target.name)), reach.portal());
            out.push(head + &commands::text(target, &reach, paint));
        }
        if let Some(subsystem) = subsystem {
            let reach = Reach::of_subsystem(subsystem, &served.nvme_portals);
            let head = format!("{} at {}\n\n", paint.bold(&clean(&subsystem.nqn)), reach.portal());
            out.push(head + &commands::nvme(subsystem, &reach, paint));
        }
        say(&out.join("\n"))
    }
}

/// One disk, as an initiator of one target sees it; or as only hosts of NVMe do.
struct Disk<'a> {
    volume: &'a ServedVolume,
    unit: Option<Unit<'a>>,
}

/// A disk of a target.
struct Unit<'a> {
    target: &'a Target,
    lun: u16,
    reach: Reach,
}

fn disks(served: &Served) -> Vec<Disk<'_>> {
    let mut disks = Vec::new();
    for volume in &served.volumes {
        let before = disks.len();
        for target in &served.targets {
            for lun in target.luns.iter().filter(|lun| lun.volume == volume.name) {
                let unit = Unit { target, lun: lun.lun, reach: Reach::of(target, &served.portals) };
                disks.push(Disk { volume, unit: Some(unit) });
            }
        }
        if disks.len() == before && !namespaces(served, &volume.name).is_empty() {
            disks.push(Disk { volume, unit: None });
        }
    }
    disks
}

/// What `serve` prints when everything is open and bound.
pub fn serve_banner(served: &Served, paint: Paint) -> String {
    let disks = disks(served);
    let plural = if disks.len() == 1 { "" } else { "s" };
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!("{} {version} serves {} disk{plural}\n\n", paint.bold("mainstay"), disks.len());
    for Disk { volume, unit } in &disks {
        out += &format!("  {}  {}\n", paint.bold(&clean(&volume.name)), clean(&describe(volume)));
        if let Some(Unit { target, lun, reach }) = unit {
            out += &format!("    {}, LUN {lun}, at {}\n", clean(&target.name), reach.portal());
        }
        for (subsystem, nsid, reach) in namespaces(served, &volume.name) {
            out += &format!("    {}, namespace {nsid}, at {}\n", clean(&subsystem.nqn), reach.portal());
        }
    }
    if let Some(target) = served.targets.iter().find(|target| !target.luns.is_empty()) {
        out += &format!("\n{}", commands::text(target, &Reach::of(target, &served.portals), paint));
    }
    if let Some(subsystem) = served.subsystems.iter().find(|subsystem| !subsystem.namespaces.is_empty()) {
        if served.targets.is_empty() {
            out.push('\n');
        }
        out += &commands::nvme(subsystem, &Reach::of_subsystem(subsystem, &served.nvme_portals), paint);
    }
    if served.targets.len() > 1 || served.subsystems.len() > 1 {
        out += "\nThe others are attached likewise: `mainstay attach NAME` prints their commands.\n";
    }
    out += &opening(served);
    out += &format!("\nControl socket: {} (try `mainstay status`)\n", served.control.display());
    out += "Ctrl-C finishes what is under way and stops.\n\n";
    out
}

fn describe(volume: &ServedVolume) -> String {
    let (size, block) = (size::bytes(volume.size), volume.block_bytes);
    let place = match (&volume.path, volume.kind) {
        (Some(path), _) if volume.created => format!("{}, made just now", path.display()),
        (Some(path), _) => path.display().to_string(),
        (None, VolumeKind::Memory) => "in memory: gone when mainstay stops".to_owned(),
        (None, _) => String::new(),
    };
    let read_only = if volume.read_only { ", read-only" } else { "" };
    format!("{size}, blocks of {block} bytes{read_only}  {place}")
}

/// How to let other machines in, and what to think of before.
fn opening(served: &Served) -> String {
    let addresses = served.portals.iter().map(|portal| portal.address);
    let mut addresses = addresses.chain(served.nvme_portals.iter().map(|portal| portal.address));
    let local = addresses.all(|address| address.ip().is_loopback());
    let open = served.targets.iter().any(|target| target.auth == Auth::None)
        || served.subsystems.iter().any(|subsystem| subsystem.auth == Auth::None);
    let mut out = String::new();
    if local {
        let mut how = Vec::new();
        if let Some(portal) = served.portals.first() {
            how.push(("--iscsi", "[[portal]]", portal.address.port()));
        }
        if let Some(portal) = served.nvme_portals.iter().find(|portal| !portal.discovery_only) {
            how.push(("--nvme", "[[nvme.portal]]", portal.address.port()));
        }
        let one = |(option, table, port): &(&str, &str, u16)| match served.config {
            Some(_) => format!("`bind = \"0.0.0.0:{port}\"` in {table}"),
            None => format!("`{option} 0.0.0.0:{port}`"),
        };
        let how = how.iter().map(one).collect::<Vec<_>>().join(" or ");
        out += &format!("\nOnly this machine can reach that; {how} lets others in.\n");
    }
    if open {
        let whoever =
            if local { "Whoever reaches the port can then" } else { "\nCaution: whoever reaches the port can" };
        out += &format!(
            "{whoever} read and write these disks, unless a configuration\n\
             file asks for secrets (`mainstay config reference`).\n"
        );
    }
    out
}

/// The `ready` object of `serve --json`, on one line.
pub fn ready_json(served: &Served) -> String {
    let volume = |disk: &Disk<'_>| ReadyVolume {
        name: disk.volume.name.clone(),
        kind: disk.volume.kind,
        path: disk.volume.path.as_ref().map(|path| path.display().to_string()),
        portal: disk.unit.as_ref().map(|unit| unit.reach.portal()),
        target: disk.unit.as_ref().map(|unit| unit.target.name.clone()),
        lun: disk.unit.as_ref().map(|unit| unit.lun),
        size: disk.volume.size,
        block_size: disk.volume.block_bytes,
        read_only: disk.volume.read_only,
        auth: disk.unit.as_ref().map(|unit| unit.target.auth),
        url: disk.unit.as_ref().map(|unit| unit.reach.url(&unit.target.name, unit.lun)),
        nvme: namespaces(served, &disk.volume.name).into_iter().map(ready_namespace).collect(),
    };
    let ready = Ready {
        event: "ready",
        pid: served.pid,
        control: served.control.display().to_string(),
        state_dir: served.state_dir.display().to_string(),
        volumes: disks(served).iter().map(volume).collect(),
    };
    // Plain structs of strings and numbers always serialize.
    serde_json::to_string(&ready).unwrap_or_default()
}

#[derive(Serialize)]
struct Ready {
    event: &'static str,
    pid: u32,
    control: String,
    state_dir: String,
    volumes: Vec<ReadyVolume>,
}

#[derive(Serialize)]
struct ReadyVolume {
    name: String,
    kind: VolumeKind,
    path: Option<String>,
    portal: Option<String>,
    target: Option<String>,
    lun: Option<u16>,
    size: u64,
    block_size: u32,
    read_only: bool,
    auth: Option<Auth>,
    url: Option<String>,
    nvme: Vec<ReadyNamespace>,
}

/// The same volume over NVMe/TCP.
#[derive(Serialize)]
struct ReadyNamespace {
    subsystem: String,
    nsid: u32,
    address: String,
    port: u16,
    auth: Auth,
}

/// Under which subsystems and numbers a volume is found over NVMe/TCP, and where.
fn namespaces<'a>(served: &'a Served, volume: &str) -> Vec<(&'a Subsystem, u32, Reach)> {
    let mut found = Vec::new();
    for subsystem in &served.subsystems {
        for namespace in subsystem.namespaces.iter().filter(|namespace| namespace.volume == volume) {
            found.push((subsystem, namespace.nsid, Reach::of_subsystem(subsystem, &served.nvme_portals)));
        }
    }
    found
}

fn ready_namespace((subsystem, nsid, reach): (&Subsystem, u32, Reach)) -> ReadyNamespace {
    let (subsystem, auth) = (subsystem.nqn.clone(), subsystem.auth);
    ReadyNamespace { subsystem, nsid, address: reach.host, port: reach.port, auth }
}
