//! Commands that are not I/O: Fabrics commands of every queue, and what an admin queue hands to its controller.

use super::slots::{Doing, Want};
use super::{Cx, Effect, Post, Queue, Role, State};
use crate::nvme::connect::CONNECT_BYTES;
use crate::nvme::{AdminCx, Notice, Outcome, Reply, Status};
use crate::nvmetcp::{self, Tag};
use mainstay_base::sam::NexusId;
use mainstay_base::unit::{Completion, Op, Request};
use std::sync::Arc;

/// The most bytes of an answer that lie in one buffer.
const ANSWER_CHUNK: usize = 64 * 1024;

/// FCTYPE (base §6).
mod fctype {
    pub const CONNECT: u8 = 0x01;
    pub const AUTH_SEND: u8 = 0x05;
    pub const AUTH_RECEIVE: u8 = 0x06;
    pub const DISCONNECT: u8 = 0x08;
}

/// The world as a controller sees it.
pub(super) fn cx<'b>(cx: &'b mut Cx<'_>) -> AdminCx<'b> {
    AdminCx {
        now: cx.now,
        unix_ms: cx.unix_ms,
        started_ms: cx.started_ms,
        site: cx.site,
        disks: &mut *cx.disks,
        paths: cx.paths,
        traffic: cx.traffic,
        discovery: cx.discovery,
        controllers: cx.controllers,
    }
}

impl Queue {
    /// A command that is in its slot.
    pub(super) fn dispatch(&mut self, cx: &mut Cx<'_>, index: u16, refused: Option<Status>) {
        let Some(slot) = self.slots.at(index) else { return };
        let (fabrics, fctype) = (slot.entry.is_fabrics(), slot.entry.fctype());
        let of_io = matches!(self.role, Role::Io { .. });
        match (self.info.state, fabrics.then_some(fctype)) {
            (State::Connecting, Some(fctype::CONNECT))
            | (State::Ready | State::Authenticating, Some(fctype::AUTH_SEND))
                if refused.is_none() =>
            {
                self.gather(cx, index, fctype);
            }
            (State::Ready | State::Authenticating, Some(fctype::AUTH_RECEIVE)) if refused.is_none() => {
                if self.auth_bytes(cx, index).is_some() {
                    self.auth_receive(cx, index);
                }
            }
            (State::Connecting | State::Deciding, _) => {
                self.deny(cx, index, refused.unwrap_or(Status::COMMAND_SEQUENCE_ERROR));
            }
            (State::Authenticating, Some(fctype::CONNECT)) => {
                self.deny(cx, index, Status::COMMAND_SEQUENCE_ERROR);
            }
            (State::Authenticating, _) => self.deny(cx, index, Status::AUTHENTICATION_REQUIRED),
            (_, None) if of_io => self.begin(cx, index, refused),
            _ if refused.is_some() => self.deny(cx, index, refused.unwrap_or(Status::INVALID_FIELD)),
            (_, Some(fctype::CONNECT)) => self.deny(cx, index, Status::COMMAND_SEQUENCE_ERROR),
            (_, Some(fctype::DISCONNECT)) if of_io => self.disconnect(cx, index),
            (_, Some(fctype::DISCONNECT)) => self.deny(cx, index, Status::INVALID_QUEUE_TYPE),
            (_, Some(_)) if of_io => self.deny(cx, index, Status::INVALID_OPCODE),
            _ => self.ask_controller(cx, index),
        }
    }

    /// Have the data of a command that the queue takes itself.
    fn gather(&mut self, cx: &mut Cx<'_>, index: u16, fctype: u8) {
        let bytes = match fctype {
            fctype::CONNECT => self.slots.at(index).map(|slot| slot.given),
            _ => self.auth_bytes(cx, index),
        };
        match bytes {
            None => {}
            Some(bytes) if bytes as usize != CONNECT_BYTES && fctype == fctype::CONNECT => {
                self.deny(cx, index, Status::SGL_LENGTH_INVALID);
            }
            Some(bytes) => self.gather_bytes(cx, index, bytes),
        }
    }

