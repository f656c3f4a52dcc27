//! `mainstay demo swap` as people run it: it must be right when all is well, and must not be when it is not.

use mainstay_swap_tests::program;
use mainstay_testkit::initiator::{Command as Task, Login, cdb};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A demo that runs, in a temporary folder of its own.
struct Demo {
    home: TempDir,
    program: PathBuf,
    child: Child,
}

impl Demo {
    fn start(args: &[&str]) -> Demo {
        let home = tempfile::tempdir().unwrap();
        let program = program::install(&program::current(), &home.path().join("mainstay"));
        std::fs::create_dir(home.path().join("tmp")).unwrap();
        let mut command = Command::new(&program);
        command.args(["demo", "swap"]).args(args).env("TMPDIR", home.path().join("tmp"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Demo { home, program, child }
    }

    fn left_behind(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.home.path().join("tmp")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Waits until so many sessions are at work; the control socket, and what the target says of itself.
    fn busy(&self, sessions: usize) -> (PathBuf, Value) {
        let late = Instant::now() + Duration::from_secs(30);
        while Instant::now() < late {
            for home in self.left_behind() {
                let control = home.join("control");
                let status = self.ask(&["status", "--json"], &control);
                let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
                let there = status["sessions"].as_array().into_iter().flatten();
                if there.filter(|session| session["commands"].as_u64() > Some(10)).count() == sessions {
                    return (control, status);
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the demo does not come to work");
    }

    fn ask(&self, words: &[&str], control: &Path) -> Output {
        Command::new(&self.program).args(words).arg("--control").arg(control).output().unwrap()
    }

    /// Its end: whether it was well, standard output, standard error. Nothing is left behind.
    fn end(mut self) -> (bool, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(self.left_behind(), Vec::<PathBuf>::new());
        (status.success(), out, err)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Only of a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_demo_swaps_and_says_the_figures() {
    let (well, out, err) = Demo::start(&["--swaps", "3", "--sessions", "4", "--json"]).end();
    assert!(well, "{err}{out}");
    let figures: Value = serde_json::from_str(&out).unwrap();
    let number = |path: &str| figures.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {out}"));
    for nothing in ["/sessions_lost", "/errors", "/differences"] {
        assert_eq!(number(nothing), 0, "{nothing}");
    }
    assert_eq!((number("/sessions"), number("/pid")), (4, number("/pid_after")));
    assert!(number("/commands") > 100);
    let swaps = figures["swaps"].as_array().unwrap();
    assert_eq!(swaps.len(), 3);
    for swap in swaps {
        assert_eq!((&swap["outcome"], &swap["carried"]["sessions"]), (&"done".into(), &4.into()), "{out}");
    }
    let (half, most) = (number("/pause_us/p50"), number("/pause_us/max"));
    assert!(0 < half && half <= most);
    // Everybody has a command under way at any time, so the longest pause was waited for by somebody.
    assert!(number("/gap_us") > most / 2 && number("/latency_us/max") > most / 2, "{out}");
}

#[test]
fn a_demo_over_nvme() {
    let (well, out, err) = Demo::start(&["--swaps", "2", "--sessions", "3", "--nvme", "--json"]).end();
    assert!(well, "{err}{out}");
    let figures: Value = serde_json::from_str(&out).unwrap();
    let number = |path: &str| figures.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {out}"));
    for nothing in ["/sessions_lost", "/errors", "/differences"] {
        assert_eq!(number(nothing), 0, "{nothing}");
    }
    assert_eq!((number("/sessions"), number("/pid")), (3, number("/pid_after")));
    assert!(number("/commands") > 100);
    let carried = &figures["swaps"][1]["carried"];
    // A controller is an admin queue and an I/O queue.
    assert_eq!((&carried["sessions"], &carried["connections"]), (&3.into(), &6.into()), "{out}");
}

#[test]
fn a_demo_draws_and_says_the_pause() {
    let (well, out, err) = Demo::start(&["--swaps", "2"]).end();
    assert!(well, "{err}{out}");
    assert!(!out.contains('\x1b'), "colours where nobody looks");
    assert_eq!(out.lines().find(|line| line.contains('└')).map(|axis| axis.matches('▲').count()), Some(2), "{out}");
    assert!(out.contains("\npause     p50 ") && out.contains(" 8 before, 8 after, 0 lost;"), "{out}");
    assert!(out.lines().filter(|line| line.contains(['│', '┤', '└'])).all(|line| line.chars().count() <= 80), "{out}");
}

#[test]
fn a_demo_does_not_hide_what_goes_wrong() {
    let demo = Demo::start(&["--swaps", "2", "--sessions", "2"]);
    let (control, status) = demo.busy(2);
    // Somebody else writes to the disk, and ends one of the sessions.
    let portal = status["portals"][0]["address"].as_str().unwrap().parse().unwrap();
    let mut vandal = Login::new("iqn.vandal", status["targets"][0]["name"].as_str().unwrap()).connect(portal).unwrap();
    vandal.test_unit_ready(0).unwrap();
    for lba in (0..2048).step_by(128) {
        let garbage = Task::new(0, &cdb::write10(lba, 128, false)).writes(&[0xee; 128 * 512]);
        vandal.run(&garbage).unwrap().good().unwrap();
    }
    let second = status["sessions"][1]["id"].as_u64().unwrap().to_string();
    assert!(demo.ask(&["kick", &second], &control).status.success());
    let (well, out, err) = demo.end();
    assert!(!well && err.contains("blocks with wrong data: ") && err.contains("sessions lost: 1 ("), "{err}{out}");
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let demo = Demo::start(&[]);
        let (_, status) = demo.busy(8);
        let target = Pid::from_raw(status["daemon"]["pid"].as_i64().unwrap() as i32).unwrap();
        kill_process(Pid::from_child(&demo.child), signal).unwrap();
        let (well, _, err) = demo.end();
        assert!(!well && err.contains("ended by SIG"), "{err}");
        assert!(test_kill_process(target).is_err(), "the target lives on");
    }
}
