//! Bytes from people who do not mean well: a protocol error, a bounded wait, and nobody else notices.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, Error, Login, Pdu, Session, cdb, login::stage, opcode, pdu};
use mainstay_testkit::process;

use super::{SOON, assert_ends, assert_works, bytes, configured, has_reject};

/// Sends `bytes` and waits for the end of the connection; gives what was answered.
#[track_caller]
fn until_closed(portal: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(portal).unwrap();
    // The target may hang up in the middle.
    let _ = stream.write_all(bytes);
    let deadline = Instant::now() + patience;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        match stream.read(&mut chunk) {
            Ok(0) => return answer,
            Ok(n) => answer.extend_from_slice(&chunk[..n]),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                assert!(Instant::now() < deadline, "still open after {patience:?}");
            }
            Err(_) => return answer,
        }
    }
}

#[test]
fn garbage_before_login() {
    let mut daemon = configured("", "", "[limits]\nlogin_timeout = \"1 s\"").start();
    let portal = daemon.volume().portal;
    let mut bystander = daemon.session();
    let mut cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: storage\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        vec![0; 48],
        vec![0xff; 48],
        vec![0; 4096],
        vec![0xff; 100_000],
        Vec::new(),
        vec![0x43],
    ];
    for seed in 0..20 {
        cases.push(bytes(48 + seed as usize * 97, seed + 500));
    }
    // Each opcode, with the immediate bit and without, as the first PDU.
    for first in 0..=0x7f {
        let mut pdu = Pdu::new(first);
        pdu.bhs[1] = 0x87;
        cases.push(pdu.encode(false, false));
    }
    for (n, case) in cases.iter().enumerate() {
        if n % 40 == 0 {
            assert_works(&mut bystander, 0);
        }
        let answer = until_closed(portal, case, Duration::from_secs(4));
        if answer.len() >= 48 {
            let last = Pdu::decode(&answer, false, false).unwrap().unwrap().0;
            let refused = last.opcode() == opcode::LOGIN_RESPONSE && last.bhs[36] == 2;
            assert!(refused || last.opcode() == opcode::REJECT, "case {n}: {last:?}");
        }
    }
    assert_works(&mut bystander, 0);
    daemon.assert_alive();
}

