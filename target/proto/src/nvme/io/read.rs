//! Read (nvm §3.2.4): blocks from the store to the host, in chunks.

use super::blocks::{Blocks, fua, unprotected};
use super::fault;
use super::limits::TRANSFER_BYTES;
use super::task::{Cx, Ending, Job, SLOTS, State, Step};
use crate::nvme::{Action, Entry, Status};
use mainstay_base::arena::Buf;
use mainstay_base::unit::{Disk, Done, Fault, Op};
use std::sync::Arc;

/// One chunk.
#[derive(Debug)]
pub enum Slot {
    Free,
    /// At the store.
    Flying,
    /// Waits for its turn to be sent.
    Ready(u32, Buf),
}

/// A Read in progress. Offsets count from its first byte.
#[derive(Debug)]
pub struct Read {
    /// First byte on the disk.
    pub start: u64,
    /// Bytes to read.
    pub len: u32,
    pub asked: u32,
    pub sent: u32,
    /// What is in the write cache goes to the medium first (FUA).
    pub flush: bool,
    pub slots: [Slot; SLOTS],
}

/// Read.
pub fn begin(job: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    unprotected(entry)?;
    let blocks = Blocks::of(entry, &disk.geometry)?.within(TRANSFER_BYTES)?;
    if u64::from(job.given) != blocks.bytes {
        return Err(Status::SGL_LENGTH_INVALID.into());
    }
    Ok(State::Read(Read {
        start: blocks.start,
        len: job.given,
        asked: 0,
        sent: 0,
        flush: fua(entry) && disk.write_cache && !disk.behaviour.read_only,
        slots: [Slot::Free, Slot::Free],
    }))
}

impl Read {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if self.flush {
            return if job.flying > 0 { Step::Do(Action::Wait) } else { job.submit(0, Op::Flush) };
        }
        let sent = self.sent;
        if let Some(slot) = self.slots.iter_mut().find(|slot| matches!(slot, Slot::Ready(at, _) if *at == sent))
            && let Slot::Ready(offset, data) = std::mem::replace(slot, Slot::Free)
        {
            let range = 0..data.len();
            self.sent += data.len() as u32;
            return Step::Do(Action::Send { offset, data: Arc::new(data), range });
        }
        if self.sent == self.len {
            return Step::End(Ending::OK);
        }
        if self.asked < self.len
            && let Some(slot) = self.slots.iter().position(|slot| matches!(slot, Slot::Free))
        {
            let len = (self.len - self.asked).min(cx.chunk_max);
            let Some(into) = cx.arena.alloc(len as usize) else {
                return Step::Do(if job.flying > 0 { Action::Wait } else { Action::WaitMemory });
            };
            let at = self.start + u64::from(self.asked);
            self.asked += len;
            self.slots[slot] = Slot::Flying;
            return job.submit(slot as u16, Op::Read { at, into });
        }
        Step::Do(Action::Wait)
    }

    pub fn stored(&mut self, slot: u16, op: Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map_err(|fault| fault::status(fault, !self.flush))?;
        self.flush = false;
        if let (Op::Read { at, into }, Some(slot)) = (op, self.slots.get_mut(usize::from(slot))) {
            *slot = Slot::Ready(at.saturating_sub(self.start) as u32, into);
        }
        Ok(())
    }
}
