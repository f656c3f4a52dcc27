//! The tables and the JSON of swaps.

use serde_json::{Value, json};

use super::super::latency::Latency;
use super::control::Swapped;
use super::outside::{Gaps, Rehearsals};
use super::restart::{Restart, SESSIONS};
use super::stage::Load;

/// How much worse a rehearsal may make p99.
const RATIO_AIM: f64 = 2.0;
/// Upper ends of the classes of gaps, in ms.
const CLASSES: [f64; 11] = [0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 50.0, 100.0, f64::INFINITY];

/// The value that `share` of all do not exceed.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share).ceil() as usize;
    values.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn verdict(value: f64, aim: f64) -> &'static str {
    if value <= aim { "met" } else { "NOT met" }
}

fn mean(swaps: &[Swapped], of: impl Fn(&Swapped) -> f64) -> f64 {
    swaps.iter().map(of).sum::<f64>() / swaps.len() as f64
}

/// The parts of a pause, without what waiting for stores took.
fn parts(swaps: &[Swapped]) -> [(&'static str, f64); 5] {
    let part = |name: &'static str| mean(swaps, move |swap| swap.part(name));
    [
        ("quiesce", part("quiesce_us") - part("store_us")),
        ("save", part("save_us")),
        ("exec", part("exec_us")),
        ("adopt", part("adopt_us")),
        ("stores", part("store_us")),
    ]
}

pub fn print_inside_head(swaps: usize) {
    println!(
        "\nswaps: the pause as the daemon reports it, without the time at stores; {swaps} of each row, parts are means\n"
    );
    println!(
        "{:<29} {:>7} {:>7} {:>7} {:>10} {:>7} {:>7} {:>8} {:>9} {:>8} {:>8} {:>8}  aim of p99",
        "load",
        "p50 ms",
        "p99 ms",
        "max ms",
        "quiesce µs",
        "save µs",
        "exec µs",
        "adopt µs",
        "stores µs",
        "commands",
        "MiB I/O",
        "KiB kept"
    );
}

pub fn print_inside(load: &Load, swaps: &[Swapped]) {
    let pauses: Vec<f64> = swaps.iter().map(Swapped::pause_ms).collect();
    let p99 = percentile(&pauses, 0.99);
    let [quiesce, save, exec, adopt, stores] = parts(swaps).map(|(_, us)| us);
    let aim = load.aim_ms.map_or(String::new(), |aim| format!("≤ {aim} ms: {}", verdict(p99, aim)));
    println!(
        "{:<29} {:>7.2} {p99:>7.2} {:>7.2} {quiesce:>10.0} {save:>7.0} {exec:>7.0} {adopt:>8.0} {stores:>9.0} {:>8.0} {:>8.1} {:>8.0}  {aim}",
        load.name(),
        percentile(&pauses, 0.5),
        percentile(&pauses, 1.0),
        mean(swaps, |swap| swap.carried("commands")),
        mean(swaps, |swap| swap.carried("payload_bytes")) / 1_048_576.0,
        mean(swaps, |swap| swap.carried("snapshot_bytes")) / 1024.0,
    );
}

pub fn inside_json(load: &Load, swaps: &[Swapped]) -> Value {
    let pauses: Vec<f64> = swaps.iter().map(Swapped::pause_ms).collect();
    let means: serde_json::Map<String, Value> =
        parts(swaps).iter().map(|(name, us)| (format!("{name}_us"), json!(us))).collect();
    let all: Vec<&Value> = swaps.iter().map(|swap| &swap.report["pause"]).collect();
    json!({
        "load": load.name(), "sessions": load.row.sessions + load.row.idle, "swaps": swaps.len(),
        "p50_ms": percentile(&pauses, 0.5), "p99_ms": percentile(&pauses, 0.99), "max_ms": percentile(&pauses, 1.0),
        "aim_p99_ms": load.aim_ms, "means": means, "carried": swaps.last().map(|swap| &swap.report["carried"]),
        "rehearsal_ms": mean(swaps, |swap| swap.report["rehearsal_ms"].as_f64().unwrap_or(f64::NAN)),
        "pauses": all,
    })
}

/// A histogram as a line: how many in each class.
fn classes(values: &[f64]) -> String {
    let mut low = 0.0;
    let mut out = String::new();
    for high in CLASSES {
        let count = values.iter().filter(|&&value| value > low && value <= high || low == 0.0 && value == 0.0).count();
        low = high;
        out += &if count == 0 { format!("{:>7}", "·") } else { format!("{count:>7}") };
    }
    out
}

pub fn print_outside(load: &Load, gaps: &Gaps) {
    println!("\n{}: longest time without a completion, of each session in each window of 1 s\n", load.row.name);
    let heads =
        CLASSES.map(|high| if high.is_finite() { format!("{:>7}", format!("≤{high}")) } else { "   more".to_owned() });
    println!("{:<24} {:>7} {:>7} {:>7} {} ms", "window", "p50 ms", "p99 ms", "max ms", heads.concat());
    for (name, values) in [("with a swap", &gaps.swap), ("without", &gaps.quiet)] {
        println!(
            "{name:<24} {:>7.2} {:>7.2} {:>7.2} {}",
            percentile(values, 0.5),
            percentile(values, 0.99),
            percentile(values, 1.0),
            classes(values)
        );
    }
}

pub fn outside_json(load: &Load, gaps: &Gaps) -> Value {
    json!({ "load": load.row.name, "sessions": load.row.sessions, "swap_ms": gaps.swap, "quiet_ms": gaps.quiet })
}

pub fn print_rehearsals(load: &Load, rehearsals: &Rehearsals) {
    let Rehearsals { quiet, during, took_ms } = rehearsals;
    let line = |latency: &Latency| {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| latency.percentile_us(share));
        format!("p50 {p50:.0}, p99 {p99:.0}, p99.9 {p999:.0} µs")
    };
    println!(
        "{}: latency during {} rehearsals of {:.0} ms: {}",
        load.row.name,
        took_ms.len(),
        percentile(took_ms, 0.5),
        line(during)
    );
    println!(
        "  without: {}; p99 is {:.2} times that (aim ≤ {RATIO_AIM}: {})",
        line(quiet),
        rehearsals.ratio(),
        verdict(rehearsals.ratio(), RATIO_AIM)
    );
}

