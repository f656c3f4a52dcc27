//! Volumes in memory: a file without a name, read and written like any other, so that a swap hands over a descriptor.

use super::opened::{Kind, Opened};
use super::{OpenError, sys};
use crate::volume::identity::Anchor;
use std::os::fd::AsFd;

/// Zeroes of `size` bytes.
pub(super) fn open(name: &str, size: u64) -> Result<Opened, OpenError> {
    let what = || format!("memory volume {name:?}");
    let fd = sys::nameless(name, size).map_err(|errno| OpenError::Io { what: what(), doing: "make", errno })?;
    let ram = sys::is_ram(fd.as_fd());
    let can_punch = sys::can_punch(fd.as_fd(), size);
    Ok(Opened {
        fd,
        kind: Kind::Memory,
        bytes: size,
        sectors: None,
        ram,
        can_punch,
        solid_state: true,
        created: false,
        anchor: Anchor::Memory { name: name.into() },
    })
}
