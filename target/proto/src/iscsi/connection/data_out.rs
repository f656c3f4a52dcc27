//! Commands and the data that comes with them: immediate, unsolicited, and asked for with R2Ts.

use super::input::{Head, Purpose, Sink};
use super::tasks::{Asked, Collect, First, Task};
use super::window::{Held, Turn};
use super::{Connection, Cx, take_ttt};
use crate::iscsi::event::{Command, Event};
use crate::iscsi::pdu::{Ahs, Bhs, Counters, DataOut, Itt, R2t, RejectReason, ScsiCommand, Ttt, data_bytes};
use mainstay_base::sam::{Reply, Status};
use std::collections::VecDeque;

/// Immediate SCSI commands at once; they stand outside the window.
const IMMEDIATE_MAX: usize = 8;

/// How a transfer can be broken, and the sense that says so (RFC 7143 §11.4.7.2), by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Break {
    /// Data that was neither asked for nor allowed unasked.
    Unexpected = 0,
    /// More or less than was asked for or allowed.
    Amount = 1,
    /// A digest that does not match, or a DataSN that tells of one (RFC 7143 §7.7, §7.8).
    Service = 2,
}

impl Break {
    /// The break with this number.
    fn from_number(number: u8) -> Break {
        match number {
            0 => Break::Unexpected,
            1 => Break::Amount,
            _ => Break::Service,
        }
    }

    fn purpose(self) -> Purpose {
        Purpose::Broken(self as u8)
    }

    fn reply(self) -> Reply {
        let (code, qualifier) = match self {
            Break::Unexpected => (0x0c, 0x0c),
            Break::Amount => (0x0c, 0x0d),
            Break::Service => (0x47, 0x05),
        };
        // Fixed format, current error, ABORTED COMMAND (SPC-5 §4.4.3).
        let mut sense = vec![0; 18];
        (sense[0], sense[2], sense[7], sense[12], sense[13]) = (0x70, 0x0b, 10, code, qualifier);
        Reply { status: Status::CheckCondition, sense, moved: 0 }
    }

    fn rule(self) -> (&'static str, &'static str) {
        match self {
            Break::Unexpected => ("unsolicited data that was not negotiated", "4.2.4.2"),
            Break::Amount => ("data beyond or short of what was agreed or asked for", "4.2.4.2"),
            Break::Service => ("a data sequence with a gap", "7.8"),
        }
    }
}

impl Connection {
    /// A SCSI Command header: where its immediate data goes.
    pub(super) fn place_command(&mut self, cx: &Cx<'_>, head: &Head, len: usize) -> (Purpose, Sink) {
        let pdu = ScsiCommand::parse(&head.bhs);
        let reject = |reason| (Purpose::Reject(reason), Sink::Skip);
        if !pdu.immediate && self.window.turn(pdu.cmd_sn) == Turn::Never {
            return (Purpose::Ignore, Sink::Skip);
        }
        if pdu.itt == Itt::RESERVED
            || pdu.attribute.sam().is_none()
            || (!pdu.last && !pdu.write)
            || (!head.ahs.is_empty() && Ahs::parse(&head.ahs).is_err())
        {
            return reject(RejectReason::InvalidField);
        }
        if self.tasks.get(pdu.itt).is_some() || self.management.iter().any(|pending| pending.itt == pdu.itt) {
            return reject(RejectReason::TaskInProgress);
        }
        if pdu.immediate && self.tasks.iter().filter(|task| task.immediate).count() >= IMMEDIATE_MAX {
            return reject(RejectReason::ImmediateTooMany);
        }
        let negotiated = &self.info.negotiated;
        let allowed = negotiated.first_burst_length.min(pdu.expected) as usize;
        if (len > 0 && !(pdu.write && negotiated.immediate_data)) || (!pdu.last && negotiated.initial_r2t) {
            return (Break::Unexpected.purpose(), Sink::Skip);
        }
        if len > allowed {
            return (Break::Amount.purpose(), Sink::Skip);
        }
        let room = if pdu.last { len } else { allowed };
        if room == 0 {
            return (Purpose::Process, Sink::Skip);
        }
        match self.window.alloc(cx.arena, room, !pdu.immediate) {
            Some(buf) => (Purpose::Process, Sink::Buf { buf, base: 0 }),
            None => (Purpose::NoRoom, Sink::Skip),
        }
    }

