//! Up, down, and to itself: the version of this tree and one that really differs.

use mainstay_swap_tests::order::{self, exit};
use mainstay_swap_tests::program;
use mainstay_swap_tests::rig::Rig;

const ANY: &[&str] = &["--allow-same", "--allow-downgrade"];

fn version(rig: &Rig) -> String {
    rig.daemon.status()["daemon"]["version"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn up_down_and_to_itself() {
    let mut rig = Rig::current();
    let (current, next) = (rig.program.clone(), rig.install(&program::next(), "mainstay-next"));
    for (to, runs) in [
        (&current, "0.1.0"),
        (&next, "0.2.0-next"),
        (&next, "0.2.0-next"),
        (&current, "0.1.0"),
        (&next, "0.2.0-next"),
        (&current, "0.1.0"),
    ] {
        let answer = rig.swap_well(to, ANY);
        assert_eq!(version(&rig), runs);
        assert_eq!(answer.report["to"]["version"], runs);
        assert!(answer.carried("sessions") == 4 && answer.carried("volumes") == 10, "{}", answer.said);
        assert!(answer.pause_us() < 2_000_000, "{}", answer.said);
    }
    let history = rig.daemon.status()["swaps"].as_array().cloned().unwrap_or_default();
    assert_eq!(history.len(), 6, "{history:#?}");
    assert!(history.iter().all(|swap| swap["outcome"] == "done"), "{history:#?}");
    assert!(rig.events.others(&["swap-planned", "paused", "resumed", "login"]).is_empty(), "{:?}", rig.events.heard());
    assert!(rig.daemon.stop().success());
}

#[test]
fn without_words_the_path_it_was_started_by_is_followed_anew() {
    let mut rig = Rig::current();
    // The same version in the same file: nothing to do.
    let answer = order::swap(&rig.daemon, &rig.program, None, &[]);
    answer.assert(exit::NOTHING_TO_DO, &rig.daemon);
    // A package replaces the file by rename, while the old one runs.
    program::install(&program::next(), &rig.program);
    let answer = order::swap(&rig.daemon, &rig.program, None, &["--dry-run"]);
    answer.assert(exit::DONE, &rig.daemon);
    assert_eq!((answer.word("outcome"), version(&rig).as_str()), ("rehearsed", "0.1.0"));
    let answer = order::swap(&rig.daemon, &rig.program, None, &[]);
    answer.assert(exit::DONE, &rig.daemon);
    assert_eq!(version(&rig), "0.2.0-next");
    rig.assert_lives();
    let person = mainstay_swap_tests::person::Person::of(rig.daemon.pid());
    assert_eq!(person.facts["comm"].trim(), "mainstay");
}

#[test]
fn what_only_the_newer_form_can_say_goes_between_newer_programs_alone() {
    let mut rig = Rig::next();
    let (next, current) = (rig.program.clone(), rig.install(&program::current(), "mainstay-current"));
    rig.order("label gold");
    rig.swap_well(&next, ANY);
    assert!(rig.has_happened());
    let why = (exit::REFUSED, "rehearse", "cannot say the label \"gold\" of connection");
    rig.swap_in_vain(&current, ANY, why);
    // It is carried from one to the next, and on.
    rig.swap_well(&next, ANY);
    rig.swap_in_vain(&current, ANY, why);
    assert_eq!(rig.events.count("paused"), 2, "nothing was paused in vain");
}

#[test]
fn a_field_that_the_older_one_passes_over_is_missed_in_the_rehearsal() {
    let mut rig = Rig::next();
    let (next, current) = (rig.program.clone(), rig.install(&program::current(), "mainstay-current"));
    rig.swap_well(&current, ANY);
    rig.swap_well(&next, ANY);
    rig.order("motto onwards");
    rig.swap_in_vain(&current, ANY, (exit::REFUSED, "rehearse", "differ"));
    assert!(rig.has_happened());
    rig.swap_well(&next, ANY);
}
