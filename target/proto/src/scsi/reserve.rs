//! RESERVE and RELEASE, (6) and (10): the whole unit for one nexus (SPC-2 §7.16 to §7.22). That others meet RESERVATION
//! CONFLICT is the table's doing.

use super::task::{Ending, Job, State};
use super::unit::LogicalUnit;

/// RESERVE: it is free, or ours already.
pub fn begin_reserve(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    unit.reserved = Some(job.key.nexus);
    Ok(State::End(Ending::good(0)))
}

/// RELEASE: of somebody else's reservation it does nothing, and that is GOOD.
pub fn begin_release(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    if unit.reserved == Some(job.key.nexus) {
        unit.reserved = None;
    }
    Ok(State::End(Ending::good(0)))
}
