//! Rehearsals with a child that misbehaves.

use crate::sys;
use mainstay_edge::swap::{Bounds, Image, rehearse, sealed};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the child does, and what we must hear of it.
const CASES: &[(&str, &str)] = &[
    ("good", "Ok: 5 bytes"),
    ("remark", "Ok: a remark"),
    ("refuse", "the new program refused with status 3: this key is not known"),
    ("segv", "ended by SIGSEGV (segmentation fault)"),
    ("abort", "ended by SIGABRT (abort)"),
    ("overflow", "has overflowed its stack"),
    ("panic", "status 101"),
    ("hang", "did not end within 1000 ms: still here"),
    ("silent", "did not end within 1000 ms"),
    ("memory", "ended by SIGABRT (abort): memory allocation of"),
    ("cpu", "ended by SIGXCPU (too much time on the processor)"),
    ("flood", "said more than 1048576 bytes"),
    ("flood-errors", "said more than 262144 bytes: "),
    ("offspring", "Ok: gone"),
    ("killed", "ended by SIGKILL"),
];

pub fn run(folder: &Path) -> Vec<(String, Result<String, String>)> {
    sys::only_standard();
    let image = Image::stage(&folder.join("new")).unwrap();
    let mut results: Vec<_> =
        CASES.iter().map(|(what, expected)| (format!("rehearse {what}"), one(&image, what, expected))).collect();
    for (name, expected) in [
        ("interpreter", "cannot be started: the interpreter"),
        ("machine", "cannot be started: this kernel cannot run"),
        ("library", "cannot be started: "),
    ] {
        if folder.join(name).exists() {
            let image = Image::stage(&folder.join(name)).unwrap();
            results.push((format!("rehearse {name}"), one(&image, "good", expected)));
        }
    }
    results
}

fn one(image: &Image, what: &str, expected: &str) -> Result<String, String> {
    let snapshot = sealed("live", 5, |file| file.write_all(b"12345")).unwrap();
    // Only who hangs is meant to be late, however busy the machine is.
    let time = Duration::from_secs(if matches!(what, "hang" | "silent") { 1 } else { 20 });
    // A debug build with its symbols is large.
    let bounds = Bounds { memory: 256 << 20, cpu: Duration::from_secs(1), time };
    let begin = Instant::now();
    let said = match rehearse(image, &["rehearse", what], snapshot.as_fd(), &bounds) {
        Ok(rehearsed) => format!("Ok: {}{}", String::from_utf8_lossy(&rehearsed.stdout), rehearsed.stderr),
        Err(failure) => failure.to_string(),
    };
    let took = begin.elapsed();
    let shown: String = said.chars().take(200).collect();
    let zombies = std::fs::read_to_string("/proc/self/task/self/children").unwrap_or_default();
    if took > time * 2 {
        return Err(format!("took {took:?}: {shown}"));
    }
    if !zombies.is_empty() {
        return Err(format!("not reaped: {zombies}"));
    }
    if let Some(number) = said.strip_prefix("Ok: gone ") {
        std::thread::sleep(Duration::from_millis(20));
        let alive = std::fs::read_to_string(format!("/proc/{number}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
        if alive {
            return Err(format!("{number} still runs"));
        }
    }
    if said.len() > 3000 || !said.contains(expected) {
        return Err(format!("{shown:?}, not {expected:?}"));
    }
    Ok(shown.lines().next().unwrap_or_default().to_owned())
}

/// The child.
pub fn act(what: &str) {
    let mut snapshot = Vec::new();
    std::io::stdin().read_to_end(&mut snapshot).unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    // The folder itself is the fourth.
    assert_eq!(open, 4, "descriptors were inherited");
    assert!(std::env::vars().all(|(key, _)| !key.starts_with("LISTEN_") && !key.starts_with("NOTIFY_")));
    match what {
        "good" => {
            // Bounds come a moment after the start.
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim(), "1000");
            print!("{} bytes", snapshot.len());
        }
        "remark" => eprintln!("a remark"),
        "refuse" => {
            eprintln!("this key is not known");
            std::process::exit(3);
        }
        "segv" => {
            sys::default(libc::SIGSEGV);
            sys::write_nowhere();
        }
        "abort" => std::process::abort(),
        "overflow" => drop(sys::overflow(0)),
        "panic" => panic!("in a rehearsal"),
        "hang" => {
            eprintln!("still here");
            std::thread::sleep(Duration::from_secs(60));
        }
        "silent" => {
            sys::close(1);
            sys::close(2);
            std::thread::sleep(Duration::from_secs(60));
        }
        "memory" => {
            std::thread::sleep(Duration::from_millis(50));
            let mut all = Vec::new();
            loop {
                all.push(vec![1u8; 16 << 20]);
            }
        }
        "cpu" => loop {
            std::hint::spin_loop();
        },
        "flood" => loop {
            std::io::stdout().write_all(&[b'x'; 4096]).unwrap();
        },
        "flood-errors" => loop {
            std::io::stderr().write_all(&[b'x'; 4096]).unwrap();
        },
        "offspring" => {
            // It holds our pipes open.
            print!("gone {}", std::process::Command::new("sleep").arg("60").spawn().unwrap().id());
        }
        "killed" => sys::raise(libc::SIGKILL),
        _ => panic!("{what}"),
    }
}
