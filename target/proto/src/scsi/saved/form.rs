//! The messages of a saved task.

use super::PlaceV1;

/// A task, version 1.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskV1 {
    #[prost(uint64, tag = "1")]
    pub(super) nexus: u64,
    #[prost(uint32, tag = "2")]
    pub(super) tag: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) cdb: Vec<u8>,
    #[prost(uint32, tag = "4")]
    pub(super) in_bytes: u32,
    #[prost(uint32, tag = "5")]
    pub(super) out_bytes: u32,
    #[prost(uint32, tag = "6")]
    pub(super) block: u32,
    #[prost(uint32, tag = "7")]
    pub(super) flying: u32,
    /// 0 none, 1 write, 2 claim.
    #[prost(uint32, tag = "8")]
    pub(super) guard: u32,
    #[prost(oneof = "StateV1", tags = "9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20")]
    pub(super) state: Option<StateV1>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum StateV1 {
    #[prost(bool, tag = "9")]
    New(bool),
    #[prost(message, tag = "10")]
    End(EndingV1),
    #[prost(message, tag = "11")]
    Answer(AnswerV1),
    #[prost(message, tag = "12")]
    Read(ReadV1),
    #[prost(message, tag = "13")]
    Write(WriteV1),
    #[prost(message, tag = "14")]
    Verify(VerifyV1),
    #[prost(message, tag = "15")]
    WriteSame(WriteSameV1),
    #[prost(message, tag = "16")]
    Unmap(UnmapV1),
    #[prost(message, tag = "17")]
    LbaStatus(LbaStatusV1),
    #[prost(message, tag = "18")]
    Compare(CompareV1),
    #[prost(message, tag = "19")]
    Flush(FlushV1),
    #[prost(message, tag = "20")]
    ModeSelect(ModeSelectV1),
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct EndingV1 {
    /// As SAM-5 numbers it.
    #[prost(uint32, tag = "1")]
    pub(super) status: u32,
    #[prost(uint32, tag = "2")]
    pub(super) moved: u32,
    #[prost(message, optional, tag = "3")]
    pub(super) sense: Option<SenseV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SenseV1 {
    #[prost(uint32, tag = "1")]
    pub(super) key: u32,
    #[prost(uint32, tag = "2")]
    pub(super) code: u32,
    #[prost(uint64, optional, tag = "3")]
    pub(super) information: Option<u64>,
    /// SENSE KEY SPECIFIC bytes of a field pointer: flags and bit, then the byte.
    #[prost(message, optional, tag = "4")]
    pub(super) field: Option<FieldV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FieldV1 {
    #[prost(bool, tag = "1")]
    pub(super) command: bool,
    #[prost(uint32, tag = "2")]
    pub(super) byte: u32,
    #[prost(uint32, optional, tag = "3")]
    pub(super) bit: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AnswerV1 {
    #[prost(message, required, tag = "1")]
    pub(super) data: PlaceV1,
    #[prost(uint32, tag = "2")]
    pub(super) len: u32,
    #[prost(message, required, tag = "3")]
    pub(super) ending: EndingV1,
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
    pub(super) want: u32,
    #[prost(uint32, tag = "3")]
    pub(super) send: u32,
    #[prost(uint32, tag = "4")]
    pub(super) total: u32,
    #[prost(uint32, tag = "5")]
    pub(super) asked: u32,
    #[prost(uint32, tag = "6")]
    pub(super) sent: u32,
    #[prost(bool, tag = "7")]
    pub(super) flush: bool,
    #[prost(message, repeated, tag = "8")]
    pub(super) slots: Vec<SlotV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint32, tag = "2")]
    pub(super) want: u32,
    #[prost(uint32, tag = "3")]
    pub(super) total: u32,
    #[prost(uint32, tag = "4")]
    pub(super) asked: u32,
    #[prost(uint32, tag = "5")]
    pub(super) written: u32,
    #[prost(bool, tag = "6")]
    pub(super) durable: bool,
    #[prost(message, repeated, tag = "7")]
    pub(super) slots: Vec<SlotV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct VerifyV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint32, tag = "2")]
    pub(super) want: u32,
    #[prost(uint32, tag = "3")]
    pub(super) total: u32,
    #[prost(uint32, tag = "4")]
    pub(super) done: u32,
    /// 0 readable, 1 each, 2 same.
    #[prost(uint32, tag = "5")]
    pub(super) check: u32,
    #[prost(bool, tag = "6")]
    pub(super) write: bool,
    #[prost(message, optional, tag = "7")]
    pub(super) pattern: Option<PlaceV1>,
    /// 0 next, 1 asked, 2 held, 3 writing, 4 check, 5 reading.
    #[prost(uint32, tag = "8")]
    pub(super) phase: u32,
    #[prost(uint32, tag = "9")]
    pub(super) asked: u32,
    #[prost(message, optional, tag = "10")]
    pub(super) data: Option<PlaceV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteSameV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint64, tag = "2")]
    pub(super) at: u64,
    #[prost(uint64, tag = "3")]
    pub(super) end: u64,
    #[prost(bool, tag = "4")]
    pub(super) deallocate: bool,
    #[prost(bool, tag = "5")]
    pub(super) durable: bool,
    #[prost(uint32, tag = "6")]
    pub(super) moved: u32,
    /// 0 wanted, 1 asked, 2 pattern, 3 copies, 4 zero.
    #[prost(uint32, tag = "7")]
    pub(super) fill: u32,
    #[prost(message, optional, tag = "8")]
    pub(super) data: Option<PlaceV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct UnmapV1 {
    #[prost(uint32, tag = "1")]
    pub(super) len: u32,
    #[prost(uint32, tag = "2")]
    pub(super) index: u32,
    #[prost(uint64, tag = "3")]
    pub(super) done: u64,
    #[prost(bool, tag = "4")]
    pub(super) durable: bool,
    /// 0 wanted, 1 asked, 2 here, 3 checked.
    #[prost(uint32, tag = "5")]
    pub(super) list: u32,
    #[prost(message, optional, tag = "6")]
    pub(super) data: Option<PlaceV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct LbaStatusV1 {
    #[prost(uint64, tag = "1")]
    pub(super) lba: u64,
    #[prost(uint64, tag = "2")]
    pub(super) end: u64,
    #[prost(uint32, tag = "3")]
    pub(super) room: u32,
    #[prost(bool, tag = "4")]
    pub(super) thick: bool,
    #[prost(message, repeated, tag = "5")]
    pub(super) runs: Vec<RunV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RunV1 {
    #[prost(uint64, tag = "1")]
    pub(super) lba: u64,
    #[prost(uint32, tag = "2")]
    pub(super) blocks: u32,
    #[prost(bool, tag = "3")]
    pub(super) mapped: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CompareV1 {
    #[prost(uint64, tag = "1")]
    pub(super) start: u64,
    #[prost(uint32, tag = "2")]
    pub(super) len: u32,
    #[prost(bool, tag = "3")]
    pub(super) durable: bool,
    /// 0 begin, 1 asked, 2 held, 3 reading, 4 equal, 5 writing, 6 finished.
    #[prost(uint32, tag = "4")]
    pub(super) phase: u32,
    #[prost(message, optional, tag = "5")]
    pub(super) data: Option<PlaceV1>,
    #[prost(message, optional, tag = "6")]
    pub(super) room: Option<PlaceV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FlushV1 {
    /// 0 nothing, 1 stop, 2 eject.
    #[prost(uint32, tag = "1")]
    pub(super) then: u32,
    #[prost(bool, tag = "2")]
    pub(super) flushed: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ModeSelectV1 {
    #[prost(uint32, tag = "1")]
    pub(super) len: u32,
    #[prost(bool, tag = "2")]
    pub(super) ten: bool,
    /// 0 wanted, 1 asked, 2 here, 3 flush, 4 flushed.
    #[prost(uint32, tag = "3")]
    pub(super) phase: u32,
    #[prost(message, optional, tag = "4")]
    pub(super) data: Option<PlaceV1>,
}
