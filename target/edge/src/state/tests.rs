use super::saved::StateDirV1;
use super::*;
use proptest::prelude::*;
use prost::Message;
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

/// What a successor has of `state`, by way of bytes and descriptors of its own.
fn handed_over(state: &StateDir) -> StateDir {
    let bytes = state.save().encode_to_vec();
    let [dir, lock] = state.descriptors().map(|descriptor| descriptor.try_clone_to_owned().unwrap());
    let next = StateDir::adopt(StateDirV1::decode(&bytes[..]).unwrap(), dir, lock).unwrap();
    assert_eq!(next.save().encode_to_vec(), bytes);
    next
}

#[test]
fn a_successor_goes_on_with_lock_and_records() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(home.path()).unwrap();
    state.write("volume-a", record("one")).unwrap();
    state.write("volume-b", record("two")).unwrap();
    drop(state);
    fs::write(home.path().join("volume-c"), "torn").unwrap();
    let state = StateDir::open(home.path()).unwrap();
    let claim = state.claim("a name".into());
    let damaged = state.read("volume-c").unwrap_err();
    let next = handed_over(&state);
    drop((claim, state));

    let in_use = StateError::InUse { path: home.path().into(), process: Some(std::process::id()) };
    assert_eq!(StateDir::open(home.path()).unwrap_err(), in_use);
    assert_eq!(
        (next.path(), next.names("")),
        (home.path(), vec!["volume-a".into(), "volume-b".into(), "volume-c".into()])
    );
    assert_eq!(next.read("volume-b"), Ok(Some(record("two"))));
    assert_eq!(next.read("volume-c"), Err(damaged.clone()));
    assert_eq!(next.write("volume-c", record("x")), Err(damaged.clone()));
    assert_eq!(next.remove("volume-c"), Err(damaged));
    assert_eq!(fs::read_to_string(home.path().join("volume-c")).unwrap(), "torn");
    assert!(next.claim("a name".into()).is_some(), "it is claimed anew");
    next.write("volume-a", record("three")).unwrap();
    next.remove("volume-b").unwrap();
    drop(next);
    let state = StateDir::open(home.path()).unwrap();
    assert_eq!((state.read("volume-a"), state.read("volume-b")), (Ok(Some(record("three"))), Ok(None)));
}

#[test]
fn a_rehearsal_touches_nothing() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(home.path()).unwrap();
    state.write("volume-a", record("one")).unwrap();
    let saved = state.save();
    let nothing = || OwnedFd::from(File::open("/dev/null").unwrap());
    let rehearsed = StateDir::adopt(saved.clone(), nothing(), nothing()).unwrap();
    assert_eq!(rehearsed.save(), saved);
    assert_eq!(rehearsed.read("volume-a"), Ok(Some(record("one"))));
    // Even if it tried.
    assert!(rehearsed.write("volume-a", record("two")).is_err());
    assert_eq!(rehearsed.read("volume-a"), Ok(Some(record("one"))));
    drop(rehearsed);
    assert!(matches!(StateDir::open(home.path()), Err(StateError::InUse { .. })));
}

fn adopted(bytes: &[u8]) -> Option<StateDir> {
    let nothing = || OwnedFd::from(File::open("/dev/null").unwrap());
    StateDir::adopt(StateDirV1::decode(bytes).ok()?, nothing(), nothing()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_adopted_is_what_was_saved(
        records in prop::collection::btree_map(
            "[a-z0-9-]{1,20}",
            prop_oneof![(any::<u32>(), ".*").prop_map(|(version, text)| Ok(Record { version, text })), ".*".prop_map(Err)],
            0..8,
        ),
        path in prop::collection::vec(1..=255u8, 1..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let state = adopted(&StateDirV1 { path: path.clone(), records: vec![] }.encode_to_vec()).unwrap();
        *locked(&state.0.records) = records.clone().into_iter().filter(|(name, _)| is_record_name(name)).collect();
        let bytes = state.save().encode_to_vec();
        let next = adopted(&bytes).unwrap();
        prop_assert_eq!(next.save().encode_to_vec(), &bytes[..]);
        prop_assert_eq!(&*locked(&next.0.records), &*locked(&state.0.records));
        prop_assert_eq!(next.path(), state.path());
        // Damage is refused, or is another directory that is whole.
        let mut bad = bytes.clone();
        for (at, byte) in flips {
            let at = at.index(bad.len());
            bad[at] = byte;
        }
        for bad in [&bad[..], &bytes[..cut.index(bytes.len())]] {
            let Some(next) = adopted(bad) else { continue };
            let bytes = next.save().encode_to_vec();
            prop_assert_eq!(adopted(&bytes).unwrap().save().encode_to_vec(), bytes);
        }
    }
}

#[test]
fn saved_directories_that_cannot_be_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(home.path()).unwrap();
    for name in ["a", "b"] {
        state.write(name, record(name)).unwrap();
    }
    let good = state.save();
    let refused = |change: fn(&mut StateDirV1)| {
        let mut saved = good.clone();
        change(&mut saved);
        assert!(adopted(&saved.encode_to_vec()).is_none(), "{saved:?}");
    };
    refused(|saved| saved.path.clear());
    refused(|saved| saved.path.push(0));
    refused(|saved| saved.records.swap(0, 1));
    refused(|saved| saved.records[1].name = "a".into());
    refused(|saved| saved.records[1].name = "../b".into());
    refused(|saved| saved.records[1].name = "lock".into());
    refused(|saved| saved.records[1].content = None);
}
