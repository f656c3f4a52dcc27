//! Data from the host: asked for with R2Ts, and put where it was asked for.

use super::commands::{Collect, Command};
use super::{Connection, Cx, What};
use crate::nvme::Status;
use crate::nvmetcp::event::{Event, Tag};
use crate::nvmetcp::input::Sink;
use crate::nvmetcp::pdu::{Fault, Fes, H2cData, R2t, Segment, field};

/// R2Ts outstanding for one command, whatever the host allows.
const R2T_MAX: u32 = 16;

impl Connection {
    /// The queue wants `len` bytes of the command's data from `offset`: they come in one [`Event::Data`].
    pub fn collect(&mut self, cx: &Cx<'_>, tag: Tag, offset: u32, len: u32) {
        let Some(command) = self.commands.get_mut(tag) else { return };
        if command.abandoned || command.reply.is_some() {
            return;
        }
        debug_assert!(u64::from(offset) + u64::from(len) <= u64::from(command.len), "more than the host has");
        command.collects.push(Collect { offset, len, got: 0, asked: false, buf: None });
        self.ask(cx, tag);
    }

    /// Ask for what is wanted of a command, as far as memory and the host allow. False: memory is missing.
    fn ask(&mut self, cx: &Cx<'_>, tag: Tag) -> bool {
        let asked_max = self.info.maxr2t.min(R2T_MAX - 1) as usize + 1;
        let Some(command) = self.commands.get_mut(tag) else { return true };
        let mut asked = command.asked();
        let (before, cid) = (asked, command.cid);
        let mut fed = true;
        for collect in command.collects.iter_mut().filter(|collect| !collect.asked) {
            if asked >= asked_max {
                break;
            }
            let Some(buf) = cx.arena.alloc(collect.len as usize) else {
                fed = false;
                break;
            };
            (collect.buf, collect.asked) = (Some(buf), true);
            asked += 1;
            let pdu = R2t { cid, ttag: tag.0, offset: collect.offset, len: collect.len };
            self.output.push(&self.outward, &pdu.emit(&self.outward));
        }
        if asked > before {
            command.progress = cx.now;
            self.watch_transfers(cx.now);
        }
        if !fed && !self.hungry.contains(&tag.0) {
            self.hungry.push_back(tag.0);
        }
        fed
    }

    /// Something waits for memory of the arena: call [`Connection::feed`] once some was freed.
    pub fn starved(&self) -> bool {
        self.waiting.is_some() || !self.hungry.is_empty()
    }

    /// Some memory of the arena was freed.
    pub fn feed(&mut self, cx: &Cx<'_>) {
        // The oldest first; who gets nothing keeps its place.
        while let Some(&tag) = self.hungry.front() {
            if !self.ask(cx, Tag(tag)) {
                break;
            }
            self.hungry.pop_front();
        }
        self.feed_capsule(cx);
    }

    /// An H2CData header: where its data goes. Nothing in it is believed (tcp §3.3.2.1).
    pub(super) fn place_h2c_data(&mut self, cx: &Cx<'_>, head: &[u8], segment: Segment) -> Result<(What, Sink), Fault> {
        let Some(header) = head.first_chunk() else {
            return Err(Fault::field(field::HLEN, "a header with a wrong length"));
        };
        let pdu = H2cData::parse(header);
        let (tag, wrong) = (Tag(pdu.ttag), |at, why| Err(Fault::field(at, why)));
        let Some(command) = self.commands.get_mut(tag).filter(|command| command.asked() > 0) else {
            return wrong(field::TTAG, "data that nobody has asked for");
        };
        if pdu.cid != command.cid {
            return wrong(field::CCCID, "data of another command than was asked");
        }
        if pdu.len == 0 || pdu.len != segment.len {
            return wrong(field::DATAL, "a length of data that is not what the PDU has");
        }
        if pdu.len > self.limits.h2c_data_max {
            return Err(Fault { fes: Fes::LIMIT_EXCEEDED, fei: 0, why: "more data in a PDU than MAXH2CDATA" });
        }
        let beyond = |why| Err(Fault { fes: Fes::OUT_OF_RANGE, fei: 0, why });
        let expected = |collect: &&mut Collect| collect.asked && collect.offset + collect.got == pdu.offset;
        let Some(collect) = command.collects.iter_mut().find(expected) else {
            return beyond("data from an offset that is not the next of any R2T");
        };
        let missing = collect.len - collect.got;
        if pdu.len > missing {
            return beyond("data beyond what an R2T has asked for");
        }
        // The flag at the end is not insisted on: the lengths say as much.
        if pdu.last && pdu.len < missing {
            return wrong(field::FLAGS, "the last data of an R2T that is not all of it");
        }
        command.progress = cx.now;
        let base = collect.got as usize;
        let sink = match collect.buf.take() {
            Some(buf) => Sink::Buf { buf, base, from: 0, to: pdu.len as usize },
            None => Sink::Skip,
        };
        // Counted now: it can come only once.
        collect.got += pdu.len;
        Ok((What::Data { tag, offset: collect.offset }, sink))
    }

    /// An H2CData is complete; `offset` is that of its collect.
    pub(super) fn h2c_data(&mut self, cx: &Cx<'_>, tag: Tag, offset: u32, intact: bool, sink: Sink) {
        let Some(command) = self.commands.get_mut(tag) else { return };
        command.progress = cx.now;
        if !intact && !command.abandoned {
            command.abandon();
            let status = Status::TRANSIENT_TRANSPORT_ERROR;
            self.events.push_back(Event::Failed { tag, status });
            let cid = command.cid;
            self.notice(&format!("command {cid} fails: a data digest does not match"));
        }
        let Some(command) = self.commands.get_mut(tag) else { return };
        let Some(at) = command.collects.iter().position(|collect| collect.asked && collect.offset == offset) else {
            return;
        };
        let collect = &mut command.collects[at];
        let buf = match sink {
            Sink::Buf { buf, .. } if !command.abandoned => Some(buf),
            _ => None,
        };
        if collect.got < collect.len {
            collect.buf = buf;
            return;
        }
        command.collects.remove(at);
        if let Some(data) = buf {
            self.events.push_back(Event::Data { tag, offset, data });
        }
        self.drained(tag);
        self.ask(cx, tag);
    }

    /// The command was aborted: its data is not wanted any more. It still has to be finished.
    pub fn cancel(&mut self, tag: Tag) {
        self.hungry.retain(|&hungry| hungry != tag.0);
        if let Some(command) = self.commands.get_mut(tag) {
            command.abandon();
        }
    }

    /// The reply of a command that had to wait for data, if none is to come any more.
    fn drained(&mut self, tag: Tag) {
        let ready = |command: &Command| if command.asked() == 0 { command.reply } else { None };
        if let Some(reply) = self.commands.get(tag).and_then(ready) {
            self.answer(tag, reply);
        }
    }
}
