//! What all dialects share of a volume: SCSI's logical unit and NVMe's namespace are two views of one [`Disk`].

use super::range::Ranges;
use super::{Behaviour, Geometry, Identity, VolumeId};
use crate::sam::NexusId;

/// A volume as every dialect sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its volume.
    pub id: VolumeId,
    /// Its size, as it is now.
    pub geometry: Geometry,
    /// Who it is.
    pub identity: Identity,
    /// What it allows, as it was opened.
    pub behaviour: Behaviour,
    /// A write may be answered before it is on stable storage: as an initiator of either dialect has set it.
    pub write_cache: bool,
    /// Nobody may write to it: as a host of either dialect has set it.
    pub protection: Protection,
    /// Who writes where.
    pub ranges: Ranges,
    /// Nexuses whose tasks waited for a range and should be polled again; the owner drains it after each poll.
    pub wake: Vec<NexusId>,
}

/// Whether a volume is protected from writes (NVM Express base 2.0 §8.12); the values are those of the feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// It is not.
    #[default]
    None = 0,
    /// It is, until somebody says otherwise.
    Protected = 1,
    /// It is, until the daemon is started anew; a swap is no such start.
    UntilRestart = 2,
}

impl Disk {
    /// A disk nobody has seen yet.
    pub fn new(id: VolumeId, geometry: Geometry, identity: Identity, behaviour: Behaviour) -> Disk {
        Disk {
            id,
            geometry,
            identity,
            behaviour,
            write_cache: behaviour.write_cache,
            protection: Protection::None,
            ranges: Ranges::default(),
            wake: Vec::new(),
        }
    }

    /// It may be written to, as far as the volume goes.
    pub fn is_writable(&self) -> bool {
        !self.behaviour.read_only && self.protection == Protection::None
    }
}

/// Where the disks are kept, whatever keeps them.
pub trait Disks {
    /// The disk of a volume.
    fn disk(&self, volume: VolumeId) -> Option<&Disk>;
    /// The same, to change it.
    fn disk_mut(&mut self, volume: VolumeId) -> Option<&mut Disk>;
}

impl<D: AsRef<Disk> + AsMut<Disk>> Disks for Vec<D> {
    fn disk(&self, volume: VolumeId) -> Option<&Disk> {
        self.get(volume.0 as usize).map(AsRef::as_ref)
    }

    fn disk_mut(&mut self, volume: VolumeId) -> Option<&mut Disk> {
        self.get_mut(volume.0 as usize).map(AsMut::as_mut)
    }
}

impl AsRef<Disk> for Disk {
    fn as_ref(&self) -> &Disk {
        self
    }
}

impl AsMut<Disk> for Disk {
    fn as_mut(&mut self) -> &mut Disk {
        self
    }
}
