//! Many swaps in a row of a daemon with little to do: under a hail of signals, and as fast as they can be asked for.

use super::order::{self, exit};
use super::person::{self, Holds, Person};
use super::program;
use super::rig::Rig;
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ANY: &[&str] = &["--allow-same", "--allow-downgrade"];

/// The programs that a series goes through in turn.
fn course(rig: &Rig) -> Vec<PathBuf> {
    let next = rig.install(&program::next(), "mainstay-next");
    vec![next.clone(), next, rig.program.clone(), rig.program.clone()]
}

/// `swaps` swaps while SIGHUP and SIGCHLD come every 100 µs: nothing changes. Prints what was seen.
pub fn under_signals(swaps: usize) -> Result<(), String> {
    let mut rig = Rig::current();
    let course = course(&rig);
    let pid = i32::try_from(rig.daemon.pid()).ok().and_then(Pid::from_raw).ok_or("a process id")?;
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let hail = {
        let (stop, sent) = (stop.clone(), sent.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for signal in [Signal::HUP, Signal::CHILD] {
                    let _ = kill_process(pid, signal);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        })
    };
    let before = Person::of(rig.daemon.pid());
    let outcome = (0..swaps).try_for_each(|n| {
        let answer = order::swap(&rig.daemon, &rig.program, Some(&course[n % course.len()]), ANY);
        if answer.status != Some(exit::DONE) {
            return Err(format!("swap {n}: {:?} {}\n{}", answer.status, answer.said, rig.daemon.words()));
        }
        rig.goes_on().map_err(|why| format!("swap {n}: {why}\n{}", rig.daemon.words()))
    });
    stop.store(true, Ordering::Relaxed);
    hail.join().map_err(|_| "the hail panicked")?;
    outcome?;
    let difference = before.difference(&Person::of(rig.daemon.pid()));
    if !difference.is_empty() {
        return Err(format!("changed: {difference:#?}"));
    }
    settle(rig.daemon.pid());
    let children = person::children(rig.daemon.pid());
    if !children.is_empty() {
        return Err(format!("children are left: {children:?}"));
    }
    println!("{swaps} swaps under {} signals", sent.load(Ordering::Relaxed));
    if rig.daemon.stop().success() { Ok(()) } else { Err("it does not stop well".to_owned()) }
}

/// A point of a series.
#[derive(Clone, Copy, Debug)]
struct Point {
    holds: Holds,
    snapshot: u64,
    pause_us: u64,
}

/// Waits, for a second at most, until no child is left: the old program's memory may go a moment after it, by one.
fn settle(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(1);
    while !person::children(pid).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// `swaps` swaps of the program of this tree to itself, one after the other: what the process holds stays as it is. Prints
/// the series.
pub fn fast(swaps: usize) -> Result<(), String> {
    let mut rig = Rig::current();
    let to = rig.program.clone();
    let mut points = Vec::new();
    let begun = Instant::now();
    println!(
        "{:>5} {:>5} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "swap", "fds", "threads", "children", "rss KiB", "anon KiB", "maps", "snapshot", "pause us"
    );
    for n in 0..swaps {
        let answer = order::swap(&rig.daemon, &rig.program, Some(&to), ANY);
        if answer.status != Some(exit::DONE) {
            return Err(format!("swap {n}: {:?} {}\n{}", answer.status, answer.said, rig.daemon.words()));
        }
        if n % 10 == 0 {
            rig.goes_on().map_err(|why| format!("swap {n}: {why}\n{}", rig.daemon.words()))?;
        }
        settle(rig.daemon.pid());
        let holds = Holds::of(rig.daemon.pid());
        let point = Point { holds, snapshot: answer.carried("snapshot_bytes"), pause_us: answer.pause_us() };
        if n % (swaps / 20).max(1) == 0 || n + 1 == swaps {
            let Holds { descriptors, threads, children, resident, anonymous, mappings } = holds;
            println!(
                "{n:>5} {descriptors:>5} {threads:>7} {children:>8} {:>8} {:>8} {mappings:>8} {:>8} {:>8}",
                resident >> 10,
                anonymous >> 10,
                point.snapshot,
                point.pause_us
            );
        }
        points.push(point);
    }
    println!("{swaps} swaps in {:.1?}", begun.elapsed());
    // The history of swaps fills up first.
    let warm = points.get(40.min(swaps / 2)..).unwrap_or_default();
    let (first, last) = warm.split_at(warm.len() / 2);
    let all = |points: &[Point], of: fn(&Point) -> u64| median(points.iter().map(of).collect());
    for (name, of, more) in [
        // One more or less, by the moment at which it was looked.
        ("descriptors", (|p| p.holds.descriptors as u64) as fn(&Point) -> u64, 1),
        ("threads", |p| p.holds.threads as u64, 1),
        ("children", |p| p.holds.children as u64, 0),
        ("anonymous memory", |p| p.holds.anonymous, 512 << 10),
        ("mappings", |p| p.holds.mappings as u64, 6),
        ("snapshot", |p| p.snapshot, 2048),
        ("pause", |p| p.pause_us, all(first, |p| p.pause_us) + 5000),
    ] {
        let (was, is) = (all(first, of), all(last, of));
        if is > was + more {
            return Err(format!("{name} grows: {was} in the first half, {is} in the second"));
        }
    }
    if let Some(point) = points.iter().find(|point| point.holds.children > 0) {
        return Err(format!("a child is left: {point:?}"));
    }
    let history = rig.daemon.status()["swaps"].as_array().map_or(0, Vec::len);
    if history != swaps.min(32) {
        return Err(format!("the history has {history} swaps"));
    }
    rig.assert_lives();
    if rig.daemon.stop().success() { Ok(()) } else { Err("it does not stop well".to_owned()) }
}
