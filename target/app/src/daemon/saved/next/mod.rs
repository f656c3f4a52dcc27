//! What a next version would do: the only part of the program that the feature `next` changes, faults apart.
//!
//! * Section `connection` is in another form, version 2, which has something to say that version 1 has no words for: a label.
//! * Section `daemon` has one more field in version 1, a motto. Programs that do not know it pass over it.
//! * Section `sessions` is gone. What it said is in a new one, `registry`, which is required where `sessions` is not.
//! * A volume called `refused-by-next` is against its rules.
//!
//! It reads and writes the older forms too: a swap goes from and to the version before it, and between two of itself.

pub(super) mod connection;
pub(super) mod registry;

use super::Inexpressible;
use crate::config::Config;
use crate::daemon::fault;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A label for a connection, or the motto, is ordered like a fault: `label WORD`, `motto WORD`. The world of the version
/// before has no place for them.
#[derive(Debug, Default)]
struct Extra {
    /// By connection.
    labels: BTreeMap<u64, String>,
    motto: String,
}

static EXTRA: Mutex<Extra> = Mutex::new(Extra { labels: BTreeMap::new(), motto: String::new() });

fn extra() -> MutexGuard<'static, Extra> {
    EXTRA.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The label of a connection.
fn label(id: u64) -> String {
    let ordered = fault::word("label");
    let mut extra = extra();
    if let Some(word) = ordered {
        extra.labels.insert(id, word);
    }
    extra.labels.get(&id).cloned().unwrap_or_default()
}

/// The motto.
pub(super) fn motto() -> String {
    let ordered = fault::word("motto");
    let mut extra = extra();
    if let Some(word) = ordered {
        extra.motto = word;
    }
    extra.motto.clone()
}

/// The predecessor's motto.
pub(super) fn remember_motto(motto: &str) {
    extra().motto = motto.to_owned();
}

/// What version 1 of a connection must be able to say.
pub(super) fn needs_no_label(id: u64) -> Result<(), Inexpressible> {
    match label(id) {
        label if label.is_empty() => Ok(()),
        label => Err(Inexpressible::new("connection", 1, format!("the label {label:?} of connection {id}"))),
    }
}

/// The rules of the next version.
pub(super) fn recheck(config: &Config) -> Result<(), String> {
    match config.volumes.iter().find(|volume| volume.name == "refused-by-next") {
        Some(volume) => Err(format!("volume {:?}: no volume has this name any more", volume.name)),
        None => Ok(()),
    }
}
