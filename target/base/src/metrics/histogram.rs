//! A log-linear latency histogram of fixed size.

/// Steps within each power of two: a value is known to 1 in 8, and percentiles interpolate within a step.
const STEPS_LOG2: u32 = 3;
/// Below 2^8 ns all steps are 32 ns wide.
const FIRST_LOG2: u32 = 8;
/// From 2^36 ns (69 s) on everything counts in the last step; the true maximum is kept beside.
const LAST_LOG2: u32 = 36;
/// Steps in all.
pub const BUCKETS: usize = ((LAST_LOG2 - FIRST_LOG2 + 1) << STEPS_LOG2) as usize;

/// Counts of durations in nanoseconds: 1.9 KB whatever was recorded. A percentile is off by at most one eighth.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    pub(super) counts: [u64; BUCKETS],
    pub(super) sum: u64,
    pub(super) max: u64,
}

/// What people want to know of a [`Histogram`], in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Values recorded.
    pub count: u64,
    /// Their mean.
    pub mean: u64,
    /// Half are at most this.
    pub p50: u64,
    /// 99 in 100 are at most this.
    pub p99: u64,
    /// 999 in 1000 are at most this.
    pub p999: u64,
    /// The largest, exactly.
    pub max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: [0; BUCKETS], sum: 0, max: 0 }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.summary().fmt(f)
    }
}

impl Histogram {
    /// Counts a duration of `nanos`.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.counts[index(nanos)] += 1;
        self.sum = self.sum.saturating_add(nanos);
        self.max = self.max.max(nanos);
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value that `parts` in 10 000 of those recorded do not exceed; 0 when there are none.
    pub fn percentile(&self, parts: u32) -> u64 {
        let count = self.count();
        let rank = (u128::from(count) * u128::from(parts.min(10_000))).div_ceil(10_000).max(1) as u64;
        let mut before = 0;
        for (at, &here) in self.counts.iter().enumerate() {
            if before + here >= rank && here > 0 {
                let (low, width) = bounds(at);
                // As if the values of a step were spread evenly over it.
                let into = u128::from(width) * u128::from(rank - before) / u128::from(here);
                return (low + into as u64).min(self.max);
            }
            before += here;
        }
        0
    }

    /// The usual percentiles.
    pub fn summary(&self) -> Summary {
        let count = self.count();
        Summary {
            count,
            mean: self.sum.checked_div(count).unwrap_or(0),
            p50: self.percentile(5_000),
            p99: self.percentile(9_900),
            p999: self.percentile(9_990),
            max: self.max,
        }
    }

    /// Adds the values of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }
}

#[inline]
fn index(nanos: u64) -> usize {
    let nanos = nanos.min((1 << LAST_LOG2) - 1);
    let octave = (nanos | (1 << (FIRST_LOG2 - 1))).ilog2();
    if octave < FIRST_LOG2 {
        return (nanos >> (FIRST_LOG2 - STEPS_LOG2)) as usize;
    }
    let step = (nanos >> (octave - STEPS_LOG2)) & ((1 << STEPS_LOG2) - 1);
    (((octave - FIRST_LOG2 + 1) << STEPS_LOG2) as usize) + step as usize
}

/// The smallest value of a step and its width.
fn bounds(at: usize) -> (u64, u64) {
    let (octave, step) = ((at >> STEPS_LOG2) as u32, (at & ((1 << STEPS_LOG2) - 1)) as u64);
    match octave.checked_sub(1) {
        None => (step << (FIRST_LOG2 - STEPS_LOG2), 1 << (FIRST_LOG2 - STEPS_LOG2)),
        Some(up) => {
            let width = 1 << (FIRST_LOG2 + up - STEPS_LOG2);
            (((1 << STEPS_LOG2) + step) * width, width)
        }
    }
}
