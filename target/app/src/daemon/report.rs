//! What `status` answers.

mod nvme;

use super::journal::unix_ms;
use super::swap::VERSION;
use super::world::{Connection, World};
use crate::control::words::{self, Auth, PROTOCOL, SessionState, Status};
use mainstay_base::sam::NexusId;
use mainstay_proto::iscsi::{Phase, SessionInfo, site};
use mainstay_proto::nexus::Nexus;
use std::fmt::Write as _;

impl World {
    /// Everything, as it is now.
    pub fn status(&self) -> Status {
        Status {
            daemon: self.describe_daemon(),
            portals: self.describe_portals(),
            targets: self.describe_targets(),
            nvme: self.describe_nvme(),
            sessions: self.sessions_described(),
            volumes: (0..self.volumes.len()).map(|index| self.describe_volume(index)).collect(),
            refused_logins: self.refusals.0.iter().cloned().collect(),
            swaps: self.history.iter().cloned().collect(),
        }
    }

    fn describe_daemon(&self) -> words::Daemon {
        let (budget, promised, used) = self.arena.usage();
        words::Daemon {
            version: VERSION.to_owned(),
            build: self.build.clone(),
            protocol: PROTOCOL,
            pid: std::process::id(),
            started_ms: self.started_ms,
            uptime_ms: unix_ms().saturating_sub(self.started_ms),
            state_dir: self.places.state_dir.clone(),
            control: self.places.control.clone(),
            config: self.places.config.clone(),
            memory: words::Memory { budget: budget as u64, promised: promised as u64, used: used as u64 },
        }
    }

    pub(super) fn describe_portals(&self) -> Vec<words::Portal> {
        let describe = |(index, portal): (usize, &site::Portal)| words::Portal {
            address: portal.bind,
            advertise: portal.advertise.clone(),
            tag: portal.tag,
            targets: self.site.targets.iter().filter(|target| target.portals.contains(&index)).count() as u32,
            sessions: self
                .connections
                .values()
                .filter_map(|connection| connection.machine.nexus())
                .filter(|nexus| nexus.info().portal == index && nexus.info().phase == Phase::FullFeature)
                .count() as u32,
        };
        self.site.portals.iter().enumerate().map(describe).collect()
    }

    pub(super) fn describe_targets(&self) -> Vec<words::Target> {
        let describe = |(target, export): (&site::Target, &mainstay_proto::nexus::Export)| words::Target {
            name: target.name.clone(),
            alias: target.alias.clone(),
            portals: target.portals.iter().map(|&portal| self.site.portals[portal].bind).collect(),
            auth: strictest(target),
            luns: export
                .luns
                .iter()
                .map(|&(lun, volume)| words::Lun {
                    lun: lun.number().unwrap_or_default(),
                    volume: self.volumes[volume.0 as usize].name().to_owned(),
                })
                .collect(),
        };
        self.site.targets.iter().zip(&self.exports).map(describe).collect()
    }

    fn sessions_described(&self) -> Vec<words::Session> {
        let describe = |(&id, connection): (&NexusId, &Connection)| {
            Some(describe_session(id, connection, connection.machine.nexus()?))
        };
        self.connections.iter().filter_map(describe).collect()
    }
    pub(super) fn describe_volume(&self, index: usize) -> words::Volume {
        let volume = &self.volumes[index];
        let (geometry, identity) = (volume.geometry(), volume.identity());
        let (behaviour, poison) = (volume.behaviour(), volume.poisoned());
        words::Volume {
            name: volume.name().to_owned(),
            kind: self.backings[index].kind,
            path: self.backings[index].path.clone(),
            size: geometry.bytes(),
            block_bytes: geometry.block_bytes,
            physical_bytes: geometry.physical_bytes,
            read_only: behaviour.read_only,
            write_cache: self.units[index].disk.write_cache,
            thin: behaviour.thin,
            uuid: uuid::Uuid::from_bytes(identity.uuid).to_string(),
            serial: identity.serial.clone(),
            naa: hex(&identity.naa),
            poisoned: poison.is_some(),
            poison: poison.map(|poison| words::Poison { time_ms: poison.unix_s * 1000, why: poison.reason }),
            io: (&self.traffic[index]).into(),
        }
    }
}

fn describe_session(id: NexusId, connection: &Connection, nexus: &Nexus) -> words::Session {
    let info = nexus.info();
    words::Session {
        id: id.0,
        initiator: info.initiator.clone(),
        target: info.target_name.clone(),
        peer: info.peer,
        local: info.local,
        isid: info.isid.to_string(),
        tsih: info.tsih,
        state: match info.phase {
            Phase::Login | Phase::Deciding => SessionState::Login,
            Phase::FullFeature => SessionState::Active,
            Phase::Closing | Phase::Closed => SessionState::Closing,
        },
        since_ms: connection.since_ms,
        negotiated: negotiated(info),
        commands: info.traffic.commands,
        commands_open: nexus.tasks_live() as u32,
        read_bytes: info.traffic.sent_bytes,
        written_bytes: info.traffic.received_bytes,
        window: nexus.window(),
    }
}

fn negotiated(info: &SessionInfo) -> words::Negotiated {
    let keys = &info.negotiated;
    words::Negotiated {
        auth_method: info.auth_method.clone(),
        header_digest: keys.header_digest.name().to_owned(),
        data_digest: keys.data_digest.name().to_owned(),
        max_connections: u32::from(keys.max_connections),
        initial_r2t: keys.initial_r2t,
        immediate_data: keys.immediate_data,
        initiator_max_recv_data_segment_length: keys.send_data_segment_max,
        target_max_recv_data_segment_length: keys.recv_data_segment_max,
        max_burst_length: keys.max_burst_length,
        first_burst_length: keys.first_burst_length,
        default_time2_wait: u32::from(keys.default_time2wait),
        default_time2_retain: u32::from(keys.default_time2retain),
        max_outstanding_r2t: u32::from(keys.max_outstanding_r2t),
        data_pdu_in_order: keys.data_pdu_in_order,
        data_sequence_in_order: keys.data_sequence_in_order,
        error_recovery_level: u32::from(keys.error_recovery_level),
        task_reporting: keys.task_reporting.name().to_owned(),
        iscsi_protocol_level: u32::from(keys.protocol_level),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn strictest(target: &site::Target) -> Auth {
    let of = |auth: &site::Auth| match auth {
        site::Auth::None => Auth::None,
        site::Auth::Chap { outgoing: None, .. } => Auth::Chap,
        site::Auth::Chap { outgoing: Some(_), .. } => Auth::MutualChap,
    };
    let listed = match &target.access {
        site::Access::Anyone => &[],
        site::Access::Initiators(listed) => listed.as_slice(),
    };
    let rank = |auth: &Auth| match auth {
        Auth::None => 0,
        Auth::Chap => 1,
        Auth::MutualChap => 2,
    };
    listed.iter().filter_map(|acl| acl.auth.as_ref()).chain([&target.auth]).map(of).max_by_key(rank).unwrap_or_default()
}
