//! Volumes in regular files.

use super::identity::Anchor;
use super::opened::{Kind, Opened};
use super::{OpenError, device, lock, sys};
use crate::state::sync_parent;
use rustix::fs::{FileType, Mode, OFlags, fstat, ftruncate, unlink};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Open and lock the file; make it when it is missing and a size is given.
pub(super) fn open(path: &Path, create_size: Option<u64>, read_only: bool) -> Result<Opened, OpenError> {
    let what = || path.display().to_string();
    let io = |doing, errno| OpenError::Io { what: what(), doing, errno };
    // Nonblocking: opening a pipe must not hang; on a regular file it means nothing.
    let access = if read_only { OFlags::RDONLY } else { OFlags::RDWR } | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let (fd, created) = match rustix::fs::open(path, access, Mode::empty()) {
        Ok(fd) => (fd, false),
        Err(Errno::NOENT) => match create_size {
            Some(size) => (create(path, size, access).map_err(|errno| io("create", errno))?, true),
            None => return Err(OpenError::Missing { what: what() }),
        },
        Err(Errno::ISDIR) => return Err(OpenError::NotAFile { what: what(), kind: "a directory" }),
        Err(errno) => return Err(io("open", errno)),
    };
    let stat = fstat(&fd).map_err(|errno| io("look at", errno))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        return Err(OpenError::NotAFile { what: what(), kind: kind_name(kind) });
    }
    lock::take(fd.as_fd(), path, !read_only)?;
    let real = std::fs::canonicalize(path).map_err(|error| io("resolve", errno(&error)))?;
    if !read_only && let Some(loop_device) = device::loop_over(&real) {
        return Err(OpenError::BehindLoop { what: what(), loop_device });
    }
    let bytes = u64::try_from(stat.st_size).unwrap_or(0);
    Ok(Opened {
        kind: Kind::File,
        bytes,
        sectors: None,
        ram: sys::is_ram(fd.as_fd()),
        can_punch: !read_only && sys::can_punch(fd.as_fd(), bytes),
        solid_state: device::is_solid_state(stat.st_dev as u64),
        created,
        anchor: Anchor::file(&real, fd.as_fd())?,
        fd,
    })
}

/// A sparse file whose name survives a crash. On an error nothing is left behind.
fn create(path: &Path, size: u64, access: OFlags) -> Result<OwnedFd, Errno> {
    let flags = access | OFlags::CREATE | OFlags::EXCL;
    let fd = rustix::fs::open(path, flags | OFlags::RDWR, Mode::RUSR | Mode::WUSR)?;
    let done = ftruncate(&fd, size).and_then(|()| sys::sync_all(fd.as_fd())).and_then(|()| sync_parent(path));
    match done {
        Ok(()) => Ok(fd),
        Err(errno) => {
            let _ = unlink(path);
            Err(errno)
        }
    }
}

pub(super) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::BlockDevice => "a block device",
        FileType::CharacterDevice => "a character device",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "something else",
    }
}

pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
