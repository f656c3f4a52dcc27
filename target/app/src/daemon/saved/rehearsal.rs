//! `mainstay rehearse`: restore the snapshot on standard input, save it again, and say what that gives.

use super::handed::Nothing;
use super::{Forms, digest};
use crate::daemon::fault;
use crate::daemon::world::World;
use bytes::Bytes;
use mainstay_base::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// What a rehearsal says on its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// [`super::digest`] of what was restored and saved again.
    pub digest: String,
    /// What a person should know before the swap.
    pub remarks: Vec<String>,
}

/// Rehearse what stands on standard input. Nothing is opened but what every program opens, and nothing is changed.
///
/// # Errors
/// Why this program cannot take over, for people.
pub fn rehearse() -> Result<(), String> {
    fault::at("rehearsal")?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| format!("the snapshot cannot be read: {error}"))?;
    let line = serde_json::to_string(&of(&bytes.into())?).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout().lock(), "{line}").map_err(|error| error.to_string())
}

pub(super) fn of(bytes: &Bytes) -> Result<Rehearsal, String> {
    let given = Snapshot::decode(bytes).map_err(|error| error.to_string())?;
    let mut world = World::restore(&given, &mut Nothing).map_err(|error| error.to_string())?;
    if let Err(problems) = world.config.recheck() {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(format!("this version would not take the configuration that is applied: {}", problems.join("; ")));
    }
    #[cfg(feature = "next")]
    super::next::recheck(&world.config)?;
    if fault::ordered("restore", "differ") {
        world.nexus_next += 1;
    }
    let again = world.save_again(&Forms::of(&given)).map_err(|error| error.to_string())?;
    Ok(Rehearsal { digest: digest(&again), remarks: world.config.compare_with_file() })
}

impl World {
    /// As [`World::save`], without the descriptors: those of a rehearsal are of nothing.
    fn save_again(&self, forms: &Forms) -> Result<Snapshot, super::Inexpressible> {
        let connections = self.connections.values().map(|connection| super::connection::save(self, connection, forms));
        Ok(super::snapshot(self.save_around(forms, connections.collect::<Result<_, _>>()?)?))
    }
}
