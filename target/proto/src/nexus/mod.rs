//! One initiator's path to one target: an iSCSI connection, the task sets behind it, and the way to the units.
//!
//! The nexus introduces the transport to the device server: it maps unit numbers to volumes, orders tasks, carries task
//! management across, and names every store request. It decides nothing about PDUs and nothing about CDBs.
//!
//! I1 Nothing is in flight at a store that no live entry of the task set accounts for. I2 A task management function is
//! answered only when every task it ended is dry, in every nexus. I3 Between two calls no task could go on by itself:
//! each waits for input, memory, a range, an older task, or the output to drain.

mod management;
mod outline;
mod saved;
mod task_set;

use crate::iscsi::{self, Connection, Event, Itt, Refusal, Site};
use crate::scsi::{self, Action, LogicalUnit, PortInfo, Task};
use mainstay_base::arena::Arena;
use mainstay_base::sam::{Lun, NexusId, TaskKey};
use mainstay_base::time::Instant;
use mainstay_base::unit::{Completion, Request, Ticket, VolumeId};
use management::Management;
#[cfg(test)]
mod tests;

pub use outline::outline;
pub use saved::Unreadable;
use std::io::IoSlice;
use task_set::{Entry, Phase, TaskSet, Want};

/// Bytes of output above which tasks start nothing that would add to it.
const OUTPUT_HIGH: usize = 1 << 20;
/// The longest piece of a command that is moved at once, in bytes; shorter when memory is.
const CHUNK_MAX: usize = 256 * 1024;

/// What a target shows: its units by number, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// Unit number and volume.
    pub luns: Vec<(Lun, VolumeId)>,
    /// Those of them that its initiators may not write to, whatever others may.
    pub read_only: Vec<Lun>,
}

impl Export {
    fn protects(&self, lun: Lun) -> bool {
        self.read_only.iter().any(|l| l.number() == lun.number())
    }

    fn volume(&self, lun: Lun) -> Option<VolumeId> {
        let number = lun.number()?;
        self.luns.iter().find(|(l, _)| l.number() == Some(number)).map(|&(_, volume)| volume)
    }
}

/// What a nexus needs of the world for one call.
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// What may be logged in to.
    pub site: &'a Site,
    /// Where payload lives.
    pub arena: &'a Arena,
    /// One for each target of the site.
    pub exports: &'a [Export],
    /// All units, by volume id.
    pub units: &'a mut [LogicalUnit],
    /// What the caller should do next, in order.
    pub effects: &'a mut Vec<Effect>,
}

impl Cx<'_> {
    fn iscsi(&self) -> iscsi::Cx<'_> {
        iscsi::Cx { now: self.now, site: self.site, arena: self.arena }
    }
}

/// What a nexus asks of whoever drives it.
#[derive(Debug)]
pub enum Effect {
    /// Hand this to the volume's store; its completion comes back through [`Nexus::complete`].
    Store(Request),
    /// A login finished negotiating: settle reinstatement, then call [`Nexus::admit`].
    Candidate(iscsi::Candidate),
    /// Abort the tasks of every other nexus on these volumes, then tell [`Nexus::others_busy`] who is not dry yet.
    Reset {
        /// The units that were reset.
        volumes: Vec<VolumeId>,
        /// The task management function that waits.
        itt: Itt,
    },
    /// Drop every other session of this target (TARGET COLD RESET).
    DropSessions {
        /// Index in the site.
        target: usize,
    },
    /// The aborted tasks of this nexus have left the stores.
    Dry,
    /// Poll this nexus: a range its tasks waited for may be free.
    Wake(NexusId),
    /// The initiator logged out.
    LoggedOut,
    /// The login was refused.
    Refused {
        /// How far it got.
        step: String,
        /// Why, for people.
        why: String,
    },
    /// Something to log.
    Notice(iscsi::Notice),
}

