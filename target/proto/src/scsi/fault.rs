//! The one table from a store's faults to sense data.

use super::sense::Sense;
use mainstay_base::unit::Fault;

/// What a store was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Reading,
    Writing,
    Flushing,
}

/// The sense for `fault` on a unit with blocks of `block_bytes`.
///
/// A medium that shrank underneath is a MEDIUM ERROR: READ CAPACITY still promises those blocks, so calling their
/// address out of range would blame the initiator. After a failed flush nothing can be promised: HARDWARE ERROR, so that
/// no initiator takes the unit for one bad block.
pub fn sense(fault: Fault, deed: Deed, block_bytes: u32) -> Sense {
    let block = |at: u64| at / u64::from(block_bytes.max(1));
    match fault {
        Fault::MediumRead { at } => Sense::READ_ERROR.with_information(block(at)),
        Fault::MediumWrite { .. } if deed == Deed::Flushing => Sense::WRITE_ERROR,
        Fault::MediumWrite { at } => Sense::WRITE_ERROR.with_information(block(at)),
        Fault::Shrunk { at } if deed == Deed::Reading => Sense::READ_ERROR.with_information(block(at)),
        Fault::Shrunk { at } => Sense::WRITE_ERROR.with_information(block(at)),
        Fault::NoSpace => Sense::NO_SPACE,
        Fault::ReadOnly => Sense::WRITE_PROTECTED,
        Fault::Poisoned => Sense::UNIT_FAILURE,
        Fault::Other { .. } => Sense::TARGET_FAILURE,
    }
}
