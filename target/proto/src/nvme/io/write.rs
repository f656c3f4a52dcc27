//! Write (nvm §3.2.6): blocks from the host to the store, in chunks.

use super::blocks::{Blocks, fua, unprotected};
use super::fault;
use super::limits::TRANSFER_BYTES;
use super::task::{Cx, Ending, Job, SLOTS, State, Step};
use crate::nvme::{Action, Entry, Leg, Status};
use mainstay_base::arena::Buf;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Disk, Done, Fault, Op};

/// One chunk: its offset, and its bytes or their number.
#[derive(Debug)]
pub enum Slot {
    Free,
    /// Asked of the host.
    Asked(u32, u32),
    /// Here.
    Held(u32, Buf),
    /// At the store.
    Flying(u32),
}

/// A Write in progress. Offsets count from its first byte.
#[derive(Debug)]
pub struct Write {
    /// First byte on the disk.
    pub start: u64,
    /// Bytes to write.
    pub len: u32,
    pub asked: u32,
    pub written: u32,
    pub durable: bool,
    pub slots: [Slot; SLOTS],
}

/// Write. Hints (DSM, directives, LR) are taken and mean nothing.
pub fn begin(job: &Job, entry: &Entry, disk: &Disk) -> Result<State, Ending> {
    unprotected(entry)?;
    let blocks = Blocks::of(entry, &disk.geometry)?.within(TRANSFER_BYTES)?;
    if u64::from(job.given) != blocks.bytes {
        return Err(Status::SGL_LENGTH_INVALID.into());
    }
    Ok(State::Write(Write {
        start: blocks.start,
        len: job.given,
        asked: 0,
        written: 0,
        durable: fua(entry) || !disk.write_cache,
        slots: [Slot::Free, Slot::Free],
    }))
}

impl Write {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if self.written == self.len {
            return Step::End(Ending::OK);
        }
        if self.asked < self.len
            && let Some(slot) = self.slots.iter_mut().find(|slot| matches!(slot, Slot::Free))
        {
            let (offset, len) = (self.asked, (self.len - self.asked).min(cx.chunk_max));
            self.asked += len;
            *slot = Slot::Asked(offset, len);
            return Step::Do(Action::Collect { leg: Leg::Last, offset, len });
        }
        let Some(slot) = self.slots.iter().position(|slot| matches!(slot, Slot::Held(..))) else {
            return Step::Do(Action::Wait);
        };
        let span = Span { start: self.start, end: self.start + u64::from(self.len) };
        if !job.guard_write(cx, span) {
            return Step::Do(Action::WaitRange);
        }
        match std::mem::replace(&mut self.slots[slot], Slot::Free) {
            Slot::Held(offset, from) => {
                self.slots[slot] = Slot::Flying(from.len() as u32);
                let at = self.start + u64::from(offset);
                job.submit(slot as u16, Op::Write { at, from, durable: self.durable })
            }
            other => {
                self.slots[slot] = other;
                Step::Do(Action::Wait)
            }
        }
    }

    pub fn collected(&mut self, offset: u32, data: Buf) {
        let asked = |slot: &&mut Slot| matches!(slot, Slot::Asked(o, l) if *o == offset && *l as usize == data.len());
        if let Some(slot) = self.slots.iter_mut().find(asked) {
            *slot = Slot::Held(offset, data);
        }
    }

    pub fn stored(&mut self, slot: u16, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map_err(|fault| fault::status(fault, false))?;
        if let Some(slot) = self.slots.get_mut(usize::from(slot))
            && let Slot::Flying(len) = *slot
        {
            self.written += len;
            *slot = Slot::Free;
        }
        Ok(())
    }
}
