//! Linux.
#![allow(unsafe_code)]

use super::Sectors;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

const TMPFS_MAGIC: i64 = 0x0102_1994;
const RAMFS_MAGIC: i64 = 0x8584_58f6;

/// Read only what needs no waiting. `EAGAIN`: it would wait; `ENOTSUP`: this file cannot tell.
pub fn read_nowait(fd: BorrowedFd<'_>, into: &mut [u8], at: u64) -> Result<usize, Errno> {
    rustix::io::preadv2(fd, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT)
}

/// Write only what needs no waiting; errors as for [`read_nowait`].
pub fn write_nowait(fd: BorrowedFd<'_>, from: &[u8], at: u64) -> Result<usize, Errno> {
    rustix::io::pwritev2(fd, &[IoSlice::new(from)], at, ReadWriteFlags::NOWAIT)
}

/// All that was written, and the size, are on stable storage.
pub fn sync_data(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::fs::fdatasync(fd)
}

/// As [`sync_data`], and all that is known about the file.
pub fn sync_all(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::fs::fsync(fd)
}

/// Give the space of a range back; it reads as zero. The size stays.
pub fn punch(fd: BorrowedFd<'_>, at: u64, len: u64) -> Result<(), Errno> {
    rustix::fs::fallocate(fd, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at, len)
}

/// Make a range read as zero without giving it back. The size stays.
pub fn zero(fd: BorrowedFd<'_>, at: u64, len: u64) -> Result<(), Errno> {
    rustix::fs::fallocate(fd, FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE, at, len)
}

/// Whether holes can be punched, tried where it changes nothing: behind the end.
pub fn can_punch(fd: BorrowedFd<'_>, bytes: u64) -> bool {
    punch(fd, bytes, 4096).is_ok()
}

/// The file lives in memory: no call on it waits for a disk.
pub fn is_ram(fd: BorrowedFd<'_>) -> bool {
    #[allow(clippy::unnecessary_cast)] // the field's type differs by architecture
    rustix::fs::fstatfs(fd).is_ok_and(|stat| matches!(stat.f_type as i64, TMPFS_MAGIC | RAMFS_MAGIC))
}

/// A file in memory without a name, of `bytes` zeroes; it can grow, never shrink.
pub fn nameless(name: &str, bytes: u64) -> Result<OwnedFd, Errno> {
    // The kernel takes 249 bytes at most.
    let short: String = name.chars().take(60).collect();
    let fd = rustix::fs::memfd_create(short, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&fd, bytes)?;
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK)?;
    Ok(fd)
}

/// Lock the whole file for this open file description. `EAGAIN` or `EACCES`: another one holds it.
pub fn lock(fd: BorrowedFd<'_>, exclusive: bool) -> Result<(), Errno> {
    // SAFETY: flock is plain integers, for which zero is a value.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = if exclusive { libc::F_WRLCK } else { libc::F_RDLCK } as _;
    range.l_whence = libc::SEEK_SET as _;
    // SAFETY: the descriptor is open (borrowed), and the call only reads the struct, which lives until it returns.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &range) } {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        _ => Ok(()),
    }
}

/// Bytes of a block device. Moves the file offset, which nobody here uses.
pub fn device_bytes(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    rustix::fs::seek(fd, SeekFrom::End(0))
}

/// Sector sizes of a block device.
pub fn sectors(fd: BorrowedFd<'_>) -> Result<Sectors, Errno> {
    let (logical, physical) = (rustix::fs::ioctl_blksszget(fd)?, rustix::fs::ioctl_blkpbszget(fd)?);
    Ok(Sectors { logical, physical })
}

/// Opens of a block device with this flag exclude each other, mounts and device mappings.
pub const EXCLUSIVE: rustix::fs::OFlags = rustix::fs::OFlags::EXCL;