/// One initiator's path.
#[derive(Debug)]
pub struct Nexus {
    id: NexusId,
    connection: Connection,
    /// Set once admitted to a normal session.
    path: Option<Path>,
    tasks: TaskSet,
    management: Vec<Management>,
    /// The connection is gone and its tasks are being ended.
    ending: bool,
}

/// Where an admitted nexus leads.
#[derive(Clone, Debug)]
struct Path {
    target: usize,
    port: PortInfo,
}

impl Nexus {
    /// A nexus at the start of its connection.
    pub fn new(id: NexusId, setup: iscsi::Setup) -> Nexus {
        Nexus {
            id,
            connection: Connection::new(setup),
            path: None,
            tasks: TaskSet::default(),
            management: Vec::new(),
            ending: false,
        }
    }

    /// Its name.
    pub fn id(&self) -> NexusId {
        self.id
    }

    /// What is known of the session, for people.
    pub fn info(&self) -> &iscsi::SessionInfo {
        self.connection.info()
    }

    /// When the last byte came from the initiator.
    pub fn last_heard(&self) -> Instant {
        self.connection.last_heard()
    }

    /// A task management function waits for others to be dry.
    pub fn is_managing(&self) -> bool {
        !self.management.is_empty()
    }

    /// How many commands the initiator may have open.
    pub fn window(&self) -> u32 {
        self.connection.window()
    }

    /// Tasks that have not ended.
    pub fn tasks_live(&self) -> usize {
        self.tasks.len()
    }

    /// Bytes from the peer.
    pub fn receive(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        self.connection.receive(&cx.iscsi(), bytes);
        self.settle(cx);
    }

    /// Where the next payload bytes should be read to, when it pays to read them straight into place.
    pub fn payload_space(&mut self) -> Option<&mut [u8]> {
        self.connection.payload_space()
    }

    /// `n` bytes were read into [`Nexus::payload_space`].
    pub fn filled(&mut self, cx: &mut Cx<'_>, n: usize) {
        self.connection.filled(&cx.iscsi(), n);
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
        self.connection.sent(&cx.iscsi(), n);
        if self.tasks.any(Want::Output) && self.connection.output_bytes() < OUTPUT_HIGH / 2 {
            self.resume(cx, Want::Output);
        }
    }

