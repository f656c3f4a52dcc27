//! The section that is new: what `sessions` said, by connection.

use super::super::sections::{Sections, get, put};
use super::super::sessions::{RejoiningV1, SessionsV1, WaitingV1};
use super::super::{Forms, Inexpressible, Unreadable};
use crate::daemon::world::World;
use mainstay_base::snapshot::Section;

pub(in super::super) const KIND: &str = "registry";
/// Oldest 0: a snapshot of the version before has `sessions` in its place.
pub(in super::super) const READS: (&str, u32, u32) = (KIND, 0, 1);
/// The section that is gone.
pub(in super::super) const SESSIONS: (&str, u32, u32) = (super::super::sessions::KIND, 0, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct RegistryV1 {
    /// Not the last one, but the one after it.
    #[prost(uint32, tag = "1")]
    tsih_next: u32,
    /// In the order in which they wait; then those that rejoin, by connection.
    #[prost(message, repeated, tag = "2")]
    entries: Vec<EntryV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EntryV1 {
    #[prost(uint64, tag = "1")]
    nexus: u64,
    #[prost(uint32, tag = "2")]
    tsih: u32,
    /// Absent: it rejoins.
    #[prost(message, optional, tag = "3")]
    waits: Option<WaitingV1>,
}

pub(in super::super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let old = super::super::sessions::saved(world);
    let waiting = old.waiting.into_iter().map(|waits| EntryV1 { nexus: waits.nexus, tsih: 0, waits: Some(waits) });
    let rejoining =
        old.rejoining.into_iter().map(|entry| EntryV1 { nexus: entry.nexus, tsih: entry.tsih, waits: None });
    let saved = RegistryV1 { tsih_next: old.tsih_last + 1, entries: waiting.chain(rejoining).collect() };
    match forms.version(KIND) {
        0 => Ok(None),
        version @ 1 => Ok(Some(put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "the registry")),
    }
}

/// What either section says.
pub(in super::super) fn restore(sections: &Sections<'_>) -> Result<SessionsV1, Unreadable> {
    if let Some(section) = sections.maybe(SESSIONS.0)? {
        return get(SESSIONS.0, section);
    }
    let saved: RegistryV1 = get(KIND, sections.one(KIND)?)?;
    let (mut waiting, mut rejoining) = (Vec::new(), Vec::new());
    for entry in saved.entries {
        match entry.waits {
            Some(waits) => waiting.push(waits),
            None => rejoining.push(RejoiningV1 { nexus: entry.nexus, tsih: entry.tsih }),
        }
    }
    let tsih_last = saved.tsih_next.checked_sub(1);
    let tsih_last = tsih_last.ok_or_else(|| Unreadable::section(KIND, "the next TSIH is missing"))?;
    Ok(SessionsV1 { tsih_last, waiting, rejoining })
}

pub(in super::super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: RegistryV1 = get(KIND, section)?;
    Ok(format!("{saved:?}"))
}
