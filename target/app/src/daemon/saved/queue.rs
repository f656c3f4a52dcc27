//! The machine of an NVMe connection: its owner's form. That of an admin queue has the whole controller in it.

use super::{Forms, Inexpressible, Unreadable};
use crate::daemon::world::World;
use mainstay_base::arena::Arena;
use mainstay_base::snapshot::Section;
use mainstay_proto::queue::Queue;

pub(super) const KIND: &str = "queue";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

pub(super) fn save(queue: &Queue, forms: &Forms) -> Result<Section, Inexpressible> {
    match forms.version(KIND) {
        1 => Ok(queue.save()),
        version => Err(Inexpressible::new(KIND, version, "a connection of NVMe/TCP")),
    }
}

/// The queue, whose payload is of the account `arena`.
pub(super) fn restore(section: &Section, arena: &Arena, world: &World) -> Result<Queue, Unreadable> {
    let queue = Queue::restore(section, arena).map_err(|error| Unreadable::section(KIND, error))?;
    queue.fits(&world.nvme.site, world.units.len()).map_err(|error| Unreadable::section(KIND, error))?;
    Ok(queue)
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    mainstay_proto::queue::outline(section).map_err(|error| Unreadable::section(KIND, error))
}
