//! Swaps that end before the pause: nobody is paused, nothing is lost, the reason is told and kept.

use mainstay_swap_tests::order::exit::{self, NOTHING_TO_DO, REFUSED};
use mainstay_swap_tests::rig::Rig;
use mainstay_swap_tests::{ground, program};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const ANY: &[&str] = &["--allow-same", "--allow-downgrade"];

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A copy of the next version, with its bytes changed.
fn edited(rig: &Rig, name: &str, edit: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let raw = rig.daemon.folder().path().join("raw");
    let mut bytes = fs::read(program::next()).unwrap();
    edit(&mut bytes);
    fs::write(&raw, bytes).unwrap();
    rig.install(&raw, name)
}

fn replace_all(bytes: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    assert_eq!(old.len(), new.len());
    let mut count = 0;
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new);
            count += 1;
        }
    }
    count
}

#[test]
fn files_that_are_no_program_to_become() {
    let mut rig = Rig::current();
    let at = |name: &str| rig.daemon.folder().path().join(name);
    let (plain, absent, folder) = (at("plain"), at("absent"), rig.daemon.folder().path().to_owned());
    fs::copy(program::next(), &plain).unwrap();
    chmod(&plain, 0o644);
    let writable = rig.install(&program::next(), "writable");
    chmod(&writable, 0o757);
    let group = rig.install(&program::next(), "group");
    chmod(&group, 0o775);
    let cut = edited(&rig, "cut", |bytes| bytes.truncate(bytes.len() / 3));
    let empty = edited(&rig, "empty", |bytes| bytes.clear());
    let script = edited(&rig, "script", |bytes| *bytes = b"#!/bin/sh\nexit 0\n".to_vec());
    for (path, word) in [
        (&plain, "execut"),
        (&absent, "absent"),
        (&folder, "regular file"),
        (&writable, "writ"),
        (&group, "writ"),
        (&cut, ""),
        (&empty, ""),
        (&script, ""),
        (&PathBuf::from("/bin/true"), ""),
    ] {
        let answer = rig.swap_in_vain(path, ANY, (REFUSED, "stage", word));
        println!("{}: {}", path.display(), answer.word("why"));
    }
    assert_eq!(rig.events.count("paused"), 0);
}

#[test]
fn somebody_elses_file() {
    let mut rig = Rig::current();
    let foreign = rig.install(&program::next(), "foreign");
    if let Err(error) = std::os::unix::fs::chown(&foreign, Some(12345), None) {
        eprintln!("skip: giving a file away: {error}");
        return;
    }
    rig.swap_in_vain(&foreign, ANY, (REFUSED, "stage", "12345"));
}

#[test]
fn an_older_version_and_the_same_one_want_to_be_asked_for() {
    let mut rig = Rig::next();
    let current = rig.install(&program::current(), "mainstay-current");
    rig.swap_in_vain(&current, &[], (REFUSED, "stage", "--allow-downgrade"));
    rig.swap_in_vain(&current, &["--allow-same"], (REFUSED, "stage", "--allow-downgrade"));
    let same = rig.program.clone();
    rig.swap(&same, &["--allow-downgrade"]).assert(NOTHING_TO_DO, &rig.daemon);
    rig.swap_well(&current, &["--allow-downgrade"]);
}

#[test]
fn a_library_that_is_missing() {
    let mut rig = Rig::current();
    // The name in DT_NEEDED, and nothing else of it.
    let lame = edited(&rig, "lame", |bytes| assert!(replace_all(bytes, b"\0libc.so.6\0", b"\0libq.so.6\0") > 0));
    let answer = rig.swap_in_vain(&lame, ANY, (REFUSED, "rehearse", "libq.so.6"));
    println!("{}", answer.word("why"));
    let astray = edited(&rig, "astray", |bytes| {
        assert!(replace_all(bytes, b"/lib64/ld-linux-x86-64.so.2\0", b"/lib64/ld-linux-x86-64.so.9\0") > 0);
    });
    let answer = rig.swap_in_vain(&astray, ANY, (REFUSED, "rehearse", ""));
    println!("{}", answer.word("why"));
}

