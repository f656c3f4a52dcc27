//! The control socket: connections, and what is done for those who ask.

use super::journal::unix_ms;
use super::reactor::{Shared, spawn};
use super::saved::Forms;
use super::swap::live_snapshot;
use super::world::{Hold, Socket, World};
use crate::control::error::{Code, Error};
use crate::control::machine::{Machine, Ticket};
use crate::control::place::CONNECTIONS_MAX;
use crate::control::words::{
    Call, Cleared, Kicked, PROTOCOL, PathsSet, Resized, SetPath, Snapshotted, Subscribed, Way, What,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mainstay_base::path::{Access, GroupId};
use mainstay_base::sam::NexusId;
use mainstay_base::unit::{Geometry, VolumeId};
use mainstay_proto::iscsi::CloseReason;
use mainstay_proto::nvme::controller::Notice;
use socket2::SockRef;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

/// Bytes read at once.
const SCRATCH: usize = 16 * 1024;

pub(super) struct Control {
    pub machine: Machine,
    pub socket: Socket<UnixStream>,
    /// Something to send, or it is over.
    pub changed: Rc<Notify>,
}

/// Names a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ControlId(pub u64);

/// Accept control connections, for ever.
pub(super) async fn accept(world: Shared, listener: Rc<UnixListener>) {
    let broken = world.borrow().broken.clone();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a control connection: {error}");
                tokio::time::sleep(super::reactor::ACCEPT_REST).await;
                continue;
            }
        };
        if world.borrow().controls.len() >= CONNECTIONS_MAX {
            tracing::warn!("control connection dropped: {CONNECTIONS_MAX} others are open");
            continue;
        }
        let id = world.borrow_mut().admit_control(stream);
        spawn(&broken, serve(world.clone(), id));
    }
}

/// Wait for one control connection's socket, until the connection is over.
pub(super) async fn serve(world: Shared, id: ControlId) {
    let known = world.borrow().controls.get(&id).and_then(|c| Some((c.socket.live()?.clone(), c.changed.clone())));
    let Some((stream, changed)) = known else { return };
    loop {
        let interest = match world.borrow().controls.get(&id) {
            None => return,
            Some(Control { machine, .. }) => match (machine.wants_input(), machine.output().is_empty()) {
                (true, true) => Some(Interest::READABLE),
                (true, false) => Some(Interest::READABLE | Interest::WRITABLE),
                (false, false) => Some(Interest::WRITABLE),
                (false, true) => None,
            },
        };
        tokio::select! {
            _ = async { match interest {
                Some(interest) => stream.ready(interest).await.map(|_| ()),
                None => std::future::pending().await,
            } } => {}
            () = changed.notified() => {}
        }
        if pump(&world, id, &stream).is_err() {
            // Somebody else may have the socket for a moment, so to close it would not do. An error: the peer was faster.
            let _ = SockRef::from(&*stream).shutdown(std::net::Shutdown::Both);
            world.borrow_mut().controls.remove(&id);
        }
    }
}

