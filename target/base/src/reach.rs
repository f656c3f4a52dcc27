//! Which of our addresses somebody can reach, judged by the one it has come to: what discovery of either protocol tells.

use std::net::{IpAddr, SocketAddr};

/// The address under which who has come to `local` reaches a listener bound to `bind`; none: not at all, as far as we know.
pub fn seen_from(bind: SocketAddr, local: IpAddr) -> Option<IpAddr> {
    let (bind, local) = (bind.ip().to_canonical(), local.to_canonical());
    let ip = if bind.is_unspecified() {
        // A wildcard listens on this address too if it is of the same family.
        (bind.is_ipv4() == local.is_ipv4()).then_some(local)?
    } else {
        bind
    };
    let in_reach = (!ip.is_loopback() || local.is_loopback()) && (!is_link_local(ip) || is_link_local(local));
    in_reach.then_some(ip)
}

/// It means something on one link only.
pub fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_in_shows_which_others_there_are() {
        for (bind, local, seen) in [
            ("0.0.0.0:1", "192.0.2.7", Some("192.0.2.7")),
            ("[::]:1", "192.0.2.7", None),
            ("[::]:1", "2001:db8::1", Some("2001:db8::1")),
            ("0.0.0.0:1", "::ffff:192.0.2.7", Some("192.0.2.7")),
            ("127.0.0.1:1", "192.0.2.7", None),
            ("127.0.0.1:1", "127.0.0.1", Some("127.0.0.1")),
            ("[fe80::1]:1", "2001:db8::1", None),
            ("[fe80::1]:1", "fe80::2", Some("fe80::1")),
            ("198.51.100.1:1", "192.0.2.7", Some("198.51.100.1")),
        ] {
            let found = seen_from(bind.parse().unwrap(), local.parse().unwrap());
            assert_eq!(found, seen.map(|ip| ip.parse().unwrap()), "{bind} from {local}");
        }
    }
}
