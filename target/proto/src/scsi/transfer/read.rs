//! Blocks from the store to the initiator.

use super::{SLOTS, extent};
use crate::scsi::fault::{self, Deed};
use crate::scsi::task::{Action, Cx, Ending, Job, State, Step};
use crate::scsi::unit::LogicalUnit;
use mainstay_base::arena::Buf;
use mainstay_base::unit::{Done, Fault, Op};
use std::sync::Arc;

/// One chunk.
#[derive(Debug)]
pub enum ReadSlot {
    Free,
    /// At the store.
    Flying,
    /// Waits for its turn to be sent.
    Ready(u32, Buf),
}

/// A READ in progress. Offsets count from its first byte.
#[derive(Debug)]
pub struct Read {
    /// First byte on the volume.
    pub start: u64,
    /// Bytes to read: whole blocks, no more than the initiator takes.
    pub want: u32,
    /// Bytes to send.
    pub send: u32,
    /// Bytes the CDB names.
    pub total: u32,
    pub asked: u32,
    pub sent: u32,
    /// What is in the write cache goes to the medium first (FUA).
    pub flush: bool,
    pub slots: [ReadSlot; SLOTS],
}

/// READ(6), (10), (12), (16).
pub fn begin_read(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    let extent = extent(job, unit)?;
    let total = extent.bytes(job.block) as u32;
    let send = total.min(job.in_bytes);
    Ok(State::Read(Read {
        start: extent.start(job.block),
        want: send.div_ceil(job.block) * job.block,
        send,
        total,
        asked: 0,
        sent: 0,
        flush: job.cdb.fua() && unit.disk.write_cache && !unit.disk.behaviour.read_only,
        slots: [ReadSlot::Free, ReadSlot::Free],
    }))
}

impl Read {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        if self.flush {
            return if job.flying > 0 { Step::Do(Action::Wait) } else { job.submit(0, Op::Flush) };
        }
        let sent = self.sent;
        if let Some(slot) = self.slots.iter_mut().find(|s| matches!(s, ReadSlot::Ready(at, _) if *at == sent))
            && let ReadSlot::Ready(offset, data) = std::mem::replace(slot, ReadSlot::Free)
        {
            let len = (self.send - offset).min(data.len() as u32);
            self.sent += len;
            return Step::Do(Action::Send { offset, data: Arc::new(data), range: 0..len as usize });
        }
        if self.sent == self.send {
            return Step::End(Ending::good(self.total));
        }
        if self.asked < self.want
            && let Some(slot) = self.slots.iter().position(|s| matches!(s, ReadSlot::Free))
        {
            let len = (self.want - self.asked).min(cx.chunk_max);
            let Some(into) = cx.arena.alloc(len as usize) else {
                return Step::Do(if job.flying > 0 { Action::Wait } else { Action::WaitMemory });
            };
            let at = self.start + u64::from(self.asked);
            self.asked += len;
            self.slots[slot] = ReadSlot::Flying;
            return job.submit(slot as u16, Op::Read { at, into });
        }
        Step::Do(Action::Wait)
    }

    pub fn stored(&mut self, job: &Job, slot: u16, op: Op, result: Result<Done, Fault>) -> Result<(), Ending> {
        let deed = if self.flush { Deed::Flushing } else { Deed::Reading };
        result.map_err(|fault| Ending::check(fault::sense(fault, deed, job.block), self.sent))?;
        self.flush = false;
        if let (Op::Read { at, into }, Some(slot)) = (op, self.slots.get_mut(usize::from(slot))) {
            *slot = ReadSlot::Ready(at.saturating_sub(self.start) as u32, into);
        }
        Ok(())
    }
}
