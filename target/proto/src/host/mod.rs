//! The host's side of NVMe/TCP as machines: bytes of a controller in, bytes for it and completions out.
//!
//! * [`Queue`] is one connection: ICReq, capsules, data both ways, digests, command identifiers, submission queue flow control,
//!   authentication. It gives and takes bytes; whose sockets they are is the caller's affair.
//! * [`Startup`] says what to ask until a controller is ready ([`command`] builds the entries, [`identify`] and
//!   [`discovery`] read what comes).
//!
//! Non-goals: no retries, no reconnecting, no multipath: whoever owns the queues decides that.
//!
//! Invariants: H1 no byte of a controller panics; what breaks the standard ends the queue ([`queue::End`]), which
//! says and hears nothing more. H2 nothing a controller says makes the queue hold more than its commands asked for. H3 a command
//! identifier is not used again before its completion was taken.
//!
//! Documents: as for [`nvme`](crate::nvme).

pub mod command;
pub mod completion;
pub mod discovery;
pub mod identify;
pub mod queue;
pub mod startup;

pub use command::Connect;
pub use completion::Completion;
pub use queue::Queue;
pub use startup::Startup;
