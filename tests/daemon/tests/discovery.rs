//! SendTargets: addresses that the asker can reach (RFC 7143 appendix C).

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use mainstay_testkit::daemon::{Daemon, INITIATOR, free_port};
use mainstay_testkit::initiator::{Error, Login, opcode, pdu};

use super::{assert_refused, configured};

#[test]
fn a_wildcard_portal_answers_with_the_address_that_was_called() {
    let port = free_port();
    let daemon = Daemon::builder().iscsi(&format!("0.0.0.0:{port}")).start();
    for host in ["127.0.0.1", "127.0.0.2", "127.3.2.1"] {
        let portal: SocketAddr = format!("{host}:{port}").parse().unwrap();
        let mut session = Login::discovery(INITIATOR).connect(portal).unwrap();
        let found = session.send_targets("All").unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, daemon.volume().target);
        assert_eq!(found[0].1, [format!("{host}:{port},1")]);
        Login::new(INITIATOR, &found[0].0).connect(portal).unwrap();
    }
}

#[test]
fn version_6_addresses_stand_in_brackets() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return super::skip("no IPv6 on loopback");
    }
    let port = free_port();
    let daemon = Daemon::builder().iscsi(&format!("[::]:{port}")).start();
    let portal = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let found = Login::discovery(INITIATOR).connect(portal).unwrap().send_targets("All").unwrap();
    assert_eq!(found, [(daemon.volume().target, vec![format!("[::1]:{port},1")])]);
}

#[test]
fn portals_have_tags_and_may_advertise_another_address() {
    let (one, two) = (free_port(), free_port());
    let text = format!(
        r#"
        [[portal]]
        bind = "127.0.0.1:{one}"
        name = "one"
        tag = 1
        [[portal]]
        bind = "127.0.0.1:{two}"
        name = "two"
        tag = 7
        advertise = "storage.example:3260"
        [[volume]]
        name = "disk"
        memory = "1 MiB"
        [[target]]
        name = "everywhere"
        lun = [{{ number = 0, volume = "disk" }}]
        [[volume]]
        name = "second"
        memory = "1 MiB"
        [[target]]
        name = "two-only"
        portals = ["two"]
        lun = [{{ number = 0, volume = "second" }}]
        "#
    );
    let _daemon = Daemon::builder().config(&text).start();
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let names = ["everywhere", "two-only"].map(|name| format!("iqn.2026-11.internal.mainstay:{name}"));
    let name = |n: usize| names[n].clone();
    let mut session = Login::discovery(INITIATOR).connect(at(one)).unwrap();
    let found = session.send_targets("All").unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    let everywhere = found.iter().find(|(target, _)| *target == name(0)).expect("the first target");
    assert_eq!(everywhere.1, [format!("127.0.0.1:{one},1"), "storage.example:3260,7".to_owned()]);
    let second = found.iter().find(|(target, _)| *target == name(1)).expect("the second target");
    assert_eq!(second.1, ["storage.example:3260,7"]);
    // By name: that one alone; a stranger's name: nothing.
    assert_eq!(session.send_targets(&name(1)).unwrap(), std::slice::from_ref(second));
    assert!(session.send_targets("iqn.2026-11.internal.mainstay:nobody").unwrap().is_empty());
    // A target is only where its portals are.
    assert_refused(Login::new(INITIATOR, &name(1)).connect(at(one)), 2, Some(3));
    // In a normal session an empty value means the target of the session.
    let mut normal = Login::new(INITIATOR, &name(0)).connect(at(one)).unwrap();
    let found = normal.send_targets("").unwrap();
    assert_eq!(found.iter().map(|(target, _)| target.clone()).collect::<Vec<_>>(), [name(0)]);
}

#[test]
fn a_long_answer_comes_in_pieces() {
    let port = free_port();
    let mut text = format!("[[portal]]\nbind = \"127.0.0.1:{port}\"\n");
    for n in 0..120 {
        text += &format!(
            "[[volume]]\nname = \"v{n}\"\nmemory = \"1 MiB\"\n[[target]]\nname = \"a-rather-long-name-of-target-number-{n:03}\"\n\
             lun = [{{ number = 0, volume = \"v{n}\" }}]\n"
        );
    }
    let daemon = Daemon::builder().config(&text).start();
    let login = Login::discovery(INITIATOR).key("MaxRecvDataSegmentLength", "512");
    let mut session = login.connect(daemon.volume().portal).unwrap();
    let found = session.send_targets("All").unwrap();
    assert_eq!(found.len(), 120);
    assert!(found.iter().all(|(_, addresses)| addresses.len() == 1));
    // In the middle of an answer the initiator may begin anew (RFC 7143 §11.10.4).
    let mut ask = session.request(opcode::TEXT, false);
    ask.set_u32(20, pdu::NO_TAG);
    ask.data = pdu::text(&[("SendTargets", "All")]);
    session.send(&ask).unwrap();
    let first = session.answer_to(ask.itt(), opcode::TEXT_RESPONSE).unwrap();
    assert_eq!(first.flags() & 0x80, 0);
    assert!(first.data.len() <= 512);
    assert_eq!(session.send_targets("All").unwrap().len(), 120);
}

#[test]
fn discovery_sessions_carry_no_commands() {
    let mut daemon = configured("", "", "").start();
    let mut session = Login::discovery(INITIATOR).connect(daemon.volume().portal).unwrap();
    let refused = session.test_unit_ready(0);
    assert!(matches!(refused, Err(Error::Reject { .. } | Error::Closed)), "{refused:?}");
    daemon.assert_alive();
    // Text may also be cut into many requests.
    let mut login = daemon.login();
    login.piece = 7;
    super::assert_works(&mut daemon.session_of(&login).unwrap(), 0);
}
