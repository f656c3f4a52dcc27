//! The controller's end of one TCP connection (tcp §2 and §3).
//!
//! Bytes and instants go in, events and bytes come out; every call returns at once and all progress is in the fields.
//!
//! I1 An R2T is sent only when the buffer for its data is reserved, and at most MAXR2T + 1 are outstanding for a command.
//! I2 A response is sent only when no data of its command is still to come: the host may be sending from its memory.
//! I3 H2CData goes only where an R2T has asked for it, byte by byte in order. I4 After a broken rule nothing more is
//! parsed. I5 Whatever a peer sends, what is kept of it is bounded: by the commands it may have, the data of one capsule,
//! the buffers we asked it to fill, and one read.

pub(super) mod commands;
mod dispatch;
mod respond;
mod timers;
mod transfer;

pub(super) use dispatch::{Incoming, Waiting, What};
pub(super) use timers::Timers;

use super::event::{Event, Notice};
use super::info::{Info, Phase, Traffic};
use super::input::Input;
use super::output::Output;
use super::pdu::{Digests, Fault, Framing, Role, TermReq};
use commands::Commands;
use mainstay_base::arena::Arena;
use mainstay_base::time::Instant;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

/// Data at least this long, of what is still missing, is worth being read straight into place, in bytes.
const SPACE_MIN: usize = 8 * 1024;
/// Bytes of queued headers above which no input is wanted: what a peer makes us say without taking it.
const RUN_HIGH: usize = 64 * 1024;
/// Notices given about one connection; a hostile peer does not fill the log.
const NOTICES_MAX: u32 = 32;
/// Commands at once before the queue says how many: a host has one until its Connect was answered.
const COMMANDS_FIRST: u16 = 4;
/// Spare entries of an empty queue of events.
const SPARE_EVENTS: usize = 32;

/// Bytes of data that a capsule of an admin queue or of a Fabrics command may carry (tcp §3.2).
pub const FABRICS_IN_CAPSULE: u32 = 8192;

/// How a connection begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our end.
    pub local: SocketAddr,
    /// The host's end.
    pub peer: SocketAddr,
    /// Index in the site's portals.
    pub portal: usize,
    /// What it may take and how long.
    pub limits: Limits,
    /// When it was accepted.
    pub now: Instant,
}

/// What a connection may take and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the connection to its ICReq.
    pub open_timeout: Duration,
    /// How long data that was asked for may stand still, and how long what is sent may lie untaken.
    pub data_timeout: Duration,
    /// How long the last bytes may take to go out.
    pub close_timeout: Duration,
    /// MAXH2CDATA: bytes of data in one H2CData, a multiple of 4, at least 4096.
    pub h2c_data_max: u32,
    /// Header digests are agreed to.
    pub header_digest: bool,
    /// Data digests are agreed to.
    pub data_digest: bool,
    /// CPDA, at most 31. The Linux host knows only 0.
    pub cpda: u8,
    /// Bytes of queued output above which no input is wanted.
    pub output_high: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            open_timeout: Duration::from_secs(15),
            data_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
            h2c_data_max: 256 * 1024,
            header_digest: true,
            data_digest: true,
            cpda: 0,
            output_high: 1 << 20,
        }
    }
}

