//! The machines: bytes and instants in; bytes, store requests and a deadline out. No sockets, files, threads or clocks;
//! all state is plain data. Peer bytes never panic here.

pub mod auth;
pub mod host;
pub mod iscsi;
pub mod mdns;
pub mod nexus;
pub mod nvme;
pub mod nvmetcp;
pub mod queue;
pub mod scsi;
