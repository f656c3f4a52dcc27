//! A histogram of nanoseconds with 1.6 % resolution and no allocation while it counts.

const SUB_BITS: u32 = 6;
const SUB: usize = 1 << SUB_BITS;

/// Counts by size.
#[derive(Clone, Debug)]
pub struct Latency {
    counts: Vec<u64>,
    total: u64,
}

impl Latency {
    /// Empty.
    pub fn new() -> Latency {
        Latency { counts: vec![0; SUB * 40], total: 0 }
    }

    fn index(nanos: u64) -> usize {
        let magnitude = 63 - (nanos | SUB as u64).leading_zeros();
        let octave = magnitude - SUB_BITS;
        let sub = (nanos >> octave) as usize & (SUB - 1);
        ((octave as usize + usize::from(nanos >= SUB as u64)) * SUB + sub).min(SUB * 40 - 1)
    }

    fn value(index: usize) -> u64 {
        let (octave, sub) = (index / SUB, (index % SUB) as u64);
        if octave == 0 { sub } else { (SUB as u64 + sub) << (octave - 1) }
    }

    /// One more.
    pub fn count(&mut self, nanos: u64) {
        self.counts[Latency::index(nanos)] += 1;
        self.total += 1;
    }

    /// How many.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The value that `share` of all do not exceed, in microseconds.
    pub fn percentile_us(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return Latency::value(index) as f64 / 1000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn resolution_holds_over_the_range() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 1000, 123_456, 10_000_000, 30_000_000_000] {
            let value = Latency::value(Latency::index(nanos));
            assert!(value <= nanos && (nanos - value) * 64 <= nanos, "{nanos}: {value}");
        }
    }
}
