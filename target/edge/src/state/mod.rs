//! The state directory: small records that outlive the process.
//!
//! I1 One daemon per directory (lock). I2 A directory that we did not make, or that holds other things, is refused.
//! I3 A record is replaced as a whole: write aside, sync, rename, sync the directory; it is on stable storage when
//! [`StateDir::write`] returns. I4 A record that cannot be read (torn, foreign, newer) is reported and kept: it is
//! neither overwritten nor removed.
//!
//! A record is one text file: a line `mainstay-state 1 VERSION BYTES CRC32C`, then the owner's text in the form
//! VERSION. All records are read once, at open: behind the lock nobody else changes them.

mod error;
mod patience;
mod record;
pub mod saved;

pub use error::StateError;
pub(crate) use patience::patiently;
pub use record::Record;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::fs::{flock, fstat, fsync, ftruncate, mkdir, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const MARKER: &str = "mainstay-state";
const MARKER_ASIDE: &str = ".mainstay-state.tmp";
const MARKER_START: &str = "Mainstay state directory, format ";
const FORMAT: u32 = 1;
const LOCK: &str = "lock";
/// Larger files are not records of ours.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// An open and locked state directory; cheap to clone.
#[derive(Clone, Debug)]
pub struct StateDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    dir: OwnedFd,
    lock: OwnedFd,
    records: Mutex<BTreeMap<String, Result<Record, String>>>,
    claims: Mutex<BTreeSet<String>>,
}

/// A name that nobody else of this daemon has as long as this lives.
#[derive(Debug)]
pub struct Claim {
    state: StateDir,
    name: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        locked(&self.state.0.claims).remove(&self.name);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StateDir {
    /// Open the directory, making it (mode 0700) when it is missing and taking it over when it is empty.
    ///
    /// # Errors
    /// See [`StateError`]: not ours, newer, in use by another daemon, or what the system says.
    pub fn open(path: &Path) -> Result<StateDir, StateError> {
        let io = |doing, errno| StateError::Io { path: path.into(), doing, errno };
        match mkdir(path, Mode::RWXU) {
            Ok(()) => sync_parent(path).map_err(|errno| io("make", errno))?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(io("make", errno)),
        }
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let dir = match open(path, flags, Mode::empty()) {
            Err(Errno::NOTDIR) => return Err(StateError::NotADirectory { path: path.into() }),
            other => other.map_err(|errno| io("open", errno))?,
        };
        check_marker(path, &dir)?;
        let lock = take_lock(path, &dir)?;
        let records = read_all(&dir).map_err(|errno| io("read", errno))?;
        let (records, claims) = (Mutex::new(records), Mutex::default());
        Ok(StateDir(Arc::new(Inner { path: path.into(), dir, lock, records, claims })))
    }

    /// As it was given.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The directory and its lock, for a successor: as long as it holds them nobody else gets the directory.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.0.dir.as_fd(), self.0.lock.as_fd()]
    }

    /// The names of all records that begin with `prefix`, damaged ones too, sorted.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        locked(&self.0.records).keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// The record `name`, if there is one.
    ///
    /// # Errors
    /// [`StateError::Damaged`].
    pub fn read(&self, name: &str) -> Result<Option<Record>, StateError> {
        match locked(&self.0.records).get(name) {
            None => Ok(None),
            Some(Ok(record)) => Ok(Some(record.clone())),
            Some(Err(why)) => Err(self.damaged(name, why)),
        }
    }

    /// Put `record` in the place of `name`. It is durable when this returns; on an error the old one is still there.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when what is there now cannot be read; [`StateError::Io`]; [`StateError::Name`].
    pub fn write(&self, name: &str, record: Record) -> Result<(), StateError> {
        if !is_record_name(name) {
            return Err(StateError::Name { name: name.into() });
        }
        let mut records = locked(&self.0.records);
        if let Some(Err(why)) = records.get(name) {
            return Err(self.damaged(name, why));
        }
        replace(&self.0.dir, name, &format!(".{name}.tmp"), &record.encode())
            .map_err(|errno| self.io(name, "write", errno))?;
        records.insert(name.into(), Ok(record));
        Ok(())
    }

