//! Payload memory: its books, and who waits for it in turn. The bytes are in the region that is handed over.

use super::handed::{Handed, Role, take};
use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::daemon::world::World;
use mainstay_base::arena::Arena;
use mainstay_base::arena::saved::ArenaV1;
use mainstay_base::sam::NexusId;
use mainstay_base::snapshot::Section;
use mainstay_edge::memory::SharedRegion;
use std::sync::Arc;

pub(super) const KIND: &str = "arena";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct MemoryV1 {
    #[prost(message, optional, tag = "1")]
    arena: Option<ArenaV1>,
    /// Names of nexuses, the first in turn first.
    #[prost(uint64, repeated, tag = "2")]
    starved: Vec<u64>,
}

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let starved = world.starved.iter().filter(|id| world.knows(**id)).map(|id| id.0).collect();
    let saved = MemoryV1 { arena: Some(world.arena.save()), starved };
    match forms.version(KIND) {
        version @ 1 => Ok(Some(put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "payload memory")),
    }
}

/// What has to wait until all connections have their payload.
pub(super) struct Memory {
    pub arena: Arena,
    pub region: Arc<SharedRegion>,
    saved: MemoryV1,
}

pub(super) fn restore(sections: &Sections<'_>, from: &mut dyn Handed) -> Result<Memory, Unreadable> {
    let saved: MemoryV1 = get(KIND, sections.one(KIND)?)?;
    let books = need(KIND, saved.arena.as_ref(), "the arena")?;
    let region = take(&Role::Region { bytes: books.region }, from)?;
    let region = SharedRegion::from_descriptor(region).map_err(|error| Unreadable::section(KIND, error))?;
    let region = Arc::new(region);
    let arena = Arena::restore(books, region.clone()).map_err(|error| Unreadable::section(KIND, error))?;
    Ok(Memory { arena, region, saved })
}

impl Memory {
    pub fn apply(self, world: &mut World) -> Result<(), Unreadable> {
        let Memory { arena, saved, .. } = self;
        arena
            .restore_marks(&need(KIND, saved.arena, "the arena")?)
            .map_err(|error| Unreadable::section(KIND, error))?;
        for id in saved.starved.into_iter().map(NexusId) {
            let waits = world.connections.get_mut(&id).filter(|connection| !connection.starved);
            need(KIND, waits, "one that waits for memory")?.starved = true;
            world.starved.push_back(id);
        }
        // What came back before is not known: everybody tries once.
        world.returns = arena.returns().wrapping_sub(1);
        Ok(())
    }
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: MemoryV1 = get(KIND, section)?;
    Ok(format!("{saved:?}"))
}
