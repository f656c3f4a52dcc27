//! What is known of a connection and its session, for people.

use super::keys::Negotiated;
use super::pdu::Isid;
use std::net::SocketAddr;

/// Where a connection stands.
///
/// ```text
///  Login ──> Deciding ──> FullFeature ──> Closing ──> Closed
///    └───────────┴─────────────┴─────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Negotiating.
    Login,
    /// Negotiated; waits for `Connection::admit`. Nothing is parsed.
    Deciding,
    /// Serving.
    FullFeature,
    /// Takes nothing more; what is queued still goes out.
    Closing,
    /// Takes and gives nothing more.
    Closed,
}

/// Counts since the connection began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from the initiator.
    pub received_bytes: u64,
    /// Bytes to the initiator.
    pub sent_bytes: u64,
    /// PDUs from the initiator.
    pub received_pdus: u64,
    /// SCSI commands delivered.
    pub commands: u64,
    /// PDUs we refused with a Reject.
    pub rejects: u64,
    /// Header and data digests that did not match.
    pub digest_errors: u64,
}

/// A connection and its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Where it stands.
    pub phase: Phase,
    /// Our end.
    pub local: SocketAddr,
    /// The initiator's end.
    pub peer: SocketAddr,
    /// Index in the site's portals.
    pub portal: usize,
    /// The initiator's name; empty until it is known.
    pub initiator: String,
    /// The initiator's part of the session's name.
    pub isid: Isid,
    /// Our part; zero until admitted.
    pub tsih: u16,
    /// The initiator's name for the connection.
    pub cid: u16,
    /// Index in the site's targets; none in a discovery session or before one is named.
    pub target: Option<usize>,
    /// The target's name; as `target`.
    pub target_name: Option<String>,
    /// What the initiator calls itself for people.
    pub initiator_alias: Option<String>,
    /// How the two proved who they are, for people; empty until they have.
    pub auth_method: String,
    /// What was agreed on.
    pub negotiated: Negotiated,
    /// Counts.
    pub traffic: Traffic,
}
