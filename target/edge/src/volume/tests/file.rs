use super::super::*;
use super::state;
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::unit::{Done, Op};
use std::fs::{self, OpenOptions};

pub fn file(path: &Path, create_size: Option<u64>) -> Spec {
    Spec::new("disk", Backing::File { path: path.into(), create_size })
}

fn filled(arena: &Arena, len: usize, byte: u8) -> Buf {
    let mut buf = arena.alloc(len).unwrap();
    buf.fill(byte);
    buf
}

/// A place on a disk and one in memory, where there is such.
fn places() -> Vec<tempfile::TempDir> {
    let disk = tempfile::tempdir().unwrap();
    let ram = tempfile::tempdir_in("/dev/shm");
    if ram.is_err() {
        eprintln!("skipped in memory: no /dev/shm");
    }
    [Some(disk), ram.ok()].into_iter().flatten().collect()
}

#[test]
fn a_missing_file_is_made_sparse_and_kept() {
    for place in places() {
        let (_home, state) = state();
        let path = place.path().join("disk.img");
        let error = Volume::open(file(&path, None), &state).unwrap_err();
        assert!(matches!(error, OpenError::Missing { .. }), "{error}");
        let volume = Volume::open(file(&path, Some(1 << 30)), &state).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.len(), 1 << 30);
        assert!(std::os::unix::fs::MetadataExt::blocks(&found) < 1000, "sparse");
        let identity = volume.identity().clone();
        drop(volume);
        let volume = Volume::open(file(&path, Some(4096)), &state).unwrap();
        assert_eq!((volume.geometry().bytes(), volume.identity()), (1 << 30, &identity));
    }
}

