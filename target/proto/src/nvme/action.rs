//! What a command in progress wants next.

use super::Status;
use mainstay_base::arena::Buf;
use mainstay_base::unit::{Op, VolumeId};
use std::ops::Range;
use std::sync::Arc;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: Status,
    /// Dwords 0 (low) and 1 of the completion queue entry.
    pub result: u64,
}

impl Reply {
    /// Success without a result.
    pub const OK: Reply = Reply { status: Status::SUCCESS, result: 0 };

    /// Success, and this.
    pub const fn with(result: u64) -> Reply {
        Reply { status: Status::SUCCESS, result }
    }
}

impl From<Status> for Reply {
    fn from(status: Status) -> Reply {
        Reply { status, result: 0 }
    }
}

/// Which of the two commands of a fused pair; a command of its own is only ever the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The first of a pair.
    First,
    /// The second, or the only one.
    Last,
}

/// What a command wants next.
#[derive(Debug)]
pub enum Action {
    /// Data from the host, `offset .. offset + len`, in one buffer. Several may be outstanding.
    Collect {
        /// Whose data.
        leg: Leg,
        /// First byte of the command's data.
        offset: u32,
        /// Bytes.
        len: u32,
    },
    /// A request to a store.
    Submit {
        /// Tells several requests of one command apart.
        slot: u16,
        /// Whose store.
        volume: VolumeId,
        /// What it shall do.
        op: Op,
    },
    /// Data to the host, in order of `offset`.
    Send {
        /// First byte of the command's data.
        offset: u32,
        /// The buffer.
        data: Arc<Buf>,
        /// Which bytes of it.
        range: Range<usize>,
    },
    /// Nothing until something is collected or stored.
    Wait,
    /// Nothing until arena memory was freed.
    WaitMemory,
    /// Nothing until the disk wakes this queue.
    WaitRange,
    /// The end. The command wants nothing any more and has nothing in flight.
    Done {
        /// Of the first of a pair; none for a command of its own.
        first: Option<Reply>,
        /// Of the second, or the only one.
        last: Reply,
    },
}
