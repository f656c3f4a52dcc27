//! The NVMe controller: what a subsystem answers to a command, whatever carries the command (NVM Express base 2.0, NVM command
//! set 1.0). The names of the words: an *entry* is 64 bytes of a submission queue, a *reply* what a completion queue entry says.
//!
//! Non-goals: no transport (a command is its entry, data comes and goes by offset), no store (only
//! [`base::unit`](mainstay_base::unit) words), no queues (`queue` has them).
//!
//! Documents: NVM Express Base Specification 2.0 ("base"), NVM Command Set Specification 1.0 ("nvm"), NVMe over Fabrics
//! (part of base 2.0), NVMe/TCP Transport Specification 1.0 ("tcp"); clause numbers in comments are theirs.

pub mod action;
pub mod connect;
pub mod controller;
mod discovery;
pub mod entry;
pub mod identify;
pub mod io;
pub mod log;
mod page;
pub mod site;
pub mod status;
pub mod view;

pub use action::{Action, Leg, Reply};
pub use connect::{Admission, Aim, Connect};
pub use controller::{AdminCx, Birth, Change, Controller, DiscoveryState, Features, Notice, Outcome};
pub use entry::{Cid, Entry, Fuse, Sgl};
pub use site::{Controllers, Host, Keys, Namespace, Nqn, Site, Subsystem};
pub use status::Status;
pub use view::{Attached, View};

/// FR, the firmware revision: the version of what runs, at most 8 bytes of it.
pub(crate) const FIRMWARE: &str = env!("CARGO_PKG_VERSION");
