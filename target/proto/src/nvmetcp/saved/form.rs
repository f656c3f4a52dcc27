//! The messages a connection is saved in.

use mainstay_base::arena::saved::PlaceV1;

/// A connection, first version. Instants are nanoseconds of the monotonic clock.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct ConnectionV1 {
    #[prost(message, optional, tag = "1")]
    pub info: Option<InfoV1>,
    #[prost(message, optional, tag = "2")]
    pub limits: Option<LimitsV1>,
    /// The part of a header that has come.
    #[prost(bytes = "vec", tag = "3")]
    pub head: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    pub incoming: Option<IncomingV1>,
    #[prost(message, optional, tag = "5")]
    pub waiting: Option<WaitingV1>,
    #[prost(bytes = "vec", tag = "6")]
    pub pending: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    pub output: Option<OutputV1>,
    #[prost(message, repeated, tag = "8")]
    pub events: Vec<EventV1>,
    /// By tag.
    #[prost(message, repeated, tag = "9")]
    pub commands: Vec<CommandV1>,
    /// The tag taken next last.
    #[prost(uint32, repeated, tag = "10")]
    pub free: Vec<u32>,
    #[prost(uint32, tag = "11")]
    pub commands_max: u32,
    /// The oldest first.
    #[prost(uint32, repeated, tag = "12")]
    pub hungry: Vec<u32>,
    #[prost(uint32, tag = "13")]
    pub in_capsule: u32,
    #[prost(bool, tag = "14")]
    pub success: bool,
    #[prost(uint32, tag = "15")]
    pub notices: u32,
    #[prost(message, optional, tag = "16")]
    pub timers: Option<TimersV1>,
}

/// What is known of it, and what was agreed on.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct InfoV1 {
    #[prost(uint32, tag = "1")]
    pub phase: u32,
    #[prost(string, tag = "2")]
    pub local: String,
    #[prost(string, tag = "3")]
    pub peer: String,
    #[prost(uint64, tag = "4")]
    pub portal: u64,
    #[prost(bool, tag = "5")]
    pub header_digest: bool,
    #[prost(bool, tag = "6")]
    pub data_digest: bool,
    #[prost(uint32, tag = "7")]
    pub hpda: u32,
    #[prost(uint32, tag = "8")]
    pub maxr2t: u32,
    /// In the order of `Traffic`'s fields.
    #[prost(uint64, repeated, tag = "9")]
    pub traffic: Vec<u64>,
}

/// Its limits; durations in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct LimitsV1 {
    #[prost(uint64, tag = "1")]
    pub open_timeout: u64,
    #[prost(uint64, tag = "2")]
    pub data_timeout: u64,
    #[prost(uint64, tag = "3")]
    pub close_timeout: u64,
    #[prost(uint32, tag = "4")]
    pub h2c_data_max: u32,
    #[prost(bool, tag = "5")]
    pub header_digest: bool,
    #[prost(bool, tag = "6")]
    pub data_digest: bool,
    #[prost(uint32, tag = "7")]
    pub cpda: u32,
    #[prost(uint64, tag = "8")]
    pub output_high: u64,
}

/// The data of a command.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct GivenV1 {
    /// 0 nothing, 1 in the capsule, 2 the transport moves it, 3 refused, 4 starved.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(message, optional, tag = "2")]
    pub place: Option<PlaceV1>,
    #[prost(uint32, tag = "3")]
    pub len: u32,
    /// As it stands in a completion queue entry.
    #[prost(uint32, tag = "4")]
    pub status: u32,
}

/// A PDU whose data is coming.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct IncomingV1 {
    /// Of a command; empty for data of one.
    #[prost(bytes = "vec", tag = "1")]
    pub entry: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub given: Option<GivenV1>,
    #[prost(uint32, tag = "3")]
    pub tag: u32,
    #[prost(uint32, tag = "4")]
    pub offset: u32,
    #[prost(message, optional, tag = "5")]
    pub place: Option<PlaceV1>,
    #[prost(uint64, tag = "6")]
    pub base: u64,
    #[prost(uint64, tag = "7")]
    pub from: u64,
    #[prost(uint64, tag = "8")]
    pub to: u64,
    #[prost(uint64, tag = "9")]
    pub len: u64,
    #[prost(uint64, tag = "10")]
    pub at: u64,
    #[prost(uint32, tag = "11")]
    pub pad: u32,
    #[prost(uint32, optional, tag = "12")]
    pub crc: Option<u32>,
    /// The digest, as far as it has come.
    #[prost(bytes = "vec", tag = "13")]
    pub trailer: Vec<u8>,
}

/// A capsule whose data there is no memory for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct WaitingV1 {
    #[prost(bytes = "vec", tag = "1")]
    pub entry: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub pad: u32,
    #[prost(uint32, tag = "3")]
    pub carried: u32,
    #[prost(uint32, tag = "4")]
    pub from: u32,
    #[prost(uint32, tag = "5")]
    pub len: u32,
    #[prost(uint64, tag = "6")]
    pub until: u64,
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
    pub ride_tag: Option<u32>,
    #[prost(uint64, tag = "4")]
    pub ride_at: u64,
}

/// So many bytes of the run, or a range of a payload.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct SegmentV1 {
    #[prost(uint64, tag = "1")]
    pub bytes: u64,
    #[prost(message, optional, tag = "2")]
    pub place: Option<PlaceV1>,
    #[prost(uint32, tag = "3")]
    pub start: u32,
    #[prost(uint32, tag = "4")]
    pub end: u32,
}

/// An event nobody has taken yet.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct EventV1 {
    /// 0 opened, 1 command, 2 data, 3 failed, 4 notice.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(uint32, tag = "2")]
    pub tag: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub entry: Vec<u8>,
    /// Also the place of data.
    #[prost(message, optional, tag = "4")]
    pub given: Option<GivenV1>,
    #[prost(uint32, tag = "5")]
    pub offset: u32,
    #[prost(uint32, tag = "6")]
    pub status: u32,
    #[prost(string, tag = "7")]
    pub notice: String,
}

/// A command.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct CommandV1 {
    #[prost(uint32, tag = "1")]
    pub tag: u32,
    #[prost(uint32, tag = "2")]
    pub cid: u32,
    #[prost(uint32, tag = "3")]
    pub len: u32,
    #[prost(bool, tag = "4")]
    pub abandoned: bool,
    #[prost(message, repeated, tag = "5")]
    pub collects: Vec<CollectV1>,
    /// A completion queue entry; empty: not ended.
    #[prost(bytes = "vec", tag = "6")]
    pub reply: Vec<u8>,
    #[prost(uint64, tag = "7")]
    pub progress: u64,
}

/// Data wanted of a command.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct CollectV1 {
    #[prost(uint32, tag = "1")]
    pub offset: u32,
    #[prost(uint32, tag = "2")]
    pub len: u32,
    #[prost(uint32, tag = "3")]
    pub got: u32,
    #[prost(bool, tag = "4")]
    pub asked: bool,
    #[prost(message, optional, tag = "5")]
    pub place: Option<PlaceV1>,
}

/// Its instants.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct TimersV1 {
    #[prost(uint64, tag = "1")]
    pub clock: u64,
    #[prost(uint64, tag = "2")]
    pub opened: u64,
    #[prost(uint64, tag = "3")]
    pub heard: u64,
    #[prost(uint64, optional, tag = "4")]
    pub until: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    pub transfers: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    pub untaken: Option<u64>,
}
