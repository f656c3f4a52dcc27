//! The messages a connection is saved in.

use super::super::keys::saved::NegotiatedV1;
use super::super::login::saved::LoginV1;
use mainstay_base::arena::saved::PlaceV1;

/// A connection, first version. Instants are nanoseconds of the monotonic clock.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct ConnectionV1 {
    #[prost(message, optional, tag = "1")]
    pub info: Option<InfoV1>,
    #[prost(message, optional, tag = "2")]
    pub limits: Option<LimitsV1>,
    #[prost(message, optional, boxed, tag = "3")]
    pub login: Option<Box<LoginV1>>,
    #[prost(bool, tag = "4")]
    pub greeted: bool,
    #[prost(bytes = "vec", tag = "5")]
    pub head: Vec<u8>,
    #[prost(message, optional, boxed, tag = "6")]
    pub body: Option<Box<BodyV1>>,
    #[prost(bytes = "vec", tag = "7")]
    pub pending: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    pub output: Option<OutputV1>,
    #[prost(message, repeated, tag = "9")]
    pub events: Vec<EventV1>,
    #[prost(message, optional, tag = "10")]
    pub window: Option<WindowV1>,
    /// In the order the commands arrived.
    #[prost(message, repeated, tag = "11")]
    pub tasks: Vec<TaskV1>,
    #[prost(message, repeated, tag = "12")]
    pub management: Vec<PendingV1>,
    #[prost(uint32, repeated, tag = "13")]
    pub abandoned: Vec<u32>,
    #[prost(message, optional, boxed, tag = "14")]
    pub text: Option<Box<TextV1>>,
    #[prost(bool, tag = "15")]
    pub header_digest: bool,
    #[prost(bool, tag = "16")]
    pub data_digest: bool,
    #[prost(uint32, tag = "17")]
    pub stat_sn: u32,
    #[prost(uint32, tag = "18")]
    pub next_ttt: u32,
    #[prost(uint64, tag = "19")]
    pub serial: u64,
    #[prost(bool, tag = "20")]
    pub starved: bool,
    #[prost(uint32, tag = "21")]
    pub notices: u32,
    #[prost(message, optional, tag = "22")]
    pub timers: Option<TimersV1>,
}

/// What is known of a session.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct InfoV1 {
    /// 0 login, 1 deciding, 2 full feature, 3 closing, 4 closed.
    #[prost(uint32, tag = "1")]
    pub phase: u32,
    #[prost(string, tag = "2")]
    pub local: String,
    #[prost(string, tag = "3")]
    pub peer: String,
    #[prost(uint64, tag = "4")]
    pub portal: u64,
    #[prost(string, tag = "5")]
    pub initiator: String,
    #[prost(bytes = "vec", tag = "6")]
    pub isid: Vec<u8>,
    #[prost(uint32, tag = "7")]
    pub tsih: u32,
    #[prost(uint32, tag = "8")]
    pub cid: u32,
    #[prost(uint64, optional, tag = "9")]
    pub target: Option<u64>,
    #[prost(string, optional, tag = "10")]
    pub target_name: Option<String>,
    #[prost(string, optional, tag = "11")]
    pub initiator_alias: Option<String>,
    #[prost(message, optional, tag = "12")]
    pub negotiated: Option<NegotiatedV1>,
    /// received bytes, sent bytes, received PDUs, commands, rejects, digest errors.
    #[prost(uint64, repeated, tag = "13")]
    pub traffic: Vec<u64>,
    #[prost(string, tag = "14")]
    pub auth_method: String,
}

/// Times in nanoseconds.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct LimitsV1 {
    #[prost(uint64, tag = "1")]
    pub login_timeout: u64,
    #[prost(uint64, tag = "2")]
    pub ping_interval: u64,
    #[prost(uint64, tag = "3")]
    pub ping_timeout: u64,
    #[prost(uint64, tag = "4")]
    pub data_timeout: u64,
    #[prost(uint64, tag = "5")]
    pub close_timeout: u64,
    #[prost(uint32, tag = "6")]
    pub window_max: u32,
    #[prost(uint64, tag = "7")]
    pub output_high: u64,
}

