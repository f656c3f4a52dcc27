//! Portals.

use super::kind;
use super::view::{Findings, Value, View};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where initiators connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// What targets call it.
    pub name: String,
    /// What is bound.
    pub bind: SocketAddr,
    /// What discovery tells instead, `host:port`.
    pub advertise: Option<String>,
    /// Target portal group tag.
    pub tag: u16,
}

impl Portal {
    /// The portal that listens on `bind` and has no ways of its own.
    pub fn at(bind: SocketAddr) -> Portal {
        Portal { name: bind.to_string(), bind, advertise: None, tag: 1 }
    }

    /// Where initiators of this machine alone connect.
    pub fn local() -> Portal {
        Portal::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 3260)))
    }

    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        self.bind.ip().to_canonical().is_loopback()
    }
}

/// Whether one machine cannot listen on both. (An IPv6 wildcard takes no IPv4 connections here.)
pub(super) fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let wild = |ip: IpAddr| ip.is_unspecified();
    let same = a.ip() == b.ip() || (a.is_ipv4() == b.is_ipv4() && (wild(a.ip()) || wild(b.ip())));
    same && a.port() == b.port() && a.port() != 0
}

pub(super) fn read(root: &View<'_>, findings: &mut Findings) -> Vec<Portal> {
    let mut portals: Vec<Portal> = Vec::new();
    let mut binds: Vec<Value<SocketAddr>> = Vec::new();
    for view in root.many("portal") {
        let bind = view.get("bind", |value| kind::address(value, 3260));
        if !view.has("bind") {
            findings
                .problems
                .push(view.finding("this portal has no `bind`", "write bind = \"0.0.0.0:3260\", for example"));
        }
        if let Some(bind) = &bind {
            if let Some(other) = binds.iter().find(|other| clash(other.is, bind.is)) {
                let what = format!("{} has this address already ({})", other.key.trim_end_matches(".bind"), other.is);
                findings.problems.push(bind.finding(what, "choose another address or port, or leave one of them out"));
            }
            binds.push(bind.clone());
        }
        let text = view.get("bind", kind::text).map(|text| text.is.to_owned()).unwrap_or_default();
        let name = view.get("name", kind::label);
        let portal = Portal {
            name: name.as_ref().map_or(text, |name| name.is.to_owned()),
            // One that cannot be read has been told of; the rest is still checked.
            bind: bind.map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |bind| bind.is),
            advertise: view.get("advertise", kind::host_port).map(|value| value.is),
            tag: view.get("tag", |value| kind::integer(value, 0, 65_535)).map_or(1, |tag| tag.is as u16),
        };
        if let Some(name) = name
            && portals.iter().any(|other| other.name == portal.name)
        {
            findings.problems.push(name.finding("another portal has this name already", "choose another name"));
        }
        portals.push(portal);
    }
    if portals.is_empty() { vec![Portal::local()] } else { portals }
}
