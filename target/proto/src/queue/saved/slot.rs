//! The saved form of a command.

use super::form::{AnswerV1, DoingV1, FlushingV1, HalfV1, IoTaskV1, NothingV1, ReplyV1, SlotV1, TicketV1};
use super::{Unreadable, narrow};
use crate::nvme::io::Task;
use crate::nvme::{Connect, Entry, Reply, Status};
use crate::queue::post::Ticket;
use crate::queue::slots::{Doing, Slot, Slots, Want};
use mainstay_base::arena::saved::PlaceV1;
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::unit::VolumeId;

const WANTS: [Want; 4] = [Want::Input, Want::Output, Want::Memory, Want::Range];

pub(super) fn save(index: u16, slot: &Slot) -> SlotV1 {
    let ticket = |ticket: &Ticket| TicketV1 { index: ticket.index.into(), serial: ticket.serial };
    SlotV1 {
        index: index.into(),
        serial: slot.serial,
        entry: slot.entry.0.to_vec(),
        given: slot.given,
        capsule: slot.capsule.as_ref().map(PlaceV1::of),
        want: WANTS.iter().position(|&want| want == slot.want).unwrap_or_default() as u32,
        aborted: slot.aborted,
        tell: slot.tell.iter().map(ticket).collect(),
        doing: Some(save_doing(&slot.doing)),
    }
}

pub(super) fn restore_all(saved: Vec<SlotV1>, serial_next: u32, arena: &Arena) -> Result<Slots, Unreadable> {
    let mut slots = Slots::starting_at(serial_next);
    for slot in saved {
        let index = narrow(slot.index, "place of a command")?;
        if !slots.put(index, restore(slot, arena)?) {
            return Err(Unreadable::Part("two commands in one place"));
        }
    }
    Ok(slots)
}

fn restore(saved: SlotV1, arena: &Arena) -> Result<Slot, Unreadable> {
    let ticket = |ticket: &TicketV1| Ok(Ticket { index: narrow(ticket.index, "ticket")?, serial: ticket.serial });
    let entry = Entry(saved.entry.try_into().map_err(|_| Unreadable::Part("entry"))?);
    Ok(Slot {
        serial: saved.serial,
        entry,
        given: saved.given,
        capsule: saved.capsule.map(|place| adopt(place, arena)).transpose()?,
        want: *WANTS.get(saved.want as usize).ok_or(Unreadable::Part("want"))?,
        aborted: saved.aborted,
        tell: saved.tell.iter().map(ticket).collect::<Result<_, Unreadable>>()?,
        doing: restore_doing(&entry, saved.doing.ok_or(Unreadable::Part("what a command does"))?, arena)?,
    })
}

fn adopt(place: PlaceV1, arena: &Arena) -> Result<Buf, Unreadable> {
    place.adopt(arena).map_err(|error| Unreadable::Command(error.to_string()))
}

fn save_reply(reply: &Reply) -> ReplyV1 {
    ReplyV1 { status: reply.status.field(false).into(), result: reply.result }
}

fn restore_status(field: u32) -> Result<Status, Unreadable> {
    Ok(Status::of_field(narrow(field, "status")?))
}

fn restore_reply(saved: Option<ReplyV1>) -> Result<Reply, Unreadable> {
    let saved = saved.ok_or(Unreadable::Part("reply"))?;
    Ok(Reply { status: restore_status(saved.status)?, result: saved.result })
}

fn save_doing(doing: &Doing) -> DoingV1 {
    match doing {
        Doing::Half(refused) => DoingV1::Half(HalfV1 { refused: refused.map(|status| status.field(false).into()) }),
        Doing::Led { by } => DoingV1::Led((*by).into()),
        Doing::Io { task, first } => DoingV1::Io(IoTaskV1 { task: Some(task.save()), first: first.map(u32::from) }),
        Doing::Collecting => DoingV1::Collecting(NothingV1 {}),
        Doing::Deciding(connect) => DoingV1::Deciding(connect.data()),
        Doing::Proving => DoingV1::Proving(NothingV1 {}),
        Doing::Event => DoingV1::Event(NothingV1 {}),
        Doing::Aborting { sqid } => DoingV1::Aborting((*sqid).into()),
        Doing::Leaving => DoingV1::Leaving(NothingV1 {}),
        Doing::Flushing { volumes, protect, reply } => DoingV1::Flushing(FlushingV1 {
            volumes: volumes.iter().map(|volume| volume.0).collect(),
            reply: Some(save_reply(reply)),
            protect: *protect,
        }),
        Doing::Answer { data, at, reply, close } => DoingV1::Answer(AnswerV1 {
            data: data.clone(),
            at: *at as u64,
            reply: Some(save_reply(reply)),
            close: *close,
        }),
    }
}

fn restore_doing(entry: &Entry, saved: DoingV1, arena: &Arena) -> Result<Doing, Unreadable> {
    Ok(match saved {
        DoingV1::Half(HalfV1 { refused }) => Doing::Half(refused.map(restore_status).transpose()?),
        DoingV1::Led(by) => Doing::Led { by: narrow(by, "second of a pair")? },
        DoingV1::Io(IoTaskV1 { task, first }) => {
            let task = task.ok_or(Unreadable::Part("task"))?;
            let task = Task::restore(&task, arena).map_err(|error| Unreadable::Command(error.to_string()))?;
            Doing::Io { task, first: first.map(|first| narrow(first, "first of a pair")).transpose()? }
        }
        DoingV1::Collecting(_) => Doing::Collecting,
        DoingV1::Deciding(data) => {
            let connect = Connect::parse(entry, &data).map_err(|_| Unreadable::Part("Connect"))?;
            Doing::Deciding(Box::new(connect))
        }
        DoingV1::Proving(_) => Doing::Proving,
        DoingV1::Event(_) => Doing::Event,
        DoingV1::Aborting(sqid) => Doing::Aborting { sqid: narrow(sqid, "SQID")? },
        DoingV1::Leaving(_) => Doing::Leaving,
        DoingV1::Flushing(FlushingV1 { volumes, reply, protect }) => {
            let volumes = volumes.into_iter().map(VolumeId).collect();
            Doing::Flushing { volumes, protect, reply: restore_reply(reply)? }
        }
        DoingV1::Answer(AnswerV1 { data, at, reply, close }) => {
            Doing::Answer { data, at: at as usize, reply: restore_reply(reply)?, close }
        }
    })
}
