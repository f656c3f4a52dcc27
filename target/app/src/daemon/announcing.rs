//! Discovery made known in the local network (multicast DNS): the machine of `proto::mdns` with its sockets, and which of our
//! addresses are told where.
//!
//! I1 Each link of the machine has a socket, and no other has. A socket that cannot be had costs its link, and is tried again.

use super::world::{Socket, World};
use mainstay_base::time::Instant;
use mainstay_edge::clock;
use mainstay_edge::portal::multicast::{self, Interface};
use mainstay_proto::mdns::{Announcer, Link, LinkId, Output, Service};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

/// How often it is looked which interfaces there are.
const LOOK: Duration = Duration::from_secs(15);
/// And after a link was lost for the first time: an address that is being checked cannot be used yet (RFC 4862 §5.4).
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// The longest packet (RFC 6762 §17), and one byte more.
const PACKET_BYTES: usize = 9001;
/// Links at a time, at most: those of the interfaces that have been there longest. A machine of many containers has more.
pub(super) const LINKS_MAX: usize = 32;
/// Packets that are taken from a socket before others have their turn.
const PACKETS: usize = 32;
/// Of the host's own name so much is used in ours: a label has 63 bytes.
const HOST_MAX: usize = 32;

/// All that announces.
#[derive(Debug)]
pub(super) struct Announcing {
    pub machine: Announcer,
    pub sockets: BTreeMap<LinkId, Socket<UdpSocket>>,
    /// When it is looked again which interfaces there are.
    pub looks: Instant,
    /// Links that were lost once.
    lost: BTreeSet<LinkId>,
    /// Links of which it was told what is wrong with them.
    told: BTreeSet<LinkId>,
    /// It was told that there is no link at all.
    alone: bool,
    /// Rung when packets are taken again.
    bell: Rc<Notify>,
}

impl Announcing {
    pub fn new(machine: Announcer, sockets: BTreeMap<LinkId, Socket<UdpSocket>>, looks: Instant) -> Announcing {
        Announcing {
            machine,
            sockets,
            looks,
            lost: BTreeSet::new(),
            told: BTreeSet::new(),
            alone: false,
            bell: Rc::default(),
        }
    }

    fn look(&mut self, portals: &[SocketAddr], now: Instant) {
        self.looks = now + LOOK;
        let interfaces = match multicast::interfaces() {
            Ok(interfaces) => interfaces,
            Err(error) => return tracing::debug!("which network interfaces there are: {error}"),
        };
        let wanted: Vec<_> =
            interfaces.iter().flat_map(|interface| links(portals, interface)).take(LINKS_MAX).collect();
        for known in [&mut self.lost, &mut self.told] {
            known.retain(|id| wanted.iter().any(|(link, _)| link.id == *id));
        }
        let before: Vec<Link> = self.machine.links().cloned().collect();
        let mut sockets = BTreeMap::new();
        for (link, interface) in &wanted {
            // A socket speaks from the addresses that its interface had.
            let old = before.contains(link).then(|| self.sockets.remove(&link.id)).flatten();
            let join = || Ok(Socket::Live(Rc::new(multicast::adopt(multicast::join(interface, link.id.ipv6)?)?)));
            match old.map_or_else(join, Ok) {
                Ok(socket) => drop(sockets.insert(link.id, socket)),
                Err(error) => self.complain(link.id, &error),
            }
        }
        self.sockets = sockets;
        let alone = wanted.is_empty();
        if !std::mem::replace(&mut self.alone, alone) && alone {
            tracing::warn!("discovery is announced nowhere: no portal of NVMe/TCP is reached from a network");
        }
        let links = wanted.into_iter().map(|(link, _)| link).filter(|link| self.sockets.contains_key(&link.id));
        self.machine.set_links(links.collect(), now);
    }

    /// Once for each link, while it is there.
    fn complain(&mut self, id: LinkId, error: &io::Error) {
        if self.told.insert(id) {
            let (name, family) = (multicast::name(id.interface), if id.ipv6 { "IPv6" } else { "IPv4" });
            tracing::warn!("discovery cannot be announced on {name} ({family}): {error}");
        }
    }

    /// Take what the sockets have.
    fn hear(&mut self, now: Instant) {
        let mut bytes = [0; PACKET_BYTES];
        let live: Vec<_> = self.sockets.iter().filter_map(|(&id, socket)| Some((id, socket.live()?.clone()))).collect();
        for (id, socket) in live {
            for _ in 0..PACKETS {
                match socket.try_recv_from(&mut bytes) {
                    Ok((len, from)) => {
                        let outputs = self.machine.receive(id, from, &bytes[..len], now);
                        self.send(outputs, now);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        self.lose(id, &error, now);
                        break;
                    }
                }
            }
        }
    }

