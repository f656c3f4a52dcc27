//! Swaps that fail within the pause: the old version goes on over the same sessions.

use mainstay_swap_tests::order::exit::{REFUSED, ROLLED_BACK};
use mainstay_swap_tests::rig::Rig;
use mainstay_swap_tests::{order, program};
use std::process::Command;

const ANY: &[&str] = &["--allow-same", "--allow-downgrade"];

#[test]
fn the_old_program_fails_before_it_leaves() {
    let mut rig = Rig::next();
    let next = rig.program.clone();
    let error = "a test ordered an error";
    for (order, step, word) in [
        ("stop error", "quiesce", error),
        ("save error", "save", error),
        ("save panic", "save", "broke"),
        ("exec error", "exec", error),
    ] {
        rig.order(order);
        let answer = rig.swap_in_vain(&next, ANY, (ROLLED_BACK, step, word));
        assert!(rig.has_happened(), "{order}");
        println!("{order}: {}", answer.word("why"));
    }
    rig.swap_well(&next, ANY);
}

#[test]
fn the_new_program_fails_before_it_has_taken_over() {
    // From the version of this tree, as it will be with the first upgrade, and from the next to itself.
    for mut rig in [Rig::current(), Rig::next()] {
        let next = rig.install(&program::next(), "mainstay-new");
        let version = rig.daemon.status()["daemon"]["version"].clone();
        for point in ["adopt", "commit"] {
            for (fault, word) in [
                ("error", "a test ordered an error"),
                ("panic", "a test ordered a panic"),
                ("segv", ""),
                ("abort", ""),
                ("overflow", ""),
                ("hang", ""),
            ] {
                rig.order(&format!("{point} {fault}"));
                let answer = rig.swap_in_vain(&next, ANY, (ROLLED_BACK, "adopt", word));
                assert!(rig.has_happened(), "{point} {fault}");
                println!("{point} {fault}: {} us: {}", answer.pause_us(), answer.word("why"));
                assert_eq!(rig.daemon.status()["daemon"]["version"], version);
            }
        }
        assert_eq!(rig.events.count("rolled-back"), 12, "{:?}", rig.events.heard());
        rig.swap_well(&next, ANY);
        assert!(rig.daemon.stop().success());
        assert!(!rig.daemon.control().exists(), "who stops takes the socket away, whoever made it");
    }
}

/// Of many connections another thread takes the sockets.
#[test]
fn the_thread_that_takes_the_sockets_fails() {
    let mut rig = Rig::next();
    let next = rig.install(&program::next(), "mainstay-new");
    let login = |number| rig.ground.login("open", number).connect(rig.ground.portal).expect("a login");
    let mut crowd: Vec<_> = (100..180).map(login).collect();
    crowd.iter_mut().for_each(|session| drop(session.clear_attentions(1).expect("TEST UNIT READY")));
    let mut all_answer = || {
        for session in &mut crowd {
            assert_eq!(session.clear_attentions(1).expect("TEST UNIT READY"), [], "a unit attention after a swap");
        }
    };
    for (fault, word) in [
        ("error", "a test ordered an error"),
        ("panic", "a test ordered a panic"),
        ("segv", ""),
        ("abort", ""),
        ("overflow", ""),
        ("hang", ""),
    ] {
        rig.order(&format!("sockets {fault}"));
        let answer = rig.swap_in_vain(&next, ANY, (ROLLED_BACK, "adopt", word));
        assert!(rig.has_happened(), "{fault}");
        println!("{fault}: {} us: {}", answer.pause_us(), answer.word("why"));
        all_answer();
    }
    rig.swap_well(&next, ANY);
    all_answer();
}

/// The system itself refuses: somebody has the file open for writing, which changes nothing of what can be looked at.
#[test]
fn exec_fails() {
    let mut rig = Rig::next();
    let next = rig.install(&program::next(), "fresh");
    rig.order("exec wait");
    let asked = {
        let command = order::command(&rig.daemon, &rig.program, Some(&next), ANY);
        std::thread::spawn(move || { command }.output().unwrap())
    };
    rig.wait_fault();
    let busy = std::fs::OpenOptions::new().append(true).open(&next).unwrap();
    rig.go_on();
    let output = asked.join().unwrap();
    assert_eq!(output.status.code(), Some(ROLLED_BACK), "{output:?}\n{}", rig.daemon.words());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("open for writing"), "{said}");
    rig.assert_lives();
    drop(busy);
    rig.swap_well(&next, ANY);
}

/// There is no room for the snapshot: files must not become longer than a few bytes, and a snapshot is one.
#[test]
fn no_room_for_the_snapshot() {
    let mut rig = Rig::next();
    let next = rig.program.clone();
    let limit = |rig: &Rig, bytes: &str| {
        let pid = rig.daemon.pid().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}")]).status();
        done.is_ok_and(|status| status.success())
    };
    if !limit(&rig, "unlimited:unlimited") {
        eprintln!("skip: needs prlimit: on Debian or Ubuntu, util-linux");
        return;
    }
    for (point, status) in [("rehearse", REFUSED), ("save", ROLLED_BACK)] {
        rig.order(&format!("{point} wait"));
        let asked = {
            let command = order::command(&rig.daemon, &rig.program, Some(&next), ANY);
            std::thread::spawn(move || { command }.output().unwrap())
        };
        rig.wait_fault();
        assert!(limit(&rig, "512:unlimited"));
        rig.go_on();
        let output = asked.join().unwrap();
        assert!(rig.daemon.exited().is_none(), "{point}: it ended\n{}", rig.daemon.words());
        assert!(limit(&rig, "unlimited:unlimited"));
        assert_eq!(output.status.code(), Some(status), "{point}: {output:?}\n{}", rig.daemon.words());
        println!("{point}: {}", String::from_utf8_lossy(&output.stdout));
        rig.assert_lives();
    }
    rig.swap_well(&next, ANY);
}
