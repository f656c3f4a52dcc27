//! One TCP connection that is one session (RFC 7143; error recovery level 0, MaxConnections=1).
//!
//! Bytes and instants go in, events and bytes come out; every call returns at once and all progress is in the fields.
//!
//! I1 Commands are delivered in CmdSN order, each at most once. I2 An R2T is sent only when the memory for its data is
//! reserved. I3 StatSN counts every response that has a status, in the order they are queued. I4 After a broken rule
//! that the standard answers with a disconnect, nothing more is parsed. I5 Whatever a peer sends, what is kept of it is
//! bounded: by the window and its promises, by [`TEXT_BYTES_MAX`], by the segment lengths agreed on, and by one read.

mod admission;
mod data_in;
mod data_out;
mod dispatch;
pub(super) mod input;
pub(super) mod output;
pub(super) mod tasks;
mod text_exchange;
mod timers;
pub(super) mod window;

pub(super) use text_exchange::TextExchange;
pub(super) use timers::Timers;

use super::event::{CloseReason, Event, Notice};
use super::keys::{Negotiated, Offers};
use super::login::Login;
use super::pdu::{
    AsyncEvent, AsyncMessage, Counters, Itt, Reject, RejectReason, StatSn, TaskResponse, TmfResponse, Ttt,
};
use super::pdu::{BHS_BYTES, Bhs};
use super::session::{Phase, SessionInfo, Traffic};
use super::site::Site;
use input::Input;
use mainstay_base::arena::Arena;
use mainstay_base::sam::Lun;
use mainstay_base::time::Instant;
use output::{Digests, Output};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;
use tasks::Tasks;
use window::Window;

/// A data segment at least this long, of what is still missing, is worth being read straight into place, in bytes.
const SPACE_MIN: usize = 8 * 1024;
/// Bytes of queued headers, texts and pings above which no input is wanted: what a peer makes us say without taking it.
const RUN_HIGH: usize = 64 * 1024;
/// Notices given about one connection; a hostile peer does not fill the log.
const NOTICES_MAX: u32 = 32;
/// Tags of aborted commands that are remembered, so that their late data is swallowed.
const ABANDONED_MAX: usize = 256;

/// How a connection begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our end.
    pub local: SocketAddr,
    /// The initiator's end.
    pub peer: SocketAddr,
    /// Index in the site's portals.
    pub portal: usize,
    /// What it may take and how long.
    pub limits: Limits,
    /// What we offer in negotiation.
    pub offers: Offers,
    /// Entropy for CHAP challenges; never used twice.
    pub seed: [u8; 32],
    /// When it was accepted.
    pub now: Instant,
}

/// What a connection may take and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte to the full feature phase.
    pub login_timeout: Duration,
    /// Silence after which the initiator is pinged.
    pub ping_interval: Duration,
    /// Silence after a ping that ends the connection.
    pub ping_timeout: Duration,
    /// How long data that was asked for may stand still, and how long what is sent may lie untaken.
    pub data_timeout: Duration,
    /// How long an initiator that is asked to log out has, and how long the last bytes may take to go out.
    pub close_timeout: Duration,
    /// Commands at once, at most.
    pub window_max: u32,
    /// Bytes of queued output above which no input is wanted.
    pub output_high: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            login_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(30),
            data_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
            window_max: 128,
            output_high: 1 << 20,
        }
    }
}

/// What a connection needs of the world for one call.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// What may be logged in to.
    pub site: &'a Site,
    /// Where payload lives.
    pub arena: &'a Arena,
}

