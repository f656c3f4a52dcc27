//! A volume that goes on in a successor.

use super::super::saved::{Damaged, VolumeV1};
use super::super::*;
use super::file::file;
use super::memory::memory;
use super::state;
use crate::state::StateError;
use crate::state::saved::StateDirV1;
use mainstay_base::arena::Arena;
use mainstay_base::unit::{Done, Op};
use proptest::prelude::*;
use prost::Message;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

/// The state directory as a successor has it.
pub(super) fn next_state(state: StateDir) -> StateDir {
    let [dir, lock] = state.descriptors().map(|descriptor| descriptor.try_clone_to_owned().unwrap());
    let saved = state.save();
    drop(state);
    StateDir::adopt(saved, dir, lock).unwrap()
}

/// `volume` as a successor has it: by way of bytes, and with the same open file description under another number.
pub(super) fn next_volume(volume: Volume, state: &StateDir) -> Volume {
    let bytes = volume.save().encode_to_vec();
    let fd = volume.descriptor().try_clone_to_owned().unwrap();
    let shown = (volume.name().to_string(), volume.geometry(), volume.behaviour(), volume.identity().clone());
    let poison = volume.poisoned();
    drop(volume);
    let next = Volume::adopt(VolumeV1::decode(&bytes[..]).unwrap(), fd, state).unwrap();
    assert_eq!(next.save().encode_to_vec(), bytes);
    assert_eq!((next.name().to_string(), next.geometry(), next.behaviour(), next.identity().clone()), shown);
    assert_eq!(next.poisoned(), poison);
    next
}

fn do_it(volume: &Volume, mut op: Op) -> (Result<Done, Fault>, Op) {
    let result = volume.quick(&mut op).unwrap_or_else(|| volume.run(&mut op));
    (result, op)
}

fn write(volume: &Volume, arena: &Arena, at: u64, byte: u8, durable: bool) -> Result<Done, Fault> {
    let mut from = arena.alloc(4096).unwrap();
    from.fill(byte);
    do_it(volume, Op::Write { at, from, durable }).0
}

fn read(volume: &Volume, arena: &Arena, at: u64) -> Result<u8, Fault> {
    let (result, op) = do_it(volume, Op::Read { at, into: arena.alloc(4096).unwrap() });
    let Op::Read { into, .. } = op else { unreachable!() };
    result.map(|_| {
        assert!(into.iter().all(|byte| *byte == into[0]));
        into[0]
    })
}

#[test]
fn a_file_goes_on_with_its_bytes_its_lock_and_its_size() {
    for write_cache in [true, false] {
        let place = tempfile::tempdir().unwrap();
        let (_home, state) = state();
        let path = place.path().join("disk.img");
        let arena = Arena::heap(1 << 20);
        let volume = Volume::open(Spec { write_cache, ..file(&path, Some(1 << 20)) }, &state).unwrap();
        write(&volume, &arena, 0, 1, false).unwrap();
        write(&volume, &arena, 4096, 2, true).unwrap();
        volume.grow(2 << 20).unwrap();
        let identity = volume.identity().clone();

        let state = next_state(state);
        let volume = next_volume(volume, &state);
        assert_eq!(volume.geometry().bytes(), 2 << 20, "not what the configuration says");
        assert_eq!((read(&volume, &arena, 0), read(&volume, &arena, 4096)), (Ok(1), Ok(2)));
        assert_eq!(read(&volume, &arena, 1 << 20), Ok(0));
        write(&volume, &arena, (2 << 20) - 4096, 3, false).unwrap();
        assert_eq!(do_it(&volume, Op::Flush).0, Ok(Done::Ok));
        assert_eq!(
            do_it(&volume, Op::Write { at: 2 << 20, from: arena.alloc_zeroed(512).unwrap(), durable: false }).0,
            Err(Fault::Other { errno: libc::EINVAL })
        );
        let mut zero = Op::Zero { at: 0, len: 4096, deallocate: true, durable: false };
        assert_eq!(volume.run(&mut zero), Ok(Done::Ok));
        if volume.behaviour().thin {
            let extent = volume.run(&mut Op::Extent { at: 0, len: 2 << 20 });
            assert_eq!(extent, Ok(Done::Extent { len: 4096, mapped: false }));
        }
        assert_eq!(volume.grow(3 << 20).unwrap().bytes(), 3 << 20);
        assert!(matches!(volume.grow(1 << 20), Err(GrowError::Smaller { .. })));

        // Nobody else gets it, by lock or by name.
        let (_other_home, other) = super::state();
        let error = Volume::open(file(&path, None), &other).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        let again = volume.descriptor().try_clone_to_owned().unwrap();
        let error = Volume::adopt(volume.save(), again, &state).unwrap_err();
        assert!(matches!(error, Damaged::Duplicate { key: "uuid", .. }), "{error}");

        // The successor's successor, then a cold start.
        let state = next_state(state);
        let volume = next_volume(volume, &state);
        assert_eq!(read(&volume, &arena, (2 << 20) - 4096), Ok(3));
        drop((volume, state));
        let volume = Volume::open(file(&path, None), &other).unwrap();
        assert_eq!((volume.identity(), volume.geometry().bytes()), (&identity, 3 << 20));
    }
}

