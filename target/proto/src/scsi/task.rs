//! One command, from its CDB to its reply: a state machine that says what it wants next.

use super::attention::Attention;
use super::cache::Flush;
use super::cdb::Cdb;
use super::compare::Compare;
use super::lba_status::LbaStatus;
use super::mode::ModeSelect;
use super::sense::Sense;
use super::table::{self, Begin, Class, Command, Medium};
use super::transfer::{Read, Verify, Write};
use super::unit::{LogicalUnit, PortInfo};
use super::unmap::Unmap;
use super::write_same::WriteSame;
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::sam::{Lun, NexusId, Reply, Status, TaskKey};
use mainstay_base::time::Instant;
use mainstay_base::unit::range::Span;
use mainstay_base::unit::{Done, Fault, Op, VolumeId};
use std::ops::Range;
use std::sync::Arc;

/// What a task sees of the world in one poll.
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// Where payload lives.
    pub arena: &'a Arena,
    /// Whose command it is.
    pub nexus: NexusId,
    /// The unit number it was sent to.
    pub lun: Lun,
    /// The unit there, if this nexus may see one.
    pub unit: Option<&'a mut LogicalUnit>,
    /// This initiator may not write to it, whatever others may.
    pub read_only: bool,
    /// All units this nexus may see.
    pub luns: &'a [(Lun, VolumeId)],
    /// The ports of this nexus.
    pub port: &'a PortInfo,
    /// The most bytes one collect, store request or send should have; a multiple of every block size.
    pub chunk_max: u32,
}

/// What a task wants next.
#[derive(Debug)]
pub enum Action {
    /// Data-out `offset .. offset + len`, given by [`Task::collected`] in one buffer. Several may be outstanding.
    Collect {
        /// First byte of the command's data-out.
        offset: u32,
        /// Bytes.
        len: u32,
    },
    /// A store request, answered by [`Task::stored`].
    Submit {
        /// Tells several requests of one task apart.
        slot: u16,
        /// What the store shall do.
        op: Op,
    },
    /// Data-in, in order of `offset`.
    Send {
        /// First byte of the command's data-in.
        offset: u32,
        /// The buffer.
        data: Arc<Buf>,
        /// Which bytes of it.
        range: Range<usize>,
    },
    /// Nothing until something is collected or stored.
    Wait,
    /// Nothing until arena memory was freed.
    WaitMemory,
    /// Nothing until the unit wakes this nexus.
    WaitRange,
    /// The end. The task wants nothing any more and has nothing in flight.
    Done(Reply),
}

/// How a command ends, before it is put into sense bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    pub status: Status,
    pub sense: Option<Sense>,
    /// Bytes the command moves by its own words.
    pub moved: u32,
}

impl Ending {
    /// GOOD.
    pub const fn good(moved: u32) -> Ending {
        Ending { status: Status::Good, sense: None, moved }
    }

    /// Memory is short while others may wait for what we hold.
    pub const BUSY: Ending = Ending::bare(Status::Busy);

    const fn bare(status: Status) -> Ending {
        Ending { status, sense: None, moved: 0 }
    }

    /// CHECK CONDITION.
    pub const fn check(sense: Sense, moved: u32) -> Ending {
        Ending { status: Status::CheckCondition, sense: Some(sense), moved }
    }
}

impl From<Sense> for Ending {
    fn from(sense: Sense) -> Ending {
        Ending::check(sense, 0)
    }
}

/// What a program of a command says to a poll.
#[derive(Debug)]
pub enum Step {
    Do(Action),
    /// All of this buffer is the data-in, and then the end.
    Send(Arc<Buf>, Ending),
    End(Ending),
}

/// Whether a task keeps others from its range of the unit.
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
    pub cdb: Cdb,
    /// What the initiator expects to get, and to give.
    pub in_bytes: u32,
    pub out_bytes: u32,
    /// Bytes of a logical block of its unit.
    pub block: u32,
    /// Requests at the store.
    pub flying: u16,
    pub guard: Guard,
}

impl Job {
    /// Ask the store.
    pub fn submit(&mut self, slot: u16, op: Op) -> Step {
        self.flying += 1;
        Step::Do(Action::Submit { slot, op })
    }

    /// Note that we write `span`. False: wait for the range.
    #[must_use]
    pub fn guard_write(&mut self, cx: &mut Cx<'_>, span: Span) -> bool {
        let Some(unit) = cx.unit.as_deref_mut() else { return true };
        let granted = unit.disk.ranges.begin_write(self.key, span);
        if granted {
            self.guard = Guard::Write;
        }
        granted
    }

