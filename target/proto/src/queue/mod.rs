//! One TCP connection that is one NVMe queue: the joint of the transport, the controller, the I/O commands and in-band
//! authentication.
//!
//! ```text
//!  bytes ──> nvmetcp ──> Command, Data ──┬─ Connect, AUTH ──> connect, auth ──> Effect::{Admin, Join, Compute}
//!                                        ├─ admin queue ────> nvme::Controller ──> Post::View, Abort ──> I/O queues
//!                                        └─ I/O queue ──────> nvme::io::Task ──> Effect::Store
//!  bytes <── nvmetcp <── send, finish <──┘
//! ```
//!
//! A controller lives in the machine of its admin queue and dies with it. Its I/O queues are other connections, maybe on other
//! cores: they have a published [`View`](crate::nvme::View) and talk with it by [`Post`]s. Among queues a controller is known
//! by the [`NexusId`] of its admin queue, which is never used twice, as a CNTLID is.
//!
//! I1 Nothing is in flight at a store that no live slot accounts for. I2 An Abort is answered when what it ended is dry and
//! answered. I3 Between two calls no command could go on by itself. I4 Before Connect, and before the host has proven who it
//! is where it must, no command reaches a controller or a disk. I5 A queue that ends tells its controller when it is dry, a
//! controller that ends tells its queues at once.

mod admin;
mod auth;
mod connect;
mod info;
mod io;
mod outline;
mod post;
mod saved;
mod slots;
#[cfg(test)]
mod tests;

pub use connect::{Candidate, Join, Joined};
pub use info::{CNTLID_ANY, Info, State};
pub use outline::outline;
pub use post::{Post, Ticket};
pub use saved::Unreadable;

use crate::auth::dhchap::{Responder, Work};
use crate::nvme::controller::{ErrorEntry, NOWHERE};
use crate::nvme::{Change, Controller, DiscoveryState, Entry, Features, Reply, Site, Status, View};
use crate::nvmetcp::{self, Connection, Event, Given, Tag};
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::metrics::Traffic;
use mainstay_base::path::Paths;
use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use mainstay_base::unit::{Completion, Disks, Request};
use slots::{Doing, Slots, Want};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Bytes of output above which commands start nothing that would add to it.
const OUTPUT_HIGH: usize = 1 << 20;
/// The longest piece of a command that is moved at once, in bytes; shorter when memory is.
const CHUNK_MAX: usize = 256 * 1024;
/// How often at most an I/O queue tells its controller that the host is there.
const HEARD_PERIOD: Duration = Duration::from_millis(100);

/// How a queue begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The connection.
    pub transport: nvmetcp::Setup,
    /// Entropy for authentication; never used twice.
    pub seed: [u8; 32],
}

/// What a queue needs of the world for one call.
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// The same in milliseconds since 1970.
    pub unix_ms: u64,
    /// When the daemon was first started, in milliseconds since 1970.
    pub started_ms: u64,
    /// What may be connected to.
    pub site: &'a Site,
    /// Where payload lives.
    pub arena: &'a Arena,
    /// All disks.
    pub disks: &'a mut dyn Disks,
    /// How good each way is.
    pub paths: &'a Paths,
    /// What each volume has done, by its number.
    pub traffic: &'a [Traffic],
    /// What all discovery controllers share.
    pub discovery: &'a DiscoveryState,
    /// Controllers that live, as index of the subsystem and CNTLID; ascending, without those of discovery.
    pub controllers: &'a [(usize, u16)],
    /// What the caller should do next, in order.
    pub effects: &'a mut Vec<Effect>,
}

impl Cx<'_> {
    fn transport(&self) -> nvmetcp::Cx<'_> {
        nvmetcp::Cx { now: self.now, arena: self.arena }
    }
}

