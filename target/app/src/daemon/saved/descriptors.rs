//! Which descriptor is what. Only in a snapshot that is handed over, and no part of what its digest is of: whoever takes
//! the same descriptors under other numbers is no other world.

use super::handed::{Handed, Role};
use super::sections::{Sections, get, put};
use super::{Forms, Inexpressible, Unreadable, live};
use crate::daemon::world::{Connection, World};
use mainstay_base::sam::NexusId;
use mainstay_base::snapshot::{Section, Snapshot};
use mainstay_edge::portal;
use mainstay_edge::swap::{Fingerprint, Handover};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use tokio::net::TcpStream;

pub(super) const KIND: &str = "descriptors";
pub(super) const READS: (&str, u32, u32) = (KIND, 0, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct DescriptorsV1 {
    #[prost(message, repeated, tag = "1")]
    descriptors: Vec<DescriptorV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DescriptorV1 {
    /// What for: see [`Role::code`].
    #[prost(uint32, tag = "1")]
    role: u32,
    #[prost(uint64, tag = "2")]
    index: u64,
    #[prost(int32, tag = "3")]
    number: i32,
    #[prost(message, optional, tag = "4")]
    fingerprint: Option<Fingerprint>,
}

impl DescriptorV1 {
    fn what(&self) -> (u32, u64) {
        (self.role, self.index)
    }
}

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let version = forms.version(KIND);
    let unknown = |error: io::Error| Inexpressible::new(KIND, version, format!("what a descriptor is: {error}"));
    let carried = world.carried();
    let mut saved = DescriptorsV1 { descriptors: Vec::with_capacity(carried.len()) };
    for (role, fd) in carried {
        let (role_code, index) = role.code();
        saved.descriptors.push(DescriptorV1 {
            role: role_code,
            index,
            number: fd.as_raw_fd(),
            fingerprint: Some(fingerprint(world, &role, fd).map_err(unknown)?),
        });
    }
    match version {
        0 => Ok(None),
        1 => Ok(Some(put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "descriptors")),
    }
}

fn fingerprint(world: &World, role: &Role, fd: BorrowedFd<'_>) -> io::Result<Fingerprint> {
    let connection = if let Role::Connection(id) = *role { world.connections.get(&NexusId(id)) } else { None };
    connection.map_or_else(|| Fingerprint::of(fd), Connection::fingerprint)
}

impl World {
    /// Every descriptor a successor has to get, and what for.
    pub fn carried(&self) -> Vec<(Role, BorrowedFd<'_>)> {
        let mut all = Vec::with_capacity(self.connections.len() + self.controls.len() + 16);
        let [dir, lock] = self.state.descriptors();
        all.extend([(Role::StateDir, dir), (Role::StateLock, lock)]);
        all.push((Role::Region { bytes: 0 }, self.region.descriptor()));
        for (index, volume) in self.volumes.iter().enumerate() {
            all.push((Role::Volume(index as u64), volume.descriptor()));
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            all.extend(listener.descriptor().map(|fd| (Role::Listener(index as u64), fd)));
        }
        all.extend(self.control_listener.descriptor().map(|fd| (Role::ControlListener, fd)));
        for (id, control) in &self.controls {
            all.extend(control.socket.descriptor().map(|fd| (Role::Control(id.0), fd)));
        }
        for (&link, socket) in self.announcing.iter().flat_map(|announcing| &announcing.sockets) {
            all.extend(socket.descriptor().map(|fd| (Role::multicast(link), fd)));
        }
        // In the order in which they are to be registered and read from.
        for connection in self.by_recency().into_iter().filter_map(|id| self.connections.get_key_value(&id)) {
            all.extend(connection.1.socket.descriptor().map(|fd| (Role::Connection(connection.0.0), fd)));
        }
        all
    }
}

/// What a predecessor left, by what it is for, each verified when it is taken.
pub(in crate::daemon) struct Inherited<'a> {
    handover: &'a Handover,
    /// Those of connections, in the order in which they were saved.
    connections: Vec<DescriptorV1>,
    /// All others, sorted.
    descriptors: Vec<DescriptorV1>,
}

/// The sockets of connections, by the names of their nexuses.
pub(in crate::daemon) type Streams = Vec<(NexusId, TcpStream)>;

impl Inherited<'_> {
    /// The descriptors of `snapshot`, which came with `handover`.
    pub fn new<'a>(snapshot: &Snapshot, handover: &'a Handover) -> Result<Inherited<'a>, Unreadable> {
        let sections = Sections::sort(&snapshot.sections)?;
        if sections.maybe(live::KIND)?.is_some() {
            return Err(Unreadable::section(live::KIND, "a snapshot of a world that went on is for rehearsals only"));
        }
        let DescriptorsV1 { descriptors } = get(KIND, sections.one(KIND)?)?;
        let of_connection = |descriptor: &DescriptorV1| descriptor.role == Role::Connection(0).code().0;
        let (connections, mut descriptors): (Vec<_>, Vec<_>) = descriptors.into_iter().partition(of_connection);
        descriptors.sort_unstable_by_key(DescriptorV1::what);
        if descriptors.array_windows().any(|[one, next]| one.what() == next.what()) {
            return Err(Unreadable::section(KIND, "two descriptors are for the same"));
        }
        Ok(Inherited { handover, connections, descriptors })
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// The sockets of all connections, for the runtime that calls.
    ///
    /// # Errors
    /// One cannot be taken.
    pub fn streams(&self) -> io::Result<Streams> {
        let mut streams = Vec::with_capacity(self.connections.len());
        for descriptor in &self.connections {
            let failed = |error| io::Error::other(format!("{}: {error}", Role::Connection(descriptor.index)));
            let stream = self.take_one(descriptor).and_then(portal::adopt_stream).map_err(failed)?;
            streams.push((NexusId(descriptor.index), stream));
        }
        Ok(streams)
    }

    fn take_one(&self, descriptor: &DescriptorV1) -> io::Result<OwnedFd> {
        let DescriptorV1 { number, ref fingerprint, .. } = *descriptor;
        // Each once: the handover sees to that.
        self.handover.take(number, fingerprint.as_ref().unwrap_or(&Fingerprint::default()))
    }
}

impl Handed for &Inherited<'_> {
    fn take(&mut self, role: &Role) -> io::Result<OwnedFd> {
        let none = |_| io::Error::new(io::ErrorKind::NotFound, "the snapshot names none");
        let at = self.descriptors.binary_search_by_key(&role.code(), DescriptorV1::what).map_err(none)?;
        self.take_one(&self.descriptors[at])
    }
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: DescriptorsV1 = get(KIND, section)?;
    let one = |entry: &DescriptorV1| {
        let print = entry.fingerprint.clone().unwrap_or_default();
        let what = match print.cookie {
            0 => format!("device {:#x} inode {}", print.device, print.inode),
            cookie => format!("socket {cookie}"),
        };
        format!("{}: {} {}, {what}\n", entry.number, Role::name(entry.role), entry.index)
    };
    Ok(saved.descriptors.iter().map(one).collect())
}
