//! What is served over NVMe/TCP as the file that would say it.

use super::{MODEL, serial_of, usual};
use crate::config::keys::nvme::{GROUPS, HASHES};
use crate::config::kind::address_of;
use crate::config::written::{bytes, put, put_some};
use mainstay_proto::auth::Secret;
use mainstay_proto::nvme::site::{DISCOVERY_NQN, Limits, Portal, Referral};
use mainstay_proto::nvme::{Controllers, Host, Keys, Namespace, Site, Subsystem};
use toml::{Table, Value};

/// The table `[nvme]`; none: it is not served. `secret` gives what stands for a key, `volume` the name of one.
pub fn write(
    site: &Site,
    volume: &dyn Fn(usize) -> String,
    secret: &mut dyn FnMut(&Secret) -> String,
) -> Option<Table> {
    if site.subsystems.is_empty() {
        return None;
    }
    let mut out = Table::new();
    if site.portals != usual() {
        put(&mut out, "portal", site.portals.iter().map(portal).collect::<Vec<_>>());
    }
    let mut subsystems = Vec::new();
    for each in &site.subsystems {
        subsystems.push(subsystem(each, site, volume, secret));
    }
    put(&mut out, "subsystem", subsystems);
    let mut discovery = Table::new();
    put_some(&mut discovery, "name", Some(&site.discovery.nqn[..]).filter(|nqn| *nqn != DISCOVERY_NQN));
    put_some(&mut discovery, "dhchap", site.discovery.keys.as_ref().map(|keys| dhchap(keys, secret)));
    put_some(&mut discovery, "announce", site.discovery.announce.then_some(true));
    if !site.discovery.referrals.is_empty() {
        put(&mut discovery, "referral", site.discovery.referrals.iter().map(referral).collect::<Vec<_>>());
    }
    if !discovery.is_empty() {
        put(&mut out, "discovery", discovery);
    }
    let usual = Limits::default();
    put_some(
        &mut out,
        "in_capsule",
        (site.limits.in_capsule != usual.in_capsule).then(|| bytes(site.limits.in_capsule.into())),
    );
    put_some(
        &mut out,
        "io_queues",
        (site.limits.io_queues != usual.io_queues).then(|| i64::from(site.limits.io_queues)),
    );
    put_some(
        &mut out,
        "queue_size",
        (site.limits.queue_size != usual.queue_size).then(|| i64::from(site.limits.queue_size)),
    );
    Some(out)
}

fn portal(portal: &Portal) -> Value {
    let mut out = Table::new();
    if address_of(&portal.name, super::PORT) == Some(portal.bind) {
        // Without a name of its own it has the text of its address.
        put(&mut out, "bind", &portal.name[..]);
    } else {
        put(&mut out, "bind", portal.bind.to_string());
        put(&mut out, "name", &portal.name[..]);
    }
    put_some(&mut out, "advertise", portal.advertise.clone());
    put_some(&mut out, "discovery_only", portal.discovery_only.then_some(true));
    out.into()
}

fn subsystem(
    subsystem: &Subsystem,
    site: &Site,
    volume: &dyn Fn(usize) -> String,
    secret: &mut dyn FnMut(&Secret) -> String,
) -> Value {
    let mut out = Table::new();
    put(&mut out, "name", &subsystem.nqn[..]);
    put_some(&mut out, "serial", Some(&subsystem.serial[..]).filter(|serial| *serial != serial_of(&subsystem.nqn)));
    put_some(&mut out, "model", Some(&subsystem.model[..]).filter(|model| *model != MODEL));
    let all = (0..site.portals.len()).filter(|at| !site.portals[*at].discovery_only);
    if !subsystem.portals.iter().copied().eq(all) {
        let names = subsystem.portals.iter().map(|at| Value::from(&site.portals[*at].name[..]));
        put(&mut out, "portals", names.collect::<Vec<_>>());
    }
    let namespace = |namespace: &Namespace| {
        let mut out = Table::new();
        put(&mut out, "nsid", i64::from(namespace.nsid));
        put(&mut out, "volume", volume(namespace.volume.0 as usize));
        put_some(&mut out, "read_only", namespace.read_only.then_some(true));
        put_some(&mut out, "group", Some(namespace.group.0).filter(|group| *group != 1).map(i64::from));
        put_some(&mut out, "hosts", namespace.hosts.clone());
        Value::from(out)
    };
    put(&mut out, "namespace", subsystem.namespaces.iter().map(namespace).collect::<Vec<_>>());
    put_some(&mut out, "dhchap", subsystem.keys.as_ref().map(|keys| dhchap(keys, secret)));
    if let Some(listed) = &subsystem.hosts {
        let mut hosts = Vec::new();
        for Host { nqn, keys } in listed {
            let mut out = Table::new();
            put(&mut out, "name", &nqn[..]);
            put_some(&mut out, "dhchap", keys.as_ref().map(|keys| dhchap(keys, secret)));
            hosts.push(Value::from(out));
        }
        put(&mut out, "host", hosts);
    }
    if let Controllers::Static(count) = subsystem.controllers {
        put(&mut out, "static_controllers", i64::from(count));
    }
    out.into()
}

fn referral(referral: &Referral) -> Value {
    let mut out = Table::new();
    let host =
        if referral.address.contains(':') { format!("[{}]", referral.address) } else { referral.address.clone() };
    put(&mut out, "address", format!("{host}:{}", referral.port));
    put_some(&mut out, "name", Some(&referral.nqn[..]).filter(|nqn| *nqn != DISCOVERY_NQN));
    out.into()
}

fn dhchap(keys: &Keys, secret: &mut dyn FnMut(&Secret) -> String) -> Value {
    let mut out = Table::new();
    put(&mut out, "key", secret(&Secret::new(keys.host.as_bytes())));
    put_some(&mut out, "controller_key", keys.controller.as_ref().map(|key| secret(&Secret::new(key.as_bytes()))));
    let words = |chosen: &[u8], known: &[&str], first: u8| -> Vec<Value> {
        let word = |id: &u8| known.get(usize::from(id.saturating_sub(first))).copied().map(Value::from);
        chosen.iter().filter_map(word).collect()
    };
    if !keys.hashes.is_empty() {
        put(&mut out, "hashes", words(&keys.hashes, &HASHES, 1));
    }
    if !keys.groups.is_empty() {
        put(&mut out, "groups", words(&keys.groups, &GROUPS, 0));
    }
    out.into()
}
