//! A task's saved form.

use super::form::*;
use super::{PlaceV1, Unfit, adopt};
use crate::scsi::cache::{Flush, Then};
use crate::scsi::cdb::Cdb;
use crate::scsi::compare::{self, Compare};
use crate::scsi::lba_status::{LbaStatus, Run};
use crate::scsi::mode::{ModeSelect, SelectPhase};
use crate::scsi::sense::{Field, Key, Sense};
use crate::scsi::task::{Ending, Guard, Job, State, Task};
use crate::scsi::transfer::{Check, Read, ReadSlot, SLOTS, Verify, VerifyPhase, Write, WriteSlot};
use crate::scsi::unmap::{List, Unmap};
use crate::scsi::write_same::{Fill, WriteSame};
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::sam::{NexusId, Status, TaskKey};
use std::sync::Arc;

impl Task {
    /// Its whole state. Requests at the store are saved as such; their buffers are the store's to account for.
    pub fn save(&self) -> TaskV1 {
        let job = &self.job;
        TaskV1 {
            nexus: job.key.nexus.0,
            tag: job.key.tag,
            cdb: job.cdb.0.to_vec(),
            in_bytes: job.in_bytes,
            out_bytes: job.out_bytes,
            block: job.block,
            flying: job.flying.into(),
            guard: match job.guard {
                Guard::None => 0,
                Guard::Write => 1,
                Guard::Claim => 2,
            },
            state: Some(save_state(&self.state)),
        }
    }

