//! What the daemon knows of a connection beside its machine.

use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable, nexus, queue};
use crate::daemon::world::{Connection, Machine, Parting, Socket, World};
use mainstay_base::arena::Arena;
use mainstay_base::sam::NexusId;
use mainstay_base::snapshot::Section;
use mainstay_base::unit::Request;
use mainstay_base::unit::saved::RequestV1;
use mainstay_proto::iscsi::CloseReason;
use mainstay_proto::queue::Queue;

pub(super) const KIND: &str = "connection";
#[cfg(not(feature = "next"))]
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConnectionV1 {
    /// The name of its nexus.
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(uint64, tag = "2")]
    pub(super) since_ms: u64,
    /// Payload memory set aside for it alone, in bytes.
    #[prost(uint64, tag = "3")]
    pub(super) own: u64,
    #[prost(bool, tag = "4")]
    pub(super) gone: bool,
    #[prost(bool, tag = "5")]
    pub(super) told: bool,
    #[prost(uint32, tag = "6")]
    pub(super) parting: u32,
    /// Requests kept back from the stores.
    #[prost(message, repeated, tag = "7")]
    pub(super) held: Vec<RequestV1>,
    /// In the lobby of those who log in.
    #[prost(bool, tag = "8")]
    pub(super) logs_in: bool,
    /// In the lobby of discovery sessions.
    #[prost(bool, tag = "9")]
    pub(super) discovers: bool,
    /// It has a session's name for itself: TSIH and CID of that.
    #[prost(message, optional, tag = "10")]
    pub(super) session: Option<SessionV1>,
    /// It speaks NVMe: its machine is a queue, else a nexus.
    #[prost(bool, tag = "11")]
    pub(super) nvme: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct SessionV1 {
    #[prost(uint32, tag = "1")]
    pub(super) tsih: u32,
    #[prost(uint32, tag = "2")]
    pub(super) cid: u32,
}

const PARTINGS: [Parting; 7] = [
    Parting::Ended,
    Parting::LoggedOut,
    Parting::Closed(CloseReason::Kicked),
    Parting::Closed(CloseReason::Shutdown),
    Parting::Closed(CloseReason::Reinstated),
    Parting::Closed(CloseReason::TargetReset),
    Parting::Closed(CloseReason::Crowded),
];

/// Its machine, and the rest.
pub(super) fn save(world: &World, connection: &Connection, forms: &Forms) -> Result<(Section, Section), Inexpressible> {
    Inexpressible::looking(|| save_one(world, connection, forms))
}

fn save_one(world: &World, connection: &Connection, forms: &Forms) -> Result<(Section, Section), Inexpressible> {
    let id = connection.machine.id();
    let session = world.sessions.entry(id).map(|(tsih, cid)| SessionV1 { tsih: tsih.into(), cid: cid.into() });
    #[cfg(feature = "next")]
    if forms.version(KIND) == 1 {
        super::next::needs_no_label(id.0)?;
    }
    let saved = ConnectionV1 {
        id: id.0,
        since_ms: connection.since_ms,
        own: connection.arena.own() as u64,
        gone: connection.gone,
        told: connection.told,
        parting: PARTINGS.iter().position(|known| *known == connection.parting).unwrap_or_default() as u32,
        held: connection.held.iter().map(Request::save).collect(),
        logs_in: world.logins.has(id),
        discovers: world.discoveries.has(id),
        session,
        nvme: connection.machine.queue().is_some(),
    };
    let machine = match &connection.machine {
        Machine::Iscsi(nexus) => nexus::save(nexus, forms)?,
        Machine::Nvme(queue) => queue::save(queue, forms)?,
    };
    match forms.version(KIND) {
        #[cfg(feature = "next")]
        2 => Ok((machine, super::next::connection::save(saved))),
        version @ 1 => Ok((machine, put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "a connection")),
    }
}

/// All of them, with their machines.
pub(super) fn restore(sections: &Sections<'_>, world: &mut World) -> Result<(), Unreadable> {
    let (nexuses, queues, connections) = (sections.all(nexus::KIND), sections.all(queue::KIND), sections.all(KIND));
    let uneven = || Unreadable::section(KIND, "there are more of them than machines, or fewer");
    if nexuses.len() + queues.len() != connections.len() {
        return Err(uneven());
    }
    let (mut nexuses, mut queues) = (nexuses.iter(), queues.iter());
    world.sessions.reserve(connections.len());
    let mut restored = Vec::with_capacity(connections.len());
    let mut last = None;
    for section in connections {
        let saved = read(section)?;
        let machine = if saved.nvme { queues.next() } else { nexuses.next() }.ok_or_else(uneven)?;
        let id = NexusId(saved.id);
        if last.replace(id) >= Some(id) || saved.id >= world.nexus_next {
            return Err(Unreadable::section(KIND, format!("{} is not in its turn", saved.id)));
        }
        restored.push((id, restore_one(machine, saved, world)?));
    }
    // All at once: in order they need not look for their place one by one.
    world.connections = restored.into_iter().collect();
    Ok(())
}

