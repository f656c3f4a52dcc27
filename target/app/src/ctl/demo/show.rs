//! What a run has shown: as text, as figures, as a verdict.

use super::super::paint::{Paint, clean};
use super::super::size;
use super::chart;
use super::load::Record;
use crate::control::words::{SessionState, Status, SwapOutcome, SwapReport};
use std::time::Duration;

/// A swap that was asked for.
#[derive(Debug)]
pub struct Swapped {
    /// When there was an answer, by the age of the load.
    pub answered: Duration,
    /// The answer, or why there was none.
    pub outcome: Result<SwapReport, String>,
}

impl Swapped {
    /// Why it was not done, if it was not.
    fn failure(&self) -> Option<String> {
        match &self.outcome {
            Err(why) => Some(why.clone()),
            Ok(report) if report.outcome == SwapOutcome::Done => None,
            Ok(SwapReport { step, why, .. }) => {
                let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "?".to_owned());
                Some(format!("ended in {}: {}", word(step), word(why)))
            }
        }
    }
}

/// Everything seen so far.
#[derive(Debug)]
pub struct Show {
    /// The target when the load began.
    pub before: Status,
    /// The target at the end, if it answers.
    pub after: Option<Status>,
    /// How long all is going to take.
    pub span: Duration,
    /// How long the load has been at work.
    pub age: Duration,
    /// The swaps.
    pub swaps: Vec<Swapped>,
    /// The load.
    pub record: Record,
}

/// What stands over the lines of the swaps.
pub const HEAD: &str = "swap  pause ms = quiesce + save + exec + adopt  carried";

fn ms(micros: u64) -> String {
    format!("{:.2}", micros as f64 / 1e3)
}

impl Show {
    /// Nothing so far.
    pub fn new(before: Status, span: Duration) -> Show {
        let (age, swaps, record) = (Duration::ZERO, Vec::new(), Record::default());
        Show { before, after: None, span, age, swaps, record }
    }

    /// What is going to be seen.
    pub fn begin(&self) -> String {
        let (version, pid, sessions) =
            (&self.before.daemon.version, self.before.daemon.pid, self.before.sessions.len());
        format!("mainstay {version}, process {pid}: {sessions} sessions read and write 4 KiB at random\n\n")
    }

    /// The line of swap `at`.
    pub fn line(&self, at: usize, paint: Paint) -> String {
        let swap = &self.swaps[at];
        if let Some(why) = swap.failure() {
            return format!("{:4}  {}\n", at + 1, paint.red(&clean(why.lines().next().unwrap_or_default())));
        }
        let report = swap.outcome.as_ref().ok();
        let pause = report.and_then(|report| report.pause).unwrap_or_default();
        let carried = report.and_then(|report| report.carried).unwrap_or_default();
        let [total, quiesce, save, exec, adopt] =
            [pause.total_us, pause.quiesce_us, pause.save_us, pause.exec_us, pause.adopt_us].map(ms);
        format!(
            "{:4}  {total:>8}   {quiesce:>7} {save:>6} {exec:>6} {adopt:>7}  {} sessions, {} commands, {}\n",
            at + 1,
            carried.sessions,
            carried.commands,
            size::bytes(carried.snapshot_bytes)
        )
    }

    /// The chart in so many columns of text.
    pub fn chart(&self, width: usize, paint: Paint) -> String {
        let (columns, span) = (width - chart::MARGIN - 1, self.span.max(self.age));
        let mark = |swap: &Swapped| {
            let pause = swap.outcome.as_ref().ok()?.pause?;
            // The answer comes when the pause is over.
            let middle = swap.answered.saturating_sub(Duration::from_micros(pause.total_us / 2));
            Some((middle.as_secs_f64() / span.as_secs_f64() * columns as f64) as usize)
        };
        let marks: Vec<usize> = self.swaps.iter().filter_map(mark).collect();
        chart::draw(&self.record.columns(columns, span), &marks, span, paint)
    }

