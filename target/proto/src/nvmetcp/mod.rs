//! NVMe over TCP: the controller's end of one connection, and the PDUs of both ends (NVMe/TCP Transport Specification 1.0).
//!
//! Non-goals: no queues and no commands (a submission queue entry is 64 bytes with a CID and an SGL descriptor), no TLS.
//!
//! Clause numbers in comments ("tcp") are those of the transport specification, revision 1.0.

pub mod pdu;
