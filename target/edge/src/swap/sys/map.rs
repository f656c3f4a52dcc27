//! The page that two programs share.

use super::super::page::{PAGE, Page};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ops::Deref;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr::NonNull;

/// A page, mapped as long as the value lives.
///
/// I1 The object is sealed against shrinking and large enough, so no access faults.
pub struct Mapped(NonNull<Page>);

impl Mapped {
    /// `EINVAL`: this is no such object.
    pub fn new(fd: BorrowedFd<'_>) -> Result<Mapped, Errno> {
        if !fcntl_get_seals(fd)?.contains(SealFlags::SHRINK | SealFlags::GROW) || fstat(fd)?.st_size < PAGE as i64 {
            return Err(Errno::INVAL);
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing that anyone holds.
        let base = unsafe { mmap(std::ptr::null_mut(), PAGE, access, MapFlags::SHARED, fd, 0)? };
        Ok(Mapped(NonNull::new(base.cast()).ok_or(Errno::NOMEM)?))
    }

    /// Mapped for ever.
    pub fn leak(self) -> &'static Page {
        let page = self.0;
        std::mem::forget(self);
        // SAFETY: as in `deref`, and it is not unmapped any more.
        unsafe { page.as_ref() }
    }
}

impl Deref for Mapped {
    type Target = Page;
    fn deref(&self) -> &Page {
        // SAFETY: the mapping is aligned to pages, has room for a `Page` (I1), and lives as long as `self`. A `Page` is made
        // of atomics only, for which any bytes are a value and which others may write at any time.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`, to which no reference outlives `self`.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), PAGE) };
    }
}

/// The whole of an object that nobody can change any more, mapped as long as the value lives.
///
/// I1 It is sealed against writing and shrinking, so what was mapped stays there and stays as it is.
#[derive(Debug)]
pub struct Sealed {
    base: NonNull<u8>,
    len: usize,
}

impl Sealed {
    /// `EINVAL`: it can be changed, or there is nothing in it.
    pub fn new(fd: BorrowedFd<'_>) -> Result<Sealed, Errno> {
        if !fcntl_get_seals(fd)?.contains(SealFlags::WRITE | SealFlags::SHRINK) {
            return Err(Errno::INVAL);
        }
        let len = usize::try_from(fstat(fd)?.st_size).map_err(|_| Errno::OVERFLOW)?;
        // All of it is read at once.
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing that anyone holds.
        let base = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, flags, fd, 0)? };
        Ok(Sealed { base: NonNull::new(base.cast()).ok_or(Errno::NOMEM)?, len })
    }
}

// SAFETY: bytes that nobody can change (I1), in a mapping that belongs to no thread.
unsafe impl Send for Sealed {}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped as long as `self` lives, and by I1 they do not change.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`, to which no reference outlives `self`.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A nameless file in memory.
pub fn nameless(name: &str) -> Result<OwnedFd, Errno> {
    memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
}

/// Its size stays as it is, and, unless `writable`, its contents.
pub fn seal(fd: BorrowedFd<'_>, writable: bool) -> Result<(), Errno> {
    let size = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(fd, if writable { size } else { size | SealFlags::WRITE })
}
