//! The load: a thread for each session, reading and writing 4 KiB at random, and what came of it.

use super::initiator::{BLOCK, Trouble};
use mainstay_base::metrics::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of a command.
pub const BYTES: usize = 4096;
/// Commands' worth of disk that each session has for itself.
const PLACES: usize = 256;
/// Bytes of disk that each session has for itself.
pub const REACH: u64 = (PLACES * BYTES) as u64;
/// The finest piece of time that a chart can show.
pub const SLICE: Duration = Duration::from_millis(20);

/// A session with the volume, over whichever protocol.
pub trait Disk: Send {
    /// Fills `into` with whole blocks from `lba` on.
    fn read(&mut self, lba: u32, into: &mut [u8]) -> Result<(), Trouble>;
    /// Writes whole blocks from `lba` on.
    fn write(&mut self, lba: u32, from: &[u8]) -> Result<(), Trouble>;
}

/// What a session tells.
enum Told {
    /// A command was answered: by whom it was sent, when that was, how long it took.
    Done(usize, Instant, Duration),
    /// A command failed.
    Failed(String),
    /// A block held something else than was written last.
    Differs(String),
    /// The session is gone.
    Lost(String),
}

/// Everything that was told.
#[derive(Debug, Default)]
pub struct Record {
    /// Latencies by the time of the answer.
    pub slices: Vec<Histogram>,
    /// The longest that one session waited from one answer to the next, by the time of the later one.
    gaps: Vec<Duration>,
    /// Why sessions ended.
    pub lost: Vec<String>,
    /// Commands that failed.
    pub errors: Vec<String>,
    /// Blocks that held something else.
    pub differences: Vec<String>,
    answered: Vec<Option<Instant>>,
}

/// Sessions at work.
#[derive(Debug)]
pub struct Load {
    /// Since when there is work.
    pub start: Instant,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    told: Receiver<Told>,
}

impl Load {
    /// Logs in so many sessions by `login`, which is told the number of each, then sets them to work.
    pub fn start(sessions: u16, login: impl Fn(u16) -> Result<Box<dyn Disk>, Trouble>) -> Result<Load, Trouble> {
        let sessions: Vec<Box<dyn Disk>> = (0..sessions).map(login).collect::<Result<_, Trouble>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, told) = channel();
        let work = |(number, session)| {
            let (stop, tell) = (stop.clone(), tell.clone());
            std::thread::spawn(move || work(session, number, &stop, &tell))
        };
        let threads = sessions.into_iter().enumerate().map(work).collect();
        Ok(Load { start: Instant::now(), stop, threads, told })
    }

    /// Takes down what was told since.
    pub fn note(&self, record: &mut Record) {
        for told in self.told.try_iter() {
            match told {
                Told::Done(session, sent, took) => record.done(session, sent - self.start, sent, took),
                Told::Failed(what) => record.errors.push(what),
                Told::Differs(what) => record.differences.push(what),
                Told::Lost(why) => record.lost.push(why),
            }
        }
    }

    /// Lets every session finish its command, and takes down the rest.
    pub fn stop(mut self, record: &mut Record) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                record.lost.push("the thread of a session has panicked".to_owned());
            }
        }
        self.note(record);
    }
}

impl Drop for Load {
    /// Also a load that is given up comes to rest.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Record {
    /// A command of `session` that was sent `at` (by two clocks) took so long.
    pub fn done(&mut self, session: usize, at: Duration, sent: Instant, took: Duration) {
        let slice = ((at + took).as_nanos() / SLICE.as_nanos()) as usize;
        if self.slices.len() <= slice {
            self.slices.resize_with(slice + 1, Histogram::default);
            self.gaps.resize(slice + 1, Duration::ZERO);
        }
        self.slices[slice].record(took.as_nanos() as u64);
        if self.answered.len() <= session {
            self.answered.resize(session + 1, None);
        }
        let answered = sent + took;
        let since = self.answered[session].replace(answered).unwrap_or(sent);
        self.gaps[slice] = self.gaps[slice].max(answered - since);
    }

    /// The longest that one session waited from one answer to the next, where `counts` says so of the age of the load.
    pub fn gap(&self, counts: impl Fn(Duration) -> bool) -> Duration {
        let gaps = self.gaps.iter().zip(0u32..);
        gaps.filter(|(_, at)| counts(SLICE * *at)).map(|(gap, _)| *gap).max().unwrap_or_default()
    }

