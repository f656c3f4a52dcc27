//! I/O commands: fused pairs, tasks, and what they wish for.

use super::slots::{Doing, Want};
use super::{CHUNK_MAX, Cx, Effect, Queue, Role};
use crate::nvme::io::{self, Task};
use crate::nvme::{Action, Fuse, Leg, Reply, Status};
use crate::nvmetcp::Tag;
use mainstay_base::arena::{Buf, GRANULE};
use mainstay_base::sam::TaskKey;
use mainstay_base::unit::{Request, Ticket, VolumeId};

impl Queue {
    /// A command of an I/O queue that is none of Fabrics. `refused`: the transport says that its data is not to be had.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, index: u16, refused: Option<Status>) {
        let Some(slot) = self.slots.at(index) else { return };
        let fuse = slot.entry.fuse();
        // The two of a pair stand next to each other in the queue (base §3.4.2).
        match (self.half.take(), fuse) {
            (Some(first), Fuse::Second) => self.pair(cx, first, index, refused),
            (None, Fuse::Second) => self.deny(cx, index, Status::ABORTED_MISSING_FUSED),
            (half, fuse) => {
                if let Some(first) = half {
                    self.deny(cx, first, Status::ABORTED_MISSING_FUSED);
                }
                match (fuse, refused) {
                    (Fuse::First, refused) => {
                        self.half = Some(index);
                        self.becomes(index, Doing::Half(refused));
                    }
                    (Fuse::Reserved, _) => self.deny(cx, index, Status::INVALID_FIELD),
                    (_, Some(status)) => self.deny(cx, index, status),
                    (_, None) => {
                        let key = self.key(index);
                        let Some(slot) = self.slots.at(index) else { return };
                        let task = Task::new(key, &slot.entry, slot.given);
                        slot.doing = Doing::Io { task, first: None };
                        self.run(cx, index);
                    }
                }
            }
        }
    }

    fn pair(&mut self, cx: &mut Cx<'_>, first: u16, last: u16, refused: Option<Status>) {
        let of = |slot: &mut super::slots::Slot| {
            let refused = if let Doing::Half(refused) = slot.doing { refused } else { None };
            (slot.entry, slot.given, refused)
        };
        let (Some((lead, lead_given, lead_refused)), Some((entry, given, _))) =
            (self.slots.at(first).map(of), self.slots.at(last).map(of))
        else {
            return;
        };
        if lead_refused.is_some() || refused.is_some() {
            self.deny(cx, first, lead_refused.unwrap_or(Status::ABORTED_FAILED_FUSED));
            return self.deny(cx, last, refused.unwrap_or(Status::ABORTED_FAILED_FUSED));
        }
        let task = Task::fused(self.key(last), &lead, lead_given, &entry, given);
        self.becomes(first, Doing::Led { by: last });
        self.becomes(last, Doing::Io { task, first: Some(first) });
        self.run(cx, last);
    }

    fn key(&self, index: u16) -> TaskKey {
        TaskKey { nexus: self.id, tag: u32::from(index) }
    }

    /// Let a task take one step. False: it waits, or has ended.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>, index: u16) -> bool {
        let Role::Io { view, .. } = &self.role else { return false };
        let Some(slot) = self.slots.at(index) else { return false };
        let Doing::Io { task, first } = &mut slot.doing else { return false };
        let (serial, first) = (slot.serial, *first);
        // A capsule's data is collected in one piece (its bound is that of the site); every chunk is whole blocks.
        let chunk = cx.arena.room().min(CHUNK_MAX).max((cx.site.limits.in_capsule as usize).next_multiple_of(GRANULE));
        let action = task.poll(&mut io::Cx {
            now: cx.now,
            arena: cx.arena,
            nexus: self.id,
            disks: &mut *cx.disks,
            view,
            chunk_max: chunk as u32,
        });
        if let Some(volume) = task.volume() {
            wake_others(cx, volume);
        }
        match action {
            Action::Collect { leg, offset, len } => {
                let of = if leg == Leg::First { first.unwrap_or(index) } else { index };
                self.collect(cx, index, leg, of, offset, len);
                return true;
            }
            Action::Submit { slot, volume, op } => {
                let ticket = join(index, serial, slot);
                cx.effects.push(Effect::Store(Request { ticket, volume, op }));
                return true;
            }
            Action::Send { offset, data, range } => {
                self.connection.send(Tag(index), offset, data, range);
                return true;
            }
            Action::Wait => self.slots.wait_for(index, Want::Input),
            Action::WaitMemory => self.slots.wait_for(index, Want::Memory),
            Action::WaitRange => self.slots.wait_for(index, Want::Range),
            Action::Done { first: lead, last } => {
                for (index, reply) in [first.zip(lead), Some((index, last))].into_iter().flatten() {
                    if let Some(entry) = self.slots.at(index).map(|slot| slot.entry) {
                        self.report(cx, &entry, reply.status);
                    }
                    self.finish(cx, index, reply);
                }
            }
        }
        false
    }

    /// Data of a command: what came with it is handed on, the rest is asked for.
    fn collect(&mut self, cx: &mut Cx<'_>, index: u16, leg: Leg, of: u16, offset: u32, len: u32) {
        match self.slots.at(of).and_then(|slot| slot.capsule.take()) {
            Some(mut data) if offset == 0 && len as usize <= data.len() => {
                data.truncate(len as usize);
                self.hand_over(index, leg, offset, data);
            }
            // A task that takes it in other pieces would be our own mistake; the host can try again.
            Some(_) => {
                if let Some(Doing::Io { task, .. }) = self.slots.at(index).map(|slot| &mut slot.doing) {
                    task.abort(Status::INTERNAL_ERROR);
                }
            }
            None => self.connection.collect(&cx.transport(), Tag(of), offset, len),
        }
    }

    fn hand_over(&mut self, index: u16, leg: Leg, offset: u32, data: Buf) {
        if let Some(slot) = self.slots.at(index)
            && let Doing::Io { task, .. } = &mut slot.doing
            && !slot.aborted
        {
            task.collected(leg, offset, data);
        }
    }

    /// Data that was asked for has come.
    pub(super) fn collected(&mut self, cx: &mut Cx<'_>, of: u16, offset: u32, data: Buf) {
        let Some(slot) = self.slots.at(of) else { return };
        match slot.doing {
            Doing::Io { .. } => {
                self.hand_over(of, Leg::Last, offset, data);
                self.run(cx, of);
            }
            Doing::Led { by } => {
                self.hand_over(by, Leg::First, offset, data);
                self.run(cx, by);
            }
            Doing::Collecting => self.take_bytes(cx, of, &data),
            _ => {}
        }
    }

    /// A command ends before its time, and a pair with it.
    pub(super) fn end_early(&mut self, cx: &mut Cx<'_>, index: u16, status: Status) {
        let Some(slot) = self.slots.at(index) else { return };
        match &mut slot.doing {
            Doing::Led { by } => {
                let by = *by;
                self.end_early(cx, by, status);
            }
            Doing::Io { task, first } => {
                let first = *first;
                task.abort(status);
                slot.aborted = true;
                self.slots.wait_for(index, Want::Input);
                for tag in [first, Some(index)].into_iter().flatten() {
                    self.connection.cancel(Tag(tag));
                }
                self.run(cx, index);
            }
            Doing::Collecting => {
                self.connection.cancel(Tag(index));
                self.deny(cx, index, status);
            }
            Doing::Half(_) => {
                self.half = None;
                self.deny(cx, index, status);
            }
            Doing::Answer { .. } => self.deny(cx, index, status),
            Doing::Deciding(_) | Doing::Proving | Doing::Event => {}
            Doing::Aborting { .. } | Doing::Leaving | Doing::Flushing { .. } => {}
        }
    }
}

/// Queues and nexuses that waited for a range of the disk have to be polled.
fn wake_others(cx: &mut Cx<'_>, volume: VolumeId) {
    if let Some(disk) = cx.disks.disk_mut(volume) {
        cx.effects.extend(disk.wake.drain(..).map(Effect::Wake));
    }
}

/// A ticket names slot of task of queue: `serial` keeps a late answer from meeting the next user of the index.
pub(super) fn join(index: u16, serial: u32, slot: u16) -> Ticket {
    Ticket(u64::from(serial) << 32 | u64::from(index) << 16 | u64::from(slot))
}

pub(super) fn split(Ticket(ticket): Ticket) -> (u16, u32, u16) {
    ((ticket >> 16) as u16, (ticket >> 32) as u32, ticket as u16)
}

/// How a good Abort ends its command.
pub(super) fn was_aborted(reply: Reply) -> bool {
    reply.status == Status::ABORT_REQUESTED
}
