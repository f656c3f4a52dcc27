//! A task's saved form.

use super::form::*;
use super::{PlaceV1, Unfit, adopt};
use crate::nvme::io::flush::Flush;
use crate::nvme::io::read::{self, Read};
use crate::nvme::io::task::{Ending, Guard, Job, SLOTS, State, Task};
use crate::nvme::io::write::{self, Write};
use crate::nvme::{Entry, Status};
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::sam::{NexusId, TaskKey};
use mainstay_base::unit::VolumeId;

impl Task {
    /// Its whole state. Requests at the store are saved as such; their buffers are the store's to account for.
    pub fn save(&self) -> TaskV1 {
        let Job { key, opcode, fused, given, volume, flying, guard } = &self.job;
        TaskV1 {
            nexus: key.nexus.0,
            tag: key.tag,
            opcode: (*opcode).into(),
            fused: *fused,
            given: *given,
            volume: volume.0,
            flying: (*flying).into(),
            guard: match guard {
                Guard::None => 0,
                Guard::Write => 1,
                Guard::Claim => 2,
            },
            state: Some(save_state(&self.state)),
        }
    }

    /// The task that was saved; its payload is taken from `arena`.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn restore(saved: &TaskV1, arena: &Arena) -> Result<Task, Unfit> {
        let guard = match saved.guard {
            0 => Guard::None,
            1 => Guard::Write,
            2 => Guard::Claim,
            _ => return Err(Unfit::Field("guard")),
        };
        let job = Job {
            key: TaskKey { nexus: NexusId(saved.nexus), tag: saved.tag },
            opcode: saved.opcode.try_into().map_err(|_| Unfit::Field("opcode"))?,
            fused: saved.fused,
            given: saved.given,
            volume: VolumeId(saved.volume),
            flying: saved.flying.try_into().map_err(|_| Unfit::Field("requests"))?,
            guard,
        };
        let state = restore_state(saved.state.as_ref().ok_or(Unfit::Field("state"))?, arena)?;
        Ok(Task { job, state })
    }
}

fn place(buf: &Buf) -> Option<PlaceV1> {
    Some(PlaceV1::of(buf))
}

fn save_state(state: &State) -> StateV1 {
    match state {
        State::New(entry) => StateV1::New(entry.0.to_vec()),
        State::End(ending) => {
            StateV1::End(EndingV1 { first: ending.first.field(false).into(), last: ending.last.field(false).into() })
        }
        State::Read(Read { start, len, asked, sent, flush, slots }) => StateV1::Read(ReadV1 {
            start: *start,
            len: *len,
            asked: *asked,
            sent: *sent,
            flush: *flush,
            slots: slots.iter().map(save_read_slot).collect(),
        }),
        State::Write(Write { start, len, asked, written, durable, slots }) => StateV1::Write(WriteV1 {
            start: *start,
            len: *len,
            asked: *asked,
            written: *written,
            durable: *durable,
            slots: slots.iter().map(save_write_slot).collect(),
        }),
        State::Flush(Flush { next, all }) => StateV1::Flush(FlushV1 { next: *next, all: *all }),
    }
}

fn save_read_slot(slot: &read::Slot) -> SlotV1 {
    let (kind, offset, data) = match slot {
        read::Slot::Free => (0, 0, None),
        read::Slot::Flying => (1, 0, None),
        read::Slot::Ready(offset, data) => (2, *offset, place(data)),
    };
    SlotV1 { kind, offset, len: 0, data }
}

fn save_write_slot(slot: &write::Slot) -> SlotV1 {
    let (kind, offset, len, data) = match slot {
        write::Slot::Free => (0, 0, 0, None),
        write::Slot::Asked(offset, len) => (1, *offset, *len, None),
        write::Slot::Held(offset, data) => (2, *offset, 0, place(data)),
        write::Slot::Flying(len) => (3, 0, *len, None),
    };
    SlotV1 { kind, offset, len, data }
}

fn restore_state(saved: &StateV1, arena: &Arena) -> Result<State, Unfit> {
    let data = |place: &Option<PlaceV1>| adopt(place, arena)?.ok_or(Unfit::Field("payload"));
    Ok(match saved {
        StateV1::New(entry) => State::New(Entry(entry[..].try_into().map_err(|_| Unfit::Field("entry"))?)),
        StateV1::End(ending) => State::End(Ending { first: status(ending.first)?, last: status(ending.last)? }),
        StateV1::Read(r) => State::Read(Read {
            start: r.start,
            len: r.len,
            asked: r.asked,
            sent: r.sent,
            flush: r.flush,
            slots: slots(&r.slots, |slot| match slot.kind {
                0 => Ok(read::Slot::Free),
                1 => Ok(read::Slot::Flying),
                2 => Ok(read::Slot::Ready(slot.offset, data(&slot.data)?)),
                _ => Err(Unfit::Field("slot")),
            })?,
        }),
        StateV1::Write(w) => State::Write(Write {
            start: w.start,
            len: w.len,
            asked: w.asked,
            written: w.written,
            durable: w.durable,
            slots: slots(&w.slots, |slot| match slot.kind {
                0 => Ok(write::Slot::Free),
                1 => Ok(write::Slot::Asked(slot.offset, slot.len)),
                2 => Ok(write::Slot::Held(slot.offset, data(&slot.data)?)),
                3 => Ok(write::Slot::Flying(slot.len)),
                _ => Err(Unfit::Field("slot")),
            })?,
        }),
        StateV1::Flush(f) => State::Flush(Flush { next: f.next, all: f.all }),
    })
}

fn status(field: u32) -> Result<Status, Unfit> {
    Ok(Status::of_field(u16::try_from(field).map_err(|_| Unfit::Field("status"))?))
}

fn slots<T>(saved: &[SlotV1], restore: impl Fn(&SlotV1) -> Result<T, Unfit>) -> Result<[T; SLOTS], Unfit> {
    let slots = saved.iter().map(restore).collect::<Result<Vec<T>, Unfit>>()?;
    slots.try_into().map_err(|_| Unfit::Field("slots"))
}
