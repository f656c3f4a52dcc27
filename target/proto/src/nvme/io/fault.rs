//! The one table from a store's faults to statuses.

use crate::nvme::Status;
use mainstay_base::unit::Fault;

/// The status for `fault`; `reading`: of a read.
///
/// A medium that shrank underneath is a bad medium: Identify Namespace still promises those blocks. After a failed flush nothing
/// can be promised, and no retry helps.
pub fn status(fault: Fault, reading: bool) -> Status {
    match fault {
        Fault::MediumRead { .. } => Status::UNRECOVERED_READ_ERROR,
        Fault::Shrunk { .. } if reading => Status::UNRECOVERED_READ_ERROR,
        Fault::MediumWrite { .. } | Fault::Shrunk { .. } => Status::WRITE_FAULT,
        Fault::NoSpace => Status::CAPACITY_EXCEEDED,
        Fault::ReadOnly => Status::NAMESPACE_WRITE_PROTECTED,
        Fault::Poisoned => Status::INTERNAL_ERROR.dnr(),
        Fault::Other { .. } => Status::INTERNAL_ERROR,
    }
}