    fn gather_bytes(&mut self, cx: &mut Cx<'_>, index: u16, bytes: u32) {
        self.becomes(index, Doing::Collecting);
        match self.slots.at(index).and_then(|slot| slot.capsule.take()) {
            Some(data) => {
                let len = data.len().min(bytes as usize);
                self.take_bytes(cx, index, &data[..len]);
            }
            None => self.connection.collect(&cx.transport(), Tag(index), 0, bytes),
        }
    }

    /// Data of a command that is taken at once.
    pub(super) fn take_bytes(&mut self, cx: &mut Cx<'_>, index: u16, data: &[u8]) {
        let Some(slot) = self.slots.at(index) else { return };
        let entry = slot.entry;
        match (entry.is_fabrics(), entry.fctype()) {
            (true, fctype::CONNECT) if self.info.state == State::Connecting => self.connect(cx, index, data),
            // Of two Connects at once, the second is one too many.
            (true, fctype::CONNECT) => self.deny(cx, index, Status::COMMAND_SEQUENCE_ERROR),
            (true, fctype::AUTH_SEND) => self.auth_sent(cx, index, data),
            _ => {
                let Role::Admin(admin) = &mut self.role else { return };
                let outcome = admin.controller.data(&mut self::cx(cx), &entry, data);
                self.outcome(cx, index, outcome);
            }
        }
    }

    fn ask_controller(&mut self, cx: &mut Cx<'_>, index: u16) {
        let Role::Admin(admin) = &mut self.role else { return };
        let Some(slot) = self.slots.at(index) else { return };
        let (entry, given) = (slot.entry, slot.given);
        let outcome = admin.controller.command(&mut self::cx(cx), &entry, given);
        self.outcome(cx, index, outcome);
    }

    fn outcome(&mut self, cx: &mut Cx<'_>, index: u16, outcome: Outcome) {
        match outcome {
            Outcome::Reply(reply) => self.finish(cx, index, reply),
            Outcome::Data(data, reply) => {
                self.becomes(index, Doing::Answer { data, at: 0, reply, close: false });
                self.run(cx, index);
            }
            Outcome::Collect(bytes) => self.gather_bytes(cx, index, bytes),
            Outcome::Held => self.becomes(index, Doing::Event),
            Outcome::Abort { sqid, cid } => self.abort(cx, index, sqid, cid),
            Outcome::Flush(mut volumes, reply) => {
                volumes.reverse();
                self.becomes(index, Doing::Flushing { volumes, protect: false, reply });
                self.flush_next(cx, index);
            }
            Outcome::Protect(volume) => {
                self.becomes(index, Doing::Flushing { volumes: vec![volume], protect: true, reply: Reply::OK });
                self.flush_next(cx, index);
            }
        }
        self.after_controller(cx);
    }

    /// What a call has left with the controller: answers to held requests, news for its I/O queues and for the world.
    pub(super) fn after_controller(&mut self, cx: &mut Cx<'_>) {
        loop {
            let Role::Admin(admin) = &mut self.role else { return };
            let Some((cid, reply)) = admin.controller.take_event() else { break };
            let held = self
                .slots
                .find(cid)
                .filter(|&index| self.slots.at(index).is_some_and(|slot| matches!(slot.doing, Doing::Event)));
            if let Some(index) = held {
                self.finish(cx, index, reply);
            }
        }
        let Role::Admin(admin) = &mut self.role else { return };
        let published = admin.controller.take_publication(&self::cx(cx));
        let changes = admin.controller.take_changes();
        if admin.controller.take_reset() {
            end_all(cx, std::mem::take(&mut admin.queues).into_values());
            self.abort_in_vain(cx, |sqid| sqid != 0);
        } else if let Some(view) = published {
            let post = |&to: &NexusId| Effect::Post { to, post: Post::View(view.clone()) };
            cx.effects.extend(admin.queues.values().map(post));
        }
        cx.effects.extend(changes.into_iter().map(Effect::Change));
    }

