//! The saved form of metrics.

use super::{BUCKETS, Histogram, Traffic};

/// A [`Histogram`]: only the steps that hold something.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistogramV1 {
    /// Step numbers, ascending.
    #[prost(uint32, repeated, tag = "1")]
    pub steps: Vec<u32>,
    /// The count of each step named.
    #[prost(uint64, repeated, tag = "2")]
    pub counts: Vec<u64>,
    /// Nanoseconds in all.
    #[prost(uint64, tag = "3")]
    pub sum: u64,
    /// Nanoseconds.
    #[prost(uint64, tag = "4")]
    pub max: u64,
}

/// A [`Traffic`] without what is in flight.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs)]
pub struct TrafficV1 {
    #[prost(uint64, tag = "1")]
    pub reads: u64,
    #[prost(uint64, tag = "2")]
    pub writes: u64,
    #[prost(uint64, tag = "3")]
    pub flushes: u64,
    #[prost(uint64, tag = "4")]
    pub unmaps: u64,
    #[prost(uint64, tag = "5")]
    pub errors: u64,
    #[prost(uint64, tag = "6")]
    pub read_bytes: u64,
    #[prost(uint64, tag = "7")]
    pub written_bytes: u64,
    #[prost(uint64, tag = "8")]
    pub unmapped_bytes: u64,
    #[prost(message, optional, tag = "9")]
    pub read_latency: Option<HistogramV1>,
    #[prost(message, optional, tag = "10")]
    pub write_latency: Option<HistogramV1>,
    #[prost(message, optional, tag = "11")]
    pub flush_latency: Option<HistogramV1>,
}

/// Saved metrics that this program cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a saved latency histogram is damaged")]
pub struct Damaged;

impl Histogram {
    /// Its saved form.
    pub fn save(&self) -> HistogramV1 {
        let held = || self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        HistogramV1 {
            steps: held().map(|(step, _)| step as u32).collect(),
            counts: held().map(|(_, count)| *count).collect(),
            sum: self.sum,
            max: self.max,
        }
    }

    /// From its saved form; refused unless it is one that [`Histogram::save`] gives.
    pub fn restore(saved: &HistogramV1) -> Result<Histogram, Damaged> {
        let ascending = saved.steps.windows(2).all(|pair| pair[0] < pair[1]);
        let total = saved.counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        if saved.steps.len() != saved.counts.len() || !ascending || total.is_none() || saved.counts.contains(&0) {
            return Err(Damaged);
        }
        let mut histogram = Histogram { sum: saved.sum, max: saved.max, ..Histogram::default() };
        for (step, count) in saved.steps.iter().zip(&saved.counts) {
            let step = usize::try_from(*step).ok().filter(|step| *step < BUCKETS).ok_or(Damaged)?;
            histogram.counts[step] = *count;
        }
        Ok(histogram)
    }
}

impl Traffic {
    /// Its saved form.
    pub fn save(&self) -> TrafficV1 {
        TrafficV1 {
            reads: self.reads,
            writes: self.writes,
            flushes: self.flushes,
            unmaps: self.unmaps,
            errors: self.errors,
            read_bytes: self.read_bytes,
            written_bytes: self.written_bytes,
            unmapped_bytes: self.unmapped_bytes,
            read_latency: Some(self.read_latency.save()),
            write_latency: Some(self.write_latency.save()),
            flush_latency: Some(self.flush_latency.save()),
        }
    }

    /// From its saved form, with nothing in flight.
    pub fn restore(saved: &TrafficV1) -> Result<Traffic, Damaged> {
        let latency = |saved: &Option<HistogramV1>| saved.as_ref().map_or(Ok(Histogram::default()), Histogram::restore);
        Ok(Traffic {
            reads: saved.reads,
            writes: saved.writes,
            flushes: saved.flushes,
            unmaps: saved.unmaps,
            errors: saved.errors,
            read_bytes: saved.read_bytes,
            written_bytes: saved.written_bytes,
            unmapped_bytes: saved.unmapped_bytes,
            in_flight: 0,
            read_latency: latency(&saved.read_latency)?,
            write_latency: latency(&saved.write_latency)?,
            flush_latency: latency(&saved.flush_latency)?,
        })
    }
}
