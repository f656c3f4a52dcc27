//! What queues of one controller tell each other: whoever drives them only carries it.

use super::slots::{Doing, Slot};
use super::{Cx, Effect, Queue, Role};
use crate::nvme::controller::ErrorEntry;
use crate::nvme::{Cid, Reply, Status, View};
use mainstay_base::sam::NexusId;
use std::sync::Arc;

/// Names the Abort command that somebody else carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) index: u16,
    pub(super) serial: u32,
}

/// A message from one queue to another of the same controller.
#[derive(Clone, Debug)]
pub enum Post {
    /// To an I/O queue: what it knows of its controller has changed.
    View(Arc<View>),
    /// To an I/O queue: its controller is gone, or was reset.
    End,
    /// To an I/O queue: end this command early.
    Abort {
        /// Which.
        cid: Cid,
        /// Who asks.
        ticket: Ticket,
    },
    /// To an admin queue: the answer.
    Aborted {
        /// Who asked.
        ticket: Ticket,
        /// The command ended because of it.
        done: bool,
    },
    /// To an admin queue: the I/O queue is gone, and nothing of it is at a store.
    Left {
        /// Which.
        qid: u16,
    },
    /// To an admin queue: the host was heard.
    Heard,
    /// To an admin queue: a command of an I/O queue ended badly.
    Error(ErrorEntry),
}

impl Queue {
    /// A message of another queue. One from or to a queue that has ended means nothing any more.
    pub fn deliver(&mut self, cx: &mut Cx<'_>, from: NexusId, post: Post) {
        match post {
            Post::View(published) => {
                if let Role::Io { view, admin, .. } = &mut self.role
                    && *admin == from
                {
                    *view = published;
                }
            }
            Post::End => {
                if self.info.admin == Some(from) {
                    self.connection.close();
                }
            }
            Post::Abort { cid, ticket } => {
                if let Role::Io { admin, .. } = self.role
                    && admin == from
                {
                    self.abort_cid(cx, cid, ticket);
                }
            }
            Post::Aborted { ticket, done } => self.abort_answered(cx, ticket, done),
            Post::Left { qid } => self.io_left(cx, from, qid),
            Post::Heard => {
                if let Role::Admin(admin) = &mut self.role {
                    admin.controller.heard();
                }
            }
            Post::Error(error) => {
                if let Role::Admin(admin) = &mut self.role {
                    admin.controller.log_error(error);
                }
            }
        }
        self.settle(cx);
    }

    /// An Abort command of the admin queue: `cid` of the queue `sqid` (base §5.1).
    pub(super) fn abort(&mut self, cx: &mut Cx<'_>, index: u16, sqid: u16, cid: Cid) {
        let Some(slot) = self.slots.at(index) else { return };
        slot.doing = Doing::Aborting { sqid };
        let ticket = Ticket { index, serial: slot.serial };
        let Role::Admin(admin) = &self.role else { return };
        match admin.queues.get(&sqid) {
            _ if sqid == 0 => self.abort_cid(cx, cid, ticket),
            Some(&to) => cx.effects.push(Effect::Post { to, post: Post::Abort { cid, ticket } }),
            None => self.abort_answered(cx, ticket, false),
        }
    }

    /// End a command early for an Abort; the answer comes when it is dry.
    fn abort_cid(&mut self, cx: &mut Cx<'_>, cid: Cid, ticket: Ticket) {
        let found = self.slots.find(cid).filter(|&index| {
            self.slots.at(index).is_some_and(|slot| match slot.doing {
                // What the queue itself is about is not to be aborted, nor an Abort.
                Doing::Deciding(_) | Doing::Proving | Doing::Leaving | Doing::Aborting { .. } => false,
                // Held event requests are the controller's to give up.
                Doing::Flushing { .. } | Doing::Event => false,
                Doing::Half(_) | Doing::Led { .. } | Doing::Io { .. } => true,
                Doing::Collecting | Doing::Answer { .. } => true,
            })
        });
        let Some(index) = found else { return self.tell(cx, ticket, false) };
        if let Some(slot) = self.slots.at(index) {
            slot.tell.push(ticket);
        }
        self.end_early(cx, index, Status::ABORT_REQUESTED);
    }

    /// Whoever asked for an abort is told how it went.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_>, ticket: Ticket, done: bool) {
        match self.role {
            Role::Io { admin, .. } => {
                cx.effects.push(Effect::Post { to: admin, post: Post::Aborted { ticket, done } });
            }
            Role::Admin(_) => self.abort_answered(cx, ticket, done),
            Role::New | Role::Gone => {}
        }
    }

    fn abort_answered(&mut self, cx: &mut Cx<'_>, Ticket { index, serial }: Ticket, done: bool) {
        let waits = |slot: &mut Slot| matches!(slot.doing, Doing::Aborting { .. });
        if !self.slots.get_mut(index, serial).is_some_and(waits) {
            return;
        }
        if let Role::Admin(admin) = &mut self.role {
            admin.controller.abort_ended();
        }
        // Dword 0, bit 0: the command was not aborted (base §5.1.1).
        self.finish(cx, index, Reply::with(u64::from(!done)));
    }

    /// An I/O queue of this controller is gone.
    fn io_left(&mut self, cx: &mut Cx<'_>, from: NexusId, qid: u16) {
        let Role::Admin(admin) = &mut self.role else { return };
        if admin.queues.get(&qid) != Some(&from) {
            return;
        }
        admin.queues.remove(&qid);
        admin.controller.left(qid);
        self.abort_in_vain(cx, |sqid| sqid == qid);
    }

    /// What was to be aborted on these queues has ended without an answer.
    pub(super) fn abort_in_vain(&mut self, cx: &mut Cx<'_>, on: impl Fn(u16) -> bool) {
        for index in self.slots.oldest_first(|slot| matches!(slot.doing, Doing::Aborting { sqid } if on(sqid))) {
            let Some(serial) = self.slots.at(index).map(|slot| slot.serial) else { continue };
            self.abort_answered(cx, Ticket { index, serial }, false);
        }
    }
}
