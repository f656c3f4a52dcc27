//! The applied configuration: its owner's form.

use super::sections::Sections;
use super::{Forms, Inexpressible, Unreadable};
use crate::config::Config;
use crate::daemon::world::World;
use mainstay_base::snapshot::Section;

pub(super) const KIND: &str = "config";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let section = world.config.save();
    match forms.version(KIND) {
        1 => Ok(Some(Section { kind: KIND.into(), ..section })),
        version => Err(Inexpressible::new(KIND, version, "a configuration")),
    }
}

pub(super) fn restore(sections: &Sections<'_>) -> Result<Config, Unreadable> {
    Config::restore(sections.one(KIND)?).map_err(|why| Unreadable::section(KIND, why))
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let config = Config::restore(section).map_err(|why| Unreadable::section(KIND, why))?;
    Ok(config.show())
}