    /// The task that was saved; its payload is taken from `arena`.
    pub fn restore(saved: &TaskV1, arena: &Arena) -> Result<Task, Unfit> {
        if !saved.block.is_power_of_two() {
            return Err(Unfit::Field("block size"));
        }
        let guard = match saved.guard {
            0 => Guard::None,
            1 => Guard::Write,
            2 => Guard::Claim,
            _ => return Err(Unfit::Field("guard")),
        };
        let job = Job {
            key: TaskKey { nexus: NexusId(saved.nexus), tag: saved.tag },
            cdb: Cdb::new(&saved.cdb),
            in_bytes: saved.in_bytes,
            out_bytes: saved.out_bytes,
            block: saved.block,
            flying: saved.flying as u16,
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
        State::New => StateV1::New(true),
        State::End(ending) => StateV1::End(save_ending(ending)),
        State::Answer(data, len, ending) => {
            StateV1::Answer(AnswerV1 { data: PlaceV1::of(data), len: *len, ending: save_ending(ending) })
        }
        State::Read(r) => StateV1::Read(ReadV1 {
            start: r.start,
            want: r.want,
            send: r.send,
            total: r.total,
            asked: r.asked,
            sent: r.sent,
            flush: r.flush,
            slots: r.slots.iter().map(save_read_slot).collect(),
        }),
        State::Write(w) => StateV1::Write(WriteV1 {
            start: w.start,
            want: w.want,
            total: w.total,
            asked: w.asked,
            written: w.written,
            durable: w.durable,
            slots: w.slots.iter().map(save_write_slot).collect(),
        }),
        State::Verify(v) => StateV1::Verify(save_verify(v)),
        State::WriteSame(s) => {
            let (fill, data) = match &s.fill {
                Fill::Wanted { asked } => (u32::from(*asked), None),
                Fill::Pattern(data) => (2, place(data)),
                Fill::Copies(data) => (3, data.as_ref().and_then(place)),
                Fill::Zero => (4, None),
            };
            let WriteSame { start, at, end, deallocate, durable, moved, .. } = *s;
            StateV1::WriteSame(WriteSameV1 { start, at, end, deallocate, durable, moved, fill, data })
        }
        State::Unmap(u) => {
            let (list, data) = match &u.list {
                List::Wanted { asked } => (u32::from(*asked), None),
                List::Here(data) => (2, place(data)),
                List::Checked(data) => (3, place(data)),
            };
            StateV1::Unmap(UnmapV1 { len: u.len, index: u.index, done: u.done, durable: u.durable, list, data })
        }
        State::LbaStatus(s) => StateV1::LbaStatus(LbaStatusV1 {
            lba: s.lba,
            end: s.end,
            room: s.room,
            thick: s.thick,
            runs: s.runs.iter().map(|r| RunV1 { lba: r.lba, blocks: r.blocks, mapped: r.mapped }).collect(),
        }),
        State::Compare(c) => {
            let (phase, data, room) = match &c.phase {
                compare::Phase::Begin => (0, None, None),
                compare::Phase::Asked => (1, None, None),
                compare::Phase::Held(data, room) => (2, place(data), room.as_ref().and_then(place)),
                compare::Phase::Reading(data) => (3, place(data), None),
                compare::Phase::Equal(data) => (4, place(data), None),
                compare::Phase::Writing => (5, None, None),
                compare::Phase::Finished => (6, None, None),
            };
            StateV1::Compare(CompareV1 { start: c.start, len: c.len, durable: c.durable, phase, data, room })
        }
        State::Flush(f) => {
            let then = match f.then {
                Then::Nothing => 0,
                Then::Stop => 1,
                Then::Eject => 2,
            };
            StateV1::Flush(FlushV1 { then, flushed: f.flushed })
        }
        State::ModeSelect(s) => {
            let (phase, data) = match &s.phase {
                SelectPhase::Wanted => (0, None),
                SelectPhase::Asked => (1, None),
                SelectPhase::Here(data) => (2, place(data)),
                SelectPhase::Flush => (3, None),
                SelectPhase::Flushed => (4, None),
            };
            StateV1::ModeSelect(ModeSelectV1 { len: s.len, ten: s.ten, phase, data })
        }
    }
}

fn save_ending(ending: &Ending) -> EndingV1 {
    let sense = ending.sense.map(|sense| SenseV1 {
        key: sense.key as u32,
        code: sense.code.into(),
        information: sense.information,
        field: sense.field.map(|field| FieldV1 {
            command: field.command,
            byte: field.byte.into(),
            bit: field.bit.map(u32::from),
        }),
    });
    EndingV1 { status: ending.status as u32, moved: ending.moved, sense }
}

fn save_read_slot(slot: &ReadSlot) -> SlotV1 {
    let (kind, offset, data) = match slot {
        ReadSlot::Free => (0, 0, None),
        ReadSlot::Flying => (1, 0, None),
        ReadSlot::Ready(offset, data) => (2, *offset, place(data)),
    };
    SlotV1 { kind, offset, len: 0, data }
}

fn save_write_slot(slot: &WriteSlot) -> SlotV1 {
    let (kind, offset, len, data) = match slot {
        WriteSlot::Free => (0, 0, 0, None),
        WriteSlot::Asked(offset, len) => (1, *offset, *len, None),
        WriteSlot::Held(offset, data) => (2, *offset, 0, place(data)),
        WriteSlot::Flying(len) => (3, 0, *len, None),
    };
    SlotV1 { kind, offset, len, data }
}

fn save_verify(v: &Verify) -> VerifyV1 {
    let (phase, asked, data) = match &v.phase {
        VerifyPhase::Next => (0, 0, None),
        VerifyPhase::Asked(len) => (1, *len, None),
        VerifyPhase::Held(data) => (2, 0, place(data)),
        VerifyPhase::Writing => (3, 0, None),
        VerifyPhase::Check(data) => (4, 0, data.as_ref().and_then(place)),
        VerifyPhase::Reading(data) => (5, 0, data.as_ref().and_then(place)),
    };
    let check = match v.check {
        Check::Readable => 0,
        Check::Each => 1,
        Check::Same => 2,
    };
    let pattern = v.pattern.as_ref().and_then(place);
    let Verify { start, want, total, done, write, .. } = *v;
    VerifyV1 { start, want, total, done, check, write, pattern, phase, asked, data }
}

fn restore_state(saved: &StateV1, arena: &Arena) -> Result<State, Unfit> {
    let data = |place: &Option<PlaceV1>| adopt(place, arena)?.ok_or(Unfit::Field("payload"));
    Ok(match saved {
        StateV1::New(_) => State::New,
        StateV1::End(ending) => State::End(restore_ending(ending)?),
        StateV1::Answer(a) => {
            let buf = a.data.adopt(arena)?;
            if a.len as usize > buf.len() {
                return Err(Unfit::Field("answer"));
            }
            State::Answer(Arc::new(buf), a.len, restore_ending(&a.ending)?)
        }
        StateV1::Read(r) => State::Read(Read {
            start: r.start,
            want: r.want,
            send: r.send,
            total: r.total,
            asked: r.asked,
            sent: r.sent,
            flush: r.flush,
            slots: slots(&r.slots, |slot| match slot.kind {
                0 => Ok(ReadSlot::Free),
                1 => Ok(ReadSlot::Flying),
                2 => Ok(ReadSlot::Ready(slot.offset, data(&slot.data)?)),
                _ => Err(Unfit::Field("slot")),
            })?,
        }),
        StateV1::Write(w) => State::Write(Write {
            start: w.start,
            want: w.want,
            total: w.total,
            asked: w.asked,
            written: w.written,
            durable: w.durable,
            slots: slots(&w.slots, |slot| match slot.kind {
                0 => Ok(WriteSlot::Free),
                1 => Ok(WriteSlot::Asked(slot.offset, slot.len)),
                2 => Ok(WriteSlot::Held(slot.offset, data(&slot.data)?)),
                3 => Ok(WriteSlot::Flying(slot.len)),
                _ => Err(Unfit::Field("slot")),
            })?,
        }),
        StateV1::Verify(v) => State::Verify(restore_verify(v, arena)?),
        StateV1::WriteSame(s) => State::WriteSame(WriteSame {
            start: s.start,
            at: s.at,
            end: s.end,
            deallocate: s.deallocate,
            durable: s.durable,
            moved: s.moved,
            fill: match s.fill {
                0 | 1 => Fill::Wanted { asked: s.fill == 1 },
                2 => Fill::Pattern(data(&s.data)?),
                3 => Fill::Copies(adopt(&s.data, arena)?),
                4 => Fill::Zero,
                _ => return Err(Unfit::Field("fill")),
            },
        }),
        StateV1::Unmap(u) => State::Unmap(Unmap {
            len: u.len,
            index: u.index,
            done: u.done,
            durable: u.durable,
            list: match u.list {
                0 | 1 => List::Wanted { asked: u.list == 1 },
                2 => List::Here(data(&u.data)?),
                3 => List::Checked(data(&u.data)?),
                _ => return Err(Unfit::Field("list")),
            },
        }),
        StateV1::LbaStatus(s) => State::LbaStatus(LbaStatus {
            lba: s.lba,
            end: s.end,
            room: s.room,
            thick: s.thick,
            runs: s.runs.iter().map(|r| Run { lba: r.lba, blocks: r.blocks, mapped: r.mapped }).collect(),
        }),
        StateV1::Compare(c) => State::Compare(Compare {
            start: c.start,
            len: c.len,
            durable: c.durable,
            phase: match c.phase {
                0 => compare::Phase::Begin,
                1 => compare::Phase::Asked,
                2 => compare::Phase::Held(data(&c.data)?, adopt(&c.room, arena)?),
                3 => compare::Phase::Reading(data(&c.data)?),
                4 => compare::Phase::Equal(data(&c.data)?),
                5 => compare::Phase::Writing,
                6 => compare::Phase::Finished,
                _ => return Err(Unfit::Field("phase")),
            },
        }),
        StateV1::Flush(f) => State::Flush(Flush {
            flushed: f.flushed,
            then: match f.then {
                0 => Then::Nothing,
                1 => Then::Stop,
                2 => Then::Eject,
                _ => return Err(Unfit::Field("then")),
            },
        }),
        StateV1::ModeSelect(s) => State::ModeSelect(ModeSelect {
            len: s.len,
            ten: s.ten,
            phase: match s.phase {
                0 => SelectPhase::Wanted,
                1 => SelectPhase::Asked,
                2 => SelectPhase::Here(data(&s.data)?),
                3 => SelectPhase::Flush,
                4 => SelectPhase::Flushed,
                _ => return Err(Unfit::Field("phase")),
            },
        }),
    })
}

fn slots<T>(saved: &[SlotV1], restore: impl Fn(&SlotV1) -> Result<T, Unfit>) -> Result<[T; SLOTS], Unfit> {
    let slots = saved.iter().map(restore).collect::<Result<Vec<T>, Unfit>>()?;
    slots.try_into().map_err(|_| Unfit::Field("slots"))
}

fn restore_verify(v: &VerifyV1, arena: &Arena) -> Result<Verify, Unfit> {
    let data = adopt(&v.data, arena)?;
    Ok(Verify {
        start: v.start,
        want: v.want,
        total: v.total,
        done: v.done,
        write: v.write,
        pattern: adopt(&v.pattern, arena)?,
        check: match v.check {
            0 => Check::Readable,
            1 => Check::Each,
            2 => Check::Same,
            _ => return Err(Unfit::Field("check")),
        },
        phase: match v.phase {
            0 => VerifyPhase::Next,
            1 => VerifyPhase::Asked(v.asked),
            2 => VerifyPhase::Held(data.ok_or(Unfit::Field("payload"))?),
            3 => VerifyPhase::Writing,
            4 => VerifyPhase::Check(data),
            5 => VerifyPhase::Reading(data),
            _ => return Err(Unfit::Field("phase")),
        },
    })
}

fn restore_ending(saved: &EndingV1) -> Result<Ending, Unfit> {
    let status = Status::from_code(saved.status).ok_or(Unfit::Field("status"))?;
    let sense = |saved: &SenseV1| {
        let field = saved.field.map(|field| Field {
            command: field.command,
            byte: field.byte as u16,
            bit: field.bit.map(|bit| bit as u8),
        });
        let key = Key::from_number(saved.key).ok_or(Unfit::Field("sense key"))?;
        Ok::<Sense, Unfit>(Sense { key, code: saved.code as u16, information: saved.information, field })
    };
    Ok(Ending { status, sense: saved.sense.as_ref().map(sense).transpose()?, moved: saved.moved })
}
