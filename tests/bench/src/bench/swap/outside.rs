//! A swap as an initiator sees it: the longest time without a completion, and how a rehearsal disturbs.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::latency::Latency;
use super::stage::{Stage, jitter};

/// Half of the time that is looked at around a swap.
const AROUND: Duration = Duration::from_millis(500);

/// The longest gap of each session, in ms, of all windows.
#[derive(Clone, Debug)]
pub struct Gaps {
    /// With a swap in the middle.
    pub swap: Vec<f64>,
    /// Without one.
    pub quiet: Vec<f64>,
}

/// `windows` windows with a swap in the middle, and as many without one, in turn.
pub fn gaps(stage: &mut Stage<'_>, windows: usize) -> Result<Gaps, String> {
    let (answered, watch) = stage.run(|asker| {
        let mut answered = Vec::with_capacity(windows);
        asker.wait(AROUND)?;
        for _ in 0..windows {
            let quiet = Instant::now();
            asker.wait(AROUND * 3)?;
            answered.push((quiet, asker.control.swap()?.answered));
            asker.wait(AROUND)?;
        }
        Ok(answered)
    })?;
    let mut gaps = Gaps { swap: Vec::new(), quiet: Vec::new() };
    for (quiet, answered) in answered {
        gaps.quiet.extend(watch.longest_ms(quiet, quiet + AROUND * 2));
        gaps.swap.extend(watch.longest_ms(answered - AROUND, answered + AROUND));
    }
    Ok(gaps)
}

/// Latency of running I/O, and how long a rehearsal takes.
#[derive(Clone, Debug)]
pub struct Rehearsals {
    /// While nothing else goes on.
    pub quiet: Latency,
    /// From the question to the answer of a dry run.
    pub during: Latency,
    /// How long each dry run took, in ms.
    pub took_ms: Vec<f64>,
}

impl Rehearsals {
    /// p99 during rehearsals over that of quiet times.
    pub fn ratio(&self) -> f64 {
        self.during.percentile_us(0.99) / self.quiet.percentile_us(0.99)
    }
}

/// `count` dry runs, each followed by as much time without one.
pub fn rehearsals(stage: &mut Stage<'_>, count: usize) -> Result<Rehearsals, String> {
    let (took_ms, watch) = stage.run(|asker| {
        let phase = asker.phase.clone();
        let mut seed = 0x2545_f491_4f6c_dd1d;
        let mut took = Vec::with_capacity(count);
        asker.wait(AROUND)?;
        for _ in 0..count {
            phase.store(2, Ordering::Relaxed);
            let rehearsed = asker.control.rehearse()?;
            phase.store(0, Ordering::Relaxed);
            took.push(rehearsed.took.as_secs_f64() * 1e3);
            // What was queued meanwhile belongs to neither.
            asker.wait(jitter(Duration::from_millis(10), &mut seed))?;
            phase.store(1, Ordering::Relaxed);
            asker.wait(rehearsed.took)?;
            phase.store(0, Ordering::Relaxed);
        }
        Ok(took)
    })?;
    let [quiet, during] = watch.latencies().clone();
    Ok(Rehearsals { quiet, during, took_ms })
}
