//! Stores that fail: errors of the disk, a full disk, a file that shrinks, files and folders that are somebody else's.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command as Program, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mainstay_testkit::daemon::{Daemon, program};
use mainstay_testkit::initiator::{Command, Session, cdb};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{SOON, assert_works, bytes, skip};

/// System calls of a daemon fail while this lives: strace changes their results.
struct Fault {
    strace: Child,
    _log: tempfile::NamedTempFile,
}

impl Fault {
    /// On `disk.img` only. `inject` is as in strace(1), e.g. `pread64,preadv2:error=EIO`. None when strace is not to be had or may not attach.
    fn inject(daemon: &Daemon, inject: &str) -> Option<Fault> {
        let log = tempfile::NamedTempFile::new().unwrap();
        let calls = inject.split(':').next().unwrap();
        let strace = Program::new("strace")
            .args(["-f", "-p", &daemon.pid().to_string(), "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={inject}"), "-o"])
            .arg(log.path())
            .arg("-P")
            .arg(daemon.folder().path().join("disk.img"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut fault = Fault { strace, _log: log };
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap_or_default();
            let tracer = format!("TracerPid:\t{}\n", fault.strace.id());
            let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).ok()?;
            let all = { tasks }.filter_map(Result::ok).all(|task| {
                std::fs::read_to_string(task.path().join("status")).is_ok_and(|status| status.contains(&tracer))
            });
            if status.contains(&tracer) && all {
                return Some(fault);
            }
            if fault.strace.try_wait().ok()?.is_some() {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // On SIGINT it lets go of the daemon; on SIGKILL it might leave it stopped.
        if let Some(pid) = i32::try_from(self.strace.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.strace.wait();
    }
}

const READS: &str = "pread64,preadv,preadv2";
const WRITES: &str = "pwrite64,pwritev,pwritev2";

#[test]
fn a_disk_that_cannot_be_read() {
    let mut daemon = Daemon::file(8 << 20);
    let mut session = daemon.session();
    let payload = bytes(65536, 1);
    session.write10(0, 0, &payload, 512).unwrap().good().unwrap();
    let Some(fault) = Fault::inject(&daemon, &format!("{READS}:error=EIO")) else {
        return skip("strace cannot attach here (apt install strace; ptrace must be allowed)");
    };
    for blocks in [1, 128] {
        let outcome = session.read10(0, 0, blocks, 512).unwrap();
        // Medium error, unrecovered read error.
        assert_eq!(outcome.sense(), Some((3, 0x11, 0)), "{outcome:?}");
    }
    // What needs no medium still works, and so do the others.
    session.inquiry(0, None).unwrap();
    session.ping(b"still").unwrap();
    drop(fault);
    assert_eq!(session.read10(0, 0, 128, 512).unwrap().good().unwrap(), payload);
    let status = daemon.status();
    assert!(status["volumes"][0]["io"]["errors"].as_u64() >= Some(2), "{status:#}");
    daemon.assert_alive();
}

#[test]
fn a_disk_that_cannot_be_written() {
    let mut daemon = Daemon::file(8 << 20);
    let mut session = daemon.session();
    let Some(fault) = Fault::inject(&daemon, &format!("{WRITES}:error=EIO")) else {
        return skip("strace cannot attach here");
    };
    let outcome = session.write10(0, 0, &bytes(4096, 1), 512).unwrap();
    // Medium error, write error.
    let (key, asc, _) = outcome.sense().unwrap_or_else(|| panic!("{outcome:?}"));
    assert_eq!((key, asc), (3, 0x0c), "{outcome:?}");
    drop(fault);
    assert_works(&mut session, 0);
    daemon.assert_alive();
}

#[test]
fn a_flush_that_fails_poisons_until_an_admin_says_otherwise() {
    let daemon = Daemon::file(8 << 20);
    let folder = daemon.folder().clone();
    let name = daemon.volume().name;
    let mut session = daemon.session();
    session.write10(0, 0, &bytes(4096, 1), 512).unwrap().good().unwrap();
    let Some(fault) = Fault::inject(&daemon, "fsync,fdatasync,sync_file_range:error=EIO") else {
        return skip("strace cannot attach here");
    };
    let outcome = session.synchronize_cache(0).unwrap();
    assert_eq!(outcome.status, 2, "{outcome:?}");
    drop(fault);
    // The kernel has forgotten which pages it lost: a second flush that succeeds proves nothing.
    assert_eq!(session.synchronize_cache(0).unwrap().status, 2);
    assert_eq!(session.write10(0, 8, &bytes(4096, 2), 512).unwrap().status, 2);
    assert_eq!(daemon.status()["volumes"][0]["poisoned"], true);
    // Not even by starting again.
    drop((session, daemon));
    let daemon = Daemon::builder().folder(&folder).arg("disk.img").start();
    assert_eq!(daemon.status()["volumes"][0]["poisoned"], true);
    let mut session = daemon.session();
    assert_eq!(session.synchronize_cache(0).unwrap().status, 2);
    daemon.ctl_ok(&["clear-poison", &name]);
    session.clear_attentions(0).unwrap();
    assert_works(&mut session, 0);
    session.synchronize_cache(0).unwrap().good().unwrap();
    assert_eq!(daemon.status()["volumes"][0]["poisoned"], false);
}

#[test]
fn a_read_that_comes_up_short() {
    let mut daemon = Daemon::file(8 << 20);
    let mut session = daemon.session();
    session.write10(0, 0, &bytes(65536, 1), 512).unwrap().good().unwrap();
    let Some(fault) = Fault::inject(&daemon, &format!("{READS}:retval=0")) else {
        return skip("strace cannot attach here");
    };
    let outcome = session.read10(0, 0, 128, 512).unwrap();
    let (key, ..) = outcome.sense().unwrap_or_else(|| panic!("invented data: {outcome:?}"));
    assert_eq!(key, 3, "{outcome:?}");
    drop(fault);
    // Interruptions are no errors.
    let Some(fault) = Fault::inject(&daemon, &format!("{READS}:error=EINTR:when=1+2")) else { return };
    assert_eq!(session.read10(0, 0, 128, 512).unwrap().good().unwrap(), bytes(65536, 1));
    drop(fault);
    daemon.assert_alive();
}

/// A file system of its own of so many bytes, unmounted when it goes.
struct Tiny(TempDir);

impl Tiny {
    fn mount(bytes: u64) -> Option<Tiny> {
        let folder = TempDir::new().unwrap();
        let size = format!("size={bytes},mode=0700");
        let done =
            Program::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output().ok()?;
        done.status.success().then_some(Tiny(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Program::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk() {
    let Some(tiny) = Tiny::mount(2 << 20) else { return skip("mounting needs root") };
    let image = tiny.path().join("disk.img");
    let mut daemon = Daemon::builder().arg("--size").arg("64M").arg(&image).start();
    let mut session = daemon.session();
    let payload = bytes(65536, 1);
    let mut written = 0;
    let refused = loop {
        let outcome = session.write10(0, written * 128, &payload, 512).unwrap();
        if outcome.status != 0 {
            break outcome;
        }
        written += 1;
        assert!(written < 100, "more was written than there is");
    };
    // Data protect, space allocation failed (SBC-4 §4.7.3.6).
    assert_eq!(refused.sense(), Some((7, 0x27, 7)), "{refused:?}");
    assert!(written > 8);
    // What is there stays readable and writable; giving some back makes room.
    assert_eq!(session.read10(0, 0, 128, 512).unwrap().good().unwrap(), payload);
    session.write10(0, 0, &bytes(65536, 2), 512).unwrap().good().unwrap();
    session.run(&Command::new(0, &cdb::write_same16(0x09, 0, 1024))).unwrap().good().unwrap();
    assert_eq!(session.read10(0, 0, 8, 512).unwrap().good().unwrap(), vec![0; 4096]);
    session.write10(0, written * 128, &payload, 512).unwrap().good().unwrap();
    daemon.assert_alive();
    drop((session, daemon));

    // The state directory on a full disk: it says so and does not start, or starts without harm.
    let Some(tiny) = Tiny::mount(64 << 10) else { return };
    let _ = std::fs::write(tiny.path().join("filler"), vec![1; 64 << 10]);
    let state = tiny.path().join("state");
    if let Err(why) = Daemon::builder().arg("disk.img").arg("--size").arg("1M").state(&state).try_start() {
        assert!(!why.contains("panicked") && why.contains("state"), "{why}");
    }
}

#[test]
fn a_file_that_shrinks_underneath() {
    let mut daemon = Daemon::file(8 << 20);
    let mut session = daemon.session();
    let payload = bytes(65536, 1);
    for lba in [0, 8192] {
        session.write10(0, lba, &payload, 512).unwrap().good().unwrap();
    }
    let file = OpenOptions::new().write(true).open(daemon.folder().path().join("disk.img")).unwrap();
    file.set_len((4 << 20) + 1000).unwrap();
    // Whole, half and nothing left.
    assert_eq!(session.read10(0, 0, 128, 512).unwrap().good().unwrap(), payload);
    for (lba, blocks) in [(8192, 128), (8193, 1), (16000, 8)] {
        let outcome = session.read10(0, lba, blocks, 512).unwrap();
        let (key, ..) = outcome.sense().unwrap_or_else(|| panic!("zeros were invented at {lba}: {outcome:?}"));
        assert_eq!(key, 3, "{outcome:?}");
    }
    assert_eq!(session.read10(0, 8192, 1, 512).unwrap().good().unwrap(), payload[..512]);
    session.write10(0, 16, &payload, 512).unwrap().good().unwrap();
    assert_eq!(session.capacity(0).unwrap().blocks, 16384);
    daemon.wait_line(&["\"event\":\"error\"", "disk"], SOON);
    daemon.assert_alive();
}

fn refused(builder: mainstay_testkit::daemon::Builder, words: &[&str]) {
    let why = builder.try_start().map(|_| ()).expect_err("it must not start");
    for word in words {
        assert!(why.contains(word), "no {word:?} in {why}");
    }
    assert!(!why.contains("panicked") && !why.contains("signal"), "{why}");
}

#[test]
fn a_second_daemon_on_the_same_file() {
    let daemon = Daemon::file(8 << 20);
    let path = daemon.folder().path().join("disk.img");
    let _folder = daemon.folder().clone();
    let pid = daemon.pid().to_string();
    refused(Daemon::builder().arg(&path), &["disk.img", &pid]);
    // By another name it is the same file.
    let link = daemon.folder().path().join("link.img");
    std::fs::hard_link(&path, &link).unwrap();
    refused(Daemon::builder().arg(&link), &["link.img"]);
    // The state directory and the control socket are one daemon's, too.
    refused(Daemon::builder().state(&daemon.folder().path().join("state")), &["state"]);
    assert_works(&mut daemon.session(), 0);
    assert!(daemon.control().exists());
    drop(daemon);
    // Killed: the lock is gone with it.
    assert_works(&mut Daemon::builder().arg(&path).start().session(), 0);
}

fn serial(session: &mut Session) -> String {
    session.serial(0).unwrap()
}

#[test]
fn a_copied_image() {
    let daemon = Daemon::file(1 << 20);
    let folder = daemon.folder().clone();
    let original = serial(&mut daemon.session());
    let image = folder.path().join("disk.img");
    for (flag, name) in [("--preserve=xattr", "one.img"), ("-a", "two.img")] {
        let copy = folder.path().join(name);
        let done = Program::new("cp").arg(flag).arg(&image).arg(&copy).status().unwrap();
        assert!(done.success());
    }
    drop(daemon);
    // Alone, beside the original, and each of them: two disks with one identity lose data under multipath.
    refused(Daemon::builder().folder(&folder).arg("one.img"), &["one.img", "mainstay identify --new"]);
    refused(Daemon::builder().folder(&folder).arg("disk.img").arg("two.img"), &["two.img", "mainstay identify --new"]);
    let state = folder.path().join("state");
    let identify = |how: &str, name: &str| {
        let output = Program::new(program())
            .args(["identify", how])
            .arg(folder.path().join(name))
            .arg("--state-dir")
            .arg(&state)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    identify("--new", "one.img");
    let daemon = Daemon::builder().folder(&folder).arg("disk.img").arg("one.img").start();
    let volumes = daemon.volumes();
    let of = |n: usize| {
        let login = mainstay_testkit::initiator::Login::new(mainstay_testkit::daemon::INITIATOR, &volumes[n].target);
        let mut session = login.connect(volumes[n].portal).unwrap();
        session.clear_attentions(0).unwrap();
        serial(&mut session)
    };
    assert_eq!(of(0), original);
    assert_ne!(of(1), original);
    drop(daemon);
    // The copy takes the place of a lost original.
    std::fs::remove_file(&image).unwrap();
    identify("--keep", "two.img");
    let daemon = Daemon::builder().folder(&folder).arg("two.img").start();
    assert_eq!(serial(&mut daemon.session()), original);
}

#[test]
fn a_state_directory_that_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    std::fs::write(photos.join("holiday.jpg"), b"precious").unwrap();
    refused(Daemon::builder().state(&photos), &["photos"]);
    assert_eq!(std::fs::read_dir(&photos).unwrap().count(), 1, "nothing may be left in it");
    let file = folder.path().join("file");
    std::fs::write(&file, b"not a folder").unwrap();
    refused(Daemon::builder().state(&file), &["file"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"not a folder");
    // A control path on which something else lies is left alone.
    let holder = tempfile::tempdir().unwrap();
    let holder = std::sync::Arc::new(holder);
    std::fs::write(holder.path().join("control.sock"), b"a file of somebody").unwrap();
    refused(Daemon::builder().folder(&holder), &["control.sock"]);
    assert_eq!(std::fs::read(holder.path().join("control.sock")).unwrap(), b"a file of somebody");
}

#[test]
fn files_that_are_no_disks() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("empty.img"), b"").unwrap();
    std::fs::write(folder.path().join("ragged.img"), vec![1; 1000]).unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    for (name, words) in
        [("empty.img", &["empty.img"][..]), ("ragged.img", &["ragged.img", "512"]), ("folder", &["folder"])]
    {
        refused(Daemon::builder().folder(&folder).arg(name), words);
    }
    refused(Daemon::builder().folder(&folder).arg("no/such/folder/disk.img"), &["no/such/folder"]);
    assert_eq!(std::fs::read(folder.path().join("ragged.img")).unwrap(), vec![1; 1000]);
}

/// A loop device over a file; detached when it goes.
struct Loop(String);

impl Loop {
    fn attach(file: &Path) -> Option<Loop> {
        let output = Program::new("losetup").args(["--find", "--show"]).arg(file).output().ok()?;
        let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !name.is_empty()).then_some(Loop(name))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Program::new("losetup").arg("-d").arg(&self.0).output();
    }
}

#[test]
fn a_block_device() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let file = folder.path().join("backing");
    std::fs::File::create(&file).unwrap().set_len(16 << 20).unwrap();
    let Some(device) = Loop::attach(&file) else { return skip("loop devices need root") };
    let daemon = Daemon::builder().folder(&folder).arg(&device.0).start();
    assert_eq!(daemon.volume().size, 16 << 20);
    let mut session = daemon.session();
    assert_works(&mut session, 0);
    let payload = bytes(65536, 1);
    let durable = Command::new(0, &cdb::write10(64, 128, true)).writes(&payload);
    session.run(&durable).unwrap().good().unwrap();
    session.synchronize_cache(0).unwrap().good().unwrap();
    let identity = serial(&mut session);
    refused(Daemon::builder().arg(&device.0), &[&device.0]);
    drop((session, daemon));
    assert!(std::fs::read(&file).unwrap()[64 * 512..][..65536] == payload);
    let daemon = Daemon::builder().folder(&folder).arg(&device.0).start();
    assert_eq!(serial(&mut daemon.session()), identity);
    drop(daemon);
    // Formatted and mounted: it belongs to somebody.
    let made = Program::new("mkfs.ext4").args(["-q", "-F", &device.0]).output();
    let mount = tempfile::tempdir().unwrap();
    if made.is_ok_and(|output| output.status.success())
        && Program::new("mount").arg(&device.0).arg(mount.path()).status().is_ok_and(|status| status.success())
    {
        let why = Daemon::builder().folder(&folder).arg(&device.0).try_start().map(|_| ());
        let _ = Program::new("umount").arg(mount.path()).status();
        let why = why.expect_err("a mounted device");
        assert!(why.contains(&device.0), "{why}");
    }
}
