//! A thousand hostile sessions claim all the memory that was promised to them, and the rest of the world goes on.

use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, Error, Login, Session, cdb};
use mainstay_testkit::process;

use super::{assert_works, bytes, configured};

/// Memory for payload, as configured.
const MEMORY: u64 = 32 << 20;
/// Above it: the program, its tables, and what a thousand sessions are in themselves.
const REST: u64 = (20 << 20) + 1100 * (16 << 10);

/// Takes what a session can take: unsolicited writes whose data stays half unsent, and solicited ones never answered,
/// as many as the window allows.
fn claim(session: &mut Session) {
    session.answer_r2t = false;
    let payload = bytes(262_144, 1);
    for n in 0..session.window().min(4) {
        let mut command = Command::new(0, &cdb::write10(n * 512, 512, false)).writes(&payload);
        command.immediate_data = Some(4096);
        let mut pdu = session.command_pdu(&command);
        if n % 2 == 0 {
            // No F bit: unsolicited data follows, it says.
            pdu.bhs[1] &= 0x7f;
        }
        if session.send(&pdu).is_err() {
            return;
        }
        session.expect(pdu.itt(), &command);
        if n % 2 == 0 {
            let half = session.data_out_pdu(pdu.itt(), u32::MAX, &command, 0, 4096, 12288, false);
            let _ = session.send_part(&half, -100);
            // The stream stands in the middle of a PDU now.
            return;
        }
    }
}

/// A well-behaved session goes on, whatever the others do.
#[track_caller]
fn progress(daemon: &Daemon, good: &mut Session) {
    let stuck = |what: &str, n: u64, why: Error| -> ! {
        panic!("{what} {n}: {why}; {}\n{}", daemon.status()["daemon"]["memory"], daemon.words())
    };
    for n in 0..20 {
        let payload = bytes(4096, n);
        let written = good.write10(0, 8192, &payload, 512).and_then(|outcome| outcome.good());
        written.unwrap_or_else(|why| stuck("write", n, why));
        let read = good.read10(0, 8192, 8, 512).and_then(|outcome| outcome.good());
        assert_eq!(read.unwrap_or_else(|why| stuck("read", n, why)), payload);
    }
}

#[test]
fn a_thousand_sessions_claim_everything() {
    let limits = "[limits]\nmemory = \"32 MiB\"\nsessions = 1100";
    let mut daemon = configured("", "", limits).start();
    let volume = daemon.volume();
    let mut good = daemon.session_of(&daemon.login().session(9000)).unwrap();
    assert_works(&mut good, 0);
    let mut hostile = Vec::new();
    let mut most = 0;
    for n in 1..=1000u16 {
        let login = Login::new("iqn.2026-11.internal.mainstay.test:hostile", &volume.target).session(n);
        let mut session =
            login.connect(volume.portal).unwrap_or_else(|e| panic!("session {n}: {e}\n{}", daemon.words()));
        session.patience = Duration::from_secs(3);
        if n % 3 == 0 {
            // Some work first, so that the window grows.
            for _ in 0..4 {
                let _ = session.test_unit_ready(0);
            }
        }
        claim(&mut session);
        hostile.push(session);
        if n % 50 == 0 {
            let resident = process::resident_bytes(daemon.pid());
            most = most.max(resident);
            assert!(resident <= MEMORY + REST, "{resident} bytes with {n} hostile sessions");
        }
    }
    daemon.assert_alive();
    // The others go on, in bounded time: the one that was there, and a newcomer.
    let start = Instant::now();
    progress(&daemon, &mut good);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?} for 40 commands", start.elapsed());
    let mut fresh = daemon.session_of(&daemon.login().session(9001)).expect("a newcomer gets in");
    assert_works(&mut fresh, 0);
    let status = daemon.status();
    let memory = &status["daemon"]["memory"];
    assert!(memory["used"].as_u64() <= memory["budget"].as_u64(), "{memory}");
    assert!(memory["promised"].as_u64() <= memory["budget"].as_u64(), "{memory}");
    eprintln!("1000 hostile sessions: {:.1} MiB at most, {memory}", most as f64 / 1048576.0);
    // When they are gone, all of it is there again.
    drop(hostile);
    daemon.wait_status("the hostile are gone", Duration::from_secs(15), |status| {
        status["sessions"].as_array().is_some_and(|list| list.len() == 2)
    });
    daemon.wait_status("their memory is free", Duration::from_secs(5), |status| {
        status["daemon"]["memory"]["used"].as_u64() == Some(0)
    });
    let payload = bytes(1 << 20, 7);
    good.write10(0, 0, &payload, 512).unwrap().good().unwrap();
    assert!(good.read10(0, 0, 2048, 512).unwrap().good().unwrap() == payload);
}

#[test]
fn readers_that_never_read() {
    let mut daemon = configured("", "", "[limits]\nmemory = \"32 MiB\"").start();
    let mut good = daemon.session_of(&daemon.login().session(9000)).unwrap();
    let mut greedy = Vec::new();
    for n in 1..=100u16 {
        let mut session = daemon.session_of(&daemon.login().session(n)).unwrap();
        for _ in 0..20 {
            session.test_unit_ready(0).unwrap();
        }
        for _ in 0..session.window().min(32) {
            session.start(&Command::new(0, &cdb::read10(0, 2048)).reads(1 << 20)).unwrap();
        }
        greedy.push(session);
    }
    let resident = process::resident_bytes(daemon.pid());
    // The volume's own pages were never written, so they take nothing.
    assert!(resident <= MEMORY + REST, "{resident} bytes");
    progress(&daemon, &mut good);
    daemon.assert_alive();
}
