//! The disk as every protocol sees it: identity, geometry, requests, faults.
//!
//! SCSI and NVMe both translate to these words and back; a store knows only these.

mod disk;
pub mod range;
pub mod saved;

pub use disk::{Disk, Disks, Protection};

use crate::arena::Buf;

/// A volume of this daemon; a small number that is kept over a swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub u32);

/// Names one request to a store until its completion; unique within its nexus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Size and block sizes of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Logical blocks.
    pub blocks: u64,
    /// Bytes of a logical block: 512 or 4096.
    pub block_bytes: u32,
    /// Bytes of a physical block: a power of two, at least `block_bytes`.
    pub physical_bytes: u32,
}

impl Geometry {
    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.blocks * u64::from(self.block_bytes)
    }
}

/// Who a volume is, for ever: it travels with the file and never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Random (version 4) UUID; the root from which the rest is derived unless overridden.
    pub uuid: [u8; 16],
    /// Unit serial number, printable ASCII, at most 64 bytes.
    pub serial: String,
    /// Locally assigned NAA designator (SPC-5 §7.7.6.6.4: NAA = 3h).
    pub naa: [u8; 8],
    /// T10 vendor identification, at most 8 printable ASCII bytes.
    pub vendor: String,
    /// Product identification, at most 16 printable ASCII bytes.
    pub product: String,
}

/// What a volume allows and how it behaves; what MODE SENSE and VPD say is exactly this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Writes are refused.
    pub read_only: bool,
    /// A write may be answered before it is on stable storage (until a flush or FUA).
    pub write_cache: bool,
    /// Blocks can be deallocated; deallocated blocks read as zero.
    pub thin: bool,
    /// Not rotating.
    pub solid_state: bool,
    /// The medium can be ejected and loaded again (INQUIRY says RMB).
    pub removable: bool,
}

/// What a store is asked to do. Offsets and lengths in bytes, multiples of the logical block, within the volume.
/// One request moves at most 1 MiB or does some 16 ms of work: longer commands are cursors above.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Op {
    /// Fill all of `into` from `at`.
    Read { at: u64, into: Buf },
    /// Write all of `from` at `at`; `durable`: on stable storage before it is answered.
    Write { at: u64, from: Buf, durable: bool },
    /// Everything answered before is on stable storage when this is answered.
    Flush,
    /// Make the range read as zero; `deallocate`: and give its space back where the store can. `durable` as for Write.
    Zero { at: u64, len: u64, deallocate: bool, durable: bool },
    /// The range cannot be read until it is written or zeroed again: durably so when this is answered.
    /// [`Fault::NoSpace`] when there are too many such ranges already.
    Mark { at: u64, len: u64 },
    /// What was written before is on stable storage, and so is what the volume was last told of its write protection, for
    /// the time after a restart.
    Protect,
    /// How far the allocation state at `at` reaches, looking no further than `len`.
    Extent { at: u64, len: u64 },
}

/// A good answer of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Done {
    /// Read, Write, Flush, Zero, Mark, Protect.
    Ok,
    /// Extent: `len` bytes from `at` share one state. `mapped` false: deallocated, reads as zero.
    Extent { len: u64, mapped: bool },
}

/// A bad answer of a store; each dialect has one table to its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The medium could not be read at this byte offset (EIO on read; a marked range).
    #[error("unrecovered read error at byte {at}")]
    MediumRead {
        /// First bad byte.
        at: u64,
    },
    /// The medium could not be written (EIO on write or zero).
    #[error("write error at byte {at}")]
    MediumWrite {
        /// First bad byte.
        at: u64,
    },
    /// No space to allocate (ENOSPC, EDQUOT).
    #[error("no space left")]
    NoSpace,
    /// The store is read-only.
    #[error("read-only")]
    ReadOnly,
    /// The backing file became shorter than the volume.
    #[error("the backing file shrank below byte {at}")]
    Shrunk {
        /// First byte that is gone.
        at: u64,
    },
    /// An earlier flush failed: nothing is promised until an admin clears it.
    #[error("a flush failed before; the volume waits for its admin")]
    Poisoned,
    /// Anything else; the operating system's error number.
    #[error("error {errno}")]
    Other {
        /// errno.
        errno: i32,
    },
}

/// A request on its way to a store. The buffers come back in its [`Completion`], whatever the result.
#[derive(Debug)]
pub struct Request {
    /// Chosen by the nexus.
    pub ticket: Ticket,
    /// Where to.
    pub volume: VolumeId,
    /// What.
    pub op: Op,
}

/// The answer to a [`Request`].
#[derive(Debug)]
pub struct Completion {
    /// That of the request.
    pub ticket: Ticket,
    /// That of the request, buffers and all.
    pub op: Op,
    /// How it went.
    pub result: Result<Done, Fault>,
}
