//! Which volume this is, for ever.
//!
//! A UUID is made at first sight and kept in two places: with the file (extended attribute `user.mainstay.identity`)
//! and in the state directory, beside what the file looked like (path, device, inode, time of birth). The first makes
//! it travel, the second tells a copy from a move: when the file that is on record is still there, whoever else
//! carries its identity is a copy. Devices and memory volumes have the record only; a device is known by what its
//! hardware says, else by the path given.
//!
//! Device numbers change from boot to boot and inode numbers are used again, so one file is the same as another when
//! inode and birth agree and either device or path does. A read-only volume is never written to: it has the record
//! only.

use super::error::IdentityError;
use super::file::errno;
use super::record::{self, VolumeRecord};
use super::{OpenError, sys};
use crate::state::StateDir;
use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;
use uuid::Uuid;

const ATTRIBUTE: &str = "user.mainstay.identity";

/// By what a store is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Anchor {
    Memory {
        name: String,
    },
    File {
        /// Without links.
        path: String,
        device: u64,
        inode: u64,
        /// Nanoseconds since 1970 at which the inode was made, where the file system knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        born: Option<u64>,
    },
    Device {
        /// As given, made absolute; links are kept, since they are what is stable about it.
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hardware: Option<String>,
    },
}

impl Anchor {
    /// That of the open file whose path without links is `real`.
    pub fn file(real: &Path, fd: BorrowedFd<'_>) -> Result<Anchor, OpenError> {
        let what = || real.display().to_string();
        let path = real.to_str().ok_or_else(|| OpenError::PathText { what: what() })?;
        let io = |error| OpenError::Io { what: what(), doing: "look at", errno: errno(&error) };
        let file = std::fs::File::from(fd.try_clone_to_owned().map_err(io)?);
        Ok(Anchor::of(path, &file.metadata().map_err(io)?))
    }

    fn of(path: &str, found: &std::fs::Metadata) -> Anchor {
        let born = found.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let born = born.map(|time| time.as_nanos() as u64);
        Anchor::File { path: path.into(), device: found.dev(), inode: found.ino(), born }
    }