/// Over a real exec: another process image that has nothing but the descriptors keeps everybody else out.
#[test]
fn locks_belong_to_whoever_has_the_descriptors() {
    let place = tempfile::tempdir().unwrap();
    let (home, state) = state();
    let path = place.path().join("disk.img");
    let volume = Volume::open(file(&path, Some(4096)), &state).unwrap();
    let [dir, lock] = state.descriptors().map(|descriptor| descriptor.try_clone_to_owned().unwrap());
    // Its standard input, output and error are the store, the directory and its lock.
    let mut child = Command::new("sleep");
    child.arg("60").stdin(volume.descriptor().try_clone_to_owned().unwrap()).stdout(dir).stderr(lock);
    let mut running = child.spawn().unwrap();
    drop((child, volume, state));
    let (_other_home, other) = super::state();
    let in_use = Volume::open(file(&path, None), &other);
    let state = StateDir::open(&home.path().join("state"));
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(matches!(in_use, Err(OpenError::InUse { .. })), "{in_use:?}");
    assert!(matches!(state, Err(StateError::InUse { .. })), "{state:?}");
    Volume::open(file(&path, None), &other).unwrap();
    StateDir::open(&home.path().join("state")).unwrap();
}

#[test]
fn memory_goes_on_with_its_bytes() {
    let (_home, state) = state();
    let arena = Arena::heap(1 << 20);
    let volume = Volume::open(memory("ram", 1 << 20), &state).unwrap();
    write(&volume, &arena, 4096, 7, true).unwrap();
    volume.grow(2 << 20).unwrap();
    let state = next_state(state);
    let volume = next_volume(volume, &state);
    assert_eq!((read(&volume, &arena, 4096), read(&volume, &arena, 1 << 20)), (Ok(7), Ok(0)));
    assert!(volume.quick(&mut Op::Flush).is_some(), "memory still waits for nothing");
    write(&volume, &arena, (2 << 20) - 4096, 8, false).unwrap();
    let error = Volume::open(memory("ram", 4096), &state).unwrap_err();
    assert!(matches!(error, OpenError::Identity(IdentityError::Duplicate { .. })), "{error}");
}

#[test]
fn a_read_only_volume_stays_so_and_shared() {
    let place = tempfile::tempdir().unwrap();
    let (_home, state) = state();
    let path = place.path().join("disk.img");
    fs::write(&path, vec![5; 1 << 20]).unwrap();
    let arena = Arena::heap(1 << 20);
    let spec = Spec { read_only: true, ..file(&path, None) };
    let volume = Volume::open(spec.clone(), &state).unwrap();
    let state = next_state(state);
    let volume = next_volume(volume, &state);
    assert_eq!(read(&volume, &arena, 0), Ok(5));
    assert_eq!(write(&volume, &arena, 0, 1, false), Err(Fault::ReadOnly));
    assert_eq!(do_it(&volume, Op::Flush).0, Ok(Done::Ok));
    let (_other_home, other) = super::state();
    assert!(matches!(Volume::open(file(&path, None), &other), Err(OpenError::InUse { .. })), "no writer");
    Volume::open(spec, &other).unwrap();
}

#[test]
fn a_file_that_was_cut_is_seen_by_the_successor() {
    let place = tempfile::tempdir().unwrap();
    let (_home, state) = state();
    let path = place.path().join("disk.img");
    let arena = Arena::heap(1 << 20);
    let volume = Volume::open(file(&path, Some(1 << 20)), &state).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let state = next_state(state);
    let volume = next_volume(volume, &state);
    assert_eq!(volume.geometry().bytes(), 1 << 20, "what initiators were told");
    assert_eq!(read(&volume, &arena, 8192), Err(Fault::Shrunk { at: 8192 }));
    assert_eq!(write(&volume, &arena, 8192, 1, false), Err(Fault::Shrunk { at: 8192 }));
    assert!(matches!(volume.grow(2 << 20), Err(GrowError::Shrunk { .. })));
    assert_eq!(fs::metadata(&path).unwrap().len(), 4096);
}

