//! The discovery service made known in the local network: multicast DNS (RFC 6762) with service discovery (RFC 6763), as
//! hosts look for NVMe/TCP discovery controllers (`_nvme-disc._tcp`, TXT `p=tcp` and `nqn=…`; NVM Express TP 8009).
//!
//! A machine without I/O: [`Announcer`] announces twice when it begins, answers questions, and says goodbye when it stops.
//! Packets come and go by [`Link`]: one interface and one family of addresses, which is one socket of its owner.
//!
//! Non-goals: no looking for others; no probing (RFC 6762 §8.1), since the caller gives names that are nobody else's: they have
//! the identity of this daemon in them; no known answers that are spread over several packets (§7.2): a question that is
//! answered once too often costs a packet.
//!
//! Bounds: packets of 9000 bytes (§17); each makes one answer at most, none to who is not on the link, so nobody far away can
//! have us send to a third.

mod announcer;
mod records;
mod saved;

#[cfg(test)]
mod tests;

pub use announcer::{Announcer, Output};
pub use saved::{AnnouncerV1, Unfit};

use std::net::IpAddr;

/// UDP port of multicast DNS.
pub const PORT: u16 = 5353;

/// What is made known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The name people see; at most 63 bytes of it are used. Nobody else's.
    pub instance: String,
    /// The first label of this machine's name for the addresses; nobody else's either.
    pub host: String,
    /// The name of the discovery subsystem.
    pub nqn: String,
}

/// One socket: an interface and a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// Index of the interface.
    pub interface: u32,
    /// IPv6 instead of IPv4.
    pub ipv6: bool,
}

/// A link, and how the service is reached there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which.
    pub id: LinkId,
    /// Our addresses of both families, with the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The port of the discovery service.
    pub port: u16,
}

impl Link {
    /// Whether `peer` is a neighbour (RFC 6762 §11).
    fn has(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        if let IpAddr::V6(ip) = peer
            && ip.is_unicast_link_local()
        {
            return true;
        }
        self.addresses.iter().any(|&(own, prefix)| match (own, peer) {
            (IpAddr::V4(own), IpAddr::V4(peer)) => same(own.to_bits().into(), peer.to_bits().into(), 32, prefix),
            (IpAddr::V6(own), IpAddr::V6(peer)) => same(own.to_bits(), peer.to_bits(), 128, prefix),
            _ => false,
        })
    }
}

/// Whether two addresses of `bits` share their first `prefix`.
fn same(a: u128, b: u128, bits: u32, prefix: u8) -> bool {
    let rest = bits.saturating_sub(prefix.into());
    rest == 128 || (a ^ b) >> rest == 0
}
