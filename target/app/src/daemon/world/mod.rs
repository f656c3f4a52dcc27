//! Everything the daemon serves, in one place: the nexuses, the units, the volumes, and the rules by which an effect of
//! one reaches the others.
//!
//! I1 All state is here, and none of it in a task of the runtime: tasks only wait for readiness and call in.
//! I2 Between two calls from outside every effect has been carried out and every touched connection flushed.

use super::announcing::Announcing;
use super::associations::Associations;
use super::control::{Control, ControlId};
use super::descriptors::Room;
use super::journal::{FaultsTold, Refusals, unix_ms};
use super::lobby::Lobby;
use super::saved::{Kept, LiveSave};
use super::sessions::Sessions;
use super::swap::{Surroundings, UnderWay};
use super::vigil::Vigil;
use crate::config::{Config, Voice};
use crate::control::console::Console;
use crate::control::words::{SwapReport, VolumeKind};
use machine::{Pump, Wish};
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
use mainstay_proto::auth::dhchap::Work;
use mainstay_proto::iscsi::{CloseReason, Site};
use mainstay_proto::nexus::{self, Effect, Export, Nexus};
use mainstay_proto::nvme;
use mainstay_proto::queue::{self, Queue, State};
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

mod association;
mod connection;
mod machine;
mod park;
mod session;
mod socket;
mod store;
mod upkeep;
mod watch;

pub(super) use connection::{Connection, Parting};
pub(super) use machine::{Machine, Party, Setup};
pub(super) use socket::Socket;
use store::Asked;
pub(super) use store::Hold;

pub(super) struct World {
    /// The configuration that is applied.
    pub config: Config,
    pub state: StateDir,
    pub site: Site,
    pub exports: Vec<Export>,
    /// NVMe.
    pub nvme: Associations,
    /// Discovery made known in the local network.
    pub announcing: Option<Announcing>,
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
    /// One for each portal, those of iSCSI first; none where one gave way.
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
    /// What the last one saved and is so still.
    pub kept: Option<Kept>,
    scratch: Vec<u8>,
    vigil: Vigil,
    queue: VecDeque<(NexusId, Wish)>,
    effects: Vec<Effect>,
    nvme_effects: Vec<queue::Effect>,
    /// Exponentiations that queues wait for; rung when there is one.
    computations: VecDeque<(NexusId, Work)>,
    pub to_compute: Rc<Notify>,
    /// What queues asked for while older ones of their host were still at a store; after a swap they ask again.
    fenced: Vec<(NexusId, queue::Effect)>,
    /// Queues that have ended and still have requests at a store.
    pub lingering: BTreeSet<NexusId>,
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
    pub nvme: nvme::Site,
    pub units: Vec<LogicalUnit>,
    pub volumes: Vec<(Arc<Volume>, BackingShown)>,
    pub arena: Arena,
    pub region: Arc<SharedRegion>,
    pub listeners: Vec<Socket<TcpListener>>,
    pub control_listener: Socket<UnixListener>,
    /// As far as descriptors allow.
    pub room: Room,
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
            nvme: Associations::new(ground.nvme),
            announcing: None,
            units: ground.units,
            volumes,
            backings,
            traffic,
            arena: ground.arena,
            region: ground.region,
            pool: Pool::new(POOL_THREADS_MAX, Arc::new(move || notify.notify_one())),
            answered,
            sessions: Sessions::new(ground.room),
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
            kept: None,
            scratch: vec![0; SCRATCH],
            vigil: Vigil::default(),
            queue: VecDeque::new(),
            effects: Vec::new(),
            nvme_effects: Vec::new(),
            computations: VecDeque::new(),
            to_compute: Rc::default(),
            fenced: Vec::new(),
            lingering: BTreeSet::new(),
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
    pub fn admit_connection(&mut self, stream: TcpStream, setup: Setup) -> NexusId {
        self.begin_connection(Socket::Live(Rc::new(stream)), setup)
    }

    pub fn begin_connection(&mut self, socket: Socket<TcpStream>, setup: Setup) -> NexusId {
        let id = NexusId(self.nexus_next);
        self.nexus_next += 1;
        let machine = match setup {
            Setup::Iscsi(setup) => Machine::Iscsi(Box::new(Nexus::new(id, setup))),
            Setup::Nvme(setup) => Machine::Nvme(Box::new(Queue::new(id, setup))),
        };
        let peer = machine.peer();
        let connection = Connection::new(machine, self.arena.account(), unix_ms(), socket);
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
            let peer = self.connections.get(&id).map(|connection| connection.machine.peer());
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
            Ok(Pumped::End) | Err(_) => self.with_pump(id, |_, pump| pump.disconnected()),
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
        self.with_pump(id, |_, pump| pump.close(reason));
    }