    /// All latencies.
    pub fn latency(&self) -> Histogram {
        merged(&self.slices)
    }

    /// The latencies as a chart of so many columns wants them, when all of it shows `span`.
    pub fn columns(&self, columns: usize, span: Duration) -> Vec<Histogram> {
        let slices = (span.as_nanos() / SLICE.as_nanos()) as usize;
        let at = |column: usize| (slices * column / columns).min(self.slices.len());
        (0..columns).map(|column| merged(&self.slices[at(column)..at(column + 1)])).collect()
    }
}

fn merged(slices: &[Histogram]) -> Histogram {
    let mut all = Histogram::default();
    slices.iter().for_each(|slice| all.merge(slice));
    all
}

/// Reads and writes until told to stop. What was written is known, and compared with what is read.
fn work(mut session: Box<dyn Disk>, number: usize, stop: &AtomicBool, tell: &Sender<Told>) {
    let mut versions = [0u64; PLACES];
    let mut random = 0x9e37_79b9_7f4a_7c15 ^ number as u64;
    let (mut wanted, mut found) = (vec![0; BYTES], vec![0; BYTES]);
    while !stop.load(Ordering::Relaxed) {
        random = next(random);
        let (at, write) = (random as usize % PLACES, random >> 32 & 1 == 1);
        versions[at] += u64::from(write);
        let place = number * PLACES + at;
        fill(&mut wanted, place as u64, versions[at]);
        let (lba, verb) = ((place * (BYTES / BLOCK)) as u32, if write { "WRITE" } else { "READ" });
        let sent = Instant::now();
        let outcome = if write { session.write(lba, &wanted) } else { session.read(lba, &mut found) };
        let what = |what: &str| format!("session {number}, {verb} of block {lba}: {what}");
        let told = match outcome {
            Ok(()) if write || found == wanted => Told::Done(number, sent, sent.elapsed()),
            Ok(()) => Told::Differs(what("other data than was written last")),
            Err(Trouble::Failed(why)) => Told::Failed(what(&why)),
            Err(Trouble::Lost(why)) => Told::Lost(what(&why)),
        };
        let lost = matches!(told, Told::Lost(_));
        if tell.send(told).is_err() || lost {
            break;
        }
    }
}

/// What version `version` of `place` looks like; zeros before the first.
fn fill(bytes: &mut [u8], place: u64, version: u64) {
    let mut word = place << 32 ^ version;
    for chunk in bytes.chunks_exact_mut(8) {
        word = if version == 0 { 0 } else { next(word) };
        chunk.copy_from_slice(&word.to_le_bytes());
    }
}

/// The next of a sequence of numbers (Knuth, MMIX), mixed.
fn next(number: u64) -> u64 {
    let number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    number ^ number >> 29
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_kept_by_time_and_gaps_by_session() {
        let (mut record, zero) = (Record::default(), Instant::now());
        let ms = Duration::from_millis;
        for (session, sent, took) in [(0, 0, 1), (1, 0, 30), (0, 2, 3), (0, 65, 10), (1, 31, 29)] {
            record.done(session, ms(sent), zero + ms(sent), ms(took));
        }
        // Session 0 had answers at 1, 5 and 75 ms, session 1 at 30 and 60.
        assert_eq!((record.gap(|_| true), record.gap(|at| at < ms(60))), (ms(70), ms(30)));
        assert_eq!(record.slices.iter().map(Histogram::count).collect::<Vec<_>>(), [2, 1, 0, 2]);
        assert_eq!((record.latency().count(), record.latency().summary().max), (5, 30_000_000));
        let columns = record.columns(3, ms(120));
        assert_eq!(columns.iter().map(Histogram::count).collect::<Vec<_>>(), [3, 2, 0]);
        // A span that is not over yet has empty columns, one that is longer than all columns loses nothing.
        assert_eq!(record.columns(2, ms(80)).iter().map(Histogram::count).sum::<u64>(), 5);
    }

    #[test]
    fn contents_differ_by_place_and_version() {
        let content = |place, version| {
            let mut bytes = vec![1; BYTES];
            fill(&mut bytes, place, version);
            bytes
        };
        assert_eq!(content(7, 0), vec![0; BYTES]);
        assert_ne!(content(7, 1), content(7, 2));
        assert_ne!(content(7, 1), content(8, 1));
        assert_ne!(content(7, 1)[..8], content(7, 1)[8..16]);
    }
}
