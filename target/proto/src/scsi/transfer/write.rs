//! Blocks from the initiator to the store.

use super::{SLOTS, extent, given};
use crate::scsi::fault::{self, Deed};
use crate::scsi::task::{Action, Cx, Ending, Job, State, Step};
use crate::scsi::unit::LogicalUnit;
use mainstay_base::arena::Buf;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Done, Fault, Op};

/// One chunk: its offset, and its bytes or their number.
#[derive(Debug)]
pub enum WriteSlot {
    Free,
    /// Asked of the initiator.
    Asked(u32, u32),
    /// Here.
    Held(u32, Buf),
    /// At the store.
    Flying(u32),
}

/// A WRITE in progress. Offsets count from its first byte.
#[derive(Debug)]
pub struct Write {
    /// First byte on the volume.
    pub start: u64,
    /// Bytes to write: whole blocks, no more than the initiator gives.
    pub want: u32,
    /// Bytes the CDB names.
    pub total: u32,
    pub asked: u32,
    pub written: u32,
    pub durable: bool,
    pub slots: [WriteSlot; SLOTS],
}

/// WRITE(6), (10), (12), (16).
pub fn begin_write(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    let extent = extent(job, unit)?;
    let total = extent.bytes(job.block) as u32;
    Ok(State::Write(Write {
        start: extent.start(job.block),
        want: given(job, total)?,
        total,
        asked: 0,
        written: 0,
        durable: job.cdb.fua() || !unit.disk.write_cache,
        slots: [WriteSlot::Free, WriteSlot::Free],
    }))
}

impl Write {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if self.written == self.want {
            return Step::End(Ending::good(self.total));
        }
        if self.asked < self.want
            && let Some(slot) = self.slots.iter_mut().find(|s| matches!(s, WriteSlot::Free))
        {
            let (offset, len) = (self.asked, (self.want - self.asked).min(cx.chunk_max));
            self.asked += len;
            *slot = WriteSlot::Asked(offset, len);
            return Step::Do(Action::Collect { offset, len });
        }
        let Some(slot) = self.slots.iter().position(|s| matches!(s, WriteSlot::Held(..))) else {
            return Step::Do(Action::Wait);
        };
        let span = Span { start: self.start, end: self.start + u64::from(self.want) };
        if !job.guard_write(cx, span) {
            return Step::Do(Action::WaitRange);
        }
        match std::mem::replace(&mut self.slots[slot], WriteSlot::Free) {
            WriteSlot::Held(offset, from) => {
                self.slots[slot] = WriteSlot::Flying(from.len() as u32);
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
        let asked =
            |slot: &&mut WriteSlot| matches!(slot, WriteSlot::Asked(o, l) if *o == offset && *l as usize == data.len());
        if let Some(slot) = self.slots.iter_mut().find(asked) {
            *slot = WriteSlot::Held(offset, data);
        }
    }

    pub fn stored(&mut self, job: &Job, slot: u16, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map_err(|fault| Ending::check(fault::sense(fault, Deed::Writing, job.block), self.total))?;
        if let Some(slot) = self.slots.get_mut(usize::from(slot))
            && let WriteSlot::Flying(len) = *slot
        {
            self.written += len;
            *slot = WriteSlot::Free;
        }
        Ok(())
    }
}
