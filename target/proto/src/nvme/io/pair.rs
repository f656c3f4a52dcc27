//! Compare and Write (base §6.2, nvm §3.1.1): compare and write with no other write of the disk in between, by whatever protocol.

use super::blocks::{Blocks, fua, unprotected};
use super::limits::COMPARE_WRITE_BYTES;
use super::task::{Cx, Ending, Job, State, Step};
use super::{fault, table};
use crate::nvme::{Action, Entry, Fuse, Leg, Status};
use mainstay_base::arena::Buf;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Disk, Done, Fault, Op};

/// Where it is.
#[derive(Debug)]
pub enum Phase {
    /// So many of the two parts of the data were asked for; those that are here.
    Collect(u8, Option<Buf>, Option<Buf>),
    /// What to expect, what to write, and room for what the medium holds.
    Held(Buf, Buf, Option<Buf>),
    /// The medium is being read.
    Reading(Buf, Buf),
    /// Equal: this is to be written.
    Equal(Buf),
    Writing,
    Finished,
}

/// A Compare and Write in progress.
#[derive(Debug)]
pub struct Pair {
    pub start: u64,
    /// Bytes compared; as many are written.
    pub len: u32,
    pub durable: bool,
    pub phase: Phase,
}

/// Whether two entries are a pair. Where they do not fit each other, both are told.
pub fn check(first: &Entry, last: &Entry) -> Result<(), Ending> {
    let opcodes = (first.opcode(), last.opcode()) == (table::COMPARE, table::WRITE);
    let fuses = (first.fuse(), last.fuse()) == (Fuse::First, Fuse::Second);
    let blocks = |entry: &Entry| (entry.nsid(), entry.qword(10), entry.dword(12) & 0xffff);
    if !opcodes || !fuses || blocks(first) != blocks(last) {
        return Err(Status::INVALID_FIELD.into());
    }
    unprotected(first).map_err(|status| Ending { last: Status::ABORTED_FAILED_FUSED, ..status.into() })?;
    unprotected(last).map_err(|status| Ending { first: Status::ABORTED_FAILED_FUSED, ..status.into() })
}

/// Compare and Write; `entry` is the Write's.
pub fn begin(job: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    let blocks = Blocks::of(entry, &disk.geometry)?;
    if blocks.bytes > COMPARE_WRITE_BYTES {
        return Err(Status::ATOMIC_WRITE_UNIT_EXCEEDED.into());
    }
    if u64::from(job.given) != blocks.bytes {
        return Err(Status::SGL_LENGTH_INVALID.into());
    }
    let phase = Phase::Collect(0, None, None);
    let durable = fua(entry) || !disk.write_cache;
    Ok(State::Pair(Pair { start: blocks.start, len: job.given, durable, phase }))
}

impl Pair {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Finished) {
                Phase::Collect(_, Some(expected), Some(new)) => self.phase = Phase::Held(expected, new, None),
                Phase::Collect(asked, expected, new) => {
                    self.phase = Phase::Collect(2.min(asked + 1), expected, new);
                    let leg = match asked {
                        0 => Leg::First,
                        1 => Leg::Last,
                        _ => return Step::Do(Action::Wait),
                    };
                    return Step::Do(Action::Collect { leg, offset: 0, len: self.len });
                }
                Phase::Held(expected, new, room) => {
                    // Room before the claim: whoever holds a range must not wait for memory.
                    let Some(into) = room.or_else(|| cx.arena.alloc(self.len as usize)) else {
                        return Step::End(Ending::INTERRUPTED);
                    };
                    let span = Span { start: self.start, end: self.start + u64::from(self.len) };
                    if !job.guard_claim(cx, span) {
                        self.phase = Phase::Held(expected, new, Some(into));
                        return Step::Do(Action::WaitRange);
                    }
                    self.phase = Phase::Reading(expected, new);
                    return job.submit(0, Op::Read { at: self.start, into });
                }
                Phase::Equal(from) => {
                    self.phase = Phase::Writing;
                    return job.submit(0, Op::Write { at: self.start, from, durable: self.durable });
                }
                Phase::Finished => return Step::End(Ending::OK),
                waits @ (Phase::Reading(..) | Phase::Writing) => {
                    self.phase = waits;
                    return Step::Do(Action::Wait);
                }
            }
        }
    }

    pub fn collected(&mut self, leg: Leg, data: Buf) {
        if let Phase::Collect(asked, expected, new) = &mut self.phase
            && data.len() == self.len as usize
        {
            match leg {
                Leg::First if *asked > 0 => *expected = Some(data),
                Leg::Last if *asked > 1 => *new = Some(data),
                Leg::First | Leg::Last => {}
            }
        }
    }

    pub fn stored(&mut self, op: Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        let reading = matches!(op, Op::Read { .. });
        if let Err(fault) = result {
            let status = fault::status(fault, reading);
            // The one that was at work is told; what was compared well stays so.
            return Err(match reading {
                true => Ending { last: Status::ABORTED_FAILED_FUSED, ..status.into() },
                false => Ending { first: Status::SUCCESS, ..status.into() },
            });
        }
        match (std::mem::replace(&mut self.phase, Phase::Finished), op) {
            (Phase::Reading(expected, new), Op::Read { into, .. }) => {
                if expected[..] != into[..] {
                    let last = Status::ABORTED_FAILED_FUSED;
                    return Err(Ending { last, ..Status::COMPARE_FAILURE.into() });
                }
                self.phase = Phase::Equal(new);
            }
            (Phase::Writing, Op::Write { .. }) => {}
            (phase, _) => self.phase = phase,
        }
        Ok(())
    }
}
