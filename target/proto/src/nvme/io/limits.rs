//! How much one command may ask, how much of it one store request does, and what is atomic: what Identify tells is what the
//! commands check.

use mainstay_base::unit::Geometry;

/// MDTS (base, figure "Identify Controller"): a power of two of 4 KiB pages.
pub const MDTS: u8 = 8;
/// The same in bytes.
pub const TRANSFER_BYTES: u64 = 4096 << MDTS;

/// Write Zeroes Size Limit (nvm, "I/O Command Set Specific Identify Controller"), as MDTS.
pub const WZSL: u8 = 13;
/// Verify Size Limit, as MDTS.
pub const VSL: u8 = 13;
/// Write Uncorrectable Size Limit, as MDTS.
pub const WUSL: u8 = 13;
/// WZSL, VSL and WUSL in bytes.
pub const CURSOR_BYTES: u64 = 4096 << WZSL;
const _: () = assert!(WZSL == VSL && VSL == WUSL);

/// Ranges of one Dataset Management command; as many as it can say.
pub const DSM_RANGES: u32 = 256;
/// DMRL, DMRSL and DMSL: no limits but those of the format, for the command is a cursor.
pub const DMRL: u8 = 0;
/// See [`DMRL`].
pub const DMRSL: u32 = 0;
/// See [`DMRL`].
pub const DMSL: u64 = 0;

/// Maximum Source Range Count (nvm, "Identify Namespace"), zero-based: such a list has no more than 4 KiB.
pub const MSRC: u8 = 101;
/// Copy, in bytes.
const COPY_BYTES: u32 = 32 << 20;

/// Maximum Copy Length, in blocks of `block_bytes`.
pub fn mcl(block_bytes: u32) -> u32 {
    COPY_BYTES / block_bytes.max(1)
}

/// Maximum Single Source Range Length, in blocks.
pub fn mssrl(block_bytes: u32) -> u16 {
    mcl(block_bytes).min(u32::from(u16::MAX)) as u16
}

/// Copy descriptor formats (OCFS): 0 and 1.
pub const OCFS: u16 = 0b11;

/// Atomic Write Unit Normal, zero-based: one block. A longer write goes to the store in one piece, but page caches let readers
/// see half of one, so no more is promised.
pub const AWUN: u16 = 0;
/// Atomic Write Unit Power Fail, zero-based: one block. What a medium below keeps of more when the power fails, we do not know.
pub const AWUPF: u16 = 0;
/// Atomic Compare & Write Unit, zero-based: one block, for the same reasons. Compare and Write of more is atomic against every
/// other write of the disk, by either protocol, but not in the eyes of who reads meanwhile.
pub const ACWU: u16 = 0;
/// Fused Compare and Write, in bytes compared, at most: both parts are held together.
pub const COMPARE_WRITE_BYTES: u64 = 32 << 10;

/// Optional commands there are (ONCS): Compare, Write Uncorrectable, Dataset Management, Write Zeroes, Verify, Copy.
pub const ONCS: u16 = 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 7 | 1 << 8;
/// Fused operations there are (FUSES): Compare and Write.
pub const FUSES: u16 = 1;
/// VWC bits 2:1: a Flush of NSID FFFFFFFFh is carried out.
pub const VWC_FLUSH_ALL: u8 = 0b110;

/// Bytes of one zeroing store request.
pub(super) const ZERO_STEP: u64 = 8 << 20;
/// Bytes of one deallocating store request.
pub(super) const DEALLOCATE_STEP: u64 = 32 << 20;
/// Bytes Verify reads at a time.
pub(super) const VERIFY_STEP: u64 = 64 << 10;

/// What is worth writing and deallocating together, zero-based in blocks (nvm §5.8.2.1, NSFEAT.OPTPERF).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preferred {
    /// Namespace Preferred Write Granularity and Alignment.
    pub write: u16,
    /// Namespace Preferred Deallocate Granularity and Alignment: a page of the file systems below us, at least.
    pub deallocate: u16,
    /// Namespace Optimal Write Size.
    pub optimal: u16,
}

impl Preferred {
    /// Of a disk.
    pub fn of(geometry: &Geometry) -> Preferred {
        let blocks = |bytes: u32| (bytes / geometry.block_bytes.max(1)).clamp(1, 1 << 16);
        let zero_based = |bytes: u32| (blocks(bytes) - 1) as u16;
        Preferred {
            write: zero_based(geometry.physical_bytes),
            deallocate: zero_based(geometry.physical_bytes.max(4096)),
            optimal: zero_based(geometry.physical_bytes.max(128 << 10)),
        }
    }
}
