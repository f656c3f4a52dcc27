//! What the two programs do.

use crate::sys;
use mainstay_edge::swap::*;
use prost::Message as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Its value is what to play, and the folder.
pub const PLAY: &str = "MAINSTAY_TEST_PLAY";

/// What is carried: listener, both ends of a connection, a file in memory, and more of them.
struct Luggage {
    listener: TcpListener,
    near: TcpStream,
    far: TcpStream,
    memory: OwnedFd,
    /// What makes it heavy.
    more: Vec<OwnedFd>,
}

impl Luggage {
    fn pack(what: &str) -> Luggage {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        far.write_all(b"unread").unwrap();
        let memory = sealed("luggage", 9, |file| file.write_all(b"in memory")).unwrap();
        let room = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).min(5100) - 100;
        let more = if what.ends_with("many") { room } else { 0 };
        let more = (0..more).map(|_| memory.try_clone().unwrap()).collect();
        Luggage { listener, near, far, memory, more }
    }

    fn all(&self) -> Vec<BorrowedFd<'_>> {
        let first = [self.listener.as_fd(), self.near.as_fd(), self.far.as_fd(), self.memory.as_fd()];
        first.into_iter().chain(self.more.iter().map(AsFd::as_fd)).collect()
    }

    fn list(&self) -> Value {
        let print = |fd: &BorrowedFd<'_>| json!([fd.as_raw_fd(), Fingerprint::of(*fd).unwrap().encode_to_vec()]);
        self.all().iter().map(print).collect()
    }

    fn take(handover: &mut Handover, list: &Value) -> Luggage {
        let mut all = list.as_array().unwrap().iter().map(|entry| {
            let number = entry[0].as_i64().unwrap() as i32;
            let print: Vec<u8> = serde_json::from_value(entry[1].clone()).unwrap();
            let print = Fingerprint::decode(&print[..]).unwrap();
            let other = Fingerprint { inode: print.inode ^ 1, cookie: print.cookie ^ 1, ..print.clone() };
            assert!(handover.take(number, &other).is_err(), "something else");
            let fd = handover.take(number, &print).unwrap();
            assert!(handover.take(number, &print).is_err(), "taken twice");
            assert!(print.is_of(fd.as_fd()).unwrap(), "{print:?} is now {:?}", Fingerprint::of(fd.as_fd()));
            assert!(!print.is_of(std::io::stdin().as_fd()).unwrap());
            fd
        });
        let next = &mut || all.next().unwrap();
        let (listener, near, far, memory) = (next().into(), next().into(), next().into(), next());
        Luggage { listener, near, far, memory, more: all.collect() }
    }

    fn check(&mut self) {
        let mut bytes = [0; 6];
        self.near.peek(&mut bytes).unwrap();
        assert_eq!(&bytes, b"unread");
        let mut other = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        other.write_all(b"x").unwrap();
        self.listener.accept().unwrap().0.read_exact(&mut bytes[..1]).unwrap();
        let mut text = [0; 9];
        rustix::io::pread(&self.memory, &mut text[..], 0).unwrap();
        assert_eq!(&text, b"in memory");
    }
}

/// What must be the same before and after.
fn facts() -> String {
    let read =
        |name: &str| String::from_utf8_lossy(&std::fs::read(Path::new("/proc/self").join(name)).unwrap()).into_owned();
    let status = read("status");
    let wanted = [
        "Name",
        "Umask",
        "Tgid",
        "Pid",
        "PPid",
        "Uid",
        "Gid",
        "FDSize",
        "Threads",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "CapEff",
        "NoNewPrivs",
        "Cpus_allowed",
    ];
    let line = |line: &str| -> Option<String> {
        let (key, value) = line.split_once(":\t")?;
        let value = match u64::from_str_radix(value, 16) {
            // Two signals belong to the C library, which takes them with the first thread.
            Ok(set) if key.starts_with("Sig") => format!("{:x}", set & !0x1_8000_0000),
            _ => value.to_owned(),
        };
        wanted.contains(&key).then(|| format!("{key} {value}"))
    };
    let status: Vec<String> = status.lines().filter_map(line).collect();
    let mut open: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().file_name();
            let number: i32 = name.to_str().unwrap().parse().unwrap();
            let path = Path::new("/proc/self/fd").join(name);
            let info = read(&format!("fdinfo/{number}"));
            let flags = info.lines().find(|line| line.starts_with("flags")).unwrap().to_owned();
            format!(
                "{number} {} {flags}",
                std::fs::read_link(path).map(|p| p.display().to_string()).unwrap_or_default()
            )
        })
        .collect();
    open.retain(|line| !line.contains("/proc/"));
    // Numbers may change; the program's own image does.
    open = open.iter().map(|line| line.split_once(' ').unwrap().1.replace("/old ", "/new ")).collect();
    open.sort();
    let mut env: Vec<_> = std::env::vars().filter(|(key, _)| !key.starts_with("LISTEN_")).collect();
    env.sort();
    format!(
        "{status:#?}\n{open:#?}\n{:?}\n{env:?}\n{}\n{:?}\n{}",
        std::env::args(),
        read("limits"),
        std::env::current_dir(),
        read("oom_score_adj")
    )
}

