//! What is known of a connection, for people.

use super::pdu::Digests;
use std::net::SocketAddr;

/// Where a connection stands.
///
/// ```text
///  Opening ──> Serving ──> Closing ──> Closed
///     └───────────┴───────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for ICReq.
    Opening,
    /// Commands may come.
    Serving,
    /// Takes nothing more; what is queued still goes out.
    Closing,
    /// Takes and gives nothing more.
    Closed,
}

/// Counts since the connection began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from the host.
    pub received_bytes: u64,
    /// Bytes to the host.
    pub sent_bytes: u64,
    /// PDUs from the host.
    pub received_pdus: u64,
    /// Commands delivered.
    pub commands: u64,
    /// Header and data digests that did not match.
    pub digest_errors: u64,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Where it stands.
    pub phase: Phase,
    /// Our end.
    pub local: SocketAddr,
    /// The host's end.
    pub peer: SocketAddr,
    /// Index in the site's portals.
    pub portal: usize,
    /// Digests in use.
    pub digests: Digests,
    /// HPDA of the host.
    pub hpda: u8,
    /// MAXR2T of the host.
    pub maxr2t: u32,
    /// Counts.
    pub traffic: Traffic,
}
