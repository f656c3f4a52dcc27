//! READ, WRITE, VERIFY, WRITE AND VERIFY in all their sizes (SBC-3 §5.10 and on): blocks between initiator and store,
//! in chunks.

mod read;
mod verify;
mod write;

pub use read::{Read, ReadSlot, begin_read};
pub use verify::{Check, Phase as VerifyPhase, Verify, begin_verify, begin_write_verify, first_difference};
pub use write::{Write, WriteSlot, begin_write};

use super::cdb::Extent;
use super::sense::Sense;
use super::task::{Ending, Job};
use super::unit::LogicalUnit;

/// Chunks one command has in work at a time.
pub const SLOTS: usize = 2;

/// The extent of a command that moves its blocks: no protection information, on the medium, not too long.
fn extent(job: &Job, unit: &LogicalUnit) -> Result<Extent, Sense> {
    if job.cdb.protect() != 0 {
        return Err(Sense::invalid_cdb(1, 7));
    }
    let extent = Extent::of(&job.cdb).on(&unit.disk.geometry)?;
    if extent.blocks > u64::from(unit.transfer_max()) {
        return Err(Sense::invalid_cdb(job.cdb.length_byte(), 7));
    }
    Ok(extent)
}

/// How much of `total` bytes the initiator really sends: whole blocks. It is told by the residual that more was named;
/// a torn block is refused before anything is written.
fn given(job: &Job, total: u32) -> Result<u32, Ending> {
    if job.out_bytes >= total {
        Ok(total)
    } else if job.out_bytes.is_multiple_of(job.block) {
        Ok(job.out_bytes)
    } else {
        Err(Ending::check(Sense::DATA_LENGTH, total))
    }
}