    /// The pauses of the swaps that were done, shortest first.
    fn pauses(&self) -> Vec<u64> {
        let done = self.swaps.iter().filter_map(|swap| swap.outcome.as_ref().ok());
        let done = done.filter(|report| report.outcome == SwapOutcome::Done);
        let mut pauses: Vec<u64> = done.filter_map(|report| report.pause).map(|pause| pause.total_us).collect();
        pauses.sort_unstable();
        pauses
    }

    /// How many of the first sessions are still there, by the numbers that a target gives only once.
    fn kept(&self) -> usize {
        let after = self.after.iter().flat_map(|status| &status.sessions);
        let active: Vec<u64> = after.filter(|one| one.state == SessionState::Active).map(|one| one.id).collect();
        self.before.sessions.iter().filter(|session| active.contains(&session.id)).count()
    }

    fn lost(&self) -> usize {
        self.record.lost.len().max(self.before.sessions.len() - self.kept())
    }

    fn pid_after(&self) -> u32 {
        self.after.as_ref().map_or(0, |status| status.daemon.pid)
    }

    /// What people want to know at the end.
    pub fn summary(&self) -> String {
        let (record, latency, pauses) = (&self.record, self.record.latency().summary(), self.pauses());
        let pause = match (median(&pauses), pauses.last()) {
            (Some(half), Some(max)) => format!("p50 {} ms, max {} ms, {} swaps", ms(half), ms(*max), pauses.len()),
            _ => "no swap was done".to_owned(),
        };
        let us = |nanos: u64| ms(nanos / 1000);
        format!(
            "\npause     {pause}\n\
             gap       {} ms at most from one answer to the next, of any session\n\
             commands  {} done and data verified; {} failed, {} with wrong data\n\
             latency   p50 {} ms, p99 {} ms, max {} ms\n\
             sessions  {} before, {} after, {} lost; process {} before, {} after\n",
            ms(record.gap.as_micros() as u64),
            latency.count,
            record.errors.len(),
            record.differences.len(),
            us(latency.p50),
            us(latency.p99),
            us(latency.max),
            self.before.sessions.len(),
            self.kept(),
            self.lost(),
            self.before.daemon.pid,
            self.pid_after(),
        )
    }

    /// The same as figures, with the report of every swap.
    pub fn json(&self) -> serde_json::Value {
        let (record, latency, pauses) = (&self.record, self.record.latency().summary(), self.pauses());
        let swap = |swap: &Swapped| match &swap.outcome {
            Ok(report) => serde_json::json!(report),
            Err(why) => serde_json::json!({ "outcome": "unanswered", "why": why }),
        };
        serde_json::json!({
            "version": self.before.daemon.version,
            "pid": self.before.daemon.pid,
            "pid_after": self.pid_after(),
            "elapsed_ms": self.age.as_millis() as u64,
            "sessions": self.before.sessions.len(),
            "sessions_lost": self.lost(),
            "commands": latency.count,
            "errors": record.errors.len(),
            "differences": record.differences.len(),
            "latency_us": { "p50": latency.p50 / 1000, "p99": latency.p99 / 1000, "max": latency.max / 1000 },
            "gap_us": record.gap.as_micros() as u64,
            "pause_us": { "p50": median(&pauses), "max": pauses.last() },
            "swaps": self.swaps.iter().map(swap).collect::<Vec<_>>(),
        })
    }

    /// What went wrong, if anything did, with the first case of each kind.
    pub fn verdict(&self) -> Result<(), String> {
        let first = |what: &[String]| what.first().map_or("the target knows it no more", |first| first).to_owned();
        let unlucky: Vec<String> = self.swaps.iter().filter_map(Swapped::failure).collect();
        let record = &self.record;
        let mut wrong = Vec::new();
        for (count, what, why) in [
            (unlucky.len(), "swaps failed", first(&unlucky)),
            (self.lost(), "sessions lost", first(&record.lost)),
            (record.errors.len(), "commands failed", first(&record.errors)),
            (record.differences.len(), "blocks with wrong data", first(&record.differences)),
            (
                usize::from(self.pid_after() != self.before.daemon.pid),
                "target gone",
                String::from("another process id"),
            ),
        ] {
            if count > 0 {
                wrong.push(format!("{what}: {count} ({why})"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}

fn median(sorted: &[u64]) -> Option<u64> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}
