//! Many swaps under mixed load.
//!
//! Around each swap everything stands as follows: sessions of libiscsi and scripted ones read, write and verify without a
//! break; scenes stand still; somebody listens to events. The daemon is looked at before and after, and nothing may differ. Then
//! some of the scenes go on to their end, and others take their place.

use super::bytes::Random;
use super::events::Events;
use super::found::Found;
use super::ground::{self, Ground};
use super::libiscsi::{self, Sessions};
use super::load::Load;
use super::order::{self, exit};
use super::person::Holds;
use super::program;
use super::scene::{self, Scene, Stage};
use super::watch::Look;
use mainstay_testkit::daemon::Daemon;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How large a storm is.
#[derive(Clone, Debug)]
pub struct Size {
    /// Swaps.
    pub swaps: usize,
    /// Scripted sessions under load.
    pub loads: u16,
    /// Hosts of NVMe/TCP under load.
    pub hosts: u16,
    /// Sessions of libiscsi, half of them on a file.
    pub libiscsi: u16,
    /// Scenes that stand at a time.
    pub scenes: usize,
    /// Chooses everything that is chosen.
    pub seed: u64,
}

/// What is swapped to, again and again: up, to itself, down, to itself.
const COURSE: [Version; 4] = [Version::Next, Version::Next, Version::Current, Version::Current];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Current,
    Next,
}

/// A storm under way.
pub struct Storm {
    daemon: Daemon,
    ground: Ground,
    programs: [PathBuf; 2],
    events: Events,
    loads: Vec<Load>,
    libiscsi: Vec<Sessions>,
    scenes: VecDeque<(usize, Scene)>,
    random: Random,
    kind_next: usize,
    number_next: u16,
    size: Size,
    /// What was met.
    pub found: Found,
    /// Of each swap.
    pub pauses_us: Vec<u64>,
    finished: usize,
}

type Outcome<T> = Result<T, String>;

impl Storm {
    /// Starts the daemon and everything around it.
    pub fn begin(size: Size) -> Outcome<Storm> {
        // In memory where there is such a place: this is about swaps, and a disk that others use too may take seconds for a
        // flush, which is longer than a swap waits.
        let place = Path::new("/dev/shm");
        let place = if place.is_dir() { place.to_owned() } else { std::env::temp_dir() };
        let folder = std::sync::Arc::new(tempfile::tempdir_in(place).map_err(|error| error.to_string())?);
        let at = |name: &str| folder.path().join(name);
        let programs = [
            program::install(&program::current(), &at("mainstay")),
            program::install(&program::next(), &at("mainstay-next")),
        ];
        let daemon = ground::builder(&programs[0], "ping_interval = 40").folder(&folder).start();
        // Long, since a round may take seconds where others use this machine too.
        let mut ground = Ground::of(&daemon);
        ground.ping = Duration::from_secs(40);
        let events = Events::listen(&daemon, &programs[0]);
        let mut libiscsi = Vec::new();
        if size.libiscsi > 0 {
            match libiscsi::compile(folder.path()) {
                Ok(load) => {
                    let half = size.libiscsi / 2;
                    libiscsi.push(Sessions::start(&load, &ground, (0, 512), 100, half)?);
                    libiscsi.push(Sessions::start(&load, &ground, (1, 512), 100 + half, size.libiscsi - half)?);
                }
                Err(why) => println!("skip: sessions of libiscsi: needs {why}"),
            }
        }
        let loads = (0..size.loads).map(|n| Load::start(&ground, n));
        let loads = loads.chain((0..size.hosts).map(|n| Load::nvme(&ground, ground::HOSTS + n)));
        let loads = loads.collect::<Outcome<Vec<Load>>>()?;
        Ok(Storm {
            daemon,
            ground,
            programs,
            events,
            loads,
            libiscsi,
            scenes: VecDeque::new(),
            random: Random(size.seed),
            kind_next: 0,
            number_next: ground::SCENES,
            size,
            found: Found::default(),
            pauses_us: Vec::new(),
            finished: 0,
        })
    }

    /// All of it; on an error what the daemon said.
    pub fn rage(mut self) -> Outcome<Report> {
        for swap in 0..self.size.swaps {
            let done = self.one(swap);
            if let Err(why) = done.and_then(|()| self.is_whole()) {
                return Err(format!("swap {swap}: {why}\n{}", self.daemon.words()));
            }
        }
        self.end()
    }

