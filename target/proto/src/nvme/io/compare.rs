//! Compare (nvm §3.2.1): blocks of the store held against the host's, a step at a time.

use super::blocks::{Blocks, fua, unprotected};
use super::fault;
use super::limits::TRANSFER_BYTES;
use super::task::{Cx, Ending, Job, State, Step};
use crate::nvme::{Action, Entry, Leg, Status};
use mainstay_base::arena::Buf;
use mainstay_base::unit::{Disk, Done, Fault, Op};

/// Where the current step is.
#[derive(Debug)]
pub enum Phase {
    /// What is in the write cache goes to the medium first (FUA).
    Flush,
    /// A new step begins.
    Next,
    /// So many bytes were asked for.
    Asked(u32),
    /// They are here.
    Held(Buf),
    /// The store is being read, to be compared with this.
    Reading(Buf),
}

/// A Compare in progress. Offsets count from its first byte.
#[derive(Debug)]
pub struct Compare {
    /// First byte on the disk.
    pub start: u64,
    /// Bytes to compare.
    pub len: u32,
    /// Bytes found equal.
    pub done: u32,
    pub phase: Phase,
}

/// Compare.
pub fn begin(job: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    unprotected(entry)?;
    let blocks = Blocks::of(entry, &disk.geometry)?.within(TRANSFER_BYTES)?;
    if u64::from(job.given) != blocks.bytes {
        return Err(Status::SGL_LENGTH_INVALID.into());
    }
    let flush = fua(entry) && disk.write_cache && !disk.behaviour.read_only;
    let phase = if flush { Phase::Flush } else { Phase::Next };
    Ok(State::Compare(Compare { start: blocks.start, len: job.given, done: 0, phase }))
}

impl Compare {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Next) {
            Phase::Flush => {
                self.phase = Phase::Flush;
                if job.flying > 0 { Step::Do(Action::Wait) } else { job.submit(0, Op::Flush) }
            }
            Phase::Next if self.done == self.len => Step::End(Ending::OK),
            Phase::Next => {
                let len = (self.len - self.done).min(cx.chunk_max);
                self.phase = Phase::Asked(len);
                Step::Do(Action::Collect { leg: Leg::Last, offset: self.done, len })
            }
            Phase::Held(data) => {
                let Some(into) = cx.arena.alloc(data.len()) else { return Step::End(Ending::INTERRUPTED) };
                self.phase = Phase::Reading(data);
                job.submit(0, Op::Read { at: self.start + u64::from(self.done), into })
            }
            waits @ (Phase::Asked(_) | Phase::Reading(_)) => {
                self.phase = waits;
                Step::Do(Action::Wait)
            }
        }
    }

    pub fn collected(&mut self, offset: u32, data: Buf) {
        if matches!(self.phase, Phase::Asked(len) if len as usize == data.len()) && offset == self.done {
            self.phase = Phase::Held(data);
        }
    }

    pub fn stored(&mut self, op: Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map_err(|fault| fault::status(fault, matches!(op, Op::Read { .. })))?;
        match (std::mem::replace(&mut self.phase, Phase::Next), op) {
            (Phase::Reading(expected), Op::Read { into, .. }) => {
                if expected[..] != into[..] {
                    return Err(Status::COMPARE_FAILURE.into());
                }
                self.done += into.len() as u32;
            }
            (Phase::Flush, Op::Flush) => {}
            (phase, _) => self.phase = phase,
        }
        Ok(())
    }
}
