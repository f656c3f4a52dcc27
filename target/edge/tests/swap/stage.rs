//! The stage: starts an old program for each play, and compares what the two said.

use crate::play::PLAY;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What to play, and what must be said.
const PLAYS: &[(&str, &[&str])] = &[
    ("fine", &["new: done"]),
    ("many", &["new: done"]),
    ("fifty", &["old: done"]),
    (
        "refused",
        &[
            "interpreter",
            "of this form",
            "changed",
            "writing",
            "count the threads",
            "handover: Too many",
            "handover: File too large",
            "1 threads",
            "new: done",
        ],
    ),
    ("error", &["back: this version does not like it", "new: done"]),
    ("closed", &["back: closed everything", "new: done"]),
    ("panic", &["back: panic: nobody expected this (", "new: done"]),
    ("segv", &["back: SIGSEGV (segmentation fault) at 0x8", "new: done"]),
    ("abort", &["back: SIGABRT (abort)", "new: done"]),
    ("overflow", &["back: stack overflow (at 0x", "new: done"]),
    ("thread", &["back: SIGSEGV", "new: done"]),
    ("bus", &["back: SIGBUS", "new: done"]),
    ("sys", &["back: SIGSYS", "new: done"]),
    ("hang", &["back: it did not commit within 300 ms", "new: done"]),
    ("shared-fine", &["new: done"]),
    ("shared-many", &["new: done"]),
    ("shared-closed", &["back: closed everything", "new: done"]),
    ("shared-panic", &["back: panic: nobody expected this (", "new: done"]),
    ("shared-segv", &["back: SIGSEGV", "new: done"]),
    ("shared-overflow", &["back: stack overflow", "new: done"]),
    ("shared-hang", &["back: it did not commit", "new: done"]),
];

pub fn run() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let folder = tempfile::tempdir().unwrap();
    programs(folder.path());
    let mut failed = Vec::new();
    let mut passed = 0;
    for (what, expected) in PLAYS {
        if !words.is_empty() && !words.iter().any(|word| what.contains(word.as_str())) {
            continue;
        }
        match play(what, expected, folder.path()) {
            Ok(said) => {
                passed += 1;
                println!("test {what} ... ok ({})", said.lines().last().unwrap_or_default());
            }
            Err(why) => {
                println!("test {what} ... FAILED: {why}");
                failed.push(*what);
            }
        }
    }
    if words.is_empty() || words.iter().any(|word| word.starts_with("rehearse")) {
        for (name, result) in crate::rehearsal::run(folder.path()) {
            match result {
                Ok(said) => {
                    passed += 1;
                    println!("test {name} ... ok ({said})");
                }
                Err(why) => {
                    println!("test {name} ... FAILED: {why}");
                    failed.push("rehearse");
                }
            }
        }
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!("test result: {verdict}. {passed} passed; {} failed; 0 ignored", failed.len());
    if !failed.is_empty() {
        std::process::exit(101);
    }
}

fn programs(folder: &Path) {
    let bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        fs::write(folder.join(name), bytes).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    for name in ["old", "new", "changing", "written"] {
        write(name, [&bytes[..], name.as_bytes()].concat());
    }
    let mut other = bytes.clone();
    // e_machine: none.
    other[18..20].fill(0);
    write("machine", other);
    let at = bytes.windows(9).position(|part| part == b"libc.so.6");
    if let Some(at) = at {
        let mut other = bytes.clone();
        other[at + 8] = b'9';
        write("library", other);
    }
    let mut other = bytes;
    let at = other.windows(4).position(|part| part == b"/lib").unwrap();
    other[at + 1] = b'L';
    write("interpreter", other);
}

fn play(what: &str, expected: &[&str], folder: &Path) -> Result<String, String> {
    let play = format!("{} {}", what, folder.display());
    let mut command = Command::new(folder.join("old"));
    command
        .args(["one argument", ""])
        .env(PLAY, play)
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .env_remove("RUST_BACKTRACE");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let pid = rustix::process::Pid::from_child(&child);
    let until = Instant::now() + Duration::from_secs(60);
    if what == "fifty" {
        // Until its handlers are there.
        std::thread::sleep(Duration::from_millis(100));
    }
    loop {
        if what == "fifty" {
            use rustix::process::Signal;
            for signal in [Signal::USR1, Signal::CHILD, Signal::HUP, Signal::TERM] {
                let _ = rustix::process::kill_process(pid, signal);
            }
            std::thread::sleep(Duration::from_micros(100));
        } else {
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().map_err(|e| e.to_string())?.is_some() {
            break;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let output = child.wait_with_output().map_err(|e| e.to_string())?;
            return Err(format!(
                "did not end\n{}\n{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    let fits = lines.len() == expected.len() && lines.iter().zip(expected).all(|(line, part)| line.contains(part));
    if output.status.success() && fits {
        Ok(said)
    } else {
        Err(format!("{}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}
