//! The saved form of a queue: with its connection, its controller or what it knows of one, and all its commands.

mod form;
mod slot;

pub(super) use form::{DoingV1, QueueV1};

use super::slots::Doing;
use super::{Admin, Info, Queue, Role, State};
use crate::auth::dhchap::Responder;
use crate::nvme::{Controller, Site, View};
use crate::nvmetcp::Connection;
use form::{AdminV1, InfoV1, IoV1, MemberV1};
use mainstay_base::arena::Arena;
use mainstay_base::sam::NexusId;
use mainstay_base::snapshot::Section;
use mainstay_base::time::Instant;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

pub(super) const KIND: &str = "queue";
pub(super) const VERSION: u32 = 1;

/// Why a saved queue cannot be restored.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Unreadable {
    #[error("a section of kind {kind:?} version {version} where a queue was expected")]
    Section { kind: String, version: u32 },
    #[error("the queue does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("the queue is not whole: {0}")]
    Part(&'static str),
    #[error("its connection: {0}")]
    Connection(String),
    #[error("its controller: {0}")]
    Controller(String),
    #[error("its authentication: {0}")]
    Authentication(String),
    #[error("one of its commands: {0}")]
    Command(String),
}

fn narrow(number: u32, what: &'static str) -> Result<u16, Unreadable> {
    u16::try_from(number).map_err(|_| Unreadable::Part(what))
}

impl Queue {
    /// Everything, as it is between two calls.
    pub fn save(&self) -> Section {
        let mut saved = QueueV1 {
            id: self.id.0,
            connection: Some(self.connection.save()),
            info: Some(save_info(&self.info)),
            admin: None,
            io: None,
            gone: matches!(self.role, Role::Gone),
            slots: self.slots.iter().map(|(index, slot)| slot::save(index, slot)).collect(),
            serial_next: self.slots.serial_next,
            half: self.half.map(u32::from),
            head: self.head.into(),
            seed: self.seed.as_ref().map(|seed| seed.to_vec()),
            auth: self.auth.as_ref().map(|auth| auth.save()),
            due: self.due.map(|due| due.0),
            refused: self.refused,
            ending: self.ending,
        };
        match &self.role {
            Role::Admin(admin) => {
                let queues = admin.queues.iter().map(|(&qid, id)| MemberV1 { qid: qid.into(), id: id.0 }).collect();
                saved.admin = Some(AdminV1 { controller: Some(admin.controller.save()), queues });
            }
            Role::Io { view, admin, heard } => {
                saved.io = Some(IoV1 { view: Some(view.save()), admin: admin.0, heard: heard.0 });
            }
            Role::New | Role::Gone => {}
        }
        let payload = saved.encode_to_vec();
        // What is secret in it stays in the payload alone.
        saved.seed.zeroize();
        if let Some(auth) = &mut saved.auth {
            auth.wipe();
        }
        Section { kind: KIND.into(), version: VERSION, payload: payload.into() }
    }

    /// The queue that was saved, with its payload taken from `arena`. Call [`Queue::resume`] once it may ask for things.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn restore(section: &Section, arena: &Arena) -> Result<Queue, Unreadable> {
        if *section.kind != *KIND || section.version != VERSION {
            return Err(Unreadable::Section { kind: section.kind.to_string(), version: section.version });
        }
        let mut saved = QueueV1::decode(section.payload.clone())?;
        let seed = saved.seed.take().map(Zeroizing::new);
        let mut auth = saved.auth.take();
        let responder = auth.as_ref().map(Responder::restore).transpose();
        if let Some(auth) = &mut auth {
            auth.wipe();
        }
        let responder = responder.map_err(|error| Unreadable::Authentication(error.to_string()))?;
        let connection = saved.connection.as_ref().ok_or(Unreadable::Part("no connection"))?;
        let connection =
            Connection::restore(connection, arena).map_err(|error| Unreadable::Connection(error.to_string()))?;
        let role = restore_role(&saved)?;
        let slots = slot::restore_all(saved.slots, saved.serial_next, arena)?;
        let leaving = slots.iter().any(|(_, slot)| matches!(slot.doing, Doing::Leaving));
        Ok(Queue {
            id: NexusId(saved.id),
            connection,
            info: restore_info(saved.info.as_ref().ok_or(Unreadable::Part("nothing is said of it"))?)?,
            role,
            slots,
            half: saved.half.map(|half| narrow(half, "first of a pair")).transpose()?,
            head: narrow(saved.head, "SQHD")?,
            seed: seed.map(|seed| restore_seed(&seed)).transpose()?,
            auth: responder.map(Box::new),
            refused: saved.refused,
            due: saved.due.map(Instant),
            leaving,
            ending: saved.ending,
        })
    }

    /// Whether what it refers to exists, where `site` is served from so many volumes.
    ///
    /// # Errors
    /// [`Unreadable::Part`].
    pub fn fits(&self, site: &Site, volumes: usize) -> Result<(), Unreadable> {
        if self.info.portal >= site.portals.len() {
            return Err(Unreadable::Part("its portal does not exist"));
        }
        let known = |subsystem: usize| subsystem < site.subsystems.len();
        if !self.info.subsystem.is_none_or(known) {
            return Err(Unreadable::Part("its subsystem does not exist"));
        }
        let view = match &self.role {
            Role::Io { view, .. } => Some(view.clone()),
            Role::Admin(admin) => Some(admin.controller.view()),
            Role::New | Role::Gone => None,
        };
        let attached = view.iter().flat_map(|view| &view.namespaces).map(|namespace| namespace.volume);
        if attached.chain(self.slots.volumes()).any(|volume| volume.0 as usize >= volumes) {
            return Err(Unreadable::Part("a volume does not exist"));
        }
        Ok(())
    }
}

