//! Everything the daemon serves, in one place: the nexuses, the units, the volumes, and the rules by which an effect of
//! one reaches the others.
//!
//! I1 All state is here, and none of it in a task of the runtime: tasks only wait for readiness and call in.
//! I2 Between two calls from outside every effect has been carried out and every touched connection flushed.

use super::control::{Control, ControlId};
use super::journal::{FaultsTold, Refusals, unix_ms};
use super::lobby::Lobby;
use super::saved::LiveSave;
use super::sessions::{Admission, Sessions};
use super::swap::{Surroundings, UnderWay};
use super::vigil::Vigil;
use crate::config::{Config, Voice};
use crate::control::console::Console;
use crate::control::words::{SwapReport, VolumeKind};
use connection::Pump;
use mainstay_base::arena::Arena;
use mainstay_base::metrics::Traffic;
use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use mainstay_base::unit::Ticket;
use mainstay_edge::clock;
use mainstay_edge::memory::SharedRegion;
use mainstay_edge::portal::{self, Pumped, Ready};
use mainstay_edge::state::StateDir;
use mainstay_edge::swap::Moments;
use mainstay_edge::volume::{Job, Pool, Volume};
use mainstay_proto::iscsi::login::Kind;
use mainstay_proto::iscsi::{self, CloseReason, Site};
use mainstay_proto::nexus::{self, Effect, Export, Nexus};
use mainstay_proto::scsi::LogicalUnit;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Notify;

/// Bytes read from a socket at once, for all connections of a core.
const SCRATCH: usize = 256 * 1024;
/// Threads that wait for disks.
const POOL_THREADS_MAX: usize = 16;
/// How often it is told that connections were dropped to make room.
const CROWDED_PERIOD: Duration = Duration::from_secs(10);

mod connection;
mod park;
mod socket;
mod store;
mod upkeep;
mod watch;

pub(super) use connection::{Connection, Parting};
pub(super) use socket::Socket;
use store::Asked;
pub(super) use store::Hold;

pub(super) struct World {
    /// The configuration that is applied.
    pub config: Config,
    pub state: StateDir,
    pub site: Site,
    pub exports: Vec<Export>,
    pub units: Vec<LogicalUnit>,
    pub volumes: Vec<Arc<Volume>>,
    pub backings: Vec<BackingShown>,
    pub traffic: Vec<Traffic>,
    pub arena: Arena,
    /// The memory of the arena.
    pub region: Arc<SharedRegion>,
    pub pool: Pool,
    /// Rung by the pool.
    pub answered: Arc<Notify>,
    pub sessions: Sessions,
    pub connections: BTreeMap<NexusId, Connection>,
    pub controls: BTreeMap<ControlId, Control>,
    /// One for each portal.
    pub listeners: Vec<Socket<TcpListener>>,
    pub control_listener: Socket<UnixListener>,
    pub console: Box<dyn Console>,
    pub refusals: Refusals,
    pub faults: Vec<FaultsTold>,
    pub places: Places,
    pub started_ms: u64,
    /// How we speak to people, here and after a swap.
    pub voice: Voice,
    /// It was told that we are ready.
    pub announced: bool,
    /// Which build of the program this is; empty until it has been looked at.
    pub build: String,
    /// The swap under way.
    pub swap: Option<UnderWay>,
    /// When its steps were.
    pub moments: Moments,
    /// What a swap has to mind; there while the world lives.
    pub surroundings: Option<Surroundings>,
    /// Rung when everything is held and no request is at a store.
    pub dry: Rc<Notify>,
    /// When bytes were first taken in this life.
    pub first_read: Option<Instant>,
    /// Swaps that were tried, oldest first.
    pub history: VecDeque<SwapReport>,
    /// Calls of the control socket that wait for something else than this thread.
    pub calls_waiting: usize,
    /// What is kept back from the stores.
    pub hold: Hold,
    pub control_next: u64,
    /// Requests the pool has.
    asked: HashMap<(NexusId, Ticket), Asked>,
    pub nexus_next: u64,
    /// A live snapshot on its way.
    pub live: Option<Box<LiveSave>>,
    scratch: Vec<u8>,
    vigil: Vigil,
    queue: VecDeque<(NexusId, Effect)>,
    effects: Vec<Effect>,
    batch: Vec<Job>,
    touched: Vec<NexusId>,
    /// Who waits for memory, in turn.
    pub starved: VecDeque<NexusId>,
    /// How many of the starved have not tried since something last came back to the arena.
    hopeful: usize,
    /// [`Arena::returns`] when they were last tried.
    pub returns: u64,
    /// Those with a task management function that waits.
    pub managing: BTreeSet<NexusId>,
    /// Connections that have not logged in.
    pub logins: Lobby,
    /// Discovery sessions.
    pub discoveries: Lobby,
    pub crowded: Option<Instant>,
    /// Nothing is read any more: the daemon stops.
    stopping: bool,
    /// Connections that have ended since the heap was trimmed.
    forgotten: usize,
    /// When the arena ages next.
    ages: Instant,
    /// Since when, at the latest, everybody has been heard again.
    hears: Instant,
    /// Rung when a task has panicked.
    pub broken: Rc<Notify>,
    /// Tells the timer task that an earlier deadline may have come.
    pub timer: Rc<Notify>,
}