fn folder() -> (String, PathBuf) {
    let play = std::env::var(PLAY).unwrap();
    let (what, folder) = play.split_once(' ').unwrap();
    (what.into(), folder.into())
}

fn say(text: &str) {
    println!("{text}");
    std::io::stdout().flush().unwrap();
}

/// Signals that come all the time.
fn handlers() {
    for signal in [libc::SIGUSR1, libc::SIGCHLD, libc::SIGHUP, libc::SIGTERM] {
        sys::handle(signal);
    }
}

pub fn act(handover: Option<Handover>) {
    let (what, folder) = folder();
    match handover {
        None => cold(&what, &folder),
        Some(handover) => warm(handover, &folder),
    }
}

fn cold(what: &str, folder: &Path) {
    let args: Vec<String> = std::env::args().collect();
    assert_eq!(args[1..], ["one argument", ""], "{args:?}");
    let moved = reserve().unwrap();
    handlers();
    if what == "shared-many" {
        // There is room for each once, and no more.
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.current.map(|soft| soft.min(1024)), ..limit }).unwrap();
    }
    let luggage = Luggage::pack(what);
    let old = Image::running().unwrap();
    let state =
        |what: &str, left: u64, facts: &str| json!({"what": what, "left": left, "facts": facts, "moved": moved});
    if let Some(mode) = what.strip_prefix("shared-") {
        sys::forbid_unshare();
        leave(&luggage, folder, &old, state(mode, 1, ""), "new");
    }
    if what == "refused" {
        refused(&luggage, folder, &old);
        leave(&luggage, folder, &old, state("fine", 1, ""), "new");
    }
    let left = if what == "fifty" { 50 } else { 1 };
    leave(&luggage, folder, &old, state(what, left, ""), "new");
}

/// Does not come back. The facts of the first one go along all the way.
fn leave(luggage: &Luggage, folder: &Path, old: &Image, mut state: Value, name: &str) -> ! {
    if state["facts"] == "" {
        state["facts"] = facts().into();
    }
    let image = Image::stage(&folder.join(name)).unwrap();
    assert_eq!(image.note().unwrap().version, "9.8.7");
    assert_ne!(image.build(), old.build());
    let failed = try_leave(luggage, &image, old, &snapshot_of(luggage, state));
    panic!("still here: {failed}");
}

fn snapshot_of(luggage: &Luggage, mut state: Value) -> (OwnedFd, Duration) {
    state["list"] = luggage.list();
    let bytes = serde_json::to_vec(&state).unwrap();
    let guard = Duration::from_millis(if state["what"] == "hang" { 300 } else { 5000 });
    (sealed("state", bytes.len(), |file| file.write_all(&bytes)).unwrap(), guard)
}

fn try_leave(luggage: &Luggage, image: &Image, old: &Image, state: &(OwnedFd, Duration)) -> DepartureFailed {
    let (snapshot, guard) = (state.0.as_fd(), state.1);
    let moments = Moments { stopped: 5, ..Moments::default() };
    depart(Departure { image, old, snapshot, carried: &luggage.all(), guard, moments, still: &|| true })
}

