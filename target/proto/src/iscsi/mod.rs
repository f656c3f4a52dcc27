//! iSCSI (RFC 7143) as a machine: bytes and instants in, bytes and events out. A CDB is opaque here.
//!
//! ```text
//!  bytes ──> connection ──> pdu ──┬─ login phase ──> login ──> keys, text, auth
//!               │                 └─ full feature ─> window ─> Event::Command, TaskManagement
//!               │                                    data_out ─> Event::Data     (collect)
//!               │                                    exchange ─> discovery
//!  bytes <── output <── data_in (send, finish), R2Ts, responses, pings
//! ```
//!
//! Non-goals: more than one connection per session, error recovery levels above 0, iSER.
//!
//! Documents: RFC 7143 (iSCSI), RFC 7144 (newer SCSI features), RFC 1982 (serial numbers), SAM-5.

pub mod connection;
pub mod discovery;
pub mod event;
pub mod exchange;
pub mod keys;
pub mod login;
pub mod pdu;
pub mod saved;
pub mod session;
pub mod site;
pub mod text;

pub use connection::{Connection, Cx, Limits, Setup};
pub use event::{CloseReason, Command, Event, Notice, TaskManagement};
pub use login::{Candidate, Kind, LoginStatus, Refusal};
pub use pdu::{Isid, Itt, TmfResponse};
pub use session::{Phase, SessionInfo, Traffic};
pub use site::Site;

#[cfg(test)]
mod tests;
