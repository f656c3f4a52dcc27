//! The messages of a saved task.

use super::PlaceV1;

/// A task, version 1.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskV1 {
    #[prost(uint64, tag = "1")]
    pub(super) nexus: u64,
    #[prost(uint32, tag = "2")]
    pub(super) tag: u32,
    #[prost(uint32, tag = "3")]
    pub(super) opcode: u32,
    #[prost(bool, tag = "4")]
    pub(super) fused: bool,
    #[prost(uint32, tag = "5")]
    pub(super) given: u32,
    #[prost(uint32, tag = "6")]
    pub(super) volume: u32,
    #[prost(uint32, tag = "7")]
    pub(super) flying: u32,
    /// 0 none, 1 write, 2 claim.
    #[prost(uint32, tag = "8")]
    pub(super) guard: u32,
    #[prost(oneof = "StateV1", tags = "9, 10, 11, 12, 13")]
    pub(super) state: Option<StateV1>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum StateV1 {
    /// The entry.
    #[prost(bytes, tag = "9")]
    New(Vec<u8>),
    #[prost(message, tag = "10")]
    End(EndingV1),
    #[prost(message, tag = "11")]
    Read(ReadV1),
    #[prost(message, tag = "12")]
    Write(WriteV1),
    #[prost(message, tag = "13")]
    Flush(FlushV1),
}

/// Status fields as they stand in a completion queue entry.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct EndingV1 {
    #[prost(uint32, tag = "1")]
    pub(super) first: u32,
    #[prost(uint32, tag = "2")]
    pub(super) last: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SlotV1 {
    /// Read: 0 free, 1 at the store, 2 ready. Write: 0 free, 1 asked, 2 held, 3 at the store.
    #[prost(uint32, tag = "1")]
    pub(super) kind: u32,
    #[prost(uint32, tag = "2")]
    pub(super) offset: u32,
    #[prost(uint32, tag = "3")]
    pub(super) len: u32,
    #[prost(message, optional, tag = "4")]
    pub(super) data: Option<PlaceV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint32, tag = "2")]
    pub(super) len: u32,
    #[prost(uint32, tag = "3")]
    pub(super) asked: u32,
    #[prost(uint32, tag = "4")]
    pub(super) sent: u32,
    #[prost(bool, tag = "5")]
    pub(super) flush: bool,
    #[prost(message, repeated, tag = "6")]
    pub(super) slots: Vec<SlotV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint32, tag = "2")]
    pub(super) len: u32,
    #[prost(uint32, tag = "3")]
    pub(super) asked: u32,
    #[prost(uint32, tag = "4")]
    pub(super) written: u32,
    #[prost(bool, tag = "5")]
    pub(super) durable: bool,
    #[prost(message, repeated, tag = "6")]
    pub(super) slots: Vec<SlotV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FlushV1 {
    #[prost(uint32, optional, tag = "1")]
    pub(super) next: Option<u32>,
    #[prost(bool, tag = "2")]
    pub(super) all: bool,
}
