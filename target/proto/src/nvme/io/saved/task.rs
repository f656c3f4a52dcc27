//! A task's saved form.

use super::form::*;
use super::{PlaceV1, Unfit, adopt};
use crate::nvme::io::compare::{self, Compare};
use crate::nvme::io::copy::{self, Copy, Source};
use crate::nvme::io::cursor::{Cursor, Deed};
use crate::nvme::io::deallocate::{Deallocate, List};
use crate::nvme::io::flush::Flush;
use crate::nvme::io::pair::{self, Pair};
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
        State::End(ending) => StateV1::End(EndingV1 {
            first: ending.first.field(false).into(),
            last: ending.last.field(false).into(),
            result: ending.result,
        }),
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
        State::Cursor(cursor) => StateV1::Cursor(save_cursor(cursor)),
        State::Deallocate(Deallocate { len, ranges, list, index, done, durable }) => {
            let (list, data) = match list {
                List::Wanted { asked } => (u32::from(*asked), None),
                List::Here(data) => (2, place(data)),
                List::Checked(data) => (3, place(data)),
            };
            let (len, ranges, index, done, durable) = (*len, *ranges, *index, *done, *durable);
            StateV1::Deallocate(DeallocateV1 { len, ranges, index, done, durable, list, data })
        }
        State::Compare(Compare { start, len, done, phase }) => {
            let (phase, asked, data) = match phase {
                compare::Phase::Flush => (0, 0, None),
                compare::Phase::Next => (1, 0, None),
                compare::Phase::Asked(len) => (2, *len, None),
                compare::Phase::Held(data) => (3, 0, place(data)),
                compare::Phase::Reading(data) => (4, 0, place(data)),
            };
            StateV1::Compare(CompareV1 { start: *start, len: *len, done: *done, phase, asked, data })
        }
        State::Pair(pair) => StateV1::Pair(save_pair(pair)),
        State::Copy(copy) => StateV1::Copy(save_copy(copy)),
    }
}

fn save_cursor(cursor: &Cursor) -> CursorV1 {
    let &Cursor { start, at, end, deed } = cursor;
    let saved = CursorV1 { start, at, end, ..CursorV1::default() };
    match deed {
        Deed::Zero { deallocate, durable } => CursorV1 { deed: 1, deallocate, durable, ..saved },
        Deed::Mark => CursorV1 { deed: 2, ..saved },
        Deed::Verify { flush } => CursorV1 { deed: 3, flush, ..saved },
    }
}

fn save_pair(pair: &Pair) -> PairV1 {
    let Pair { start, len, durable, phase } = pair;
    let saved = PairV1 { start: *start, len: *len, durable: *durable, ..PairV1::default() };
    let maybe = |buf: &Option<Buf>| buf.as_ref().and_then(place);
    match phase {
        pair::Phase::Collect(asked, expected, new) => {
            PairV1 { phase: 0, asked: (*asked).into(), expected: maybe(expected), new: maybe(new), ..saved }
        }
        pair::Phase::Held(expected, new, room) => {
            PairV1 { phase: 1, expected: place(expected), new: place(new), room: maybe(room), ..saved }
        }
        pair::Phase::Reading(expected, new) => PairV1 { phase: 2, expected: place(expected), new: place(new), ..saved },
        pair::Phase::Equal(new) => PairV1 { phase: 3, new: place(new), ..saved },
        pair::Phase::Writing => PairV1 { phase: 4, ..saved },
        pair::Phase::Finished => PairV1 { phase: 5, ..saved },
    }
}