    /// What cannot go at once is lost, as packets are; where nothing can be told to all, so is the link.
    fn send(&mut self, outputs: Vec<Output>, now: Instant) {
        for Output { link, to, bytes } in outputs {
            let Some(socket) = self.sockets.get(&link).and_then(Socket::live) else { continue };
            let all = multicast::group(link.interface, link.ipv6);
            match multicast::send(socket, &bytes, to.unwrap_or(all)) {
                Err(error) if to.is_none() && error.kind() != io::ErrorKind::WouldBlock => self.lose(link, &error, now),
                _ => {}
            }
        }
    }

    /// Give a link up until the interfaces are looked at again. Then all is told on it anew.
    fn lose(&mut self, id: LinkId, error: &io::Error, now: Instant) {
        if self.lost.insert(id) {
            self.looks = self.looks.min(now + LOOK_AGAIN);
        } else {
            self.complain(id, error);
        }
        self.sockets.remove(&id);
        let left: Vec<_> = self.machine.links().filter(|link| link.id != id).cloned().collect();
        self.machine.set_links(left, now);
    }
}

/// The links of `interface` on which one of `portals`, the best first, is reached; and of the interface what they need.
fn links(portals: &[SocketAddr], interface: &Interface) -> Vec<(Link, Interface)> {
    // Who listens on every address is not known as one to be reached by loopback, nor is loopback a network.
    let reaches = |bind: &SocketAddr, ip: IpAddr| match bind.ip().is_unspecified() {
        true => !interface.loopback && bind.is_ipv4() == ip.is_ipv4(),
        false => bind.ip() == ip,
    };
    let reached = |bind: &&SocketAddr| interface.addresses.iter().any(|&(ip, _)| reaches(bind, ip));
    let Some(port) = portals.iter().find(reached).map(SocketAddr::port) else { return Vec::new() };
    let told = |&&(ip, _): &&(IpAddr, u8)| portals.iter().any(|bind| bind.port() == port && reaches(bind, ip));
    let addresses: Vec<_> = interface.addresses.iter().filter(told).copied().collect();
    let families = [false, true].into_iter().filter(|&ipv6| addresses.iter().any(|(ip, _)| ip.is_ipv6() == ipv6));
    let link = |ipv6| {
        let id = LinkId { interface: interface.index, ipv6 };
        (
            Link { id, addresses: addresses.clone(), port },
            Interface { addresses: addresses.clone(), ..interface.clone() },
        )
    };
    families.map(link).collect()
}

/// The names of a daemon, which nobody else has: in them are the names of its host and its state directory and the identities
/// of its volumes, as a digest. The second is a number made of the same.
fn service<'a>(host: &str, place: &[u8], volumes: impl Iterator<Item = &'a [u8; 16]>, nqn: &str) -> (Service, u64) {
    let mut digest = Sha256::new();
    for part in [host.as_bytes(), place] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    volumes.for_each(|uuid| digest.update(uuid));
    let digest: [u8; 32] = digest.finalize().into();
    let id: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let label = host.split('.').next().unwrap_or_default();
    let label: String = label.chars().take(HOST_MAX).map(letter).collect();
    let service = Service {
        instance: format!("Mainstay on {label} ({id})"),
        host: format!("{label}-mainstay-{id}").trim_start_matches('-').to_owned(),
        nqn: nqn.to_owned(),
    };
    (service, digest[8..16].iter().fold(0, |seed, &byte| seed << 8 | u64::from(byte)))
}

impl World {
    /// Begin to announce, if that is wanted and has not begun. False: there is nothing to announce.
    pub fn begin_announcing(&mut self) -> bool {
        if self.nvme.site.discovery.announce && self.announcing.is_none() {
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let place = self.places.state_dir.as_os_str().as_encoded_bytes();
            let uuids = self.units.iter().map(|unit| &unit.disk.identity.uuid);
            let (service, seed) = service(&host, place, uuids, &self.nvme.site.discovery.nqn);
            let machine = Announcer::new(service, Vec::new(), seed, clock::now());
            self.announcing = Some(Announcing::new(machine, BTreeMap::new(), Instant(0)));
        }
        self.announcing.is_some()
    }

    /// Where discovery is served: first where nothing else is.
    fn discovery_portals(&self) -> Vec<SocketAddr> {
        let first = self.site.portals.len();
        let portals = self.nvme.site.portals.iter().zip(first..).filter(|(_, at)| self.listens(*at));
        let mut portals: Vec<_> = portals.map(|(portal, _)| portal).collect();
        portals.sort_by_key(|portal| !portal.discovery_only);
        portals.into_iter().map(|portal| portal.bind).collect()
    }

    /// Do what is to be done now. Gives how long to wait for the next call, at most, and whose packets are to be waited for;
    /// none: it is over.
    fn announce(&mut self) -> Option<(Duration, Rc<Notify>, Vec<Rc<UdpSocket>>)> {
        let (now, reads, portals) = (clock::now(), self.reads(), self.discovery_portals());
        let announcing = self.announcing.as_mut()?;
        let bell = announcing.bell.clone();
        if !reads {
            return Some((LOOK, bell, Vec::new()));
        }
        if announcing.looks <= now {
            announcing.look(&portals, now);
        }
        announcing.hear(now);
        let outputs = announcing.machine.tick(now);
        announcing.send(outputs, now);
        let next = announcing.machine.deadline().map_or(announcing.looks, |due| due.min(announcing.looks));
        let sockets = announcing.sockets.values().filter_map(Socket::live).cloned().collect();
        Some((next.since(now), bell, sockets))
    }

