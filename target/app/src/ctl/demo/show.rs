//! What a run has shown: as text, as figures, as a verdict.

use super::super::paint::{Paint, clean};
use super::super::size;
use super::chart;
use super::load::{Record, SLICE};
use crate::control::words::{SessionState, Status, SwapOutcome, SwapReport};
use std::time::Duration;

/// A swap that was asked for.
#[derive(Debug)]
pub struct Swapped {
    /// When it was asked for, by the age of the load.
    pub asked: Duration,
    /// When there was an answer.
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
pub const HEAD: &str = "swap  pause ms = quiesce + save + exec + adopt  sessions  commands  snapshot";

/// Number and state of the sessions, of whichever protocol.
fn sessions(status: &Status) -> impl Iterator<Item = (u64, SessionState)> {
    let of_iscsi = status.sessions.iter().map(|session| (session.id, session.state));
    of_iscsi.chain(status.nvme.controllers.iter().map(|controller| (controller.id, controller.state)))
}

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
            (&self.before.daemon.version, self.before.daemon.pid, sessions(&self.before).count());
        let way = if self.before.nvme.controllers.is_empty() { "iSCSI" } else { "NVMe/TCP" };
        format!("mainstay {version}, process {pid}: {sessions} sessions read and write 4 KiB at random over {way}\n\n")
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
            "{:4}  {total:>8}   {quiesce:>7} {save:>6} {exec:>6} {adopt:>7} {:>9} {:>9}  {:>8}\n",
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
        let after = self.after.iter().flat_map(sessions);
        let active: Vec<u64> = after.filter(|one| one.1 == SessionState::Active).map(|one| one.0).collect();
        sessions(&self.before).filter(|session| active.contains(&session.0)).count()
    }

    fn lost(&self) -> usize {
        self.record.lost.len().max(sessions(&self.before).count() - self.kept())
    }

    /// The longest gap while no swap was under way: what the machine does to us by itself.
    fn gap_between(&self) -> Duration {
        let during = |swap: &Swapped, at: Duration| at + SLICE > swap.asked && at < swap.answered + SLICE;
        self.record.gap(|at| !self.swaps.iter().any(|swap| during(swap, at)))
    }

    fn pid_after(&self) -> u32 {
        self.after.as_ref().map_or(0, |status| status.daemon.pid)
    }

    /// What people want to know at the end.
    pub fn summary(&self) -> String {
        let (record, latency, pauses) = (&self.record, self.record.latency().summary(), self.pauses());
        let pause = match (median(&pauses), pauses.last()) {
            (Some(half), Some(max)) => {
                format!("p50 {} ms, max {} ms; swaps done: {}", ms(half), ms(*max), pauses.len())
            }
            _ => "swaps done: 0".to_owned(),
        };
        let us = |nanos: u64| ms(nanos / 1000);
        format!(
            "\npause     {pause}\n\
             gap       {} ms at most between two answers, {} ms with no swap under way\n\
             commands  {} done and data verified; {} failed, {} with wrong data\n\
             latency   p50 {} ms, p99 {} ms, max {} ms\n\
             sessions  {} before, {} after, {} lost; process {} before, {} after\n",
            ms(record.gap(|_| true).as_micros() as u64),
            ms(self.gap_between().as_micros() as u64),
            latency.count,
            record.errors.len(),
            record.differences.len(),
            us(latency.p50),
            us(latency.p99),
            us(latency.max),
            sessions(&self.before).count(),
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
            "sessions": sessions(&self.before).count(),
            "sessions_lost": self.lost(),
            "commands": latency.count,
            "errors": record.errors.len(),
            "differences": record.differences.len(),
            "latency_us": { "p50": latency.p50 / 1000, "p99": latency.p99 / 1000, "max": latency.max / 1000 },
            "gap_us": record.gap(|_| true).as_micros() as u64,
            "gap_between_us": self.gap_between().as_micros() as u64,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::words::{Carried, Pause};
    use serde_json::json;
    use std::time::Instant;

    fn status(pid: u32, sessions: &[u64]) -> Status {
        let session = |id: &u64| {
            json!({"id": id, "initiator": "i", "target": "t", "peer": "127.0.0.1:1", "local": "127.0.0.1:2", "isid": "",
                "tsih": 1, "state": "active", "since_ms": 1, "negotiated": {}, "commands": 0, "read_bytes": 0,
                "written_bytes": 0, "window": 1})
        };
        let sessions: Vec<_> = sessions.iter().map(session).collect();
        let daemon = json!({"version": "1.2.3", "pid": pid});
        let empty: [u8; 0] = [];
        let status = json!({"daemon": daemon, "portals": empty, "targets": empty, "volumes": empty,
            "refused_logins": empty, "sessions": sessions});
        serde_json::from_value(status).unwrap()
    }

    fn swapped(total_us: u64) -> Swapped {
        let part = total_us / 4;
        let pause = Pause { total_us, quiesce_us: part, store_us: 0, save_us: part, exec_us: part, adopt_us: part };
        let carried = Carried { sessions: 2, commands: 1, snapshot_bytes: 6500, ..Carried::default() };
        let (pause, carried) = (Some(pause), Some(carried));
        let report = SwapReport { outcome: SwapOutcome::Done, pause, carried, ..SwapReport::default() };
        Swapped { asked: Duration::from_millis(900), answered: Duration::from_secs(1), outcome: Ok(report) }
    }

    /// Two sessions, three swaps, all well.
    fn well() -> Show {
        let mut show = Show::new(status(7, &[1, 2]), Duration::from_secs(2));
        show.after = Some(status(7, &[1, 2]));
        show.swaps = [4_000, 12_340, 2_000].map(swapped).into();
        show.record.done(0, Duration::ZERO, Instant::now(), Duration::from_micros(1_250));
        show
    }

    #[test]
    fn what_went_well_is_told() {
        let show = well();
        assert_eq!(show.verdict(), Ok(()));
        let line = "   2     12.34      3.08   3.08   3.08    3.08         2         1  6.35 KiB\n";
        assert_eq!(show.line(1, Paint(false)), line);
        assert!(show.summary().contains("p50 4.00 ms, max 12.34 ms; swaps done: 3\n"), "{}", show.summary());
        let json = show.json();
        assert_eq!(json["pause_us"], json!({"p50": 4_000, "max": 12_340}));
        assert_eq!(json["latency_us"], json!({"p50": 1_250, "p99": 1_250, "max": 1_250}));
        assert_eq!((&json["sessions_lost"], &json["gap_us"], &json["commands"]), (&json!(0), &json!(1_250), &json!(1)));
    }

    #[test]
    fn whatever_goes_wrong_is_told() {
        let spoilt = |spoil: fn(&mut Show)| {
            let mut show = well();
            spoil(&mut show);
            show.verdict().unwrap_err()
        };
        assert_eq!(spoilt(|show| show.record.lost = vec!["a".into(), "b".into()]), "sessions lost: 2 (a)");
        assert_eq!(spoilt(|show| show.record.errors.push("a".into())), "commands failed: 1 (a)");
        assert_eq!(spoilt(|show| show.record.differences.push("a".into())), "blocks with wrong data: 1 (a)");
        assert_eq!(spoilt(|show| show.swaps[0].outcome = Err("a".into())), "swaps failed: 1 (a)");
        let rolled_back = "swaps failed: 1 (ended in adopt: a)";
        let roll_back = |show: &mut Show| {
            let report = show.swaps[2].outcome.as_mut().unwrap();
            (report.outcome, report.step) = (SwapOutcome::RolledBack, Some("adopt".into()));
            report.why = Some("a".into());
        };
        assert_eq!(spoilt(roll_back), rolled_back);
        // A session that came back is another one.
        let came_back = "sessions lost: 1 (the target knows it no more)";
        assert_eq!(spoilt(|show| show.after = Some(status(7, &[1, 3]))), came_back);
        assert!(spoilt(|show| show.after = Some(status(8, &[1, 2]))).starts_with("target gone"));
        assert!(spoilt(|show| show.after = None).starts_with("sessions lost: 2"));
    }
}