#[test]
fn poison_goes_on_until_an_admin_clears_it() {
    let place = tempfile::tempdir().unwrap();
    let (home, state) = state();
    let path = place.path().join("disk.img");
    let arena = Arena::heap(1 << 20);
    let volume = Volume::open(file(&path, Some(1 << 20)), &state).unwrap();
    write(&volume, &arena, 0, 1, false).unwrap();
    volume.broken.once();
    assert_eq!(do_it(&volume, Op::Flush).0, Err(Fault::MediumWrite { at: 0 }));
    let state = next_state(state);
    let volume = next_volume(volume, &state);
    let poison = volume.poisoned().unwrap();
    assert!(poison.reason.contains("sync") && poison.unix_s > 0);
    for _ in 0..2 {
        assert_eq!(do_it(&volume, Op::Flush).0, Err(Fault::Poisoned));
        assert_eq!(write(&volume, &arena, 0, 2, false), Err(Fault::Poisoned));
        assert_eq!(write(&volume, &arena, 0, 2, true), Err(Fault::Poisoned));
    }
    assert!(matches!(volume.grow(2 << 20), Err(GrowError::Poisoned)));
    assert_eq!(read(&volume, &arena, 0), Ok(1));
    volume.clear_poison().unwrap();
    write(&volume, &arena, 0, 3, true).unwrap();
    let state = next_state(state);
    let volume = next_volume(volume, &state);
    assert_eq!((volume.poisoned(), read(&volume, &arena, 0)), (None, Ok(3)));
    // What fails in the successor is as bad.
    volume.broken.once();
    assert_eq!(do_it(&volume, Op::Flush).0, Err(Fault::MediumWrite { at: 0 }));
    drop((volume, state));
    let state = StateDir::open(&home.path().join("state")).unwrap();
    assert!(Volume::open(file(&path, None), &state).unwrap().poisoned().is_some());
}

/// The state directory did not take the news: the successor must know that it has something to tell.
#[test]
fn poison_that_nobody_wrote_down_is_written_down_by_the_successor() {
    let place = tempfile::tempdir().unwrap();
    let (home, state) = state();
    let state_path = home.path().join("state");
    let path = place.path().join("disk.img");
    let arena = Arena::heap(1 << 20);
    let volume = Volume::open(file(&path, Some(1 << 20)), &state).unwrap();
    let uuid = Uuid::from_bytes(volume.identity().uuid);
    let obstacle = state_path.join(format!(".volume-{uuid}.tmp"));
    let on_disk = || fs::read_to_string(state_path.join(format!("volume-{uuid}"))).unwrap();
    fs::create_dir(&obstacle).unwrap();
    volume.broken.once();
    assert_eq!(do_it(&volume, Op::Flush).0, Err(Fault::MediumWrite { at: 0 }));
    assert!(!on_disk().contains("sync"));

    let state = next_state(state);
    let volume = next_volume(volume, &state);
    assert_eq!(write(&volume, &arena, 0, 1, false), Err(Fault::Poisoned));
    assert!(!on_disk().contains("sync"));
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(write(&volume, &arena, 0, 1, false), Err(Fault::Poisoned));
    assert!(on_disk().contains("sync"), "offered again with a request that is refused");
    drop((volume, state));
    let state = StateDir::open(&state_path).unwrap();
    assert!(Volume::open(file(&path, None), &state).unwrap().poisoned().is_some());
}

/// A successor is not told by its configuration what a file can do: a guess that was wrong once is not tried again,
/// and one that was right is.
#[test]
fn guesses_and_marks_are_kept_as_they_are() {
    let (_home, state) = state();
    let volume = Volume::open(memory("ram", 4096), &state).unwrap();
    for bits in 0..16u8 {
        volume.nowait_reads.store(bits & 1 != 0, Ordering::Relaxed);
        volume.nowait_writes.store(bits & 2 != 0, Ordering::Relaxed);
        volume.poisoned.store(bits & 4 != 0, Ordering::Relaxed);
        volume.poison_unsaved.store(bits & 8 != 0, Ordering::Relaxed);
        let next = adopted(volume.save()).unwrap();
        let marks = |volume: &Volume| {
            let marks = [&volume.nowait_reads, &volume.nowait_writes, &volume.poisoned, &volume.poison_unsaved];
            marks.map(|mark| mark.load(Ordering::Relaxed))
        };
        assert_eq!(marks(&next), marks(&volume));
        assert_eq!(marks(&next), [1, 2, 4, 8].map(|bit| bits & bit != 0));
    }
}

/// A flush that is running when a live form is taken, and a volume that is used while many are: none of it waits for
/// the other, and the form is one that can be adopted.
#[test]
fn a_volume_in_use_can_be_saved() {
    let place = tempfile::tempdir().unwrap();
    let (_home, state) = state();
    let volume = Volume::open(file(&place.path().join("disk.img"), Some(1 << 20)), &state).unwrap();
    let arena = Arena::heap(1 << 20);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let (volume, arena, over) = (&volume, &arena, &over);
            scope.spawn(move || {
                for round in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let _ = write(volume, arena, thread * 4096, round as u8, true);
                    if thread == 0 && round % 8 == 0 {
                        volume.broken.once();
                    }
                    if thread == 1 {
                        let _ = volume.clear_poison();
                    }
                }
            });
        }
        let mut poisoned = 0;
        for _ in 0..2000 {
            let next = adopted(volume.save()).unwrap();
            poisoned += usize::from(next.poisoned().is_some());
        }
        over.store(true, Ordering::Relaxed);
        assert!(poisoned > 0, "some were taken after a failed sync");
    });
}