#[test]
fn bytes_come_back_from_a_file() {
    for place in places() {
        let (_home, state) = state();
        let path = place.path().join("disk.img");
        let volume = Volume::open(file(&path, Some(1 << 20)), &state).unwrap();
        let arena = Arena::heap(1 << 20);
        for (n, durable) in [(0u8, false), (1, true)] {
            let mut op = Op::Write { at: u64::from(n) * 8192, from: filled(&arena, 8192, n + 1), durable };
            let result = volume.quick(&mut op).unwrap_or_else(|| volume.run(&mut op));
            assert_eq!(result, Ok(Done::Ok));
        }
        assert_eq!(volume.run(&mut Op::Flush), Ok(Done::Ok));
        let mut op = Op::Read { at: 4096, into: arena.alloc(8192).unwrap() };
        let result = volume.quick(&mut op).unwrap_or_else(|| volume.run(&mut op));
        assert_eq!(result, Ok(Done::Ok));
        let Op::Read { into, .. } = op else { unreachable!() };
        assert!(into[..4096].iter().all(|&byte| byte == 1) && into[4096..].iter().all(|&byte| byte == 2));
        let bytes = fs::read(&path).unwrap();
        assert!(bytes[..8192].iter().all(|&byte| byte == 1) && bytes[16384..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn what_is_in_the_page_cache_is_read_at_once() {
    let place = tempfile::tempdir().unwrap();
    let (_home, state) = state();
    let volume = Volume::open(file(&place.path().join("disk.img"), Some(1 << 20)), &state).unwrap();
    let arena = Arena::heap(1 << 20);
    volume.run(&mut Op::Write { at: 0, from: filled(&arena, 4096, 3), durable: false }).unwrap();
    let mut op = Op::Read { at: 0, into: arena.alloc(4096).unwrap() };
    match volume.quick(&mut op) {
        Some(result) => {
            let Op::Read { into, .. } = op else { unreachable!() };
            assert_eq!((result, into[17]), (Ok(Done::Ok), 3));
        }
        None => eprintln!("skipped: this file system cannot tell whether a read would wait"),
    }
    let mut durable = Op::Write { at: 0, from: filled(&arena, 4096, 4), durable: true };
    assert_eq!(volume.quick(&mut durable), None, "stable storage is waited for");
    assert_eq!(volume.quick(&mut Op::Flush), None);
}

#[test]
fn zeroed_ranges_read_as_zero_and_give_their_space_back() {
    for place in places() {
        let (_home, state) = state();
        let path = place.path().join("disk.img");
        let volume = Volume::open(file(&path, Some(1 << 20)), &state).unwrap();
        let arena = Arena::heap(1 << 20);
        volume.run(&mut Op::Write { at: 0, from: filled(&arena, 256 << 10, 9), durable: true }).unwrap();
        let blocks = || std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&path).unwrap());
        let before = blocks();
        for (at, len, deallocate) in [(0, 128 << 10, true), (128 << 10, 64 << 10, false), (200 << 10, 512, true)] {
            assert_eq!(volume.run(&mut Op::Zero { at, len, deallocate, durable: true }), Ok(Done::Ok));
        }
        let bytes = fs::read(&path).unwrap();
        let zero = |range: std::ops::Range<usize>| bytes[range].iter().all(|&byte| byte == 0);
        assert!(zero(0..192 << 10) && zero(200 << 10..(200 << 10) + 512));
        assert!(bytes[192 << 10..200 << 10].iter().all(|&byte| byte == 9));
        assert_eq!(bytes.len(), 1 << 20);
        if volume.behaviour().thin {
            assert!(blocks() + 200 < before, "{} then, {before} before", blocks());
            let hole = volume.run(&mut Op::Extent { at: 0, len: 64 << 10 });
            assert_eq!(hole, Ok(Done::Extent { len: 64 << 10, mapped: false }));
            let data = volume.run(&mut Op::Extent { at: 192 << 10, len: 4096 });
            assert_eq!(data, Ok(Done::Extent { len: 4096, mapped: true }));
        }
    }
}

#[test]
fn without_thin_nothing_is_deallocated() {
    let place = tempfile::tempdir().unwrap();
    let (_home, state) = state();
    let path = place.path().join("disk.img");
    let volume = Volume::open(Spec { thin: false, ..file(&path, Some(1 << 20)) }, &state).unwrap();
    assert!(!volume.behaviour().thin);
    let mapped = volume.run(&mut Op::Extent { at: 0, len: 1 << 20 });
    assert_eq!(mapped, Ok(Done::Extent { len: 1 << 20, mapped: true }));
}

#[test]
fn a_second_writer_is_told_who_has_the_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("disk.img");
    let ((_home, state), (_other_home, other)) = (state(), state());
    let volume = Volume::open(file(&path, Some(4096)), &state).unwrap();
    for read_only in [false, true] {
        let error = Volume::open(Spec { read_only, ..file(&path, None) }, &other).unwrap_err();
        assert!(matches!(&error, OpenError::InUse { .. }), "{error}");
        #[cfg(target_os = "linux")]
        assert!(error.to_string().contains(&format!("process {} (", std::process::id())), "{error}");
    }
    drop(volume);
    let read_only = || Spec { read_only: true, ..file(&path, None) };
    let readers = (Volume::open(read_only(), &state).unwrap(), Volume::open(read_only(), &other).unwrap());
    assert_eq!(readers.0.identity().uuid, readers.1.identity().uuid);
    assert!(matches!(Volume::open(file(&path, None), &other), Err(OpenError::InUse { .. })), "two read it");
}

#[test]
fn a_read_only_volume_takes_no_writes() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("disk.img");
    fs::write(&path, [5; 4096]).unwrap();
    let (_home, state) = state();
    let volume = Volume::open(Spec { read_only: true, ..file(&path, None) }, &state).unwrap();
    let arena = Arena::heap(1 << 20);
    let mut write = Op::Write { at: 0, from: filled(&arena, 512, 1), durable: false };
    assert_eq!(volume.run(&mut write), Err(Fault::ReadOnly));
    let mut zero = Op::Zero { at: 0, len: 512, deallocate: true, durable: false };
    assert_eq!(volume.run(&mut zero), Err(Fault::ReadOnly));
    assert_eq!(volume.run(&mut Op::Flush), Ok(Done::Ok));
    assert!(matches!(volume.grow(8192), Err(GrowError::ReadOnly)));
    assert_eq!(fs::read(&path).unwrap(), [5; 4096]);
}

#[test]
fn what_is_no_file_is_refused_by_kind() {
    let (home, state) = state();
    let open = |path: &Path| Volume::open(file(path, Some(4096)), &state).unwrap_err().to_string();
    assert!(open(home.path()).contains("is a directory, not a regular file"));
    assert!(open(Path::new("/dev/null")).contains("is a character device, not"));
    assert!(open(&home.path().join("no/disk.img")).contains("cannot create"));
    let ragged = home.path().join("ragged.img");
    fs::write(&ragged, [0; 1000]).unwrap();
    assert!(open(&ragged).contains("not a multiple of its block of 512"));
}

