//! Words every other crate speaks: wire cursors, the disk as every protocol sees it, SCSI architecture nouns, the
//! payload arena, the snapshot container, metrics.
//!
//! Non-goals: no I/O, no clock, no async. `unsafe` only in [`arena::sys`], with its argument.

pub mod arena;
pub mod metrics;
pub mod outgoing;
pub mod path;
pub mod reach;
pub mod sam;
pub mod snapshot;
pub mod time;
pub mod unit;
pub mod wire;
