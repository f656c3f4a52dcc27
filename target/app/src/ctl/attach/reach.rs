//! The address under which an initiator finds a portal.

use crate::control::words::{NvmePortal, Portal, Subsystem, Target};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Host and port, as initiators take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    pub port: u16,
}

/// Port 3260 is that of iSCSI (RFC 7143 §15).
pub(super) const PORT: u16 = 3260;
const NVME_PORT: u16 = 4420;

impl Reach {
    /// How `target` is reached; the first of its portals.
    pub fn of(target: &Target, portals: &[Portal]) -> Reach {
        let portal =
            portals.iter().find(|portal| target.portals.is_empty() || target.portals.contains(&portal.address));
        match portal {
            Some(portal) => Reach::portal_of(portal),
            None => Reach { host: Ipv4Addr::LOCALHOST.to_string(), port: PORT },
        }
    }

    /// How `subsystem` is reached; the first of its portals.
    pub fn of_subsystem(subsystem: &Subsystem, portals: &[NvmePortal]) -> Reach {
        match portals.iter().find(|portal| subsystem.portals.contains(&portal.address)) {
            Some(portal) => Reach::at(portal.address, portal.advertise.as_ref()),
            None => Reach { host: Ipv4Addr::LOCALHOST.to_string(), port: NVME_PORT },
        }
    }

    fn portal_of(portal: &Portal) -> Reach {
        Reach::at(portal.address, portal.advertise.as_ref())
    }

    fn at(bound: SocketAddr, advertise: Option<&String>) -> Reach {
        if let Some(advertise) = advertise {
            if let Ok(address) = advertise.parse::<SocketAddr>() {
                return Reach { host: address.ip().to_string(), port: address.port() };
            }
            if let Some((host, Ok(port))) = advertise.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
                return Reach { host: host.to_owned(), port };
            }
            return Reach { host: advertise.clone(), port: bound.port() };
        }
        let ip = bound.ip();
        let ip = if ip.is_unspecified() { outward(ip) } else { ip };
        Reach { host: ip.to_string(), port: bound.port() }
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn portal(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The same for a shell, to which brackets mean something.
    pub fn portal_quoted(&self) -> String {
        if self.host.contains(':') { format!("'{}'", self.portal()) } else { self.portal() }
    }

    /// As libiscsi and QEMU name a logical unit.
    pub fn url(&self, target: &str, lun: u16) -> String {
        format!("iscsi://{}/{target}/{lun}", self.portal())
    }
}

/// The address this machine is known by on its default route; the loopback address without one. Connecting a datagram
/// socket sends nothing, it only chooses the route.
fn outward(wildcard: IpAddr) -> IpAddr {
    // Documentation addresses (RFC 5737, RFC 3849): never local, so they take the default route.
    let (there, loopback) = match wildcard {
        IpAddr::V4(_) => (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(_) => (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST)),
    };
    let route = UdpSocket::bind((wildcard, 0)).and_then(|socket| {
        socket.connect((there, 9))?;
        socket.local_addr()
    });
    route.map(|address| address.ip()).ok().filter(|ip| !ip.is_unspecified()).unwrap_or(loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portal(address: &str, advertise: Option<&str>) -> String {
        let portal = Portal {
            address: address.parse().unwrap(),
            advertise: advertise.map(str::to_owned),
            tag: 1,
            targets: 1,
            sessions: 0,
        };
        Reach::portal_of(&portal).portal()
    }

    #[test]
    fn a_portal_is_told_as_an_initiator_reaches_it() {
        assert_eq!(portal("127.0.0.1:3260", None), "127.0.0.1:3260");
        assert_eq!(portal("[::1]:3261", None), "[::1]:3261");
        assert_eq!(portal("0.0.0.0:1", Some("disks.example:3262")), "disks.example:3262");
        assert_eq!(portal("0.0.0.0:7", Some("disks.example")), "disks.example:7");
        assert_eq!(portal("0.0.0.0:7", Some("[2001:db8::5]:8")), "[2001:db8::5]:8");
        let any = portal("0.0.0.0:3260", None);
        assert!(any.ends_with(":3260") && !any.starts_with("0.0.0.0"), "{any}");
    }
}
