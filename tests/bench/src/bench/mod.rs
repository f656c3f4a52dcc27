//! Options, rounds and rows.

mod client;
mod latency;
mod memory;
mod null;
mod pattern;
mod report;
mod row;
mod swap;
mod sys;
mod syscalls;
mod target;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use client::{Client, Stop};
use pattern::Pattern;
use report::{Report, Round};
use row::{CHECK, FILL, ROWS, Row};
use target::Contender;

/// Measures Mainstay, over iSCSI and over NVMe/TCP, against Debian's tgt.
#[derive(Debug, Parser)]
struct Options {
    /// Who takes part, in turn: mainstay, nvme (the same over NVMe/TCP), tgt, null (a target that does nothing: the client's
    /// ceiling)
    #[arg(long, value_delimiter = ',', default_value = "mainstay,nvme,tgt")]
    targets: Vec<String>,
    /// Where the disks are
    #[arg(long, value_delimiter = ',', default_value = "memory,file")]
    volumes: Vec<String>,
    /// Only rows whose name has this
    #[arg(long)]
    row: Option<String>,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round of each row
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// A short run that checks data and that every row works; its times mean little
    #[arg(long)]
    quick: bool,
    /// The client polls its sockets without ever sleeping
    #[arg(long)]
    spin: bool,
    /// MiB of each disk
    #[arg(long, default_value_t = 256)]
    mib: u64,
    /// Idle sessions of the memory rows; 0 leaves them out
    #[arg(long, default_value_t = 1000)]
    idle_sessions: usize,
    /// Swaps of each row of swaps; 0 leaves these rows out
    #[arg(long, default_value_t = 200)]
    swaps: usize,
    /// Idle sessions of one more row of swaps; 0 leaves it out
    #[arg(long, default_value_t = 0)]
    swap_idle: usize,
    /// Nothing but swaps; --row then names a load, or `restart`
    #[arg(long)]
    only_swaps: bool,
    /// Folder for the file disks; it should not be on tmpfs
    #[arg(long, default_value = "build")]
    disk: PathBuf,
    /// Where the JSON goes
    #[arg(long, default_value = "build/bench.json")]
    json: PathBuf,
}