/// Move what can be moved; an error ends the connection, also a clean end.
fn pump(world: &Shared, id: ControlId, stream: &UnixStream) -> io::Result<()> {
    let mut scratch = [0; SCRATCH];
    let mut borrowed = world.borrow_mut();
    let gone = || io::Error::from(io::ErrorKind::NotConnected);
    if borrowed.controls.get(&id).ok_or_else(gone)?.machine.wants_input() {
        match stream.try_read(&mut scratch) {
            Ok(0) => borrowed.controls.get_mut(&id).ok_or_else(gone)?.machine.end(),
            Ok(n) => borrowed.controls.get_mut(&id).ok_or_else(gone)?.machine.receive(&scratch[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    loop {
        // In a pause nothing new begins; what was asked is heard afterwards.
        while matches!(borrowed.hold, Hold::Nothing | Hold::Long)
            && let Some(request) = borrowed.controls.get_mut(&id).ok_or_else(gone)?.machine.poll_request()
        {
            answer(world, &mut borrowed, id, request.ticket, request.call);
        }
        // What goes out makes room for answers to lines that still wait, and nothing else would wake us for those.
        if !send(&mut borrowed.controls.get_mut(&id).ok_or_else(gone)?.machine, stream)? {
            break;
        }
    }
    let machine = &borrowed.controls.get(&id).ok_or_else(gone)?.machine;
    if machine.is_closed() { Err(gone()) } else { Ok(()) }
}

/// Send what can be sent; whether that was something, and all of it.
fn send(machine: &mut Machine, stream: &UnixStream) -> io::Result<bool> {
    let some = !machine.output().is_empty();
    while !machine.output().is_empty() {
        match stream.try_write(machine.output()) {
            Ok(n) => machine.sent(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(some)
}

fn answer(shared: &Shared, world: &mut World, id: ControlId, ticket: Ticket, call: Call) {
    let result = match call {
        Call::Status => {
            let status = world.status();
            return world.respond(id, ticket, Ok(status));
        }
        Call::Events => {
            if let Some(control) = world.controls.get_mut(&id) {
                control.machine.subscribe();
            }
            return world.respond(id, ticket, Ok(Subscribed { protocol: PROTOCOL }));
        }
        Call::Kick(kick) => world.kick(kick.session),
        Call::Resize(resize) => return begin_resize(shared, world, id, ticket, &resize.volume, resize.size),
        Call::ClearPoison(clear) => {
            let result = world.clear_poison(&clear.volume);
            return world.respond(id, ticket, result);
        }
        Call::Path(path) => {
            let result = world.set_path(&path);
            return world.respond(id, ticket, result);
        }
        Call::Swap(swap) => return super::swap::begin(shared, world, (id, ticket), swap),
        Call::Snapshot => return take_snapshot(shared, world, id, ticket),
    };
    world.respond(id, ticket, result);
}

/// Growing waits for the disk, so a thread does it; the answer follows.
fn begin_resize(shared: &Shared, world: &mut World, id: ControlId, ticket: Ticket, name: &str, size: u64) {
    let (index, geometry) = match world.check_resize(name, size) {
        Ok(found) => found,
        Err(error) => return world.respond::<Resized>(id, ticket, Err(error)),
    };
    let volume = world.volumes[index].clone();
    world.calls_waiting += 1;
    let shared = shared.clone();
    let name = name.to_owned();
    spawn(&world.broken.clone(), async move {
        let grown = tokio::task::spawn_blocking(move || volume.grow(size).map_err(|error| error.to_string())).await;
        let mut world = shared.borrow_mut();
        world.calls_waiting -= 1;
        let result = match grown {
            Ok(Ok(_)) => Ok(world.resized(index, name, geometry)),
            Ok(Err(why)) => Err(Error::store_refused(&name, &why)),
            Err(_) => Err(Error::store_refused(&name, "it failed inside the daemon")),
        };
        world.respond(id, ticket, result);
    });
}

/// Piece by piece, as for a rehearsal; the answer follows.
fn take_snapshot(shared: &Shared, world: &mut World, id: ControlId, ticket: Ticket) {
    world.calls_waiting += 1;
    let shared = shared.clone();
    spawn(&world.broken.clone(), async move {
        let snapshot = live_snapshot(&shared, &Forms::own()).await;
        let mut world = shared.borrow_mut();
        world.calls_waiting -= 1;
        world.kept = None;
        let result = match snapshot {
            Ok(snapshot) => Ok(Snapshotted {
                time_ms: unix_ms(),
                program: world.program(),
                base64: BASE64_STANDARD.encode(snapshot.encode()),
            }),
            Err(error) => Err(Error::new(Code::Internal, error.to_string())),
        };
        world.respond(id, ticket, result);
    });
}

impl World {
    fn admit_control(&mut self, stream: UnixStream) -> ControlId {
        let id = ControlId(self.control_next);
        self.control_next += 1;
        let socket = Socket::Live(Rc::new(stream));
        self.controls.insert(id, Control { machine: Machine::new(), socket, changed: Rc::default() });
        id
    }

    pub(super) fn respond<T: serde::Serialize>(&mut self, id: ControlId, ticket: Ticket, result: Result<T, Error>) {
        if let Some(control) = self.controls.get_mut(&id) {
            control.machine.respond(ticket, result);
            control.changed.notify_one();
        }
    }

    fn kick(&mut self, session: u64) -> Result<Kicked, Error> {
        let connection = self.connections.get(&NexusId(session)).ok_or_else(|| Error::no_session(session))?;
        let initiator = connection.machine.party().initiator;
        self.close(NexusId(session), CloseReason::Kicked);
        Ok(Kicked { session, initiator })
    }

    fn set_path(&mut self, set: &SetPath) -> Result<PathsSet, Error> {
        let portals = &self.nvme.site.portals;
        let names = || portals.iter().filter(|portal| !portal.discovery_only).map(|portal| portal.name.as_str());
        let found = portals.iter().position(|portal| portal.name == set.portal && !portal.discovery_only);
        let portal = found.ok_or_else(|| Error::no_portal(&set.portal, names()))?;
        let access = Access::named(&set.state).ok_or_else(|| Error::no_access(&set.state))?;
        let subsystems = self.nvme.site.subsystems.iter().filter(|subsystem| subsystem.portals.contains(&portal));
        let groups: BTreeSet<GroupId> =
            subsystems.flat_map(|subsystem| &subsystem.namespaces).map(|namespace| namespace.group).collect();
        let groups = match set.group.map(GroupId) {
            None => groups,
            Some(group) if groups.contains(&group) => BTreeSet::from([group]),
            Some(group) => return Err(Error::no_group(group.0, &set.portal)),
        };
        let mut changed = Vec::new();
        for group in groups {
            if self.nvme.paths.set(portal, group, access) {
                let changes = self.nvme.paths.changes(portal, group);
                let (portal, state) = (set.portal.clone(), access.name().to_owned());
                changed.push(Way { portal, group: group.0, state, changes });
            }
        }
        if !changed.is_empty() {
            self.tell_controllers(Notice::Paths);
        }
        for way in &changed {
            self.tell(What::Path(way.clone()));
        }
        Ok(PathsSet { changed })
    }

    fn volume_named(&self, name: &str) -> Result<usize, Error> {
        let names = || self.volumes.iter().map(|volume| volume.name());
        names().position(|known| known == name).ok_or_else(|| Error::no_volume(name, names()))
    }

    fn clear_poison(&mut self, name: &str) -> Result<Cleared, Error> {
        let volume = &self.volumes[self.volume_named(name)?];
        if volume.poisoned().is_none() {
            return Err(Error::not_poisoned(name));
        }
        volume.clear_poison().map_err(|error| Error::store_refused(name, &error.to_string()))?;
        self.tell_health();
        self.settle();
        Ok(Cleared { volume: name.to_owned() })
    }

    fn check_resize(&self, name: &str, size: u64) -> Result<(usize, Geometry), Error> {
        let index = self.volume_named(name)?;
        let old = self.volumes[index].geometry();
        if size < old.bytes() {
            return Err(Error::would_shrink(name, old.bytes(), size));
        }
        let block = u64::from(old.block_bytes);
        if !size.is_multiple_of(block) {
            let why = format!("it is no multiple of the logical block ({block} bytes)");
            return Err(Error::bad_size(name, size, &why));
        }
        Ok((index, old))
    }

    fn resized(&mut self, index: usize, name: String, old: Geometry) -> Resized {
        let geometry = self.volumes[index].geometry();
        self.units[index].resized(geometry);
        self.tell_controllers(Notice::Volume(VolumeId(index as u32)));
        let resized = Resized { volume: name, size_old: old.bytes(), size: geometry.bytes() };
        self.tell(What::Resized(resized.clone()));
        resized
    }
}