    /// A SCSI Command with its immediate data is complete.
    pub(super) fn scsi_command(&mut self, cx: &Cx<'_>, bhs: &Bhs, ahs: &[u8], purpose: Purpose, sink: Sink) {
        let pdu = ScsiCommand::parse(bhs);
        let ahs = Ahs::parse(ahs).unwrap_or_default();
        self.abandoned.retain(|itt| *itt != pdu.itt);
        let (in_bytes, out_bytes) = match (pdu.read, pdu.write) {
            (true, true) => (ahs.bidirectional_read.unwrap_or(0), pdu.expected),
            (true, false) => (pdu.expected, 0),
            (false, true) => (0, pdu.expected),
            (false, false) => (0, 0),
        };
        let mut first = First { buf: None, got: 0, open: !pdu.last, data_sn: 0 };
        let mut reply = None;
        match purpose {
            Purpose::NoRoom => reply = Some(Reply { status: Status::TaskSetFull, sense: Vec::new(), moved: 0 }),
            Purpose::Broken(number) => {
                let broken = Break::from_number(number);
                self.tell(pdu.itt, broken);
                reply = Some(broken.reply());
            }
            _ => {
                if let Sink::Buf { buf, .. } = sink {
                    first.buf = Some(buf);
                    first.got = data_bytes(bhs) as u32;
                }
            }
        }
        if first.open {
            self.watch_transfers(cx.now);
        }
        self.serial += 1;
        self.tasks.insert(Task {
            itt: pdu.itt,
            lun: pdu.lun,
            immediate: pdu.immediate,
            delivered: false,
            in_bytes,
            out_bytes,
            first,
            collects: VecDeque::new(),
            r2ts: VecDeque::new(),
            r2t_sn: 0,
            data_sn: 0,
            failed: reply.is_some(),
            reply,
            progress: cx.now,
            serial: self.serial,
        });
        let mut long_cdb = Vec::new();
        if !ahs.extended_cdb.is_empty() {
            long_cdb = [&pdu.cdb[..], &ahs.extended_cdb].concat();
        }
        let command = Command {
            itt: pdu.itt,
            lun: pdu.lun,
            attribute: pdu.attribute.sam().unwrap_or_default(),
            short_cdb: pdu.cdb,
            long_cdb,
            in_bytes,
            out_bytes,
        };
        self.arrive(cx, pdu.cmd_sn, pdu.immediate, Held::Command(command));
    }

    /// A command whose turn it is.
    pub(super) fn deliver_command(&mut self, cx: &Cx<'_>, command: Command) {
        let Some(task) = self.tasks.get_mut(command.itt) else { return };
        task.delivered = true;
        if !task.immediate {
            self.window.grow(cx.arena);
        }
        if task.reply.is_some() {
            return self.answer_if_drained(command.itt);
        }
        self.info.traffic.commands += 1;
        self.events.push_back(Event::Command(command));
    }

    /// A Data-Out header: where its data goes.
    pub(super) fn place_data_out(&mut self, bhs: &Bhs, len: usize) -> (Purpose, Sink) {
        let pdu = DataOut::parse(bhs);
        let first_max = self.info.negotiated.first_burst_length;
        let Some(task) = self.tasks.get_mut(pdu.itt) else {
            if self.abandoned.contains(&pdu.itt) {
                return (Purpose::Ignore, Sink::Skip);
            }
            return (Purpose::Reject(RejectReason::InvalidField), Sink::Skip);
        };
        if task.failed || task.reply.is_some() {
            return (Purpose::Process, Sink::Skip);
        }
        let len = len as u32;
        let end = u64::from(pdu.offset) + u64::from(len);
        if pdu.ttt == Ttt::RESERVED {
            let first = &mut task.first;
            if !first.open {
                return (Break::Unexpected.purpose(), Sink::Skip);
            }
            if pdu.data_sn != first.data_sn {
                return (Break::Service.purpose(), Sink::Skip);
            }
            if pdu.offset != first.got || end > u64::from(first_max.min(task.out_bytes)) {
                return (Break::Amount.purpose(), Sink::Skip);
            }
            let base = pdu.offset as usize;
            return (Purpose::Process, first.buf.take().map_or(Sink::Skip, |buf| Sink::Buf { buf, base }));
        }
        let Some(asked) = task.r2ts.iter().find(|asked| asked.ttt == pdu.ttt) else {
            return (Purpose::Reject(RejectReason::InvalidField), Sink::Skip);
        };
        if pdu.data_sn != asked.data_sn {
            return (Break::Service.purpose(), Sink::Skip);
        }
        if pdu.offset != asked.offset + asked.got || end > u64::from(asked.offset) + u64::from(asked.len) {
            return (Break::Amount.purpose(), Sink::Skip);
        }
        match task.collect_at(pdu.offset).and_then(|collect| Some((collect.offset, collect.buf.take()?))) {
            Some((offset, buf)) => (Purpose::Process, Sink::Buf { buf, base: (pdu.offset - offset) as usize }),
            None => (Break::Unexpected.purpose(), Sink::Skip),
        }
    }

