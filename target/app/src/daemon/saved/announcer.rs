//! What is announced in the local network, and when next. The sockets are handed over, one for each link.

use super::handed::{Handed, Role, parked};
use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::daemon::announcing::Announcing;
use crate::daemon::world::World;
use mainstay_base::snapshot::Section;
use mainstay_base::time::Instant;
use mainstay_proto::mdns::{Announcer, AnnouncerV1};
use std::collections::BTreeMap;

pub(super) const KIND: &str = "announcer";
/// Who does not know it begins to announce anew, or does not announce.
pub(super) const READS: (&str, u32, u32) = (KIND, 0, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct AnnouncingV1 {
    #[prost(message, optional, tag = "1")]
    machine: Option<AnnouncerV1>,
    /// When it is looked again which interfaces there are.
    #[prost(uint64, tag = "2")]
    looks: u64,
}

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let Some(announcing) = &world.announcing else { return Ok(None) };
    let saved = AnnouncingV1 { machine: Some(announcing.machine.save()), looks: announcing.looks.0 };
    match forms.version(KIND) {
        0 => Ok(None),
        version @ 1 => Ok(Some(put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "what is announced")),
    }
}

pub(super) fn restore(sections: &Sections<'_>, world: &mut World, from: &mut dyn Handed) -> Result<(), Unreadable> {
    let Some(section) = sections.maybe(KIND)? else { return Ok(()) };
    let saved: AnnouncingV1 = get(KIND, section)?;
    let machine = Announcer::restore(need(KIND, saved.machine, "the machine")?);
    let machine = machine.map_err(|error| Unreadable::section(KIND, error))?;
    let mut sockets = BTreeMap::new();
    for link in machine.links() {
        sockets.insert(link.id, parked(&Role::multicast(link.id), from)?);
    }
    world.announcing = Some(Announcing::new(machine, sockets, Instant(saved.looks)));
    Ok(())
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: AnnouncingV1 = get(KIND, section)?;
    Ok(format!("{saved:?}"))
}
