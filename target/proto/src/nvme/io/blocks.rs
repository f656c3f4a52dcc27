//! The blocks a command names, and the flags beside them.

use crate::nvme::{Entry, Status};
use mainstay_base::unit::Geometry;

/// Bytes of the disk: whole blocks, at least one, all of them there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// First byte.
    pub start: u64,
    /// How many.
    pub bytes: u64,
}

impl Blocks {
    /// Those of a command with SLBA in dwords 10 and 11, NLB in dword 12 (nvm §3.2), if they are on the disk.
    pub fn of(entry: &Entry, geometry: &Geometry) -> Result<Blocks, Status> {
        Blocks::at(entry.qword(10), u64::from(entry.dword(12) & 0xffff) + 1, geometry)
    }

    /// `count` blocks from `lba` on, if they are on the disk.
    pub fn at(lba: u64, count: u64, geometry: &Geometry) -> Result<Blocks, Status> {
        let end = lba.checked_add(count).filter(|&end| end <= geometry.blocks);
        end.ok_or(Status::LBA_OUT_OF_RANGE)?;
        let block = u64::from(geometry.block_bytes);
        Ok(Blocks { start: lba * block, bytes: count * block })
    }

    /// Behind the last byte.
    pub fn end(&self) -> u64 {
        self.start + self.bytes
    }

    /// No more than `limit` bytes.
    pub fn within(self, limit: u64) -> Result<Blocks, Status> {
        if self.bytes > limit { Err(Status::INVALID_FIELD) } else { Ok(self) }
    }
}

/// PRINFO (bits 29:26 of dword 12): no namespace of ours has protection information.
pub fn unprotected(entry: &Entry) -> Result<(), Status> {
    if entry.dword(12) & 0x3c00_0000 == 0 { Ok(()) } else { Err(Status::INVALID_PROTECTION_INFO) }
}

/// FUA (bit 30 of dword 12).
pub fn fua(entry: &Entry) -> bool {
    entry.dword(12) & 1 << 30 != 0
}
