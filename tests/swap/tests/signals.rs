//! Signals around a swap.

use mainstay_swap_tests::order::{self, exit};
use mainstay_swap_tests::rig::Rig;
use mainstay_swap_tests::{program, series};
use rustix::process::Signal;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

const ANY: &[&str] = &["--allow-same", "--allow-downgrade"];

#[test]
fn hangups_and_ends_of_children_change_nothing() {
    series::under_signals(12).unwrap_or_else(|why| panic!("{why}"));
}

/// Stopped at every step: by the old program, by the new one, or by the old one that has come back, but always in order.
#[test]
fn told_to_stop_at_every_step() {
    for point in ["stage", "rehearse", "rehearsal", "slow", "stop", "save", "exec", "adopt", "commit"] {
        let mut rig = Rig::next();
        let next = rig.install(&program::next(), "fresh");
        rig.goes_on().unwrap();
        rig.order(&format!("{point} wait"));
        let asked = {
            let command = order::command(&rig.daemon, &rig.program, Some(&next), ANY);
            std::thread::spawn(move || { command }.output().unwrap())
        };
        rig.wait_fault();
        rig.daemon.signal(Signal::TERM);
        std::thread::sleep(Duration::from_millis(20));
        // Whoever is stopped before it comes by does not wait for the test.
        if rig.has_happened() && rig.daemon.exited().is_none() {
            rig.go_on();
        }
        let status = rig.daemon.wait_exit(Duration::from_secs(20));
        assert!(status.success(), "{point}: {status}\n{}", rig.daemon.words());
        let output = asked.join().unwrap();
        println!("{point}: {:?} {}", output.status.code(), String::from_utf8_lossy(&output.stderr).trim());
        let expected = rig.expected().unwrap().to_vec();
        let disk = std::fs::File::open(rig.daemon.folder().path().join("file.img")).unwrap();
        let mut found = vec![0; expected.len()];
        disk.read_exact_at(&mut found, rig.ground.plot(1, 512) * 512).unwrap();
        assert!(found == expected, "{point}: what was written is not in the file");
        assert!(!rig.daemon.control().exists(), "{point}: the control socket is left behind");
    }
}

#[test]
fn told_to_stop_at_any_moment() {
    let mut ends = Vec::new();
    // How long a whole swap takes on this machine, so that the moments lie all over it.
    let whole = {
        let rig = Rig::current();
        let next = rig.install(&program::next(), "fresh");
        let begun = Instant::now();
        rig.swap(&next, ANY).assert(exit::DONE, &rig.daemon);
        begun.elapsed()
    };
    for round in 0..12 {
        let mut rig = Rig::current();
        let next = rig.install(&program::next(), "fresh");
        let asked = {
            let command = order::command(&rig.daemon, &rig.program, Some(&next), ANY);
            std::thread::spawn(move || { command }.output().unwrap())
        };
        // Half of them before the pause, the others around it.
        if round < 6 {
            std::thread::sleep(whole * round / 6);
        } else {
            rig.events.wait("paused", 1, Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(u64::from(round - 6) * 3));
        }
        rig.daemon.signal(Signal::TERM);
        let status = rig.daemon.wait_exit(Duration::from_secs(20));
        assert!(status.success(), "round {round}: {status}\n{}", rig.daemon.words());
        assert!(!rig.daemon.control().exists(), "round {round}: the control socket is left behind");
        ends.push(asked.join().unwrap().status.code());
    }
    println!("a swap takes {whole:?}; ends {ends:?}");
    let known = [Some(exit::DONE), Some(1), Some(exit::REFUSED), Some(exit::ROLLED_BACK)];
    assert!(ends.iter().all(|end| known.contains(end)), "{ends:?}");
}