/// A task management function that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub itt: Itt,
    pub immediate: bool,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) info: SessionInfo,
    pub(super) limits: Limits,
    /// During the login phase.
    pub(super) login: Option<Box<Login>>,
    /// A Login Request has come.
    pub(super) greeted: bool,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) events: VecDeque<Event>,
    pub(super) window: Window,
    pub(super) tasks: Tasks,
    pub(super) management: Vec<Pending>,
    pub(super) abandoned: VecDeque<Itt>,
    pub(super) text: Option<Box<TextExchange>>,
    pub(super) digests: Digests,
    pub(super) stat_sn: StatSn,
    pub(super) next_ttt: u32,
    pub(super) serial: u64,
    /// A collect waits for memory.
    pub(super) starved: bool,
    pub(super) notices: u32,
    pub(super) timers: Timers,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(setup: Setup) -> Connection {
        let Setup { local, peer, portal, limits, offers, seed, now } = setup;
        let login = Login::new(seed, offers);
        Connection {
            info: SessionInfo {
                phase: Phase::Login,
                local,
                peer,
                portal,
                initiator: String::new(),
                isid: Default::default(),
                tsih: 0,
                cid: 0,
                target: None,
                target_name: None,
                initiator_alias: None,
                auth_method: String::new(),
                negotiated: Negotiated::default(),
                traffic: Traffic::default(),
            },
            limits,
            login: Some(Box::new(login)),
            greeted: false,
            input: Input::default(),
            output: Output::default(),
            events: VecDeque::new(),
            window: Window::default(),
            tasks: Tasks::default(),
            management: Vec::new(),
            abandoned: VecDeque::new(),
            text: None,
            digests: Digests::default(),
            stat_sn: StatSn(1),
            next_ttt: 1,
            serial: 0,
            starved: false,
            notices: 0,
            timers: Timers::new(now),
        }
    }

    /// Bytes from the initiator, all of which are taken. Those after a fatal error are ignored.
    pub fn receive(&mut self, cx: &Cx<'_>, bytes: &[u8]) {
        if self.is_ended() || bytes.is_empty() {
            return;
        }
        self.heard(cx, bytes.len());
        if self.info.phase == Phase::Deciding {
            // An initiator waits for the answer; one that does not gets no more than the rest of its read stored.
            self.input.pending.extend_from_slice(bytes);
            if self.input.pending.len() > self.limits.output_high {
                self.fatal("sends on before its login is answered", "6.3");
            }
            return;
        }
        self.parse(cx, bytes);
    }

    fn heard(&mut self, cx: &Cx<'_>, n: usize) {
        self.timers.heard(cx.now);
        self.watch_output(cx.now);
        self.info.traffic.received_bytes += n as u64;
    }

    /// The rest of a data segment whose place is reserved, when enough of it is missing to be worth a read of its own.
    pub fn payload_space(&mut self) -> Option<&mut [u8]> {
        self.input.body.as_mut()?.space().filter(|space| space.len() >= SPACE_MIN)
    }

    /// `n` bytes were read into [`Connection::payload_space`].
    pub fn filled(&mut self, cx: &Cx<'_>, n: usize) {
        if let Some(body) = &mut self.input.body {
            body.filled(n);
            self.heard(cx, n);
            self.parse(cx, &[]);
        }
    }

    /// Whether reading should go on.
    pub fn wants_input(&self) -> bool {
        matches!(self.info.phase, Phase::Login | Phase::FullFeature)
            && self.output.len() < self.limits.output_high
            && self.output.run() < RUN_HIGH
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The bytes to send next, as many slices as one writev takes.
    pub fn output<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        self.output.slices(slices);
    }

    /// `n` bytes of the output were taken.
    pub fn sent(&mut self, cx: &Cx<'_>, n: usize) {
        let deaf = !self.wants_input();
        self.output.sent(n);
        self.info.traffic.sent_bytes += n as u64;
        if self.info.phase == Phase::FullFeature {
            self.timers.taken(cx.now, self.output.len() > 0);
            if deaf && self.wants_input() {
                // It could not be heard until now.
                self.timers.heard = cx.now;
            }
        }
        if self.info.phase == Phase::Closing && self.output.len() == 0 {
            self.info.phase = Phase::Closed;
        }
    }

    /// Bytes queued.
    pub fn output_bytes(&self) -> usize {
        self.output.len()
    }

    /// Takes no more input; its tasks are to be ended.
    pub fn is_ended(&self) -> bool {
        matches!(self.info.phase, Phase::Closing | Phase::Closed)
    }

    /// Ended, and its output is flushed or useless: the socket can be shut down.
    pub fn is_closed(&self) -> bool {
        self.info.phase == Phase::Closed
    }

    /// The peer is gone: nothing more can be received or sent.
    pub fn disconnected(&mut self) {
        if !self.is_ended() {
            if self.input.body.is_some() || !self.input.head.is_empty() {
                self.notice("went away within a PDU", None);
            }
            self.end();
        }
        self.output.clear();
        self.info.phase = Phase::Closed;
    }

    /// End the connection from our side. A kicked initiator has [`Limits::close_timeout`] to log out by itself.
    pub fn close(&mut self, reason: CloseReason) {
        if self.is_ended() {
            return;
        }
        let serving = self.info.phase == Phase::FullFeature;
        match reason {
            CloseReason::Kicked if serving && self.timers.until.is_some() => {}
            CloseReason::Kicked if serving => {
                let seconds = self.limits.close_timeout.as_secs().clamp(1, u64::from(u16::MAX)) as u16;
                self.announce(AsyncEvent::LogoutRequest, [0, 0, seconds]);
                self.timers.until = Some(self.timers.clock + self.limits.close_timeout);
            }
            CloseReason::Shutdown if serving => self.drop_session(),
            CloseReason::Reinstated => self.cut(),
            _ => self.end(),
        }
    }

    /// Announce that the session is dropped, and drop it (RFC 7143 §11.9.1 event 3).
    fn drop_session(&mut self) {
        let negotiated = &self.info.negotiated;
        let times = [0, negotiated.default_time2wait, negotiated.default_time2retain];
        self.announce(AsyncEvent::SessionDropped, times);
        self.end();
    }

    fn announce(&mut self, event: AsyncEvent, parameters: [u16; 3]) {
        let counters = self.count();
        let message = AsyncMessage { lun: Lun::default(), counters, event, vendor_code: 0, parameters };
        self.output.push(self.digests, &message.emit(0), &[]);
    }

    /// When the last byte came from the initiator.
    pub fn last_heard(&self) -> Instant {
        self.timers.heard
    }

    /// What is known of it.
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// How many commands the initiator may have open.
    pub fn window(&self) -> u32 {
        self.window.slots()
    }

    /// Answer a task management function.
    pub fn finish_tmf(&mut self, _cx: &Cx<'_>, itt: Itt, response: TmfResponse) {
        let Some(at) = self.management.iter().position(|pending| pending.itt == itt) else { return };
        let pending = self.management.remove(at);
        if self.is_ended() {
            return;
        }
        if !pending.immediate {
            self.window.retired();
        }
        let pdu = TaskResponse { response, itt, counters: self.count() };
        self.output.push(self.digests, &pdu.emit(), &[]);
    }

    /// The numbers for a response that has a status of its own.
    fn count(&mut self) -> Counters {
        let counters = self.counters();
        self.stat_sn = self.stat_sn.plus(1);
        counters
    }

    /// The numbers for a PDU that only announces the next StatSN.
    fn counters(&self) -> Counters {
        Counters { stat_sn: self.stat_sn, exp_cmd_sn: self.window.expected(), max_cmd_sn: self.window.last() }
    }

    fn ttt(&mut self) -> Ttt {
        take_ttt(&mut self.next_ttt)
    }

    /// Refuse a PDU: its header goes back (RFC 7143 §11.17). Its CmdSN does not count as received (§7.3).
    fn reject(&mut self, bhs: &Bhs, reason: RejectReason, why: &str, clause: &str) {
        self.notice(&format!("{why}; rejected with reason {:#04x}", reason.code()), Some(clause));
        self.info.traffic.rejects += 1;
        let pdu = Reject { reason, counters: self.count(), data_sn: 0 };
        self.output.push(self.digests, &pdu.emit(BHS_BYTES), bhs);
    }

    /// A broken rule that ends the connection.
    fn fatal(&mut self, why: &str, clause: &str) {
        self.notice(&format!("{why}; disconnected"), Some(clause));
        self.end();
    }

    fn notice(&mut self, what: &str, clause: Option<&str>) {
        self.notices += 1;
        if self.notices > NOTICES_MAX {
            return;
        }
        let initiator = if self.info.initiator.is_empty() { "initiator" } else { &self.info.initiator };
        let mut line = format!("{initiator} at {}: {what}", self.info.peer);
        if let Some(clause) = clause {
            line.push_str(&format!(" (RFC 7143 §{clause})"));
        }
        if self.notices == NOTICES_MAX {
            line.push_str("; no more is said about this connection");
        }
        self.events.push_back(Event::Notice(Notice(line)));
    }

    /// Take and give nothing more.
    fn cut(&mut self) {
        self.end();
        self.output.clear();
        self.info.phase = Phase::Closed;
    }

    /// Take nothing more; what is queued still goes out.
    fn end(&mut self) {
        self.info.phase = if self.output.len() == 0 { Phase::Closed } else { Phase::Closing };
        self.timers.end(self.limits.close_timeout);
        self.login = None;
        self.input = Input::default();
        self.tasks = Tasks::default();
        self.management.clear();
        self.abandoned.clear();
        self.text = None;
        self.starved = false;
        // Its promises go back at once; nothing more is counted against them but what is at the stores.
        let (expected, last) = (self.window.expected(), self.window.last());
        self.window = Window::ended(expected, last);
    }
}

/// The next target transfer tag; the reserved one is left out.
fn take_ttt(next: &mut u32) -> Ttt {
    let ttt = Ttt(*next);
    *next = next.wrapping_add(1);
    if Ttt(*next) == Ttt::RESERVED {
        *next = 1;
    }
    ttt
}
