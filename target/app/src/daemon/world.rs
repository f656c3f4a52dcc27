//! Everything the daemon serves, in one place: the nexuses, the units, the volumes, and the rules by which an effect of
//! one reaches the others.
//!
//! I1 All state is here, and none of it in a task of the runtime: tasks only wait for readiness and call in.
//! I2 Between two calls from outside every effect has been carried out and every touched connection flushed.

use super::control::{Control, ControlId};
use super::journal::{FaultsTold, Refusals, unix_ms};
use super::sessions::{Admission, Sessions};
use super::vigil::Vigil;
use crate::control::console::Console;
use crate::control::words::VolumeKind;
use mainstay_base::arena::Arena;
use mainstay_base::metrics::{self, Traffic};
use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use mainstay_base::unit::{Completion, Op, Request, Ticket};
use mainstay_edge::clock;
use mainstay_edge::portal::{self, Machine, Pumped, Ready};
use mainstay_edge::volume::{Job, Pool, Volume};
use mainstay_proto::iscsi::{self, CloseReason, Phase, Site};
use mainstay_proto::nexus::{self, Effect, Export, Nexus};
use mainstay_proto::scsi::LogicalUnit;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::IoSlice;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Bytes read from a socket at once, for all connections of a core.
const SCRATCH: usize = 256 * 1024;

pub(super) struct World {
    pub site: Site,
    pub exports: Vec<Export>,
    pub units: Vec<LogicalUnit>,
    pub volumes: Vec<Arc<Volume>>,
    pub backings: Vec<BackingShown>,
    pub traffic: Vec<Traffic>,
    pub arena: Arena,
    pub pool: Pool,
    pub sessions: Sessions,
    pub connections: BTreeMap<NexusId, Connection>,
    pub controls: BTreeMap<ControlId, Control>,
    pub console: Box<dyn Console>,
    pub refusals: Refusals,
    pub faults: Vec<FaultsTold>,
    pub places: Places,
    pub started_ms: u64,
    /// Requests the pool has: of which volume, since when.
    asked: HashMap<(NexusId, Ticket), (usize, Instant)>,
    nexus_next: u64,
    scratch: Vec<u8>,
    vigil: Vigil,
    queue: VecDeque<(NexusId, Effect)>,
    effects: Vec<Effect>,
    batch: Vec<Job>,
    touched: Vec<NexusId>,
    starved: Vec<NexusId>,
    /// Bytes of the arena in use when the starved were last fed.
    used_at_feed: usize,
    /// Tells the timer task that an earlier deadline may have come.
    pub timer: Rc<Notify>,
}

/// Where a volume is, for people.
#[derive(Clone, Debug)]
pub(super) struct BackingShown {
    pub kind: VolumeKind,
    pub path: Option<PathBuf>,
    /// Made when it was opened.
    pub created: bool,
}

/// Paths a person may want to know.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub state_dir: PathBuf,
    pub control: PathBuf,
    pub config: Option<PathBuf>,
}

pub(super) struct Connection {
    pub nexus: Nexus,
    /// Its account of the payload memory.
    arena: Arena,
    pub since_ms: u64,
    pub stream: Rc<TcpStream>,
    /// Wakes the connection's task: its interest changed, or it is over.
    pub changed: Rc<Notify>,
    waits_for: Option<Interest>,
    /// Nothing more is read or written; what is at the stores is awaited.
    gone: bool,
    /// It was told that this session logged in.
    told: bool,
    /// Why it ends, if we know better than that the connection ended.
    why: &'static str,
}

/// A nexus with the world around it, for the pump.
struct Pump<'a> {
    nexus: &'a mut Nexus,
    cx: nexus::Cx<'a>,
}

impl Machine for Pump<'_> {
    fn payload_space(&mut self) -> Option<&mut [u8]> {
        self.nexus.payload_space()
    }
    fn filled(&mut self, n: usize) {
        self.nexus.filled(&mut self.cx, n);
    }
    fn receive(&mut self, bytes: &[u8]) {
        self.nexus.receive(&mut self.cx, bytes);
    }
    fn wants_input(&self) -> bool {
        self.nexus.wants_input()
    }
    fn output<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        self.nexus.output(slices);
    }
    fn sent(&mut self, n: usize) {
        self.nexus.sent(&mut self.cx, n);
    }
}

