//! Discovery made known by multicast DNS (RFC 6762, 6763; NVM Express TP 8009), heard on loopback.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use mainstay_testkit::daemon::{Daemon, free_port};
use socket2::{Domain, Protocol, Socket, Type};

use super::{SOON, skip};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;

/// A daemon that announces, and the name of its discovery subsystem, which is its alone.
fn announcing() -> (Daemon, String) {
    let [iscsi, nvme] = [free_port(), free_port()];
    let nqn = format!("nqn.2026-11.internal.mainstay.test:{}-{nvme}", std::process::id());
    let daemon = Daemon::builder().config(&format!(
        r#"
        [[portal]]
        bind = "127.0.0.1:{iscsi}"
        [[volume]]
        name = "disk"
        memory = "64 MiB"
        [[nvme.portal]]
        bind = "127.0.0.1:{nvme}"
        [nvme.discovery]
        name = "{nqn}"
        announce = true
        [[nvme.subsystem]]
        name = "disk"
        [[nvme.subsystem.namespace]]
        nsid = 1
        volume = "disk"
        "#
    ));
    (daemon.start(), nqn)
}

/// Hears what is said to all on loopback, with others of this machine. None: this machine does not let us.
fn listen() -> Option<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).ok()?;
    socket.set_reuse_address(true).ok()?;
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into()).ok()?;
    socket.join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST).ok()?;
    Some(socket.into())
}

/// The life of the record that says `nqn`, from the first packet with it; none: nobody says it in time.
fn hear(socket: &UdpSocket, nqn: &str, patience: Duration) -> Option<(u32, Vec<u8>)> {
    let text = format!("nqn={nqn}");
    // Two strings, each behind its length (RFC 6763 §6.4).
    let record = [&[5][..], b"p=tcp", &[text.len() as u8], text.as_bytes()].concat();
    let deadline = Instant::now() + patience;
    let mut packet = [0; 9000];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        socket.set_read_timeout(Some(left)).unwrap();
        let Ok((len, _)) = socket.recv_from(&mut packet) else { return None };
        let packet = &packet[..len];
        // Time to live and length stand before the data (RFC 1035 §3.2.1).
        if let Some(at) = packet.windows(record.len()).position(|window| window == record) {
            let life = packet[at - 6..at - 2].try_into().unwrap();
            return Some((u32::from_be_bytes(life), packet.to_vec()));
        }
    }
}

/// Asks where discovery is, as one who does not know multicast DNS (RFC 6762 §6.7): who answers does so to us alone.
fn ask() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let question = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x0a_nvme-disc\x04_tcp\x05local\0\0\x0c\0\x01";
    socket.send_to(question, (GROUP, PORT)).unwrap();
    socket
}

fn answered(daemon: &Daemon, nqn: &str) -> Vec<u8> {
    let (life, packet) = hear(&ask(), nqn, SOON).unwrap_or_else(|| panic!("no answer\n{}", daemon.words()));
    assert!((1..=10).contains(&life), "{life}");
    packet
}

#[test]
fn discovery_is_announced_and_asked_for_and_goes_on_over_a_swap() {
    let Some(socket) = listen() else { return skip("multicast DNS cannot be listened to here") };
    let (mut daemon, nqn) = announcing();
    let port = daemon.namespace().portal.port();
    for nth in ["first", "second"] {
        let (life, packet) = hear(&socket, &nqn, SOON).unwrap_or_else(|| panic!("no {nth}\n{}", daemon.words()));
        assert_eq!(life, 75 * 60);
        // SRV: priority, weight, port; A: four bytes.
        let has = |bytes: &[u8]| packet.windows(bytes.len()).any(|window| window == bytes);
        assert!(has(&[&[0; 4][..], &port.to_be_bytes()].concat()) && has(&[0, 4, 127, 0, 0, 1]), "{packet:02x?}");
    }
    let before = answered(&daemon, &nqn);
    daemon.ctl_ok(&["swap", "--allow-same"]);
    assert_eq!(answered(&daemon, &nqn), before);
    // All was said before; the sockets are those of before.
    assert_eq!(hear(&socket, &nqn, Duration::from_millis(1500)), None);
    assert!(daemon.stop().success());
    let (life, _) = hear(&socket, &nqn, SOON).expect("a goodbye");
    assert_eq!(life, 0);
}

/// The second announcement is due a second after the first, whoever says it.
#[test]
fn a_swap_between_two_announcements_neither_repeats_nor_forgets() {
    let Some(socket) = listen() else { return skip("multicast DNS cannot be listened to here") };
    let (daemon, nqn) = announcing();
    hear(&socket, &nqn, SOON).unwrap_or_else(|| panic!("no announcement\n{}", daemon.words()));
    daemon.ctl_ok(&["swap", "--allow-same"]);
    assert!(hear(&socket, &nqn, SOON).is_some(), "{}", daemon.words());
    assert_eq!(hear(&socket, &nqn, Duration::from_millis(1500)), None);
    answered(&daemon, &nqn);
}
