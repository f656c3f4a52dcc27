//! A bounded room for connections that hold no session of a target: those that log in, and discovery sessions.
//!
//! Whoever comes is let in. When the room is full, the oldest one of the address that has most in it has to go: so a
//! flood, from one address or from many, lasts no one else's chance longer than the flood itself, and an initiator whose
//! login takes a moment only gets through it.

use mainstay_base::sam::NexusId;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

#[derive(Debug)]
pub(super) struct Lobby {
    max: usize,
    guests: BTreeMap<NexusId, IpAddr>,
    by_address: HashMap<IpAddr, usize>,
}

impl Lobby {
    /// A room for `max`, at least one.
    pub fn new(max: usize) -> Lobby {
        Lobby { max: max.max(1), guests: BTreeMap::new(), by_address: HashMap::new() }
    }

    /// Let a newcomer in. Gives who has to go for that; it has left already.
    pub fn enter(&mut self, id: NexusId, from: IpAddr) -> Option<NexusId> {
        let address = whose(from);
        let leaves = if self.guests.len() >= self.max { self.oldest_of_the_many(address) } else { None };
        if let Some(id) = leaves {
            self.leave(id);
        }
        self.guests.insert(id, address);
        *self.by_address.entry(address).or_default() += 1;
        leaves
    }

    /// Whether it is in.
    pub fn has(&self, id: NexusId) -> bool {
        self.guests.contains_key(&id)
    }

    /// It has logged in, or is gone.
    pub fn leave(&mut self, id: NexusId) {
        let Some(address) = self.guests.remove(&id) else { return };
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    fn oldest_of_the_many(&self, newcomer: IpAddr) -> Option<NexusId> {
        let count = |address: &IpAddr| {
            self.by_address.get(address).copied().unwrap_or_default() + usize::from(*address == newcomer)
        };
        let most = self.by_address.keys().map(count).max()?;
        // Names are given in the order of arrival.
        self.guests.iter().find(|(_, address)| count(address) == most).map(|(&id, _)| id)
    }
}

/// The address that stands for a peer: of IPv6 the first 64 bits, since the rest is the peer's own choice.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_has_most_makes_room() {
        let mut lobby = Lobby::new(4);
        for n in 1..=3 {
            assert_eq!(lobby.enter(NexusId(n), ip("10.0.0.1")), None);
        }
        assert_eq!(lobby.enter(NexusId(4), ip("10.0.0.2")), None);
        assert_eq!(lobby.enter(NexusId(5), ip("::ffff:10.0.0.2")), Some(NexusId(1)));
        // Both have two; with the newcomer the second has three.
        assert_eq!(lobby.enter(NexusId(6), ip("10.0.0.2")), Some(NexusId(4)));
        assert_eq!(lobby.enter(NexusId(7), ip("10.0.0.3")), Some(NexusId(2)));
        lobby.leave(NexusId(3));
        lobby.leave(NexusId(3));
        assert_eq!(lobby.enter(NexusId(8), ip("10.0.0.4")), None);
        assert_eq!((lobby.guests.len(), lobby.by_address.len()), (4, 3));
    }

    #[test]
    fn a_flood_from_everywhere_makes_the_oldest_go_and_one_network_is_one_peer() {
        let mut lobby = Lobby::new(3);
        for n in 0..100u64 {
            let gone = lobby.enter(NexusId(n), ip(&format!("10.0.0.{n}")));
            assert_eq!(gone, n.checked_sub(3).map(NexusId));
        }
        let mut lobby = Lobby::new(2);
        assert_eq!(lobby.enter(NexusId(1), ip("2001:db8::1")), None);
        assert_eq!(lobby.enter(NexusId(2), ip("2001:db8:0:1::1")), None);
        assert_eq!(lobby.enter(NexusId(3), ip("2001:db8:0:1::2")), Some(NexusId(2)));
    }
}