/// A PDU whose data segment is coming.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct BodyV1 {
    #[prost(bytes = "vec", tag = "1")]
    pub bhs: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub ahs: Vec<u8>,
    /// 0 process, 1 ignore, 2 reject with `detail`, 3 no room, 4 broken by `detail`.
    #[prost(uint32, tag = "3")]
    pub purpose: u32,
    #[prost(uint32, tag = "4")]
    pub detail: u32,
    /// Into memory of its own: how many bytes are kept.
    #[prost(uint64, optional, tag = "5")]
    pub keep: Option<u64>,
    #[prost(bytes = "vec", tag = "6")]
    pub bytes: Vec<u8>,
    /// Into payload, from byte `base`. Neither: skipped.
    #[prost(message, optional, tag = "7")]
    pub place: Option<PlaceV1>,
    #[prost(uint64, tag = "8")]
    pub base: u64,
    #[prost(uint64, tag = "9")]
    pub at: u64,
    #[prost(uint32, optional, tag = "10")]
    pub crc: Option<u32>,
    #[prost(bytes = "vec", tag = "11")]
    pub trailer: Vec<u8>,
}

/// Queued output.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct OutputV1 {
    #[prost(bytes = "vec", tag = "1")]
    pub bytes: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    pub segments: Vec<SegmentV1>,
    #[prost(uint32, optional, tag = "3")]
    pub ride_itt: Option<u32>,
    #[prost(uint64, tag = "4")]
    pub ride_at: u64,
}

/// A part of queued output.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct SegmentV1 {
    /// So many of the bytes, or
    #[prost(uint64, tag = "1")]
    pub bytes: u64,
    /// this range of payload. Segments with one place share it.
    #[prost(message, optional, tag = "2")]
    pub place: Option<PlaceV1>,
    #[prost(uint32, tag = "3")]
    pub start: u32,
    #[prost(uint32, tag = "4")]
    pub end: u32,
}

/// An event nobody has taken.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct EventV1 {
    #[prost(oneof = "EventKindV1", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub kind: Option<EventKindV1>,
}

/// Which.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
#[allow(missing_docs)]
pub enum EventKindV1 {
    #[prost(message, tag = "1")]
    Candidate(CandidateV1),
    #[prost(message, tag = "2")]
    Command(CommandV1),
    #[prost(message, tag = "3")]
    Data(DataV1),
    #[prost(message, tag = "4")]
    Failed(FailedV1),
    #[prost(message, tag = "5")]
    TaskManagement(TaskManagementV1),
    #[prost(bool, tag = "6")]
    LoggedOut(bool),
    #[prost(string, tag = "7")]
    Notice(String),
    #[prost(message, tag = "8")]
    Refused(RefusedV1),
}

/// A refused login.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct RefusedV1 {
    #[prost(string, tag = "1")]
    pub step: String,
    #[prost(string, tag = "2")]
    pub why: String,
}

/// A login that waits for its verdict.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct CandidateV1 {
    #[prost(string, tag = "1")]
    pub initiator: String,
    #[prost(bytes = "vec", tag = "2")]
    pub isid: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub tsih: u32,
    #[prost(uint32, tag = "4")]
    pub cid: u32,
    /// None: discovery.
    #[prost(uint64, optional, tag = "5")]
    pub target: Option<u64>,
}

/// A SCSI command.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct CommandV1 {
    #[prost(uint32, tag = "1")]
    pub itt: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub lun: Vec<u8>,
    /// 0 simple, 1 ordered, 2 head of queue, 3 ACA.
    #[prost(uint32, tag = "3")]
    pub attribute: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub cdb: Vec<u8>,
    #[prost(uint32, tag = "5")]
    pub in_bytes: u32,
    #[prost(uint32, tag = "6")]
    pub out_bytes: u32,
}

/// Collected data.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct DataV1 {
    #[prost(uint32, tag = "1")]
    pub itt: u32,
    #[prost(uint32, tag = "2")]
    pub offset: u32,
    #[prost(message, optional, tag = "3")]
    pub place: Option<PlaceV1>,
}

/// A broken transfer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct FailedV1 {
    #[prost(uint32, tag = "1")]
    pub itt: u32,
    #[prost(message, optional, tag = "2")]
    pub reply: Option<ReplyV1>,
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct ReplyV1 {
    /// SAM status code.
    #[prost(uint32, tag = "1")]
    pub status: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub sense: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub moved: u32,
}

/// A task management function; `function` and `if_unknown` as on the wire.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct TaskManagementV1 {
    #[prost(uint32, tag = "1")]
    pub itt: u32,
    #[prost(uint32, tag = "2")]
    pub function: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub lun: Vec<u8>,
    #[prost(uint32, tag = "4")]
    pub referenced: u32,
    #[prost(uint32, tag = "5")]
    pub if_unknown: u32,
}

