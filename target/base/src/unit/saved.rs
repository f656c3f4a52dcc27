//! The saved form of a request that no store has begun.
//!
//! Its payload is not in it: the form says where in the arena that lies, and restoring takes exactly that place.

use super::{Op, Request, Ticket, VolumeId};
use crate::arena::saved::PlaceV1;
use crate::arena::{Arena, Buf, NotFree};

/// A request, version 1.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RequestV1 {
    #[prost(uint64, tag = "1")]
    ticket: u64,
    #[prost(uint32, tag = "2")]
    volume: u32,
    #[prost(oneof = "OpV1", tags = "3, 4, 5, 6, 7, 8, 9")]
    op: Option<OpV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Oneof)]
enum OpV1 {
    #[prost(message, tag = "3")]
    Read(ReadV1),
    #[prost(message, tag = "4")]
    Write(WriteV1),
    #[prost(message, tag = "5")]
    Flush(FlushV1),
    #[prost(message, tag = "6")]
    Zero(ZeroV1),
    #[prost(message, tag = "7")]
    Extent(ExtentV1),
    #[prost(message, tag = "8")]
    Mark(MarkV1),
    #[prost(message, tag = "9")]
    Protect(ProtectV1),
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct ReadV1 {
    #[prost(uint64, tag = "1")]
    at: u64,
    #[prost(message, optional, tag = "2")]
    into: Option<PlaceV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct WriteV1 {
    #[prost(uint64, tag = "1")]
    at: u64,
    #[prost(message, optional, tag = "2")]
    from: Option<PlaceV1>,
    #[prost(bool, tag = "3")]
    durable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct FlushV1 {}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct ZeroV1 {
    #[prost(uint64, tag = "1")]
    at: u64,
    #[prost(uint64, tag = "2")]
    len: u64,
    #[prost(bool, tag = "3")]
    deallocate: bool,
    #[prost(bool, tag = "4")]
    durable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct ExtentV1 {
    #[prost(uint64, tag = "1")]
    at: u64,
    #[prost(uint64, tag = "2")]
    len: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct MarkV1 {
    #[prost(uint64, tag = "1")]
    at: u64,
    #[prost(uint64, tag = "2")]
    len: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct ProtectV1 {}

/// A saved request that this program cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// It does not say what is asked for, or not where its payload lies.
    #[error("a saved store request has no {0}")]
    Missing(&'static str),
    /// It claims payload that is another's, or outside the arena.
    #[error(transparent)]
    Place(#[from] NotFree),
}

fn place(buf: &Buf) -> Option<PlaceV1> {
    Some(PlaceV1::of(buf))
}

fn adopt(saved: Option<PlaceV1>, arena: &Arena) -> Result<Buf, Damaged> {
    Ok(saved.ok_or(Damaged::Missing("payload"))?.adopt(arena)?)
}

impl Request {
    /// Its saved form; the payload stays where it is.
    pub fn save(&self) -> RequestV1 {
        let op = match &self.op {
            Op::Read { at, into } => OpV1::Read(ReadV1 { at: *at, into: place(into) }),
            Op::Write { at, from, durable } => OpV1::Write(WriteV1 { at: *at, from: place(from), durable: *durable }),
            Op::Flush => OpV1::Flush(FlushV1 {}),
            &Op::Zero { at, len, deallocate, durable } => OpV1::Zero(ZeroV1 { at, len, deallocate, durable }),
            &Op::Extent { at, len } => OpV1::Extent(ExtentV1 { at, len }),
            &Op::Mark { at, len } => OpV1::Mark(MarkV1 { at, len }),
            Op::Protect => OpV1::Protect(ProtectV1 {}),
        };
        RequestV1 { ticket: self.ticket.0, volume: self.volume.0, op: Some(op) }
    }

    /// The request that was saved, its payload taken from `arena`: the handle of the nexus that asked, since its account
    /// is where the payload is counted.
    ///
    /// # Errors
    /// [`Damaged`]; then nothing of the arena is taken.
    pub fn restore(saved: RequestV1, arena: &Arena) -> Result<Request, Damaged> {
        let op = match saved.op.ok_or(Damaged::Missing("operation"))? {
            OpV1::Read(ReadV1 { at, into }) => Op::Read { at, into: adopt(into, arena)? },
            OpV1::Write(WriteV1 { at, from, durable }) => Op::Write { at, from: adopt(from, arena)?, durable },
            OpV1::Flush(FlushV1 {}) => Op::Flush,
            OpV1::Zero(ZeroV1 { at, len, deallocate, durable }) => Op::Zero { at, len, deallocate, durable },
            OpV1::Extent(ExtentV1 { at, len }) => Op::Extent { at, len },
            OpV1::Mark(MarkV1 { at, len }) => Op::Mark { at, len },
            OpV1::Protect(ProtectV1 {}) => Op::Protect,
        };
        Ok(Request { ticket: Ticket(saved.ticket), volume: VolumeId(saved.volume), op })
    }
}

#[cfg(test)]
mod tests;
