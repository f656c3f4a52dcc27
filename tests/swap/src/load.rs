//! Sessions that read and write all the time, and know what every block must hold.

mod iscsi;
mod model;
mod nvme;

use super::ground::Ground;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Commands at a time; each has a part of the plot of its own.
const LANES: usize = 4;

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

/// Who works.
trait Work: Send + 'static {
    /// A command in each lane, ended in any order the target likes.
    fn round(&mut self) -> Result<(), String>;
    /// Reads everything again, and leaves in good order.
    fn end(self) -> Result<(), String>;
}

impl Load {
    /// Logs session `number` in over iSCSI and begins; every second one with digests.
    pub fn start(ground: &Ground, number: u16) -> Result<Load, String> {
        let seen = Arc::new(Seen::default());
        let (worker, address) = iscsi::Worker::login(ground, number, &seen)?;
        Ok(Load::begin(worker, address, seen))
    }

    /// Connects host `number` over NVMe/TCP and begins; likewise.
    pub fn nvme(ground: &Ground, number: u16) -> Result<Load, String> {
        let seen = Arc::new(Seen::default());
        let connected = nvme::Worker::connect(ground, number, &seen);
        let (worker, address) = connected.map_err(|why| format!("host {number}: {why}"))?;
        Ok(Load::begin(worker, address, seen))
    }

    fn begin(mut worker: impl Work, address: String, seen: Arc<Seen>) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                worker.round()?;
            }
            worker.end()
        });
        Load { stop, seen, thread, address }
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
