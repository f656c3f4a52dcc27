//! Makes and maps shared memory.
#![allow(unsafe_code)]

use mainstay_base::arena::Region;
use rustix::fs::{fstat, ftruncate};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

/// A shared, nameless piece of memory, mapped as long as the value lives.
///
/// I1 The object never changes its size while mapped (sealed where the system can), so that no access faults.
pub struct SharedRegion {
    descriptor: OwnedFd,
    base: NonNull<u8>,
    len: usize,
}

impl SharedRegion {
    /// `len` bytes of zeroes; no memory is used before it is touched. `name` shows up in `/proc/self/maps`.
    ///
    /// # Errors
    /// What the system answers: no descriptors, no address space, `len` zero.
    pub fn new(name: &str, len: usize) -> Result<SharedRegion, Errno> {
        let descriptor = create(name)?;
        ftruncate(&descriptor, len as u64)?;
        seal(&descriptor)?;
        SharedRegion::map(descriptor, len)
    }

    /// The region behind a descriptor that a predecessor made with [`SharedRegion::new`]. Its bytes are as they were.
    ///
    /// # Errors
    /// What the system answers; `EINVAL` when the object is not sealed against shrinking (Linux): then it is not ours.
    pub fn from_descriptor(descriptor: OwnedFd) -> Result<SharedRegion, Errno> {
        check_sealed(&descriptor)?;
        let len = usize::try_from(fstat(&descriptor)?.st_size).map_err(|_| Errno::OVERFLOW)?;
        SharedRegion::map(descriptor, len)
    }

    fn map(descriptor: OwnedFd, len: usize) -> Result<SharedRegion, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing that anyone holds.
        let base = unsafe { mmap(std::ptr::null_mut(), len, access, MapFlags::SHARED, &descriptor, 0)? };
        let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
        Ok(SharedRegion { descriptor, base, len })
    }

    /// What a successor is handed.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for SharedRegion {
    fn drop(&mut self) {
        // SAFETY: the range is exactly the mapping made in `map`, and whoever used it borrowed or owned `self`. A
        // failure leaks address space, which is all that could be done about it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

// SAFETY: the mapping stays at its address until drop, is readable and writable, cannot fault (I1), and its base is
// given to nobody but the arena. The object is shared with a successor only after this process is gone.
unsafe impl Region for SharedRegion {
    fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }
    fn len(&self) -> usize {
        self.len
    }
    /// A hole in shared memory reads as zeroes and is filled at the first touch. Elsewhere than on Linux there is no
    /// such hole, and the pages stay.
    #[cfg(target_os = "linux")]
    fn discard(&self, offset: usize, len: usize) {
        use rustix::fs::{FallocateFlags, fallocate};
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // A failure leaves the pages where they are, which is no harm.
        let _ = fallocate(&self.descriptor, hole, offset as u64, len as u64);
    }
}

// SAFETY: a mapping belongs to the process, not to a thread; access goes through disjoint buffers of one arena.
unsafe impl Send for SharedRegion {}
// SAFETY: as above.
unsafe impl Sync for SharedRegion {}

/// Give back what the allocator keeps for later, where it does so: glibc returns by itself only what lies at the end of
/// its heap.
pub fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes the allocator's own locks, and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(target_os = "linux")]
fn create(name: &str) -> Result<OwnedFd, Errno> {
    use rustix::fs::{MemfdFlags, memfd_create};
    memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
}

#[cfg(target_os = "linux")]
fn seal(descriptor: &OwnedFd) -> Result<(), Errno> {
    use rustix::fs::{SealFlags, fcntl_add_seals};
    fcntl_add_seals(descriptor, SealFlags::SHRINK | SealFlags::GROW)
}

#[cfg(target_os = "linux")]
fn check_sealed(descriptor: &OwnedFd) -> Result<(), Errno> {
    use rustix::fs::{SealFlags, fcntl_get_seals};
    let seals = fcntl_get_seals(descriptor)?;
    if seals.contains(SealFlags::SHRINK) { Ok(()) } else { Err(Errno::INVAL) }
}

/// A name is needed for a moment only; a stale one of a crashed process with our number is passed by.
#[cfg(not(target_os = "linux"))]
fn create(name: &str) -> Result<OwnedFd, Errno> {
    use rustix::shm::{Mode, OFlags, open, unlink};
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    let process = std::process::id();
    let short: String = name.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    for attempt in 0..1000 {
        // The system allows 31 bytes.
        let path = format!("/ms{process}.{attempt}.{short}");
        match open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(descriptor) => {
                unlink(&path)?;
                rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
                return Ok(descriptor);
            }
            Err(Errno::EXIST) => continue,
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}

/// The size of such an object can be set once only.
#[cfg(not(target_os = "linux"))]
fn seal(_: &OwnedFd) -> Result<(), Errno> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn check_sealed(_: &OwnedFd) -> Result<(), Errno> {
    Ok(())
}
