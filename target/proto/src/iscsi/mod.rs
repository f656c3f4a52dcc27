//! iSCSI (RFC 7143) as a machine: bytes and instants in, bytes and events out. A CDB is opaque here.
//!
//! Non-goals: more than one connection per session, error recovery levels above 0, iSER.

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
