//! Leaving: everything into place, then exec.

use super::page::{PAGE, stage};
use super::{HANDOVER, Image, Moment, Moments, Refusal, handover, sys};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Resource, getrlimit};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// What a successor gets.
pub struct Departure<'a> {
    /// Who comes.
    pub image: &'a Image,
    /// Who leaves, and comes back if the other fails.
    pub old: &'a Image,
    /// The snapshot, [`sealed`].
    pub snapshot: BorrowedFd<'a>,
    /// What stays open, with its number; all others are close-on-exec from birth.
    pub carried: &'a [BorrowedFd<'a>],
    /// How long the new program has until it commits.
    pub guard: Duration,
    /// What was measured so far; `left` is stamped here.
    pub moments: Moments,
    /// Asked at the last moment, when signals are blocked: who comes later than this finds the next program. False: stay.
    pub still: &'a dyn Fn() -> bool,
}

/// Why we are still here. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DepartureFailed {
    #[error("{0} threads still run beside the first one: one of them could hang the exec for ever")]
    Threads(usize),
    #[error("descriptor {HANDOVER} was not kept free for a handover")]
    NotReserved,
    #[error("it was called off at the last moment")]
    CalledOff,
    #[error("cannot {doing}: {error}")]
    Io { doing: &'static str, error: io::Error },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{path} cannot be executed: {why}")]
    Exec { path: PathBuf, why: String },
}

/// Threads that were joined may need a moment until the system has forgotten them, and our guard one for tidying up.
const ENDING: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_micros(100);

/// Becomes the other program, or says why not. To be called on the first thread, when no other one is left.
pub fn depart(departure: Departure<'_>) -> DepartureFailed {
    match prepare(&departure) {
        Ok(ready) => ready.leave(&departure),
        Err(failed) => failed,
    }
}

fn doing<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> DepartureFailed {
    move |error| DepartureFailed::Io { doing, error: error.into() }
}

/// All that is made before anything is changed.
struct Ready {
    page: sys::Mapped,
    page_descriptor: OwnedFd,
    /// What descriptor 3 is until then.
    placeholder: OwnedFd,
    program: sys::Program,
}

fn prepare(departure: &Departure<'_>) -> Result<Ready, DepartureFailed> {
    if cfg!(not(target_os = "linux")) {
        return Err(Refusal::NotHere.into());
    }
    if !handover::is_reserved() {
        return Err(DepartureFailed::NotReserved);
    }
    alone()?;
    let placeholder = sys::borrowed(HANDOVER, |fd| fcntl_dupfd_cloexec(fd, HANDOVER + 1));
    let placeholder = placeholder.map_err(doing("keep a descriptor"))?;
    let numbers: Vec<u8> = departure.carried.iter().flat_map(|fd| fd.as_raw_fd().to_le_bytes()).collect();
    let page_descriptor = new_page(&numbers).map_err(doing("make the handover"))?;
    let page = sys::Mapped::new(page_descriptor.as_fd()).map_err(doing("map the handover"))?;
    let (image, old) = (departure.image, departure.old);
    page.sign();
    page.process.store(std::process::id(), SeqCst);
    page.boot.iter().zip(sys::boot()).for_each(|(to, half)| to.store(half, SeqCst));
    page.carried.store(departure.carried.len() as u32, SeqCst);
    page.snapshot.store(departure.snapshot.as_raw_fd(), SeqCst);
    page.image.store(image.as_fd().as_raw_fd(), SeqCst);
    page.old.store(old.as_fd().as_raw_fd(), SeqCst);
    page.parent_death.store(sys::parent_death(), SeqCst);
    page.not_dumpable.store(sys::is_not_dumpable().into(), SeqCst);
    page.set_guard(departure.guard);
    page.set_moments(&departure.moments);
    page.name.set(&sys::name());
    page.mask.store(sys::mask(), SeqCst);
    page.stage.store(stage::DEPARTED, SeqCst);
    let program = sys::Program::new(image.as_fd().as_raw_fd());
    Ok(Ready { page, page_descriptor, placeholder, program })
}

fn alone() -> Result<(), DepartureFailed> {
    let until = std::time::Instant::now() + ENDING;
    loop {
        match sys::threads().map_err(doing("count the threads"))? {
            0 | 1 => return Ok(()),
            threads if std::time::Instant::now() >= until => return Err(DepartureFailed::Threads(threads - 1)),
            _ => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

impl Ready {
    fn leave(self, departure: &Departure<'_>) -> DepartureFailed {
        let before = sys::block_handled();
        let failed = match self.exec(departure) {
            Ok(never) => match never {},
            Err(failed) => failed,
        };
        for fd in stay_open(departure) {
            let _ = fcntl_setfd(fd, FdFlags::CLOEXEC);
        }
        // The number is taken already, so nothing is needed for this.
        let _ = sys::place(&self.placeholder, HANDOVER, true);
        sys::set_mask(before);
        failed
    }

    fn exec(&self, departure: &Departure<'_>) -> Result<std::convert::Infallible, DepartureFailed> {
        for fd in stay_open(departure) {
            fcntl_setfd(fd, FdFlags::empty()).map_err(doing("keep a descriptor open"))?;
        }
        sys::place(&self.page_descriptor, HANDOVER, false).map_err(doing("leave the handover"))?;
        departure.image.untouched()?;
        // Without one it takes longer.
        let keeper = sys::Keeper::new();
        if let Some(voice) = keeper.as_ref().ok().and_then(sys::Keeper::voice) {
            fcntl_setfd(voice, FdFlags::empty()).map_err(doing("keep a descriptor open"))?;
            self.page.keeper.store(voice.as_raw_fd(), SeqCst);
        }
        if !(departure.still)() {
            return Err(DepartureFailed::CalledOff);
        }
        self.page.stamp(Moment::Left, super::now());
        let why = Refusal::of_exec(self.program.exec(None));
        Err(DepartureFailed::Exec { path: departure.image.path().into(), why })
    }
}

fn stay_open<'a>(departure: &'a Departure<'_>) -> impl Iterator<Item = BorrowedFd<'a>> {
    let own = [departure.snapshot, departure.image.as_fd(), departure.old.as_fd()];
    departure.carried.iter().copied().chain(own)
}

fn new_page(numbers: &[u8]) -> io::Result<OwnedFd> {
    let page = sys::nameless("mainstay-handover")?;
    let size = PAGE + numbers.len();
    fits(size)?;
    let page = File::from(page);
    page.set_len(size as u64)?;
    page.write_all_at(numbers, PAGE as u64)?;
    sys::seal(page.as_fd(), true)?;
    Ok(page.into())
}

/// Threads of this process, the calling one included.
///
/// # Errors
/// What the system answers.
pub fn threads() -> io::Result<usize> {
    Ok(sys::threads()?)
}

/// A nameless file of `size` bytes, as `write` writes them, that nobody can change any more.
///
/// # Errors
/// Those of `write`, and what the system answers; no room is `ENOSPC`, `ENOMEM` or `EFBIG`.
pub fn sealed(name: &str, size: usize, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<OwnedFd> {
    fits(size)?;
    let mut file = File::from(sys::nameless(name)?);
    write(&mut file)?;
    sys::seal(file.as_fd(), false)?;
    Ok(file.into())
}

/// To write beyond the limit would end us with a signal.
fn fits(size: usize) -> Result<(), Errno> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if size as u64 > limit => Err(Errno::FBIG),
        _ => Ok(()),
    }
}

/// Signals that were blocked for the exec come through again. To be called as soon as their handlers are installed; without
/// a predecessor it does nothing.
pub fn unblock_signals() {
    handover::unblock();
}
