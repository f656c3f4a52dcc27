//! How a swap went, for people.

use crate::control::words::{Carried, Pause, Program, SwapOutcome, SwapReport};
use crate::ctl::paint::{Paint, clean};
use crate::ctl::size;

/// Columns of the bars that show what a pause is made of.
const BAR: u64 = 32;

/// The whole report.
pub fn text(report: &SwapReport, paint: Paint) -> String {
    let mut out = head(report, paint);
    let labelled = |label: &str, text: &str| format!("{}{}\n", paint.dim(&format!("{label:<11}")), clean(text));
    if let Some(to) = report.to.as_ref().filter(|to| !to.path.as_os_str().is_empty()) {
        out += &labelled("binary", &to.path.display().to_string());
    }
    if let Some(rehearsal) = report.rehearsal_ms {
        out +=
            &labelled("rehearsal", &format!("{}, nothing paused", size::micros(rehearsal.saturating_mul(1000).max(1))));
    }
    if let Some(carried) = &report.carried {
        out += &labelled(if report.outcome == SwapOutcome::Done { "carried" } else { "to carry" }, &list(carried));
    }
    if let Some(pause) = &report.pause {
        out += &chart(pause, paint);
    }
    for lost in &report.not_carried {
        out += &format!("{} {}: {}\n", paint.yellow("not carried:"), clean(&lost.what), clean(&lost.why));
    }
    for remark in &report.remarks {
        out += &format!("{} {}\n", paint.yellow("remark:"), clean(remark));
    }
    out
}

fn head(report: &SwapReport, paint: Paint) -> String {
    let from = program(&report.from);
    let both = match &report.to {
        Some(to) => format!("{from} to {}", program(to)),
        None => from.clone(),
    };
    let goes_on = |rest: &str| format!("{from} goes on serving{rest}\n");
    match report.outcome {
        SwapOutcome::Done => format!("{} {both}\n", paint.green("swapped")),
        SwapOutcome::Rehearsed => {
            let from_to = report.to.as_ref().map_or(both, |to| format!("{} can take over from {from}", program(to)));
            format!("{} {from_to}\n", paint.green("rehearsed"))
        }
        SwapOutcome::NothingToDo => {
            let same = report.to.as_ref().is_none_or(|to| to.build == report.from.build);
            match (&report.to, &report.why) {
                (Some(to), _) if !same => {
                    format!(
                        "nothing to do: {from} is running; {} is another build of it (--allow-same)\n",
                        clean(&to.build)
                    )
                }
                (_, Some(why)) => format!("nothing to do: {}\n", lines(why)),
                _ => format!("nothing to do: {from} is running\n"),
            }
        }
        SwapOutcome::Refused => {
            format!("{} {both}\n{}{}", paint.red("refused"), end(report, paint), goes_on("; nothing was paused"))
        }
        SwapOutcome::RolledBack => {
            format!("{} {both}\n{}{}", paint.red("rolled back"), end(report, paint), goes_on("; no session was lost"))
        }
        SwapOutcome::Unknown => {
            format!(
                "{both}: it ended in a way that this program has no word for (--json shows all)\n{}",
                end(report, paint)
            )
        }
    }
}

/// Where it ended, and why.
fn end(report: &SwapReport, paint: Paint) -> String {
    match (&report.step, &report.why) {
        (None, None) => String::new(),
        (Some(step), None) => format!("{}\n", paint.bold(&format!("at {}", clean(step)))),
        (None, Some(why)) => format!("{}\n", lines(why)),
        (Some(step), Some(why)) => format!("{} {}\n", paint.bold(&format!("at {}:", clean(step))), lines(why)),
    }
}

/// Words of another program, which may be several lines (a rehearsal's last words).
fn lines(text: &str) -> String {
    text.trim_end().lines().map(clean).collect::<Vec<_>>().join("\n  ")
}

/// `0.1.0 (5f0c2a9d31be77e4)`.
fn program(program: &Program) -> String {
    let version = clean(if program.version.is_empty() { "an unknown version" } else { &program.version });
    if program.build.is_empty() { version } else { format!("{version} ({})", clean(&program.build)) }
}

/// `0.1.0 to 0.2.0`; of one version to itself with the builds.
pub fn from_to(from: &Program, to: &Program) -> String {
    match from.version == to.version {
        true => format!("{} to {}", program(from), program(to)),
        false => format!("{} to {}", clean(&from.version), clean(&to.version)),
    }
}

/// `3.4 ms (quiesce 1.2 ms, …)`.
pub fn paused(pause: &Pause) -> String {
    let parts = parts(pause).map(|(name, micros)| format!("{name} {}", size::micros(micros)));
    format!("{} ({})", size::micros(pause.total_us), parts.join(", "))
}

fn parts(pause: &Pause) -> [(&'static str, u64); 4] {
    [("quiesce", pause.quiesce_us), ("save", pause.save_us), ("exec", pause.exec_us), ("adopt", pause.adopt_us)]
}

fn list(carried: &Carried) -> String {
    let count = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let mut out = vec![count(carried.sessions, "session")];
    // Those that have not logged in, too.
    let connections = if carried.connections == carried.sessions { 0 } else { carried.connections };
    for (number, noun) in [
        (connections, "connection"),
        (carried.commands, "command"),
        (carried.volumes, "volume"),
        (carried.control_connections, "control connection"),
    ] {
        if number > 0 {
            out.push(count(number, noun));
        }
    }
    out.push(format!("{} of state", size::bytes(carried.snapshot_bytes)));
    if carried.payload_bytes > 0 {
        out.push(format!("{} of data in place", size::bytes(carried.payload_bytes)));
    }
    out.join(", ")
}

/// The parts one after the other, as they followed in time.
fn chart(pause: &Pause, paint: Paint) -> String {
    let mut out = format!("{}{}\n", paint.dim(&format!("{:<11}", "pause")), paint.bold(&size::micros(pause.total_us)));
    let scale = parts(pause).iter().map(|(_, micros)| *micros).sum::<u64>().max(1);
    let column =
        |micros: u64| ((u128::from(micros) * u128::from(BAR) + u128::from(scale / 2)) / u128::from(scale)) as u64;
    let mut passed = 0;
    for (name, micros) in parts(pause) {
        let (start, end) = (column(passed), column(passed + micros));
        passed += micros;
        let bar = "\u{2588}".repeat((end - start) as usize);
        let (waited, store) = match name {
            "quiesce" if pause.store_us > 0 => {
                let waited = column(pause.store_us.min(micros)).min(end - start) as usize;
                ("\u{2592}".repeat(waited), format!(" {} of it for stores", size::micros(pause.store_us)))
            }
            _ => (String::new(), String::new()),
        };
        let worked: String = bar.chars().skip(waited.chars().count()).collect();
        let line = format!("  {name:<9}{:>7}  {}{waited}{worked}", size::micros(micros), " ".repeat(start as usize));
        out += &format!("{}{}\n", line.trim_end(), paint.dim(&store));
    }
    out
}
