//! Swaps that fail within the pause: the old version goes on over the same sessions.

use mainstay_swap_tests::order::exit::ROLLED_BACK;
use mainstay_swap_tests::program;
use mainstay_swap_tests::rig::Rig;

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