impl World {
    pub fn new(
        site: Site,
        exports: Vec<Export>,
        units: Vec<LogicalUnit>,
        volumes: Vec<(Arc<Volume>, BackingShown)>,
        arena: Arena,
        pool: Pool,
        sessions: Sessions,
        console: Box<dyn Console>,
        places: Places,
    ) -> World {
        let faults = volumes.iter().map(|_| FaultsTold::default()).collect();
        let traffic = volumes.iter().map(|_| Traffic::default()).collect();
        let (volumes, backings): (Vec<_>, _) = volumes.into_iter().unzip();
        World {
            site,
            exports,
            units,
            volumes,
            backings,
            traffic,
            arena,
            pool,
            sessions,
            connections: BTreeMap::new(),
            controls: BTreeMap::new(),
            console,
            refusals: Refusals::default(),
            faults,
            places,
            started_ms: unix_ms(),
            asked: HashMap::new(),
            nexus_next: 1,
            scratch: vec![0; SCRATCH],
            vigil: Vigil::default(),
            queue: VecDeque::new(),
            effects: Vec::new(),
            batch: Vec::new(),
            touched: Vec::new(),
            starved: Vec::new(),
            used_at_feed: 0,
            timer: Rc::default(),
        }
    }

    /// Take a connection that was accepted.
    pub fn admit_connection(&mut self, stream: TcpStream, setup: iscsi::Setup) -> (NexusId, Rc<TcpStream>, Rc<Notify>) {
        let id = NexusId(self.nexus_next);
        self.nexus_next += 1;
        let stream = Rc::new(stream);
        let changed = Rc::new(Notify::new());
        let connection = Connection {
            nexus: Nexus::new(id, setup),
            arena: self.arena.account(),
            since_ms: unix_ms(),
            stream: stream.clone(),
            changed: changed.clone(),
            waits_for: Some(Interest::READABLE),
            gone: false,
            told: false,
            why: "the connection ended",
        };
        self.connections.insert(id, connection);
        self.timer.notify_one();
        (id, stream, changed)
    }

    /// What the task of a connection should wait for; none: only for a change.
    pub fn interest(&self, id: NexusId) -> Option<Interest> {
        self.connections.get(&id)?.waits_for
    }

    /// Whether the connection still exists.
    pub fn knows(&self, id: NexusId) -> bool {
        self.connections.contains_key(&id)
    }

    /// The socket of a connection is ready for something. True: it may have more to read.
    pub fn ready(&mut self, id: NexusId) -> bool {
        self.vigil.begin(id, clock::now());
        let before = self.commands(id);
        let more = self.take(id, Ready::AsTold);
        let single = !more && self.commands(id).0 == before.0 + 1 && self.commands(id).1 == 0;
        self.vigil.end(single, clock::now());
        more
    }

    /// Look at the socket of a connection for a while, without being told that it is ready. True: something came.
    pub fn watch(&mut self, id: NexusId) -> bool {
        let Some(wait) = self.vigil.wait(id) else { return false };
        let start = clock::now();
        let before = self.commands(id);
        while clock::now().since(start) < wait {
            self.take(id, Ready::Unknown);
            let after = self.commands(id);
            if after.0 != before.0 || !self.knows(id) {
                self.vigil.end(after.0 == before.0 + 1 && after.1 == 0, clock::now());
                return true;
            }
        }
        self.vigil.missed();
        false
    }

    /// Commands a session ever gave us, and those of them that are open.
    fn commands(&self, id: NexusId) -> (u64, usize) {
        self.connections.get(&id).map_or((0, 0), |c| (c.nexus.info().traffic.commands, c.nexus.tasks_live()))
    }

    fn take(&mut self, id: NexusId, ready: Ready) -> bool {
        let mut more = false;
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut outcome = Ok(Pumped::Dry);
        self.with_pump(id, |stream, pump| outcome = portal::fill(stream, pump, &mut scratch, ready));
        self.scratch = scratch;
        match outcome {
            Ok(Pumped::Dry) => {}
            Ok(Pumped::More) => more = true,
            Ok(Pumped::End) | Err(_) => self.with(id, |nexus, cx| nexus.disconnected(cx)),
        }
        self.settle();
        more
    }

    /// Answers from the pool.
    fn completed(&mut self, completions: &mut Vec<(NexusId, Completion)>) {
        for (id, completion) in completions.drain(..) {
            if let Some((index, asked)) = self.asked.remove(&(id, completion.ticket)) {
                count(&mut self.traffic[index], &completion, asked);
                self.store_fault(index, &completion);
            }
            self.with(id, |nexus, cx| nexus.complete(cx, completion));
        }
        self.settle();
    }

