//! Sessions that read and write all the time, and know what every block must hold.

use super::bytes::{Random, bytes};
use super::ground::{Ground, LUNS, PATIENCE, PLOT};
use mainstay_testkit::initiator::{Command, Session, cdb};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The smallest piece that is written: what a block holds is known by it.
const CELL: usize = 4096;
/// Commands at a time; each has a part of the plot of its own.
const LANES: usize = 4;
/// Cells of a lane.
const CELLS: usize = PLOT as usize / CELL / LANES;

/// What a load has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Commands that ended well.
    pub commands: AtomicU64,
    /// Bytes read and found right.
    pub verified: AtomicU64,
    /// The longest any command took, in microseconds.
    pub longest_us: AtomicU64,
}

/// A session under load, in a thread of its own.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    /// Counts on.
    pub seen: Arc<Seen>,
    thread: JoinHandle<Result<(), String>>,
    /// Our address.
    pub address: String,
}

/// One session's knowledge.
struct Worker {
    session: Session,
    lun: u8,
    block: u32,
    base: u64,
    /// The seed each cell was last written with; 0: zeros.
    model: Vec<u64>,
    random: Random,
    fresh: u64,
    seen: Arc<Seen>,
}

/// A command that was sent.
enum Sent {
    Write { at: usize, seeds: Vec<u64> },
    Read { at: usize, cells: usize },
    Zero { at: usize, cells: usize },
    Other,
}

impl Load {
    /// Logs session `number` in and begins; every second one with digests.
    pub fn start(ground: &Ground, number: u16) -> Result<Load, String> {
        let (lun, block) = LUNS[usize::from(number) % LUNS.len()];
        let mut login = ground.login(if number % 7 == 3 { "guarded" } else { "open" }, number);
        let (lun, block) = if number % 7 == 3 { (0, 512) } else { (lun, block) };
        if number.is_multiple_of(2) {
            login = login.digests();
        }
        match number % 4 {
            0 => login = login.key("InitialR2T", "Yes"),
            1 => login = login.key("ImmediateData", "No"),
            _ => {}
        }
        let mut session = login.connect(ground.portal).map_err(|why| format!("login: {why}"))?;
        session.patience = PATIENCE;
        session.clear_attentions(lun).map_err(|why| why.to_string())?;
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
        let address = session.local().to_string();
        let mut worker = Worker {
            session,
            lun,
            block,
            base: ground.plot(number, block),
            model: vec![0; CELLS * LANES],
            random: Random(u64::from(number) + 1),
            fresh: u64::from(number) << 40,
            seen: seen.clone(),
        };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                worker.round()?;
            }
            worker.end()
        });
        Ok(Load { stop, seen, thread, address })
    }

    /// Whether it has ended by itself, which it must not.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops it; everything it knows is read again before it logs out.
    pub fn stop(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the load panicked".to_owned())?
    }
}

impl Worker {
    fn cell_blocks(&self) -> u64 {
        CELL as u64 / u64::from(self.block)
    }

