//! The process is killed in the middle of a swap: that is a crash, and a crash loses nothing that was acknowledged as durable.

use mainstay_swap_tests::order;
use mainstay_swap_tests::program;
use mainstay_swap_tests::rig::Rig;
use mainstay_swap_tests::rig::hosts::Hosts;
use mainstay_testkit::daemon::Daemon;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

const ANY: &[&str] = &["--allow-same", "--allow-downgrade"];

#[test]
fn killed_at_every_step_sessions_come_back() {
    for point in ["stage", "rehearse", "slow", "stop", "save", "exec", "adopt", "commit"] {
        let mut rig = Rig::next();
        let next = rig.install(&program::next(), "fresh");
        rig.goes_on().unwrap();
        let serial = rig.session().serial(1).unwrap();
        let page = rig.session().inquiry(1, Some(0x83)).unwrap();
        rig.session().synchronize_cache(1).unwrap().good().unwrap();
        let expected = rig.expected().unwrap().to_vec();
        let of_host = rig.hosts.flush().unwrap();
        rig.order(&format!("{point} kill"));
        let answer = order::swap(&rig.daemon, &rig.program, Some(&next), ANY);
        let status = rig.daemon.wait_exit(Duration::from_secs(20));
        assert!(rig.has_happened(), "{point}");
        assert_eq!(status.signal(), Some(9), "{point}: {status}");
        assert_eq!(answer.status, Some(1), "{point}: {}", answer.said);
        // What a supervisor does.
        let folder = rig.daemon.folder().clone();
        let text = std::fs::read_to_string(folder.path().join("mainstay.toml")).unwrap();
        let again = Daemon::builder().program(&rig.program).folder(&folder).config(&text).start();
        let mut session = rig.ground.login("open", 1).digests().connect(rig.ground.portal).unwrap();
        session.clear_attentions(1).unwrap();
        assert_eq!(session.serial(1).unwrap(), serial);
        assert_eq!(session.inquiry(1, Some(0x83)).unwrap(), page);
        let lba = rig.ground.plot(1, 512);
        let back = session.read16(1, lba, 32, 512).unwrap().good().unwrap();
        assert!(back == expected, "{point}: what was flushed is lost");
        assert!(Hosts::find_again(&rig.ground).unwrap() == of_host, "{point}: what a host flushed is lost");
        assert!(again.status()["swaps"].as_array().is_none_or(Vec::is_empty), "{point}");
    }
}

#[test]
fn killed_after_a_swap() {
    let mut rig = Rig::current();
    let next = rig.install(&program::next(), "fresh");
    rig.swap_well(&next, ANY);
    rig.session().synchronize_cache(1).unwrap().good().unwrap();
    let expected = rig.expected().unwrap().to_vec();
    rig.daemon.signal(rustix::process::Signal::KILL);
    rig.daemon.wait_exit(Duration::from_secs(20));
    let folder = rig.daemon.folder().clone();
    let text = std::fs::read_to_string(folder.path().join("mainstay.toml")).unwrap();
    // The older program takes up the state directory that the newer one has left.
    let _again = Daemon::builder().program(&rig.program).folder(&folder).config(&text).start();
    let mut session = rig.ground.login("open", 1).connect(rig.ground.portal).unwrap();
    session.clear_attentions(1).unwrap();
    let lba = rig.ground.plot(1, 512);
    assert!(session.read16(1, lba, 32, 512).unwrap().good().unwrap() == expected);
}
