//! One command, from its entry to its reply: a state machine that says what it wants next.

use super::compare::Compare;
use super::copy::Copy;
use super::cursor::Cursor;
use super::deallocate::Deallocate;
use super::flush::Flush;
use super::pair::{self, Pair};
use super::read::Read;
use super::table::{self, Class};
use super::write::Write;
use crate::nvme::{Action, Attached, Entry, Fuse, Leg, Reply, Status, View};
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::path::Access;
use mainstay_base::sam::{NexusId, TaskKey};
use mainstay_base::time::Instant;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Disks, Done, Fault, Op, VolumeId};

/// Chunks one command has in work at a time.
pub const SLOTS: usize = 2;

/// What a task sees of the world in one poll.
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// Where payload lives.
    pub arena: &'a Arena,
    /// Whose command it is.
    pub nexus: NexusId,
    /// All disks.
    pub disks: &'a mut dyn Disks,
    /// What the controller shows this host.
    pub view: &'a View,
    /// The most bytes one collect, store request or send should have; a multiple of every block size.
    pub chunk_max: u32,
}

/// How a command ends, or the two of a fused pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Means nothing for a command of its own.
    pub first: Status,
    pub last: Status,
    /// Dword 0 of the completion queue entry.
    pub result: u32,
}

impl Ending {
    /// All went well.
    pub const OK: Ending = Ending::of(Status::SUCCESS);
    /// Memory is short while others may wait for what we hold.
    pub const INTERRUPTED: Ending = Ending::of(Status::COMMAND_INTERRUPTED);

    const fn of(status: Status) -> Ending {
        Ending { first: status, last: status, result: 0 }
    }
}

impl From<Status> for Ending {
    fn from(status: Status) -> Ending {
        Ending::of(status)
    }
}

/// What a program of a command says to a poll.
#[derive(Debug)]
pub enum Step {
    Do(Action),
    End(Ending),
}

/// Whether a task keeps others from its range of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    #[default]
    None,
    /// A plain write, for as long as it has a request at the store.
    Write,
    /// An exclusive claim, until the end.
    Claim,
}

/// What every program needs to know of its command.
#[derive(Debug)]
pub struct Job {
    pub key: TaskKey,
    pub opcode: u8,
    /// A pair: Compare and Write.
    pub fused: bool,
    /// Bytes the host is ready to move.
    pub given: u32,
    pub volume: VolumeId,
    /// Requests at stores.
    pub flying: u16,
    pub guard: Guard,
}

impl Job {
    /// Ask the store.
    pub fn submit(&mut self, slot: u16, op: Op) -> Step {
        self.flying += 1;
        Step::Do(Action::Submit { slot, volume: self.volume, op })
    }

    /// Note that we write `span`. False: wait for the range.
    #[must_use]
    pub fn guard_write(&mut self, cx: &mut Cx<'_>, span: Span) -> bool {
        let Some(disk) = cx.disks.disk_mut(self.volume) else { return true };
        let granted = disk.ranges.begin_write(self.key, span);
        if granted {
            self.guard = Guard::Write;
        }
        granted
    }

    /// Have `span` for ourselves. False: wait for the range.
    #[must_use]
    pub fn guard_claim(&mut self, cx: &mut Cx<'_>, span: Span) -> bool {
        let Some(disk) = cx.disks.disk_mut(self.volume) else { return true };
        self.guard = Guard::Claim;
        disk.ranges.claim(self.key, span)
    }

    fn let_go(&mut self, cx: &mut Cx<'_>) {
        if let Some(disk) = cx.disks.disk_mut(self.volume) {
            match self.guard {
                Guard::None => {}
                Guard::Write => disk.ranges.end_write(self.key, &mut disk.wake),
                Guard::Claim => disk.ranges.unclaim(self.key, &mut disk.wake),
            }
        }
        self.guard = Guard::None;
    }
}

/// Where a command stands.
#[derive(Debug)]
pub enum State {
    /// Nothing was looked at yet.
    New(Entry),
    Read(Read),
    Write(Write),
    Flush(Flush),
    Cursor(Cursor),
    Deallocate(Deallocate),
    Compare(Compare),
    Pair(Pair),
    Copy(Copy),
    /// It ends so, once nothing is in flight.
    End(Ending),
}

/// One command, or a fused pair.
#[derive(Debug)]
pub struct Task {
    pub(super) job: Job,
    pub(super) state: State,
}

impl Task {
    /// A command that has just arrived. `given`: bytes SGL 1 describes.
    pub fn new(key: TaskKey, entry: &Entry, given: u32) -> Task {
        let job = Job {
            key,
            opcode: entry.opcode(),
            fused: false,
            given,
            volume: VolumeId::default(),
            flying: 0,
            guard: Guard::None,
        };
        let alone = entry.fuse() == Fuse::Alone;
        Task { job, state: if alone { State::New(*entry) } else { State::End(Status::INVALID_FIELD.into()) } }
    }

    /// A fused pair, in the order the standard has them (base §6.2), whatever order they came in.
    pub fn fused(key: TaskKey, first: &Entry, first_given: u32, last: &Entry, last_given: u32) -> Task {
        let mut task = Task::new(key, last, last_given);
        task.job.fused = true;
        task.state = match pair::check(first, last) {
            Ok(()) if first_given != last_given => State::End(Status::SGL_LENGTH_INVALID.into()),
            Ok(()) => State::New(*last),
            Err(ending) => State::End(ending),
        };
        task
    }

