//! iSCSI (RFC 7143) as a machine: bytes and instants in, bytes and events out. A CDB is opaque here.
//!
//! Non-goals: more than one connection per session, error recovery levels above 0, iSER.

pub mod discovery;
pub mod exchange;
pub mod keys;
pub mod login;
pub mod pdu;
pub mod site;
pub mod text;
