//! What the state directory remembers of a volume: one record each, named by its UUID, JSON. Form 1; form 2 when blocks are
//! marked as unreadable or none may be written to, so that who does not know that will not serve them.

use super::error::IdentityError;
use super::identity::Anchor;
use super::marks::Ranges;
use crate::state::{Record, StateDir, StateError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const PREFIX: &str = "volume-";
/// What every version reads, and what says that there are marks or a protection.
const PLAIN: u32 = 1;
const MARKED: u32 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VolumeRecord {
    pub uuid: String,
    pub anchor: Anchor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poison: Option<Poison>,
    /// Bytes that cannot be read.
    #[serde(default, skip_serializing_if = "Ranges::is_empty")]
    pub marks: Ranges,
    /// Nothing is written to it (NVM Express: state Write Protect), until a host says otherwise.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A flush failed and nobody has cleared it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poison {
    /// What happened.
    pub reason: String,
    /// When, in seconds since 1970.
    pub unix_s: u64,
}

impl VolumeRecord {
    /// Of a volume about which nothing is known.
    pub fn new(uuid: String, anchor: &Anchor) -> VolumeRecord {
        VolumeRecord { uuid, anchor: anchor.clone(), poison: None, marks: Ranges::default(), protected: false }
    }

    pub fn uuid(&self) -> Result<Uuid, IdentityError> {
        let garbled = |_| IdentityError::Garbled { path: name(&self.uuid).into(), text: self.uuid.clone() };
        Uuid::try_parse(&self.uuid).map_err(garbled)
    }
}

fn name(uuid: &str) -> String {
    format!("{PREFIX}{uuid}")
}

/// All that can be read.
pub(super) fn all(state: &StateDir) -> Vec<VolumeRecord> {
    let uuids = state.names(PREFIX);
    uuids.iter().filter_map(|name| load(state, name.strip_prefix(PREFIX)?).ok().flatten()).collect()
}

/// An error when one of them cannot be read.
pub(super) fn any_damaged(state: &StateDir) -> Result<(), StateError> {
    for name in state.names(PREFIX) {
        load(state, name.strip_prefix(PREFIX).unwrap_or_default())?;
    }
    Ok(())
}

pub(super) fn load(state: &StateDir, uuid: &str) -> Result<Option<VolumeRecord>, StateError> {
    let Some(record) = state.read(&name(uuid))? else { return Ok(None) };
    let damaged = |why: String| StateError::Damaged { path: state.path().join(name(uuid)), why };
    if ![PLAIN, MARKED].contains(&record.version) {
        return Err(damaged(format!("it has the form {} of a newer version", record.version)));
    }
    let parsed: VolumeRecord = serde_json::from_str(&record.text).map_err(|error| damaged(error.to_string()))?;
    if parsed.uuid != uuid {
        return Err(damaged(format!("it is about {}", parsed.uuid)));
    }
    Ok(Some(parsed))
}

pub(super) fn store(state: &StateDir, record: &VolumeRecord) -> Result<(), IdentityError> {
    // Nothing that can be read is put in the place of what cannot.
    load(state, &record.uuid)?;
    let version = if record.marks.is_empty() && !record.protected { PLAIN } else { MARKED };
    let text = serde_json::to_string_pretty(record)
        .map_err(|error| StateError::Damaged { path: state.path().join(name(&record.uuid)), why: error.to_string() })?;
    Ok(state.write(&name(&record.uuid), Record { version, text: text + "\n" })?)
}

pub(super) fn remove(state: &StateDir, uuid: &str) -> Result<(), IdentityError> {
    Ok(state.remove(&name(uuid))?)
}