/// The command window.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct WindowV1 {
    #[prost(uint32, tag = "1")]
    pub expected: u32,
    #[prost(uint32, tag = "2")]
    pub last: u32,
    #[prost(uint32, tag = "3")]
    pub slots: u32,
    #[prost(uint32, tag = "4")]
    pub slots_max: u32,
    #[prost(uint32, tag = "5")]
    pub live: u32,
    #[prost(uint64, tag = "6")]
    pub unit: u64,
    #[prost(uint64, tag = "7")]
    pub promised: u64,
    #[prost(message, repeated, tag = "8")]
    pub held: Vec<HeldV1>,
}

/// What waits for its turn, one for each number from ExpCmdSN; empty: has not come.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct HeldV1 {
    #[prost(message, optional, tag = "1")]
    pub command: Option<CommandV1>,
    #[prost(bytes = "vec", tag = "2")]
    pub bhs: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub data: Vec<u8>,
    #[prost(bool, tag = "4")]
    pub plugged: bool,
}

/// A command that is not answered.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct TaskV1 {
    #[prost(uint32, tag = "1")]
    pub itt: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub lun: Vec<u8>,
    #[prost(bool, tag = "3")]
    pub immediate: bool,
    #[prost(bool, tag = "4")]
    pub delivered: bool,
    #[prost(uint32, tag = "5")]
    pub in_bytes: u32,
    #[prost(uint32, tag = "6")]
    pub out_bytes: u32,
    #[prost(message, optional, tag = "7")]
    pub first: Option<FirstV1>,
    #[prost(message, repeated, tag = "8")]
    pub collects: Vec<CollectV1>,
    #[prost(message, repeated, tag = "9")]
    pub r2ts: Vec<AskedV1>,
    #[prost(uint32, tag = "10")]
    pub r2t_sn: u32,
    #[prost(uint32, tag = "11")]
    pub data_sn: u32,
    #[prost(message, optional, tag = "12")]
    pub reply: Option<ReplyV1>,
    #[prost(bool, tag = "13")]
    pub failed: bool,
    #[prost(uint64, tag = "14")]
    pub progress: u64,
    #[prost(uint64, tag = "15")]
    pub serial: u64,
}

/// Immediate and unsolicited data.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct FirstV1 {
    #[prost(message, optional, tag = "1")]
    pub place: Option<PlaceV1>,
    #[prost(uint32, tag = "2")]
    pub got: u32,
    #[prost(bool, tag = "3")]
    pub open: bool,
    #[prost(uint32, tag = "4")]
    pub data_sn: u32,
}

/// A range the nexus wants.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct CollectV1 {
    #[prost(uint32, tag = "1")]
    pub offset: u32,
    #[prost(uint32, tag = "2")]
    pub len: u32,
    #[prost(message, optional, tag = "3")]
    pub place: Option<PlaceV1>,
    #[prost(bool, tag = "4")]
    pub reserved: bool,
    #[prost(uint32, tag = "5")]
    pub asked: u32,
    #[prost(uint32, tag = "6")]
    pub got: u32,
}

/// An R2T.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct AskedV1 {
    #[prost(uint32, tag = "1")]
    pub ttt: u32,
    #[prost(uint32, tag = "2")]
    pub offset: u32,
    #[prost(uint32, tag = "3")]
    pub len: u32,
    #[prost(uint32, tag = "4")]
    pub got: u32,
    #[prost(uint32, tag = "5")]
    pub data_sn: u32,
}

/// A task management function that is not answered.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct PendingV1 {
    #[prost(uint32, tag = "1")]
    pub itt: u32,
    #[prost(bool, tag = "2")]
    pub immediate: bool,
}

/// A text exchange.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct TextV1 {
    #[prost(uint32, tag = "1")]
    pub itt: u32,
    #[prost(uint32, tag = "2")]
    pub ttt: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub inbox: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub outbox: Vec<u8>,
}

/// Instants.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct TimersV1 {
    #[prost(uint64, tag = "1")]
    pub clock: u64,
    #[prost(uint64, tag = "2")]
    pub opened: u64,
    #[prost(uint64, tag = "3")]
    pub heard: u64,
    #[prost(uint32, optional, tag = "4")]
    pub ping_ttt: Option<u32>,
    #[prost(uint64, tag = "5")]
    pub ping_sent: u64,
    #[prost(uint64, optional, tag = "6")]
    pub until: Option<u64>,
    #[prost(uint64, optional, tag = "7")]
    pub transfers: Option<u64>,
    #[prost(uint64, optional, tag = "8")]
    pub untaken: Option<u64>,
}
