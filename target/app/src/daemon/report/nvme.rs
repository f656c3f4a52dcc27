//! What is served over NVMe/TCP, and to whom.

use crate::control::words::{self, Auth, SessionState};
use crate::daemon::world::{Connection, World};
use mainstay_base::sam::NexusId;
use mainstay_proto::nvme::{Keys, Subsystem};
use mainstay_proto::queue::{Queue, State};
use std::collections::BTreeMap;
use uuid::Uuid;

impl World {
    pub(super) fn describe_nvme(&self) -> words::Nvme {
        let way = |(portal, group, access, changes): (
            usize,
            mainstay_base::path::GroupId,
            mainstay_base::path::Access,
            u64,
        )| {
            let portal = self.nvme.site.portals.get(portal)?.name.clone();
            Some(words::Way { portal, group: group.0, state: access.name().to_owned(), changes })
        };
        words::Nvme {
            portals: self.describe_nvme_portals(),
            subsystems: self.describe_subsystems(),
            controllers: self.describe_controllers(),
            paths: self.nvme.paths.entries().filter_map(way).collect(),
        }
    }

    /// Those that are listened on.
    pub(in crate::daemon) fn describe_nvme_portals(&self) -> Vec<words::NvmePortal> {
        let mut portals = Vec::new();
        for (index, portal) in self.nvme.site.portals.iter().enumerate() {
            if !self.listens(self.site.portals.len() + index) {
                continue;
            }
            let came_in = |queue: &&Queue| queue.info().portal == index;
            portals.push(words::NvmePortal {
                name: portal.name.clone(),
                address: portal.bind,
                advertise: portal.advertise.clone(),
                discovery_only: portal.discovery_only,
                queues: self.connections.values().filter_map(|it| it.machine.queue()).filter(came_in).count() as u32,
            });
        }
        portals
    }

    pub(in crate::daemon) fn describe_subsystems(&self) -> Vec<words::Subsystem> {
        let describe = |subsystem: &Subsystem| {
            let listens = |portal: &&usize| self.listens(self.site.portals.len() + **portal);
            let portals = subsystem.portals.iter().filter(listens).map(|&portal| self.nvme.site.portals[portal].bind);
            let namespace = |namespace: &mainstay_proto::nvme::Namespace| words::Namespace {
                nsid: namespace.nsid,
                volume: self.volumes[namespace.volume.0 as usize].name().to_owned(),
                group: namespace.group.0,
                read_only: namespace.read_only,
            };
            words::Subsystem {
                nqn: subsystem.nqn.clone(),
                serial: subsystem.serial.clone(),
                portals: portals.collect(),
                auth: strictest(subsystem),
                namespaces: subsystem.namespaces.iter().map(namespace).collect(),
            }
        };
        let all = self.nvme.site.subsystems.iter().map(describe);
        all.filter(|subsystem| !subsystem.portals.is_empty()).collect()
    }

    /// By the id of their admin queues.
    fn describe_controllers(&self) -> Vec<words::Controller> {
        let mut queues: BTreeMap<NexusId, Vec<words::Queue>> = BTreeMap::new();
        for (&id, connection) in &self.connections {
            if let Some(queue) = connection.machine.queue()
                && let Some(admin) = queue.info().admin.or(queue.controller().map(|_| id))
            {
                queues.entry(admin).or_default().push(describe_queue(id, queue));
            }
        }
        let mut controllers = Vec::new();
        for (&id, connection) in &self.connections {
            let Some(queue) = connection.machine.queue() else { continue };
            let (Some(controller), Some(mut queues)) = (queue.controller(), queues.remove(&id)) else { continue };
            queues.sort_by_key(|queue| queue.qid);
            controllers.push(words::Controller {
                keep_alive_ms: controller.kato_ms().into(),
                queues,
                ..describe_controller(id, connection, queue)
            });
        }
        controllers
    }
}

fn describe_controller(id: NexusId, connection: &Connection, queue: &Queue) -> words::Controller {
    let info = queue.info();
    words::Controller {
        id: id.0,
        host: info.host.clone(),
        host_id: Uuid::from_bytes(info.hostid).to_string(),
        subsystem: (!info.discovery).then(|| info.subnqn.clone()),
        cntlid: info.cntlid,
        state: match info.state {
            State::Opening | State::Connecting | State::Deciding | State::Authenticating => SessionState::Login,
            State::Ready => SessionState::Active,
            State::Closing | State::Closed => SessionState::Closing,
        },
        auth: info.auth.clone(),
        keep_alive_ms: 0,
        since_ms: connection.since_ms,
        queues: Vec::new(),
    }
}

fn describe_queue(id: NexusId, queue: &Queue) -> words::Queue {
    let (info, transport) = (queue.info(), queue.transport());
    words::Queue {
        id: id.0,
        qid: info.qid,
        size: u32::from(info.sqsize) + 1,
        peer: info.peer,
        local: info.local,
        header_digest: transport.digests.header,
        data_digest: transport.digests.data,
        commands: transport.traffic.commands,
        commands_open: queue.tasks_live() as u32,
        read_bytes: transport.traffic.sent_bytes,
        written_bytes: transport.traffic.received_bytes,
    }
}

fn strictest(subsystem: &Subsystem) -> Auth {
    let of = |keys: &Keys| if keys.controller.is_some() { Auth::MutualChap } else { Auth::Chap };
    let hosts = subsystem.hosts.iter().flatten().filter_map(|host| host.keys.as_ref());
    let all: Vec<Auth> = hosts.chain(&subsystem.keys).map(of).collect();
    match (all.contains(&Auth::MutualChap), all.is_empty()) {
        (true, _) => Auth::MutualChap,
        (false, false) => Auth::Chap,
        (false, true) => Auth::None,
    }
}
