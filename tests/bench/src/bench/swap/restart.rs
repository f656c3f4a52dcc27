//! What a swap is instead of: the target is stopped and started, and initiators log in again as fast as they can.
//!
//! Real initiators are slower: they wait for some seconds before they try again.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mainstay_testkit::daemon::{Daemon, free_port};
use mainstay_testkit::initiator::Login;
use mainstay_testkit::tgt::Tgt;
use rustix::process::Signal;

use super::super::client::{Client, Stop};
use super::super::pattern::{BLOCK, Ledger, Pattern, next};
use super::super::row::FILL;
use super::super::target::{Over, Place, on_target_core};
use super::control::Control;

/// Initiators at work.
pub const SESSIONS: usize = 64;
const BYTES: u64 = 64 << 20;
/// How long a refused initiator waits before it tries again.
const AGAIN: Duration = Duration::from_millis(1);
/// How long everything is left alone before the next round.
const REST: Duration = Duration::from_millis(300);
/// How long initiators get to come back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Times without service.
#[derive(Clone, Debug)]
pub struct Restart {
    /// What was done.
    pub what: &'static str,
    /// Longest time between two completions of each session in each round, in ms.
    pub outages_ms: Vec<f64>,
    /// How often sessions had to log in again.
    pub logins: u64,
}

/// What all initiators see.
struct Field<'a> {
    place: &'a Place,
    pattern: &'a Pattern,
    generation: u8,
    over: AtomicBool,
    logins: AtomicU64,
    progress: Vec<AtomicU64>,
}

/// Completions: when, and how long after the one before.
type Completions = Vec<(Instant, Duration)>;