    /// That of a device.
    pub fn device(path: &Path, hardware: Option<String>) -> Result<Anchor, OpenError> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        let path = absolute.to_str().ok_or_else(|| OpenError::PathText { what: path.display().to_string() })?;
        Ok(Anchor::Device { path: path.into(), hardware })
    }

    fn path(&self) -> &str {
        match self {
            Anchor::Memory { name } => name,
            Anchor::File { path, .. } | Anchor::Device { path, .. } => path,
        }
    }

    /// The same object, wherever it is now. `sure`: no other explanation is left.
    fn is(&self, other: &Anchor) -> Sameness {
        match (self, other) {
            (Anchor::Memory { name: a }, Anchor::Memory { name: b }) if a == b => Sameness::Sure,
            (Anchor::Device { hardware: Some(a), .. }, Anchor::Device { hardware: Some(b), .. }) if a == b => {
                Sameness::Sure
            }
            (Anchor::Device { path: a, hardware: None }, Anchor::Device { path: b, hardware: None }) if a == b => {
                Sameness::Sure
            }
            (
                Anchor::File { path: path_a, device: device_a, inode: a, born: born_a },
                Anchor::File { path: path_b, device: device_b, inode: b, born: born_b },
            ) => {
                let births_known = born_a.is_some() && born_b.is_some();
                if a != b || (births_known && born_a != born_b) || (device_a != device_b && path_a != path_b) {
                    Sameness::No
                } else if births_known || path_a == path_b {
                    Sameness::Sure
                } else {
                    Sameness::Likely
                }
            }
            _ => Sameness::No,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sameness {
    No,
    /// The numbers agree, but they may have been given again after a removal.
    Likely,
    Sure,
}

enum Carried {
    Uuid(Uuid),
    Nothing,
    Unsupported,
}

/// The record of the volume behind `fd`, made at first sight and brought up to date.
pub(super) fn resolve(
    fd: BorrowedFd<'_>,
    anchor: &Anchor,
    created: bool,
    read_only: bool,
    state: &StateDir,
) -> Result<VolumeRecord, IdentityError> {
    let records = record::all(state);
    let carried = carried(fd, anchor)?;
    let known = match carried {
        Carried::Uuid(uuid) => Some(by_attribute(uuid, anchor, &records, state)?),
        _ if created => None,
        Carried::Nothing => records.iter().find(|known| known.anchor.is(anchor) == Sameness::Sure).cloned(),
        Carried::Unsupported => without_attribute(anchor, &records)?,
    };
    let mut record = match known {
        Some(record) => record,
        None => {
            // What cannot be read might have been about this very volume.
            if !created {
                record::any_damaged(state)?;
            }
            VolumeRecord::new(fresh(anchor)?.to_string(), anchor)
        }
    };
    if matches!(carried, Carried::Nothing) && !read_only {
        carry(fd, anchor, record.uuid()?)?;
    }
    if record.anchor != *anchor || record::load(state, &record.uuid)?.is_none() {
        record.anchor = anchor.clone();
        record::store(state, &record)?;
    }
    Ok(record)
}

/// A new identity for the file or device behind `fd`; the old one, if it was its own, is forgotten.
pub(super) fn renew(fd: BorrowedFd<'_>, anchor: &Anchor, state: &StateDir) -> Result<Uuid, IdentityError> {
    let uuid = fresh(anchor)?;
    bind(fd, anchor, uuid, state)?;
    Ok(uuid)
}

/// Believe what the file carries (or what is on record for its path), whatever the record says about another file.
pub(super) fn keep(fd: BorrowedFd<'_>, anchor: &Anchor, state: &StateDir) -> Result<Uuid, IdentityError> {
    let uuid = match carried(fd, anchor)? {
        Carried::Uuid(uuid) => uuid,
        _ => {
            let records = record::all(state);
            let same_path = |known: &&VolumeRecord| known.anchor.path() == anchor.path();
            let nothing = || IdentityError::None { path: anchor.path().into() };
            records.iter().find(same_path).ok_or_else(nothing)?.uuid()?
        }
    };
    bind(fd, anchor, uuid, state)?;
    Ok(uuid)
}

fn bind(fd: BorrowedFd<'_>, anchor: &Anchor, uuid: Uuid, state: &StateDir) -> Result<(), IdentityError> {
    if matches!(anchor, Anchor::File { .. }) {
        carry(fd, anchor, uuid)?;
    }
    let text = uuid.to_string();
    for old in record::all(state) {
        if old.uuid != text && old.anchor.is(anchor) != Sameness::No {
            record::remove(state, &old.uuid)?;
        }
    }
    let known = record::load(state, &text)?.unwrap_or_else(|| VolumeRecord::new(text, anchor));
    record::store(state, &VolumeRecord { anchor: anchor.clone(), ..known })
}

fn by_attribute(
    uuid: Uuid,
    anchor: &Anchor,
    records: &[VolumeRecord],
    state: &StateDir,
) -> Result<VolumeRecord, IdentityError> {
    let text = uuid.to_string();
    let path = || anchor.path().into();
    if let Some(other) = records.iter().find(|known| known.uuid != text && known.anchor.is(anchor) == Sameness::Sure) {
        return Err(IdentityError::Contradiction { path: path(), known: other.uuid.clone(), carries: text });
    }
    let Some(known) = record::load(state, &text)? else {
        return Ok(VolumeRecord::new(text, anchor));
    };
    if known.anchor.is(anchor) != Sameness::No {
        return Ok(known);
    }
    let original = known.anchor.path().into();
    match whereabouts(&known, anchor) {
        Whereabouts::Gone => Ok(known),
        Whereabouts::There => Err(IdentityError::Copied { path: path(), original, uuid: text }),
        Whereabouts::Unknown => Err(IdentityError::CannotTell { path: path(), original, uuid: text }),
    }
}

fn without_attribute(anchor: &Anchor, records: &[VolumeRecord]) -> Result<Option<VolumeRecord>, IdentityError> {
    let best = records.iter().max_by_key(|known| known.anchor.is(anchor));
    if let Some(known) = best {
        match known.anchor.is(anchor) {
            Sameness::Sure => return Ok(Some(known.clone())),
            Sameness::Likely if whereabouts(known, anchor) == Whereabouts::Gone => return Ok(Some(known.clone())),
            _ => {}
        }
    }
    let is_file = matches!(anchor, Anchor::File { .. });
    let replaced = |known: &&VolumeRecord| {
        is_file && matches!(known.anchor, Anchor::File { .. }) && known.anchor.path() == anchor.path()
    };
    match records.iter().find(replaced) {
        Some(known) => Err(IdentityError::Replaced { path: anchor.path().into(), uuid: known.uuid.clone() }),
        None => Ok(None),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    There,
    Gone,
    Unknown,
}

/// What has become of the file on record, seen from another file that carries its identity.
fn whereabouts(known: &VolumeRecord, seen: &Anchor) -> Whereabouts {
    let Anchor::File { path, device, .. } = &known.anchor else { return Whereabouts::Unknown };
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if errno(&error) == Errno::NOENT => {
            // Missing in a directory that is there is gone. Without its directory, or with another file system in its
            // place, it is perhaps only not mounted.
            let parent = Path::new(path).parent().and_then(|parent| std::fs::metadata(parent).ok());
            let there = parent.is_some_and(|parent| parent.dev() == *device);
            return if there { Whereabouts::Gone } else { Whereabouts::Unknown };
        }
        Err(_) => return Whereabouts::Unknown,
    };
    let there = Anchor::of(path, &found);
    if there.is(&known.anchor) != Sameness::No {
        return Whereabouts::There;
    }
    if there.is(seen) != Sameness::No {
        // The file in question took its place.
        return Whereabouts::Gone;
    }
    match std::fs::File::open(path).map(|file| carried(std::os::fd::AsFd::as_fd(&file), &there)) {
        Ok(Ok(Carried::Uuid(uuid))) if uuid.to_string() == known.uuid => Whereabouts::There,
        Ok(Ok(_)) => Whereabouts::Gone,
        _ => Whereabouts::Unknown,
    }
}

/// What the file itself says.
fn carried(fd: BorrowedFd<'_>, anchor: &Anchor) -> Result<Carried, IdentityError> {
    if !matches!(anchor, Anchor::File { .. }) {
        return Ok(Carried::Unsupported);
    }
    let mut text = [0u8; 64];
    let garbled = |text: &[u8]| IdentityError::Garbled {
        path: anchor.path().into(),
        text: String::from_utf8_lossy(text).into_owned(),
    };
    match fgetxattr(fd, ATTRIBUTE, &mut text[..]) {
        Ok(len) => match Uuid::try_parse_ascii(&text[..len]) {
            Ok(uuid) => Ok(Carried::Uuid(uuid)),
            Err(_) => Err(garbled(&text[..len])),
        },
        Err(NO_ATTRIBUTE) => Ok(Carried::Nothing),
        Err(Errno::NOTSUP) => Ok(Carried::Unsupported),
        Err(Errno::RANGE) => Err(garbled(b"more than 64 bytes")),
        Err(errno) => Err(IdentityError::Io { what: anchor.path().into(), doing: "read", errno }),
    }
}

#[cfg(target_os = "linux")]
const NO_ATTRIBUTE: Errno = Errno::NODATA;
#[cfg(target_vendor = "apple")]
const NO_ATTRIBUTE: Errno = Errno::from_raw_os_error(libc::ENOATTR);

/// Write it to the file, where the file system can.
fn carry(fd: BorrowedFd<'_>, anchor: &Anchor, uuid: Uuid) -> Result<(), IdentityError> {
    let written = fsetxattr(fd, ATTRIBUTE, uuid.to_string().as_bytes(), XattrFlags::empty());
    match written.and_then(|()| sys::sync_all(fd)) {
        // No room for attributes is as good as none.
        Ok(()) | Err(Errno::NOTSUP | Errno::NOSPC | Errno::DQUOT) => Ok(()),
        Err(errno) => Err(IdentityError::Io { what: anchor.path().into(), doing: "write", errno }),
    }
}

fn fresh(anchor: &Anchor) -> Result<Uuid, IdentityError> {
    let mut bytes = [0; 16];
    let what = || anchor.path().into();
    getrandom::fill(&mut bytes).map_err(|why| IdentityError::Random { what: what(), why: why.to_string() })?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
