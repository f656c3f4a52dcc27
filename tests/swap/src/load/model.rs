//! What every block of a plot must hold.

use super::super::bytes::{Random, bytes};
use super::super::ground::PLOT;
use super::{LANES, Seen};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The smallest piece that is written: what a block holds is known by it.
pub const CELL: usize = 4096;
/// Cells of a lane.
const CELLS: usize = PLOT as usize / CELL / LANES;

/// One session's knowledge.
pub struct Model {
    /// The seed each cell was last written with; 0: zeros.
    cells: Vec<u64>,
    fresh: u64,
    /// Chooses what is done.
    pub random: Random,
    seen: Arc<Seen>,
}

impl Model {
    /// Of a plot of zeros.
    pub fn new(number: u16, seen: &Arc<Seen>) -> Model {
        Model {
            cells: vec![0; CELLS * LANES],
            fresh: u64::from(number) << 40,
            random: Random(u64::from(number) + 1),
            seen: seen.clone(),
        }
    }

    /// Cells of the plot.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Where `cells` cells of a lane could be.
    pub fn place(&mut self, lane: usize, cells: usize) -> usize {
        lane * CELLS + self.random.below((CELLS - cells) as u64) as usize
    }

    /// New seeds for `cells` cells.
    pub fn seeds(&mut self, cells: usize) -> Vec<u64> {
        self.fresh += cells as u64;
        (self.fresh - cells as u64 + 1..=self.fresh).collect()
    }

    /// What cells hold.
    pub fn data(seeds: &[u64]) -> Vec<u8> {
        let cell = |seed: &u64| if *seed == 0 { vec![0; CELL] } else { bytes(CELL, *seed) };
        seeds.iter().flat_map(cell).collect()
    }

    /// What these cells hold.
    pub fn known(&self, at: usize, cells: usize) -> Vec<u8> {
        Model::data(&self.cells[at..at + cells])
    }

    /// They were written.
    pub fn wrote(&mut self, at: usize, seeds: &[u64]) {
        self.cells[at..at + seeds.len()].copy_from_slice(seeds);
    }

    /// They are zeros now.
    pub fn zeroed(&mut self, at: usize, cells: usize) {
        self.cells[at..at + cells].fill(0);
    }

    /// They were read, and are as they should be.
    pub fn check(&self, at: usize, cells: usize, data: &[u8]) -> Result<(), String> {
        if data.len() != cells * CELL {
            return Err(format!("{} bytes for {cells} cells", data.len()));
        }
        let due = self.known(at, cells);
        let wrong = data.chunks(CELL).zip(due.chunks(CELL)).position(|(got, due)| got != due);
        match wrong {
            Some(n) => Err(format!("cell {} is not what was written last", at + n)),
            None => {
                self.seen.verified.fetch_add(data.len() as u64, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// A command that was begun then has ended well.
    pub fn done(&self, begun: Instant) {
        self.seen.commands.fetch_add(1, Ordering::Relaxed);
        self.seen.longest_us.fetch_max(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// Not a benchmark: the others want their turn.
    pub fn rest(&mut self) {
        std::thread::sleep(Duration::from_micros(self.random.below(150_000)));
    }
}
