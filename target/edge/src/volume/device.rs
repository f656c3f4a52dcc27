//! Volumes on block devices, and what the system tells about the devices behind files.

use super::file::{errno, kind_name};
use super::identity::Anchor;
use super::opened::{Kind, Opened};
use super::{OpenError, sys};
use crate::state::patiently;
use rustix::fs::{FileType, Mode, OFlags, fstat, major, minor};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Open the device exclusively: it is neither mounted nor in use by a device mapping or another daemon, nor will it be.
pub(super) fn open(path: &Path, read_only: bool) -> Result<Opened, OpenError> {
    let what = || path.display().to_string();
    let io = |doing, errno| OpenError::Io { what: what(), doing, errno };
    let found = std::fs::metadata(path).map_err(|error| match errno(&error) {
        Errno::NOENT => OpenError::Missing { what: what() },
        errno => io("look at", errno),
    })?;
    is_device(path, std::os::unix::fs::MetadataExt::mode(&found))?;
    let access = if read_only { OFlags::RDONLY } else { OFlags::RDWR } | OFlags::CLOEXEC | sys::EXCLUSIVE;
    let fd = match patiently(|| rustix::fs::open(path, access, Mode::empty())) {
        Err(Errno::BUSY | Errno::AGAIN) => {
            let holder = holder(std::os::unix::fs::MetadataExt::rdev(&found));
            return Err(OpenError::InUse { what: what(), holder });
        }
        other => other.map_err(|errno| io("open", errno))?,
    };
    let stat = fstat(&fd).map_err(|errno| io("look at", errno))?;
    is_device(path, stat.st_mode as u32)?;
    let bytes = sys::device_bytes(fd.as_fd()).map_err(|errno| io("measure", errno))?;
    let sectors = sys::sectors(fd.as_fd()).map_err(|errno| io("measure", errno))?;
    let device = stat.st_rdev as u64;
    Ok(Opened {
        fd,
        kind: Kind::Device,
        bytes,
        sectors: Some(sectors),
        ram: false,
        can_punch: !read_only && can_punch(device),
        solid_state: is_solid_state(device),
        created: false,
        anchor: Anchor::device(path, hardware(device))?,
    })
}

fn is_device(path: &Path, mode: u32) -> Result<(), OpenError> {
    let kind = FileType::from_raw_mode(mode as _);
    // On macOS the raw disks are character devices.
    if kind == FileType::BlockDevice || (cfg!(target_vendor = "apple") && kind == FileType::CharacterDevice) {
        return Ok(());
    }
    Err(OpenError::NotADevice { what: path.display().to_string(), kind: kind_name(kind) })
}

/// Where the kernel describes a device; a partition's queue is its disk's.
fn sysfs(device: u64) -> PathBuf {
    PathBuf::from(format!("/sys/dev/block/{}:{}", major(device as _), minor(device as _)))
}

fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_string())
}

fn queue(device: u64, key: &str) -> Option<String> {
    let place = sysfs(device);
    text(&place.join("queue").join(key)).or_else(|| text(&place.join("../queue").join(key)))
}

/// Whether the device can discard, and promises zeroes where it did: the kernel punches holes only then.
fn can_punch(device: u64) -> bool {
    ["discard_max_bytes", "write_zeroes_max_bytes"]
        .iter()
        .all(|key| queue(device, key).is_some_and(|bytes| bytes != "0"))
}

/// Whether the device does not rotate; a store that has no such device counts as not rotating.
pub(super) fn is_solid_state(device: u64) -> bool {
    queue(device, "rotational").is_none_or(|rotational| rotational == "0")
}

/// A name of the disk itself, since names like `/dev/sda` change from boot to boot.
fn hardware(device: u64) -> Option<String> {
    let place = sysfs(device);
    let (disk, part) = match text(&place.join("partition")) {
        Some(number) => (place.join(".."), format!(" partition {number}")),
        None => (place, String::new()),
    };
    let keys = ["dm/uuid", "wwid", "device/wwid", "device/serial", "loop/backing_file"];
    let (key, value) = keys.iter().find_map(|key| Some((key, text(&disk.join(key))?)))?;
    Some(format!("{key} {value}{part}"))
}

/// What keeps a device busy.
fn holder(device: u64) -> String {
    let place = sysfs(device);
    let mut devices = vec![format!("{}:{}", major(device as _), minor(device as _))];
    for entry in std::fs::read_dir(&place).into_iter().flatten().flatten() {
        if entry.path().join("partition").exists() {
            devices.extend(text(&entry.path().join("dev")));
        }
    }
    if let Some(point) = mount_point(&devices) {
        return format!("a file system mounted at {point} (`umount {point}` first)");
    }
    let mappings = std::fs::read_dir(place.join("holders")).into_iter().flatten().flatten();
    let names: Vec<_> = mappings.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if !names.is_empty() {
        return format!("the block device {} on top of it", names.join(", "));
    }
    "another program that has it exclusively (perhaps another daemon, or swap)".into()
}

/// From the kernel's table: `id parent major:minor root mount-point …`, with blanks as `\040`.
fn mount_point(devices: &[String]) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    table.lines().find_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let [_, _, device, _, point, ..] = words[..] else { return None };
        devices.iter().any(|ours| ours == device).then(|| point.replace("\\040", " "))
    })
}

/// The loop device whose disk is the file `real`, if there is one: it is a writer that takes no lock.
pub(super) fn loop_over(real: &Path) -> Option<String> {
    let blocks = std::fs::read_dir("/sys/block").ok()?;
    blocks.flatten().find_map(|block| {
        let file = text(&block.path().join("loop/backing_file"))?;
        (Path::new(&file) == real).then(|| format!("/dev/{}", block.file_name().to_string_lossy()))
    })
}
