//! SYNCHRONIZE CACHE, PRE-FETCH, and whatever else flushes first (SBC-3 §5.23, §5.8).

use super::cdb::Extent;
use super::fault::{self, Deed};
use super::task::{Action, Cx, Ending, Job, State, Step};
use super::unit::LogicalUnit;
use mainstay_base::unit::{Done, Fault, Op};

/// What happens to the unit once the flush is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Nothing,
    /// The unit stops.
    Stop,
    /// The medium is ejected.
    Eject,
}

/// A flush in progress.
#[derive(Debug)]
pub struct Flush {
    pub then: Then,
    /// The store has answered, or need not be asked.
    pub flushed: bool,
}

impl Flush {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if !self.flushed {
            return if job.flying > 0 { Step::Do(Action::Wait) } else { job.submit(0, Op::Flush) };
        }
        if let Some(unit) = cx.unit.as_deref_mut() {
            match self.then {
                Then::Nothing => {}
                Then::Stop => unit.stopped = true,
                Then::Eject => unit.ejected = true,
            }
        }
        Step::End(Ending::good(0))
    }

    pub fn stored(&mut self, job: &Job, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map_err(|fault| Ending::from(fault::sense(fault, Deed::Flushing, job.block)))?;
        self.flushed = true;
        Ok(())
    }
}

/// SYNCHRONIZE CACHE(10), (16). All of the cache is written, whatever the range; IMMED or not, the answer comes when it
/// is true.
pub fn begin_synchronize(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    Extent::of(&job.cdb).on(&unit.disk.geometry)?;
    Ok(State::Flush(Flush { then: Then::Nothing, flushed: unit.disk.behaviour.read_only }))
}

/// PRE-FETCH(10), (16). The cache belongs to the operating system, so nothing is promised: GOOD, not CONDITION MET.
pub fn begin_prefetch(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    Extent::of(&job.cdb).on(&unit.disk.geometry)?;
    Ok(State::End(Ending::good(0)))
}
