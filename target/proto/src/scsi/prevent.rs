//! TEST UNIT READY and PREVENT ALLOW MEDIUM REMOVAL (SPC-4 §6.47, SBC-3 §5.9).

use super::sense::Sense;
use super::task::{Ending, Job, State};
use super::unit::LogicalUnit;

/// TEST UNIT READY: the table has asked already.
pub fn begin_ready(_: &Job, _: &mut LogicalUnit) -> Result<State, Ending> {
    Ok(State::End(Ending::good(0)))
}

/// PREVENT ALLOW MEDIUM REMOVAL: each nexus prevents for itself.
pub fn begin(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    let prevent = job.cdb.0[4] & 0x03;
    if prevent > 1 {
        return Err(Sense::invalid_cdb(4, 1).into());
    }
    if let Some(path) = unit.paths.get_mut(&job.key.nexus) {
        path.prevents = prevent == 1;
    }
    Ok(State::End(Ending::good(0)))
}
