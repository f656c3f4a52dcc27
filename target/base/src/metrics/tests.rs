use super::*;
use prost::Message;

/// A fixed sequence of plausible latencies: mostly tens of microseconds, a long tail.
fn samples(count: u64) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let octave = 12 + (state % 5) + (state >> 8) % 3 * ((state >> 16) % 6);
            (1 << octave) + (state >> 20) % (1 << octave)
        })
        .collect()
}

fn exact(sorted: &[u64], parts: u64) -> u64 {
    let rank = (sorted.len() as u64 * parts).div_ceil(10_000).max(1);
    sorted[rank as usize - 1]
}

#[test]
fn percentiles_are_within_one_step_of_the_exact_ones() {
    let mut values = samples(100_000);
    let mut histogram = Histogram::default();
    values.iter().for_each(|nanos| histogram.record(*nanos));
    values.sort_unstable();
    for parts in [1, 100, 1_000, 2_500, 5_000, 9_000, 9_900, 9_990, 9_999, 10_000] {
        let (told, true_value) = (histogram.percentile(parts), exact(&values, u64::from(parts)));
        assert!(told.abs_diff(true_value) <= true_value / 8, "{parts}: told {told}, exact {true_value}");
    }
    assert_eq!(histogram.percentile(10_000), *values.last().unwrap());
    assert_eq!(histogram.summary().mean, values.iter().sum::<u64>() / 100_000);
}

#[test]
fn every_value_falls_into_a_step_that_holds_it() {
    let edges = (0..64).flat_map(|bit: u32| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    for nanos in edges.chain(0..2_000).chain([u64::MAX]) {
        let mut histogram = Histogram::default();
        histogram.record(nanos);
        assert_eq!(histogram.count(), 1);
        assert_eq!(histogram.summary().max, nanos);
        let told = histogram.percentile(5_000);
        assert!(told <= nanos, "{nanos} told as {told}");
        if nanos < 1 << 36 {
            assert!(nanos - told <= (nanos / 8).max(32), "{nanos} told as {told}");
        }
    }
}

#[test]
fn nothing_recorded_is_zero_everywhere() {
    assert_eq!(Histogram::default().summary(), Summary::default());
}

#[test]
fn a_histogram_is_small() {
    assert!(size_of::<Histogram>() <= 2048);
}

#[test]
fn merging_is_recording_both() {
    let values = samples(1_000);
    let (mut left, mut right, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
    for (at, nanos) in values.iter().enumerate() {
        if at % 3 == 0 {
            left.record(*nanos)
        } else {
            right.record(*nanos)
        }
        both.record(*nanos);
    }
    left.merge(&right);
    assert!(left == both);
}

#[test]
fn traffic_survives_and_in_flight_does_not() {
    let mut traffic = Traffic::default();
    for (at, nanos) in samples(500).into_iter().enumerate() {
        let kind = [Kind::Read, Kind::Write, Kind::Flush, Kind::Unmap, Kind::Other][at % 5];
        traffic.begin();
        traffic.complete(kind, 4096, nanos);
    }
    traffic.begin();
    traffic.begin();
    traffic.fail();
    assert_eq!((traffic.reads, traffic.errors, traffic.in_flight), (100, 1, 1));
    let bytes = traffic.save().encode_to_vec();
    let restored = Traffic::restore(&saved::TrafficV1::decode(&bytes[..]).unwrap()).unwrap();
    assert_eq!(restored.save().encode_to_vec(), bytes);
    traffic.in_flight = 0;
    assert!(restored == traffic);
    let mut twice = restored.clone();
    twice.merge(&restored);
    assert_eq!(twice.read_latency.count(), 2 * restored.reads);
}

#[test]
fn damaged_forms_are_refused() {
    let good = {
        let mut h = Histogram::default();
        h.record(5_000);
        h.record(9_000);
        h.save()
    };
    assert!(Histogram::restore(&good).is_ok());
    let bad = |change: fn(&mut saved::HistogramV1)| {
        let mut form = good.clone();
        change(&mut form);
        assert_eq!(Histogram::restore(&form).unwrap_err(), saved::Damaged);
    };
    bad(|form| form.steps[1] = BUCKETS as u32);
    bad(|form| form.steps.reverse());
    bad(|form| form.counts.truncate(1));
    bad(|form| form.counts[0] = 0);
    bad(|form| form.counts = vec![u64::MAX, 1]);
}
