//! SendTargets: which targets an initiator is told of, and at which addresses (RFC 7143 §4.3, Appendix C).

use mainstay_base::reach;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::site::{Portal, Site, Target, same_name};
use super::text::push;

/// The most bytes of one answer; targets beyond it are left out whole.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What SendTargets finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// TargetName and TargetAddress pairs, perhaps none.
    pub text: Vec<u8>,
    /// Targets that were not named because of [`ANSWER_BYTES_MAX`].
    pub left_out: usize,
}

/// From where an initiator asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// What we serve.
    pub site: &'a Site,
    /// The initiator's name.
    pub initiator: &'a str,
    /// The portal of its connection, an index into [`Site::portals`].
    pub portal: usize,
    /// Our end of its connection.
    pub local: SocketAddr,
    /// The target it is logged in to; none in a discovery session.
    pub target: Option<&'a str>,
}

impl Asker<'_> {
    /// The answer to `SendTargets=<value>`; `None` when this kind of session may not ask that (`All` in a normal
    /// session, nothing in a discovery session).
    pub fn send_targets(&self, value: &str) -> Option<Found> {
        let wanted = match (value, self.target) {
            ("All", None) => None,
            ("All", Some(_)) | ("", None) => return None,
            ("", Some(own)) => Some(own),
            (name, None) => Some(name),
            // Of the others a normal session learns nothing.
            (name, Some(own)) if same_name(name, own) => Some(own),
            (_, Some(_)) => return Some(Found::default()),
        };
        let mut found = Found::default();
        for target in &self.site.targets {
            if wanted.is_some_and(|name| !same_name(name, &target.name)) || target.auth_for(self.initiator).is_none() {
                continue;
            }
            let before = found.text.len();
            self.describe(target, &mut found.text);
            if found.text.len() > ANSWER_BYTES_MAX {
                found.text.truncate(before);
                found.left_out += 1;
            }
        }
        Some(found)
    }

    /// A target no portal of which is in reach is not named at all: without an address an initiator would take the
    /// one it is connected to (RFC 7143 Appendix C).
    fn describe(&self, target: &Target, text: &mut Vec<u8>) {
        let mut addresses: Vec<String> = Vec::new();
        for &index in &target.portals {
            let Some(portal) = self.site.portals.get(index) else { continue };
            if let Some(address) = self.address(index, portal) {
                let address = format!("{address},{}", portal.tag);
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        if !addresses.is_empty() {
            push(text, "TargetName", &target.name);
            addresses.iter().for_each(|address| push(text, "TargetAddress", address));
        }
    }

    /// How this initiator reaches `portal`, if it can.
    fn address(&self, index: usize, portal: &Portal) -> Option<String> {
        if let Some(advertise) = &portal.advertise {
            return Some(with_port(advertise, portal.bind.port()));
        }
        let local = self.local.ip().to_canonical();
        // The address it has come to is in reach, whatever the listener is bound to.
        if index == self.portal {
            return Some(shown(local, self.local.port()));
        }
        reach::seen_from(portal.bind, local).map(|ip| shown(ip, portal.bind.port()))
    }
}

/// Without the scope of a link-local address: it is the other side's to know.
fn shown(ip: IpAddr, port: u16) -> String {
    SocketAddr::new(ip, port).to_string()
}

/// `advertise` with `port` unless it has one; a bare IPv6 address gets its brackets (RFC 7143 §13.8).
fn with_port(advertise: &str, port: u16) -> String {
    if let Ok(ip) = advertise.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        return shown(ip.into(), port);
    }
    let host = advertise.rsplit_once(']').map_or(advertise, |(_, rest)| rest);
    if host.contains(':') { advertise.to_owned() } else { format!("{advertise}:{port}") }
}

#[cfg(test)]
mod tests;
