//! What may be said over the control socket. Times are unix milliseconds, sizes bytes, durations as the name says.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::{Code, Error};

mod nvme;
mod served;
mod swap;

pub use nvme::{Controller, Namespace, Nvme, NvmePortal, PathsSet, Queue, SetPath, Subsystem, Way};
pub use served::{Served, ServedVolume};
pub use swap::{
    Carried, DEADLINE_MAX, NotCarried, Pause, Program, SWAPS_MAX, Snapshotted, Swap, SwapOutcome, SwapReport,
};

/// The generation of these words; raised only if a reader of the old ones would be misled.
pub const PROTOCOL: u32 = 1;

/// How many refused logins a daemon remembers.
pub const REFUSED_LOGINS_MAX: usize = 32;

/// A method with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `status`: everything, as [`Status`].
    Status,
    /// `kick`: ends a session; [`Kicked`].
    Kick(Kick),
    /// `resize`: grows a volume; [`Resized`].
    Resize(Resize),
    /// `clear-poison`: trusts a volume again after a failed flush; [`Cleared`].
    ClearPoison(ClearPoison),
    /// `events`: from now on an `event` notification for each [`Event`]; [`Subscribed`].
    Events,
    /// `swap`: becomes another version of the program; [`SwapReport`].
    Swap(Swap),
    /// `path`: sets how volumes are reached through a portal; [`PathsSet`].
    Path(SetPath),
    /// `snapshot`: the state, as a swap would hand it over; [`Snapshotted`].
    Snapshot,
}

/// Parameters of `kick`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kick {
    /// [`Session::id`].
    pub session: u64,
}

/// Parameters of `resize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// [`Volume::name`].
    pub volume: String,
    /// The new size.
    pub size: u64,
}

/// Parameters of `clear-poison`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearPoison {
    /// [`Volume::name`].
    pub volume: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

const METHODS: &str = "status, kick, resize, clear-poison, path, events, swap, snapshot";

impl Call {
    /// The method's name.
    pub fn method(&self) -> &'static str {
        match self {
            Call::Status => "status",
            Call::Kick(_) => "kick",
            Call::Resize(_) => "resize",
            Call::ClearPoison(_) => "clear-poison",
            Call::Events => "events",
            Call::Swap(_) => "swap",
            Call::Path(_) => "path",
            Call::Snapshot => "snapshot",
        }
    }

    /// The parameters as an object.
    pub fn params(&self) -> serde_json::Value {
        match self {
            Call::Status | Call::Events | Call::Snapshot => serde_json::json!({}),
            Call::Kick(kick) => serde_json::json!(kick),
            Call::Resize(resize) => serde_json::json!(resize),
            Call::ClearPoison(clear) => serde_json::json!(clear),
            Call::Swap(swap) => serde_json::json!(swap),
            Call::Path(path) => serde_json::json!(path),
        }
    }

    /// The call that `method` and `params` name; absent parameters are the same as none.
    pub fn parse(method: &str, params: Option<serde_json::Value>) -> Result<Call, Error> {
        fn take<T: serde::de::DeserializeOwned>(params: Option<serde_json::Value>) -> Result<T, Error> {
            let params = params.unwrap_or_else(|| serde_json::json!({}));
            serde_json::from_value(params).map_err(|error| Error::new(Code::InvalidParams, error.to_string()))
        }
        match method {
            "status" => take::<Nothing>(params).map(|_| Call::Status),
            "kick" => take(params).map(Call::Kick),
            "resize" => take(params).map(Call::Resize),
            "clear-poison" => take(params).map(Call::ClearPoison),
            "events" => take::<Nothing>(params).map(|_| Call::Events),
            "swap" => take(params).map(Call::Swap),
            "path" => take(params).map(Call::Path),
            "snapshot" => take::<Nothing>(params).map(|_| Call::Snapshot),
            other => {
                Err(Error::new(Code::MethodNotFound, format!("there is no method {other:.64?}; there are {METHODS}")))
            }
        }
    }
}

/// Answer of `kick`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// The session that is ending.
    pub session: u64,
    /// Whose it was.
    pub initiator: String,
}

/// Answer of `resize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resized {
    /// Which volume.
    pub volume: String,
    /// Before.
    pub size_old: u64,
    /// Now.
    pub size: u64,
}

/// Answer of `clear-poison`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// Which volume.
    pub volume: String,
}

/// Answer of `events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// [`PROTOCOL`] of the daemon.
    pub protocol: u32,
}

