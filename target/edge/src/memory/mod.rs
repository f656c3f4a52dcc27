//! Memory behind a descriptor, so that a successor can be handed it whole.
//!
//! [`SharedRegion`] is the payload arena's memory: one mapping for life. Non-goal: memory volumes, which are files
//! without a name and are never mapped (`volume::memory`).

mod sys;

pub use sys::{SharedRegion, trim_heap};

#[cfg(test)]
mod tests;