    /// A Data-Out is complete.
    pub(super) fn data_out(&mut self, cx: &Cx<'_>, bhs: &Bhs, purpose: Purpose, sink: Sink) {
        let pdu = DataOut::parse(bhs);
        let len = data_bytes(bhs) as u32;
        let first_max = self.info.negotiated.first_burst_length;
        let Some(task) = self.tasks.get_mut(pdu.itt) else { return };
        task.progress = cx.now;
        if let Purpose::Broken(number) = purpose {
            return self.broken(&pdu, Break::from_number(number));
        }
        if task.failed || task.reply.is_some() {
            drop(sink);
            return self.drained(&pdu);
        }
        let mut short = false;
        if pdu.ttt == Ttt::RESERVED {
            if let Sink::Buf { buf, .. } = sink {
                task.first.buf = Some(buf);
            }
            task.first.got += len;
            task.first.data_sn = task.first.data_sn.wrapping_add(1);
            task.first.open = !pdu.last;
            // Of a longer write, unsolicited PDUs fill the first burst (RFC 7143 §11.4.7.2).
            short = pdu.last && task.first.got < first_max && first_max < task.out_bytes;
        } else {
            if let (Some(collect), Sink::Buf { buf, .. }) = (task.collect_at(pdu.offset), sink) {
                collect.buf = Some(buf);
                collect.got += len;
            }
            if let Some(at) = task.r2ts.iter().position(|asked| asked.ttt == pdu.ttt) {
                let asked = &mut task.r2ts[at];
                asked.got += len;
                asked.data_sn = asked.data_sn.wrapping_add(1);
                short = pdu.last && asked.got < asked.len;
                if asked.got == asked.len {
                    task.r2ts.remove(at);
                }
            }
        }
        if short {
            return self.broken(&pdu, Break::Amount);
        }
        self.pump(cx, pdu.itt);
    }

    /// A Data-Out whose digest does not match: the command fails once all its data has been seen (RFC 7143 §7.7 b).
    pub(super) fn damaged_data_out(&mut self, bhs: &Bhs, sink: Sink) {
        drop(sink);
        self.broken(&DataOut::parse(bhs), Break::Service);
    }

    fn broken(&mut self, pdu: &DataOut, broken: Break) {
        let Some(task) = self.tasks.get_mut(pdu.itt) else { return };
        if !task.failed {
            task.failed = true;
            task.collects.clear();
            task.first.buf = None;
            if task.reply.is_none() {
                let reply = broken.reply();
                if task.delivered {
                    self.events.push_back(Event::Failed { itt: pdu.itt, reply });
                } else {
                    task.reply = Some(reply);
                }
                self.tell(pdu.itt, broken);
            }
        }
        self.drained(pdu);
    }

    fn tell(&mut self, itt: Itt, broken: Break) {
        let (why, clause) = broken.rule();
        self.notice(&format!("command {itt} fails: {why}"), Some(clause));
    }

    /// A Data-Out that is only counted: its F bit ends its sequence.
    fn drained(&mut self, pdu: &DataOut) {
        if let Some(task) = self.tasks.get_mut(pdu.itt)
            && pdu.last
        {
            if pdu.ttt == Ttt::RESERVED {
                task.first.open = false;
            } else {
                task.r2ts.retain(|asked| asked.ttt != pdu.ttt);
            }
        }
        self.answer_if_drained(pdu.itt);
    }

    /// The nexus wants `len` bytes of the command's data from `offset`: they come in one [`Event::Data`].
    pub fn collect(&mut self, cx: &Cx<'_>, itt: Itt, offset: u32, len: u32) {
        let Some(task) = self.tasks.get_mut(itt) else { return };
        if task.failed || task.reply.is_some() {
            return;
        }
        debug_assert!(u64::from(offset) + u64::from(len) <= u64::from(task.out_bytes), "more than the initiator has");
        // The usual small write: its data came along, and the buffer fits.
        if task.collects.is_empty()
            && let Some(data) = task.first.whole(offset, len)
        {
            self.events.push_back(Event::Data { itt, offset, data });
            return;
        }
        task.collects.push_back(Collect { offset, len, buf: None, reserved: false, asked: 0, got: 0 });
        self.pump(cx, itt);
    }

