//! A store that has been opened and locked, before it is a volume.

use super::identity::Anchor;
use super::sys::Sectors;
use std::os::fd::OwnedFd;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Memory,
    File,
    Device,
}

#[derive(Debug)]
pub(super) struct Opened {
    /// The one open file description, with its lock.
    pub fd: OwnedFd,
    pub kind: Kind,
    pub bytes: u64,
    /// Of a device.
    pub sectors: Option<Sectors>,
    /// No call waits for a disk, and there is no stable storage to wait for.
    pub ram: bool,
    pub can_punch: bool,
    pub solid_state: bool,
    /// Made just now: whatever is remembered about its place was another one's.
    pub created: bool,
    pub anchor: Anchor,
}
