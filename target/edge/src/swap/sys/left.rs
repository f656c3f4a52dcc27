//! Descriptors by number: what exec leaves of them.

use super::super::Fingerprint;
use rustix::io::{Errno, fcntl_getfd};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Descriptors that nobody in this program owns yet.
///
/// I1 Made once in a program's life, of what the predecessor says it left, before anything else has been opened.
pub struct Left {
    numbers: BTreeSet<RawFd>,
}

impl Left {
    /// See I1.
    pub fn new(numbers: impl IntoIterator<Item = RawFd>) -> Left {
        Left { numbers: numbers.into_iter().filter(|number| *number > 2).collect() }
    }

    pub fn has(&self, number: RawFd) -> bool {
        self.numbers.contains(&number)
    }

    pub fn numbers(&self) -> Vec<RawFd> {
        self.numbers.iter().copied().collect()
    }

    /// Each once, and only if it is what `print` was taken of.
    pub fn take(&mut self, number: RawFd, print: &Fingerprint) -> io::Result<OwnedFd> {
        self.is_left(number, print)?;
        self.numbers.remove(&number);
        // SAFETY: it is open, since the system has just said what it is; nobody else owns it by I1, and it leaves the set.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }

    /// A copy of one, which stays as it is.
    pub fn copy(&mut self, number: RawFd, print: &Fingerprint) -> io::Result<OwnedFd> {
        self.is_left(number, print)?;
        self.numbers.remove(&number);
        Ok(borrowed(number, |fd| rustix::io::fcntl_dupfd_cloexec(fd, 4))?)
    }

    fn is_left(&self, number: RawFd, print: &Fingerprint) -> io::Result<()> {
        if !self.has(number) {
            return Err(Errno::BADF.into());
        }
        match borrowed(number, |fd| print.is_of(fd))? {
            true => Ok(()),
            false => Err(io::Error::other(format!("number {number} is not what it was"))),
        }
    }
}

/// Something with a descriptor of which only the number is known.
pub fn borrowed<R>(number: RawFd, with: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
    // SAFETY: it is used in this call only. Should nothing be open there, the system answers EBADF.
    with(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Closes what the predecessor left for the swap itself and no value owns.
pub fn close(number: RawFd) {
    if number > 2 && borrowed(number, |fd| fcntl_getfd(fd)).is_ok() {
        // SAFETY: it is open, and by its purpose nobody owns it: images, snapshot, and originals of copies (`Left::copy`).
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}
