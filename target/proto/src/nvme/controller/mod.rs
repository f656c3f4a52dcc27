//! A controller: what one host has of a subsystem, or of discovery (base §3.1).
//!
//! It lives in the machine of its admin queue. What I/O queues must know of it is published ([`View`]); what it must know
//! of the world comes as an argument ([`AdminCx`]) or a [`Notice`].
//!
//! ```text
//!  Connect ──► disabled ──CC.EN 0→1──► ready ──CC.SHN──► shut down
//!                 ▲  ▲                  │ │                  │
//!                 │  └────CC.EN 1→0─────┘ └─KATO, bad CC─► fatal
//!                 └───────────────CC.EN 1→0──────────────────┘   I/O queues are dropped
//! ```

mod command;
mod error;
mod event;
pub mod feature;
mod keep_alive;
mod property;
pub mod saved;
#[cfg(test)]
mod tests;
mod word;

pub use command::{ADMIN_COMMANDS, AdminCommand};
pub use error::{ELPE, ErrorEntry, ErrorLog, NOWHERE};
pub use event::{AERL, ANA_NOTICES, DISCOVERY_NOTICES, NAMESPACE_NOTICES};
pub use feature::Features;
pub use keep_alive::KAS;
pub use property::VS;
pub use word::{AdminCx, Change, DiscoveryState, Notice, Outcome};

use super::{Aim, Attached, Cid, Connect, Nqn, Reply, Status, View};
use event::{Event, Events};
use keep_alive::KeepAlive;
use mainstay_base::path::Access;
use mainstay_base::time::Instant;
use mainstay_base::unit::VolumeId;
use property::Properties;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// Abort commands a host may have outstanding, less one (Identify Controller, ACL).
pub const ACL: u8 = 3;
/// Namespace Write Protection Capabilities (Identify Controller, NWPC): write protect, and until a power cycle; not for ever.
pub const NWPC: u8 = 0b11;

/// Where a controller begins.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Its number in its subsystem.
    pub cntlid: u16,
    /// What it is a controller of.
    pub aim: Aim,
    /// Index of the portal that its admin queue came in on.
    pub portal: usize,
    /// The address the host has used.
    pub local: SocketAddr,
    /// What was set in a static controller's earlier lives.
    pub retained: Option<Features>,
}

/// A controller.
#[derive(Clone, Debug, PartialEq)]
pub struct Controller {
    /// What it is a controller of.
    pub aim: Aim,
    /// Its number in its subsystem.
    pub cntlid: u16,
    /// Index of the portal that its admin queue came in on.
    pub portal: usize,
    /// The address the host has used.
    pub local: SocketAddr,
    /// The subsystem, by the name that the host has used.
    pub subnqn: Nqn,
    /// The host.
    pub hostnqn: Nqn,
    /// Host Identifier.
    pub hostid: [u8; 16],
    /// What the host has set.
    pub features: Features,
    /// Errors of all its queues.
    pub errors: ErrorLog,
    properties: Properties,
    events: Events,
    keep_alive: KeepAlive,
    /// CAP.MQES + 1.
    queue_size: u16,
    /// I/O queues the site allows.
    queues_offered: u16,
    /// QIDs of the I/O queues that have joined.
    queues: BTreeSet<u16>,
    /// Aborts under way.
    aborts: u8,
    /// The last publication.
    view: Arc<View>,
    /// Something has changed since.
    stale: bool,
    /// A reset that nobody has heard of.
    reset: bool,
    changes: Vec<Change>,
}

impl Controller {
    /// A controller for whoever sent `connect`.
    pub fn new(birth: Birth, connect: &Connect, cx: &AdminCx<'_>) -> Controller {
        let Birth { cntlid, aim, portal, local, retained } = birth;
        let discovery = aim == Aim::Discovery;
        let limits = &cx.site.limits;
        let features = retained.unwrap_or_else(|| Features::new(notices(aim), cx.now));
        let mut controller = Controller {
            aim,
            cntlid,
            portal,
            local,
            subnqn: connect.subnqn.clone(),
            hostnqn: connect.hostnqn.clone(),
            hostid: connect.hostid,
            features: Features { queues: None, ..features },
            errors: ErrorLog::default(),
            properties: Properties::default(),
            events: Events::default(),
            keep_alive: KeepAlive::new(connect.kato_ms, discovery, cx.now),
            queue_size: limits.queue_size,
            queues_offered: if discovery { 0 } else { limits.io_queues },
            queues: BTreeSet::new(),
            aborts: 0,
            view: Arc::default(),
            stale: false,
            reset: false,
            changes: Vec::new(),
        };
        let view = View { generation: 1, ..controller.look(cx) };
        controller.view = Arc::new(view);
        controller
    }

    /// It is a discovery controller.
    pub fn is_discovery(&self) -> bool {
        self.aim == Aim::Discovery
    }

    /// The index of its subsystem.
    pub fn subsystem(&self) -> Option<usize> {
        match self.aim {
            Aim::Discovery => None,
            Aim::Subsystem(index) => Some(index),
        }
    }