    /// Have `span` for ourselves. False: wait for the range.
    #[must_use]
    pub fn guard_claim(&mut self, cx: &mut Cx<'_>, span: Span) -> bool {
        let Some(unit) = cx.unit.as_deref_mut() else { return true };
        self.guard = Guard::Claim;
        unit.disk.ranges.claim(self.key, span)
    }

    fn let_go(&mut self, cx: &mut Cx<'_>) {
        if let Some(unit) = cx.unit.as_deref_mut() {
            match self.guard {
                Guard::None => {}
                Guard::Write => unit.disk.ranges.end_write(self.key, &mut unit.disk.wake),
                Guard::Claim => unit.disk.ranges.unclaim(self.key, &mut unit.disk.wake),
            }
        }
        self.guard = Guard::None;
    }
}

/// Where a command stands.
#[derive(Debug)]
pub enum State {
    /// Nothing was looked at yet.
    New,
    /// Parameter data to send: this many bytes.
    Answer(Arc<Buf>, u32, Ending),
    Read(Read),
    Write(Write),
    Verify(Verify),
    WriteSame(WriteSame),
    Unmap(Unmap),
    LbaStatus(LbaStatus),
    Compare(Compare),
    Flush(Flush),
    ModeSelect(ModeSelect),
    /// It ends so, once nothing is in flight.
    End(Ending),
}

/// One command.
#[derive(Debug)]
pub struct Task {
    pub(super) job: Job,
    pub(super) state: State,
}

impl Task {
    /// A command that has just arrived. `in_bytes`, `out_bytes`: what its initiator expects to get and to give.
    pub fn new(key: TaskKey, cdb: &[u8], in_bytes: u32, out_bytes: u32) -> Task {
        let cdb = Cdb::new(cdb);
        let job = Job { key, cdb, in_bytes, out_bytes, block: 512, flying: 0, guard: Guard::None };
        Task { job, state: State::New }
    }

    /// The next wish. To be called again until it is a `Wait…` or `Done`.
    pub fn poll(&mut self, cx: &mut Cx<'_>) -> Action {
        if self.job.guard == Guard::Write && self.job.flying == 0 {
            self.job.let_go(cx);
        }
        loop {
            let job = &mut self.job;
            let step = match &mut self.state {
                State::New => match begin(job, cx) {
                    Ok(Some(state)) => {
                        self.state = state;
                        continue;
                    }
                    Ok(None) => return Action::WaitMemory,
                    Err(ending) => Step::End(ending),
                },
                State::End(ending) => {
                    if job.flying > 0 {
                        return Action::Wait;
                    }
                    job.let_go(cx);
                    return Action::Done(reply(ending, cx));
                }
                State::Answer(data, len, ending) => {
                    let (data, range, ending) = (data.clone(), 0..*len as usize, *ending);
                    self.state = State::End(ending);
                    return Action::Send { offset: 0, data, range };
                }
                State::Read(read) => read.poll(job, cx),
                State::Write(write) => write.poll(job, cx),
                State::Verify(verify) => verify.poll(job, cx),
                State::WriteSame(same) => same.poll(job, cx),
                State::Unmap(unmap) => unmap.poll(job, cx),
                State::LbaStatus(status) => status.poll(job, cx),
                State::Compare(compare) => compare.poll(job, cx),
                State::Flush(flush) => flush.poll(job, cx),
                State::ModeSelect(select) => select.poll(job, cx),
            };
            match step {
                Step::Do(action) => return action,
                Step::Send(data, ending) => {
                    let len = data.len() as u32;
                    self.state = State::Answer(data, len, ending);
                }
                Step::End(ending) => self.state = State::End(ending),
            }
        }
    }

    /// Data-out that was asked for. What was not asked for is dropped.
    pub fn collected(&mut self, offset: u32, data: Buf) {
        match &mut self.state {
            State::Write(write) => write.collected(offset, data),
            State::Verify(verify) => verify.collected(offset, data),
            State::WriteSame(same) => same.collected(data),
            State::Unmap(unmap) => unmap.collected(data),
            State::Compare(compare) => compare.collected(data),
            State::ModeSelect(select) => select.collected(data),
            State::New | State::Answer(..) | State::Read(_) | State::LbaStatus(_) | State::Flush(_) | State::End(_) => {
            }
        }
    }