/// Answer of `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program.
    pub daemon: Daemon,
    /// Where it listens.
    pub portals: Vec<Portal>,
    /// What initiators log in to.
    pub targets: Vec<Target>,
    /// Who is logged in, by id.
    pub sessions: Vec<Session>,
    /// What is served over NVMe/TCP.
    #[serde(default)]
    pub nvme: Nvme,
    /// The disks.
    pub volumes: Vec<Volume>,
    /// The last logins that were refused, oldest first, at most [`REFUSED_LOGINS_MAX`].
    pub refused_logins: Vec<RefusedLogin>,
    /// The last swaps, oldest first, at most [`SWAPS_MAX`].
    #[serde(default)]
    pub swaps: Vec<SwapReport>,
}

/// The program itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Daemon {
    /// Product version.
    pub version: String,
    /// See [`Program::build`]; empty: not known.
    pub build: String,
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Process id; the same for ever.
    pub pid: u32,
    /// When it was first started.
    pub started_ms: u64,
    /// For how long it has been serving.
    pub uptime_ms: u64,
    /// Where it remembers identities.
    pub state_dir: PathBuf,
    /// Its control socket.
    pub control: PathBuf,
    /// The configuration file, if there is one.
    pub config: Option<PathBuf>,
    /// Memory for payload.
    pub memory: Memory,
}

/// Memory for payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What may be used at most.
    pub budget: u64,
    /// What initiators have been promised that they may send unasked.
    pub promised: u64,
    /// What payload takes now.
    pub used: u64,
}

/// An address we listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portal {
    /// What is bound.
    pub address: SocketAddr,
    /// What discovery tells instead, `host:port`.
    #[serde(default)]
    pub advertise: Option<String>,
    /// Target portal group tag.
    #[serde(default)]
    pub tag: u16,
    /// How many targets can be reached here.
    pub targets: u32,
    /// How many sessions came in here.
    pub sessions: u32,
}

/// Something initiators log in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its iSCSI name.
    pub name: String,
    /// Words for people.
    #[serde(default)]
    pub alias: Option<String>,
    /// Bound addresses of the portals that lead here.
    #[serde(default)]
    pub portals: Vec<SocketAddr>,
    /// How initiators must prove who they are.
    #[serde(default)]
    pub auth: Auth,
    /// Its disks.
    pub luns: Vec<Lun>,
}

/// How initiators must prove who they are. A target whose initiators differ tells the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// The initiator to us (CHAP).
    Chap,
    /// Each to the other.
    MutualChap,
}

/// A disk of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lun {
    /// Logical unit number.
    pub lun: u16,
    /// [`Volume::name`].
    pub volume: String,
}

/// One initiator, logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Names it in `kick`; never given twice.
    pub id: u64,
    /// Initiator name.
    pub initiator: String,
    /// Target name; absent in a discovery session.
    pub target: Option<String>,
    /// Where the initiator is.
    pub peer: SocketAddr,
    /// Which of our addresses it reached.
    pub local: SocketAddr,
    /// Initiator session id, 12 hexadecimal digits.
    pub isid: String,
    /// Target session identifying handle.
    pub tsih: u16,
    /// Where in its life it is.
    pub state: SessionState,
    /// When it logged in (or connected, before that).
    pub since_ms: u64,
    /// What was agreed at login.
    pub negotiated: Negotiated,
    /// Commands taken so far.
    pub commands: u64,
    /// Commands that have not been answered yet.
    #[serde(default)]
    pub commands_open: u32,
    /// Bytes sent to the initiator.
    pub read_bytes: u64,
    /// Bytes taken from the initiator.
    pub written_bytes: u64,
    /// How many commands it may have open.
    pub window: u32,
}

/// Where in its life a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Negotiating.
    Login,
    /// Full feature phase.
    Active,
    /// On its way out.
    Closing,
    /// A state this program has no word for.
    #[serde(other)]
    Unknown,
}

/// What was agreed at login: the operational keys of RFC 7143 §13, by their own names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Negotiated {
    pub auth_method: String,
    pub header_digest: String,
    pub data_digest: String,
    pub max_connections: u32,
    #[serde(rename = "InitialR2T")]
    pub initial_r2t: bool,
    pub immediate_data: bool,
    /// What the initiator takes in one PDU.
    pub initiator_max_recv_data_segment_length: u32,
    /// What we take in one PDU.
    pub target_max_recv_data_segment_length: u32,
    pub max_burst_length: u32,
    pub first_burst_length: u32,
    pub default_time2_wait: u32,
    pub default_time2_retain: u32,
    #[serde(rename = "MaxOutstandingR2T")]
    pub max_outstanding_r2t: u32,
    #[serde(rename = "DataPDUInOrder")]
    pub data_pdu_in_order: bool,
    pub data_sequence_in_order: bool,
    pub error_recovery_level: u32,
    pub task_reporting: String,
    #[serde(rename = "iSCSIProtocolLevel")]
    pub iscsi_protocol_level: u32,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name here.
    pub name: String,
    /// What keeps its bytes.
    pub kind: VolumeKind,
    /// Where, for files and devices.
    pub path: Option<PathBuf>,
    /// In bytes.
    pub size: u64,
    /// Logical block.
    pub block_bytes: u32,
    /// Physical block.
    pub physical_bytes: u32,
    /// Writes are refused.
    pub read_only: bool,
    /// A write may be answered before it is on stable storage.
    pub write_cache: bool,
    /// Blocks can be given back.
    pub thin: bool,
    /// Identity, in the usual text form.
    pub uuid: String,
    /// Unit serial number.
    pub serial: String,
    /// NAA designator, 16 hexadecimal digits.
    pub naa: String,
    /// A flush failed: writes are refused until `clear-poison`.
    pub poisoned: bool,
    /// What failed, and when.
    #[serde(default)]
    pub poison: Option<Poison>,
    /// Its traffic.
    pub io: Io,
}