    /// Move a transfer on as far as it goes: reserve memory, use what came unasked, ask for the rest, hand over.
    fn pump(&mut self, cx: &Cx<'_>, itt: Itt) {
        let ask_max = usize::from(self.info.negotiated.max_outstanding_r2t.max(1));
        let burst_max = self.info.negotiated.max_burst_length;
        let mut asked_any = false;
        let Some(task) = self.tasks.get_mut(itt) else { return };
        if task.first.open || task.failed {
            return;
        }
        let shared = if task.is_bidirectional() { task.data_sn } else { 0 };
        let mut at = 0;
        while at < task.collects.len() {
            let collect = &mut task.collects[at];
            if !collect.reserved {
                if let Some(data) = task.first.whole(collect.offset, collect.len) {
                    collect.buf = Some(data);
                    (collect.asked, collect.got) = (collect.len, collect.len);
                } else {
                    let Some(mut buf) = cx.arena.alloc(collect.len as usize) else {
                        self.starved = true;
                        break;
                    };
                    let there = task.first.copy(collect.offset, &mut buf);
                    collect.buf = Some(buf);
                    (collect.asked, collect.got) = (there, there);
                }
                collect.reserved = true;
            }
            while collect.asked < collect.len && task.r2ts.len() < ask_max {
                let len = burst_max.min(collect.len - collect.asked);
                let offset = collect.offset + collect.asked;
                collect.asked += len;
                let ttt = take_ttt(&mut self.next_ttt);
                task.r2ts.push_back(Asked { ttt, offset, len, got: 0, data_sn: 0 });
                let pdu = R2t {
                    lun: task.lun,
                    itt,
                    ttt,
                    counters: Counters {
                        stat_sn: self.stat_sn,
                        exp_cmd_sn: self.window.expected(),
                        max_cmd_sn: self.window.last(),
                    },
                    r2t_sn: task.r2t_sn.wrapping_add(shared),
                    offset,
                    desired: len,
                };
                task.r2t_sn += 1;
                task.progress = cx.now;
                asked_any = true;
                self.output.push(self.digests, &pdu.emit(), &[]);
            }
            if collect.asked < collect.len {
                break;
            }
            at += 1;
        }
        while let Some(collect) = task.collects.front_mut() {
            if collect.got < collect.len || collect.buf.is_none() {
                break;
            }
            if let Some(Collect { offset, buf: Some(data), .. }) = task.collects.pop_front() {
                self.events.push_back(Event::Data { itt, offset, data });
            }
        }
        if asked_any {
            self.watch_transfers(cx.now);
        }
    }

    /// A collect waits for memory of the arena: call [`Connection::feed`] once some was freed.
    pub fn starved(&self) -> bool {
        self.starved
    }

    /// Some memory of the arena was freed.
    pub fn feed(&mut self, cx: &Cx<'_>) {
        if !std::mem::take(&mut self.starved) {
            return;
        }
        // The oldest first.
        let mut waiting: Vec<(u64, Itt)> = self
            .tasks
            .iter()
            .filter(|task| task.collects.iter().any(|collect| !collect.reserved))
            .map(|task| (task.serial, task.itt))
            .collect();
        waiting.sort_unstable();
        for (_, itt) in waiting {
            self.pump(cx, itt);
        }
    }

    /// The command was aborted: forget it, send nothing, swallow its late data.
    pub fn discard(&mut self, itt: Itt) {
        let closed = self.window.is_closed();
        self.forget(itt);
        if closed && !self.window.is_closed() && !self.is_ended() {
            // Nobody else would tell the initiator that it may go on.
            self.nop_in(Ttt::RESERVED);
        }
    }

    pub(super) fn forget(&mut self, itt: Itt) {
        let Some(task) = self.tasks.remove(itt) else { return };
        if task.delivered && !task.immediate {
            self.window.retired();
        }
        // Of the others nothing can come any more.
        if task.is_open() {
            self.abandon(itt);
        }
    }
}

impl First {
    /// The buffer itself, if what came unasked is complete and exactly this range.
    fn whole(&mut self, offset: u32, len: u32) -> Option<mainstay_base::arena::Buf> {
        let fits = !self.open
            && offset == 0
            && self.got == len
            && self.buf.as_ref().is_some_and(|buf| buf.len() == len as usize);
        if fits { self.buf.take() } else { None }
    }

    /// Copy what came unasked of the bytes from `offset` into `into`; gives how many. It is forgotten once used up.
    fn copy(&mut self, offset: u32, into: &mut [u8]) -> u32 {
        let Some(buf) = &self.buf else { return 0 };
        let there = self.got.saturating_sub(offset).min(into.len() as u32);
        if there > 0 {
            into[..there as usize].copy_from_slice(&buf[offset as usize..][..there as usize]);
        }
        if offset + there >= self.got {
            self.buf = None;
        }
        there
    }
}

impl Task {
    /// The reserved collect that `offset` lies in.
    fn collect_at(&mut self, offset: u32) -> Option<&mut Collect> {
        self.collects.iter_mut().find(|c| c.reserved && offset >= c.offset && offset - c.offset < c.len)
    }
}