/// What a world begins with.
pub(super) struct Ground {
    pub config: Config,
    pub state: StateDir,
    pub site: Site,
    pub exports: Vec<Export>,
    pub units: Vec<LogicalUnit>,
    pub volumes: Vec<(Arc<Volume>, BackingShown)>,
    pub arena: Arena,
    pub region: Arc<SharedRegion>,
    pub listeners: Vec<Socket<TcpListener>>,
    pub control_listener: Socket<UnixListener>,
    /// Sessions at a time, as far as descriptors allow.
    pub sessions_max: usize,
    pub console: Box<dyn Console>,
    pub voice: Voice,
    pub places: Places,
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
    /// By what path this program was first started: a link in it is followed anew at each swap.
    pub program: PathBuf,
}

impl World {
    pub fn new(ground: Ground) -> World {
        let logins_max = ground.config.limits.logins_max;
        let faults = ground.volumes.iter().map(|_| FaultsTold::default()).collect();
        let traffic = ground.volumes.iter().map(|_| Traffic::default()).collect();
        let (volumes, backings): (Vec<_>, _) = ground.volumes.into_iter().unzip();
        let answered = Arc::new(Notify::new());
        let notify = answered.clone();
        World {
            config: ground.config,
            state: ground.state,
            site: ground.site,
            exports: ground.exports,
            units: ground.units,
            volumes,
            backings,
            traffic,
            arena: ground.arena,
            region: ground.region,
            pool: Pool::new(POOL_THREADS_MAX, Arc::new(move || notify.notify_one())),
            answered,
            sessions: Sessions::new(ground.sessions_max),
            listeners: ground.listeners,
            control_listener: ground.control_listener,
            console: ground.console,
            places: ground.places,
            connections: BTreeMap::new(),
            controls: BTreeMap::new(),
            refusals: Refusals::default(),
            faults,
            started_ms: unix_ms(),
            voice: ground.voice,
            announced: false,
            build: String::new(),
            swap: None,
            moments: Moments::default(),
            surroundings: None,
            dry: Rc::default(),
            first_read: None,
            history: VecDeque::new(),
            calls_waiting: 0,
            hold: Hold::default(),
            control_next: 0,
            asked: HashMap::new(),
            nexus_next: 1,
            live: None,
            scratch: vec![0; SCRATCH],
            vigil: Vigil::default(),
            queue: VecDeque::new(),
            effects: Vec::new(),
            batch: Vec::new(),
            touched: Vec::new(),
            starved: VecDeque::new(),
            hopeful: 0,
            returns: 0,
            managing: BTreeSet::new(),
            logins: Lobby::new(logins_max),
            discoveries: Lobby::new(logins_max),
            crowded: None,
            stopping: false,
            forgotten: 0,
            ages: clock::now(),
            hears: Instant(0),
            broken: Rc::default(),
            timer: Rc::default(),
        }
    }

    /// Take a connection that was accepted.
    pub fn admit_connection(&mut self, stream: TcpStream, setup: iscsi::Setup) -> NexusId {
        self.begin_connection(Socket::Live(Rc::new(stream)), setup)
    }

