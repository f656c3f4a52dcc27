//! The saved form of what is served over NVMe/TCP, keys included.

use mainstay_base::path::GroupId;
use mainstay_base::unit::VolumeId;
use mainstay_proto::nvme::site::{Discovery, Limits, Portal, Referral};
use mainstay_proto::nvme::{Controllers, Host, Keys, Namespace, Site, Subsystem};
use std::time::Duration;
use zeroize::Zeroize;

#[derive(Clone, PartialEq, prost::Message)]
pub struct SiteV1 {
    #[prost(message, repeated, tag = "1")]
    portals: Vec<PortalV1>,
    #[prost(message, repeated, tag = "2")]
    subsystems: Vec<SubsystemV1>,
    #[prost(message, required, tag = "3")]
    discovery: DiscoveryV1,
    #[prost(message, required, tag = "4")]
    limits: LimitsV1,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PortalV1 {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    bind: String,
    #[prost(string, optional, tag = "3")]
    advertise: Option<String>,
    #[prost(uint32, tag = "4")]
    id: u32,
    #[prost(bool, tag = "5")]
    discovery_only: bool,
    #[prost(bool, tag = "6")]
    optional: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SubsystemV1 {
    #[prost(string, tag = "1")]
    nqn: String,
    #[prost(string, tag = "2")]
    serial: String,
    #[prost(string, tag = "3")]
    model: String,
    #[prost(uint32, repeated, tag = "4")]
    portals: Vec<u32>,
    #[prost(message, repeated, tag = "5")]
    namespaces: Vec<NamespaceV1>,
    /// Only `hosts` may connect.
    #[prost(bool, tag = "6")]
    listed: bool,
    #[prost(message, repeated, tag = "7")]
    hosts: Vec<HostV1>,
    #[prost(message, optional, tag = "8")]
    keys: Option<KeysV1>,
    /// So many controllers that stay; absent: they come and go.
    #[prost(uint32, optional, tag = "9")]
    controllers: Option<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NamespaceV1 {
    #[prost(uint32, tag = "1")]
    nsid: u32,
    #[prost(uint32, tag = "2")]
    volume: u32,
    #[prost(bool, tag = "3")]
    read_only: bool,
    #[prost(uint32, tag = "4")]
    group: u32,
    /// Only `hosts` see it.
    #[prost(bool, tag = "5")]
    listed: bool,
    #[prost(string, repeated, tag = "6")]
    hosts: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HostV1 {
    #[prost(string, tag = "1")]
    nqn: String,
    #[prost(message, optional, tag = "2")]
    keys: Option<KeysV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeysV1 {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(string, optional, tag = "2")]
    controller: Option<String>,
    #[prost(bytes = "vec", tag = "3")]
    hashes: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    groups: Vec<u8>,
}

impl Drop for KeysV1 {
    fn drop(&mut self) {
        self.host.zeroize();
        self.controller.zeroize();
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct DiscoveryV1 {
    #[prost(string, tag = "1")]
    nqn: String,
    #[prost(message, repeated, tag = "2")]
    referrals: Vec<ReferralV1>,
    #[prost(message, optional, tag = "3")]
    keys: Option<KeysV1>,
    #[prost(bool, tag = "4")]
    announce: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReferralV1 {
    #[prost(string, tag = "1")]
    nqn: String,
    #[prost(string, tag = "2")]
    address: String,
    #[prost(uint32, tag = "3")]
    port: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct LimitsV1 {
    #[prost(uint32, tag = "1")]
    in_capsule: u32,
    #[prost(uint32, tag = "2")]
    io_queues: u32,
    #[prost(uint32, tag = "3")]
    queue_size: u32,
    /// Milliseconds.
    #[prost(uint64, tag = "4")]
    connect_timeout: u64,
}

pub fn save(site: &Site) -> SiteV1 {
    SiteV1 {
        portals: site.portals.iter().map(save_portal).collect(),
        subsystems: site.subsystems.iter().map(save_subsystem).collect(),
        discovery: DiscoveryV1 {
            nqn: site.discovery.nqn.clone(),
            referrals: site.discovery.referrals.iter().map(save_referral).collect(),
            keys: site.discovery.keys.as_ref().map(save_keys),
            announce: site.discovery.announce,
        },
        limits: LimitsV1 {
            in_capsule: site.limits.in_capsule,
            io_queues: site.limits.io_queues.into(),
            queue_size: site.limits.queue_size.into(),
            connect_timeout: u64::try_from(site.limits.connect_timeout.as_millis()).unwrap_or(u64::MAX),
        },
    }
}

fn save_portal(portal: &Portal) -> PortalV1 {
    PortalV1 {
        name: portal.name.clone(),
        bind: portal.bind.to_string(),
        advertise: portal.advertise.clone(),
        id: portal.id.into(),
        discovery_only: portal.discovery_only,
        optional: portal.optional,
    }
}

fn save_subsystem(subsystem: &Subsystem) -> SubsystemV1 {
    let host = |host: &Host| HostV1 { nqn: host.nqn.clone(), keys: host.keys.as_ref().map(save_keys) };
    SubsystemV1 {
        nqn: subsystem.nqn.clone(),
        serial: subsystem.serial.clone(),
        model: subsystem.model.clone(),
        portals: subsystem.portals.iter().map(|&portal| portal as u32).collect(),
        namespaces: subsystem.namespaces.iter().map(save_namespace).collect(),
        listed: subsystem.hosts.is_some(),
        hosts: subsystem.hosts.iter().flatten().map(host).collect(),
        keys: subsystem.keys.as_ref().map(save_keys),
        controllers: match subsystem.controllers {
            Controllers::Dynamic => None,
            Controllers::Static(count) => Some(count.into()),
        },
    }
}

fn save_namespace(namespace: &Namespace) -> NamespaceV1 {
    NamespaceV1 {
        nsid: namespace.nsid,
        volume: namespace.volume.0,
        read_only: namespace.read_only,
        group: namespace.group.0.into(),
        listed: namespace.hosts.is_some(),
        hosts: namespace.hosts.clone().unwrap_or_default(),
    }
}

fn save_referral(referral: &Referral) -> ReferralV1 {
    ReferralV1 { nqn: referral.nqn.clone(), address: referral.address.clone(), port: referral.port.into() }
}

fn save_keys(keys: &Keys) -> KeysV1 {
    KeysV1 {
        host: keys.host.to_string(),
        controller: keys.controller.as_ref().map(|key| key.to_string()),
        hashes: keys.hashes.clone(),
        groups: keys.groups.clone(),
    }
}

/// What was saved, if it is whole; `volumes`: how many there are.
pub fn restore(saved: SiteV1, volumes: usize) -> Option<Site> {
    let portals: Vec<Portal> = saved.portals.into_iter().map(restore_portal).collect::<Option<_>>()?;
    let subsystem = |saved| restore_subsystem(saved, portals.len(), volumes);
    let subsystems = saved.subsystems.into_iter().map(subsystem).collect::<Option<_>>()?;
    let referral = |saved: ReferralV1| {
        Some(Referral { nqn: saved.nqn, address: saved.address, port: u16::try_from(saved.port).ok()? })
    };
    let discovery = Discovery {
        nqn: saved.discovery.nqn,
        referrals: saved.discovery.referrals.into_iter().map(referral).collect::<Option<_>>()?,
        keys: saved.discovery.keys.map(restore_keys),
        announce: saved.discovery.announce,
    };
    let limits = Limits {
        in_capsule: saved.limits.in_capsule,
        io_queues: u16::try_from(saved.limits.io_queues).ok()?,
        queue_size: u16::try_from(saved.limits.queue_size).ok()?,
        connect_timeout: Duration::from_millis(saved.limits.connect_timeout),
    };
    Some(Site { portals, subsystems, discovery, limits })
}

fn restore_portal(saved: PortalV1) -> Option<Portal> {
    Some(Portal {
        name: saved.name,
        bind: saved.bind.parse().ok()?,
        advertise: saved.advertise,
        id: u16::try_from(saved.id).ok()?,
        discovery_only: saved.discovery_only,
        optional: saved.optional,
    })
}

fn restore_subsystem(saved: SubsystemV1, portals: usize, volumes: usize) -> Option<Subsystem> {
    let portal = |at: u32| Some(at as usize).filter(|at| *at < portals);
    let namespace = |saved: NamespaceV1| {
        Some(Namespace {
            nsid: saved.nsid,
            volume: Some(VolumeId(saved.volume)).filter(|volume| (volume.0 as usize) < volumes)?,
            read_only: saved.read_only,
            group: GroupId(u16::try_from(saved.group).ok()?),
            hosts: saved.listed.then_some(saved.hosts),
        })
    };
    let hosts = saved.hosts.into_iter().map(|host| Host { nqn: host.nqn, keys: host.keys.map(restore_keys) });
    Some(Subsystem {
        nqn: saved.nqn,
        serial: saved.serial,
        model: saved.model,
        portals: saved.portals.into_iter().map(portal).collect::<Option<_>>()?,
        namespaces: saved.namespaces.into_iter().map(namespace).collect::<Option<_>>()?,
        hosts: saved.listed.then(|| hosts.collect()),
        keys: saved.keys.map(restore_keys),
        controllers: match saved.controllers {
            None => Controllers::Dynamic,
            Some(count) => Controllers::Static(u16::try_from(count).ok()?),
        },
    })
}

/// Its keys are moved, so that nobody has to wipe another copy.
fn restore_keys(mut saved: KeysV1) -> Keys {
    Keys {
        host: std::mem::take(&mut saved.host).into(),
        controller: saved.controller.take().map(Into::into),
        hashes: std::mem::take(&mut saved.hashes),
        groups: std::mem::take(&mut saved.groups),
    }
}
