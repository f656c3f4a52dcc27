//! What is known of a queue, for people and for whoever drives it.

use crate::nvme::Nqn;
use mainstay_base::sam::NexusId;
use std::net::SocketAddr;

/// CNTLID of a queue that has no controller yet, and in a Connect of who takes any (base §3.1.2.2).
pub const CNTLID_ANY: u16 = 0xffff;

/// Where a queue stands.
///
/// ```text
///  Opening ──> Connecting ──> Deciding ──> Authenticating ──> Ready ──> Closing ──> Closed
///     └────────────┴──────────────┴──────────────┴───────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The transport is being set up.
    #[default]
    Opening,
    /// Waits for Connect.
    Connecting,
    /// Connect waits for the verdict.
    Deciding,
    /// Connected; nothing but authentication is taken.
    Authenticating,
    /// Serving.
    Ready,
    /// Takes nothing more; what is queued still goes out.
    Closing,
    /// Takes and gives nothing more.
    Closed,
}

impl State {
    pub(super) const ALL: [State; 7] = [
        State::Opening,
        State::Connecting,
        State::Deciding,
        State::Authenticating,
        State::Ready,
        State::Closing,
        State::Closed,
    ];

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            State::Opening => "opens",
            State::Connecting => "connects",
            State::Deciding => "waits for its controller",
            State::Authenticating => "authenticates",
            State::Ready => "ready",
            State::Closing => "closes",
            State::Closed => "closed",
        }
    }
}

/// A queue: whose it is, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Where it stands.
    pub state: State,
    /// Our end.
    pub local: SocketAddr,
    /// The host's end.
    pub peer: SocketAddr,
    /// Index in the site's portals.
    pub portal: usize,
    /// HOSTNQN; empty until Connect.
    pub host: Nqn,
    /// HOSTID.
    pub hostid: [u8; 16],
    /// SUBNQN as the host gave it; empty until Connect.
    pub subnqn: Nqn,
    /// Index in the site's subsystems; none for discovery, or before Connect.
    pub subsystem: Option<usize>,
    /// It leads to a discovery controller.
    pub discovery: bool,
    /// The controller's number; [`CNTLID_ANY`] until there is one.
    pub cntlid: u16,
    /// QID: zero is an admin queue.
    pub qid: u16,
    /// SQSIZE: entries, less one.
    pub sqsize: u16,
    /// The host minds SQHD.
    pub flow_control: bool,
    /// The controller of an I/O queue: its admin queue.
    pub admin: Option<NexusId>,
    /// How they proved who they are, for people; empty until they have.
    pub auth: String,
}

impl Info {
    pub(super) fn new(local: SocketAddr, peer: SocketAddr, portal: usize) -> Info {
        Info {
            state: State::Opening,
            local,
            peer,
            portal,
            host: String::new(),
            hostid: [0; 16],
            subnqn: String::new(),
            subsystem: None,
            discovery: false,
            cntlid: CNTLID_ANY,
            qid: 0,
            sqsize: 0,
            flow_control: true,
            admin: None,
            auth: String::new(),
        }
    }

    /// It is the admin queue of a controller.
    pub fn is_controller(&self) -> bool {
        self.cntlid != CNTLID_ANY && self.qid == 0
    }
}