    /// A command in each lane, ended in any order the target likes.
    fn round(&mut self) -> Result<(), String> {
        let mut sent = Vec::new();
        for lane in 0..LANES.min(self.session.window() as usize) {
            let begun = Instant::now();
            let (command, what) = self.choose(lane);
            let tag = self.session.start(&command).map_err(|why| format!("send: {why}"))?;
            sent.push((tag, what, begun));
        }
        if sent.is_empty() {
            // The window is shut: anything immediate opens it again.
            self.session.ping(b"open?").map_err(|why| why.to_string())?;
        }
        for (tag, what, begun) in sent {
            let outcome = self.session.wait(tag).map_err(|why| format!("after {:?}: {why}", begun.elapsed()))?;
            let data = outcome.good().map_err(|why| why.to_string())?;
            self.check(what, &data)?;
            self.seen.commands.fetch_add(1, Ordering::Relaxed);
            self.seen.longest_us.fetch_max(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
        if !self.session.asyncs.is_empty() || !self.session.rejects.is_empty() {
            return Err(format!("uncalled for: {:?} {:?}", self.session.asyncs, self.session.rejects));
        }
        // Not a benchmark: the others want their turn.
        std::thread::sleep(Duration::from_micros(self.random.below(150_000)));
        Ok(())
    }

    fn choose(&mut self, lane: usize) -> (Command, Sent) {
        let cells = 1 + self.random.below(32) as usize;
        let at = lane * CELLS + self.random.below((CELLS - cells) as u64) as usize;
        let lba = self.base + at as u64 * self.cell_blocks();
        let blocks = cells as u64 * self.cell_blocks();
        match self.random.below(20) {
            0..8 => {
                let seeds: Vec<u64> = (0..cells as u64).map(|n| self.fresh + 1 + n).collect();
                self.fresh += cells as u64;
                let data: Vec<u8> = seeds.iter().flat_map(|seed| bytes(CELL, *seed)).collect();
                let mut cdb = cdb::write16(lba, blocks as u32);
                if self.random.below(8) == 0 {
                    cdb[1] |= 0x08;
                }
                let mut command = Command::new(self.lun, &cdb).writes(&data);
                match self.random.below(3) {
                    0 => (command.immediate_data, command.unsolicited) = (Some(0), Some(0)),
                    1 => command.piece = 4096,
                    _ => {}
                }
                (command, Sent::Write { at, seeds })
            }
            8 => {
                let cells = cells * 4;
                let at = lane * CELLS + self.random.below((CELLS - cells) as u64) as usize;
                let lba = self.base + at as u64 * self.cell_blocks();
                let blocks = cells as u64 * self.cell_blocks();
                let zeros = vec![0; self.block as usize];
                let unmap = if self.random.below(2) == 0 { 0x08 } else { 0 };
                let command = Command::new(self.lun, &cdb::write_same16(unmap, lba, blocks as u32)).writes(&zeros);
                (command, Sent::Zero { at, cells })
            }
            9 => (Command::new(self.lun, &cdb::synchronize_cache10()), Sent::Other),
            10 => (Command::new(self.lun, &cdb::inquiry(Some(0x83), 512)).reads(512), Sent::Other),
            _ => {
                let command = Command::new(self.lun, &cdb::read16(lba, blocks as u32)).reads((cells * CELL) as u32);
                (command, Sent::Read { at, cells })
            }
        }
    }

    fn check(&mut self, what: Sent, data: &[u8]) -> Result<(), String> {
        match what {
            Sent::Write { at, seeds } => self.model[at..at + seeds.len()].copy_from_slice(&seeds),
            Sent::Zero { at, cells } => self.model[at..at + cells].fill(0),
            Sent::Read { at, cells } => {
                for (n, (got, seed)) in data.chunks(CELL).zip(&self.model[at..at + cells]).enumerate() {
                    let due = if *seed == 0 { vec![0; CELL] } else { bytes(CELL, *seed) };
                    if got != due {
                        return Err(format!("LUN {} cell {} is not what was written last", self.lun, at + n));
                    }
                }
                if data.len() != cells * CELL {
                    return Err(format!("{} bytes for {cells} cells", data.len()));
                }
                self.seen.verified.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
            Sent::Other => {}
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), String> {
        for at in (0..self.model.len()).step_by(32) {
            let lba = self.base + at as u64 * self.cell_blocks();
            let blocks = 32 * self.cell_blocks() as u32;
            let read = Command::new(self.lun, &cdb::read16(lba, blocks)).reads((32 * CELL) as u32);
            let data = self.session.run(&read).and_then(|outcome| outcome.good()).map_err(|why| why.to_string())?;
            self.check(Sent::Read { at, cells: 32 }, &data)?;
        }
        self.session.logout().map(drop).map_err(|why| why.to_string())
    }
}