/// What a queue asks of whoever drives it.
#[derive(Debug)]
pub enum Effect {
    /// Hand this to the volume's store; its completion comes back through [`Queue::complete`].
    Store(Request),
    /// Poll this queue or nexus: a range its commands waited for may be free.
    Wake(NexusId),
    /// A host may have a controller: find it a number, then call [`Queue::admit`].
    Admin(Candidate),
    /// Find the controller: call [`Queue::join`] of its admin queue, then [`Queue::joined`] of this one.
    Join(Join),
    /// Carry this to that queue, if it is still there: [`Queue::deliver`].
    Post {
        /// Whom.
        to: NexusId,
        /// What.
        post: Post,
    },
    /// Compute this, which takes a while, then call [`Queue::computed`].
    Compute(Work),
    /// The host has changed something others should hear of.
    Change(Change),
    /// The controller of this queue is gone: what its host has set, for the next with the same number (static controller model).
    Retain(Box<Features>),
    /// The host left in good order: it has shut its controller down, or disconnected an I/O queue.
    Left,
    /// A Connect or an authentication failed, or took too long.
    Refused {
        /// How far it got.
        step: String,
        /// Why, for people; never a secret.
        why: String,
    },
    /// Something to log.
    Notice(nvmetcp::Notice),
}

/// A controller and the I/O queues that have joined it, by QID.
#[derive(Debug)]
struct Admin {
    controller: Controller,
    queues: BTreeMap<u16, NexusId>,
}

/// What a queue is.
#[derive(Debug)]
enum Role {
    /// Not connected.
    New,
    /// The admin queue of a controller.
    Admin(Box<Admin>),
    /// An I/O queue.
    Io {
        /// What is known of the controller.
        view: Arc<View>,
        /// The controller.
        admin: NexusId,
        /// When it was last told that the host is there.
        heard: Instant,
    },
    /// It was one, and has ended.
    Gone,
}

/// One queue.
#[derive(Debug)]
pub struct Queue {
    id: NexusId,
    connection: Connection,
    info: Info,
    role: Role,
    slots: Slots,
    /// The first of a fused pair whose second must come next.
    half: Option<u16>,
    /// SQHD.
    head: u16,
    /// Whether the host is who it says; none: it need not prove it, or nobody knows yet.
    auth: Option<Box<Responder>>,
    /// Entropy that is not used yet; gone once it is known whether the host must prove anything.
    seed: Option<Zeroizing<[u8; 32]>>,
    /// Connects that failed.
    refused: u32,
    /// When the host must have gone on with connecting, or with proving anew who it is.
    due: Option<Instant>,
    /// There is a Disconnect, which waits for all others.
    leaving: bool,
    /// The connection is gone and its commands are being ended.
    ending: bool,
}

impl Queue {
    /// A queue at the start of its connection.
    pub fn new(id: NexusId, setup: Setup) -> Queue {
        let transport = setup.transport;
        let info = Info::new(transport.local, transport.peer, transport.portal);
        Queue {
            id,
            connection: Connection::new(transport),
            info,
            role: Role::New,
            slots: Slots::default(),
            half: None,
            head: 0,
            seed: Some(Zeroizing::new(setup.seed)),
            auth: None,
            refused: 0,
            due: None,
            leaving: false,
            ending: false,
        }
    }

    /// Its name.
    pub fn id(&self) -> NexusId {
        self.id
    }

    /// What is known of the queue, for people and for who looks for controllers.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// What is known of the connection.
    pub fn transport(&self) -> &nvmetcp::Info {
        self.connection.info()
    }

    /// The controller, of an admin queue.
    pub fn controller(&self) -> Option<&Controller> {
        match &self.role {
            Role::Admin(admin) => Some(&admin.controller),
            _ => None,
        }
    }

