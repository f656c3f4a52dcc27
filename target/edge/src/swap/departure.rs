//! Leaving: everything into place, then exec.

use super::{Image, Moments, Refusal};
use rustix::io::Errno;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

/// What a successor gets.
pub struct Departure<'a> {
    /// Who comes.
    pub image: &'a Image,
    /// Who leaves, and comes back if the other fails.
    pub old: &'a Image,
    /// The snapshot.
    pub snapshot: &'a [u8],
    /// What stays open, with its number; all others are close-on-exec from birth.
    pub carried: &'a [BorrowedFd<'a>],
    /// How long the new program has until it commits.
    pub guard: Duration,
    /// What was measured so far; `left` is stamped here.
    pub moments: Moments,
}

/// Why we are still here. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DepartureFailed {
    #[error("{0} threads still run beside the first one: one of them could hang the exec for ever")]
    Threads(usize),
    #[error("cannot {doing}: {errno}")]
    Io { doing: &'static str, errno: Errno },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{path}: exec failed: {why}")]
    Exec { path: std::path::PathBuf, why: String },
}

/// Becomes the other program, or says why not. To be called on the first thread, when no other one is left.
pub fn depart(_departure: Departure<'_>) -> DepartureFailed {
    DepartureFailed::Refused(Refusal::NotHere)
}

/// `bytes` in a nameless file that nobody can change any more.
///
/// # Errors
/// What the system answers; no room is `ENOSPC`, `ENOMEM` or `EFBIG`.
pub fn sealed(_name: &str, _bytes: &[u8]) -> io::Result<OwnedFd> {
    Err(Errno::NOSYS.into())
}

/// Signals that were blocked for the exec come through again. To be called as soon as their handlers are installed; without
/// a predecessor it does nothing.
pub fn unblock_signals() {}
