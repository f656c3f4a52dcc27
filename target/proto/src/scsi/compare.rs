//! COMPARE AND WRITE (SBC-3 §5.2): compare and write with no other write in between.

use super::cdb::Extent;
use super::fault::{self, Deed};
use super::sense::Sense;
use super::task::{Action, Cx, Ending, Job, State, Step};
use super::transfer::first_difference;
use super::unit::LogicalUnit;
use mainstay_base::arena::Buf;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Done, Fault, Op};

/// Where it is.
#[derive(Debug)]
pub enum Phase {
    Begin,
    Asked,
    /// Both halves of the data-out, and room for what the medium holds.
    Held(Buf, Option<Buf>),
    /// The medium is being read.
    Reading(Buf),
    /// Equal: this is to be written.
    Equal(Buf),
    Writing,
    Finished,
}

/// A COMPARE AND WRITE in progress.
#[derive(Debug)]
pub struct Compare {
    pub start: u64,
    /// Bytes compared; as many are written.
    pub len: u32,
    pub durable: bool,
    pub phase: Phase,
}

/// COMPARE AND WRITE.
pub fn begin(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    if job.cdb.protect() != 0 {
        return Err(Sense::invalid_cdb(1, 7).into());
    }
    let blocks = job.cdb.0[13];
    let extent = Extent { lba: job.cdb.u64(2), blocks: u64::from(blocks) }.on(&unit.disk.geometry)?;
    // A byte cannot say 256: data-out for no blocks is a length that did not fit.
    if blocks > unit.compare_max() || (blocks == 0 && job.out_bytes > 0) {
        return Err(Sense::invalid_cdb(13, 7).into());
    }
    let len = extent.bytes(job.block) as u32;
    if job.out_bytes != 2 * len {
        return Err(Ending::check(Sense::DATA_LENGTH, 2 * len));
    }
    Ok(State::Compare(Compare {
        start: extent.start(job.block),
        len,
        durable: job.cdb.fua() || !unit.disk.write_cache,
        phase: if len == 0 { Phase::Finished } else { Phase::Begin },
    }))
}

impl Compare {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Begin) {
            Phase::Begin => {
                self.phase = Phase::Asked;
                Step::Do(Action::Collect { offset: 0, len: 2 * self.len })
            }
            Phase::Held(data, room) => {
                // Room before the claim: whoever holds a range must not wait for memory.
                let Some(into) = room.or_else(|| cx.arena.alloc(self.len as usize)) else {
                    return Step::End(Ending::BUSY);
                };
                let span = Span { start: self.start, end: self.start + u64::from(self.len) };
                if !job.guard_claim(cx, span) {
                    self.phase = Phase::Held(data, Some(into));
                    return Step::Do(Action::WaitRange);
                }
                self.phase = Phase::Reading(data);
                job.submit(0, Op::Read { at: self.start, into })
            }
            Phase::Equal(from) => {
                self.phase = Phase::Writing;
                job.submit(0, Op::Write { at: self.start, from, durable: self.durable })
            }
            Phase::Finished => Step::End(Ending::good(2 * self.len)),
            waits @ (Phase::Asked | Phase::Reading(_) | Phase::Writing) => {
                self.phase = waits;
                Step::Do(Action::Wait)
            }
        }
    }

    pub fn collected(&mut self, data: Buf) {
        if matches!(self.phase, Phase::Asked) && data.len() == 2 * self.len as usize {
            self.phase = Phase::Held(data, None);
        }
    }

    pub fn stored(&mut self, job: &Job, op: Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        let deed = if matches!(self.phase, Phase::Writing) { Deed::Writing } else { Deed::Reading };
        result.map_err(|fault| Ending::check(fault::sense(fault, deed, job.block), 2 * self.len))?;
        match (std::mem::replace(&mut self.phase, Phase::Begin), op) {
            (Phase::Reading(data), Op::Read { mut into, .. }) => {
                let (expected, new) = data.split_at(self.len as usize);
                if let Some(at) = first_difference(expected, &into) {
                    return Err(Ending::check(Sense::MISCOMPARE.with_information(at as u64), 2 * self.len));
                }
                into.copy_from_slice(new);
                self.phase = Phase::Equal(into);
            }
            (Phase::Writing, _) => self.phase = Phase::Finished,
            (phase, _) => self.phase = phase,
        }
        Ok(())
    }
}