    pub fn begin_connection(&mut self, socket: Socket<TcpStream>, setup: iscsi::Setup) -> NexusId {
        let id = NexusId(self.nexus_next);
        self.nexus_next += 1;
        let peer = setup.peer;
        let connection = Connection::new(Nexus::new(id, setup), self.arena.account(), unix_ms(), socket);
        // Else the timer looks soon enough by itself.
        if self.connections.is_empty() {
            self.timer.notify_one();
        }
        self.connections.insert(id, connection);
        let crowded_out = self.logins.enter(id, peer.ip());
        self.crowd_out(crowded_out, "that have not logged in");
        self.settle();
        id
    }

    /// Somebody has to make room for others.
    fn crowd_out(&mut self, id: Option<NexusId>, who: &str) {
        let Some(id) = id else { return };
        let now = clock::now();
        if self.crowded.is_none_or(|told| now.since(told) >= CROWDED_PERIOD) {
            self.crowded = Some(now);
            let peer = self.connections.get(&id).map(|connection| connection.nexus.info().peer);
            tracing::warn!(
                peer = peer.map(tracing::field::display),
                "there are too many connections {who}: the oldest are dropped"
            );
        }
        self.close_unsettled(id, CloseReason::Crowded);
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
        let (start, before) = (clock::now(), self.commands(id).0);
        let more = self.take(id, Ready::AsTold);
        // The runtime may tell of bytes that were taken already.
        if self.commands(id).0 != before {
            self.vigil.begin(id, start);
            self.vigil.end(!more && self.is_single(id, before), clock::now());
        }
        more
    }

    fn take(&mut self, id: NexusId, ready: Ready) -> bool {
        let mut more = false;
        if !self.reads() {
            self.touch(id);
            self.settle();
            return false;
        }
        self.first_read.get_or_insert_with(clock::now);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut outcome = Ok(Pumped::Dry);
        self.with_pump(id, |socket, pump| {
            if let Some(stream) = socket.live() {
                outcome = portal::fill(stream, pump, &mut scratch, ready);
            }
        });
        self.scratch = scratch;
        match outcome {
            Ok(Pumped::Dry) => {}
            Ok(Pumped::More) => more = true,
            Ok(Pumped::End) | Err(_) => self.with(id, |nexus, cx| nexus.disconnected(cx)),
        }
        self.settle();
        more
    }

    /// End a session from our side.
    pub fn close(&mut self, id: NexusId, reason: CloseReason) {
        self.close_unsettled(id, reason);
        self.settle();
    }

    fn close_unsettled(&mut self, id: NexusId, reason: CloseReason) {
        self.part(id, Parting::Closed(reason));
        self.with(id, |nexus, cx| nexus.close(cx, reason));
    }

    /// Note why a session is about to end.
    fn part(&mut self, id: NexusId, parting: Parting) {
        if self.live.is_some() {
            self.live_keep(id);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.parting = parting;
        }
    }

