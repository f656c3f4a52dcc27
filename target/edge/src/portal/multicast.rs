//! Sockets for multicast DNS (RFC 6762): one for each interface and family, so that what comes by one is answered there.
//!
//! Others on this machine listen on the same port; whoever has it first lets us in only if it shares, as all of them do.

use super::sys;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;
use tokio::net::UdpSocket;

/// Where everybody listens.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const PORT: u16 = 5353;
/// So that receivers can tell that nobody has passed it on (RFC 6762 §11).
const HOPS: u32 = 255;

/// An interface that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// It goes nowhere but to this machine.
    pub loopback: bool,
    /// Its addresses, with the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// The interfaces that are up and can multicast (and loopback), by number.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut found: Vec<Interface> = vec![];
    for sys::Address { name, flags, ip, prefix } in sys::addresses()? {
        let loopback = flags & libc::IFF_LOOPBACK != 0;
        if flags & libc::IFF_UP == 0 || !loopback && flags & libc::IFF_MULTICAST == 0 {
            continue;
        }
        if let Some(interface) = found.iter_mut().find(|interface| interface.name == name) {
            interface.addresses.push((ip, prefix));
            continue;
        }
        // It may be gone by now.
        let Some(index) = sys::index(&name) else { continue };
        found.push(Interface { index, name, loopback, addresses: vec![(ip, prefix)] });
    }
    found.iter_mut().for_each(|interface| interface.addresses.sort_unstable());
    found.sort_by_key(|interface| interface.index);
    Ok(found)
}

/// What people call the interface with this number.
pub fn name(index: u32) -> String {
    sys::name(index).unwrap_or_else(|| format!("interface {index}"))
}

/// A socket for one family on `interface`.
pub fn join(interface: &Interface, ipv6: bool) -> io::Result<OwnedFd> {
    let domain = if ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // On Linux it would share packets out among us and those of our user.
    #[cfg(not(target_os = "linux"))]
    socket.set_reuse_port(true)?;
    if ipv6 {
        socket.set_only_v6(true)?;
        #[cfg(target_os = "linux")]
        socket.set_multicast_all_v6(false)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)).into())?;
        socket.set_multicast_if_v6(interface.index)?;
        socket.set_multicast_hops_v6(HOPS)?;
        socket.set_unicast_hops_v6(HOPS)?;
        socket.join_multicast_v6(&GROUP_V6, interface.index)?;
    } else {
        #[cfg(target_os = "linux")]
        socket.set_multicast_all_v4(false)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into())?;
        let v4 = |&(ip, _): &(IpAddr, u8)| if let IpAddr::V4(ip) = ip { Some(ip) } else { None };
        let own = interface.addresses.iter().find_map(v4).ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.set_multicast_if_v4(&own)?;
        socket.set_multicast_ttl_v4(HOPS)?;
        socket.set_ttl_v4(HOPS)?;
        socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(interface.index))?;
    }
    Ok(socket.into())
}

/// Where to send what is for everybody on the interface with this number.
pub fn group(interface: u32, ipv6: bool) -> SocketAddr {
    if ipv6 { SocketAddrV6::new(GROUP_V6, PORT, 0, interface).into() } else { SocketAddrV4::new(GROUP_V4, PORT).into() }
}

/// A socket that was joined, or a predecessor's, for the runtime that calls. `recv_from` is its own.
pub fn adopt(descriptor: OwnedFd) -> io::Result<UdpSocket> {
    super::never_waits(&descriptor)?;
    UdpSocket::from_std(descriptor.into())
}

/// Send a packet now, or not at all. Whether the runtime has heard that there is room does not matter.
pub fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    SockRef::from(socket).send_to(bytes, &to.into()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn loopback_is_among_the_interfaces() {
        let found = interfaces().unwrap();
        let loopback = found.iter().find(|interface| interface.loopback).unwrap();
        assert!(loopback.addresses.contains(&("127.0.0.1".parse().unwrap(), 8)), "{loopback:?}");
        assert_eq!((name(loopback.index), name(u32::MAX)), (loopback.name.clone(), format!("interface {}", u32::MAX)));
        assert!(loopback.index > 0 && found.iter().filter(|other| other.name == loopback.name).count() == 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn two_of_this_machine_hear_each_other() {
        let found = interfaces().unwrap();
        let loopback = found.iter().find(|interface| interface.loopback).unwrap();
        hear(loopback, false).await;
        // Packets of IPv6 have no way over loopback; that it can be joined must do.
        for interface in found.iter().filter(|interface| interface.addresses.iter().any(|(ip, _)| ip.is_ipv6())) {
            join(interface, true).unwrap();
        }
    }

    async fn hear(interface: &Interface, ipv6: bool) {
        let [one, other] = [(); 2].map(|()| adopt(join(interface, ipv6).unwrap()).unwrap());
        // As after a swap.
        let other = adopt(OwnedFd::from(other.into_std().unwrap())).unwrap();
        let sent = format!("not DNS {}", std::process::id());
        one.send_to(sent.as_bytes(), group(interface.index, ipv6)).await.unwrap();
        let mut bytes = [0; 64];
        let heard = async {
            loop {
                let (len, from) = other.recv_from(&mut bytes).await.unwrap();
                if &bytes[..len] == sent.as_bytes() {
                    return from;
                }
            }
        };
        let from = tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap();
        assert_eq!(from.port(), PORT);
    }
}
