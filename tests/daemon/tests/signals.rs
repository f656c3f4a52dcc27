//! Signals: a terminal that goes away, a reload that is not there, children that nobody waits for.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{SOON, assert_ends, assert_works, skip};

/// A terminal: the end that draws it, and the end that programs have.
fn terminal() -> (OwnedFd, OwnedFd) {
    let drawn = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&drawn).and_then(|()| unlockpt(&drawn)).expect("it is ours");
    let name = ptsname(&drawn, Vec::new()).expect("it has a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    (drawn, rustix::fs::open(name, flags, Mode::empty()).expect("it opens"))
}

#[test]
fn it_stops_in_an_orderly_way_when_its_terminal_goes() {
    let (drawn, typed) = terminal();
    // As a shell does it: the daemon leads a session whose terminal this is.
    let mut daemon = Daemon::builder().wrapper(&["setsid", "--ctty"]).stdin(typed).start();
    let mut session = daemon.session();
    assert_works(&mut session, 0);
    drop(drawn);
    let status = daemon.wait_exit(Duration::from_secs(12));
    assert!(status.success(), "{status}\n{}", daemon.words());
    daemon.wait_line(&["\"event\":\"stopping\"", "the terminal has gone"], SOON);
    assert_ends(&mut session, SOON);
    assert!(!daemon.control().exists(), "the control socket is left behind");
}

#[test]
fn a_hangup_without_a_terminal_changes_nothing() {
    let mut daemon = Daemon::memory();
    let mut session = daemon.session();
    for _ in 0..50 {
        daemon.signal(Signal::HUP);
        assert_works(&mut session, 0);
    }
    daemon.wait_line(&["no reload yet"], SOON);
    assert_eq!(daemon.log().iter().filter(|line| line.contains("no reload yet")).count(), 1);
    daemon.assert_alive();
}

#[test]
fn who_had_it_ignored_is_obeyed() {
    let (drawn, typed) = terminal();
    let ignoring = ["setsid", "--ctty", "sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""];
    let mut daemon = Daemon::builder().wrapper(&ignoring).stdin(typed).start();
    daemon.signal(Signal::HUP);
    drop(drawn);
    assert_works(&mut daemon.session(), 0);
    daemon.assert_alive();
}

#[test]
fn told_to_stop_while_it_is_replaced_it_stops() {
    // In the pause: whichever program the signal meets has to act upon it.
    let mut met = [0, 0];
    for round in 0..12 {
        let mut daemon = Daemon::file(1 << 20);
        let mut session = daemon.session();
        let mut asked = swap(&daemon).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        daemon.wait_line(&["\"event\":\"paused\""], SOON);
        std::thread::sleep(Duration::from_micros(700 * round));
        daemon.signal(if round % 2 == 0 { Signal::TERM } else { Signal::INT });
        let status = daemon.wait_exit(Duration::from_secs(12));
        assert!(status.success(), "{status}\n{}", daemon.words());
        daemon.wait_line(&["\"event\":\"stopping\""], SOON);
        assert_ends(&mut session, SOON);
        asked.wait().unwrap();
        met[usize::from(daemon.said().iter().any(|line| line.contains("\"event\":\"resumed\"")))] += 1;
    }
    eprintln!("stopped by the old program: {}, by the new one: {}", met[0], met[1]);
}

fn swap(daemon: &Daemon) -> Command {
    let mut command = Command::new(mainstay_testkit::daemon::program());
    command.args(["swap", "--allow-same", "--json", "--control"]).arg(daemon.control()).stdin(Stdio::null());
    command
}

#[test]
fn neither_hangups_nor_ending_children_disturb_a_swap() {
    // Somebody else's children end all the time, while it waits for its own: the rehearsals.
    let leaving =
        "n=0; while [ $n -lt 400 ]; do sleep $((n / 100)).$((n % 100)) & n=$((n + 1)); done; exec \"$0\" \"$@\"";
    let daemon = Daemon::builder().wrapper(&["sh", "-c", leaving]).start();
    let mut session = daemon.session();
    let until = Instant::now() + Duration::from_secs(4);
    let mut swaps = 0;
    while Instant::now() < until || swaps < 4 {
        let mut asked = swap(&daemon).stdout(Stdio::piped()).spawn().unwrap();
        while asked.try_wait().unwrap().is_none() {
            daemon.signal(Signal::HUP);
            std::thread::sleep(Duration::from_micros(200));
        }
        let output = asked.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}\n{}", daemon.words());
        assert_works(&mut session, 0);
        swaps += 1;
    }
    assert_reaped(daemon.pid(), "left behind");
    eprintln!("{swaps} swaps");
}

/// Children of process `pid` that have ended and wait for somebody who asks how.
fn zombies(pid: u32) -> Vec<u32> {
    let ended_child = |entry: std::fs::DirEntry| {
        let child = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        (rest.next()? == "Z" && rest.next()?.parse() == Ok(pid)).then_some(child)
    };
    std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok).filter_map(ended_child).collect()
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> usize {
    let is_child = |entry: &std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(pid)
    };
    std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok).filter(is_child).count()
}

#[track_caller]
fn assert_reaped(pid: u32, what: &str) {
    let deadline = Instant::now() + SOON;
    while children(pid) > 0 {
        assert!(Instant::now() < deadline, "{what}: {} children, of them zombies: {:?}", children(pid), zombies(pid));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn children_it_did_not_make_are_reaped() {
    // Some end before the daemon looks, some while it serves.
    let leaving = "for n in 0 0 0 1 1 1; do sleep $n & done; exec \"$0\" \"$@\"";
    let daemon = Daemon::builder().wrapper(&["sh", "-c", leaving]).start();
    assert_reaped(daemon.pid(), "left behind");
    assert_works(&mut daemon.session(), 0);
}

#[test]
fn process_1_reaps_orphans() {
    let namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let allowed = Command::new(namespace[0]).args(&namespace[1..]).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return skip("no process namespace may be made here (unshare --pid)");
    }
    let daemon = Daemon::builder().wrapper(&namespace).start();
    assert_eq!(daemon.ready["pid"], 1);
    // Our own child is unshare, and its only child is the daemon.
    let list = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.pid())).expect("children");
    let pid: u32 = list.trim().parse().expect("one child");
    for _ in 0..20 {
        let mut orphan = Command::new("nsenter");
        orphan.args(["--target", &pid.to_string(), "--pid", "sh", "-c", "sleep 0.2 & sleep 0 & exit"]);
        assert!(orphan.status().expect("nsenter").success());
    }
    // They became its children, or nothing is shown by their being gone.
    assert!(children(pid) > 0, "no orphan was given to it");
    let mut session = daemon.session();
    daemon.ctl_ok(&["swap", "--allow-same"]);
    assert_reaped(pid, "orphans");
    assert_works(&mut session, 0);
    assert_eq!(daemon.status()["daemon"]["pid"], 1);
}