    /// The next wish. To be called again until it is a `Wait…` or `Done`.
    pub fn poll(&mut self, cx: &mut Cx<'_>) -> Action {
        if self.job.guard == Guard::Write && self.job.flying == 0 {
            self.job.let_go(cx);
        }
        loop {
            let job = &mut self.job;
            let step = match &mut self.state {
                State::New(entry) => match begin(job, entry, cx) {
                    Ok(state) => {
                        self.state = state;
                        continue;
                    }
                    Err(ending) => Step::End(ending),
                },
                State::End(ending) => {
                    if job.flying > 0 {
                        return Action::Wait;
                    }
                    let ending = *ending;
                    job.let_go(cx);
                    let reply = |status: Status, result: u32| {
                        // Who has not said that it minds them gets none (base §3.3.3.2.1, CRD).
                        let delay = if cx.view.retry_delays { status.delay } else { 0 };
                        Reply { status: Status { delay, ..status }, result: result.into() }
                    };
                    let first = job.fused.then(|| reply(ending.first, 0));
                    return Action::Done { first, last: reply(ending.last, ending.result) };
                }
                State::Read(read) => read.poll(job, cx),
                State::Write(write) => write.poll(job, cx),
                State::Flush(flush) => flush.poll(job, cx),
                State::Cursor(cursor) => cursor.poll(job, cx),
                State::Deallocate(deallocate) => deallocate.poll(job, cx),
                State::Compare(compare) => compare.poll(job, cx),
                State::Pair(pair) => pair.poll(job, cx),
                State::Copy(copy) => copy.poll(job, cx),
            };
            match step {
                Step::Do(action) => return action,
                Step::End(ending) => self.state = State::End(ending),
            }
        }
    }

    /// Data that was asked for. What was not asked for is dropped.
    pub fn collected(&mut self, leg: Leg, offset: u32, data: Buf) {
        match &mut self.state {
            State::Write(write) => write.collected(offset, data),
            State::Deallocate(deallocate) => deallocate.collected(data),
            State::Compare(compare) => compare.collected(offset, data),
            State::Pair(pair) => pair.collected(leg, data),
            State::Copy(copy) => copy.collected(data),
            State::New(_) | State::Read(_) | State::Flush(_) | State::Cursor(_) | State::End(_) => {}
        }
    }

    /// The store's answer to what `slot` asked, its buffers included.
    pub fn stored(&mut self, slot: u16, op: Op, result: Result<Done, Fault>) {
        self.job.flying = self.job.flying.saturating_sub(1);
        let outcome = match &mut self.state {
            State::Read(read) => read.stored(slot, op, result),
            State::Write(write) => write.stored(slot, result),
            State::Flush(flush) => flush.stored(result),
            State::Cursor(cursor) => cursor.stored(&op, result),
            State::Deallocate(deallocate) => deallocate.stored(result),
            State::Compare(compare) => compare.stored(op, result),
            State::Pair(pair) => pair.stored(op, result),
            State::Copy(copy) => copy.stored(op, result),
            State::New(_) | State::End(_) => Ok(()),
        };
        if let Err(ending) = outcome {
            self.state = State::End(ending);
        }
    }

    /// Start nothing new and end so. Poll it: `Done` comes once nothing is in flight.
    pub fn abort(&mut self, status: Status) {
        self.state = State::End(status.into());
    }

    /// What the standards call it, for logs and counters.
    pub fn name(&self) -> &'static str {
        if self.job.fused {
            return "Compare and Write";
        }
        table::find(self.job.opcode).map_or("unknown command", |command| command.name)
    }

    /// Whose ranges it may hold; none before it has looked at its namespace.
    pub fn volume(&self) -> Option<VolumeId> {
        (!matches!(self.state, State::New(_))).then_some(self.job.volume)
    }

    /// It keeps others from a range of the disk, or is in line for one.
    pub fn holds_range(&self) -> bool {
        self.job.guard != Guard::None
    }

    /// No request of it is at a store.
    pub fn is_dry(&self) -> bool {
        self.job.flying == 0
    }
}

/// Whether commands to a namespace are carried out on this path (base §8.1.3).
pub fn reachable(namespace: &Attached) -> Result<(), Status> {
    match namespace.access {
        Access::Optimized | Access::NonOptimized => Ok(()),
        Access::Inaccessible => Err(Status::ANA_INACCESSIBLE),
        Access::PersistentLoss => Err(Status::ANA_PERSISTENT_LOSS),
        Access::Change => Err(Status::ANA_TRANSITION),
    }
}

/// NSID of all namespaces at once.
const EVERY: u32 = u32::MAX;

/// What every command goes through before its own handler.
fn begin(job: &mut Job, entry: &Entry, cx: &mut Cx<'_>) -> Result<State, Ending> {
    let command = table::find(entry.opcode()).ok_or(Status::INVALID_OPCODE)?;
    if !cx.view.ready {
        return Err(Status::COMMAND_SEQUENCE_ERROR.into());
    }
    if !command.moves_data() && job.given > 0 {
        return Err(Status::SGL_LENGTH_INVALID.into());
    }
    if command.class == Class::Flush && entry.nsid() == EVERY {
        return Ok(State::Flush(Flush { next: Some(0), all: true }));
    }
    let namespace = cx.view.namespace(entry.nsid()).ok_or(Status::INVALID_NAMESPACE)?;
    reachable(namespace)?;
    let disk = cx.disks.disk(namespace.volume).ok_or(Status::NAMESPACE_NOT_READY)?;
    if command.class == Class::Write && (namespace.read_only || !disk.is_writable()) {
        return Err(Status::NAMESPACE_WRITE_PROTECTED.into());
    }
    job.volume = namespace.volume;
    if job.fused { pair::begin(job, entry, disk) } else { (command.begin)(job, entry, disk) }
}
