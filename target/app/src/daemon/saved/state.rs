//! The state directory: its owner's form.

use super::handed::{Handed, Role, take};
use super::sections::{Sections, get, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::daemon::world::World;
use mainstay_base::snapshot::Section;
use mainstay_edge::state::StateDir;
use mainstay_edge::state::saved::StateDirV1;

pub(super) const KIND: &str = "state";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    match forms.version(KIND) {
        version @ 1 => Ok(Some(put(KIND, version, &world.state.save()))),
        version => Err(Inexpressible::new(KIND, version, "the state directory")),
    }
}

pub(super) fn restore(sections: &Sections<'_>, from: &mut dyn Handed) -> Result<StateDir, Unreadable> {
    let saved: StateDirV1 = get(KIND, sections.one(KIND)?)?;
    let (dir, lock) = (take(&Role::StateDir, from)?, take(&Role::StateLock, from)?);
    StateDir::adopt(saved, dir, lock).map_err(|error| Unreadable::section(KIND, error))
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: StateDirV1 = get(KIND, section)?;
    Ok(format!("{saved:?}"))
}
