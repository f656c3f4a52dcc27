//! Snapshots in the tree: every version reads what any version has written.

use mainstay_swap_tests::ground::{KEYS, SECRETS};
use mainstay_swap_tests::{golden, program};
use std::process::Command;

#[test]
fn every_golden_snapshot_is_read_by_this_version_and_the_next() {
    let mut count = 0;
    for entry in std::fs::read_dir(golden::folder()).expect("tests/golden is there") {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "snapshot") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for program in [program::current(), program::next()] {
            let said = golden::rehearse(&program, &bytes);
            assert!(said.is_ok(), "{} by {}: {said:?}", path.display(), program.display());
        }
        let shown = Command::new(program::current()).args(["snapshot", "show"]).arg(&path).output().unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("nexus"), "{shown}");
        assert!(shown.contains("queue"), "{shown}");
        for secret in SECRETS.map(|(_, secret)| secret).into_iter().chain(KEYS) {
            assert!(!shown.contains(secret), "a secret is shown of {}", path.display());
        }
        count += 1;
    }
    assert!(count > 0, "there is none");
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let path = golden::folder().join("0.1.0.snapshot");
    let bytes = std::fs::read(path).unwrap();
    let mut bad = bytes.clone();
    bad[bytes.len() / 2] ^= 1;
    assert!(golden::rehearse(&program::current(), &bad).is_err());
    assert!(golden::rehearse(&program::current(), &bytes[..bytes.len() - 1]).is_err());
}