    /// Time has passed. Gives the next deadline.
    pub fn tick(&mut self) -> Option<Instant> {
        let now = clock::now();
        let due: Vec<NexusId> = self
            .connections
            .iter()
            .filter(|(_, c)| c.nexus.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(&id, _)| id)
            .collect();
        for id in due {
            self.with(id, |nexus, cx| nexus.tick(cx));
        }
        self.settle();
        self.connections.values().filter_map(|c| c.nexus.deadline()).min()
    }

    /// End a session from our side.
    pub fn close(&mut self, id: NexusId, reason: CloseReason) {
        self.close_unsettled(id, reason);
        self.settle();
    }

    fn close_unsettled(&mut self, id: NexusId, reason: CloseReason) {
        self.part(
            id,
            match reason {
                CloseReason::Kicked => "an admin ended it",
                CloseReason::Shutdown => "the daemon stops",
                CloseReason::Reinstated => "the initiator logged in again",
                CloseReason::TargetReset => "the target was reset",
            },
        );
        self.with(id, |nexus, cx| nexus.close(cx, reason));
    }

    /// Note why a session is about to end.
    fn part(&mut self, id: NexusId, why: &'static str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.why = why;
        }
    }

    /// Connections that have not logged in.
    pub fn pending(&self) -> usize {
        let logging_in = |c: &&Connection| matches!(c.nexus.info().phase, Phase::Login | Phase::Deciding);
        self.connections.values().filter(logging_in).count()
    }

    /// Answers of the pool have come.
    pub fn take_completions(&mut self, scratch: &mut Vec<(NexusId, Completion)>) {
        self.pool.drain(scratch);
        self.completed(scratch);
    }

    /// End every session, telling the initiators.
    pub fn close_all(&mut self) {
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.close_unsettled(id, CloseReason::Shutdown);
        }
        self.settle();
    }

    /// Call a nexus, and note what it wants done.
    fn with(&mut self, id: NexusId, call: impl FnOnce(&mut Nexus, &mut nexus::Cx<'_>)) {
        self.with_pump(id, |_, pump| call(pump.nexus, &mut pump.cx));
    }

    fn with_pump(&mut self, id: NexusId, call: impl FnOnce(&TcpStream, &mut Pump<'_>)) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let cx = nexus::Cx {
            now: clock::now(),
            site: &self.site,
            arena: &connection.arena,
            exports: &self.exports,
            units: &mut self.units,
            effects: &mut self.effects,
        };
        call(&connection.stream, &mut Pump { nexus: &mut connection.nexus, cx });
        self.queue.extend(self.effects.drain(..).map(|effect| (id, effect)));
        if !self.touched.contains(&id) {
            self.touched.push(id);
        }
        if connection.nexus.starved() && !self.starved.contains(&id) {
            self.starved.push(id);
        }
    }

    /// Carry out all effects, send all output, drop what has ended (I2).
    pub fn settle(&mut self) {
        loop {
            while let Some((id, effect)) = self.queue.pop_front() {
                self.carry_out(id, effect);
            }
            if !self.batch.is_empty() {
                self.pool.submit_all(self.batch.drain(..));
            }
            self.feed();
            if !self.queue.is_empty() {
                continue;
            }
            let Some(id) = self.touched.pop() else { break };
            self.flush(id);
        }
    }

    fn carry_out(&mut self, id: NexusId, effect: Effect) {
        match effect {
            Effect::Store(request) => self.store(id, request),
            Effect::Candidate(candidate) => self.admission(id, candidate),
            Effect::Reset { volumes, itt } => {
                let mut busy = Vec::new();
                for other in self.others(id) {
                    let mut dry = true;
                    self.with(other, |nexus, cx| dry = nexus.abort_volumes(cx, &volumes));
                    if !dry {
                        busy.push(other);
                    }
                }
                self.with(id, |nexus, cx| nexus.others_busy(cx, itt, busy));
            }
            Effect::Dry => self.tell_dry(id),
            Effect::DropSessions { target } => {
                for other in self.others(id) {
                    if self.connections[&other].nexus.info().target == Some(target) {
                        self.close_unsettled(other, CloseReason::TargetReset);
                    }
                }
            }
            Effect::Wake(other) => self.with(other, |nexus, cx| nexus.wake(cx)),
            Effect::LoggedOut => self.part(id, "the initiator logged out"),
            Effect::Refused { step, why } => self.refused(id, step, why),
            Effect::Notice(notice) => self.notice(id, &notice),
        }
    }

    fn others(&self, id: NexusId) -> Vec<NexusId> {
        self.connections.keys().copied().filter(|&other| other != id).collect()
    }

    fn tell_dry(&mut self, id: NexusId) {
        for other in self.others(id) {
            if self.connections[&other].nexus.is_managing() {
                self.with(other, |nexus, cx| nexus.other_dry(cx, id));
            }
        }
    }

    fn store(&mut self, id: NexusId, mut request: Request) {
        let index = request.volume.0 as usize;
        let volume = &self.volumes[index];
        let asked = clock::now();
        self.traffic[index].begin();
        match volume.quick(&mut request.op) {
            Some(result) => {
                let completion = Completion { ticket: request.ticket, op: request.op, result };
                count(&mut self.traffic[index], &completion, asked);
                self.store_fault(index, &completion);
                self.with(id, |nexus, cx| nexus.complete(cx, completion));
            }
            None => {
                self.asked.insert((id, request.ticket), (index, asked));
                self.batch.push(Job { volume: volume.clone(), nexus: id, request });
            }
        }
    }

    fn admission(&mut self, id: NexusId, candidate: iscsi::Candidate) {
        if !self.knows(id) {
            return;
        }
        match self.sessions.candidate(id, candidate) {
            Admission::Now(verdict) => {
                let admitted = verdict.is_ok();
                self.with(id, |nexus, cx| nexus.admit(cx, verdict));
                if admitted && let Some(connection) = self.connections.get_mut(&id) {
                    connection.told = true;
                    self.logged_in(id);
                }
            }
            // Its tasks may still be at the stores, and an old write must not land behind the new session's.
            Admission::After(old) => self.close_unsettled(old, CloseReason::Reinstated),
        }
    }

    fn feed(&mut self) {
        let (_, _, used) = self.arena.usage();
        if self.starved.is_empty() || used >= self.used_at_feed {
            self.used_at_feed = self.used_at_feed.max(used);
            return;
        }
        self.used_at_feed = used;
        for id in std::mem::take(&mut self.starved) {
            self.with(id, |nexus, cx| nexus.feed(cx));
        }
    }

    fn flush(&mut self, id: NexusId) {
        let mut flushed = Ok(true);
        let gone = self.connections.get(&id).is_none_or(|connection| connection.gone);
        if !gone {
            self.with_pump(id, |stream, pump| flushed = portal::flush(stream, pump));
            if flushed.is_err() {
                self.with(id, |nexus, cx| nexus.disconnected(cx));
            }
            // `with` has touched it again.
            self.touched.retain(|&touched| touched != id);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.nexus.is_closed() && !connection.gone {
            connection.gone = true;
            portal::shutdown(&connection.stream);
        }
        let reads = connection.nexus.wants_input() && !connection.gone;
        let writes = matches!(flushed, Ok(false)) && !connection.gone;
        let interest = match (reads, writes) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        };
        if connection.waits_for != interest {
            connection.waits_for = interest;
            connection.changed.notify_one();
        }
        if connection.gone && connection.nexus.has_ended() {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: NexusId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        connection.changed.notify_one();
        if connection.told {
            self.logged_out(id, connection.nexus.info(), connection.why);
        }
        self.tell_dry(id);
        for (waiting, candidate) in self.sessions.ended(id) {
            self.admission(waiting, candidate);
        }
    }
}

/// Add an answer to the figures of its volume.
fn count(traffic: &mut Traffic, completion: &Completion, asked: Instant) {
    if completion.result.is_err() {
        return traffic.fail();
    }
    let nanos = clock::now().since(asked).as_nanos() as u64;
    let (kind, bytes) = match &completion.op {
        Op::Read { into, .. } => (metrics::Kind::Read, into.len() as u64),
        Op::Write { from, .. } => (metrics::Kind::Write, from.len() as u64),
        Op::Flush => (metrics::Kind::Flush, 0),
        Op::Zero { len, .. } => (metrics::Kind::Unmap, *len),
        Op::Extent { .. } => (metrics::Kind::Other, 0),
    };
    traffic.complete(kind, bytes, nanos);
}
