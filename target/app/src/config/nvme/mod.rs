//! What is served over NVMe/TCP: a [`Site`] out of paths or out of a file.

mod read;
mod saved;
mod written;

pub(super) use read::{Rest, read};
pub(super) use saved::{SiteV1, restore, save};
pub(super) use written::write;

use super::target::Target;
use super::volume::Volume;
use mainstay_base::path::GroupId;
use mainstay_base::unit::VolumeId;
use mainstay_proto::nvme::site::{Discovery, Limits, Portal};
use mainstay_proto::nvme::{Controllers, Namespace, Site, Subsystem};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port of NVMe/TCP, and that of discovery (IANA).
pub const PORT: u16 = 4420;
const DISCOVERY_PORT: u16 = 8009;
/// SN and MN of Identify Controller (base 2.0, figure 275).
const SERIAL_BYTES: usize = 20;
/// What stands as MN unless something else is said.
pub const MODEL: &str = "Mainstay";

/// Where NVMe/TCP is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    None,
    /// There.
    At(SocketAddr),
}

/// Portals at the usual ports of this machine alone; nobody asked for them, so they give way to who is there already.
fn usual() -> Vec<Portal> {
    let at = |port, discovery_only, id| {
        let bind = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Portal { optional: true, discovery_only, ..portal(bind, id) }
    };
    vec![at(PORT, false, 1), at(DISCOVERY_PORT, true, 2)]
}

/// The portal that listens on `bind`.
fn portal(bind: SocketAddr, id: u16) -> Portal {
    Portal { name: bind.to_string(), bind, advertise: None, id, discovery_only: false, optional: false }
}

/// The NQN that belongs to an iSCSI name: they differ in their first three letters.
pub fn nqn_of(iqn: &str) -> String {
    format!("nqn.{}", iqn.strip_prefix("iqn.").unwrap_or(iqn))
}

/// A serial number that lasts as long as the name does: its hash.
pub fn serial_of(nqn: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(nqn.as_bytes());
    digest.iter().take(SERIAL_BYTES / 2).fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}

/// A subsystem with one namespace for each target with its one LUN, open to everyone who reaches the portals.
pub(super) fn from_targets(listen: &[Listen], targets: &[Target], volumes: &[Volume]) -> Site {
    let asked = listen.iter().filter_map(|listen| match listen {
        Listen::At(bind) => Some(*bind),
        Listen::None => None,
    });
    let mut portals: Vec<Portal> = asked.zip(1..).map(|(bind, id)| portal(bind, id)).collect();
    if listen.is_empty() {
        portals = usual();
    }
    let subsystem = |target: &Target| {
        let nqn = nqn_of(&target.name);
        let namespace = |lun: &super::Lun| Namespace {
            nsid: u32::from(lun.number) + 1,
            volume: VolumeId(lun.volume as u32),
            read_only: lun.read_only.unwrap_or(volumes[lun.volume].read_only),
            group: GroupId(1),
            hosts: None,
        };
        Subsystem {
            serial: serial_of(&nqn),
            nqn,
            model: MODEL.to_owned(),
            portals: (0..portals.len()).filter(|at| !portals[*at].discovery_only).collect(),
            namespaces: target.luns.iter().map(namespace).collect(),
            hosts: None,
            keys: None,
            controllers: Controllers::Dynamic,
        }
    };
    let subsystems = if portals.is_empty() { Vec::new() } else { targets.iter().map(subsystem).collect() };
    Site { subsystems, portals, discovery: Discovery::default(), limits: Limits::default() }
}
