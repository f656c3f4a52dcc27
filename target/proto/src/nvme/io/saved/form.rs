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
    #[prost(oneof = "StateV1", tags = "9, 10, 11, 12, 13, 14, 15, 16, 17, 18")]
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
    #[prost(message, tag = "14")]
    Cursor(CursorV1),
    #[prost(message, tag = "15")]
    Deallocate(DeallocateV1),
    #[prost(message, tag = "16")]
    Compare(CompareV1),
    #[prost(message, tag = "17")]
    Pair(PairV1),
    #[prost(message, tag = "18")]
    Copy(CopyV1),
}

/// Status fields as they stand in a completion queue entry.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct EndingV1 {
    #[prost(uint32, tag = "1")]
    pub(super) first: u32,
    #[prost(uint32, tag = "2")]
    pub(super) last: u32,
    /// Dword 0 of the second's.
    #[prost(uint32, tag = "3")]
    pub(super) result: u32,
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

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CursorV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint64, tag = "2")]
    pub(super) at: u64,
    #[prost(uint64, tag = "3")]
    pub(super) end: u64,
    /// 1 zero, 2 mark, 3 verify.
    #[prost(uint32, tag = "4")]
    pub(super) deed: u32,
    #[prost(bool, tag = "5")]
    pub(super) deallocate: bool,
    #[prost(bool, tag = "6")]
    pub(super) durable: bool,
    #[prost(bool, tag = "7")]
    pub(super) flush: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct DeallocateV1 {
    #[prost(uint32, tag = "1")]
    pub(super) len: u32,
    #[prost(uint32, tag = "2")]
    pub(super) ranges: u32,
    #[prost(uint32, tag = "3")]
    pub(super) index: u32,
    #[prost(uint64, tag = "4")]
    pub(super) done: u64,
    #[prost(bool, tag = "5")]
    pub(super) durable: bool,
    /// 0 wanted, 1 asked, 2 here, 3 checked.
    #[prost(uint32, tag = "6")]
    pub(super) list: u32,
    #[prost(message, optional, tag = "7")]
    pub(super) data: Option<PlaceV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CompareV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint32, tag = "2")]
    pub(super) len: u32,
    #[prost(uint32, tag = "3")]
    pub(super) done: u32,
    /// 0 flush, 1 next, 2 asked, 3 held, 4 reading.
    #[prost(uint32, tag = "4")]
    pub(super) phase: u32,
    #[prost(uint32, tag = "5")]
    pub(super) asked: u32,
    #[prost(message, optional, tag = "6")]
    pub(super) data: Option<PlaceV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PairV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint32, tag = "2")]
    pub(super) len: u32,
    #[prost(bool, tag = "3")]
    pub(super) durable: bool,
    /// 0 collect, 1 held, 2 reading, 3 equal, 4 writing, 5 finished.
    #[prost(uint32, tag = "4")]
    pub(super) phase: u32,
    #[prost(uint32, tag = "5")]
    pub(super) asked: u32,
    #[prost(message, optional, tag = "6")]
    pub(super) expected: Option<PlaceV1>,
    #[prost(message, optional, tag = "7")]
    pub(super) new: Option<PlaceV1>,
    #[prost(message, optional, tag = "8")]
    pub(super) room: Option<PlaceV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SourceV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint64, tag = "2")]
    pub(super) len: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CopyV1 {
    #[prost(uint64, tag = "1")]
    pub(super) lba: u64,
    #[prost(uint32, tag = "2")]
    pub(super) list: u32,
    #[prost(uint32, tag = "3")]
    pub(super) format: u32,
    #[prost(uint32, tag = "4")]
    pub(super) ranges: u32,
    #[prost(bool, tag = "5")]
    pub(super) durable: bool,
    #[prost(message, repeated, tag = "6")]
    pub(super) sources: Vec<SourceV1>,
    #[prost(uint32, tag = "7")]
    pub(super) index: u32,
    #[prost(uint64, tag = "8")]
    pub(super) done: u64,
    #[prost(uint64, tag = "9")]
    pub(super) to: u64,
    /// 0 wanted, 1 asked, 2 here, 3 next, 4 reading, 5 held, 6 writing.
    #[prost(uint32, tag = "10")]
    pub(super) phase: u32,
    #[prost(message, optional, tag = "11")]
    pub(super) data: Option<PlaceV1>,
}
