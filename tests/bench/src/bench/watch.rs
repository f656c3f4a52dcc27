//! Completions in time: how long each session went without one, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::latency::Latency;

/// Gaps are remembered by the longest that ended in each piece of time of this length.
const BIN: Duration = Duration::from_millis(25);

/// What somebody who decides tells the watch: 0 nothing, else the histogram to count into.
pub type Phase = Arc<AtomicUsize>;

/// Looks at every completion of a run.
#[derive(Debug)]
pub struct Watch {
    begun: Instant,
    /// When each session last had a completion.
    last: Vec<Instant>,
    /// By piece of time, then by session: the longest gap that ended there, in µs.
    gaps: Vec<u32>,
    phase: Phase,
    latency: [Latency; 2],
}

impl Watch {
    /// Of so many sessions, from now on.
    pub fn new(sessions: usize, phase: Phase) -> Watch {
        let begun = Instant::now();
        let latency = [Latency::new(), Latency::new()];
        Watch { begun, last: vec![begun; sessions], gaps: Vec::new(), phase, latency }
    }

    /// A command of `session`, begun at `started`, has ended.
    pub fn done(&mut self, session: usize, started: Instant, now: Instant) {
        let gap = now - std::mem::replace(&mut self.last[session], now);
        let at = self.bin(now) * self.last.len() + session;
        if at >= self.gaps.len() {
            self.gaps.resize((self.bin(now) + 40) * self.last.len(), 0);
        }
        self.gaps[at] = self.gaps[at].max(u32::try_from(gap.as_micros()).unwrap_or(u32::MAX));
        if let Some(histogram) = self.phase.load(Ordering::Relaxed).checked_sub(1) {
            self.latency[histogram].count((now - started).as_nanos() as u64);
        }
    }

    fn bin(&self, at: Instant) -> usize {
        (at.saturating_duration_since(self.begun).as_micros() / BIN.as_micros()) as usize
    }

    /// The longest gap of each session that ended between `from` and `to`, in ms. Who had no completion at all has a gap as
    /// long as the whole time.
    pub fn longest_ms(&self, from: Instant, to: Instant) -> Vec<f64> {
        let sessions = self.last.len();
        let bins = self.bin(from)..=self.bin(to);
        let longest = |session: usize| {
            let gaps = bins.clone().filter_map(|bin| self.gaps.get(bin * sessions + session));
            match gaps.max() {
                None | Some(0) => (to - from).as_secs_f64() * 1e3,
                Some(us) => f64::from(*us) / 1e3,
            }
        };
        (0..sessions).map(longest).collect()
    }

    /// What was counted in phase 1 and in phase 2.
    pub fn latencies(&self) -> &[Latency; 2] {
        &self.latency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_found_where_it_ended() {
        let mut watch = Watch::new(2, Phase::default());
        let at = |ms: u64| watch.begun + Duration::from_millis(ms);
        let (early, late) = (at(1000), at(2000));
        let steps: Vec<_> = (0..3000).step_by(2).filter(|ms| !(1500..1540).contains(ms)).map(at).collect();
        for now in steps {
            watch.done(0, now, now);
        }
        let quiet = watch.longest_ms(early, early + Duration::from_millis(400));
        assert!((1.9..2.1).contains(&quiet[0]) && quiet[1] == 400.0, "{quiet:?}");
        assert!((41.0..43.0).contains(&watch.longest_ms(early, late)[0]));
    }

    #[test]
    fn latency_is_counted_by_phase() {
        let phase = Phase::default();
        let mut watch = Watch::new(1, phase.clone());
        for (told, ms) in [(0, 1), (1, 2), (2, 3)] {
            phase.store(told, Ordering::Relaxed);
            let now = Instant::now() + Duration::from_millis(10);
            watch.done(0, now - Duration::from_millis(ms), now);
        }
        let counted: Vec<_> = watch.latencies().iter().map(|l| (l.total(), l.percentile_us(1.0).round())).collect();
        assert_eq!(counted, [(1, 1999.0), (1, 2982.0)].map(|(n, us): (u64, f64)| (n, us)));
    }
}