    /// When [`Nexus::tick`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.connection.deadline()
    }

    /// Time has passed.
    pub fn tick(&mut self, cx: &mut Cx<'_>) {
        self.connection.tick(&cx.iscsi());
        self.settle(cx);
    }

    /// Some memory of the arena was freed.
    pub fn feed(&mut self, cx: &mut Cx<'_>) {
        if self.connection.starved() {
            self.connection.feed(&cx.iscsi());
        }
        self.resume(cx, Want::Memory);
    }

    /// Waits for memory of the arena.
    pub fn starved(&self) -> bool {
        self.connection.starved() || self.tasks.any(Want::Memory)
    }

    /// A range may have become free.
    pub fn wake(&mut self, cx: &mut Cx<'_>) {
        self.resume(cx, Want::Range);
    }

    /// The verdict on a candidate.
    pub fn admit(&mut self, cx: &mut Cx<'_>, verdict: Result<u16, Refusal>) {
        if verdict.is_ok() {
            self.connect_units(cx);
        }
        self.connection.admit(&cx.iscsi(), verdict);
        self.settle(cx);
    }

    fn connect_units(&mut self, cx: &mut Cx<'_>) {
        let Some(target) = self.connection.info().target else { return };
        let info = self.connection.info();
        let port = PortInfo {
            target: cx.site.targets[target].name.clone(),
            relative_port: cx.site.portals[info.portal].tag,
            group: cx.site.portals[info.portal].tag,
            initiator: info.initiator.clone(),
            isid: info.isid.0,
        };
        for &(_, volume) in &cx.exports[target].luns {
            cx.units[volume.0 as usize].attach(self.id, &port);
        }
        self.path = Some(Path { target, port });
    }

    /// End the connection from our side.
    pub fn close(&mut self, cx: &mut Cx<'_>, reason: iscsi::CloseReason) {
        self.connection.close(reason);
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
        self.ending && self.tasks.is_empty()
    }

    /// A store's answer.
    pub fn complete(&mut self, cx: &mut Cx<'_>, completion: Completion) {
        let (index, serial, slot) = split(completion.ticket);
        let Some(entry) = self.tasks.get_mut(index, serial) else {
            debug_assert!(false, "I1: completion without a task");
            return;
        };
        entry.task.stored(slot, completion.op, completion.result);
        self.run(cx, index);
        self.settle(cx);
    }

    /// Abort what this nexus has on `volumes`, because another nexus reset them. True: nothing is left at a store.
    pub fn abort_volumes(&mut self, cx: &mut Cx<'_>, volumes: &[VolumeId]) -> bool {
        let tells = |volume: VolumeId| cx.units.get(volume.0 as usize).is_some_and(LogicalUnit::tells_aborted);
        let told: Vec<VolumeId> = volumes.iter().copied().filter(|&volume| tells(volume)).collect();
        self.abort_told(cx, |entry| entry.volume.is_some_and(|v| told.contains(&v)));
        self.abort_where(cx, |entry| entry.volume.is_some_and(|v| volumes.contains(&v)));
        self.settle(cx);
        !self.tasks.iter().any(|(_, entry)| entry.phase == Phase::Aborting)
    }

    /// Take every event of the connection and let it have its effect.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        while let Some(event) = self.connection.poll_event() {
            self.event(cx, event);
        }
        if self.connection.is_ended() && !self.ending {
            self.ending = true;
            self.management.clear();
            self.abort_where(cx, |_| true);
        }
        self.leave_units(cx);
    }

    /// The I_T nexus is lost once its connection ended and its tasks are dry (SAM-5 §6.3.4).
    fn leave_units(&mut self, cx: &mut Cx<'_>) {
        if self.ending
            && self.tasks.is_empty()
            && let Some(path) = self.path.take()
        {
            for &(_, volume) in &cx.exports[path.target].luns {
                cx.units[volume.0 as usize].detach(self.id);
                wake_others(cx, volume);
            }
        }
    }

    fn event(&mut self, cx: &mut Cx<'_>, event: Event) {
        match event {
            Event::Candidate(candidate) => cx.effects.push(Effect::Candidate(candidate)),
            Event::Command(command) => self.begin(cx, &command),
            Event::Data { itt, offset, data } => {
                if let Some((index, entry)) = self.tasks.find_mut(itt) {
                    entry.task.collected(offset, data);
                    self.run(cx, index);
                }
            }
            Event::Failed { itt, reply } => {
                if let Some((index, entry)) = self.tasks.find_mut(itt) {
                    entry.verdict = Some(reply);
                    if self.tasks.abort(index) {
                        self.run(cx, index);
                    }
                }
            }
            Event::TaskManagement(request) => self.manage(cx, &request),
            Event::LoggedOut => cx.effects.push(Effect::LoggedOut),
            Event::Refused { step, why } => cx.effects.push(Effect::Refused { step, why }),
            Event::Notice(notice) => cx.effects.push(Effect::Notice(notice)),
        }
    }

    fn begin(&mut self, cx: &mut Cx<'_>, command: &iscsi::Command) {
        let Some(path) = &self.path else { return };
        let key = TaskKey { nexus: self.id, tag: command.itt.0 };
        let task = Task::new(key, command.cdb(), command.in_bytes, command.out_bytes);
        let volume = cx.exports[path.target].volume(command.lun);
        let index = self.tasks.insert(command.itt, command.lun, volume, command.attribute, task);
        if self.tasks.may_start(index) {
            self.tasks.enable(index);
            self.run(cx, index);
        }
    }

    /// Let a task go as far as it can.
    fn run(&mut self, cx: &mut Cx<'_>, index: u16) {
        loop {
            let Some(entry) = self.tasks.at(index) else { return };
            // Who keeps others from a range goes on, however little this initiator takes.
            let may_wait = entry.phase == Phase::Enabled && !entry.task.holds_range();
            if may_wait && self.connection.output_bytes() > OUTPUT_HIGH {
                self.tasks.wait_for(index, Want::Output);
                return;
            }
            let action = poll(entry, cx, self.id, self.path.as_ref());
            if let Some(volume) = entry.volume {
                wake_others(cx, volume);
            }
            match action {
                Action::Collect { offset, len } => self.connection.collect(&cx.iscsi(), entry.itt, offset, len),
                Action::Submit { slot, op } => {
                    let ticket = join(index, entry.serial, slot);
                    let volume = entry.volume.unwrap_or_default();
                    cx.effects.push(Effect::Store(Request { ticket, volume, op }));
                }
                Action::Send { offset, data, range } => self.connection.send(entry.itt, offset, data, range),
                Action::Wait => {
                    self.tasks.wait_for(index, Want::Input);
                    return;
                }
                Action::WaitMemory => {
                    self.tasks.wait_for(index, Want::Memory);
                    return;
                }
                Action::WaitRange => {
                    self.tasks.wait_for(index, Want::Range);
                    return;
                }
                Action::Done(reply) => {
                    let reply = if entry.phase == Phase::Enabled { Some(reply) } else { entry.verdict.take() };
                    if let Some(reply) = reply {
                        self.connection.finish(&cx.iscsi(), entry.itt, reply);
                    }
                    self.retire(cx, index);
                    return;
                }
            }
        }
    }

    /// A task has ended: forget it, and start what waited for it.
    fn retire(&mut self, cx: &mut Cx<'_>, index: u16) {
        let Some(entry) = self.tasks.remove(index) else { return };
        if entry.phase == Phase::Aborting {
            self.dried(cx);
        }
        while let Some(next) = self.tasks.next_startable() {
            self.tasks.enable(next);
            self.run(cx, next);
        }
    }

    fn resume(&mut self, cx: &mut Cx<'_>, want: Want) {
        for index in self.tasks.waiting_for(want) {
            self.tasks.wait_for(index, Want::Input);
            self.run(cx, index);
        }
        self.settle(cx);
    }
}

