//! Who is measured: each with one disk in memory and one in a file, in processes of its own on core 0.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::tgt::Tgt;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::null::Null;
use super::pattern::Ledger;
use super::sys;

/// Where a disk is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Address.
    pub portal: SocketAddr,
    /// How it is spoken to.
    pub over: Over,
    /// Name of the target or subsystem.
    pub target: String,
    /// Logical unit or namespace.
    pub number: u32,
    /// Size.
    pub bytes: u64,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// iSCSI.
    Iscsi,
    /// NVMe/TCP.
    Nvme,
}

impl Place {
    /// The first volume of a daemon of ours.
    pub fn of(daemon: &Daemon, over: Over) -> Place {
        let at = daemon.volume();
        match over {
            Over::Iscsi => Place { portal: at.portal, over, target: at.target, number: at.lun.into(), bytes: at.size },
            Over::Nvme => {
                let namespace = daemon.namespace();
                let (portal, target, number) = (namespace.portal, namespace.subsystem, namespace.nsid);
                Place { portal, over, target, number, bytes: at.size }
            }
        }
    }
}

enum Process {
    Mainstay(Box<Daemon>),
    Tgt(Tgt),
    Null(Null),
}

/// One disk of one contender.
pub struct Contender {
    /// In the table.
    pub name: &'static str,
    /// `memory` or `file`.
    pub volume: &'static str,
    /// Where.
    pub place: Place,
    /// What it holds.
    pub ledger: Ledger,
    /// The generation of the last writes.
    pub generation: u8,
    process: Process,
}

/// Pins the calling thread, and what it starts from now on. Gives false where that is not possible.
pub fn pin(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).is_ok()
}

/// Starts `f` where every core may be used.
pub fn on_all_cores<T>(cores: usize, f: impl FnOnce() -> T) -> T {
    let mut all = CpuSet::new();
    (0..cores.min(CpuSet::MAX_CPU)).for_each(|core| all.set(core));
    // Where that is not possible nothing is pinned.
    let _ = sched_setaffinity(None, &all);
    let out = f();
    if cores > 1 {
        pin(1);
    }
    out
}

/// Starts `f` on the target's core.
pub fn on_target_core<T>(cores: usize, f: impl FnOnce() -> T) -> T {
    if cores > 1 {
        pin(0);
    }
    let out = f();
    if cores > 1 {
        pin(1);
    }
    out
}

impl Contender {
    /// Starts `name` with a disk of `bytes` bytes. Files are made in `disk`, memory disks of those that only know files in
    /// `memory`, a folder on tmpfs.
    pub fn start(
        name: &'static str,
        volume: &'static str,
        bytes: u64,
        disk: &Path,
        memory: &Path,
        cores: usize,
    ) -> Result<Contender, String> {
        let path = if volume == "memory" { memory } else { disk }.join(format!("{name}-{volume}.img"));
        let (process, place) = on_target_core(cores, || -> Result<(Process, Place), String> {
            match name {
                "mainstay" | "nvme" => {
                    let mut builder = Daemon::builder().arg("--size").arg(bytes.to_string());
                    if volume == "file" {
                        builder = builder.arg(&path);
                    }
                    let daemon = builder.try_start()?;
                    let place = Place::of(&daemon, if name == "nvme" { Over::Nvme } else { Over::Iscsi });
                    Ok((Process::Mainstay(Box::new(daemon)), place))
                }
                "tgt" => {
                    let file = File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
                    file.set_len(bytes).map_err(|e| format!("{}: {e}", path.display()))?;
                    let mut tgt = Tgt::start()?;
                    let (target, portal) = (tgt.serve(&path)?, tgt.portal);
                    let place = Place { portal, over: Over::Iscsi, target, number: 1, bytes };
                    Ok((Process::Tgt(tgt), place))
                }
                "null" => {
                    let null = Null::start(bytes, cores)?;
                    let (portal, target) = (null.portal, "iqn.null".to_owned());
                    let place = Place { portal, over: Over::Iscsi, target, number: 0, bytes };
                    Ok((Process::Null(null), place))
                }
                other => Err(format!("who is {other}? there are mainstay, nvme, tgt and null")),
            }
        })?;
        Ok(Contender { name, volume, place, ledger: Ledger::new(bytes), generation: 0, process })
    }

    /// The process; none for the one that is a thread of ours.
    pub fn pid(&self) -> Option<u32> {
        match &self.process {
            Process::Mainstay(daemon) => Some(daemon.pid()),
            Process::Tgt(tgt) => Some(tgt.pid()),
            Process::Null(_) => None,
        }
    }

    /// CPU time it has used so far.
    pub fn cpu(&self) -> Duration {
        match (&self.process, self.pid()) {
            (Process::Null(null), _) => null.cpu(),
            (_, Some(pid)) => sys::process_cpu(pid).unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// Whether writes stay: the null target forgets them.
    pub fn keeps_data(&self) -> bool {
        !matches!(self.process, Process::Null(_))
    }

    /// What a daemon of ours has said, for messages.
    pub fn words(&self) -> String {
        match &self.process {
            Process::Mainstay(daemon) => daemon.words(),
            _ => String::new(),
        }
    }
}
