//! Blocks of the store held against the initiator's, or only read (SBC-3 §5.29); WRITE AND VERIFY writes them first.

use super::{extent, given};
use crate::scsi::fault::{self, Deed};
use crate::scsi::limits::COMPARE_STEP;
use crate::scsi::sense::Sense;
use crate::scsi::task::{Action, Cx, Ending, Job, State, Step};
use crate::scsi::unit::LogicalUnit;
use mainstay_base::arena::Buf;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Done, Fault, Op};

/// What BYTCHK asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// 00b: the blocks can be read.
    Readable,
    /// 01b: they equal the data-out.
    Each,
    /// 11b: each of them equals the one block of data-out.
    Same,
}

/// Where the current step is.
#[derive(Debug)]
pub enum Phase {
    /// A new step begins.
    Next,
    /// Data-out of this length was asked for.
    Asked(u32),
    /// Data-out to be written, or to be compared.
    Held(Buf),
    /// It is being written.
    Writing,
    /// Written: on to reading, holding what to compare with.
    Check(Option<Buf>),
    /// It is being read, to be compared with this.
    Reading(Option<Buf>),
}

/// A VERIFY or WRITE AND VERIFY in progress.
#[derive(Debug)]
pub struct Verify {
    pub start: u64,
    /// Bytes to check: whole blocks.
    pub want: u32,
    /// Bytes the CDB moves.
    pub total: u32,
    /// Bytes checked.
    pub done: u32,
    pub check: Check,
    pub write: bool,
    /// The one block of [`Check::Same`].
    pub pattern: Option<Buf>,
    pub phase: Phase,
}

/// VERIFY(10), (12), (16).
pub fn begin_verify(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    let extent = extent(job, unit)?;
    let bytes = extent.bytes(job.block) as u32;
    let check = check(job)?;
    let (total, want) = match check {
        Check::Readable => (0, bytes),
        Check::Each => (bytes, given(job, bytes)?),
        Check::Same if bytes == 0 => (0, 0),
        Check::Same => (job.block, if given(job, job.block)? == 0 { 0 } else { bytes }),
    };
    Ok(state(extent.start(job.block), want, total, check, false))
}

/// WRITE AND VERIFY(10), (12), (16).
pub fn begin_write_verify(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    let extent = extent(job, unit)?;
    let total = extent.bytes(job.block) as u32;
    let check = check(job)?;
    if check == Check::Same {
        return Err(Sense::invalid_cdb(1, 2).into());
    }
    Ok(state(extent.start(job.block), given(job, total)?, total, check, true))
}

fn check(job: &Job) -> Result<Check, Sense> {
    match job.cdb.0[1] >> 1 & 0x03 {
        0 => Ok(Check::Readable),
        1 => Ok(Check::Each),
        2 => Err(Sense::invalid_cdb(1, 2)),
        _ => Ok(Check::Same),
    }
}

fn state(start: u64, want: u32, total: u32, check: Check, write: bool) -> State {
    State::Verify(Verify { start, want, total, done: 0, check, write, pattern: None, phase: Phase::Next })
}

impl Verify {
    fn step(&self, cx: &Cx<'_>) -> u32 {
        (self.want - self.done).min(COMPARE_STEP).min(cx.chunk_max)
    }

    fn at(&self) -> u64 {
        self.start + u64::from(self.done)
    }

    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Next) {
                Phase::Next if self.done == self.want => return Step::End(Ending::good(self.total)),
                Phase::Next if self.check == Check::Same && self.pattern.is_none() => {
                    self.phase = Phase::Asked(job.block);
                    return Step::Do(Action::Collect { offset: 0, len: job.block });
                }
                Phase::Next if self.check == Check::Each || self.write => {
                    let len = self.step(cx);
                    self.phase = Phase::Asked(len);
                    return Step::Do(Action::Collect { offset: self.done, len });
                }
                Phase::Next => self.phase = Phase::Check(None),
                Phase::Held(data) if self.check == Check::Same => self.pattern = Some(data),
                Phase::Held(from) if self.write => {
                    let span = Span { start: self.start, end: self.start + u64::from(self.want) };
                    if !job.guard_write(cx, span) {
                        self.phase = Phase::Held(from);
                        return Step::Do(Action::WaitRange);
                    }
                    self.phase = Phase::Writing;
                    return job.submit(0, Op::Write { at: self.at(), from, durable: true });
                }
                Phase::Held(data) => self.phase = Phase::Check(Some(data)),
                Phase::Check(expected) => {
                    let len = expected.as_ref().map_or_else(|| self.step(cx), |data| data.len() as u32);
                    let Some(into) = cx.arena.alloc(len as usize) else {
                        let holds = expected.is_some() || self.pattern.is_some();
                        self.phase = Phase::Check(expected);
                        return if holds { Step::End(Ending::BUSY) } else { Step::Do(Action::WaitMemory) };
                    };
                    self.phase = Phase::Reading(expected);
                    return job.submit(0, Op::Read { at: self.at(), into });
                }
                waits @ (Phase::Asked(_) | Phase::Writing | Phase::Reading(_)) => {
                    self.phase = waits;
                    return Step::Do(Action::Wait);
                }
            }
        }
    }

    pub fn collected(&mut self, _offset: u32, data: Buf) {
        if matches!(self.phase, Phase::Asked(len) if len as usize == data.len()) {
            self.phase = Phase::Held(data);
        }
    }

    pub fn stored(&mut self, job: &Job, op: Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        let deed = if matches!(self.phase, Phase::Writing) { Deed::Writing } else { Deed::Reading };
        result.map_err(|fault| Ending::check(fault::sense(fault, deed, job.block), self.total))?;
        match (std::mem::replace(&mut self.phase, Phase::Next), op) {
            (Phase::Writing, Op::Write { from, .. }) => {
                self.phase = Phase::Check(Some(from).filter(|_| self.check == Check::Each));
                Ok(())
            }
            (Phase::Reading(expected), Op::Read { into, .. }) => self.compare(expected.as_deref(), &into),
            (phase, _) => {
                self.phase = phase;
                Ok(())
            }
        }
    }

    fn compare(&mut self, expected: Option<&[u8]>, found: &[u8]) -> Result<(), Ending> {
        let differs = match (expected, self.pattern.as_deref()) {
            (Some(expected), _) => first_difference(expected, found),
            (None, Some(pattern)) => found
                .chunks(pattern.len())
                .enumerate()
                .find_map(|(i, block)| Some(i * pattern.len() + first_difference(pattern, block)?)),
            (None, None) => None,
        };
        if let Some(at) = differs {
            let offset = u64::from(self.done) + at as u64;
            return Err(Ending::check(Sense::MISCOMPARE.with_information(offset), self.total));
        }
        self.done += found.len() as u32;
        Ok(())
    }
}

/// The first place where two slices of one length differ.
pub fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b { None } else { a.iter().zip(b).position(|(a, b)| a != b) }
}
