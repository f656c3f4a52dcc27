//! Blocks that an initiator has declared unreadable.

use super::super::*;
use super::adopted::{next_state, next_volume};
use super::file::file;
use super::memory::memory;
use super::state;
use crate::state::Record;
use mainstay_base::arena::Arena;
use mainstay_base::unit::{Done, Op};

const K: u64 = 1024;

fn do_it(volume: &Volume, mut op: Op) -> Result<Done, Fault> {
    volume.quick(&mut op).unwrap_or_else(|| volume.run(&mut op))
}

fn read(volume: &Volume, at: u64, len: u64) -> Result<Done, Fault> {
    let arena = Arena::heap(1 << 20);
    let mut op = Op::Read { at, into: arena.alloc(len as usize).unwrap() };
    let slow = volume.run(&mut op);
    // What is done at once says the same.
    assert!(volume.quick(&mut op).is_none_or(|quick| quick == slow));
    slow
}

fn write(volume: &Volume, at: u64, len: u64, durable: bool) -> Result<Done, Fault> {
    let from = Arena::heap(1 << 20).alloc_zeroed(len as usize).unwrap();
    do_it(volume, Op::Write { at, from, durable })
}

fn mark(volume: &Volume, at: u64, len: u64) -> Result<Done, Fault> {
    assert!(volume.quick(&mut Op::Mark { at, len }).is_none(), "it waits for the state directory");
    volume.run(&mut Op::Mark { at, len })
}

fn bad(at: u64) -> Result<Done, Fault> {
    Err(Fault::MediumRead { at })
}

/// The form of the only record of a volume.
fn form(state: &StateDir) -> u32 {
    let [name] = &state.names("volume-")[..] else { panic!("one volume") };
    state.read(name).unwrap().unwrap().version
}

#[test]
fn what_is_marked_cannot_be_read_until_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    let (_home, state) = state();
    for (spec, kept) in [(file(&place.path().join("disk.img"), Some(K * K)), true), (memory("ram", K * K), false)] {
        let volume = Volume::open(spec, &state).unwrap();
        mark(&volume, 64 * K, 32 * K).unwrap();
        // Twice is once; what touches it is one with it.
        mark(&volume, 64 * K, 4 * K).unwrap();
        mark(&volume, 96 * K, 4 * K).unwrap();
        assert_eq!(volume.save().marks(), [64 * K, 100 * K]);
        for (at, len, result) in [
            (0, 64 * K, Ok(Done::Ok)),
            (0, 64 * K + 512, bad(64 * K)),
            (70 * K, 512, bad(70 * K)),
            (99 * K, 100 * K, bad(99 * K)),
            (100 * K, 100 * K, Ok(Done::Ok)),
        ] {
            assert_eq!(read(&volume, at, len), result, "{at}+{len}");
        }
        // Parts of it.
        write(&volume, 60 * K, 8 * K, false).unwrap();
        do_it(&volume, Op::Zero { at: 80 * K, len: 4 * K, deallocate: false, durable: false }).unwrap();
        do_it(&volume, Op::Zero { at: 99 * K, len: 8 * K, deallocate: true, durable: true }).unwrap();
        assert_eq!(volume.save().marks(), [68 * K, 80 * K, 84 * K, 99 * K]);
        assert_eq!(read(&volume, 64 * K, 4 * K), Ok(Done::Ok));
        assert_eq!(read(&volume, 0, 100 * K), bad(68 * K));
        // All of it.
        if kept {
            assert_eq!(form(&state), 2);
        }
        write(&volume, 0, K * K, true).unwrap();
        assert_eq!(read(&volume, 0, K * K), Ok(Done::Ok));
        assert!(volume.save().marks().is_empty());
        if kept {
            assert_eq!(form(&state), 1, "the oldest form that says it all");
        }
        // Outside, and nothing at all.
        assert!(matches!(mark(&volume, K * K - 512, 1024), Err(Fault::Other { .. })));
        mark(&volume, 512, 0).unwrap();
        assert!(volume.save().marks().is_empty());
        drop(volume);
        for name in state.names("volume-") {
            state.remove(&name).unwrap();
        }
    }
}