    /// Remove the record `name`; fine when there is none.
    ///
    /// # Errors
    /// As [`StateDir::write`].
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        let mut records = locked(&self.0.records);
        match records.get(name) {
            None => return Ok(()),
            Some(Err(why)) => return Err(self.damaged(name, why)),
            Some(Ok(_)) => {}
        }
        let removed = unlinkat(&self.0.dir, name, AtFlags::empty()).and_then(|()| fsync(&self.0.dir));
        removed.map_err(|errno| self.io(name, "remove", errno))?;
        records.remove(name);
        Ok(())
    }

    /// Reserve `name` among all users of this directory (all volumes of this daemon); none when it is taken.
    pub fn claim(&self, name: String) -> Option<Claim> {
        locked(&self.0.claims).insert(name.clone()).then(|| Claim { state: self.clone(), name })
    }

    fn damaged(&self, name: &str, why: &str) -> StateError {
        StateError::Damaged { path: self.0.path.join(name), why: why.into() }
    }

    fn io(&self, name: &str, doing: &'static str, errno: Errno) -> StateError {
        StateError::Io { path: self.0.path.join(name), doing, errno }
    }
}

/// Sync the directory that holds `path`, so that a new name in it survives a crash.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Errno> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let dir = open(parent, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())?;
    fsync(dir)
}

fn is_record_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name != MARKER && name != LOCK && !name.is_empty() && name.len() <= 200 && name.bytes().all(plain)
}

fn check_marker(path: &Path, dir: &OwnedFd) -> Result<(), StateError> {
    let io = |doing, errno| StateError::Io { path: path.join(MARKER), doing, errno };
    let Some(text) = read_file(dir, MARKER).map_err(|errno| io("read", errno))? else {
        // Our own unfinished first start leaves at most this behind.
        let strange = entries(dir).map_err(|errno| io("look around", errno))?.into_iter().find(|n| n != MARKER_ASIDE);
        if let Some(found) = strange {
            return Err(StateError::NotOurs { path: path.into(), found });
        }
        let text = format!("{MARKER_START}{FORMAT}\n");
        return replace(dir, MARKER, MARKER_ASIDE, text.as_bytes()).map_err(|errno| io("write", errno));
    };
    let format = std::str::from_utf8(&text).ok().and_then(|text| text.strip_prefix(MARKER_START));
    match format.and_then(|format| format.trim_end().parse::<u32>().ok()) {
        Some(FORMAT) => Ok(()),
        Some(format) => Err(StateError::Newer { path: path.into(), format }),
        None => Err(StateError::Damaged { path: path.join(MARKER), why: "it is not the marker of Mainstay".into() }),
    }
}

fn take_lock(path: &Path, dir: &OwnedFd) -> Result<OwnedFd, StateError> {
    let io = |doing, errno| StateError::Io { path: path.join(LOCK), doing, errno };
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let lock = openat(dir, LOCK, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| io("open", errno))?;
    match patiently(|| flock(&lock, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let holder = read_file(dir, LOCK).ok().flatten().and_then(|text| String::from_utf8(text).ok());
            let process = holder.and_then(|text| text.trim().parse().ok());
            return Err(StateError::InUse { path: path.into(), process });
        }
        Err(errno) => return Err(io("lock", errno)),
    }
    // For the message above only; the lock itself is what counts.
    let number = format!("{}\n", std::process::id());
    ftruncate(&lock, 0)
        .and_then(|()| rustix::io::pwrite(&lock, number.as_bytes(), 0))
        .map_err(|errno| io("write", errno))?;
    Ok(lock)
}

fn read_all(dir: &OwnedFd) -> Result<BTreeMap<String, Result<Record, String>>, Errno> {
    let mut records = BTreeMap::new();
    for name in entries(dir)?.into_iter().filter(|name| is_record_name(name)) {
        let record = match read_file(dir, &name) {
            Ok(Some(bytes)) => Record::decode(&bytes),
            Ok(None) => continue,
            Err(errno) => Err(errno.to_string()),
        };
        records.insert(name, record);
    }
    Ok(records)
}

fn entries(dir: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_file(dir: &OwnedFd, name: &str) -> Result<Option<Vec<u8>>, Errno> {
    // Nonblocking: opening a pipe that someone put there must not hang.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match openat(dir, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let mut bytes = Vec::new();
    File::from(file).take(RECORD_BYTES_MAX).read_to_end(&mut bytes).map_err(errno)?;
    Ok(Some(bytes))
}

fn replace(dir: &OwnedFd, name: &str, aside: &str, bytes: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = openat(dir, aside, flags, Mode::RUSR | Mode::WUSR)?;
    let written = write_durably(file, bytes).and_then(|()| renameat(dir, aside, dir, name));
    if written.is_err() {
        // What is left of a failed try is ours and worth nothing.
        let _ = unlinkat(dir, aside, AtFlags::empty());
        return written;
    }
    fsync(dir)
}

fn write_durably(file: OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    let mut file = File::from(file);
    file.write_all(bytes).map_err(errno)?;
    fsync(&file)?;
    // On macOS the call above leaves the drive's cache alone.
    #[cfg(target_vendor = "apple")]
    rustix::fs::fcntl_fullfsync(&file)?;
    Ok(())
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests;
