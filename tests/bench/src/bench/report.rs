//! The table and the JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Measured;
use super::memory::Memory;
use super::row::Row;

/// One round of one row.
#[derive(Clone, Debug)]
pub struct Round {
    /// I/Os a second.
    pub iops: f64,
    /// Million bytes a second.
    pub mbps: f64,
    /// Latency in µs.
    pub p50: f64,
    /// Latency in µs.
    pub p99: f64,
    /// Latency in µs.
    pub p999: f64,
    /// CPU time of the target per I/O, in µs.
    pub cpu: f64,
    /// I/Os of the measured time and around it.
    pub ios_all: u64,
}

impl Round {
    /// From what the client measured and the target used.
    pub fn new(row: &Row, measured: &Measured, cpu: Duration) -> Round {
        let iops = measured.ios as f64 / measured.elapsed.as_secs_f64();
        Round {
            iops,
            mbps: iops * row.bytes as f64 / 1e6,
            p50: measured.latency.percentile_us(0.5),
            p99: measured.latency.percentile_us(0.99),
            p999: measured.latency.percentile_us(0.999),
            cpu: cpu.as_secs_f64() * 1e6 / measured.latency.total().max(1) as f64,
            ios_all: measured.ios_all,
        }
    }
}

type Key = (&'static str, &'static str, &'static str);

/// Everything measured so far.
pub struct Report {
    targets: Vec<&'static str>,
    cores: usize,
    spin: bool,
    memory: Vec<(&'static str, Memory)>,
    order: Vec<(&'static str, &'static str)>,
    rounds: BTreeMap<Key, Vec<Round>>,
    calls: BTreeMap<Key, f64>,
    swaps: Value,
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// Half of what lies between the best and the worst round, in percent of the median.
fn spread(rounds: &[Round]) -> f64 {
    let (low, high) = rounds.iter().fold((f64::MAX, 0.0f64), |(l, h), r| (l.min(r.iops), h.max(r.iops)));
    (high - low) / 2.0 / median(rounds.iter().map(|r| r.iops)) * 100.0
}

impl Report {
    /// Empty.
    pub fn new(targets: &[&'static str], cores: usize, spin: bool) -> Report {
        Report {
            targets: targets.to_vec(),
            cores,
            spin,
            memory: Vec::new(),
            order: Vec::new(),
            rounds: BTreeMap::new(),
            calls: BTreeMap::new(),
            swaps: Value::Null,
        }
    }

    /// Memory of `target`.
    pub fn memory(&mut self, target: &'static str, memory: Memory) {
        self.memory.push((target, memory));
    }

    /// One more round.
    pub fn round(&mut self, target: &'static str, volume: &'static str, row: &Row, round: Round) {
        if !self.order.contains(&(volume, row.name)) {
            self.order.push((volume, row.name));
        }
        self.rounds.entry((volume, row.name, target)).or_default().push(round);
    }

    /// System calls per I/O.
    pub fn calls(&mut self, target: &'static str, volume: &'static str, row: &Row, calls: f64) {
        self.calls.insert((volume, row.name, target), calls);
    }

    /// What swaps cost.
    pub fn swaps(&mut self, swaps: Value) {
        self.swaps = swaps;
    }

    /// The memory rows.
    pub fn print_memory(&self) {
        for (target, memory) in &self.memory {
            println!(
                "{target:<9} idle {:.1} MiB resident; {} idle sessions: {:.1} KiB each",
                memory.idle as f64 / 1048576.0,
                memory.sessions,
                memory.per_session as f64 / 1024.0
            );
        }
    }

    /// Names of the columns.
    pub fn print_head(&self) {
        let pinned = if self.cores > 1 { "target on core 0, client on core 1" } else { "one core for both" };
        println!("{pinned}; client {}\n", if self.spin { "polls" } else { "sleeps in epoll" });
        println!(
            "{:<7}{:<31}{:<9} {:>8} {:>4} {:>7} {:>7} {:>7} {:>8} {:>7} {:>8}",
            "volume", "row", "target", "IOPS", "±%", "MB/s", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "calls/IO"
        );
    }

    /// One row for each target, as soon as it is known.
    pub fn print_row(&self, volume: &'static str, row: &Row) {
        for target in &self.targets {
            let Some(rounds) = self.rounds.get(&(volume, row.name, *target)) else { continue };
            let of = |f: fn(&Round) -> f64| median(rounds.iter().map(f));
            let calls = self.calls.get(&(volume, row.name, *target));
            println!(
                "{:<7}{:<31}{:<9} {:>8.0} {:>4.0} {:>7.0} {:>7.0} {:>7.0} {:>8.0} {:>7.1} {:>8}",
                volume,
                row.name,
                target,
                of(|r| r.iops),
                spread(rounds),
                of(|r| r.mbps),
                of(|r| r.p50),
                of(|r| r.p99),
                of(|r| r.p999),
                of(|r| r.cpu),
                calls.map_or("-".to_owned(), |calls| format!("{calls:.2}"))
            );
        }
    }

    fn ratio(
        &self,
        pair: [&'static str; 2],
        volume: &'static str,
        row: &'static str,
        f: fn(&Round) -> f64,
    ) -> Option<f64> {
        let of = |target| Some(median(self.rounds.get(&(volume, row, target))?.iter().map(f)));
        Some(of(pair[0])? / of(pair[1])?)
    }

    /// Mainstay as a multiple of tgt, and itself over NVMe/TCP as a multiple of itself over iSCSI.
    pub fn print_verdict(&self) {
        for pair in [["mainstay", "tgt"], ["nvme", "mainstay"]] {
            let rows = self.order.iter().filter_map(|&(volume, row)| {
                let of = |f| self.ratio(pair, volume, row, f);
                Some((volume, row, of(|r| r.iops)?, of(|r| r.p50)?, of(|r| r.cpu)?))
            });
            for (n, (volume, row, iops, p50, cpu)) in rows.enumerate() {
                if n == 0 {
                    println!("\n{:<38} {:>6} {:>6} {:>11}", pair.join(" / "), "IOPS", "p50", "CPU per I/O");
                }
                println!("{volume:<7}{row:<31} {iops:>6.2} {p50:>6.2} {cpu:>11.2}");
            }
        }
    }

    /// All of it, every round included.
    pub fn json(&self) -> String {
        let memory: Vec<Value> = (self.memory.iter())
            .map(|(target, m)| {
                json!({ "target": target, "idle_bytes": m.idle, "sessions": m.sessions, "session_bytes": m.per_session })
            })
            .collect();
        let mut rows = Vec::new();
        for &(volume, row) in &self.order {
            for target in &self.targets {
                let Some(rounds) = self.rounds.get(&(volume, row, *target)) else { continue };
                let of = |f: fn(&Round) -> f64| median(rounds.iter().map(f));
                let all: Vec<Value> = (rounds.iter())
                    .map(|r| {
                        json!({ "iops": r.iops, "mbps": r.mbps, "p50_us": r.p50, "p99_us": r.p99, "p999_us": r.p999,
                                "cpu_us": r.cpu })
                    })
                    .collect();
                rows.push(json!({
                    "volume": volume, "row": row, "target": target,
                    "iops": of(|r| r.iops), "spread_percent": spread(rounds), "mbps": of(|r| r.mbps),
                    "p50_us": of(|r| r.p50), "p99_us": of(|r| r.p99), "p999_us": of(|r| r.p999),
                    "cpu_us": of(|r| r.cpu), "calls_per_io": self.calls.get(&(volume, row, *target)),
                    "rounds": all,
                }));
            }
        }
        let all = json!({ "machine": machine(), "cores": self.cores, "client_polls": self.spin, "memory": memory, "rows": rows, "swaps": self.swaps });
        serde_json::to_string_pretty(&all).expect("plain values") + "\n"
    }
}

/// Kernel and processor: numbers of different machines must not be compared.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches(['\t', ':', ' ']);
    let system = rustix::system::uname();
    format!("{} {}, {model}", system.sysname().to_string_lossy(), system.release().to_string_lossy())
}
