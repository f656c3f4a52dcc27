//! How much one command may ask, and how much of it one store request does. What the Block Limits page says is what
//! the commands check.

use super::unit::LogicalUnit;

/// READ, WRITE, VERIFY, WRITE AND VERIFY, in bytes.
pub const TRANSFER_BYTES: u64 = 32 << 20;
/// WRITE SAME, in bytes.
pub const SAME_BYTES: u64 = 128 << 20;
/// UNMAP, in blocks over all descriptors.
pub const UNMAP_BLOCKS: u32 = 1 << 20;
/// UNMAP, in descriptors.
pub const UNMAP_DESCRIPTORS: u32 = 256;
/// COMPARE AND WRITE, in bytes compared: with as many to write it is one buffer.
const COMPARE_BYTES: u32 = 128 << 10;

/// Bytes of one zeroing or deallocating store request.
pub const ZERO_STEP: u64 = 8 << 20;
/// Bytes one question for the allocation state looks at.
pub const EXTENT_STEP: u64 = 64 << 30;
/// Bytes read at a time to be compared.
pub const COMPARE_STEP: u32 = 64 << 10;
/// The longest parameter list of MODE SELECT, in bytes: far more than all pages.
pub const MODE_LIST: u32 = 1024;

impl LogicalUnit {
    /// Blocks of one READ or WRITE.
    pub(super) fn transfer_max(&self) -> u32 {
        (TRANSFER_BYTES / u64::from(self.disk.geometry.block_bytes)) as u32
    }

    /// Blocks of one WRITE SAME.
    pub(super) fn same_max(&self) -> u64 {
        SAME_BYTES / u64::from(self.disk.geometry.block_bytes)
    }

    /// Blocks of one COMPARE AND WRITE.
    pub(super) fn compare_max(&self) -> u8 {
        (COMPARE_BYTES / self.disk.geometry.block_bytes).min(255) as u8
    }

    /// Blocks that are worth deallocating together: a page of the file systems below us, at least.
    pub(super) fn unmap_granularity(&self) -> u32 {
        (self.disk.geometry.physical_bytes.max(4096) / self.disk.geometry.block_bytes).max(1)
    }
}
