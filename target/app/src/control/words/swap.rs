//! The words of a swap: what is asked, what is answered, what `status` remembers.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How many swaps a daemon remembers.
pub const SWAPS_MAX: usize = 32;

/// The longest [`Swap::deadline_ms`]: more is no pause but an outage, as initiators give up on a command after some 30 s.
pub const DEADLINE_MAX: Duration = Duration::from_secs(20);

/// Parameters of `swap`; all may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Swap {
    /// The program to become, an absolute path; absent: the path the daemon was first started by, as it leads now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary: Option<PathBuf>,
    /// Also to an older version.
    pub allow_downgrade: bool,
    /// Also to the version that is running.
    pub allow_same: bool,
    /// Stage and rehearse only.
    pub dry_run: bool,
    /// How long the pause may last before everything goes on as it was, up to [`DEADLINE_MAX`]; absent: 2000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// Answer of `snapshot`: the state of the daemon as a swap would hand it over, taken while it serves. It holds secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshotted {
    /// When it was taken.
    pub time_ms: u64,
    /// Who took it.
    pub program: Program,
    /// The snapshot, in base64 (RFC 4648 §4).
    pub base64: String,
}

impl std::fmt::Debug for Snapshotted {
    /// Without the snapshot, which holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Snapshotted { time_ms, program, base64: _ } = self;
        f.debug_struct("Snapshotted").field("time_ms", time_ms).field("program", program).finish_non_exhaustive()
    }
}

/// A program that serves, or will.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Product version.
    pub version: String,
    /// The first 16 hexadecimal digits of the SHA-256 of its executable: tells two builds of one version apart.
    pub build: String,
    /// Where it was found.
    pub path: PathBuf,
}

/// How a swap ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwapOutcome {
    /// The other program serves.
    Done,
    /// The version that was asked for is running.
    NothingToDo,
    /// A dry run, and everything went well.
    Rehearsed,
    /// It ended before the pause: nobody noticed.
    Refused,
    /// It ended within the pause: the old program goes on.
    RolledBack,
    /// An outcome this program has no word for.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Answer of `swap`, by whichever program serves after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SwapReport {
    /// When it was asked for.
    pub time_ms: u64,
    /// How it ended.
    pub outcome: SwapOutcome,
    /// Where it ended, if not well: `stage`, `rehearse`, `quiesce`, `save`, `exec` or `adopt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who served before.
    pub from: Program,
    /// Who was to serve; absent: it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Program>,
    /// What was handed over; of a dry run: what would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried: Option<Carried>,
    /// How long initiators waited; also of a swap that was rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// How long the rehearsal took, during which everything went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal_ms: Option<u64>,
    /// What else an administrator wants to know, e.g. that the configuration file has changed.
    pub remarks: Vec<String>,
    /// What cannot be handed over, and ends.
    pub not_carried: Vec<NotCarried>,
}

/// What was handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Carried {
    /// Sessions in full feature phase.
    pub sessions: u64,
    /// Connections of initiators, also those that are logging in.
    pub connections: u64,
    /// Commands taken and not answered.
    pub commands: u64,
    /// Connections of the control socket.
    pub control_connections: u64,
    /// Volumes.
    pub volumes: u64,
    /// Size of the snapshot.
    pub snapshot_bytes: u64,
    /// Payload in shared memory, which is not copied.
    pub payload_bytes: u64,
}

/// From the last byte that the old program took to the first byte that the new one took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pause {
    /// All of it; the parts but `store_us` add up to it.
    pub total_us: u64,
    /// From the stop until nothing was under way.
    pub quiesce_us: u64,
    /// The part of `quiesce_us` that went by in waiting for stores.
    pub store_us: u64,
    /// Writing down the state.
    pub save_us: u64,
    /// Until the other program ran.
    pub exec_us: u64,
    /// Until it had taken over and took the first byte.
    pub adopt_us: u64,
}

/// Something that cannot be handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NotCarried {
    /// What: `session 3 (iqn… from 192.0.2.1:4000)`.
    pub what: String,
    /// Why.
    pub why: String,
}