    /// Commands are carried out.
    pub fn is_live(&self) -> bool {
        self.properties.live()
    }

    /// CSTS.CFS: the association is to be ended.
    pub fn is_fatal(&self) -> bool {
        self.properties.fatal
    }

    /// Entries of a queue, at most (CAP.MQES + 1).
    pub fn queue_size(&self) -> u16 {
        self.queue_size
    }

    /// I/O queues the host may make.
    pub fn queues_max(&self) -> u16 {
        self.features.queues.unwrap_or(self.queues_offered)
    }

    /// QIDs of the I/O queues that have joined, ascending.
    pub fn queues(&self) -> impl Iterator<Item = u16> + '_ {
        self.queues.iter().copied()
    }

    /// Notices it can send (Identify Controller, OAES).
    pub fn notices(&self) -> u32 {
        notices(self.aim)
    }

    /// The keep alive timeout in force, in milliseconds; 0: none. A discovery controller that has one is persistent (base
    /// §3.1.2.3.1).
    pub fn kato_ms(&self) -> u32 {
        self.keep_alive.timeout_ms
    }

    /// Critical warnings (bits of the SMART log) as they were told last.
    pub fn warnings(&self) -> u8 {
        self.events.warnings
    }

    /// The Changed Namespace List (log page 04h), without the zeroes behind it.
    pub fn changed_namespaces(&self) -> Vec<u32> {
        self.events.changed_list()
    }

    /// A log page was read, and not with RAE: its event is cleared, and so is the Changed Namespace List.
    fn log_read(&mut self, page: u8) {
        self.events.read(page);
    }

    /// What was published last.
    pub fn view(&self) -> Arc<View> {
        self.view.clone()
    }

    /// What I/O queues must know, if that has changed. Ask after every call.
    pub fn take_publication(&mut self, cx: &AdminCx<'_>) -> Option<Arc<View>> {
        if !std::mem::take(&mut self.stale) {
            return None;
        }
        let view = View { generation: self.view.generation, ..self.look(cx) };
        if view == *self.view {
            return None;
        }
        self.view = Arc::new(View { generation: view.generation + 1, ..view });
        Some(self.view.clone())
    }

    /// The world as its host sees it now.
    fn look(&self, cx: &AdminCx<'_>) -> View {
        let subsystem = self.subsystem().and_then(|index| cx.site.subsystems.get(index));
        let attached = subsystem.into_iter().flat_map(|subsystem| &subsystem.namespaces).filter_map(|namespace| {
            let disk = cx.disks.disk(namespace.volume).filter(|_| namespace.shows_to(&self.hostnqn))?;
            Some(Attached {
                nsid: namespace.nsid,
                volume: namespace.volume,
                read_only: namespace.read_only || !disk.is_writable(),
                group: namespace.group,
                access: cx.paths.get(self.portal, namespace.group),
            })
        });
        View {
            generation: 0,
            cntlid: self.cntlid,
            subsystem: self.subsystem().unwrap_or_default(),
            ready: self.is_live(),
            namespaces: attached.collect(),
            copy_formats: self.features.behavior.copy_formats,
            retry_delays: self.features.behavior.retry_delays,
        }
    }

    /// The namespace with this number, if the host sees it.
    fn attached(&self, nsid: u32) -> Result<&Attached, Status> {
        self.view.namespace(nsid).ok_or(Status::INVALID_NAMESPACE)
    }

    /// Volumes the host may write to as far as the configuration goes, each once. What it may only read is not its to change.
    fn volumes(&self, cx: &AdminCx<'_>) -> BTreeSet<VolumeId> {
        let namespaces = self.view.namespaces.iter();
        namespaces.filter(|namespace| self.may_change(cx, namespace.nsid)).map(|namespace| namespace.volume).collect()
    }

    /// The configuration does not say that the namespace is only to be read.
    fn may_change(&self, cx: &AdminCx<'_>, nsid: u32) -> bool {
        let subsystem = self.subsystem().and_then(|index| cx.site.subsystems.get(index));
        let namespace = subsystem.and_then(|subsystem| subsystem.namespace(nsid, &self.hostnqn));
        namespace.is_some_and(|namespace| !namespace.read_only)
    }

    /// The Connect command of an I/O queue that came in on `portal`.
    ///
    /// # Errors
    /// The response to one that may not join.
    pub fn join(&mut self, cx: &AdminCx<'_>, connect: &Connect, portal: usize) -> Result<Arc<View>, Reply> {
        connect.matches(cx.site, self, portal)?;
        // A host whose controller has died on it makes a new one, if it is not told to give up.
        if !self.is_live() {
            return Err(Status { final_: false, ..Status::COMMAND_SEQUENCE_ERROR }.into());
        }
        if !self.queues.insert(connect.qid) {
            return Err(Status::COMMAND_SEQUENCE_ERROR.into());
        }
        Ok(self.view())
    }

    /// An I/O queue is gone.
    pub fn left(&mut self, qid: u16) {
        self.queues.remove(&qid);
    }

    /// A command came on any of its queues.
    pub fn heard(&mut self) {
        self.keep_alive.heard = true;
    }

    /// When to call [`Controller::tick`].
    pub fn deadline(&self) -> Option<Instant> {
        self.keep_alive.until
    }

    /// Time passes. True: the host has not been heard for too long, the association is to be ended (base §3.9.4).
    pub fn tick(&mut self, now: Instant) -> bool {
        let expired = self.keep_alive.expired(self.is_live(), now);
        if expired {
            (self.properties.fatal, self.properties.ready) = (true, false);
            self.stale = true;
        }
        expired
    }

    /// The controller was reset: its I/O queues are to be dropped. Told once.
    pub fn take_reset(&mut self) -> bool {
        std::mem::take(&mut self.reset)
    }

    /// What others must hear of. Ask after every command.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// An Asynchronous Event Request to be answered now. Ask after every call.
    pub fn take_event(&mut self) -> Option<(Cid, Reply)> {
        self.events.answers.pop_front()
    }

    /// Asynchronous Event Requests that wait.
    #[cfg(test)]
    pub fn events_held(&self) -> usize {
        self.events.held.len()
    }

    /// An abort that [`Outcome::Abort`] asked for is answered.
    pub fn abort_ended(&mut self) {
        self.aborts = self.aborts.saturating_sub(1);
    }

    /// A command of an I/O queue ended badly, or one that the queue answers itself.
    pub fn log_error(&mut self, entry: ErrorEntry) {
        self.errors.push(entry);
    }

    /// What shall stay with a static controller when its association ends.
    pub fn retain(&self) -> Features {
        self.features.clone()
    }

    /// Something happened.
    pub fn notice(&mut self, cx: &AdminCx<'_>, notice: Notice) {
        let before = self.view.clone();
        self.stale = true;
        let now = self.look(cx);
        match notice {
            Notice::Volume(volume) => {
                for namespace in now.namespaces.iter().filter(|namespace| namespace.volume == volume) {
                    self.namespace_changed(namespace.nsid);
                }
            }
            Notice::Namespace(nsid) => {
                if now.namespace(nsid).or(before.namespace(nsid)).is_some() {
                    self.namespace_changed(nsid);
                }
            }
            Notice::Paths => {
                let ways = |view: &View| -> Vec<(u32, Access)> {
                    view.namespaces.iter().map(|namespace| (namespace.nsid, namespace.access)).collect()
                };
                if ways(&before) != ways(&now) {
                    self.post(Event::Ana, ANA_NOTICES);
                }
            }
            Notice::Discovery => self.post(Event::Discovery, DISCOVERY_NOTICES),
            Notice::Health(warnings) => self.warn(warnings),
            Notice::Internal { lasting } => {
                // Error events have no bit to turn them off (base §5.27.1.8).
                self.post(if lasting { Event::LastingFault } else { Event::PassingFault }, 0);
            }
        }
    }

    fn namespace_changed(&mut self, nsid: u32) {
        if self.is_live() {
            self.events.changed(nsid);
        }
        self.post(Event::Namespace, NAMESPACE_NOTICES);
    }

    /// Critical warnings are events when they come, not while they last.
    fn warn(&mut self, warnings: u8) {
        let new = warnings & !std::mem::replace(&mut self.events.warnings, warnings);
        let kinds = [(0b11_1100, Event::Reliability), (0b10, Event::Temperature), (0b1, Event::Spare)];
        for (bits, event) in kinds {
            let wanted = u32::from(new & bits) & self.features.current.events;
            if wanted != 0 {
                self.post(event, wanted);
            }
        }
    }

    /// An event, unless the host has turned off its kind or is not there yet. `kind`: a bit of the configuration, which a
    /// controller that does not have it never has set; 0 for what cannot be turned off.
    fn post(&mut self, event: Event, kind: u32) {
        let wanted = kind == 0 || self.features.current.events & kind != 0;
        if self.is_live() && wanted {
            self.events.post(event);
        }
    }
}

/// Notices that a controller of this can send.
fn notices(aim: Aim) -> u32 {
    match aim {
        Aim::Discovery => DISCOVERY_NOTICES,
        Aim::Subsystem(_) => NAMESPACE_NOTICES | ANA_NOTICES,
    }
}

/// A write may be answered before it is on stable storage, of a volume the host may write to; `now` or as they were opened.
fn writes_cached(controller: &Controller, cx: &AdminCx<'_>, now: bool) -> bool {
    let volumes = controller.volumes(cx);
    let mut disks = volumes.into_iter().filter_map(|volume| cx.disks.disk(volume));
    disks.any(|disk| if now { disk.write_cache } else { disk.behaviour.write_cache })
}

/// Data of a fixed size, for a host that must be ready to take all of it.
fn cut(data: Vec<u8>, given: u32) -> Result<Outcome, Status> {
    if (given as usize) < data.len() { Err(Status::SGL_LENGTH_INVALID) } else { Ok(Outcome::Data(data, Reply::OK)) }
}