impl Field<'_> {
    /// One initiator's life. An error is a wrong byte.
    fn initiator(&self, number: usize) -> Result<Completions, String> {
        let login = Login::new("iqn.2026-11.internal.mainstay.test:restart", &self.place.target);
        let login = login.session(number as u16 + 1);
        let mut seed = 0x9e37_79b9 + number as u64;
        let mut seen = Completions::new();
        let mut last = None;
        while !self.over.load(Ordering::Relaxed) {
            let Ok(mut session) = login.connect(self.place.portal) else {
                thread::sleep(AGAIN);
                continue;
            };
            self.logins.fetch_add(1, Ordering::Relaxed);
            session.patience = Duration::from_secs(5);
            if session.clear_attentions(self.place.number as u8).is_err() {
                continue;
            }
            while !self.over.load(Ordering::Relaxed) {
                let at = next(&mut seed) % (BYTES / BLOCK as u64) * BLOCK as u64;
                let read = session.read10(self.place.number as u8, (at / 512) as u32, (BLOCK / 512) as u16, 512);
                let Ok(data) = read.and_then(|outcome| outcome.good()) else { break };
                if data != self.pattern.slice(self.generation, at, BLOCK) {
                    return Err(format!("wrong data at byte {at} of the disk"));
                }
                let now = Instant::now();
                if let Some(last) = last.replace(now) {
                    seen.push((now, now - last));
                }
                self.progress[number].fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(seen)
    }

    /// Waits until every initiator is served.
    fn served(&self) -> Result<(), String> {
        let before: Vec<_> = self.progress.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        let deadline = Instant::now() + PATIENCE;
        while self.progress.iter().zip(&before).any(|(now, before)| now.load(Ordering::Relaxed) <= *before) {
            if Instant::now() > deadline {
                return Err("not every initiator came back".to_owned());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// Runs initiators while `act` is called `rounds` times.
fn rounds(
    what: &'static str,
    place: &Place,
    pattern: &Pattern,
    rounds: usize,
    mut act: impl FnMut() -> Result<(), String>,
) -> Result<Restart, String> {
    let mut ledger = Ledger::new(BYTES);
    Client::new(place, &FILL, pattern, 1, false)?.run(&mut ledger, Stop::WholeDisk, || {})?;
    let progress = (0..SESSIONS).map(|_| AtomicU64::new(0)).collect();
    let field = Field { place, pattern, generation: 1, over: false.into(), logins: 0.into(), progress };
    let (times, seen) = thread::scope(|scope| {
        let field = &field;
        let initiators: Vec<_> = (0..SESSIONS).map(|number| scope.spawn(move || field.initiator(number))).collect();
        let mut times = || -> Result<Vec<(Instant, Instant)>, String> {
            let mut times = Vec::new();
            field.served()?;
            field.logins.store(0, Ordering::Relaxed);
            for _ in 0..rounds {
                thread::sleep(REST);
                let from = Instant::now();
                act()?;
                field.served()?;
                times.push((from, Instant::now()));
            }
            Ok(times)
        };
        let times = times();
        field.over.store(true, Ordering::Relaxed);
        let join = |initiator: thread::ScopedJoinHandle<'_, _>| {
            initiator.join().unwrap_or_else(|_| Err("an initiator's thread has ended".to_owned()))
        };
        let seen: Result<Vec<Completions>, String> = initiators.into_iter().map(join).collect();
        (times, seen)
    });
    let (times, seen) = (times.map_err(|why| format!("{what}: {why}"))?, seen?);
    let mut outages_ms = Vec::new();
    for (from, to) in times {
        for session in &seen {
            let gaps =
                session.iter().filter(|(end, _)| (from..=to).contains(end)).map(|(_, gap)| gap.as_secs_f64() * 1e3);
            outages_ms.push(gaps.fold(0.0, f64::max));
        }
    }
    Ok(Restart { what, outages_ms, logins: field.logins.into_inner() })
}

/// A swap, a stop and start of Mainstay, and of tgt if it takes part; `count` of each.
pub fn measure(count: usize, tgt: bool, cores: usize, disk: &Path, pattern: &Pattern) -> Result<Vec<Restart>, String> {
    let file = disk.join("restart.img");
    let start = |folder: Option<&_>, portal: &str| {
        let mut builder = Daemon::builder().arg(&file).arg("--size").arg(BYTES.to_string()).iscsi(portal);
        if let Some(folder) = folder {
            builder = builder.folder(folder);
        }
        on_target_core(cores, || builder.try_start())
    };
    let mut daemon = start(None, &format!("127.0.0.1:{}", free_port()))?;
    let place = Place::of(&daemon, Over::Iscsi);
    let mut control = Control::connect(daemon.control())?;
    let nothing = rounds("nothing, for as long", &place, pattern, count, || {
        thread::sleep(REST);
        Ok(())
    })?;
    let swaps = rounds("mainstay swap", &place, pattern, count, || control.swap().map(|_| ()))?;
    if swaps.logins > 0 {
        return Err(format!("{} sessions were lost in swaps\n{}", swaps.logins, daemon.words()));
    }
    let folder = daemon.folder().clone();
    let ours = rounds("mainstay, SIGTERM and start", &place, pattern, count, || {
        on_target_core(cores, || {
            daemon.signal(Signal::TERM);
            while daemon.exited().is_none() {
                thread::sleep(Duration::from_micros(200));
            }
        });
        daemon = start(Some(&folder), &place.portal.to_string())?;
        Ok(())
    })?;
    drop(daemon);
    let mut out = vec![nothing, swaps, ours];
    if tgt {
        out.push(restart_tgt(count, cores, &disk.join("restart-tgt.img"), pattern)?);
    }
    Ok(out)
}

/// tgt is killed: its orderly stop takes longer, and forgets its targets first.
fn restart_tgt(count: usize, cores: usize, file: &Path, pattern: &Pattern) -> Result<Restart, String> {
    File::create(file).and_then(|f| f.set_len(BYTES)).map_err(|e| format!("{}: {e}", file.display()))?;
    let portal = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let start = || -> Result<(Tgt, String), String> {
        on_target_core(cores, || {
            let mut tgt = Tgt::start_at(portal)?;
            let target = tgt.serve(file)?;
            Ok((tgt, target))
        })
    };
    let (tgt, target) = start()?;
    let place = Place { portal, over: Over::Iscsi, target, number: 1, bytes: BYTES };
    let mut running = Some(tgt);
    rounds("tgt, SIGKILL and start", &place, pattern, count, || {
        drop(running.take());
        running = Some(start()?.0);
        Ok(())
    })
}