/// As a rehearsal does it: no directory, no store.
fn adopted(saved: VolumeV1) -> Result<Volume, Damaged> {
    let nothing = || fs::File::open("/dev/null").unwrap().into();
    let path_only = StateDirV1::decode(&b"\x0a\x01x"[..]).unwrap();
    let state = StateDir::adopt(path_only, nothing(), nothing()).unwrap();
    Volume::adopt(saved, nothing(), &state)
}

fn sample(seed: usize) -> VolumeV1 {
    static SAMPLES: OnceLock<Vec<VolumeV1>> = OnceLock::new();
    SAMPLES.get_or_init(|| (0..6).map(make).collect())[seed].clone()
}

/// Memory, file, and a file with everything different; every other one poisoned.
fn make(seed: usize) -> VolumeV1 {
    let (home, state) = state();
    let path = home.path().join("disk.img");
    let spec = match seed % 3 {
        0 => memory("ram", 1 << 20),
        1 => file(&path, Some(1 << 20)),
        _ => {
            let mut spec = Spec { block_bytes: Some(4096), thin: false, removable: true, ..file(&path, Some(1 << 20)) };
            spec.overrides.serial = Some("SN 1".into());
            spec
        }
    };
    let volume = Volume::open(spec, &state).unwrap();
    if seed.is_multiple_of(2) {
        volume.broken.once();
        volume.run(&mut Op::Flush).ok();
    }
    volume.save()
}

proptest! {
    #[test]
    fn damaged_forms_are_refused_or_whole(
        seed in 0..6usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let good = sample(seed);
        prop_assert_eq!(adopted(good.clone()).unwrap().save(), good.clone());
        let good = good.encode_to_vec();
        let mut bad = good.clone();
        for (at, byte) in flips {
            let at = at.index(bad.len());
            bad[at] = byte;
        }
        for bad in [&bad[..], &good[..cut.index(good.len())], &noise[..]] {
            let Ok(saved) = VolumeV1::decode(bad) else { continue };
            if let Ok(volume) = adopted(saved.clone()) {
                prop_assert_eq!(volume.save(), saved);
            }
        }
    }
}

#[test]
fn a_form_without_one_of_its_parts_is_refused() {
    let good = sample(1).encode_to_vec();
    let fields = fields(&good);
    // The marks that are false, and nothing else, may be missing.
    let mut needed = Vec::new();
    for (number, range) in &fields {
        let mut bytes = good.clone();
        bytes.drain(range.clone());
        match VolumeV1::decode(&bytes[..]).map(adopted) {
            Ok(Ok(_)) => {}
            _ => needed.push(*number),
        }
    }
    assert_eq!(needed, [2, 4, 5, 6, 7, 8, 13]);
    // Each field said twice, with the number of another: never a panic.
    for (_, range) in &fields {
        for number in 1..16u8 {
            let mut bytes = good.clone();
            let mut field = good[range.clone()].to_vec();
            field[0] = field[0] & 7 | number << 3;
            bytes.extend(field);
            if let Ok(saved) = VolumeV1::decode(&bytes[..]) {
                let _ = adopted(saved);
            }
        }
    }
}

/// The fields of a message with small numbers, and where they lie.
fn fields(bytes: &[u8]) -> Vec<(u32, std::ops::Range<usize>)> {
    let mut at = 0;
    let mut found = Vec::new();
    while at < bytes.len() {
        let (start, tag) = (at, bytes[at]);
        let varint = |at: &mut usize| {
            let mut value = 0u64;
            for shift in (0..).step_by(7) {
                let byte = bytes[*at];
                *at += 1;
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        };
        at += 1;
        let value = varint(&mut at);
        at += if tag & 7 == 2 { value as usize } else { 0 };
        found.push((u32::from(tag >> 3), start..at));
    }
    found
}

/// What a failed flush must not forget, even if the form were wrong.
#[test]
fn poison_is_never_lost_by_half() {
    let mut good = sample(4);
    assert!(adopted(good.clone()).unwrap().poisoned().is_some());
    let bytes = good.encode_to_vec();
    let mark = fields(&bytes).into_iter().find(|(number, _)| *number == 11).unwrap().1;
    let mut without = bytes.clone();
    without.drain(mark);
    good = VolumeV1::decode(&without[..]).unwrap();
    let error = adopted(good).unwrap_err();
    assert!(error.to_string().contains("poison"), "{error}");
}