    /// Packets are taken again.
    pub fn go_on_announcing(&self) {
        if let Some(announcing) = &self.announcing {
            announcing.bell.notify_one();
        }
    }

    /// Say goodbye.
    pub fn cease_announcing(&mut self) {
        if let Some(mut announcing) = self.announcing.take() {
            let outputs = announcing.machine.stop();
            announcing.send(outputs, clock::now());
            announcing.bell.notify_one();
        }
    }
}

/// Announce until the daemon stops.
pub(super) async fn announce(world: super::reactor::Shared) {
    loop {
        let Some((wait, bell, sockets)) = world.borrow_mut().announce() else { return };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = bell.notified() => {}
            () = heard(&sockets) => {}
        }
        // Whoever sends much is not the only one.
        tokio::task::yield_now().await;
    }
}

/// Until one of them may have a packet.
async fn heard(sockets: &[Rc<UdpSocket>]) {
    let heard = |cx: &mut Context<'_>| {
        // Each of them is asked, for each has to wake us.
        let ready = sockets.iter().filter(|socket| socket.poll_recv_ready(cx).is_ready()).count();
        if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
    };
    std::future::poll_fn(heard).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(loopback: bool, addresses: &[(&str, u8)]) -> Interface {
        let addresses = addresses.iter().map(|(ip, prefix)| (ip.parse().unwrap(), *prefix)).collect();
        Interface { index: 3, name: "eth0".into(), loopback, addresses }
    }

    /// Families, addresses and port.
    fn told(portals: &[&str], interface: &Interface) -> Option<(Vec<bool>, Vec<String>, u16)> {
        let portals: Vec<SocketAddr> = portals.iter().map(|portal| portal.parse().unwrap()).collect();
        let links = links(&portals, interface);
        let (first, joined) = links.first()?;
        assert!(links.iter().all(|(link, _)| link.addresses == first.addresses && link.port == first.port));
        assert_eq!(joined.addresses, first.addresses);
        let addresses = first.addresses.iter().map(|(ip, _)| ip.to_string()).collect();
        Some((links.iter().map(|(link, _)| link.id.ipv6).collect(), addresses, first.port))
    }

    #[test]
    fn what_is_told_can_be_reached() {
        let network = interface(false, &[("192.0.2.7", 24), ("198.51.100.7", 24), ("fe80::7", 64)]);
        let all = |ips: &[&str]| ips.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            told(&["0.0.0.0:8009", "[::]:8009", "0.0.0.0:4420"], &network),
            Some((vec![false, true], all(&["192.0.2.7", "198.51.100.7", "fe80::7"]), 8009))
        );
        assert_eq!(told(&["0.0.0.0:8009"], &network), Some((vec![false], all(&["192.0.2.7", "198.51.100.7"]), 8009)));
        assert_eq!(
            told(&["127.0.0.1:8009", "198.51.100.7:4420"], &network),
            Some((vec![false], all(&["198.51.100.7"]), 4420)),
            "one that is of use here"
        );
        assert_eq!(told(&["127.0.0.1:8009", "203.0.113.1:4420"], &network), None);
        let loopback = interface(true, &[("127.0.0.1", 8), ("::1", 128)]);
        assert_eq!(told(&["0.0.0.0:8009", "[::]:8009"], &loopback), None);
        assert_eq!(told(&["127.0.0.1:8009"], &loopback), Some((vec![false], all(&["127.0.0.1"]), 8009)));
    }

    #[test]
    fn names_are_nobody_elses() {
        let of = |host: &str, place: &str, uuid| service(host, place.as_bytes(), [&[uuid; 16]].into_iter(), "nqn.x").0;
        let one = of("Store_1.example.org", "/var/lib/mainstay", 1);
        assert!(one.instance.starts_with("Mainstay on store-1 ("), "{one:?}");
        assert!(one.host.starts_with("store-1-mainstay-"), "{one:?}");
        assert_eq!((one.nqn.as_str(), &one), ("nqn.x", &of("Store_1.example.org", "/var/lib/mainstay", 1)));
        let others = [
            of("store-1", "/var/lib/mainstay", 1),
            of("Store_1.example.org", "/tmp", 1),
            of("Store_1.example.org", "/var/lib/mainstay", 2),
        ];
        assert!(others.iter().all(|other| other.instance != one.instance && other.host != one.host));
        let long = of(&"ä".repeat(300), "", 0);
        assert!(long.instance.len() <= 63 && long.host.len() <= 63 && long.host.starts_with("mainstay-"), "{long:?}");
    }
}
