//! Memory when nothing happens: the daemon alone, and with a thousand sessions that say nothing.

use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, cdb};
use mainstay_testkit::process;

use super::{assert_works, configured};

/// The text of a debug build is several times as long as that of a release, which has a third of this in all.
const IDLE_MAX: u64 = if cfg!(debug_assertions) { 24 << 20 } else { 20 << 20 };
const SESSION_MAX: u64 = 8 << 10;

#[test]
fn idle() {
    let daemon = Daemon::memory();
    let resident = process::resident_bytes(daemon.pid());
    eprintln!("idle: {:.1} MiB", resident as f64 / 1048576.0);
    assert!(resident <= IDLE_MAX, "{resident} bytes resident");
    // After some work it goes back to about what it was.
    for n in 1..=20 {
        assert_works(&mut daemon.session_of(&daemon.login().session(n)).unwrap(), 0);
    }
    let after = process::resident_bytes(daemon.pid());
    assert!(after <= resident + (4 << 20), "{resident} bytes before, {after} after a little work");
}

#[test]
fn a_thousand_idle_sessions() {
    let daemon = configured("", "", "[limits]\nsessions = 1200").start();
    // The first few pay for what all share.
    let mut held: Vec<_> = (1..=8).map(|n| daemon.session_of(&daemon.login().session(n)).unwrap()).collect();
    let before = process::resident_bytes(daemon.pid());
    for n in 9..=1008 {
        let mut session = daemon.session_of(&daemon.login().session(n)).unwrap();
        if n % 10 == 0 {
            // What has worked and rests is idle too.
            assert_works(&mut session, 0);
        }
        held.push(session);
    }
    let after = process::resident_bytes(daemon.pid());
    let each = after.saturating_sub(before) / 1000;
    eprintln!("idle session: {each} bytes");
    assert!(each <= SESSION_MAX, "{each} bytes per idle session ({before} before, {after} after)");
    assert!(after <= IDLE_MAX + 1008 * SESSION_MAX, "{after} bytes resident");
    assert_works(&mut held[500], 0);
    let threads = process::threads(daemon.pid());
    assert!(threads <= 40, "{threads} threads");
    drop(held);
    daemon.wait_status("all gone", super::SOON, |status| status["sessions"].as_array().is_some_and(Vec::is_empty));
    let descriptors = process::descriptors(daemon.pid());
    assert!(descriptors < 64, "{descriptors} descriptors are left");
}

#[test]
fn what_a_burst_took_is_given_back() {
    let daemon = configured("", "", "[limits]\nsessions = 600").start();
    assert_works(&mut daemon.session(), 0);
    let before = process::resident_bytes(daemon.pid());
    // Answers that nobody reads fill the payload memory.
    let mut held = Vec::new();
    for n in 1..=500 {
        let mut session = daemon.session_of(&daemon.login().session(n)).unwrap();
        if n <= 16 {
            for _ in 0..20 {
                session.test_unit_ready(0).unwrap();
            }
            for _ in 0..session.window().min(16) {
                session.start(&Command::new(0, &cdb::read10(0, 8192)).reads(4 << 20)).unwrap();
            }
        }
        held.push(session);
    }
    daemon.wait_status("the burst", super::SOON, |status| {
        status["daemon"]["memory"]["used"].as_u64().is_some_and(|used| used > 16 << 20)
    });
    let most = process::resident_bytes(daemon.pid());
    assert!(most > before + (16 << 20), "{before} bytes before, {most} in the burst");
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let after = process::resident_bytes(daemon.pid());
        if after <= IDLE_MAX.min(before + (2 << 20)) {
            break;
        }
        assert!(Instant::now() < deadline, "{before} bytes before, {most} in the burst, {after} after");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_works(&mut daemon.session(), 0);
}
