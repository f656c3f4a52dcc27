//! A volume as SCSI sees it: what all its initiators share, and what each of them has open with it.

use super::attention::{Attention, Attentions};
use super::mode::{Control, Settings};
use super::sense::Sense;
use mainstay_base::sam::NexusId;
use mainstay_base::unit::{Behaviour, Disk, Geometry, Identity, VolumeId};
use std::collections::BTreeMap;

/// The ports at both ends of a nexus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortInfo {
    /// Name of the target device (iSCSI: its IQN).
    pub target: String,
    /// Relative target port identifier (SPC-4 §7.8.6.10); iSCSI: also the portal group tag.
    pub relative_port: u16,
    /// Target port group.
    pub group: u16,
    /// Name of the initiator device.
    pub initiator: String,
    /// iSCSI initiator session id; with the name it is the initiator port.
    pub isid: [u8; 6],
}

/// What a unit knows of one nexus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PathState {
    pub relative_port: u16,
    pub group: u16,
    pub attentions: Attentions,
    /// It prevents the removal of the medium.
    pub prevents: bool,
}

/// One logical unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalUnit {
    /// What NVMe sees of the same volume, too.
    pub disk: Disk,
    pub(super) control: Control,
    /// Who holds it by RESERVE (SPC-2 §5.5).
    pub(super) reserved: Option<NexusId>,
    /// By START STOP UNIT.
    pub(super) stopped: bool,
    /// Removable only.
    pub(super) ejected: bool,
    pub(super) paths: BTreeMap<NexusId, PathState>,
}

impl LogicalUnit {
    /// A unit nobody has seen yet: started, with default mode pages.
    pub fn new(id: VolumeId, geometry: Geometry, identity: Identity, behaviour: Behaviour) -> LogicalUnit {
        LogicalUnit {
            disk: Disk::new(id, geometry, identity, behaviour),
            control: Control::default(),
            reserved: None,
            stopped: false,
            ejected: false,
            paths: BTreeMap::new(),
        }
    }

    /// The mode parameters as they stand.
    pub(super) fn settings(&self) -> Settings {
        Settings { write_cache: self.disk.write_cache, control: self.control }
    }

    pub(super) fn set(&mut self, settings: Settings) {
        (self.disk.write_cache, self.control) = (settings.write_cache, settings.control);
    }

    /// Who holds it by RESERVE(6) or RESERVE(10).
    pub fn reserved(&self) -> Option<NexusId> {
        self.reserved
    }

    /// A command that another nexus aborts ends with TASK ABORTED (control mode page, TAS) instead of silently.
    pub fn tells_aborted(&self) -> bool {
        self.control.task_aborted
    }

    /// A nexus that may use the unit came up. To it the unit has just been powered on (SAM-5 §6.3.1).
    pub fn attach(&mut self, nexus: NexusId, port: &PortInfo) {
        let mut path = PathState { relative_port: port.relative_port, group: port.group, ..PathState::default() };
        path.attentions.post(Attention::PowerOn);
        self.paths.insert(nexus, path);
    }

    /// The nexus is gone for good, and its tasks are: an I_T nexus loss (SAM-5 §6.3.4).
    pub fn detach(&mut self, nexus: NexusId) {
        self.release(nexus);
        self.paths.remove(&nexus);
        self.disk.ranges.leave(nexus, &mut self.disk.wake);
    }

    /// The nexus was lost and is back under the same name (I_T NEXUS RESET).
    pub fn nexus_lost(&mut self, nexus: NexusId) {
        self.release(nexus);
        self.attention(nexus, Attention::NexusLoss);
    }

    fn release(&mut self, nexus: NexusId) {
        if self.reserved == Some(nexus) {
            self.reserved = None;
        }
        if let Some(path) = self.paths.get_mut(&nexus) {
            path.prevents = false;
        }
    }

    /// Logical unit reset (SAM-5 §6.3.3): reservations, prevention and mode pages go back to where they began, and
    /// every nexus hears of it, the one that asked included. Tasks are the nexuses' to abort.
    pub fn reset(&mut self) {
        self.reserved = None;
        self.stopped = false;
        self.set(Settings::of(&self.disk.behaviour));
        for path in self.paths.values_mut() {
            path.prevents = false;
        }
        self.attention_all(None, Attention::UnitReset);
    }

    /// The volume has another size now.
    pub fn resized(&mut self, geometry: Geometry) {
        if self.disk.geometry != geometry {
            self.disk.geometry = geometry;
            self.attention_all(None, Attention::CapacityChanged);
        }
    }

    /// NVMe has changed what a mode page says.
    pub fn mode_changed(&mut self) {
        self.attention_all(None, Attention::ModeChanged);
    }

    /// Post a condition to one nexus.
    pub fn attention(&mut self, nexus: NexusId, attention: Attention) {
        if let Some(path) = self.paths.get_mut(&nexus) {
            path.attentions.post(attention);
        }
    }

    /// Post a condition to every nexus but one.
    pub(super) fn attention_all(&mut self, except: Option<NexusId>, attention: Attention) {
        for (&nexus, path) in &mut self.paths {
            if Some(nexus) != except {
                path.attentions.post(attention);
            }
        }
    }

    /// The gravest condition pending for a nexus.
    pub(super) fn pending(&self, nexus: NexusId) -> Option<Attention> {
        self.paths.get(&nexus)?.attentions.first()
    }

    /// A condition was reported.
    pub(super) fn reported(&mut self, nexus: NexusId, attention: Attention) {
        if let Some(path) = self.paths.get_mut(&nexus) {
            path.attentions.clear(attention);
        }
    }

    /// A medium is in.
    pub(super) fn loaded(&self) -> Result<(), Sense> {
        if self.ejected { Err(Sense::NO_MEDIUM) } else { Ok(()) }
    }

    /// The medium can be accessed.
    pub(super) fn ready(&self) -> Result<(), Sense> {
        self.loaded()?;
        if self.stopped { Err(Sense::STOPPED) } else { Ok(()) }
    }

    /// The medium may be written; `read_only`: not by this initiator.
    pub(super) fn writable(&self, read_only: bool) -> Result<(), Sense> {
        if !self.disk.is_writable() || read_only {
            Err(Sense::WRITE_PROTECTED)
        } else if self.control.software_protect {
            Err(Sense::SOFTWARE_PROTECTED)
        } else {
            Ok(())
        }
    }

    /// The medium may be taken out.
    pub(super) fn removal_allowed(&self) -> Result<(), Sense> {
        if self.paths.values().any(|path| path.prevents) { Err(Sense::REMOVAL_PREVENTED) } else { Ok(()) }
    }

    /// Logical blocks per physical block.
    pub(super) fn blocks_per_physical(&self) -> u32 {
        (self.disk.geometry.physical_bytes / self.disk.geometry.block_bytes.max(1)).max(1)
    }
}

impl AsRef<Disk> for LogicalUnit {
    fn as_ref(&self) -> &Disk {
        &self.disk
    }
}

impl AsMut<Disk> for LogicalUnit {
    fn as_mut(&mut self) -> &mut Disk {
        &mut self.disk
    }
}