#[test]
fn a_file_that_is_cut_underneath_gives_faults_and_stays_cut() {
    for place in places() {
        let path = place.path().join("disk.img");
        let (_home, state) = state();
        let volume = Volume::open(file(&path, Some(1 << 20)), &state).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(10_000).unwrap();
        let arena = Arena::heap(1 << 20);
        let each = |op: &mut Op| volume.quick(op).unwrap_or_else(|| volume.run(op));
        let mut read = Op::Read { at: 8192, into: arena.alloc(4096).unwrap() };
        assert_eq!(each(&mut read), Err(Fault::Shrunk { at: 10_000 }));
        let mut read = Op::Read { at: 0, into: arena.alloc(4096).unwrap() };
        assert_eq!(each(&mut read), Ok(Done::Ok));
        let mut write = Op::Write { at: 20_480, from: filled(&arena, 4096, 1), durable: false };
        assert_eq!(each(&mut write), Err(Fault::Shrunk { at: 20_480 }));
        let mut zero = Op::Zero { at: 8192, len: 4096, deallocate: false, durable: false };
        assert_eq!(each(&mut zero), Err(Fault::Shrunk { at: 10_000 }));
        assert!(matches!(volume.grow(2 << 20), Err(GrowError::Shrunk { has: 10_000, now: 1_048_576 })));
        assert_eq!(fs::metadata(&path).unwrap().len(), 10_000);
    }
}

#[test]
fn a_file_grows_also_where_somebody_has_grown_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("disk.img");
    let (_home, state) = state();
    let volume = Volume::open(file(&path, Some(4096)), &state).unwrap();
    assert_eq!(volume.grow(1 << 20).unwrap().bytes(), 1 << 20);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(4 << 20).unwrap();
    assert_eq!(volume.geometry().bytes(), 1 << 20, "not before it is asked");
    assert_eq!(volume.grow(2 << 20).unwrap().bytes(), 2 << 20);
    assert_eq!(fs::metadata(&path).unwrap().len(), 4 << 20, "never smaller");
}

#[test]
fn a_failed_sync_poisons_until_an_admin_clears_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("disk.img");
    let (home, state) = state();
    let volume = Volume::open(file(&path, Some(1 << 20)), &state).unwrap();
    let arena = Arena::heap(1 << 20);
    let write = |durable| Op::Write { at: 512, from: filled(&arena, 512, 1), durable };
    volume.broken.once();
    assert_eq!(volume.run(&mut write(false)), Ok(Done::Ok), "nothing was promised");
    assert_eq!(volume.run(&mut write(true)), Err(Fault::MediumWrite { at: 512 }));
    assert_eq!(volume.run(&mut write(true)), Err(Fault::Poisoned));
    assert_eq!(volume.run(&mut write(false)), Err(Fault::Poisoned));
    assert_eq!(volume.run(&mut Op::Flush), Err(Fault::Poisoned));
    assert!(matches!(volume.grow(2 << 20), Err(GrowError::Poisoned)));
    let mut read = Op::Read { at: 0, into: arena.alloc(512).unwrap() };
    assert_eq!(volume.run(&mut read), Ok(Done::Ok), "what is there can be saved");
    drop((volume, state));

    let state = StateDir::open(&home.path().join("state")).unwrap();
    let volume = Volume::open(file(&path, None), &state).unwrap();
    assert!(volume.poisoned().unwrap().reason.contains("sync"));
    assert_eq!(volume.run(&mut Op::Flush), Err(Fault::Poisoned));
    volume.clear_poison().unwrap();
    assert_eq!(volume.poisoned(), None);
    assert_eq!(volume.run(&mut write(true)), Ok(Done::Ok));
    drop((volume, state));
    let state = StateDir::open(&home.path().join("state")).unwrap();
    assert_eq!(Volume::open(file(&path, None), &state).unwrap().poisoned(), None);
}

#[test]
fn without_a_write_cache_every_write_is_synced() {
    let place = tempfile::tempdir().unwrap();
    let (_home, state) = state();
    let spec = Spec { write_cache: false, ..file(&place.path().join("disk.img"), Some(1 << 20)) };
    let volume = Volume::open(spec, &state).unwrap();
    let arena = Arena::heap(1 << 20);
    volume.broken.once();
    let mut write = Op::Write { at: 0, from: filled(&arena, 512, 1), durable: false };
    assert_eq!(volume.quick(&mut write), None);
    assert_eq!(volume.run(&mut write), Err(Fault::MediumWrite { at: 0 }));
    let mut zero = Op::Zero { at: 0, len: 512, deallocate: true, durable: false };
    assert_eq!(volume.run(&mut zero), Err(Fault::Poisoned));
}

/// Many syncs at once, one of which fails: nobody who waited for that one or a later one may hear of a success.
#[test]
fn no_sync_hides_the_failure_of_another() {
    let place = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let (_home, state) = state();
        let volume = Volume::open(file(&place.path().join("disk.img"), Some(1 << 20)), &state).unwrap();
        volume.broken.once();
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| volume.run(&mut Op::Flush))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(results.iter().all(Result::is_err), "{results:?}");
    }
}
