//! macOS.
#![allow(unsafe_code)]

use super::Sectors;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

// <sys/disk.h>: _IOR('d', 24, uint32_t), _IOR('d', 25, uint64_t), _IOR('d', 77, uint32_t).
const DKIOCGETBLOCKSIZE: libc::c_ulong = 0x4004_6418;
const DKIOCGETBLOCKCOUNT: libc::c_ulong = 0x4008_6419;
const DKIOCGETPHYSICALBLOCKSIZE: libc::c_ulong = 0x4004_644d;

/// The system cannot tell what would wait.
pub fn read_nowait(_: BorrowedFd<'_>, _: &mut [u8], _: u64) -> Result<usize, Errno> {
    Err(Errno::NOTSUP)
}

/// The system cannot tell what would wait.
pub fn write_nowait(_: BorrowedFd<'_>, _: &[u8], _: u64) -> Result<usize, Errno> {
    Err(Errno::NOTSUP)
}

/// All that was written is on stable storage. `fsync` leaves the drive's cache alone here, so it takes `F_FULLFSYNC`;
/// file systems without it (network) have only `fsync`.
pub fn sync_data(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    match rustix::fs::fcntl_fullfsync(fd) {
        Err(Errno::NOTSUP | Errno::NOTTY | Errno::INVAL) => rustix::fs::fsync(fd),
        other => other,
    }
}

/// As [`sync_data`].
pub fn sync_all(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    sync_data(fd)
}

/// Give the space of a range back; it reads as zero. `EINVAL` unless it covers whole blocks of the file system.
pub fn punch(fd: BorrowedFd<'_>, at: u64, len: u64) -> Result<(), Errno> {
    let range = libc::fpunchhole_t { fp_flags: 0, reserved: 0, fp_offset: at as _, fp_length: len as _ };
    // SAFETY: the descriptor is open (borrowed), and the call only reads the struct, which lives until it returns.
    result(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_PUNCHHOLE, &range) })
}

/// There is no such call.
pub fn zero(_: BorrowedFd<'_>, _: u64, _: u64) -> Result<(), Errno> {
    Err(Errno::NOTSUP)
}

/// Whether holes can be punched, tried where it changes nothing: behind the end.
pub fn can_punch(fd: BorrowedFd<'_>, bytes: u64) -> bool {
    punch(fd, bytes.next_multiple_of(1 << 20), 1 << 20).is_ok()
}

/// Only what is known not to wait counts.
pub fn is_ram(_: BorrowedFd<'_>) -> bool {
    false
}

/// A file without a name, of `bytes` zeroes. Shared memory objects cannot be read and written here, only mapped, and
/// cannot grow, so it is a temporary file that is removed at once.
pub fn nameless(name: &str, bytes: u64) -> Result<OwnedFd, Errno> {
    let short: String = name.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    for attempt in 0..1000 {
        let path = std::env::temp_dir().join(format!("mainstay-{}-{attempt}-{short}", std::process::id()));
        match rustix::fs::open(&path, flags, mode) {
            Ok(fd) => {
                rustix::fs::unlink(&path)?;
                rustix::fs::ftruncate(&fd, bytes)?;
                return Ok(fd);
            }
            Err(Errno::EXIST) => continue,
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}

/// Lock the whole file for this open file description. `EAGAIN` or `EACCES`: another one holds it.
pub fn lock(fd: BorrowedFd<'_>, exclusive: bool) -> Result<(), Errno> {
    let kind = if exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
    let range = libc::flock { l_start: 0, l_len: 0, l_pid: 0, l_type: kind, l_whence: libc::SEEK_SET as _ };
    // SAFETY: the descriptor is open (borrowed), and the call only reads the struct, which lives until it returns.
    result(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &range) })
}

/// Bytes of a disk.
pub fn device_bytes(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut blocks = 0u64;
    // SAFETY: the descriptor is open (borrowed); this request writes one u64 (<sys/disk.h>), which is what it gets.
    result(unsafe { libc::ioctl(fd.as_raw_fd(), DKIOCGETBLOCKCOUNT, &raw mut blocks) })?;
    Ok(blocks * u64::from(sectors(fd)?.logical))
}

/// Sector sizes of a disk.
pub fn sectors(fd: BorrowedFd<'_>) -> Result<Sectors, Errno> {
    let (mut logical, mut physical) = (0u32, 0u32);
    // SAFETY: the descriptor is open (borrowed); this request writes one u32 (<sys/disk.h>), which is what it gets.
    result(unsafe { libc::ioctl(fd.as_raw_fd(), DKIOCGETBLOCKSIZE, &raw mut logical) })?;
    // SAFETY: as above.
    if result(unsafe { libc::ioctl(fd.as_raw_fd(), DKIOCGETPHYSICALBLOCKSIZE, &raw mut physical) }).is_err() {
        physical = logical;
    }
    Ok(Sectors { logical, physical })
}

/// Opens of a disk with this flag exclude other writers.
pub const EXCLUSIVE: OFlags = OFlags::from_bits_retain((libc::O_EXLOCK | libc::O_NONBLOCK) as _);

fn result(answer: libc::c_int) -> Result<(), Errno> {
    match answer {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        _ => Ok(()),
    }
}