#[test]
fn logins_that_break_the_rules() {
    let mut daemon = Daemon::memory();
    let portal = daemon.volume().portal;
    let login = daemon.login();
    let names = [("InitiatorName", login.initiator.as_str()), ("TargetName", login.target.as_deref().unwrap())];
    type Spoil = Box<dyn Fn(&mut Pdu)>;
    let text = move |pairs: &[(&str, &str)]| pdu::text(pairs);
    let full = text(&names);
    let cases: Vec<(&str, Spoil)> = vec![
        ("no names", Box::new(|pdu| pdu.data.clear())),
        (
            "no initiator name",
            Box::new(|pdu| pdu.data = pdu::text(&[("TargetName", "iqn.2026-11.internal.mainstay:x")])),
        ),
        ("no target name", Box::new(|pdu| pdu.data = pdu::text(&[("InitiatorName", "iqn.2026-11.internal:i")]))),
        (
            "a session of no known type",
            Box::new({
                let full = full.clone();
                move |pdu| pdu.data = [full.clone(), b"SessionType=Odd\0".to_vec()].concat()
            }),
        ),
        ("a version from the future", Box::new(|pdu| (pdu.bhs[2], pdu.bhs[3]) = (9, 9))),
        ("stage 2", Box::new(|pdu| pdu.bhs[1] = 0x8b)),
        ("from stage 3", Box::new(|pdu| pdu.bhs[1] = 0x8f)),
        ("backwards", Box::new(|pdu| pdu.bhs[1] = 0x84)),
        ("transit and continue", Box::new(|pdu| pdu.bhs[1] = 0xc7)),
        ("text without end", Box::new(|pdu| pdu.data = b"InitiatorName".to_vec())),
        ("text that is no text", Box::new(|pdu| pdu.data = vec![0xfe; 300])),
        (
            "a key twice",
            Box::new({
                let full = full.clone();
                move |pdu| pdu.data = [full.clone(), full.clone()].concat()
            }),
        ),
        (
            "a name of 300 characters",
            Box::new(|pdu| {
                let name = format!("iqn.2026-11.internal:{}", "x".repeat(300));
                pdu.data =
                    pdu::text(&[("InitiatorName", name.as_str()), ("TargetName", "iqn.2026-11.internal.mainstay:x")]);
            }),
        ),
        (
            "a number that is none",
            Box::new({
                let full = full.clone();
                move |pdu| pdu.data = [full.clone(), b"MaxBurstLength=many\0".to_vec()].concat()
            }),
        ),
        (
            "a number out of range",
            Box::new({
                let full = full.clone();
                move |pdu| pdu.data = [full.clone(), b"MaxRecvDataSegmentLength=1\0".to_vec()].concat()
            }),
        ),
        (
            "one pair of 10 000 bytes",
            Box::new({
                let full = full.clone();
                move |pdu| pdu.data = [full.clone(), format!("X-key={}\0", "y".repeat(10_000)).into_bytes()].concat()
            }),
        ),
    ];
    for (name, spoil) in &cases {
        let mut session = Session::connect(portal).unwrap();
        session.patience = SOON;
        let mut pdu = session.login_request(&login, stage::OPERATIONAL, Some(stage::FULL_FEATURE));
        pdu.data = full.clone();
        spoil(&mut pdu);
        session.send(&pdu).unwrap();
        match session.login_response() {
            Err(Error::Login { class: 2, .. } | Error::Closed | Error::Reject { .. }) => {}
            // A value that cannot be may also be answered with Reject, and the default holds (RFC 7143 §6.2).
            Ok(answer) if name.starts_with("a number") => {
                let pairs = pdu::pairs(&answer.data).unwrap();
                assert!(pairs.iter().any(|(_, value)| value == "Reject"), "{name}: {pairs:?}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    // A key that nobody knows is no crime.
    super::assert_works(&mut daemon.session_of(&login.clone().key("X-org.example.odd", "1")).unwrap(), 0);
    // The names change in the middle.
    let mut session = Session::connect(portal).unwrap();
    let say =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    session.login_exchange(&login, stage::OPERATIONAL, None, &say(&names)).unwrap();
    let again = session.login_exchange(
        &login,
        stage::OPERATIONAL,
        Some(3),
        &say(&[("InitiatorName", "iqn.2026-11.internal:z")]),
    );
    assert!(again.is_err(), "{again:?}");
    // Text without end: some 64 KiB are enough for anybody.
    let mut session = Session::connect(portal).unwrap();
    let mut sent = 0;
    let ended = loop {
        let mut pdu = session.login_request(&login, stage::OPERATIONAL, None);
        pdu.bhs[1] |= 0x40;
        pdu.data = vec![b'a'; 8000];
        if let Err(why) = session.send(&pdu).and_then(|()| session.login_response()) {
            break why;
        }
        sent += 8000;
        assert!(sent < 1 << 20, "a login of {sent} bytes is still listened to");
    };
    assert!(matches!(ended, Error::Login { class: 2, .. } | Error::Closed | Error::Reject { .. }), "{ended}");
    daemon.assert_alive();
}

#[test]
fn half_open_connections_are_few_and_short() {
    let daemon = configured("", "", "[limits]\nlogins = 8\nlogin_timeout = \"1 s\"").start();
    let portal = daemon.volume().portal;
    let mut bystander = daemon.session();
    let before = process::descriptors(daemon.pid());
    let start = Instant::now();
    let mut open: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(portal).unwrap()).collect();
    // Some say half a header, and some a header whose data never comes.
    let login = daemon.login();
    let mut pdu = bystander.login_request(&login, stage::SECURITY, None);
    pdu.data = vec![b'a'; 4000];
    let half = pdu.encode(false, false);
    for (n, stream) in open.iter_mut().enumerate() {
        let _ = stream.write_all(&half[..[0, 20, 48, 2000][n % 4]]);
        if n % 50 == 49 {
            assert_works(&mut bystander, 0);
            let now = process::descriptors(daemon.pid());
            assert!(now <= before + 8 + 4, "{now} descriptors, {before} before");
        }
    }
    for mut stream in open {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut rest = Vec::new();
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "still open: {error}");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_works(&mut bystander, 0);
    let mut fresh = daemon.session_of(&login.session(2)).expect("after the timeout there is room again");
    assert_works(&mut fresh, 0);
}

#[test]
fn who_comes_gets_in_though_every_place_is_taken() {
    let daemon = configured("", "", "[limits]\nlogins = 8").start();
    let portal = daemon.volume().portal;
    let mut bystander = daemon.session();
    // Places to log in: the oldest of those that do not go on make room.
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(portal).unwrap()).collect();
    assert_works(&mut daemon.session_of(&daemon.login().session(2)).expect("a login among the half open"), 0);
    // Places for discovery, which none of them gives up by itself.
    let login = Login::discovery("iqn.2026-11.internal.mainstay.test:curious");
    let mut curious: Vec<Session> = (1..=40).map(|n| login.clone().session(n).connect(portal).unwrap()).collect();
    let mut last = curious.pop().unwrap();
    assert_eq!(last.send_targets("All").unwrap().len(), 1);
    let sessions = daemon.status()["sessions"].as_array().unwrap().len();
    assert!(sessions <= 1 + 8 + 8 + 1, "{sessions} sessions and logins");
    assert_works(&mut bystander, 0);
    assert_works(&mut daemon.session_of(&daemon.login().session(3)).expect("a login among the curious"), 0);
    drop((idle, curious));
}

#[test]
fn segments_larger_than_declared() {
    let mut daemon = Daemon::memory();
    let mut bystander = daemon.session_of(&daemon.login().session(9)).unwrap();
    for opcode in [opcode::NOP_OUT, opcode::SCSI_COMMAND, opcode::DATA_OUT, opcode::TEXT, opcode::LOGOUT] {
        for claim in [0xff_ffff, session_limit(&daemon) + 4] {
            let mut session = daemon.session();
            let before = process::resident_bytes(daemon.pid());
            let mut pdu = session.request(opcode, opcode == opcode::NOP_OUT);
            pdu.bhs[1] = 0xa1;
            pdu.set_u32(20, if opcode == opcode::SCSI_COMMAND { claim } else { pdu::NO_TAG });
            pdu.bhs[32..42].copy_from_slice(&cdb::write10(0, 1, false));
            let mut head = session.encode(&pdu);
            head[5..8].copy_from_slice(&claim.to_be_bytes()[1..]);
            session.send_bytes(&head).unwrap();
            // Part of what was claimed; the target may have hung up already.
            let _ = session.send_bytes(&vec![0x55; 20_000]);
            let seen = assert_ends(&mut session, SOON);
            assert!(seen.iter().all(|pdu| [opcode::REJECT, opcode::ASYNC_MESSAGE].contains(&pdu.opcode())), "{seen:?}");
            let after = process::resident_bytes(daemon.pid());
            assert!(after < before + (8 << 20), "{opcode:#x}: {before} bytes became {after}");
        }
    }
    // The log says who broke which rule.
    daemon.wait_line(&["RFC 7143", "127.0.0.1:"], SOON);
    assert_works(&mut bystander, 0);
    daemon.assert_alive();
}

/// What the target declared it can receive.
fn session_limit(daemon: &Daemon) -> u32 {
    daemon.session_of(&daemon.login().session(77)).unwrap().agreed.target_segment as u32
}

#[test]
fn text_without_end() {
    let mut daemon = Daemon::memory();
    let mut session = daemon.session();
    let mut sent = 0;
    let mut itt = None;
    let mut ttt = pdu::NO_TAG;
    loop {
        let mut pdu = session.request(opcode::TEXT, false);
        pdu.bhs[1] = 0x40;
        pdu.set_u32(20, ttt);
        pdu.set_u32(16, *itt.get_or_insert(pdu.itt()));
        pdu.data = vec![b'a'; 8000];
        if session.send(&pdu).is_err() {
            break;
        }
        match session.receive_within(SOON) {
            Ok(answer) if answer.opcode() == opcode::TEXT_RESPONSE => ttt = answer.ttt(),
            Ok(answer) if answer.opcode() == opcode::REJECT => break,
            Err(Error::Closed) => break,
            other => panic!("{other:?}"),
        }
        sent += 8000;
        assert!(sent < 1 << 20, "{sent} bytes of text are still listened to");
    }
    assert_works(&mut daemon.session(), 0);
    daemon.assert_alive();
}

#[test]
fn bad_digests() {
    let mut daemon = Daemon::memory();
    let login = daemon.login().digests();
    let mut session = daemon.session_of(&login).unwrap();
    let good = bytes(512, 1);
    session.write10(0, 0, &good, 512).unwrap().good().unwrap();

    // Data of a command spoilt on the way: Reject with reason 2 (RFC 7143 §7.8); nothing of it is written.
    let evil = bytes(512, 2);
    let write = Command::new(0, &cdb::write10(0, 1, false)).writes(&evil);
    let pdu = session.command_pdu(&write);
    let mut spoilt = session.encode(&pdu);
    spoilt[60] ^= 4;
    session.send_bytes(&spoilt).unwrap();
    let seen = match session.receive() {
        Ok(answer) => vec![answer],
        Err(Error::Closed) => Vec::new(),
        Err(why) => panic!("{why}"),
    };
    assert!(has_reject(&seen, 2), "a data digest error is told: {seen:?}");
    drop(session);
    let mut session = daemon.session_of(&login).unwrap();
    assert_eq!(session.read10(0, 0, 1, 512).unwrap().good().unwrap(), good);

    // Solicited data spoilt: Reject, then the command ends with protocol service CRC error, or the session does.
    let payload = bytes(4096, 3);
    let mut write = Command::new(0, &cdb::write10(0, 8, false)).writes(&payload);
    (write.immediate_data, write.unsolicited) = (Some(0), Some(0));
    session.answer_r2t = false;
    let itt = session.start(&write).unwrap();
    while session.r2ts.is_empty() {
        assert!(session.step(Instant::now() + SOON).unwrap().is_none());
    }
    let r2t = session.r2ts.remove(0);
    let data = session.data_out_pdu(itt, r2t.ttt(), &write, 0, 0, 4096, true);
    let mut spoilt = session.encode(&data);
    let at = spoilt.len() - 1;
    spoilt[at] ^= 0x80;
    session.send_bytes(&spoilt).unwrap();
    match session.wait(itt) {
        Ok(outcome) => assert_eq!(outcome.sense(), Some((0x0b, 0x47, 5)), "{outcome:?}"),
        Err(Error::Reject { reason: 2, .. } | Error::Closed) => {}
        Err(why) => panic!("{why}"),
    }
    drop(session);
    let mut session = daemon.session_of(&login).unwrap();
    assert_eq!(session.read10(0, 0, 1, 512).unwrap().good().unwrap(), good);

    // A header that cannot be trusted ends the connection (RFC 7143 §7.8).
    let command = Command::new(0, &cdb::test_unit_ready());
    let pdu = session.command_pdu(&command);
    let mut spoilt = session.encode(&pdu);
    spoilt[50] ^= 1;
    session.send_bytes(&spoilt).unwrap();
    let seen = assert_ends(&mut session, SOON);
    assert!(seen.iter().all(|pdu| pdu.opcode() != opcode::SCSI_RESPONSE), "{seen:?}");
    daemon.wait_line(&["digest"], SOON);
    assert_works(&mut daemon.session_of(&login).unwrap(), 0);
    daemon.assert_alive();
}

#[test]
fn full_feature_nonsense() {
    let mut daemon = Daemon::memory();
    let mut bystander = daemon.session_of(&daemon.login().session(99)).unwrap();
    let write = Command::new(0, &cdb::write10(0, 8, false)).writes(&bytes(4096, 1));
    type Make = Box<dyn Fn(&mut Session) -> Pdu>;
    let cases: Vec<(&str, Make)> = vec![
        ("an opcode nobody has", Box::new(|s| s.request(0x1c, true))),
        ("a target's opcode", Box::new(|s| s.request(opcode::SCSI_RESPONSE, true))),
        ("a login", Box::new(|s| s.request(opcode::LOGIN, true))),
        ("SNACK at ErrorRecoveryLevel 0", Box::new(|s| s.request(opcode::SNACK, false))),
        (
            "data for nobody",
            Box::new({
                let write = write.clone();
                move |s| s.data_out_pdu(0x0bad, 0x1234, &write, 0, 0, 4096, true)
            }),
        ),
        (
            "unsolicited data for nobody",
            Box::new({
                let write = write.clone();
                move |s| s.data_out_pdu(0x0bad, pdu::NO_TAG, &write, 0, 0, 4096, true)
            }),
        ),
        (
            "a ping's answer that nobody asked for",
            Box::new(|s| {
                let mut pdu = s.request(opcode::NOP_OUT, true);
                pdu.set_u32(16, pdu::NO_TAG).set_u32(20, 0x4242);
                pdu
            }),
        ),
        (
            "a text's continuation that is none",
            Box::new(|s| {
                let mut pdu = s.request(opcode::TEXT, false);
                pdu.set_u32(20, 0x4242);
                pdu
            }),
        ),
        (
            "more immediate data than expected length",
            Box::new(|s| {
                let mut pdu = s.command_pdu(&Command::new(0, &cdb::write10(0, 8, false)).writes(&[7; 4096]));
                pdu.set_u32(20, 512);
                pdu
            }),
        ),
        (
            "additional headers of an odd kind",
            Box::new(|s| {
                let mut pdu = s.command_pdu(&Command::new(0, &cdb::test_unit_ready()));
                pdu.ahs = vec![0, 5, 0x3f, 0, 1, 2, 3, 4];
                pdu
            }),
        ),
        (
            "additional headers with a wrong length",
            Box::new(|s| {
                let mut pdu = s.command_pdu(&Command::new(0, &cdb::test_unit_ready()));
                pdu.ahs = vec![0xff, 0xff, 1, 0];
                pdu
            }),
        ),
        (
            "a logout of no kind",
            Box::new(|s| {
                let mut pdu = s.request(opcode::LOGOUT, true);
                pdu.bhs[1] = 0xff;
                pdu
            }),
        ),
        (
            "read and write flags without lengths",
            Box::new(|s| {
                let mut pdu = s.command_pdu(&Command::new(0, &cdb::read10(0, 1)));
                pdu.bhs[1] |= 0x60;
                pdu
            }),
        ),
        (
            "a tag that is reserved",
            Box::new(|s| {
                let mut pdu = s.command_pdu(&Command::new(0, &cdb::test_unit_ready()));
                pdu.set_u32(16, pdu::NO_TAG);
                pdu
            }),
        ),
    ];
    for (name, make) in &cases {
        let mut session = daemon.session();
        let pdu = make(&mut session);
        session.send(&pdu).unwrap_or_else(|e| panic!("{name}: {e}"));
        // An answer of any kind, silence, or the end; then the next session works.
        let answer = session.receive_within(Duration::from_millis(200));
        assert!(matches!(answer, Ok(_) | Err(Error::Timeout | Error::Closed)), "{name}: {answer:?}");
        daemon.assert_alive();
        assert_works(&mut bystander, 0);
    }
    // Anything at all, from a session that is logged in.
    for seed in 0..60 {
        let mut session = daemon.session_of(&daemon.login().session(50)).unwrap();
        let _ = session.send_bytes(&bytes(48 + (seed as usize % 7) * 211, seed + 1));
        let mut pdu = session.request((seed % 7) as u8, seed % 2 == 0);
        let noise = bytes(47, seed + 1000);
        for (byte, noise) in pdu.bhs[1..].iter_mut().zip(noise).skip(seed as usize % 30).take(9) {
            *byte = noise;
        }
        let _ = session.send(&pdu);
    }
    assert_works(&mut bystander, 0);
    daemon.assert_alive();
}

#[test]
fn data_that_breaks_its_promise() {
    let mut daemon = Daemon::memory();
    let mut bystander = daemon.session_of(&daemon.login().session(99)).unwrap();
    let before = bystander.read10(0, 0, 64, 512).unwrap().good().unwrap();
    let payload = bytes(32768, 9);
    // (what, DataSN, from, to, final) of an answer to an R2T for 32 KiB at 0.
    for (what, sn, from, to, last) in [
        ("a wrong DataSN", 1, 0, 32768, true),
        ("a wrong offset", 0, 4096, 8192, true),
        ("too much", 0, 0, 65536, true),
        ("too little", 0, 0, 4096, true),
        ("beyond everything", 0, 0x7fff_0000, 0x7fff_0200, true),
        ("no end", 0, 0, 32768, false),
    ] {
        let mut session = daemon.session();
        session.patience = Duration::from_millis(300);
        session.answer_r2t = false;
        let mut write = Command::new(0, &cdb::write10(0, 64, false)).writes(&payload);
        (write.immediate_data, write.unsolicited) = (Some(0), Some(0));
        let itt = session.start(&write).unwrap();
        while session.r2ts.is_empty() {
            assert!(session.step(Instant::now() + SOON).unwrap().is_none());
        }
        let r2t = session.r2ts.remove(0);
        let data = session.data_out_pdu(itt, r2t.ttt(), &write, sn, from, to, last);
        let _ = session.send(&data);
        match session.wait(itt) {
            Ok(outcome) => assert!(outcome.status != 0 || what == "no end", "{what}: {outcome:?}"),
            Err(Error::Reject { .. } | Error::Closed | Error::Timeout) => {}
            Err(why) => panic!("{what}: {why}"),
        }
        daemon.assert_alive();
        if what != "no end" {
            let now = bystander.read10(0, 0, 64, 512).unwrap().good().unwrap();
            assert!(now[4096..] == before[4096..], "{what}: something was written");
        }
    }
    assert_works(&mut bystander, 0);
}
