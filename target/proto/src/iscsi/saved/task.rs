//! The saved form of a command that is not answered.

use super::form::{AskedV1, CollectV1, FirstV1, TaskV1};
use super::{Restored, adopt, exact, need, restore_reply, save_reply};
use crate::iscsi::connection::tasks::{Asked, Collect, First, Task};
use crate::iscsi::pdu::{Itt, Ttt};
use mainstay_base::arena::Arena;
use mainstay_base::sam::Lun;
use mainstay_base::time::Instant;

pub(super) fn save(task: &Task) -> TaskV1 {
    let first = &task.first;
    let collect = |collect: &Collect| CollectV1 {
        offset: collect.offset,
        len: collect.len,
        place: collect.buf.as_ref().map(|buf| buf.place().into()),
        reserved: collect.reserved,
        asked: collect.asked,
        got: collect.got,
    };
    let asked = |asked: &Asked| AskedV1 {
        ttt: asked.ttt.0,
        offset: asked.offset,
        len: asked.len,
        got: asked.got,
        data_sn: asked.data_sn,
    };
    TaskV1 {
        itt: task.itt.0,
        lun: task.lun.0.to_vec(),
        immediate: task.immediate,
        delivered: task.delivered,
        in_bytes: task.in_bytes,
        out_bytes: task.out_bytes,
        first: Some(FirstV1 {
            place: first.buf.as_ref().map(|buf| buf.place().into()),
            got: first.got,
            open: first.open,
            data_sn: first.data_sn,
        }),
        collects: task.collects.iter().map(collect).collect(),
        r2ts: task.r2ts.iter().map(asked).collect(),
        r2t_sn: task.r2t_sn,
        data_sn: task.data_sn,
        reply: task.reply.as_ref().map(save_reply),
        failed: task.failed,
        progress: task.progress.0,
        serial: task.serial,
    }
}

pub(super) fn restore(saved: &TaskV1, arena: &Arena) -> Restored<Task> {
    let first = need(saved.first.as_ref(), "first data")?;
    let collect = |saved: &CollectV1| {
        Ok(Collect {
            offset: saved.offset,
            len: saved.len,
            buf: saved.place.map(|place| adopt(place, arena)).transpose()?,
            reserved: saved.reserved,
            asked: saved.asked,
            got: saved.got,
        })
    };
    let asked = |saved: &AskedV1| Asked {
        ttt: Ttt(saved.ttt),
        offset: saved.offset,
        len: saved.len,
        got: saved.got,
        data_sn: saved.data_sn,
    };
    Ok(Task {
        itt: Itt(saved.itt),
        lun: Lun(exact(&saved.lun, "LUN")?),
        immediate: saved.immediate,
        delivered: saved.delivered,
        in_bytes: saved.in_bytes,
        out_bytes: saved.out_bytes,
        first: First {
            buf: first.place.map(|place| adopt(place, arena)).transpose()?,
            got: first.got,
            open: first.open,
            data_sn: first.data_sn,
        },
        collects: saved.collects.iter().map(collect).collect::<Restored<_>>()?,
        r2ts: saved.r2ts.iter().map(asked).collect(),
        r2t_sn: saved.r2t_sn,
        data_sn: saved.data_sn,
        reply: saved.reply.as_ref().map(restore_reply).transpose()?,
        failed: saved.failed,
        progress: Instant(saved.progress),
        serial: saved.serial,
    })
}