#[test]
fn marks_survive_restarts_and_swaps() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("disk.img");
    let (_home, state) = state();
    let volume = Volume::open(file(&path, Some(K * K)), &state).unwrap();
    mark(&volume, 8 * K, 512).unwrap();
    // Poison and marks are kept side by side.
    volume.broken.once();
    assert!(do_it(&volume, Op::Flush).is_err());
    assert_eq!(mark(&volume, 0, 512), Err(Fault::Poisoned));
    volume.clear_poison().unwrap();
    mark(&volume, 16 * K, 512).unwrap();

    let state = next_state(state);
    let volume = next_volume(volume, &state);
    assert_eq!((read(&volume, 0, 16 * K), read(&volume, 16 * K, 512)), (bad(8 * K), bad(16 * K)));
    write(&volume, 16 * K, 512, false).unwrap();
    drop(volume);
    identify_keep(&path, &state).unwrap();
    let volume = Volume::open(file(&path, None), &state).unwrap();
    assert_eq!((read(&volume, 0, 16 * K), read(&volume, 16 * K, 512)), (bad(8 * K), Ok(Done::Ok)));
    drop(volume);
    let spec = Spec { read_only: true, ..file(&path, None) };
    let volume = Volume::open(spec, &state).unwrap();
    assert_eq!(mark(&volume, 0, 512), Err(Fault::ReadOnly));
    assert_eq!(read(&volume, 8 * K, 512), bad(8 * K));
    drop(volume);
    // A new identity is a new volume.
    identify_new(&path, &state).unwrap();
    let volume = Volume::open(file(&path, None), &state).unwrap();
    assert_eq!(read(&volume, 8 * K, 512), Ok(Done::Ok));
}

#[test]
fn what_is_in_memory_is_marked_as_long_as_it_is_there() {
    let (_home, state) = state();
    let volume = Volume::open(memory("ram", K * K), &state).unwrap();
    mark(&volume, 8 * K, 512).unwrap();
    let state = next_state(state);
    let volume = next_volume(volume, &state);
    assert_eq!(read(&volume, 8 * K, 512), bad(8 * K));
    drop(volume);
    let volume = Volume::open(memory("ram", K * K), &state).unwrap();
    assert_eq!(read(&volume, 8 * K, 512), Ok(Done::Ok));
}

#[test]
fn a_mark_that_cannot_be_kept_is_not_made() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("disk.img");
    let (home, state) = state();
    let volume = Volume::open(file(&path, Some(K * K)), &state).unwrap();
    mark(&volume, 8 * K, 512).unwrap();
    // A directory in the way of the record's other half.
    let [name] = &state.names("volume-")[..] else { panic!("one volume") };
    let aside = home.path().join("state").join(format!(".{name}.tmp"));
    std::fs::create_dir(&aside).unwrap();
    assert!(matches!(mark(&volume, 0, 512), Err(Fault::Other { .. })));
    assert_eq!(read(&volume, 0, 512), Ok(Done::Ok));
    // Nor is one taken away: the write has to come again.
    assert!(matches!(write(&volume, 8 * K, 512, true), Err(Fault::Other { .. })));
    assert_eq!(read(&volume, 8 * K, 512), bad(8 * K));
    std::fs::remove_dir(&aside).unwrap();
    write(&volume, 8 * K, 512, true).unwrap();
    assert_eq!(read(&volume, 8 * K, 512), Ok(Done::Ok));
}

#[test]
fn marks_that_cannot_be_are_damage() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("disk.img");
    let (_home, state) = state();
    let volume = Volume::open(file(&path, Some(K * K)), &state).unwrap();
    mark(&volume, 8 * K, 512).unwrap();
    let saved = volume.save();
    let again = volume.descriptor().try_clone_to_owned().unwrap();
    drop(volume);
    for marks in [vec![1], vec![8, 8], vec![8, 4], vec![0, 8, 8, 9], vec![0, 8, 4, 9]] {
        let again = again.try_clone().unwrap();
        let error = Volume::adopt(saved.clone().with_marks(marks), again, &state).unwrap_err();
        assert!(error.to_string().contains("record"), "{error}");
    }
    drop(again);
    let [name] = &state.names("volume-")[..] else { panic!("one volume") };
    let Record { version, text } = state.read(name).unwrap().unwrap();
    let text = text.replace("8192", "9999");
    state.write(name, Record { version, text }).unwrap();
    let error = Volume::open(file(&path, None), &state).unwrap_err();
    assert!(error.to_string().contains("not in order"), "{error}");
}
