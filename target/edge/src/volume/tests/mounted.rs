//! With file systems and devices made for the test, which takes root; without it each test says that it was skipped.

use super::super::*;
use super::adopted::{next_state, next_volume};
use super::file::file;
use super::state;
use mainstay_base::arena::Arena;
use mainstay_base::unit::{Done, Op};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

struct Mount(tempfile::TempDir);

impl Mount {
    fn new(arguments: &[&str]) -> Option<Mount> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().to_str().unwrap();
        let done = run("mount", &[arguments, &[path]].concat());
        if done.is_none() {
            eprintln!("skipped: cannot mount {arguments:?} (root only)");
        }
        done.map(|_| Mount(place))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run("umount", &[self.0.path().to_str().unwrap()]);
    }
}

struct Loop(PathBuf);

impl Loop {
    fn new(over: &Path) -> Option<Loop> {
        let name = run("losetup", &["--find", "--show", over.to_str().unwrap()]);
        if name.is_none() {
            eprintln!("skipped: cannot make a loop device (root only)");
        }
        name.map(|name| Loop(name.into()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = run("losetup", &["-d", self.0.to_str().unwrap()]);
    }
}

fn device(path: &Path) -> Spec {
    Spec::new("disk", Backing::Device { path: path.into() })
}

fn sparse(path: &Path, bytes: u64) {
    fs::File::create(path).unwrap().set_len(bytes).unwrap();
}

#[test]
fn a_full_file_system_is_told_and_poisons_nothing() {
    let Some(mount) = Mount::new(&["-t", "tmpfs", "-o", "size=512k", "none"]) else { return };
    let (_home, state) = state();
    let volume = Volume::open(file(&mount.path("disk.img"), Some(8 << 20)), &state).unwrap();
    let arena = Arena::heap(4 << 20);
    let write = |at| Op::Write { at, from: arena.alloc_zeroed(1 << 20).unwrap(), durable: true };
    assert_eq!(volume.run(&mut write(2 << 20)), Err(Fault::NoSpace));
    assert_eq!(volume.poisoned(), None);
    let mut zero = Op::Zero { at: 0, len: 8 << 20, deallocate: true, durable: true };
    assert_eq!(volume.run(&mut zero), Ok(Done::Ok), "which makes room");
    let mut small = Op::Write { at: 0, from: arena.alloc_zeroed(4096).unwrap(), durable: true };
    assert_eq!(volume.run(&mut small), Ok(Done::Ok));
}

#[test]
fn a_device_is_read_written_zeroed_and_locked() {
    let (home, state) = state();
    let under = home.path().join("under.img");
    sparse(&under, 4 << 20);
    let Some(disk) = Loop::new(&under) else { return };
    let volume = Volume::open(device(&disk.0), &state).unwrap();
    assert_eq!(volume.geometry().bytes(), 4 << 20);
    let error = Volume::open(device(&disk.0), &state).unwrap_err();
    assert!(matches!(&error, OpenError::InUse { .. }), "{error}");
    let error = Volume::open(file(&disk.0, None), &state).unwrap_err();
    assert!(error.to_string().contains("configure it as a device"), "{error}");
    let error = Volume::open(file(&under, None), &state).unwrap_err();
    assert!(matches!(&error, OpenError::BehindLoop { .. }), "{error}");
    let mounted = Command::new("mount").arg(&disk.0).arg(home.path()).output().unwrap();
    assert!(!mounted.status.success());

    let arena = Arena::heap(4 << 20);
    let mut from = arena.alloc(1 << 20).unwrap();
    from.fill(6);
    assert_eq!(volume.run(&mut Op::Write { at: 1 << 20, from, durable: true }), Ok(Done::Ok));
    for (at, deallocate) in [(1 << 20, true), ((1 << 20) + 65536, false), ((1 << 20) + (512 << 10), true)] {
        let mut zero = Op::Zero { at, len: 65536, deallocate, durable: true };
        assert_eq!(volume.run(&mut zero), Ok(Done::Ok));
    }
    let mut read = Op::Read { at: 1 << 20, into: arena.alloc(1 << 20).unwrap() };
    assert_eq!(volume.run(&mut read), Ok(Done::Ok));
    let Op::Read { into, .. } = read else { unreachable!() };
    assert!(into[..131072].iter().all(|&byte| byte == 0));
    assert!(into[131072..512 << 10].iter().all(|&byte| byte == 6));
    assert!(into[512 << 10..576 << 10].iter().all(|&byte| byte == 0));
    let identity = volume.identity().clone();
    drop(volume);

    sparse(&under, 8 << 20);
    run("losetup", &["-c", disk.0.to_str().unwrap()]).unwrap();
    let volume = Volume::open(device(&disk.0), &state).unwrap();
    assert_eq!((volume.identity(), volume.geometry().bytes()), (&identity, 8 << 20));
    assert!(matches!(volume.grow(16 << 20), Err(GrowError::DeviceHas { .. })));
    fs::OpenOptions::new().write(true).open(&under).unwrap().set_len(16 << 20).unwrap();
    run("losetup", &["-c", disk.0.to_str().unwrap()]).unwrap();
    assert_eq!(volume.grow(16 << 20).unwrap().bytes(), 16 << 20);
}

#[test]
fn another_disk_under_the_same_name_is_another_volume() {
    let (home, state) = state();
    let (one, two) = (home.path().join("one.img"), home.path().join("two.img"));
    sparse(&one, 1 << 20);
    sparse(&two, 1 << 20);
    let identity = |under: &Path| {
        let disk = Loop::new(under)?;
        Some(Volume::open(device(&disk.0), &state).unwrap().identity().clone())
    };
    let (Some(first), Some(second)) = (identity(&one), identity(&two)) else { return };
    assert_ne!(first, second);
    assert_eq!(identity(&one).unwrap(), first, "whatever number it has now");
}

#[test]
fn a_mounted_device_is_refused_by_name() {
    let (home, state) = state();
    let under = home.path().join("under.img");
    sparse(&under, 16 << 20);
    let Some(disk) = Loop::new(&under) else { return };
    let disk_path = disk.0.to_str().unwrap();
    if run("mkfs.ext4", &["-q", disk_path]).is_none() {
        eprintln!("skipped: no mkfs.ext4");
        return;
    }
    let Some(mount) = Mount::new(&[disk_path]) else { return };
    let error = Volume::open(device(&disk.0), &state).unwrap_err();
    assert!(error.to_string().contains(&format!("mounted at {}", mount.0.path().display())), "{error}");
}

/// The disk of the loop device is a sparse file on a file system that is full: writes go to the page cache, and only
/// the sync finds out.
#[test]
fn a_disk_that_loses_writes_poisons_its_volume() {
    let Some(mount) = Mount::new(&["-t", "tmpfs", "-o", "size=2m", "none"]) else { return };
    let (home, state) = state();
    sparse(&mount.path("under.img"), 32 << 20);
    let Some(disk) = Loop::new(&mount.path("under.img")) else { return };
    let volume = Volume::open(device(&disk.0), &state).unwrap();
    let arena = Arena::heap(4 << 20);
    let write = |at: u64, durable| {
        let mut from = arena.alloc(1 << 20).unwrap();
        from.fill(1);
        volume.run(&mut Op::Write { at, from, durable })
    };
    for megabyte in 0..8 {
        assert_eq!(write(megabyte << 20, false), Ok(Done::Ok));
    }
    assert_eq!(volume.run(&mut Op::Flush), Err(Fault::MediumWrite { at: 0 }));
    assert_eq!(volume.run(&mut Op::Flush), Err(Fault::Poisoned), "a second sync would have succeeded");
    drop((volume, state));
    let state = StateDir::open(&home.path().join("state")).unwrap();
    let volume = Volume::open(device(&disk.0), &state).unwrap();
    assert!(volume.poisoned().is_some());
    volume.clear_poison().unwrap();
}

/// The kernel found out that writes are lost, and told somebody else; our open file description has not heard of it when
/// it is handed over. The successor's first flush must hear of it. A disk that was opened anew would not.
#[test]
fn writes_that_were_lost_before_a_handover_are_told_after_it() {
    let Some(mount) = Mount::new(&["-t", "tmpfs", "-o", "size=2m", "none"]) else { return };
    let (_home, state) = state();
    sparse(&mount.path("under.img"), 32 << 20);
    let Some(disk) = Loop::new(&mount.path("under.img")) else { return };
    let volume = Volume::open(device(&disk.0), &state).unwrap();
    let arena = Arena::heap(4 << 20);
    let bystander = fs::OpenOptions::new().read(true).write(true).open(&disk.0).unwrap();
    for megabyte in 0..8 {
        let from = arena.alloc_zeroed(1 << 20).unwrap();
        assert_eq!(volume.run(&mut Op::Write { at: megabyte << 20, from, durable: false }), Ok(Done::Ok));
    }
    bystander.sync_data().unwrap_err();
    let anew = fs::OpenOptions::new().read(true).write(true).open(&disk.0).unwrap();
    anew.sync_data().expect("who comes later hears nothing");

    let state = next_state(state);
    let volume = next_volume(volume, &state);
    let error = Volume::open(device(&disk.0), &super::state().1).unwrap_err();
    assert!(matches!(&error, OpenError::InUse { .. }), "{error}");
    assert_eq!(volume.poisoned(), None);
    assert_eq!(volume.run(&mut Op::Flush), Err(Fault::MediumWrite { at: 0 }));
    let state = next_state(state);
    let volume = next_volume(volume, &state);
    assert_eq!(volume.run(&mut Op::Flush), Err(Fault::Poisoned));
    assert!(volume.poisoned().is_some());
}

#[test]
fn without_attributes_the_state_directory_remembers() {
    let Some(mount) = Mount::new(&["-t", "ramfs", "none"]) else { return };
    let (_home, state) = state();
    let path = mount.path("disk.img");
    let identity = |path: &Path| Volume::open(file(path, Some(8192)), &state).map(|volume| volume.identity().clone());
    let first = identity(&path).unwrap();
    let mut text = [0; 64];
    if rustix::fs::getxattr(&path, "user.mainstay.identity", &mut text[..]).is_ok() {
        eprintln!("skipped: ramfs keeps extended attributes here");
        return;
    }
    assert_eq!(identity(&path).unwrap(), first);
    let moved = mount.path("moved.img");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(identity(&moved).unwrap(), first);
    fs::copy(&moved, &path).unwrap();
    let copied = identity(&path).unwrap();
    assert_ne!(copied, first, "nothing tells that it is a copy, and it has an identity of its own");
    let third = mount.path("third.img");
    fs::copy(&path, &third).unwrap();
    fs::rename(&third, &path).unwrap();
    let error = identity(&path).unwrap_err();
    assert!(matches!(error, OpenError::Identity(IdentityError::Replaced { .. })), "{error}");
    identify_keep(&path, &state).unwrap();
    assert_eq!(identity(&path).unwrap(), copied);
}
