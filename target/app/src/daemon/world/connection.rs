//! One connection of an initiator.

use super::machine::Machine;
use super::socket::Socket;
use mainstay_base::arena::Arena;
use mainstay_base::unit::Request;
use mainstay_edge::swap::Fingerprint;
use mainstay_proto::iscsi::CloseReason;
use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

pub(in crate::daemon) struct Connection {
    pub machine: Machine,
    /// Its account of the payload memory.
    pub arena: Arena,
    pub since_ms: u64,
    pub socket: Socket<TcpStream>,
    /// Store requests that have to wait (see [`super::Hold`]), in order.
    pub held: Vec<Request>,
    /// Wakes the connection's task: its interest changed, or it is over.
    pub changed: Rc<Notify>,
    pub(super) waits_for: Option<Interest>,
    /// Nothing more is read or written; what is at the stores is awaited.
    pub gone: bool,
    /// It is in `World::touched`.
    pub(super) touched: bool,
    /// It is in `World::starved`.
    pub starved: bool,
    /// A queue of NVMe that has connected, and proved who it is.
    pub settled: bool,
    /// It was told that this session logged in.
    pub told: bool,
    pub parting: Parting,
    fingerprint: OnceCell<Fingerprint>,
}

impl Connection {
    /// Which socket it has. Asked of the system once, before a pause if a rehearsal comes first.
    pub fn fingerprint(&self) -> io::Result<Fingerprint> {
        if let Some(known) = self.fingerprint.get() {
            return Ok(known.clone());
        }
        let descriptor = self.socket.descriptor().ok_or(io::ErrorKind::NotConnected)?;
        let print = Fingerprint::of(descriptor)?;
        Ok(self.fingerprint.get_or_init(|| print).clone())
    }

    /// It waits for its initiator to speak, as it should, and has nothing to say.
    pub fn is_quiet(&self) -> bool {
        let waits = self.waits_for == Some(Interest::READABLE) && self.machine.wants_input();
        waits && !self.gone && !self.machine.is_closed() && !self.machine.has_output()
    }

    pub fn new(machine: Machine, arena: Arena, since_ms: u64, socket: Socket<TcpStream>) -> Connection {
        Connection {
            machine,
            arena,
            since_ms,
            socket,
            held: Vec::new(),
            changed: Rc::default(),
            waits_for: Some(Interest::READABLE),
            gone: false,
            touched: false,
            starved: false,
            settled: false,
            told: false,
            parting: Parting::default(),
            fingerprint: OnceCell::new(),
        }
    }
}

/// Why a connection ends, as far as we know better than that it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) enum Parting {
    #[default]
    Ended,
    LoggedOut,
    Closed(CloseReason),
}

impl Parting {
    /// For people.
    pub fn why(self) -> &'static str {
        match self {
            Parting::Ended => "the connection ended",
            Parting::LoggedOut => "the initiator logged out",
            Parting::Closed(CloseReason::Kicked) => "an admin ended it",
            Parting::Closed(CloseReason::Shutdown) => "the daemon stops",
            Parting::Closed(CloseReason::Reinstated) => "the initiator logged in again",
            Parting::Closed(CloseReason::TargetReset) => "the target was reset",
            Parting::Closed(CloseReason::Crowded) => "others needed its place",
        }
    }
}
