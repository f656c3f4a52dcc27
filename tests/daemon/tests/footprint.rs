//! Memory when nothing happens: the daemon alone, and with a thousand sessions that say nothing.

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::process;

use super::{assert_works, configured};

const IDLE_MAX: u64 = 20 << 20;
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
