//! What a program finds when it was started by its predecessor.

use super::{Image, Refusal};
use std::io;
use std::os::fd::{OwnedFd, RawFd};

/// The descriptor at which a predecessor leaves its handover.
pub const HANDOVER: RawFd = 3;

/// Kind and versions of the handover itself, for [`super::Note::reads`]: an image that lacks it would not find what we leave.
pub const FORM: (&str, u32, u32) = ("handover", 1, 1);

/// The moments of a swap that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Somebody asked for it.
    Asked,
    /// The last byte was taken: the pause begins.
    Stopped,
    /// No store has a request any more.
    Dry,
    /// The snapshot is written.
    Saved,
    /// Just before exec.
    Left,
    /// The first act of the new program.
    Arrived,
    /// Everything is rebuilt and verified.
    Adopted,
    /// There is no way back any more: the pause ends.
    Committed,
}

/// When it happened, ns of the monotonic clock; 0: not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Moments {
    pub asked: u64,
    pub stopped: u64,
    pub dry: u64,
    pub saved: u64,
    pub left: u64,
    pub arrived: u64,
    pub adopted: u64,
    pub committed: u64,
}

/// What the predecessor left. Dropping it closes nothing.
pub struct Handover {}

/// The handover of our predecessor, if we have one. Only descriptor 3 is looked at. The first act of every run: the time is
/// noted, and a second call finds nothing.
pub fn inherited() -> Option<Handover> {
    None
}

/// Keeps descriptor 3 free for a handover: something else takes its place until then. A foreign descriptor that was there
/// moves; its new number is the answer. To be called in a cold start, before anything is opened.
///
/// # Errors
/// What the system answers.
pub fn reserve() -> io::Result<Option<RawFd>> {
    Ok(None)
}

impl Handover {
    /// The snapshot.
    ///
    /// # Errors
    /// What the system answers.
    pub fn snapshot(&self) -> io::Result<Vec<u8>> {
        Err(io::Error::other("not written yet"))
    }

    /// All moments so far.
    pub fn moments(&self) -> Moments {
        Moments::default()
    }

    /// Now is this moment.
    pub fn stamp(&self, _which: Moment) {}

    /// We are the *old* program again after the new one failed: why.
    pub fn came_back(&self) -> Option<String> {
        None
    }

    /// The executable that runs, as the predecessor knows it: nothing is read.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn running(&self) -> Result<Image, Refusal> {
        Err(Refusal::NotHere)
    }

    /// Whether the predecessor left the descriptor with this number, and it was not taken yet.
    pub fn is_carried(&self, _number: RawFd) -> bool {
        false
    }

    /// A descriptor that was left, each once. The number may be another one (see [`super::Guard::stand`]).
    ///
    /// # Errors
    /// There is none with this number, or it was taken.
    pub fn take(&mut self, _number: RawFd) -> io::Result<OwnedFd> {
        Err(rustix::io::Errno::BADF.into())
    }

    /// What was left and not taken.
    pub fn untaken(&self) -> Vec<RawFd> {
        Vec::new()
    }
}