fn restore_one(machine: &Section, saved: ConnectionV1, world: &mut World) -> Result<Connection, Unreadable> {
    let wrong = |why: &str| Unreadable::section(KIND, format!("{}: {why}", saved.id));
    let id = NexusId(saved.id);
    let own = usize::try_from(saved.own).unwrap_or(usize::MAX);
    let arena = world.arena.account_again(own).map_err(|error| wrong(&error.to_string()))?;
    let machine = match saved.nvme {
        true => Machine::Nvme(Box::new(queue::restore(machine, &arena, world)?)),
        false => Machine::Iscsi(Box::new(nexus::restore(machine, &arena, world)?)),
    };
    if machine.id() != id {
        return Err(wrong("another machine stands in its place"));
    }
    let held = saved.held.into_iter().map(|request| held(request, &arena, world)).collect::<Result<_, _>>()?;
    let parting = need(KIND, PARTINGS.get(saved.parting as usize).copied(), "why it ends")?;
    let from_where = machine.peer().ip();
    for (is_in, lobby) in [(saved.logs_in, &mut world.logins), (saved.discovers, &mut world.discoveries)] {
        if is_in && lobby.enter(id, from_where).is_some() {
            return Err(Unreadable::section(KIND, "there are more in a lobby than it has room for"));
        }
    }
    if let Some(session) = saved.session {
        let number = |number: u32| u16::try_from(number).ok();
        let (tsih, cid) = (need(KIND, number(session.tsih), "TSIH")?, need(KIND, number(session.cid), "CID")?);
        let info = need(KIND, machine.nexus(), "the machine of a session")?.info();
        let target = need(KIND, info.target, "the target of a session")?;
        let known = world.sessions.enter(id, (info.initiator.clone(), info.isid, target), tsih, cid);
        need(KIND, known, "a session's name of its own")?;
    }
    match machine.queue().map(Queue::info) {
        Some(info) if info.subsystem.is_some() && info.is_controller() => world.sessions.controllers.insert(id),
        Some(info) if info.subsystem.is_some() => world.sessions.queues.insert(id),
        _ => false,
    };
    if let Some(queue) = machine.queue()
        && let Some(controller) = queue.controller()
    {
        let name = (controller.subsystem(), queue.info().cntlid);
        need(KIND, world.nvme.enter(name, id), "a controller's number of its own")?;
    }
    if machine.queue().is_some_and(Queue::lingers) {
        world.lingering.insert(id);
    }
    let managing = machine.is_managing();
    // It gets that when it is registered (`World::unpark`).
    let mut connection = Connection::new(machine, arena, saved.since_ms, Socket::Lost);
    connection.settled = !saved.logs_in;
    (connection.gone, connection.told, connection.parting, connection.held) = (saved.gone, saved.told, parting, held);
    if managing {
        world.managing.insert(id);
    }
    Ok(connection)
}

fn held(saved: RequestV1, arena: &Arena, world: &World) -> Result<Request, Unreadable> {
    let request = Request::restore(saved, arena).map_err(|error| Unreadable::section(KIND, error))?;
    let known = (request.volume.0 as usize) < world.volumes.len();
    need(KIND, known.then_some(request), "the volume of a request")
}

fn read(section: &Section) -> Result<ConnectionV1, Unreadable> {
    match section.version {
        #[cfg(feature = "next")]
        2 => super::next::connection::restore(section),
        _ => get(KIND, section),
    }
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved = read(section)?;
    let mut text =
        format!("{}: since {} ms since 1970, {} bytes of memory its own", saved.id, saved.since_ms, saved.own);
    let facts = [
        (saved.gone, "gone"),
        (saved.logs_in, "in the lobby of logins"),
        (saved.discovers, "in the lobby of discovery"),
        (saved.session.is_some(), "has a session"),
    ];
    facts.iter().filter(|(is, _)| *is).for_each(|(_, what)| text.extend(["; ", what]));
    if !saved.held.is_empty() {
        text.push_str(&format!("; {} requests held back", saved.held.len()));
    }
    Ok(text)
}
