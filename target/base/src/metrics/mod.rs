//! Counters and latencies of a volume, cheap enough for every request.
//!
//! Plain values without atomics: whoever owns the volume on a core owns its metrics there, and readers merge what the
//! cores have. Saved forms are in [`saved`].

mod histogram;
pub mod saved;
#[cfg(test)]
mod tests;

pub use histogram::{BUCKETS, Histogram, Summary};

/// What a request to a store was, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Data out of the store.
    Read,
    /// Data into the store.
    Write,
    /// Volatile cache to stable storage.
    Flush,
    /// Blocks zeroed or given back.
    Unmap,
    /// Anything else (allocation queries): only in flight, errors.
    Other,
}

/// One volume's traffic since the daemon was first started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Reads answered well.
    pub reads: u64,
    /// Writes answered well.
    pub writes: u64,
    /// Flushes answered well.
    pub flushes: u64,
    /// Zero and deallocate requests answered well.
    pub unmaps: u64,
    /// Requests of any kind that ended in a fault.
    pub errors: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Bytes zeroed or given back.
    pub unmapped_bytes: u64,
    /// Requests begun and not ended; not saved, since a swap begins with none.
    pub in_flight: u64,
    /// How long good reads took.
    pub read_latency: Histogram,
    /// How long good writes took.
    pub write_latency: Histogram,
    /// How long good flushes took.
    pub flush_latency: Histogram,
}

impl Traffic {
    /// A request went to the store.
    #[inline]
    pub fn begin(&mut self) {
        self.in_flight += 1;
    }

    /// A request of `bytes` came back well after `nanos`.
    #[inline]
    pub fn complete(&mut self, kind: Kind, bytes: u64, nanos: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match kind {
            Kind::Read => {
                self.reads += 1;
                self.read_bytes += bytes;
                self.read_latency.record(nanos);
            }
            Kind::Write => {
                self.writes += 1;
                self.written_bytes += bytes;
                self.write_latency.record(nanos);
            }
            Kind::Flush => {
                self.flushes += 1;
                self.flush_latency.record(nanos);
            }
            Kind::Unmap => {
                self.unmaps += 1;
                self.unmapped_bytes += bytes;
            }
            Kind::Other => {}
        }
    }

    /// A request came back with a fault.
    #[inline]
    pub fn fail(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.errors += 1;
    }

    /// A request was taken back before the store had begun it.
    #[inline]
    pub fn recall(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Adds what another core counted.
    pub fn merge(&mut self, other: &Traffic) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.flushes += other.flushes;
        self.unmaps += other.unmaps;
        self.errors += other.errors;
        self.read_bytes += other.read_bytes;
        self.written_bytes += other.written_bytes;
        self.unmapped_bytes += other.unmapped_bytes;
        self.in_flight += other.in_flight;
        self.read_latency.merge(&other.read_latency);
        self.write_latency.merge(&other.write_latency);
        self.flush_latency.merge(&other.flush_latency);
    }
}