    fn one(&mut self, swap: usize) -> Outcome<()> {
        self.set_scenes()?;
        // After a swap the daemon first listens for a while before it calls anybody silent: now and then it must come to that.
        if swap % 25 == 24 {
            std::thread::sleep(Duration::from_secs(3));
        }
        // Loads and scenes run into each other in other ways each time.
        std::thread::sleep(Duration::from_micros(self.random.below(20_000)));
        self.snapshot()?;
        let version = COURSE[swap % COURSE.len()];
        let to = self.programs[usize::from(version == Version::Next)].clone();
        let before = Look::at(&self.daemon);
        let answer = order::swap(&self.daemon, &to, Some(&to), &["--allow-same", "--allow-downgrade"]);
        if answer.status != Some(exit::DONE) {
            return Err(format!("to {version:?}: status {:?}: {}", answer.status, answer.said));
        }
        let after = Look::at(&self.daemon);
        let runs = after.status()["daemon"]["version"].as_str().unwrap_or_default();
        if (runs == "0.2.0-next") != (version == Version::Next) {
            return Err(format!("swapped to {version:?}, and {runs} runs"));
        }
        let difference = before.difference(&after);
        if !difference.is_empty() {
            let about = self.about(&difference.join("\n"));
            return Err(format!("the swap to {version:?} changed:\n  {}\n{about}", difference.join("\n  ")));
        }
        self.pauses_us.push(answer.pause_us());
        if swap.is_multiple_of(20) {
            let carried = &answer.report["carried"];
            let holds = Holds::of(self.daemon.pid());
            println!("swap {swap:>3} to {version:?}: {} us, carried {carried}, {holds:?}", answer.pause_us());
        }
        self.finish_scenes(false)
    }

    /// As many scenes as there shall be; of each that changes a unit one at a time.
    fn set_scenes(&mut self) -> Outcome<()> {
        let mut kinds: Vec<usize> = Vec::new();
        while self.scenes.len() + kinds.len() < self.size.scenes {
            let kind = self.kind_next % scene::kinds();
            self.kind_next += 1;
            let stands = |other: &usize| *other == kind;
            let alone = scene::name(kind).starts_with("unit:");
            if !alone || !(kinds.iter().any(stands) || self.scenes.iter().any(|(other, _)| *other == kind)) {
                kinds.push(kind);
            }
        }
        kinds.sort_by_key(|kind| scene::is_hasty(*kind));
        for kind in kinds {
            let number = self.number()?;
            let stage = &mut Stage { ground: &self.ground, number, random: &mut self.random };
            self.scenes.push_back((kind, scene::set(kind, stage)?));
        }
        Ok(())
    }

    /// A name that nobody had, with a plot that nobody has.
    fn number(&mut self) -> Outcome<u16> {
        loop {
            let number = self.number_next;
            self.number_next = number.checked_add(1).ok_or("there are no numbers left")?;
            let is_taken = |(_, scene): &(usize, Scene)| ground::plot(scene.number) == ground::plot(number);
            if !self.scenes.iter().any(is_taken) {
                return Ok(number);
            }
        }
    }

    fn finish_scenes(&mut self, all: bool) -> Outcome<()> {
        for _ in 0..self.scenes.len() {
            let Some((kind, scene)) = self.scenes.pop_front() else { break };
            let now = all || scene.is_spoiling() || (scene.is_ripe() && self.random.below(2) == 0);
            if !now {
                self.scenes.push_back((kind, scene));
                continue;
            }
            if all && !scene.is_ripe() {
                std::thread::sleep(Duration::from_millis(scene.ripens_ms));
            }
            scene.finish()?;
            self.finished += 1;
        }
        Ok(())
    }

    fn last_snapshot(&self) -> String {
        self.daemon.folder().path().join("last.snapshot").display().to_string()
    }

    fn snapshot(&mut self) -> Outcome<()> {
        let file = self.last_snapshot();
        let _ = std::fs::remove_file(&file);
        self.daemon.ctl_ok(&["snapshot", "take", &file]);
        let bytes = std::fs::read(&file).map_err(|error| error.to_string())?;
        self.found.look(&bytes)
    }

