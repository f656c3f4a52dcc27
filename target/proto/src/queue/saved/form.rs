//! The saved form of a queue as messages.

use crate::auth::dhchap::saved::ResponderV1;
use crate::nvme::controller::saved::ControllerV1;
use crate::nvme::io::TaskV1;
use crate::nvme::view::ViewV1;
use crate::nvmetcp::saved::ConnectionV1;
use mainstay_base::arena::saved::PlaceV1;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct QueueV1 {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(message, optional, tag = "2")]
    pub connection: Option<ConnectionV1>,
    #[prost(message, optional, tag = "3")]
    pub info: Option<InfoV1>,
    #[prost(message, optional, tag = "4")]
    pub admin: Option<AdminV1>,
    #[prost(message, optional, tag = "5")]
    pub io: Option<IoV1>,
    /// It had a controller, or was none, and has ended.
    #[prost(bool, tag = "6")]
    pub gone: bool,
    #[prost(message, repeated, tag = "7")]
    pub slots: Vec<SlotV1>,
    #[prost(uint32, tag = "8")]
    pub serial_next: u32,
    #[prost(uint32, optional, tag = "9")]
    pub half: Option<u32>,
    #[prost(uint32, tag = "10")]
    pub head: u32,
    #[prost(bytes = "vec", optional, tag = "11")]
    pub seed: Option<Vec<u8>>,
    #[prost(message, optional, tag = "12")]
    pub auth: Option<ResponderV1>,
    #[prost(uint64, optional, tag = "13")]
    pub due: Option<u64>,
    #[prost(bool, tag = "14")]
    pub ending: bool,
    #[prost(uint32, tag = "15")]
    pub refused: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct InfoV1 {
    #[prost(uint32, tag = "1")]
    pub state: u32,
    #[prost(string, tag = "2")]
    pub local: String,
    #[prost(string, tag = "3")]
    pub peer: String,
    #[prost(uint32, tag = "4")]
    pub portal: u32,
    #[prost(string, tag = "5")]
    pub host: String,
    #[prost(bytes = "vec", tag = "6")]
    pub hostid: Vec<u8>,
    #[prost(string, tag = "7")]
    pub subnqn: String,
    #[prost(uint32, optional, tag = "8")]
    pub subsystem: Option<u32>,
    #[prost(bool, tag = "9")]
    pub discovery: bool,
    #[prost(uint32, tag = "10")]
    pub cntlid: u32,
    #[prost(uint32, tag = "11")]
    pub qid: u32,
    #[prost(uint32, tag = "12")]
    pub sqsize: u32,
    #[prost(bool, tag = "13")]
    pub flow_control: bool,
    #[prost(uint64, optional, tag = "14")]
    pub admin: Option<u64>,
    #[prost(string, tag = "15")]
    pub auth: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct AdminV1 {
    #[prost(message, optional, tag = "1")]
    pub controller: Option<ControllerV1>,
    /// Sorted.
    #[prost(message, repeated, tag = "2")]
    pub queues: Vec<MemberV1>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct MemberV1 {
    #[prost(uint32, tag = "1")]
    pub qid: u32,
    #[prost(uint64, tag = "2")]
    pub id: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct IoV1 {
    #[prost(message, optional, tag = "1")]
    pub view: Option<ViewV1>,
    #[prost(uint64, tag = "2")]
    pub admin: u64,
    #[prost(uint64, tag = "3")]
    pub heard: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct SlotV1 {
    #[prost(uint32, tag = "1")]
    pub index: u32,
    #[prost(uint32, tag = "2")]
    pub serial: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub entry: Vec<u8>,
    #[prost(uint32, tag = "4")]
    pub given: u32,
    #[prost(message, optional, tag = "5")]
    pub capsule: Option<PlaceV1>,
    #[prost(uint32, tag = "6")]
    pub want: u32,
    #[prost(bool, tag = "7")]
    pub aborted: bool,
    #[prost(message, repeated, tag = "8")]
    pub tell: Vec<TicketV1>,
    #[prost(oneof = "DoingV1", tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20")]
    pub doing: Option<DoingV1>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct TicketV1 {
    #[prost(uint32, tag = "1")]
    pub index: u32,
    #[prost(uint32, tag = "2")]
    pub serial: u32,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum DoingV1 {
    #[prost(message, tag = "10")]
    Half(HalfV1),
    #[prost(uint32, tag = "11")]
    Led(u32),
    #[prost(message, tag = "12")]
    Io(IoTaskV1),
    #[prost(message, tag = "13")]
    Collecting(NothingV1),
    /// The data of a Connect command.
    #[prost(bytes, tag = "14")]
    Deciding(Vec<u8>),
    #[prost(message, tag = "15")]
    Proving(NothingV1),
    #[prost(message, tag = "16")]
    Event(NothingV1),
    /// SQID.
    #[prost(uint32, tag = "17")]
    Aborting(u32),
    #[prost(message, tag = "18")]
    Leaving(NothingV1),
    #[prost(message, tag = "19")]
    Flushing(FlushingV1),
    #[prost(message, tag = "20")]
    Answer(AnswerV1),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct NothingV1 {}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct HalfV1 {
    /// A status field.
    #[prost(uint32, optional, tag = "1")]
    pub refused: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct IoTaskV1 {
    #[prost(message, optional, tag = "1")]
    pub task: Option<TaskV1>,
    #[prost(uint32, optional, tag = "2")]
    pub first: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct ReplyV1 {
    /// A status field.
    #[prost(uint32, tag = "1")]
    pub status: u32,
    #[prost(uint64, tag = "2")]
    pub result: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct FlushingV1 {
    #[prost(uint32, repeated, tag = "1")]
    pub volumes: Vec<u32>,
    #[prost(message, optional, tag = "2")]
    pub reply: Option<ReplyV1>,
    #[prost(bool, tag = "3")]
    pub protect: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct AnswerV1 {
    /// What is still to go out.
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub at: u64,
    #[prost(message, optional, tag = "3")]
    pub reply: Option<ReplyV1>,
    #[prost(bool, tag = "4")]
    pub close: bool,
}