/// What poisoned a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poison {
    /// When.
    pub time_ms: u64,
    /// What failed.
    pub why: String,
}

/// What keeps a volume's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum VolumeKind {
    Memory,
    File,
    Device,
    /// A kind this program has no word for.
    #[serde(other)]
    Unknown,
}

/// A volume's traffic since the daemon was first started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Io {
    pub reads: u64,
    pub writes: u64,
    pub flushes: u64,
    pub unmaps: u64,
    /// Requests that ended in a fault of the store.
    pub errors: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub unmapped_bytes: u64,
    /// Requests the store is working on.
    pub in_flight: u64,
    pub latency_us: Latencies,
}

/// How long the store took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Latencies {
    pub read: Latency,
    pub write: Latency,
    pub flush: Latency,
}

/// Percentiles in microseconds, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Latency {
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl From<&mainstay_base::metrics::Histogram> for Latency {
    fn from(histogram: &mainstay_base::metrics::Histogram) -> Latency {
        let micros = |nanos: u64| nanos.div_ceil(1000);
        let summary = histogram.summary();
        Latency {
            p50: micros(summary.p50),
            p99: micros(summary.p99),
            p999: micros(summary.p999),
            max: micros(summary.max),
        }
    }
}

impl From<&mainstay_base::metrics::Traffic> for Io {
    fn from(traffic: &mainstay_base::metrics::Traffic) -> Io {
        Io {
            reads: traffic.reads,
            writes: traffic.writes,
            flushes: traffic.flushes,
            unmaps: traffic.unmaps,
            errors: traffic.errors,
            read_bytes: traffic.read_bytes,
            written_bytes: traffic.written_bytes,
            unmapped_bytes: traffic.unmapped_bytes,
            in_flight: traffic.in_flight,
            latency_us: Latencies {
                read: (&traffic.read_latency).into(),
                write: (&traffic.write_latency).into(),
                flush: (&traffic.flush_latency).into(),
            },
        }
    }
}

/// A login that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLogin {
    /// When.
    pub time_ms: u64,
    /// From where.
    pub peer: SocketAddr,
    /// Who it said it was, as far as it got.
    pub initiator: Option<String>,
    /// What it wanted, as far as it got.
    pub target: Option<String>,
    /// How far it got, e.g. `security negotiation`.
    pub step: String,
    /// Why; never a secret.
    pub why: String,
}

/// Something that happened: a notification `event` to subscribers, a line of `serve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time_ms: u64,
    /// What; its fields stand beside the time, named by `event`.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum What {
    /// A session entered full feature phase; no target: a discovery session.
    Login { session: u64, initiator: String, target: Option<String>, peer: SocketAddr, local: SocketAddr },
    /// A session ended, for whatever reason.
    Logout { session: u64, initiator: String, target: Option<String>, peer: SocketAddr, why: String },
    /// A login was refused.
    Refused { peer: SocketAddr, initiator: Option<String>, target: Option<String>, step: String, why: String },
    /// Something went wrong: with a peer's protocol, with a store, with us.
    Error {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        volume: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<SocketAddr>,
        message: String,
    },
    /// A volume has another size.
    Resized(Resized),
    /// A group of volumes is reached otherwise through a portal.
    Path(Way),
    /// We are on our way out.
    Stopping { why: String },
    /// The other program has rehearsed well; the pause comes next, then `resumed` or `rolled-back`.
    SwapPlanned {
        from: Program,
        to: Program,
        /// Who asked, e.g. `uid 0, pid 4711`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Nothing is taken from initiators until `resumed` or `rolled-back`, at the latest after the deadlines.
    Paused { from: Program, to: Program },
    /// The other program serves.
    Resumed { report: Box<SwapReport> },
    /// The swap was given up at `step`; the old program goes on.
    RolledBack { step: String, why: String },
    /// A newer daemon's event that this program has no word for.
    #[serde(other)]
    Unknown,
}