    /// What the last snapshot says of the peers named in `text`.
    fn about(&self, text: &str) -> String {
        let shown = self.daemon.ctl_ok(&["snapshot", "show", &self.last_snapshot()]);
        let sockets = text.lines().filter(|line| line.starts_with("socket: was"));
        let peers: Vec<&str> = sockets.filter_map(|line| line.split('"').nth(3)).collect();
        let lines = shown.lines().filter(|line| peers.iter().any(|peer| line.contains(peer)));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Nobody who must go on has stopped.
    fn is_whole(&mut self) -> Outcome<()> {
        if let Some(at) = self.loads.iter().position(Load::is_over) {
            let load = self.loads.remove(at);
            let address = load.address.clone();
            return Err(format!("load {address}: {:?}", load.stop()));
        }
        if let Some(at) = self.libiscsi.iter_mut().position(Sessions::is_over) {
            return Err(format!("libiscsi: {:?}", self.libiscsi.remove(at).stop()));
        }
        if self.events.is_over() {
            return Err("the subscriber of events has lost its connection".to_owned());
        }
        let known = ["swap-planned", "paused", "resumed", "login", "logout", "path"];
        let mut others = self.events.others(&known);
        // What scenes do wrong on purpose: a request that is not for them, and a read of blocks declared unreadable.
        others.retain(|event| !event["message"].as_str().is_some_and(|message| message.contains("a SNACK")));
        others.retain(|event| event["volume"] != "marked");
        if others.is_empty() { Ok(()) } else { Err(format!("events: {others:?}")) }
    }

    fn end(mut self) -> Outcome<Report> {
        let said = |daemon: &Daemon, why: String| format!("at the end: {why}\n{}", daemon.words());
        self.finish_scenes(true).map_err(|why| said(&self.daemon, why))?;
        let mut report = Report { found: std::mem::take(&mut self.found), ..Report::default() };
        for load in self.loads.drain(..) {
            let seen = load.seen.clone();
            load.stop().map_err(|why| said(&self.daemon, why))?;
            report.commands += seen.commands.load(Ordering::Relaxed);
            report.verified += seen.verified.load(Ordering::Relaxed);
            report.longest_us = report.longest_us.max(seen.longest_us.load(Ordering::Relaxed));
        }
        for sessions in self.libiscsi.drain(..) {
            report.libiscsi.push(sessions.stop().map_err(|why| said(&self.daemon, why))?);
        }
        for name in ["swap-planned", "paused", "resumed"] {
            if !self.events.wait(name, self.size.swaps, Duration::from_secs(2)) {
                return Err(said(&self.daemon, format!("{} events {name}", self.events.count(name))));
            }
        }
        report.scenes = self.finished;
        report.pauses_us = std::mem::take(&mut self.pauses_us);
        report.pauses_us.sort_unstable();
        if !self.daemon.stop().success() {
            return Err(said(&self.daemon, "it does not stop well".to_owned()));
        }
        Ok(report)
    }
}

/// What a storm has shown.
#[derive(Debug, Default)]
pub struct Report {
    /// Which states.
    pub found: Found,
    /// In order of length.
    pub pauses_us: Vec<u64>,
    /// Of scripted sessions under load.
    pub commands: u64,
    /// Bytes.
    pub verified: u64,
    /// The longest command.
    pub longest_us: u64,
    /// What libiscsi's sessions say of themselves.
    pub libiscsi: Vec<String>,
    /// Scenes that ended well.
    pub scenes: usize,
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let at = |percent: usize| {
            let last = self.pauses_us.len().saturating_sub(1);
            self.pauses_us.get((self.pauses_us.len() * percent / 100).min(last)).copied().unwrap_or_default()
        };
        let libiscsi = self.libiscsi.iter().map(|line| format!("libiscsi: {line}\n")).collect::<String>();
        format!(
            "{} swaps; pause p50 {} us, p99 {} us, max {} us\n{} scenes ended well; scripted loads: {} commands, {} bytes \
             verified, longest {} us\n{libiscsi}{}",
            self.pauses_us.len(),
            at(50),
            at(99),
            at(100),
            self.scenes,
            self.commands,
            self.verified,
            self.longest_us,
            self.found.table(),
        )
    }
}