#[test]
fn rehearsals_that_do_not_go_well() {
    let mut rig = Rig::current();
    let next = rig.install(&program::next(), "mainstay-next");
    for (order, word) in [
        ("rehearsal error", "a test ordered an error"),
        ("rehearsal panic", "a test ordered a panic"),
        ("rehearsal segv", "SIGSEGV"),
        ("rehearsal abort", "SIGABRT"),
        ("rehearsal overflow", "ended by SIG"),
        ("rehearsal kill", "SIGKILL"),
        ("rehearsal memory", ""),
        ("restore differ", "differ"),
    ] {
        rig.order(order);
        let answer = rig.swap_in_vain(&next, ANY, (REFUSED, "rehearse", word));
        assert!(rig.has_happened(), "{order}");
        println!("{order}: {}", answer.word("why"));
    }
    assert_eq!(rig.events.count("paused"), 0);
    rig.swap_well(&next, ANY);
}

/// It is given a minute, in which everything goes on.
#[test]
fn a_rehearsal_that_hangs() {
    let mut rig = Rig::current();
    let next = rig.install(&program::next(), "mainstay-next");
    rig.order("rehearsal hang");
    let asked = {
        let command = mainstay_swap_tests::order::command(&rig.daemon, &rig.program, Some(&next), ANY);
        std::thread::spawn(move || { command }.output().unwrap())
    };
    rig.wait_fault();
    while !asked.is_finished() {
        rig.assert_lives();
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let output = asked.join().unwrap();
    assert_eq!(output.status.code(), Some(REFUSED), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("did not end within"), "{said}");
    rig.swap_well(&next, ANY);
}

#[test]
fn a_configuration_that_the_next_version_refuses() {
    let text = |program: &Path| {
        let ports = [(); 2].map(|()| mainstay_testkit::daemon::free_port());
        let text = ground::configuration(ports, "").replace("name = \"reserved\"", "name = \"refused-by-next\"");
        let text = text.replace("volume = \"reserved\"", "volume = \"refused-by-next\"");
        mainstay_testkit::daemon::Daemon::builder().program(program).config(&text)
    };
    let mut rig = Rig::with(&program::current(), text);
    let next = rig.install(&program::next(), "mainstay-next");
    rig.swap_in_vain(&next, &[], (REFUSED, "rehearse", "refused-by-next"));
    let current = rig.program.clone();
    rig.swap_well(&current, ANY);
}

#[test]
fn changed_between_stage_and_exec() {
    let mut rig = Rig::next();
    for (order, change) in [("rehearse wait", "bytes"), ("slow wait", "bytes"), ("slow wait", "mode")] {
        let next = rig.install(&program::next(), "fresh");
        rig.order(order);
        let asked = {
            let command = mainstay_swap_tests::order::command(&rig.daemon, &rig.program, Some(&next), ANY);
            std::thread::spawn(move || { command }.output().unwrap())
        };
        rig.wait_fault();
        match change {
            // In place, without a new file: an upgrade does not do this, but a stray copy does.
            "bytes" => {
                use std::io::Write as _;
                let mut file = fs::OpenOptions::new().append(true).open(&next).unwrap();
                file.write_all(b"more").unwrap();
            }
            _ => chmod(&next, 0o757),
        }
        rig.go_on();
        let output = asked.join().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = output.status.code();
        assert!(status == Some(exit::REFUSED) || status == Some(exit::ROLLED_BACK), "{order}: {output:?}");
        println!("{order}, {change}: {said}");
        rig.assert_lives();
        fs::remove_file(&next).unwrap();
    }
}

#[test]
fn two_at_a_time() {
    let mut rig = Rig::next();
    let next = rig.install(&program::next(), "fresh");
    rig.order("rehearse wait");
    let asked = {
        let command = mainstay_swap_tests::order::command(&rig.daemon, &rig.program, Some(&next), ANY);
        std::thread::spawn(move || { command }.output().unwrap())
    };
    rig.wait_fault();
    let second = {
        let command = mainstay_swap_tests::order::command(&rig.daemon, &rig.program, Some(&next), ANY);
        std::thread::spawn(move || { command }.output().unwrap())
    };
    std::thread::sleep(std::time::Duration::from_millis(200));
    rig.go_on();
    let (first, second) = (asked.join().unwrap(), second.join().unwrap());
    assert_eq!(first.status.code(), Some(exit::DONE), "{first:?}");
    // Either it is told that one is under way, or its turn comes after that.
    assert!(second.status.code().is_some(), "{second:?}");
    println!("{second:?}");
    rig.assert_lives();
}
