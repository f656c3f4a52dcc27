//! One writer per file: a lock on the whole file that belongs to our open file description, so that it survives an
//! exec and is seen by other programs (QEMU locks ranges of its images the same way). Several read-only volumes may
//! share a file.

use super::{OpenError, sys};
use crate::state::patiently;
use rustix::fs::fstat;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Lock the file, or say who has it.
pub(super) fn take(fd: BorrowedFd<'_>, path: &Path, exclusive: bool) -> Result<(), OpenError> {
    let what = || path.display().to_string();
    match patiently(|| sys::lock(fd, exclusive)) {
        Ok(()) => Ok(()),
        Err(Errno::AGAIN | Errno::ACCESS) => {
            #[allow(clippy::unnecessary_cast)] // the field's type differs by system
            let holder = fstat(fd).ok().and_then(|stat| holder(stat.st_dev as u64, stat.st_ino));
            let holder = holder.unwrap_or_else(|| "another program (it holds a lock)".into());
            Err(OpenError::InUse { what: what(), holder })
        }
        Err(errno) => Err(OpenError::Io { what: what(), doing: "lock", errno }),
    }
}

/// The process with a lock on the inode, as far as we may look into other processes. The kernel's own answer to who
/// holds such a lock is -1, since it belongs to no process.
fn holder(dev: u64, inode: u64) -> Option<String> {
    let (major, minor) = (rustix::fs::major(dev as _), rustix::fs::minor(dev as _));
    let place = format!("{major:02x}:{minor:02x}:{inode}");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(number) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fdinfo")) else { continue };
        for descriptor in descriptors.flatten() {
            let info = std::fs::read_to_string(descriptor.path()).unwrap_or_default();
            let is_lock = |line: &str| line.starts_with("lock:") && line.split_whitespace().any(|word| word == place);
            if info.lines().any(is_lock) {
                let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("process {number} ({})", name.trim()));
            }
        }
    }
    None
}