pub fn rehearsals_json(load: &Load, rehearsals: &Rehearsals) -> Value {
    let of = |latency: &Latency| {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| latency.percentile_us(share));
        json!({ "ios": latency.total(), "p50_us": p50, "p99_us": p99, "p999_us": p999 })
    };
    json!({
        "load": load.row.name, "quiet": of(&rehearsals.quiet), "rehearsal": of(&rehearsals.during),
        "p99_ratio": rehearsals.ratio(), "aim_ratio": RATIO_AIM, "took_ms": rehearsals.took_ms,
    })
}

pub fn print_restarts(restarts: &[Restart]) {
    println!("\n{SESSIONS} sessions that log in again at once: time without service of each\n");
    println!("{:<30} {:>8} {:>8} {:>8} {:>8} {:>7}", "what", "min ms", "p50 ms", "p99 ms", "max ms", "logins");
    for Restart { what, outages_ms, logins } in restarts {
        let [min, p50, p99, max] = [0.0, 0.5, 0.99, 1.0].map(|share| percentile(outages_ms, share));
        println!("{what:<30} {min:>8.1} {p50:>8.1} {p99:>8.1} {max:>8.1} {logins:>7}");
    }
    if !restarts.iter().any(|restart| restart.what.starts_with("tgt")) {
        println!("tgt                            skipped: it is not installed (apt install tgt), or left out");
    }
}

pub fn restart_json(restart: &Restart) -> Value {
    json!({ "what": restart.what, "sessions": SESSIONS, "logins": restart.logins, "outages_ms": restart.outages_ms })
}