fn restore_seed(seed: &[u8]) -> Result<Zeroizing<[u8; 32]>, Unreadable> {
    let mut bytes = Zeroizing::new([0; 32]);
    if seed.len() != bytes.len() {
        return Err(Unreadable::Part("entropy"));
    }
    bytes.copy_from_slice(seed);
    Ok(bytes)
}

fn restore_role(saved: &QueueV1) -> Result<Role, Unreadable> {
    match (&saved.admin, &saved.io) {
        (Some(AdminV1 { controller, queues }), None) => {
            let controller = controller.as_ref().ok_or(Unreadable::Part("no controller"))?;
            let controller =
                Controller::restore(controller).map_err(|error| Unreadable::Controller(error.to_string()))?;
            let member = |member: &MemberV1| Ok((narrow(member.qid, "QID")?, NexusId(member.id)));
            let queues = queues.iter().map(member).collect::<Result<BTreeMap<_, _>, Unreadable>>()?;
            Ok(Role::Admin(Box::new(Admin { controller, queues })))
        }
        (None, Some(IoV1 { view, admin, heard })) => {
            let view = view.as_ref().and_then(View::restore).ok_or(Unreadable::Part("view of its controller"))?;
            Ok(Role::Io { view: Arc::new(view), admin: NexusId(*admin), heard: Instant(*heard) })
        }
        (None, None) if saved.gone => Ok(Role::Gone),
        (None, None) => Ok(Role::New),
        (Some(_), Some(_)) => Err(Unreadable::Part("what it is")),
    }
}

fn save_info(info: &Info) -> InfoV1 {
    InfoV1 {
        state: State::ALL.iter().position(|&state| state == info.state).unwrap_or_default() as u32,
        local: info.local.to_string(),
        peer: info.peer.to_string(),
        portal: info.portal as u32,
        host: info.host.clone(),
        hostid: info.hostid.to_vec(),
        subnqn: info.subnqn.clone(),
        subsystem: info.subsystem.map(|subsystem| subsystem as u32),
        discovery: info.discovery,
        cntlid: info.cntlid.into(),
        qid: info.qid.into(),
        sqsize: info.sqsize.into(),
        flow_control: info.flow_control,
        admin: info.admin.map(|admin| admin.0),
        auth: info.auth.clone(),
    }
}

fn restore_info(saved: &InfoV1) -> Result<Info, Unreadable> {
    let address = |text: &str| text.parse().map_err(|_| Unreadable::Part("address"));
    Ok(Info {
        state: *State::ALL.get(saved.state as usize).ok_or(Unreadable::Part("state"))?,
        local: address(&saved.local)?,
        peer: address(&saved.peer)?,
        portal: saved.portal as usize,
        host: saved.host.clone(),
        hostid: saved.hostid.as_slice().try_into().map_err(|_| Unreadable::Part("HOSTID"))?,
        subnqn: saved.subnqn.clone(),
        subsystem: saved.subsystem.map(|subsystem| subsystem as usize),
        discovery: saved.discovery,
        cntlid: narrow(saved.cntlid, "CNTLID")?,
        qid: narrow(saved.qid, "QID")?,
        sqsize: narrow(saved.sqsize, "SQSIZE")?,
        flow_control: saved.flow_control,
        admin: saved.admin.map(NexusId),
        auth: saved.auth.clone(),
    })
}
