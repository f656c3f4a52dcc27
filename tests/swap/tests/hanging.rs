//! A store that does not answer: no pause begins while there is one, and a pause that meets one is given up.
//!
//! strace holds a system call of the daemon back for as long as a test likes. A store in an uninterruptible sleep needs a
//! device of its own: that is in the lab (tests/lab/swap.sh).

use mainstay_swap_tests::order::exit::{REFUSED, ROLLED_BACK};
use mainstay_swap_tests::rig::Rig;
use mainstay_swap_tests::{order, program};
use mainstay_testkit::initiator::{Command, Session, cdb};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

const ANY: &[&str] = &["--allow-same", "--allow-downgrade"];

/// While it lives, `calls` on the file of volume `file` take long.
struct Held(Child);

impl Held {
    fn hold(rig: &Rig, calls: &str) -> Option<Held> {
        let file = rig.daemon.folder().path().join("file.img");
        let mut strace = Program::new("strace");
        strace.args(["-f", "-p", &rig.daemon.pid().to_string(), "-e", &format!("trace={calls}")]);
        strace.args(["-e", &format!("inject={calls}:delay_enter=600s"), "-o", "/dev/null", "-P"]).arg(file);
        let child = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let mut held = Held(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        let tracer = format!("TracerPid:\t{}\n", held.0.id());
        while Instant::now() < deadline {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", rig.daemon.pid())).ok()?;
            let traced = |task: &std::fs::DirEntry| {
                std::fs::read_to_string(task.path().join("status")).is_ok_and(|status| status.contains(&tracer))
            };
            if tasks.filter_map(Result::ok).all(|task| traced(&task)) {
                return Some(held);
            }
            if held.0.try_wait().ok()?.is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // On SIGINT it lets go of the daemon.
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.0.wait();
    }
}

/// Another session, with a flush or a durable write that will not end.
fn other(rig: &Rig) -> Session {
    let mut session = rig.ground.login("open", 40).connect(rig.ground.portal).unwrap();
    session.patience = Duration::from_secs(30);
    session.clear_attentions(1).unwrap();
    let data = vec![7; 4096];
    session.write16(1, rig.ground.plot(40, 512), &data, 512).unwrap().good().unwrap();
    session
}

#[test]
fn no_pause_begins_while_a_store_hangs() {
    let mut rig = Rig::current();
    let next = rig.install(&program::next(), "mainstay-next");
    let mut session = other(&rig);
    let Some(held) = Held::hold(&rig, "fdatasync") else {
        eprintln!("skip: strace cannot attach here: on Debian or Ubuntu, sudo apt-get install strace");
        return;
    };
    let tag = session.start(&Command::new(1, &cdb::synchronize_cache10())).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    for deadline in ["300ms", "1s"] {
        let begun = Instant::now();
        let answer = rig.swap(&next, &["--deadline", deadline]);
        answer.assert(REFUSED, &rig.daemon);
        assert_eq!(answer.word("step"), "quiesce", "{}", answer.said);
        println!("--deadline {deadline}, after {:?}: {}", begun.elapsed(), answer.word("why"));
        // Reads and writes have gone on all the time, and do.
        rig.assert_lives();
    }
    // Meanwhile calls are heard.
    let waits = order::command(&rig.daemon, &rig.program, Some(&next), &["--deadline", "4s"]);
    let waits = std::thread::spawn(move || { waits }.output().unwrap());
    let mut longest = Duration::ZERO;
    while !waits.is_finished() {
        let begun = Instant::now();
        rig.daemon.status();
        longest = longest.max(begun.elapsed());
    }
    assert_eq!(waits.join().unwrap().status.code(), Some(REFUSED));
    println!("status was answered after {longest:?} at most");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    assert_eq!(rig.events.count("paused"), 0);
    assert!(!session.is_done(tag));
    drop(held);
    session.wait(tag).unwrap().good().unwrap();
    rig.swap_well(&next, &[]);
}

#[test]
fn a_store_that_begins_to_hang_at_the_last_moment() {
    let mut rig = Rig::next();
    let next = rig.install(&program::next(), "fresh");
    let mut session = other(&rig);
    rig.order("slow wait");
    let asked = {
        let more = ["--allow-same", "--allow-downgrade", "--deadline", "1s"];
        let command = order::command(&rig.daemon, &rig.program, Some(&next), &more);
        std::thread::spawn(move || { command }.output().unwrap())
    };
    rig.wait_fault();
    let Some(held) = Held::hold(&rig, "pwrite64,pwritev,pwritev2,fdatasync") else {
        rig.go_on();
        asked.join().unwrap();
        eprintln!("skip: strace cannot attach here: on Debian or Ubuntu, sudo apt-get install strace");
        return;
    };
    // It is read in the last turn before the pause.
    let data = vec![9; 8192];
    let lba = rig.ground.plot(40, 512);
    let write = Command::new(1, &cdb::write16(lba, 16)).writes(&data);
    let tag = session.start(&write).unwrap();
    rig.go_on();
    let output = asked.join().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    let status = output.status.code();
    assert!(status == Some(ROLLED_BACK) || status == Some(REFUSED), "{output:?}\n{}", rig.daemon.words());
    assert!(said.contains("\"quiesce\""), "{said}");
    drop(held);
    session.wait(tag).unwrap().good().unwrap();
    let back = session.read16(1, lba, 16, 512).unwrap().good().unwrap();
    assert!(back == data, "not what was written");
    rig.assert_lives();
    rig.swap_well(&next, ANY);
}