fn save_copy(copy: &Copy) -> CopyV1 {
    let Copy { lba, list, format, ranges, durable, sources, index, done, to, phase } = copy;
    let (phase, data) = match phase {
        copy::Phase::Wanted { asked } => (u32::from(*asked), None),
        copy::Phase::Here(data) => (2, place(data)),
        copy::Phase::Next => (3, None),
        copy::Phase::Reading => (4, None),
        copy::Phase::Held(data) => (5, place(data)),
        copy::Phase::Writing => (6, None),
    };
    CopyV1 {
        lba: *lba,
        list: *list,
        format: (*format).into(),
        ranges: *ranges,
        durable: *durable,
        sources: sources.iter().map(|&Source { start, len }| SourceV1 { start, len }).collect(),
        index: *index,
        done: *done,
        to: *to,
        phase,
        data,
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
        StateV1::End(ending) => {
            State::End(Ending { first: status(ending.first)?, last: status(ending.last)?, result: ending.result })
        }
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
        &StateV1::Cursor(CursorV1 { start, at, end, deed, deallocate, durable, flush }) => State::Cursor(Cursor {
            start,
            at,
            end,
            deed: match deed {
                1 => Deed::Zero { deallocate, durable },
                2 => Deed::Mark,
                3 => Deed::Verify { flush },
                _ => return Err(Unfit::Field("deed")),
            },
        }),
        StateV1::Deallocate(d) => State::Deallocate(Deallocate {
            len: d.len,
            ranges: d.ranges,
            index: d.index,
            done: d.done,
            durable: d.durable,
            list: match d.list {
                0 | 1 => List::Wanted { asked: d.list == 1 },
                2 => List::Here(data(&d.data)?),
                3 => List::Checked(data(&d.data)?),
                _ => return Err(Unfit::Field("list")),
            },
        }),
        StateV1::Compare(c) => State::Compare(Compare {
            start: c.start,
            len: c.len,
            done: c.done,
            phase: match c.phase {
                0 => compare::Phase::Flush,
                1 => compare::Phase::Next,
                2 => compare::Phase::Asked(c.asked),
                3 => compare::Phase::Held(data(&c.data)?),
                4 => compare::Phase::Reading(data(&c.data)?),
                _ => return Err(Unfit::Field("phase")),
            },
        }),
        StateV1::Pair(p) => State::Pair(Pair {
            start: p.start,
            len: p.len,
            durable: p.durable,
            phase: match p.phase {
                0 => pair::Phase::Collect(p.asked.min(2) as u8, adopt(&p.expected, arena)?, adopt(&p.new, arena)?),
                1 => pair::Phase::Held(data(&p.expected)?, data(&p.new)?, adopt(&p.room, arena)?),
                2 => pair::Phase::Reading(data(&p.expected)?, data(&p.new)?),
                3 => pair::Phase::Equal(data(&p.new)?),
                4 => pair::Phase::Writing,
                5 => pair::Phase::Finished,
                _ => return Err(Unfit::Field("phase")),
            },
        }),
        StateV1::Copy(c) => State::Copy(Copy {
            lba: c.lba,
            list: c.list,
            format: c.format.try_into().map_err(|_| Unfit::Field("format"))?,
            ranges: c.ranges,
            durable: c.durable,
            sources: c.sources.iter().map(|&SourceV1 { start, len }| Source { start, len }).collect(),
            index: c.index,
            done: c.done,
            to: c.to,
            phase: match c.phase {
                0 | 1 => copy::Phase::Wanted { asked: c.phase == 1 },
                2 => copy::Phase::Here(data(&c.data)?),
                3 => copy::Phase::Next,
                4 => copy::Phase::Reading,
                5 => copy::Phase::Held(data(&c.data)?),
                6 => copy::Phase::Writing,
                _ => return Err(Unfit::Field("phase")),
            },
        }),
    })
}

fn status(field: u32) -> Result<Status, Unfit> {
    Ok(Status::of_field(u16::try_from(field).map_err(|_| Unfit::Field("status"))?))
}

fn slots<T>(saved: &[SlotV1], restore: impl Fn(&SlotV1) -> Result<T, Unfit>) -> Result<[T; SLOTS], Unfit> {
    let slots = saved.iter().map(restore).collect::<Result<Vec<T>, Unfit>>()?;
    slots.try_into().map_err(|_| Unfit::Field("slots"))
}
