//! Descriptors by what they are for.

use super::Unreadable;
use crate::control::console::Console;
use crate::control::words::{Event, Served};
use crate::daemon::world::Socket;
use mainstay_edge::memory::SharedRegion;
use mainstay_proto::mdns::LinkId;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The state directory.
    StateDir,
    /// Its lock.
    StateLock,
    /// The store of a volume, by index.
    Volume(u64),
    /// Payload memory, so many bytes of it.
    Region {
        /// Length.
        bytes: u64,
    },
    /// A portal, by index.
    Listener(u64),
    /// The control socket.
    ControlListener,
    /// An initiator's connection, by the name of its nexus.
    Connection(u64),
    /// A connection of the control socket, by its name.
    Control(u64),
    /// A socket of multicast DNS, by its link.
    Multicast(u64),
}

impl Role {
    /// What a snapshot calls it, and which one of them.
    pub fn code(&self) -> (u32, u64) {
        match *self {
            Role::StateDir => (1, 0),
            Role::StateLock => (2, 0),
            Role::Volume(index) => (3, index),
            Role::Region { .. } => (4, 0),
            Role::Listener(index) => (5, index),
            Role::ControlListener => (6, 0),
            Role::Connection(id) => (7, id),
            Role::Control(id) => (8, id),
            Role::Multicast(link) => (9, link),
        }
    }

    /// That of a link.
    pub fn multicast(link: LinkId) -> Role {
        Role::Multicast(u64::from(link.interface) << 1 | u64::from(link.ipv6))
    }

    /// For people.
    pub fn name(code: u32) -> &'static str {
        NAMES.get((code as usize).wrapping_sub(1)).copied().unwrap_or("unknown")
    }
}

/// By code, from 1.
const NAMES: [&str; 9] = [
    "state-dir",
    "state-lock",
    "volume",
    "region",
    "listener",
    "control-listener",
    "connection",
    "control",
    "multicast",
];

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, index) = self.code();
        let name = Role::name(code);
        match self {
            Role::Volume(_) | Role::Listener(_) | Role::Connection(_) | Role::Control(_) | Role::Multicast(_) => {
                write!(f, "{name} {index}")
            }
            _ => f.write_str(name),
        }
    }
}

/// Where descriptors come from.
pub trait Handed {
    /// The one for `role`; each is taken once.
    fn take(&mut self, role: &Role) -> io::Result<OwnedFd>;
}

/// For a rehearsal: descriptors of nothing.
#[derive(Debug, Default)]
pub struct Nothing;

impl Handed for Nothing {
    fn take(&mut self, role: &Role) -> io::Result<OwnedFd> {
        match *role {
            Role::Region { bytes } => {
                let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
                SharedRegion::new("rehearsal", bytes)?.descriptor().try_clone_to_owned()
            }
            _ => Ok(File::options().read(true).write(true).open("/dev/null")?.into()),
        }
    }
}

pub(super) fn take(role: &Role, from: &mut dyn Handed) -> Result<OwnedFd, Unreadable> {
    from.take(role).map_err(|source| Unreadable::Descriptor { role: *role, source })
}

pub(super) fn parked<S>(role: &Role, from: &mut dyn Handed) -> Result<Socket<S>, Unreadable> {
    Ok(Socket::Parked(take(role, from)?))
}

/// Until somebody who speaks takes its place.
pub(super) struct Silent;

impl Console for Silent {
    fn ready(&mut self, _: &Served) {}
    fn event(&mut self, _: &Event) {}
}
