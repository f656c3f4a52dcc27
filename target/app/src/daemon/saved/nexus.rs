//! The machine of a connection: its owner's form.

use super::{Forms, Inexpressible, Unreadable};
use crate::daemon::world::World;
use mainstay_base::arena::Arena;
use mainstay_base::snapshot::Section;
use mainstay_proto::nexus::Nexus;

pub(super) const KIND: &str = "nexus";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

pub(super) fn save(nexus: &Nexus, forms: &Forms) -> Result<Section, Inexpressible> {
    match forms.version(KIND) {
        1 => Ok(nexus.save()),
        version => Err(Inexpressible::new(KIND, version, "a nexus")),
    }
}

/// The nexus, whose payload is of the account `arena`.
pub(super) fn restore(section: &Section, arena: &Arena, world: &World) -> Result<Nexus, Unreadable> {
    let nexus = Nexus::restore(section, arena, &world.site).map_err(|error| Unreadable::section(KIND, error))?;
    nexus.fits(&world.site, world.units.len()).map_err(|error| Unreadable::section(KIND, error))?;
    Ok(nexus)
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    mainstay_proto::nexus::outline(section).map_err(|error| Unreadable::section(KIND, error))
}
