//! Commands over a range that move no data, as cursors of bounded store requests: Write Zeroes (nvm §3.2.8), Write
//! Uncorrectable (§3.2.7), Verify (§3.2.5).

use super::blocks::{Blocks, fua, unprotected};
use super::fault;
use super::limits::{CURSOR_BYTES, VERIFY_STEP, ZERO_STEP};
use super::task::{Cx, Ending, Job, State, Step};
use crate::nvme::{Action, Entry, Status};
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Disk, Done, Fault, Op};

/// What is done to the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// They become zero; `deallocate`: and their space is given back.
    Zero { deallocate: bool, durable: bool },
    /// They cannot be read until they are written again.
    Mark,
    /// They are read, to see whether they can be; `flush`: what is in the write cache goes to the medium first.
    Verify { flush: bool },
}

/// A command in progress. Offsets are bytes of the disk.
#[derive(Debug)]
pub struct Cursor {
    pub start: u64,
    /// The first byte that is not done.
    pub at: u64,
    pub end: u64,
    pub deed: Deed,
}

fn begin(entry: &Entry, disk: &Disk, deed: Deed) -> Result<State, Ending> {
    let blocks = Blocks::of(entry, &disk.geometry)?.within(CURSOR_BYTES)?;
    Ok(State::Cursor(Cursor { start: blocks.start, at: blocks.start, end: blocks.end(), deed }))
}

/// Write Zeroes.
pub fn begin_zeroes(_: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    unprotected(entry)?;
    // NSZ: the whole namespace at once. Taking it for some blocks would be worse than refusing it.
    if entry.dword(12) & 1 << 23 != 0 {
        return Err(Status::INVALID_FIELD.into());
    }
    let deallocate = entry.dword(12) & 1 << 25 != 0;
    begin(entry, disk, Deed::Zero { deallocate, durable: fua(entry) || !disk.write_cache })
}

/// Write Uncorrectable.
pub fn begin_uncorrectable(_: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    begin(entry, disk, Deed::Mark)
}

/// Verify.
pub fn begin_verify(_: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    unprotected(entry)?;
    begin(entry, disk, Deed::Verify { flush: fua(entry) && disk.write_cache && !disk.behaviour.read_only })
}

impl Cursor {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if self.at == self.end {
            return Step::End(Ending::OK);
        }
        if job.flying > 0 {
            return Step::Do(Action::Wait);
        }
        let (at, left) = (self.at, self.end - self.at);
        let changes = !matches!(self.deed, Deed::Verify { .. });
        if changes && !job.guard_write(cx, Span { start: self.start, end: self.end }) {
            return Step::Do(Action::WaitRange);
        }
        let op = match self.deed {
            Deed::Zero { deallocate, durable } => Op::Zero { at, len: left.min(ZERO_STEP), deallocate, durable },
            Deed::Mark => Op::Mark { at, len: left },
            Deed::Verify { flush: true } => Op::Flush,
            Deed::Verify { flush: false } => {
                let len = left.min(VERIFY_STEP).min(u64::from(cx.chunk_max));
                let Some(into) = cx.arena.alloc(len as usize) else { return Step::Do(Action::WaitMemory) };
                Op::Read { at, into }
            }
        };
        job.submit(0, op)
    }

    pub fn stored(&mut self, op: &Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map_err(|fault| fault::status(fault, matches!(op, Op::Read { .. })))?;
        match op {
            Op::Zero { len, .. } | Op::Mark { len, .. } => self.at += len,
            Op::Read { into, .. } => self.at += into.len() as u64,
            Op::Flush => self.deed = Deed::Verify { flush: false },
            Op::Write { .. } | Op::Extent { .. } | Op::Protect => {}
        }
        Ok(())
    }
}