/// What a connection needs of the world for one call.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// Where payload lives.
    pub arena: &'a Arena,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) info: Info,
    pub(super) limits: Limits,
    /// How PDUs look that come, and that go.
    pub(super) inward: Framing,
    pub(super) outward: Framing,
    pub(super) input: Input,
    /// A PDU whose data is coming.
    pub(super) incoming: Option<Incoming>,
    /// A capsule whose data there is no memory for yet; nothing behind it is parsed.
    pub(super) waiting: Option<Box<Waiting>>,
    /// Bytes that came while nothing could be parsed.
    pub(super) pending: Vec<u8>,
    pub(super) output: Output,
    pub(super) events: VecDeque<Event>,
    pub(super) commands: Commands,
    /// Tags of commands with a collect that waits for memory, in order.
    pub(super) hungry: VecDeque<u16>,
    /// Bytes of data in the capsule of a command that is not Fabrics'.
    pub(super) in_capsule: u32,
    /// C2HData may say that its command has ended well.
    pub(super) success: bool,
    pub(super) notices: u32,
    pub(super) timers: Timers,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(setup: Setup) -> Connection {
        let Setup { local, peer, portal, limits, now } = setup;
        Connection {
            info: Info {
                phase: Phase::Opening,
                local,
                peer,
                portal,
                digests: Digests::default(),
                hpda: 0,
                maxr2t: 0,
                traffic: Traffic::default(),
            },
            limits,
            inward: Framing::default(),
            outward: Framing::default(),
            input: Input::default(),
            incoming: None,
            waiting: None,
            pending: Vec::new(),
            output: Output::default(),
            events: VecDeque::new(),
            commands: Commands::new(COMMANDS_FIRST),
            hungry: VecDeque::new(),
            in_capsule: FABRICS_IN_CAPSULE,
            success: false,
            notices: 0,
            timers: Timers::new(now),
        }
    }

    /// Bytes from the host, all of which are taken. Those after a fatal error are ignored.
    pub fn receive(&mut self, cx: &Cx<'_>, bytes: &[u8]) {
        if self.is_ended() || bytes.is_empty() {
            return;
        }
        self.heard(cx, bytes.len());
        self.parse(cx, bytes);
    }

    fn heard(&mut self, cx: &Cx<'_>, n: usize) {
        self.timers.heard(cx.now);
        self.watch_output(cx.now);
        self.info.traffic.received_bytes += n as u64;
    }

    /// The rest of a PDU's data whose place is reserved, when enough of it is missing to be worth a read of its own.
    pub fn payload_space(&mut self) -> Option<&mut [u8]> {
        self.incoming.as_mut()?.body.space().filter(|space| space.len() >= SPACE_MIN)
    }

    /// `n` bytes were read into [`Connection::payload_space`].
    pub fn filled(&mut self, cx: &Cx<'_>, n: usize) {
        if let Some(incoming) = &mut self.incoming {
            incoming.body.filled(n);
            self.heard(cx, n);
            self.parse(cx, &[]);
        }
    }

    /// Whether reading should go on.
    pub fn wants_input(&self) -> bool {
        matches!(self.info.phase, Phase::Opening | Phase::Serving)
            && self.waiting.is_none()
            && self.output.len() < self.limits.output_high
            && self.output.run() < RUN_HIGH
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.events.shrink_to(SPARE_EVENTS);
        }
        event
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
        if !self.is_ended() {
            self.timers.taken(cx.now, !self.output.is_empty());
            if deaf && self.wants_input() {
                // It could not be heard until now.
                self.timers.heard = cx.now;
                self.timers.transfers = self.timers.transfers.map(|_| cx.now + self.limits.data_timeout);
            }
        }
        if self.info.phase == Phase::Closing && self.output.is_empty() {
            self.info.phase = Phase::Closed;
        }
    }

    /// Bytes queued.
    pub fn output_bytes(&self) -> usize {
        self.output.len()
    }

    /// How much data the capsules of I/O commands may carry from now on (IOCCSZ, less the entry).
    pub fn set_in_capsule(&mut self, bytes: u32) {
        self.in_capsule = bytes;
    }

    /// Whether submission queue flow control is off, so that C2HData may carry SUCCESS (tcp §3.3.2.2).
    pub fn set_success_flag(&mut self, on: bool) {
        self.success = on;
    }

    /// How many commands the host may have at once: the size of its queue.
    pub fn set_commands_max(&mut self, n: u16) {
        self.commands.max = n;
    }

    /// Takes no more input; its commands are to be ended.
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
            if self.incoming.is_some() || self.input.is_within() {
                self.notice("went away within a PDU");
            }
            self.end();
        }
        self.output.clear();
        self.info.phase = Phase::Closed;
    }

    /// End the connection from our side; what is queued still goes out.
    pub fn close(&mut self) {
        if !self.is_ended() {
            self.end();
        }
    }

    /// What is known of it.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// A broken rule: the host is told which, with the header that broke it, and the connection ends (tcp §3.5.1).
    fn fatal(&mut self, fault: Fault, header: &[u8]) {
        let Fault { fes, fei, why } = fault;
        self.notice(&format!("{why}; terminated with \"{fes}\", {fei:#x} (tcp §3.6.2.4)"));
        let pdu = TermReq { fes, fei }.emit(Role::Controller, header);
        self.output.push_raw(&pdu);
        self.end();
    }

    fn notice(&mut self, what: &str) {
        self.notices = self.notices.saturating_add(1);
        if self.notices > NOTICES_MAX {
            return;
        }
        let mut line = format!("host at {}: {what}", self.info.peer);
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
        self.info.phase = if self.output.is_empty() { Phase::Closed } else { Phase::Closing };
        self.timers.end(self.limits.close_timeout);
        self.input = Input::default();
        self.incoming = None;
        self.waiting = None;
        self.pending = Vec::new();
        self.commands.clear();
        self.hungry = VecDeque::new();
    }
}