/// Nexuses that waited for a range of the unit have to be polled.
fn wake_others(cx: &mut Cx<'_>, volume: VolumeId) {
    if let Some(unit) = cx.units.get_mut(volume.0 as usize) {
        cx.effects.extend(unit.disk.wake.drain(..).map(Effect::Wake));
    }
}

fn poll(entry: &mut Entry, cx: &mut Cx<'_>, nexus: NexusId, path: Option<&Path>) -> Action {
    let Some(path) = path else { return Action::Wait };
    entry.task.poll(&mut scsi::Cx {
        now: cx.now,
        arena: cx.arena,
        nexus,
        lun: entry.lun,
        unit: entry.volume.and_then(|v| cx.units.get_mut(v.0 as usize)),
        read_only: cx.exports[path.target].protects(entry.lun),
        luns: &cx.exports[path.target].luns,
        port: &path.port,
        chunk_max: cx.arena.room().min(CHUNK_MAX) as u32,
    })
}

/// A ticket names slot of task of nexus: `serial` keeps a late answer from meeting the next user of the index.
fn join(index: u16, serial: u32, slot: u16) -> Ticket {
    Ticket(u64::from(serial) << 32 | u64::from(index) << 16 | u64::from(slot))
}

fn split(Ticket(ticket): Ticket) -> (u16, u32, u16) {
    ((ticket >> 16) as u16, (ticket >> 32) as u32, ticket as u16)
}