    /// The store's answer to what `slot` asked, its buffers included.
    pub fn stored(&mut self, slot: u16, op: Op, result: Result<Done, Fault>) {
        let job = &mut self.job;
        job.flying = job.flying.saturating_sub(1);
        let outcome = match &mut self.state {
            State::Read(read) => read.stored(job, slot, op, result),
            State::Write(write) => write.stored(job, slot, result),
            State::Verify(verify) => verify.stored(job, op, result),
            State::WriteSame(same) => same.stored(job, op, result),
            State::Unmap(unmap) => unmap.stored(job, result),
            State::LbaStatus(status) => status.stored(job, result),
            State::Compare(compare) => compare.stored(job, op, result),
            State::Flush(flush) => flush.stored(job, result),
            State::ModeSelect(select) => select.stored(job, result),
            State::New | State::Answer(..) | State::End(_) => Ok(()),
        };
        if let Err(ending) = outcome {
            self.state = State::End(ending);
        }
    }

    /// Start nothing new. Poll it: `Done` comes once nothing is in flight; that reply is nobody's.
    pub fn abort(&mut self) {
        self.state = State::End(Ending::bare(Status::TaskAborted));
    }

    /// What the standards call it, for logs and counters.
    pub fn name(&self) -> &'static str {
        table::find(&self.job.cdb).map_or("unknown command", |command| command.name)
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

fn reply(ending: &Ending, cx: &Cx<'_>) -> Reply {
    let descriptor = cx.unit.as_deref().is_some_and(|unit| unit.control.descriptor_sense);
    let sense = ending.sense.map(|sense| sense.encode(descriptor)).unwrap_or_default();
    Reply { status: ending.status, sense, moved: ending.moved }
}

/// What every command goes through before its own handler, in the order of SAM-5 §5.3.3 and SPC-4 §5.2. None: it needs
/// memory first, and nothing was touched.
fn begin(job: &mut Job, cx: &mut Cx<'_>) -> Result<Option<State>, Ending> {
    let command = table::find(&job.cdb);
    let found = command.ok().filter(|c| cx.unit.as_deref().is_none_or(|unit| c.is_offered_by(unit)));
    let read_only = cx.read_only;
    let Some(unit) = cx.unit.as_deref_mut() else {
        return match found {
            Some(command) if command.class == Class::Anywhere => run(job, cx, command),
            _ => Err(Sense::NO_SUCH_UNIT.into()),
        };
    };
    job.block = unit.disk.geometry.block_bytes;
    let class = found.map_or(Class::Control, |c| c.class);
    let pending = if class == Class::Anywhere { None } else { unit.pending(cx.nexus) };
    if let Some(attention) = pending.filter(|a| a.is_reset()) {
        return Err(attend(unit, cx.nexus, attention));
    }
    let free = class == Class::Anywhere || found.is_some_and(|c| c.is_free(&job.cdb));
    if unit.reserved.is_some_and(|holder| holder != cx.nexus) && !free {
        return Err(Ending::bare(Status::ReservationConflict));
    }
    if let Some(attention) = pending {
        return Err(attend(unit, cx.nexus, attention));
    }
    let Some(command) = found else {
        return Err(command.err().unwrap_or(Sense::INVALID_OPCODE).into());
    };
    command.check(&job.cdb)?;
    match command.medium {
        Medium::Any => {}
        Medium::Loaded => unit.loaded()?,
        Medium::Started => unit.ready()?,
    }
    if command.class == Class::Write {
        unit.writable(read_only)?;
    }
    run(job, cx, command)
}

fn attend(unit: &mut LogicalUnit, nexus: NexusId, attention: Attention) -> Ending {
    unit.reported(nexus, attention);
    attention.sense().into()
}

fn run(job: &mut Job, cx: &mut Cx<'_>, command: &'static Command) -> Result<Option<State>, Ending> {
    match command.begin {
        Begin::Run(begin) => {
            let unit = cx.unit.as_deref_mut().ok_or(Sense::NO_SUCH_UNIT)?;
            begin(job, unit).map(Some)
        }
        Begin::Data(allocation, data) => {
            // Memory before anything else: the handler may report, and so forget, something.
            let allocated = allocation.of(&job.cdb);
            let wanted = allocated.min(job.in_bytes);
            let room = (16 + 8 * cx.luns.len()).max(4096).min(wanted as usize);
            let buf = if room == 0 { None } else { Some(cx.arena.alloc(room)) };
            if matches!(buf, Some(None)) {
                return Ok(None);
            }
            if cx.unit.is_none() {
                command.check(&job.cdb)?;
            }
            let bytes = data(&job.cdb, cx)?;
            let ending = Ending::good((bytes.len() as u32).min(allocated));
            match buf.flatten() {
                Some(mut buf) if !bytes.is_empty() => {
                    let len = bytes.len().min(buf.len());
                    buf[..len].copy_from_slice(&bytes[..len]);
                    Ok(Some(State::Answer(Arc::new(buf), len as u32, ending)))
                }
                _ => Ok(Some(State::End(ending))),
            }
        }
    }
}
