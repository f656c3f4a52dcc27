//! What a daemon tells its own terminal when it is ready.

use super::{NvmePortal, Portal, Status, Subsystem, Target, Volume, VolumeKind};
use std::path::PathBuf;

/// What a daemon that is ready serves; the `ready` line of `serve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Process id.
    pub pid: u32,
    /// The control socket.
    pub control: PathBuf,
    /// Where identities are remembered.
    pub state_dir: PathBuf,
    /// The configuration file, if there is one.
    pub config: Option<PathBuf>,
    /// Where we listen.
    pub portals: Vec<Portal>,
    /// What initiators log in to.
    pub targets: Vec<Target>,
    /// Where hosts connect.
    pub nvme_portals: Vec<NvmePortal>,
    /// What they connect to.
    pub subsystems: Vec<Subsystem>,
    /// The disks.
    pub volumes: Vec<ServedVolume>,
}

/// A disk that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedVolume {
    /// Its name.
    pub name: String,
    /// What keeps its bytes.
    pub kind: VolumeKind,
    /// Where, for files and devices.
    pub path: Option<PathBuf>,
    /// The file was made just now.
    pub created: bool,
    /// In bytes.
    pub size: u64,
    /// Logical block.
    pub block_bytes: u32,
    /// Writes are refused.
    pub read_only: bool,
}

impl From<&Status> for Served {
    fn from(status: &Status) -> Served {
        let volume = |volume: &Volume| ServedVolume {
            name: volume.name.clone(),
            kind: volume.kind,
            path: volume.path.clone(),
            created: false,
            size: volume.size,
            block_bytes: volume.block_bytes,
            read_only: volume.read_only,
        };
        Served {
            pid: status.daemon.pid,
            control: status.daemon.control.clone(),
            state_dir: status.daemon.state_dir.clone(),
            config: status.daemon.config.clone(),
            portals: status.portals.clone(),
            targets: status.targets.clone(),
            nvme_portals: status.nvme.portals.clone(),
            subsystems: status.nvme.subsystems.clone(),
            volumes: status.volumes.iter().map(volume).collect(),
        }
    }
}