    /// Note why a session is about to end.
    fn part(&mut self, id: NexusId, parting: Parting) {
        self.changes(id);
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
        !self.asked.is_empty() || self.connections.values().any(|c| !c.gone && c.machine.has_output())
    }

    /// End every session, telling the initiators.
    pub fn close_all(&mut self) {
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.close_unsettled(id, CloseReason::Shutdown);
        }
        self.settle();
    }

    /// Call a machine from outside; to be settled.
    #[cfg(test)]
    pub fn call(&mut self, id: NexusId, call: impl FnOnce(&mut Pump<'_>)) {
        self.with_pump(id, |_, pump| call(pump));
    }

    /// Call a nexus, and note what it wants done.
    fn with(&mut self, id: NexusId, call: impl FnOnce(&mut Nexus, &mut nexus::Cx<'_>)) {
        self.with_pump(id, |_, pump| {
            if let Pump::Iscsi(nexus, cx) = pump {
                call(nexus, cx);
            }
        });
    }

    fn with_pump(&mut self, id: NexusId, call: impl FnOnce(&Socket<TcpStream>, &mut Pump<'_>)) {
        self.changes(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let mut settles = false;
        let (now, arena) = (clock::now(), &connection.arena);
        match &mut connection.machine {
            Machine::Iscsi(nexus) => {
                let cx = nexus::Cx {
                    now,
                    site: &self.site,
                    arena,
                    exports: &self.exports,
                    units: &mut self.units,
                    effects: &mut self.effects,
                };
                call(&connection.socket, &mut Pump::Iscsi(nexus, cx));
                self.queue.extend(self.effects.drain(..).map(|effect| (id, Wish::Iscsi(effect))));
            }
            Machine::Nvme(queue) => {
                let cx = queue::Cx {
                    now,
                    // Only controllers ask.
                    unix_ms: if queue.info().qid == 0 { unix_ms() } else { 0 },
                    started_ms: self.started_ms,
                    site: &self.nvme.site,
                    arena,
                    disks: &mut self.units,
                    paths: &self.nvme.paths,
                    traffic: &self.traffic,
                    discovery: &self.nvme.discovery,
                    controllers: &self.nvme.live,
                    effects: &mut self.nvme_effects,
                };
                call(&connection.socket, &mut Pump::Nvme(queue, cx));
                settles = !connection.settled && queue.info().state == State::Ready;
                connection.settled |= settles;
                if queue.lingers() {
                    self.lingering.insert(id);
                }
                self.queue.extend(self.nvme_effects.drain(..).map(|effect| (id, Wish::Nvme(effect))));
            }
        }
        if !connection.starved && connection.machine.starved() {
            connection.starved = true;
            self.starved.push_back(id);
        }
        if connection.machine.is_managing() {
            self.managing.insert(id);
        }
        if settles {
            self.queue_settles(id);
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
            while let Some((id, wish)) = self.queue.pop_front() {
                match wish {
                    Wish::Iscsi(effect) => self.carry_out(id, effect),
                    Wish::Nvme(effect) => self.carry_out_nvme(id, effect),
                }
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
                self.with_pump(id, |_, pump| pump.disconnected());
            }
        }
        let reading = self.reads();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.touched = false;
        if connection.machine.is_closed() && !connection.gone {
            connection.gone = true;
            if let Some(stream) = connection.socket.live() {
                portal::shutdown(stream);
            }
        }
        let reads = connection.machine.wants_input() && !connection.gone && reading;
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
        if connection.gone && connection.machine.has_ended() {
            // What it has wished for last is carried out before.
            if self.queue.is_empty() { self.forget(id) } else { self.touch(id) }
        }
    }

    fn forget(&mut self, id: NexusId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        connection.changed.notify_one();
        self.forgotten += 1;
        self.logins.leave(id);
        self.discoveries.leave(id);
        if connection.told {
            self.logged_out(id, connection.machine.party(), connection.parting.why());
        }
        if let Some(queue) = connection.machine.queue() {
            self.leave_association(id, queue);
        }
        self.tell_dry(id);
        self.lingering.remove(&id);
        self.connect_fenced();
        for (waiting, candidate) in self.sessions.ended(id) {
            self.admission(waiting, candidate);
        }
    }
}