/// Departures that fail and leave no trace.
fn refused(luggage: &Luggage, folder: &Path, old: &Image) {
    let image = Image::stage(&folder.join("new")).unwrap();
    let limited = |image: &Image, why: &str, limit: Option<(Resource, u64)>| {
        let before = facts();
        let state = snapshot_of(luggage, json!({"what": "fine"}));
        let kept = limit.map(|(which, soft)| {
            let kept = getrlimit(which);
            setrlimit(which, Rlimit { current: Some(soft), ..kept }).unwrap();
            (which, kept)
        });
        let failed = try_leave(luggage, image, old, &state).to_string();
        if let Some((which, kept)) = kept {
            setrlimit(which, kept).unwrap();
        }
        drop(state);
        assert!(failed.contains(why), "{failed:?}, not {why:?}");
        let after = facts();
        assert_eq!(before, after, "{why}");
        say(&format!("refused: {failed}"));
    };
    let tries = |image: &Image, why: &str| limited(image, why, None);
    for (name, why) in [("interpreter", "interpreter"), ("machine", "cannot run a program of this form")] {
        tries(&Image::stage(&folder.join(name)).unwrap(), why);
    }
    let changing = folder.join("changing");
    let other = Image::stage(&changing).unwrap();
    std::fs::OpenOptions::new().append(true).open(&changing).unwrap().write_all(b"x").unwrap();
    assert!(other.unchanged().is_err());
    tries(&other, "was changed since it was checked");
    drop(other);
    let written = folder.join("written");
    let writer = std::fs::OpenOptions::new().append(true).open(&written).unwrap();
    tries(&Image::stage(&written).unwrap(), "open for writing");
    drop(writer);
    // The next one after the snapshot's.
    let free = rustix::io::fcntl_dupfd_cloexec(&image, 3).unwrap().as_raw_fd() as u64 + 1;
    limited(&image, "count the threads: Too many open files", Some((Resource::Nofile, free)));
    limited(&image, "make the handover: Too many open files", Some((Resource::Nofile, free + 1)));
    limited(&image, "make the handover: File too large", Some((Resource::Fsize, 100)));
    let thread = std::thread::spawn(|| std::thread::sleep(Duration::from_secs(1)));
    std::thread::sleep(Duration::from_millis(20));
    tries(&image, "1 threads still run");
    thread.join().unwrap();
}

fn warm(mut handover: Handover, folder: &Path) {
    assert!(inherited().is_none(), "inherited twice");
    let state: Value = serde_json::from_slice(handover.snapshot().unwrap().as_ref()).unwrap();
    let back = handover.came_back();
    let guard = Guard::stand(&handover).unwrap();
    let what = state["what"].as_str().unwrap().to_owned();
    let mut luggage = Luggage::take(&mut handover, &state["list"]);
    assert!(handover.untaken().is_empty());
    if back.is_none() {
        fail(&what, &mut luggage);
    }
    let guard = match (back.is_none(), what.as_str()) {
        (true, "error") => guard.go_back("this version does not like it"),
        (true, "closed") => {
            drop(luggage);
            guard.go_back("closed everything")
        }
        _ => guard,
    };
    luggage.check();
    let moments = handover.moments();
    assert!(moments.stopped == 5 && moments.left > 5 && moments.arrived > moments.left, "{moments:?}");
    handover.stamp(Moment::Adopted);
    guard.commit();
    let moments = handover.moments();
    let old = Image::running().unwrap();
    assert!(moments.committed >= moments.adopted, "{moments:?}");
    handlers();
    unblock_signals();
    let name = std::fs::read_link("/proc/self/exe").unwrap();
    let name = name.file_name().unwrap().to_str().unwrap().to_owned();
    let before = state["facts"].as_str().unwrap();
    let now = facts();
    assert_same(before, &now);
    if let Some(why) = back {
        assert_eq!(name, "old");
        say(&format!("back: {why}"));
        // The old one serves, and is replaced later by one that works.
        leave(&luggage, folder, &old, json!({"what": "fine", "left": 1, "facts": before}), "new");
    }
    let left = state["left"].as_u64().unwrap() - 1;
    if left == 0 {
        let steps = [moments.left, moments.arrived, moments.adopted, moments.committed];
        let steps: Vec<u64> = steps.windows(2).map(|step| (step[1] - step[0]) / 1000).collect();
        say(&format!("{name}: done, us to arrive, adopt and commit: {steps:?}"));
        return;
    }
    let next = if name == "new" { "old" } else { "new" };
    leave(&luggage, folder, &old, json!({"what": what, "left": left, "facts": before}), next);
}

fn assert_same(before: &str, now: &str) {
    for (before, now) in before.lines().zip(now.lines()) {
        // Copies of many make the table of descriptors larger, and it stays so.
        let grows = now.contains("FDSize") && before.contains("FDSize 1024");
        assert!(before == now || grows, "{before} became {now}");
    }
    assert_eq!(before.lines().count(), now.lines().count(), "{before}\n{now}");
}

/// The ways a new program goes wrong by itself.
fn fail(what: &str, luggage: &mut Luggage) {
    match what {
        "panic" => panic!("nobody expected this"),
        "segv" => {
            // What it has closed is not closed for the old one.
            luggage.memory = sealed("other", 0, |_| Ok(())).unwrap();
            sys::write_nowhere();
        }
        "abort" => std::process::abort(),
        "overflow" => {
            sys::overflow(0);
        }
        "thread" => {
            let _ = std::thread::spawn(|| sys::overflow(0)).join();
        }
        "bus" => sys::raise(libc::SIGBUS),
        "sys" => sys::raise(libc::SIGSYS),
        "hang" => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
}
