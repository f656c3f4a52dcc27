//! What the disk holds: a function of position and generation, cheap to write without copying and to check.
//!
//! A random run of a prime length, repeated: any byte range is one slice of it, and blocks of a power of two never line up
//! with it, so data from another place of the disk is found wrong. A newer generation starts elsewhere in the run, so a
//! write that never arrived is found too.

/// Length of the run: prime, and with the longest I/O small enough to stay in the cache.
const PERIOD: usize = 65_521;
/// The longest slice.
pub const SLICE_MAX: usize = 256 << 10;
/// Generations change block by block.
pub const BLOCK: usize = 4096;

/// The run.
#[derive(Debug)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// The same for everyone.
    pub fn new() -> Pattern {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut run: Vec<u8> = (0..PERIOD).map(|_| next(&mut state) as u8).collect();
        while run.len() < PERIOD + SLICE_MAX {
            let len = (PERIOD + SLICE_MAX - run.len()).min(PERIOD);
            run.extend_from_within(..len);
        }
        Pattern(run)
    }

    /// What `len` bytes at byte `at` of the disk are in generation `generation`: offset in [`Pattern::bytes`].
    pub fn offset(generation: u8, at: u64) -> usize {
        ((at + u64::from(generation) * 7919) % PERIOD as u64) as usize
    }

    /// The run itself, repeated.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes of the disk at `at`.
    pub fn slice(&self, generation: u8, at: u64, len: usize) -> &[u8] {
        &self.0[Pattern::offset(generation, at)..][..len]
    }
}

/// Which generation each block of a disk is in.
#[derive(Debug, Default)]
pub struct Ledger {
    generations: Vec<u8>,
}

impl Ledger {
    /// A disk of `bytes` bytes, all in generation 0.
    pub fn new(bytes: u64) -> Ledger {
        Ledger { generations: vec![0; (bytes / BLOCK as u64) as usize] }
    }

    /// `len` bytes at `at` are being written in `generation`.
    pub fn write(&mut self, at: u64, len: usize, generation: u8) {
        let first = at as usize / BLOCK;
        self.generations[first..first + len / BLOCK].fill(generation);
    }

    /// Where `data`, read at `at`, first differs from what it should be.
    pub fn check(&self, pattern: &Pattern, at: u64, data: &[u8]) -> Option<u64> {
        let mut done = 0;
        while done < data.len() {
            let here = at + done as u64;
            let len = (BLOCK - here as usize % BLOCK).min(data.len() - done);
            let should = pattern.slice(self.generations[here as usize / BLOCK], here, len);
            let is = &data[done..done + len];
            if is != should {
                let bad = is.iter().zip(should).position(|(a, b)| a != b).unwrap_or(0);
                return Some(here + bad as u64);
            }
            done += len;
        }
        None
    }
}

/// Marsaglia's xorshift: fast, and good enough to choose blocks.
pub fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
