//! What the tests and the benchmark drive targets with.
//!
//! * [`initiator`]: a scripted iSCSI initiator over a blocking socket. It encodes and decodes by itself, from RFC 7143: a
//!   test that borrowed the target's own codec would share its mistakes and prove nothing.
//! * [`host`]: a scripted NVMe/TCP host. Well-behaved connections go through the host's machine of the protocol crate; PDUs
//!   that break rules, and those that answer them, through a codec of its own.
//! * [`daemon`]: a running `mainstay` with its own ports, state directory and control socket.
//! * [`tgt`]: a running `tgtd` of Debian's tgt, to try the scripts on a target that is not ours.
//! * [`process`]: what `/proc` says about either.
//!
//! Not a general initiator: it trusts nobody, retries nothing, and lets a test break any rule it wants to break.

pub mod daemon;
pub mod host;
pub mod initiator;
pub mod process;
pub mod tgt;
