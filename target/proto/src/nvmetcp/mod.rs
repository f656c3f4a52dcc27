//! NVMe over TCP: the controller's end of one connection, and the PDUs of both ends (NVMe/TCP Transport Specification 1.0).
//!
//! Non-goals: no queues and no commands (a submission queue entry is 64 bytes with a CID and an SGL descriptor), no TLS.
//! [`pdu`] serves both ends; [`Connection`] is the controller's.
//!
//! ```text
//!  bytes ──> input: header ──> dispatch ──> Event::Command
//!                 data ──┐        └─ H2CData ──> Event::Data
//!             (into place) <── buffer ── collect: R2T
//!  bytes <── output <── send: C2HData, finish: CapsuleResp
//! ```
//!
//! Clause numbers in comments ("tcp") are those of the transport specification, revision 1.0.

mod connection;
mod event;
mod info;
mod input;
mod output;
pub mod pdu;
pub mod saved;

pub use connection::{Connection, Cx, FABRICS_IN_CAPSULE, Limits, Setup};
pub use event::{Event, Given, Notice, Tag};
pub use info::{Info, Phase, Traffic};

#[cfg(test)]
mod tests;
