use super::*;
use std::fs;

fn record(text: &str) -> Record {
    Record { version: 3, text: text.into() }
}

#[test]
fn records_are_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let state = StateDir::open(&path).unwrap();
    state.write("volume-b", record("two\nlines")).unwrap();
    state.write("volume-a", record("")).unwrap();
    state.write("other", record("x")).unwrap();
    state.write("volume-b", record("again")).unwrap();
    state.remove("other").unwrap();
    state.remove("never-was").unwrap();
    drop(state);
    let state = StateDir::open(&path).unwrap();
    assert_eq!(state.names("volume-"), ["volume-a", "volume-b"]);
    assert_eq!(state.read("volume-b"), Ok(Some(record("again"))));
    assert_eq!(state.read("other"), Ok(None));
    assert_eq!(state.write("../x", record("")), Err(StateError::Name { name: "../x".into() }));
    let left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("tmp")), "{left:?}");
}

#[test]
fn a_directory_that_is_not_ours_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("letters.txt"), "dear").unwrap();
    let error = StateDir::open(home.path()).unwrap_err();
    assert!(matches!(&error, StateError::NotOurs { found, .. } if found == "letters.txt"), "{error}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);

    let file = home.path().join("letters.txt");
    assert!(matches!(StateDir::open(&file), Err(StateError::NotADirectory { .. })));
    let missing = home.path().join("no/such");
    assert!(matches!(StateDir::open(&missing), Err(StateError::Io { errno: Errno::NOENT, .. })));
}

#[test]
fn an_unfinished_first_start_is_finished() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(MARKER_ASIDE), "Main").unwrap();
    StateDir::open(home.path()).unwrap();
    assert_eq!(fs::read_to_string(home.path().join(MARKER)).unwrap(), "Mainstay state directory, format 1\n");
}

#[test]
fn a_newer_or_damaged_marker_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let marker = home.path().join(MARKER);
    fs::write(&marker, "Mainstay state directory, format 2\n").unwrap();
    assert!(matches!(StateDir::open(home.path()), Err(StateError::Newer { format: 2, .. })));
    fs::write(&marker, "").unwrap();
    assert!(matches!(StateDir::open(home.path()), Err(StateError::Damaged { .. })));
    assert_eq!(fs::read(&marker).unwrap(), b"");
}

#[test]
fn a_second_daemon_is_told_who_has_it() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(home.path()).unwrap();
    let error = StateDir::open(home.path()).unwrap_err();
    assert_eq!(error, StateError::InUse { path: home.path().into(), process: Some(std::process::id()) });
    drop(state);
    StateDir::open(home.path()).unwrap();
}

#[test]
fn a_torn_record_is_reported_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(home.path()).unwrap();
    state.write("volume-a", record("some text")).unwrap();
    drop(state);
    let path = home.path().join("volume-a");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        assert!(Record::decode(&whole[..cut]).is_err(), "cut at {cut}");
        let mut bad = whole.clone();
        bad[cut] ^= 4;
        assert!(Record::decode(&bad).is_err(), "flipped at {cut}");
    }
    fs::write(&path, &whole[..whole.len() - 2]).unwrap();
    let state = StateDir::open(home.path()).unwrap();
    assert!(matches!(state.read("volume-a"), Err(StateError::Damaged { .. })));
    assert!(matches!(state.write("volume-a", record("new")), Err(StateError::Damaged { .. })));
    assert!(matches!(state.remove("volume-a"), Err(StateError::Damaged { .. })));
    assert_eq!(fs::read(&path).unwrap(), whole[..whole.len() - 2]);
    assert_eq!(state.names(""), ["volume-a"], "it is still listed");
}

#[test]
fn a_claim_is_exclusive_while_it_lives() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(home.path()).unwrap();
    let claim = state.claim("a".into()).unwrap();
    assert!(state.claim("a".into()).is_none());
    assert!(state.claim("b".into()).is_some());
    drop(claim);
    assert!(state.claim("a".into()).is_some());
}