/// Runs as the command line says.
pub fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.quick {
        options.rounds = 1;
        options.seconds = options.seconds.min(0.3);
        options.mib = options.mib.min(64);
        options.swaps = options.swaps.min(12);
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn names(given: &[String], known: &[&'static str]) -> Result<Vec<&'static str>, String> {
    let find = |name: &String| known.iter().find(|known| *known == name).copied();
    given.iter().map(|name| find(name).ok_or_else(|| format!("{name}? there are {}", known.join(", ")))).collect()
}

fn run(options: &Options) -> Result<(), String> {
    let mut targets = names(&options.targets, &["mainstay", "nvme", "tgt", "null"])?;
    if targets.contains(&"tgt") && !mainstay_testkit::tgt::is_installed() {
        eprintln!("bench: tgt is not installed (apt install tgt), so it is left out");
        targets.retain(|name| *name != "tgt");
    }
    let volumes = names(&options.volumes, &["memory", "file"])?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 {
        target::pin(1);
    }
    fs::create_dir_all(&options.disk).map_err(|e| format!("{}: {e}", options.disk.display()))?;
    let disk = tempfile::tempdir_in(&options.disk).map_err(|e| format!("{}: {e}", options.disk.display()))?;
    let disk_path = fs::canonicalize(disk.path()).map_err(|e| e.to_string())?;
    let memory = tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" })
        .map_err(|e| format!("a folder in memory: {e}"))?;
    let pattern = Pattern::new();
    let mut report = Report::new(&targets, cores, options.spin);
    if !options.only_swaps {
        compare(options, &targets, &volumes, cores, &disk_path, memory.path(), &pattern, &mut report)?;
    }
    if options.swaps > 0 && targets.contains(&"mainstay") {
        let extent = swap::Extent {
            swaps: options.swaps,
            idle: options.swap_idle,
            quick: options.quick,
            nvme: targets.contains(&"nvme"),
            tgt: targets.contains(&"tgt"),
            only: options.row.clone().filter(|_| options.only_swaps),
        };
        report.swaps(swap::run(&extent, cores, &disk_path, &pattern)?);
    }
    if let Some(parent) = options.json.parent() {
        fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
    }
    fs::write(&options.json, report.json()).map_err(|e| format!("{}: {e}", options.json.display()))?;
    println!("\nwritten to {}", options.json.display());
    Ok(())
}

/// The rows of I/O and of memory, target by target in turn.
fn compare(
    options: &Options,
    targets: &[&'static str],
    volumes: &[&'static str],
    cores: usize,
    disk: &Path,
    memory: &Path,
    pattern: &Pattern,
    report: &mut Report,
) -> Result<(), String> {
    if options.idle_sessions > 0 {
        for &name in targets.iter().filter(|name| **name != "null") {
            let contender = Contender::start(name, "memory", options.mib << 20, disk, memory, cores)?;
            let sessions = if options.quick { options.idle_sessions.min(200) } else { options.idle_sessions };
            report.memory(name, memory::measure(&contender, sessions)?);
        }
        report.print_memory();
    }
    report.print_head();
    for &volume in volumes {
        let mut contenders = Vec::new();
        for &name in targets {
            let mut contender = Contender::start(name, volume, options.mib << 20, disk, memory, cores)?;
            if contender.keeps_data() {
                pass(&mut contender, &FILL, pattern, Stop::WholeDisk, options.spin)?;
            }
            contenders.push(contender);
        }
        let wanted = |row: &&Row| options.row.as_ref().is_none_or(|part| row.name.contains(part.as_str()));
        for row in ROWS.iter().filter(wanted) {
            let stop = Stop::After(Duration::from_secs_f64(options.seconds));
            for _ in 0..options.rounds {
                for contender in &mut contenders {
                    let round = pass(contender, row, pattern, stop, options.spin)?;
                    report.round(contender.name, volume, row, round);
                }
            }
            for contender in &mut contenders {
                if let Some(calls) = count_calls(contender, row, pattern, options)? {
                    report.calls(contender.name, volume, row, calls);
                }
                if row.write && contender.keeps_data() {
                    pass(contender, &CHECK, pattern, Stop::WholeDisk, options.spin)?;
                }
            }
            report.print_row(volume, row);
        }
    }
    report.print_verdict();
    Ok(())
}

/// One round of one row on one disk.
fn pass(contender: &mut Contender, row: &Row, pattern: &Pattern, stop: Stop<'_>, spin: bool) -> Result<Round, String> {
    if row.write && contender.keeps_data() {
        contender.generation = contender.generation % 200 + 1;
    }
    let blame = |contender: &Contender, why: String| {
        format!("{}, {} volume, {}: {why}\n{}", contender.name, contender.volume, row.name, contender.words())
    };
    let generation = contender.generation;
    let mut client = match Client::new(&contender.place, row, pattern, generation, spin) {
        Ok(client) => client,
        Err(why) => return Err(blame(contender, why)),
    };
    let mut ledger = std::mem::take(&mut contender.ledger);
    let mut clock = Vec::new();
    let result = client.run(&mut ledger, stop, || clock.push(contender.cpu()));
    contender.ledger = ledger;
    let measured = result.map_err(|why| blame(contender, why))?;
    if measured.ios == 0 {
        return Err(blame(contender, "not one I/O ended in time".to_owned()));
    }
    let cpu = match clock[..] {
        [before, after] => after.saturating_sub(before),
        _ => Duration::ZERO,
    };
    Ok(Round::new(row, &measured, cpu))
}

/// System calls per I/O, in a pass of its own: counting slows the target down.
fn count_calls(
    contender: &mut Contender,
    row: &Row,
    pattern: &Pattern,
    options: &Options,
) -> Result<Option<f64>, String> {
    let Some(pid) = contender.pid() else { return Ok(None) };
    if options.quick {
        return Ok(None);
    }
    let Some(counter) = syscalls::Counter::start(pid) else { return Ok(None) };
    let stop = Stop::After(Duration::from_millis(400));
    let round = pass(contender, row, pattern, stop, options.spin);
    let calls = counter.stop();
    // The count has the login and the warm-up too; so has the number of I/Os.
    let ios = round?.ios_all;
    Ok(calls.map(|calls| calls as f64 / ios as f64))
}
