//! Replacing the running program by another version of itself, in place: same process, same descriptors.
//!
//! ```text
//! Image::stage ── rehearse ── … ── depart ══ exec ══ inherited ── Guard::stand ── … ── Guard::commit
//!      │                                                              │
//!      hash, owner, note                                              Guard::go_back, panic, fatal signal, deadline:
//!                                                                     exec of the old image ══ inherited (came_back)
//! ```
//!
//! I1 Before the commit nothing that the predecessor left is closed or changed, whatever the new program does: it can go back.
//! I2 A departure that fails has changed nothing.
//! I3 A program reads only what was written for it: the newer one converts, both ways (see [`Note`]).
//!
//! This room knows neither protocols nor what a snapshot says.

#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

mod departure;
mod descriptor;
mod guard;
mod handover;
mod image;
mod note;
mod page;
mod refusal;
mod rehearsal;
mod signal;
mod sys;
#[cfg(test)]
mod tests;

pub use departure::{Departure, DepartureFailed, depart, sealed, threads, unblock_signals};
pub use descriptor::Fingerprint;
pub use guard::Guard;
pub use handover::{FORM, HANDOVER, Handover, Moment, Moments, inherited, reserve};
pub use image::Image;
pub use note::{Note, Reads, SECTION, Section, encode};
pub use refusal::Refusal;
pub use rehearsal::{Bounds, RehearsalFailure, Rehearsed, rehearse};
pub use sys::Sealed;

/// This thread lets those go first who are served.
pub fn go_behind() {
    sys::go_behind(0);
}

/// ns of the monotonic clock.
fn now() -> u64 {
    crate::clock::now().0
}