    /// The I/O queues of an admin queue: QID and name.
    pub fn io_queues(&self) -> impl Iterator<Item = (u16, NexusId)> + '_ {
        let queues = if let Role::Admin(admin) = &self.role { Some(&admin.queues) } else { None };
        queues.into_iter().flatten().map(|(&qid, &id)| (qid, id))
    }

    /// Commands that are not answered.
    pub fn tasks_live(&self) -> usize {
        self.slots.len()
    }

    /// Bytes from the peer.
    pub fn receive(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        self.connection.receive(&cx.transport(), bytes);
        self.settle(cx);
    }

    /// Where the next payload bytes should be read to, when it pays to read them straight into place.
    pub fn payload_space(&mut self) -> Option<&mut [u8]> {
        self.connection.payload_space()
    }

    /// `n` bytes were read into [`Queue::payload_space`].
    pub fn filled(&mut self, cx: &mut Cx<'_>, n: usize) {
        self.connection.filled(&cx.transport(), n);
        self.settle(cx);
    }

    /// Whether reading from the peer should go on.
    pub fn wants_input(&self) -> bool {
        self.connection.wants_input()
    }

    /// The bytes to send next.
    pub fn output<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        self.connection.output(slices);
    }

    /// Whether there is anything to send.
    pub fn has_output(&self) -> bool {
        self.connection.output_bytes() > 0
    }

    /// `n` bytes of the output were taken.
    pub fn sent(&mut self, cx: &mut Cx<'_>, n: usize) {
        self.connection.sent(&cx.transport(), n);
        if self.slots.any(Want::Output) && self.connection.output_bytes() < OUTPUT_HIGH / 2 {
            self.go_on(cx, Want::Output);
        }
        self.settle(cx);
    }

    /// When [`Queue::tick`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let controller = self.controller().filter(|_| !self.ending).and_then(Controller::deadline);
        let due = self.due.filter(|_| !self.ending);
        [self.connection.deadline(), due, controller].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self, cx: &mut Cx<'_>) {
        self.connection.tick(&cx.transport());
        if !self.ending {
            if self.due.is_some_and(|due| due <= cx.now) {
                self.due = None;
                let late = "the host did not go on in time";
                match self.info.state {
                    State::Ready => self.auth_expires(cx),
                    State::Authenticating => self.unproven(cx, "authentication", late),
                    _ => self.unproven(cx, "Connect", late),
                }
            }
            self.tick_controller(cx);
        }
        self.settle(cx);
    }

    /// Some memory of the arena was freed.
    pub fn feed(&mut self, cx: &mut Cx<'_>) {
        if self.connection.starved() {
            self.connection.feed(&cx.transport());
        }
        self.go_on(cx, Want::Memory);
        self.settle(cx);
    }

    /// Waits for memory of the arena.
    pub fn starved(&self) -> bool {
        self.connection.starved() || self.slots.any(Want::Memory)
    }

    /// A range may have become free.
    pub fn wake(&mut self, cx: &mut Cx<'_>) {
        self.go_on(cx, Want::Range);
        self.settle(cx);
    }

    /// End the connection from our side.
    pub fn close(&mut self, cx: &mut Cx<'_>) {
        self.connection.close();
        self.settle(cx);
    }

    /// The peer's connection ended (end of stream or error): nothing more can be sent.
    pub fn disconnected(&mut self, cx: &mut Cx<'_>) {
        self.connection.disconnected();
        self.settle(cx);
    }

    /// The connection takes and gives nothing more.
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// Closed, and nothing of it is at a store: it can be dropped.
    pub fn has_ended(&self) -> bool {
        self.ending && self.slots.is_empty()
    }

    /// It has ended, and something of it is still at a store.
    pub fn lingers(&self) -> bool {
        self.ending && !self.slots.is_empty()
    }

    /// A store's answer.
    pub fn complete(&mut self, cx: &mut Cx<'_>, completion: Completion) {
        let (index, serial, request) = io::split(completion.ticket);
        let Some(slot) = self.slots.get_mut(index, serial) else {
            debug_assert!(false, "I1: completion without a command");
            return;
        };
        match &mut slot.doing {
            Doing::Io { task, .. } => {
                task.stored(request, completion.op, completion.result);
                self.run(cx, index);
            }
            Doing::Flushing { .. } => self.flushed(cx, index, &completion),
            _ => debug_assert!(false, "I1: a completion for a command that asked for none"),
        }
        self.settle(cx);
    }

    /// Take every event of the connection and let it have its effect.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        while let Some(event) = self.connection.poll_event() {
            self.event(cx, event);
        }
        if self.connection.is_ended() && !self.ending {
            self.ending = true;
            self.end(cx);
            self.info.state = State::Closing;
        }
        if self.connection.is_closed() {
            self.info.state = State::Closed;
        }
        if self.has_ended() {
            self.depart(cx);
        }
    }

    /// The connection has ended: so do all commands, and the I/O queues of a controller.
    fn end(&mut self, cx: &mut Cx<'_>) {
        // A host without a key leaves when it is asked for one; of what failed otherwise has been told.
        if self.info.state == State::Authenticating
            && self.due.is_some()
            && self.auth.as_ref().is_some_and(|it| !it.has_failed())
        {
            cx.effects.push(Effect::Refused {
                step: "authentication".to_owned(),
                why: "the connection ended before the host had proved who it is".to_owned(),
            });
        }
        if let Role::Admin(admin) = &self.role {
            admin::end_all(cx, admin.queues.values().copied());
            let controller = &admin.controller;
            if self.info.state == State::Ready && !controller.is_live() && !controller.is_fatal() {
                cx.effects.push(Effect::Left);
            }
        }
        for index in self.slots.oldest_first(|_| true) {
            let Some(slot) = self.slots.at(index) else { continue };
            match slot.doing {
                Doing::Io { .. } => self.end_early(cx, index, Status::ABORTED_SQ_DELETION),
                Doing::Flushing { .. } => {}
                // It goes with the second of its pair.
                Doing::Led { .. } => {}
                _ => self.finish(cx, index, Status::ABORTED_SQ_DELETION.into()),
            }
        }
        self.half = None;
    }

    /// Nothing is left: the controller may forget this queue (I5).
    fn depart(&mut self, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.role, Role::Gone) {
            Role::Io { admin, .. } => {
                cx.effects.push(Effect::Post { to: admin, post: Post::Left { qid: self.info.qid } });
            }
            Role::Admin(admin) if !self.info.discovery => {
                cx.effects.push(Effect::Retain(Box::new(admin.controller.retain())));
            }
            Role::Admin(_) | Role::New | Role::Gone => {}
        }
    }

    fn event(&mut self, cx: &mut Cx<'_>, event: Event) {
        match event {
            Event::Opened => {
                self.info.state = State::Connecting;
                self.due = Some(cx.now + cx.site.limits.connect_timeout);
            }
            Event::Command { tag, entry, data } => self.command(cx, tag, entry, data),
            Event::Data { tag, offset, data } => self.collected(cx, tag.0, offset, data),
            Event::Failed { tag, status } => self.end_early(cx, tag.0, status),
            Event::Notice(notice) => cx.effects.push(Effect::Notice(notice)),
        }
    }

    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, entry: Entry, data: Given) {
        // Entries are taken as they come, so the head is right behind the newest.
        let entries = u32::from(self.info.sqsize) + 1;
        self.head = if entries > 1 { ((u32::from(self.head) + 1) % entries) as u16 } else { self.head.wrapping_add(1) };
        self.heard(cx);
        let conflict = self.slots.find(entry.cid()).is_some();
        let (given, capsule, refused): (u32, Option<Buf>, _) = match data {
            Given::Nothing => (0, None, None),
            Given::InCapsule(buf) => (buf.len() as u32, Some(buf), None),
            Given::Transport { len } => (len, None, None),
            Given::Refused(status) => (0, None, Some(status)),
            Given::Starved => (0, None, Some(Status::COMMAND_INTERRUPTED)),
        };
        if conflict {
            self.report(cx, &entry, Status::CID_CONFLICT);
            let cqe = self.cqe(&entry, Status::CID_CONFLICT.into(), self.sqhd());
            self.connection.finish(&cx.transport(), tag, cqe);
            return;
        }
        if !self.slots.insert(tag.0, entry, given, capsule, Doing::Collecting) {
            debug_assert!(false, "a tag is given to one command at a time");
            return;
        }
        self.dispatch(cx, tag.0, refused);
    }

    /// The host is there.
    fn heard(&mut self, cx: &mut Cx<'_>) {
        match &mut self.role {
            Role::Admin(admin) => admin.controller.heard(),
            Role::Io { admin, heard, .. } => {
                if cx.now.since(*heard) >= HEARD_PERIOD {
                    *heard = cx.now;
                    cx.effects.push(Effect::Post { to: *admin, post: Post::Heard });
                }
            }
            Role::New | Role::Gone => {}
        }
    }

    fn becomes(&mut self, index: u16, doing: Doing) {
        if let Some(slot) = self.slots.at(index) {
            slot.doing = doing;
        }
    }

    /// Let a command go as far as it can.
    fn run(&mut self, cx: &mut Cx<'_>, index: u16) {
        loop {
            let Some(slot) = self.slots.at(index) else { return };
            // Who keeps others from a range goes on, however little this host takes.
            let goes_on = slot.aborted || matches!(&slot.doing, Doing::Io { task, .. } if task.holds_range());
            if !goes_on && self.connection.output_bytes() > OUTPUT_HIGH {
                self.slots.wait_for(index, Want::Output);
                return;
            }
            let goes_on = match slot.doing {
                Doing::Io { .. } => self.step(cx, index),
                Doing::Answer { .. } => self.answer(cx, index),
                _ => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    fn go_on(&mut self, cx: &mut Cx<'_>, want: Want) {
        for index in self.slots.waiting_for(want) {
            self.slots.wait_for(index, Want::Input);
            self.run(cx, index);
        }
    }

    /// The end of a command.
    fn finish(&mut self, cx: &mut Cx<'_>, index: u16, reply: Reply) {
        self.finish_with(cx, index, reply, self.sqhd());
    }

    fn finish_with(&mut self, cx: &mut Cx<'_>, index: u16, reply: Reply, head: u16) {
        let Some(slot) = self.slots.remove(index) else { return };
        if !self.ending {
            let cqe = self.cqe(&slot.entry, reply, head);
            self.connection.finish(&cx.transport(), Tag(index), cqe);
        }
        for ticket in slot.tell {
            self.tell(cx, ticket, io::was_aborted(reply));
        }
        if self.leaving {
            self.leave_when_alone(cx);
        }
    }

    /// A command ends so, and its controller's error log tells of it.
    fn deny(&mut self, cx: &mut Cx<'_>, index: u16, status: Status) {
        if let Some(slot) = self.slots.at(index) {
            let entry = slot.entry;
            self.report(cx, &entry, status);
        }
        self.finish(cx, index, status.into());
    }

    /// What ended badly goes to the error log, whichever queue it was on; not what is the path's fault.
    fn report(&mut self, cx: &mut Cx<'_>, entry: &Entry, status: Status) {
        const PATH: u8 = 3;
        if status.is_success() || status.kind == PATH || self.ending {
            return;
        }
        let (nsid, lba) = if entry.is_fabrics() { (0, 0) } else { (entry.nsid(), entry.qword(10)) };
        let (sqid, cid) = (self.info.qid, entry.cid());
        let lba = if sqid == 0 { 0 } else { lba };
        let error = ErrorEntry { count: 0, sqid, cid, status, location: NOWHERE, lba, nsid };
        match &mut self.role {
            Role::Admin(admin) => admin.controller.log_error(error),
            Role::Io { admin, .. } => cx.effects.push(Effect::Post { to: *admin, post: Post::Error(error) }),
            Role::New | Role::Gone => {}
        }
    }

    /// SQHD of a response; reserved without flow control.
    fn sqhd(&self) -> u16 {
        if self.info.flow_control { self.head } else { 0 }
    }

    /// A completion queue entry (base §3.3.3.2): SQ identifier and phase are reserved over fabrics.
    fn cqe(&self, entry: &Entry, reply: Reply, head: u16) -> [u8; 16] {
        let mut cqe = [0; 16];
        cqe[..8].copy_from_slice(&reply.result.to_le_bytes());
        cqe[8..10].copy_from_slice(&head.to_le_bytes());
        cqe[12..14].copy_from_slice(&entry.cid().0.to_le_bytes());
        cqe[14..].copy_from_slice(&reply.status.field(false).to_le_bytes());
        cqe
    }
}