    /// Take nothing more; what has begun goes on.
    pub fn stop_reading(&mut self) {
        self.stopping = true;
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.touch(id);
        }
        self.settle();
    }

    /// Whether requests are at the stores or answers on their way.
    pub fn is_busy(&self) -> bool {
        !self.asked.is_empty() || self.connections.values().any(|c| !c.gone && c.nexus.has_output())
    }

    /// End every session, telling the initiators.
    pub fn close_all(&mut self) {
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.close_unsettled(id, CloseReason::Shutdown);
        }
        self.settle();
    }

    /// Call a nexus from outside; to be settled.
    #[cfg(test)]
    pub fn call(&mut self, id: NexusId, call: impl FnOnce(&mut Nexus, &mut nexus::Cx<'_>)) {
        self.with(id, call);
    }

    /// Call a nexus, and note what it wants done.
    fn with(&mut self, id: NexusId, call: impl FnOnce(&mut Nexus, &mut nexus::Cx<'_>)) {
        self.with_pump(id, |_, pump| call(pump.nexus, &mut pump.cx));
    }

    fn with_pump(&mut self, id: NexusId, call: impl FnOnce(&Socket<TcpStream>, &mut Pump<'_>)) {
        if self.live.is_some() {
            self.live_keep(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let cx = nexus::Cx {
            now: clock::now(),
            site: &self.site,
            arena: &connection.arena,
            exports: &self.exports,
            units: &mut self.units,
            effects: &mut self.effects,
        };
        call(&connection.socket, &mut Pump { nexus: &mut connection.nexus, cx });
        self.queue.extend(self.effects.drain(..).map(|effect| (id, effect)));
        if !connection.starved && connection.nexus.starved() {
            connection.starved = true;
            self.starved.push_back(id);
        }
        if connection.nexus.is_managing() {
            self.managing.insert(id);
        }
        self.touch(id);
    }

    /// Its output has to be looked at.
    fn touch(&mut self, id: NexusId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.touched
        {
            connection.touched = true;
            self.touched.push(id);
        }
    }

    /// Carry out all effects, send all output, drop what has ended (I2).
    pub fn settle(&mut self) {
        let mut vain = 0;
        loop {
            while let Some((id, effect)) = self.queue.pop_front() {
                self.carry_out(id, effect);
            }
            if !self.batch.is_empty() {
                self.pool.submit_all(self.batch.drain(..));
            }
            self.feed(&mut vain);
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
                for other in self.others(id, |other| other.nexus.tasks_live() > 0) {
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
                for other in self.others(id, |other| other.nexus.info().target == Some(target)) {
                    self.close_unsettled(other, CloseReason::TargetReset);
                }
            }
            Effect::Wake(other) => self.with(other, |nexus, cx| nexus.wake(cx)),
            Effect::LoggedOut => self.part(id, Parting::LoggedOut),
            Effect::Refused { step, why } => self.refused(id, step, why),
            Effect::Notice(notice) => self.notice(id, &notice),
        }
    }

    fn others(&self, id: NexusId, which: impl Fn(&Connection) -> bool) -> Vec<NexusId> {
        let picked = self.connections.iter().filter(|&(&other, connection)| other != id && which(connection));
        picked.map(|(&other, _)| other).collect()
    }

    fn tell_dry(&mut self, id: NexusId) {
        let manages = |id: &NexusId| self.connections.get(id).is_some_and(|c| c.nexus.is_managing());
        self.managing.retain(manages);
        for other in self.managing.iter().copied().filter(|&other| other != id).collect::<Vec<_>>() {
            self.with(other, |nexus, cx| nexus.other_dry(cx, id));
        }
    }

    fn admission(&mut self, id: NexusId, candidate: iscsi::Candidate) {
        if !self.knows(id) {
            return;
        }
        let kind = candidate.kind;
        if self.live.is_some() {
            // Whether it has a session is saved with it.
            self.live_keep(id);
        }
        match self.sessions.candidate(id, candidate) {
            Admission::Now(verdict) => {
                let admitted = verdict.is_ok();
                self.with(id, |nexus, cx| nexus.admit(cx, verdict));
                if admitted && let Some(connection) = self.connections.get_mut(&id) {
                    connection.told = true;
                    let peer = connection.nexus.info().peer;
                    self.logged_in(id);
                    self.logins.leave(id);
                    if kind == Kind::Discovery {
                        let crowded_out = self.discoveries.enter(id, peer.ip());
                        self.crowd_out(crowded_out, "for discovery");
                    }
                }
            }
            // Its tasks may still be at the stores, and an old write must not land behind the new session's.
            Admission::After(old) => self.close_unsettled(old, CloseReason::Reinstated),
        }
    }

    fn flush(&mut self, id: NexusId) {
        let mut flushed = Ok(true);
        let gone = self.connections.get(&id).is_none_or(|connection| connection.gone);
        if !gone {
            self.with_pump(id, |socket, pump| {
                if let Some(stream) = socket.live() {
                    flushed = portal::flush(stream, pump);
                }
            });
            if flushed.is_err() {
                self.with(id, |nexus, cx| nexus.disconnected(cx));
            }
        }
        let reading = self.reads();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.touched = false;
        if connection.nexus.is_closed() && !connection.gone {
            connection.gone = true;
            if let Some(stream) = connection.socket.live() {
                portal::shutdown(stream);
            }
        }
        let reads = connection.nexus.wants_input() && !connection.gone && reading;
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
        self.forgotten += 1;
        self.logins.leave(id);
        self.discoveries.leave(id);
        if connection.told {
            self.logged_out(id, connection.nexus.info(), connection.parting.why());
        }
        self.tell_dry(id);
        for (waiting, candidate) in self.sessions.ended(id) {
            self.admission(waiting, candidate);
        }
    }
}
