//! The discovery log (base §5.16.1.23): where the subsystems are that the asking host may connect to, others to ask, and the
//! discovery subsystem itself.
//!
//! Sorted: this discovery subsystem, subsystems by name and portal, referrals as configured. Addresses are those the host can
//! reach, judged by the one it has come to.

use super::identify::Asker;
use super::page::Page;
use super::site::{Portal, Site};
use super::{Controllers, Subsystem};
use mainstay_base::reach;
use std::net::{IpAddr, Ipv6Addr};

/// Log specific parameter: entries with extended attributes.
const EXTENDED: u8 = 1;
/// Log specific parameter: only entries of the port that is asked.
const PORT_ONLY: u8 = 1 << 1;
/// What of the parameter we follow, as Supported Log Pages and the log's own flags tell it. Subsystems that the host may not
/// connect to (ALLSUBE) are told to nobody.
pub(super) const QUESTIONS: u8 = EXTENDED | PORT_ONLY;

/// TRTYPE of NVMe/TCP.
const TCP: u8 = 3;
/// TREQ: no secure channel; flow control of submission queues may be off.
const REQUIREMENTS: u8 = 2 | 1 << 2;
/// EFLAGS of the discovery subsystem itself: every port tells the same; connections may stay.
const CURRENT_FLAGS: u16 = 1 | 1 << 1;
/// CNTLID: any dynamic controller, any static one.
const DYNAMIC: u16 = 0xffff;
const STATIC: u16 = 0xfffe;
/// Bytes of the log's head, and of an entry.
const BLOCK: usize = 1024;
/// Bytes more of an entry with room for attributes, of which we have none.
const EXTENSION: usize = 8;

/// SUBTYPE.
#[derive(Clone, Copy)]
enum Subtype {
    Referral = 1,
    Subsystem = 2,
    Current = 3,
}

/// An entry.
struct Found {
    subtype: Subtype,
    flags: u16,
    portal: u16,
    cntlid: u16,
    nqn: String,
    address: String,
    port: u16,
}

/// The log; `parameter`: what the host asks for ([`QUESTIONS`]).
pub(super) fn log(asker: &Asker<'_, '_>, parameter: u8) -> Vec<u8> {
    let site = asker.cx.site;
    let mut found = vec![];
    found.extend(current(asker, site));
    found.extend(subsystems(asker, site, parameter & PORT_ONLY != 0));
    found.extend(referrals(site));
    let extended = parameter & EXTENDED != 0;
    let length = BLOCK + if extended { EXTENSION } else { 0 };
    let mut page = Page::new(BLOCK + length * found.len());
    page.put(0, asker.cx.discovery.generation.to_le_bytes());
    page.put(8, (found.len() as u64).to_le_bytes());
    // RECFMT stays 0. DLPF: what was asked for and is done; TDLPL: how long that makes the log.
    page.put(18, [parameter & QUESTIONS]);
    if extended {
        page.put(20, ((BLOCK + length * found.len()) as u32).to_le_bytes());
    }
    let queue_size = site.limits.queue_size.max(32);
    for (n, entry) in found.iter().enumerate() {
        let at = BLOCK + length * n;
        let is_v6 = entry.address.parse::<Ipv6Addr>().is_ok();
        page.put(at, [TCP, if is_v6 { 2 } else { 1 }, entry.subtype as u8, REQUIREMENTS]);
        page.put(at + 4, entry.portal.to_le_bytes());
        page.put(at + 6, entry.cntlid.to_le_bytes());
        page.put(at + 8, queue_size.to_le_bytes());
        page.put(at + 10, entry.flags.to_le_bytes());
        page.name(at + 32, 32, &entry.port.to_string());
        page.name(at + 256, 256, &entry.nqn);
        page.name(at + 512, 256, &entry.address);
        // TSAS: no security.
        if extended {
            page.put(at + BLOCK, (length as u32).to_le_bytes());
        }
    }
    page.done()
}

/// This discovery subsystem, where the host has found it.
fn current(asker: &Asker<'_, '_>, site: &Site) -> Option<Found> {
    let portal = site.portals.get(asker.controller.portal)?;
    let (address, port) = reached(asker, asker.controller.portal, portal)?;
    let nqn = site.discovery.nqn.clone();
    let (subtype, flags) = (Subtype::Current, CURRENT_FLAGS);
    Some(Found { subtype, flags, portal: portal.id, cntlid: DYNAMIC, nqn, address, port })
}

fn subsystems(asker: &Asker<'_, '_>, site: &Site, here: bool) -> Vec<Found> {
    let admitted = |subsystem: &&Subsystem| subsystem.admits(&asker.controller.hostnqn).is_some();
    let mut found = vec![];
    for subsystem in site.subsystems.iter().filter(admitted) {
        let mut portals = subsystem.portals.clone();
        portals.sort_unstable();
        portals.dedup();
        for index in portals.into_iter().filter(|&index| !here || index == asker.controller.portal) {
            let Some(portal) = site.portals.get(index).filter(|portal| !portal.discovery_only) else { continue };
            let Some((address, port)) = reached(asker, index, portal) else { continue };
            let cntlid = match subsystem.controllers {
                Controllers::Dynamic => DYNAMIC,
                Controllers::Static(_) => STATIC,
            };
            let nqn = subsystem.nqn.clone();
            found.push(Found { subtype: Subtype::Subsystem, flags: 0, portal: portal.id, cntlid, nqn, address, port });
        }
    }
    // Two portals that the host reaches at one address are one to it.
    found.sort_by(|a, b| (&a.nqn, a.portal).cmp(&(&b.nqn, b.portal)));
    let mut told = std::collections::BTreeSet::new();
    found.retain(|entry| told.insert((entry.nqn.clone(), entry.address.clone(), entry.port)));
    found
}

fn referrals(site: &Site) -> impl Iterator<Item = Found> + '_ {
    site.discovery.referrals.iter().map(|referral| Found {
        subtype: Subtype::Referral,
        flags: 0,
        portal: 0,
        cntlid: DYNAMIC,
        nqn: referral.nqn.clone(),
        address: bare(&referral.address).to_owned(),
        port: referral.port,
    })
}

/// How the host reaches `portal`, if it can.
fn reached(asker: &Asker<'_, '_>, index: usize, portal: &Portal) -> Option<(String, u16)> {
    if let Some(advertise) = &portal.advertise {
        return Some(split(advertise, portal.bind.port()));
    }
    let local = asker.controller.local.ip().to_canonical();
    // The address it has come to is in reach, whatever the listener is bound to.
    if index == asker.controller.portal {
        return Some((shown(local), asker.controller.local.port()));
    }
    reach::seen_from(portal.bind, local).map(|ip| (shown(ip), portal.bind.port()))
}

/// Without the scope of a link-local address: it is the other side's to know.
fn shown(ip: IpAddr) -> String {
    ip.to_string()
}

/// `host`, `host:port`, an IPv6 address, or `[v6]:port`.
fn split(advertise: &str, port: u16) -> (String, u16) {
    let whole = (bare(advertise).to_owned(), port);
    if advertise.parse::<Ipv6Addr>().is_ok() {
        return whole;
    }
    let Some((host, after)) = advertise.rsplit_once(':') else { return whole };
    after.parse().map_or(whole, |port| (bare(host).to_owned(), port))
}

/// An IPv6 address without its brackets; everything else as it is.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests;
