//! What is served over NVMe/TCP, and to whom.

use super::{Auth, SessionState};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nvme {
    /// Where hosts connect; none: it is not served.
    pub portals: Vec<NvmePortal>,
    /// What they connect to.
    pub subsystems: Vec<Subsystem>,
    /// Who is connected, by id.
    pub controllers: Vec<Controller>,
    /// Ways that are not optimized, or have once not been.
    pub paths: Vec<Way>,
}

/// Where hosts connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvmePortal {
    /// What `path` calls it.
    pub name: String,
    /// What is bound.
    pub address: SocketAddr,
    /// What discovery tells instead.
    pub advertise: Option<String>,
    /// Only discovery is served here.
    pub discovery_only: bool,
    /// Queues that came in here.
    pub queues: u32,
}

/// A subsystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subsystem {
    /// Its name.
    pub nqn: String,
    /// Its serial number.
    pub serial: String,
    /// Bound addresses of the portals that lead here.
    pub portals: Vec<SocketAddr>,
    /// DH-HMAC-CHAP, by name of what iSCSI calls so.
    pub auth: Auth,
    /// Its namespaces.
    pub namespaces: Vec<Namespace>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its number.
    pub nsid: u32,
    /// [`Volume::name`](super::Volume::name).
    pub volume: String,
    /// Its ANA group.
    pub group: u16,
    /// Writes are refused.
    pub read_only: bool,
}

/// A host's way to a subsystem, or to discovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// That of its admin queue; names it in `kick`, never given twice.
    pub id: u64,
    /// The host's name.
    pub host: String,
    /// The host's identifier, as a UUID.
    pub host_id: String,
    /// Absent: discovery.
    pub subsystem: Option<String>,
    /// Controller identifier.
    pub cntlid: u16,
    /// Where in its life it is.
    pub state: SessionState,
    /// How they proved who they are; empty: they did not.
    pub auth: String,
    /// Milliseconds; 0: nothing is expected of the host.
    pub keep_alive_ms: u64,
    /// When its admin queue connected.
    pub since_ms: u64,
    /// Its queues by number; 0 is the admin queue.
    pub queues: Vec<Queue>,
}

/// A queue, which is a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Of the connection.
    pub id: u64,
    /// Queue identifier.
    pub qid: u16,
    /// Entries.
    pub size: u32,
    /// Where the host is.
    pub peer: SocketAddr,
    /// Which of our addresses it reached.
    pub local: SocketAddr,
    /// CRC-32C of headers.
    pub header_digest: bool,
    /// CRC-32C of data.
    pub data_digest: bool,
    /// Commands taken so far.
    pub commands: u64,
    /// Commands that have not been answered yet.
    pub commands_open: u32,
    /// Bytes sent to the host.
    pub read_bytes: u64,
    /// Bytes taken from the host.
    pub written_bytes: u64,
}

/// How a group of volumes is reached through a portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// [`NvmePortal::name`].
    pub portal: String,
    /// The group.
    pub group: u16,
    /// `optimized`, `non-optimized`, `inaccessible`, `persistent-loss` or `change`.
    pub state: String,
    /// How often it has changed.
    pub changes: u64,
}

/// Parameters of `path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPath {
    /// [`NvmePortal::name`].
    pub portal: String,
    /// One group; absent: all of them.
    #[serde(default)]
    pub group: Option<u16>,
    /// See [`Way::state`].
    pub state: String,
}

/// Answer of `path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathsSet {
    /// Those that are now other than before.
    pub changed: Vec<Way>,
}
