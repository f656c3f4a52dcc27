//! Identify (base §5.17): every data structure a host may ask for, by its CNS.
//!
//! What is told is how things are now. A host is told of no namespace that it may not see, not even
//! by the lists of those that are allocated.

mod controller;
mod list;
mod namespace;

#[cfg(test)]
pub(super) mod tests;

use super::{AdminCx, Attached, Controller, Entry, Status, Subsystem, View};
use mainstay_base::unit::Disk;

/// Bytes of every data structure of Identify.
pub const BYTES: usize = 4096;
/// NN and MNAN: numbers and count of namespaces of a subsystem, at most. One ANA log of them all is below MDTS.
pub const NAMESPACES_MAX: u32 = 1024;
/// All namespaces of a subsystem are one endurance group: we know nothing of the media below that would tell several apart.
pub const ENDURANCE_GROUP: u16 = 1;
/// Command retry delays (CRDT1 to 3) in units of 100 ms.
pub const RETRY_DELAYS: [u16; 3] = [1, 10, 50];
/// NSID: every namespace.
pub(super) const ALL: u32 = u32::MAX;
/// CSI of the NVM command set.
const NVM: u8 = 0;

/// Who asks, and what of.
#[derive(Clone, Copy)]
pub(super) struct Asker<'c, 'a> {
    /// The controller that is asked.
    pub controller: &'c Controller,
    /// What the host sees.
    pub view: &'c View,
    /// The world.
    pub cx: &'c AdminCx<'a>,
}

impl<'c> Asker<'c, '_> {
    /// Its subsystem; none: discovery.
    pub fn subsystem(&self) -> Option<&'c Subsystem> {
        self.cx.site.subsystems.get(self.controller.subsystem()?)
    }

    /// The namespaces the host sees, and their disks.
    pub fn visible(&self) -> impl Iterator<Item = (&'c Attached, &'c Disk)> {
        let disks = &self.cx.disks;
        self.view.namespaces.iter().filter_map(|attached| Some((attached, disks.disk(attached.volume)?)))
    }

    /// One of them.
    pub fn find(&self, nsid: u32) -> Option<(&'c Attached, &'c Disk)> {
        let attached = self.view.namespace(nsid)?;
        Some((attached, self.cx.disks.disk(attached.volume)?))
    }

    /// What they hold in bytes.
    pub fn capacity(&self) -> u128 {
        self.visible().map(|(_, disk)| u128::from(disk.geometry.bytes())).sum()
    }
}

/// The data structure that `entry` asks for.
///
/// # Errors
/// What the standard says of a CNS we do not have, and of namespaces that cannot be.
pub fn identify(controller: &Controller, cx: &AdminCx<'_>, entry: &Entry) -> Result<Vec<u8>, Status> {
    let asker = Asker { controller, view: &controller.view(), cx };
    let (cns, cntid) = (entry.dword(10) as u8, (entry.dword(10) >> 16) as u16);
    let (csi, nsid) = ((entry.dword(11) >> 24) as u8, entry.nsid());
    if cns == 0x01 {
        return Ok(controller::controller(&asker));
    }
    let Some(index) = controller.subsystem() else { return Err(Status::INVALID_FIELD) };
    // Those that ask of one command set: there is one.
    if matches!(cns, 0x05..=0x07) && csi != NVM {
        return Err(Status::INVALID_FIELD);
    }
    Ok(match cns {
        0x00 | 0x11 => namespace::namespace(&asker, valid(nsid)?),
        0x02 | 0x07 | 0x10 => list::namespaces(asker.view, nsid)?,
        0x03 => namespace::descriptors(&asker, valid(nsid)?)?,
        0x05 => valid(nsid).map(|_| namespace::of_command_set())?,
        0x06 => controller::of_command_set(),
        0x08 => namespace::independent(&asker, valid(nsid)?),
        0x12 => list::attached(&asker, index, valid(nsid)?, cntid)?,
        0x13 => list::controllers(&asker, index, cntid),
        0x19 => list::endurance_groups(entry.dword(11) as u16),
        0x1c => list::command_sets(controller.cntlid, cntid)?,
        _ => return Err(Status::INVALID_FIELD),
    })
}

/// A number that a namespace could have.
fn valid(nsid: u32) -> Result<u32, Status> {
    if (1..=NAMESPACES_MAX).contains(&nsid) { Ok(nsid) } else { Err(Status::INVALID_NAMESPACE) }
}
