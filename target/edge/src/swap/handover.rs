//! What a program finds when it was started by its predecessor.

use super::Fingerprint;
use super::page::{PAGE, Page, stage};
use super::sys::{self, Sealed};
use rustix::io::{Errno, fcntl_dupfd_cloexec, fcntl_getfd, pread};
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

/// The descriptor at which a predecessor leaves its handover.
pub const HANDOVER: RawFd = 3;

/// Kind and versions of the handover itself, for what a program says of itself ([`super::Reads`]): an image that lacks it
/// would not find what we leave.
pub const FORM: (&str, u32, u32) = ("handover", 1, 1);

/// More descriptors no process can have.
const CARRIED_MAX: u32 = 1 << 24;

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
    /// Just before exec. [`super::depart`] stamps it.
    Left,
    /// The first act of the new program, or of the old one that came back. [`inherited`] stamps it.
    Arrived,
    /// Everything is rebuilt and verified.
    Adopted,
    /// There is no way back any more. [`super::Guard::commit`] stamps it.
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
pub struct Handover {
    pub(super) page: &'static Page,
    left: Mutex<sys::Left>,
    came_back: bool,
    /// The guard shares our table of descriptors, so originals must stay open until the commit.
    pub(super) originals_stay: AtomicBool,
}

/// What was blocked before a departure blocked more, and whether there was one.
static MASK: AtomicU64 = AtomicU64::new(0);
static BLOCKED: AtomicBool = AtomicBool::new(false);
/// Descriptor 3 is kept free for a handover.
static RESERVED: AtomicBool = AtomicBool::new(false);

/// The handover of our predecessor, if we have one. Only descriptor 3 is looked at. To be the first act of every run: the
/// time is noted, the process gets its name back, and a second call finds nothing.
pub fn inherited() -> Option<Handover> {
    let page = sys::borrowed(HANDOVER, sys::Mapped::new).ok()?;
    let here = page.is_signed() && page.process.load(SeqCst) == std::process::id();
    if !here || page.boot.each_ref().map(|half| half.load(SeqCst)) != sys::boot() {
        return None;
    }
    let came_back = match page.stage.load(SeqCst) {
        stage::DEPARTED => page.step(stage::DEPARTED, stage::ARRIVED).then_some(false)?,
        stage::FAILED => page.step(stage::FAILED, stage::BACK).then_some(true)?,
        _ => return None,
    };
    let page = page.leak();
    page.stamp(Moment::Arrived, super::now());
    sys::set_name(&page.name.get());
    match page.parent_death.load(SeqCst) {
        0 => {}
        number => sys::set_parent_death(number),
    }
    if page.not_dumpable.load(SeqCst) != 0 {
        sys::set_not_dumpable();
    }
    MASK.store(page.mask.load(SeqCst), SeqCst);
    BLOCKED.store(true, SeqCst);
    let numbers = carried(page.carried.load(SeqCst)).ok()?;
    Some(Handover {
        page,
        left: Mutex::new(sys::Left::new(numbers)),
        came_back,
        originals_stay: AtomicBool::new(false),
    })
}

fn carried(count: u32) -> Result<Vec<RawFd>, Errno> {
    let mut bytes = vec![0; count.min(CARRIED_MAX) as usize * 4];
    let mut done = 0;
    while done < bytes.len() {
        match sys::borrowed(HANDOVER, |fd| pread(fd, &mut bytes[done..], (PAGE + done) as u64)) {
            Ok(0) => return Err(Errno::IO),
            Ok(read) => done += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(bytes.as_chunks().0.iter().map(|number| RawFd::from_le_bytes(*number)).collect())
}

/// Keeps descriptor 3 free for a handover: something else takes its place until then. A foreign descriptor that was there
/// moves and stays open for whoever is started by us, if it was; its new number is the answer. To be called in a cold start,
/// before anything is opened.
///
/// Where the running program cannot be replaced, it does nothing.
///
/// # Errors
/// What the system answers.
pub fn reserve() -> io::Result<Option<RawFd>> {
    if cfg!(not(target_os = "linux")) {
        return Ok(None);
    }
    let moved = match sys::borrowed(HANDOVER, |fd| fcntl_getfd(fd)) {
        Ok(flags) => {
            let moved = sys::borrowed(HANDOVER, |fd| fcntl_dupfd_cloexec(fd, HANDOVER + 1))?;
            rustix::io::fcntl_setfd(&moved, flags)?;
            Some(std::os::fd::IntoRawFd::into_raw_fd(moved))
        }
        Err(_) => None,
    };
    put_nothing()?;
    Ok(moved)
}

pub(super) fn put_nothing() -> Result<(), Errno> {
    let nothing = sys::nothing()?;
    if std::os::fd::AsRawFd::as_raw_fd(&nothing) == HANDOVER {
        // It stays there.
        std::mem::forget(nothing);
    } else {
        sys::place(&nothing, HANDOVER, true)?;
    }
    RESERVED.store(true, SeqCst);
    Ok(())
}

pub(super) fn is_reserved() -> bool {
    RESERVED.load(SeqCst)
}

pub(super) fn unblock() {
    if BLOCKED.swap(false, SeqCst) {
        sys::set_mask(MASK.load(SeqCst));
    }
}

impl Handover {
    /// The snapshot, where the predecessor left it: nothing is copied.
    ///
    /// # Errors
    /// What the system answers.
    pub fn snapshot(&self) -> io::Result<Sealed> {
        Ok(sys::borrowed(self.page.snapshot.load(SeqCst), Sealed::new)?)
    }

    /// All moments so far.
    pub fn moments(&self) -> Moments {
        self.page.moments()
    }

    /// Now is this moment.
    pub fn stamp(&self, which: Moment) {
        self.page.stamp(which, super::now());
    }

    /// We are the *old* program again after the new one failed: why.
    pub fn came_back(&self) -> Option<String> {
        self.came_back.then(|| self.page.failure())
    }

    /// A descriptor that was left, each once. Where the guard cannot have a table of descriptors of its own it is a copy with
    /// another number, and the original stays until the commit.
    ///
    /// # Errors
    /// There is none with this number, it was taken, or it is not what `print` was taken of.
    pub fn take(&self, number: RawFd, print: &Fingerprint) -> io::Result<OwnedFd> {
        let stay = self.originals_stay.load(SeqCst);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if stay { left.copy(number, print) } else { left.take(number, print) }
    }

    /// What was left and not taken.
    pub fn untaken(&self) -> Vec<RawFd> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).numbers()
    }
}