    /// Time for the controller.
    pub(super) fn tick_controller(&mut self, cx: &mut Cx<'_>) {
        let Role::Admin(admin) = &mut self.role else { return };
        if admin.controller.tick(cx.now) {
            let line = format!("host at {}: not heard within its keep alive timeout", self.info.peer);
            cx.effects.push(Effect::Notice(nvmetcp::Notice(line)));
            self.connection.close();
        }
        self.after_controller(cx);
    }

    /// Something the controller should know of.
    pub fn notice(&mut self, cx: &mut Cx<'_>, notice: Notice) {
        if let Role::Admin(admin) = &mut self.role {
            admin.controller.notice(&self::cx(cx), notice);
        }
        self.after_controller(cx);
        self.settle(cx);
    }

    /// Put the next piece of an answer into the output. False: it waits, or has ended.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_>, index: u16) -> bool {
        let Some(slot) = self.slots.at(index) else { return false };
        let Doing::Answer { data, at, reply, close } = &mut slot.doing else { return false };
        let rest = &data[(*at).min(data.len())..];
        if rest.is_empty() {
            let (reply, close) = (*reply, *close);
            self.finish(cx, index, reply);
            if close {
                self.connection.close();
            }
            return false;
        }
        let len = rest.len().min(ANSWER_CHUNK).min(cx.arena.room());
        let Some(mut buf) = cx.arena.alloc(len) else {
            self.slots.wait_for(index, Want::Memory);
            return false;
        };
        buf.copy_from_slice(&rest[..len]);
        let offset = *at as u32;
        *at += len;
        self.connection.send(Tag(index), offset, Arc::new(buf), 0..len);
        true
    }

    fn flush_next(&mut self, cx: &mut Cx<'_>, index: u16) {
        let Some(slot) = self.slots.at(index) else { return };
        let Doing::Flushing { volumes, protect, reply } = &mut slot.doing else { return };
        match (volumes.last(), *reply) {
            (Some(&volume), _) => {
                let ticket = super::io::join(index, slot.serial, 0);
                cx.effects.push(Effect::Store(Request {
                    ticket,
                    volume,
                    op: if *protect { Op::Protect } else { Op::Flush },
                }));
            }
            (None, reply) => self.finish(cx, index, reply),
        }
    }

    /// A volume was flushed for a command of the controller.
    pub(super) fn flushed(&mut self, cx: &mut Cx<'_>, index: u16, completion: &Completion) {
        if let Some(slot) = self.slots.at(index)
            && let Doing::Flushing { volumes, reply, .. } = &mut slot.doing
        {
            volumes.pop();
            if completion.result.is_err() {
                *reply = Status::INTERNAL_ERROR.into();
            }
            if self.ending {
                volumes.clear();
            }
        }
        self.flush_next(cx, index);
    }

    /// Disconnect: the queue ends (base §6.4). The others are ended first.
    fn disconnect(&mut self, cx: &mut Cx<'_>, index: u16) {
        let Some(slot) = self.slots.at(index) else { return };
        if slot.entry.dword(10) & 0xffff != 0 {
            return self.deny(cx, index, Status::CONNECT_INCOMPATIBLE_FORMAT);
        }
        slot.doing = Doing::Leaving;
        self.leaving = true;
        for other in self.slots.oldest_first(|slot| !matches!(slot.doing, Doing::Leaving)) {
            self.end_early(cx, other, Status::ABORTED_SQ_DELETION);
        }
        self.leave_when_alone(cx);
    }

    /// A Disconnect is answered when nothing else is left.
    pub(super) fn leave_when_alone(&mut self, cx: &mut Cx<'_>) {
        if self.ending {
            return;
        }
        let leaving = self.slots.oldest_first(|slot| matches!(slot.doing, Doing::Leaving));
        if leaving.is_empty() || leaving.len() < self.slots.len() {
            return;
        }
        self.leaving = false;
        for index in leaving {
            self.finish(cx, index, Reply::OK);
        }
        cx.effects.push(Effect::Left);
        self.connection.close();
    }
}

/// The I/O queues of a controller have to go.
pub(super) fn end_all(cx: &mut Cx<'_>, queues: impl Iterator<Item = NexusId>) {
    cx.effects.extend(queues.map(|to| Effect::Post { to, post: Post::End }));
}
