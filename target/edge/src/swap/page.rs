//! What a predecessor leaves at descriptor 3: a page of shared memory that both programs read and write, and behind it the
//! numbers of the descriptors that were carried.
//!
//! Two versions of the program share it, so its form is frozen: a new one gets a new number in [`super::FORM`]. Everything is
//! atomic, since signal handlers write here and nobody can stop them.

use super::{Moment, Moments};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Bytes before the list of descriptors.
pub const PAGE: usize = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"MAINSTAY");
const VERSION: u32 = 1;

/// Who has the word.
pub mod stage {
    /// The old program has left.
    pub const DEPARTED: u32 = 1;
    /// The new one has begun.
    pub const ARRIVED: u32 = 2;
    /// The new one has its guard.
    pub const ARMED: u32 = 3;
    /// There is no way back any more.
    pub const COMMITTED: u32 = 4;
    /// Somebody writes down why the new one failed.
    pub const FAILING: u32 = 5;
    /// It is written down: the old program is called back.
    pub const FAILED: u32 = 6;
    /// The old program has begun again.
    pub const BACK: u32 = 7;
}

/// The page.
#[repr(C)]
pub struct Page {
    magic: AtomicU64,
    version: AtomicU32,
    pub process: AtomicU32,
    pub boot: [AtomicU64; 2],
    pub stage: AtomicU32,
    /// How many numbers follow the page.
    pub carried: AtomicU32,
    pub snapshot: AtomicI32,
    pub image: AtomicI32,
    pub old: AtomicI32,
    pub parent_death: AtomicI32,
    pub not_dumpable: AtomicU32,
    /// Where the keeper of the old memory listens for its end; 0: there is none.
    pub keeper: AtomicI32,
    guard_ns: AtomicU64,
    /// The signals that were blocked before those with handlers were.
    pub mask: AtomicU64,
    moments: [AtomicU64; 8],
    pub name: Text<16>,
    failure: Failed,
}

const _: () = assert!(size_of::<Page>() <= PAGE);

/// Why the new program failed.
#[repr(C)]
struct Failed {
    address: AtomicU64,
    kind: AtomicU32,
    number: AtomicI32,
    text: Text<1020>,
}

/// Why the new program failed, as it can be said inside a signal handler.
#[derive(Clone, Copy)]
pub enum Failure<'a> {
    /// It said so.
    Error(&'a str),
    /// It panicked.
    Panic(&'a str),
    /// A fatal signal, and the address it is about.
    Signal(i32, u64),
    /// No stack was left.
    Stack(u64),
    /// It did not commit in time.
    Deadline,
}

/// So many bytes at most; longer ones are cut.
#[repr(C)]
pub struct Text<const N: usize> {
    len: AtomicU32,
    bytes: [AtomicU8; N],
}

impl<const N: usize> Text<N> {
    pub fn set(&self, text: &[u8]) {
        let len = text.len().min(N);
        self.bytes.iter().zip(&text[..len]).for_each(|(to, byte)| to.store(*byte, SeqCst));
        self.len.store(len as u32, SeqCst);
    }

    pub fn get(&self) -> Vec<u8> {
        let len = self.len.load(SeqCst) as usize;
        self.bytes.iter().take(len).map(|byte| byte.load(SeqCst)).collect()
    }
}

impl Page {
    pub fn sign(&self) {
        self.magic.store(MAGIC, SeqCst);
        self.version.store(VERSION, SeqCst);
    }

    pub fn is_signed(&self) -> bool {
        self.magic.load(SeqCst) == MAGIC && self.version.load(SeqCst) == VERSION
    }

    /// From one stage to the next; `false`: somebody else was faster, or this is not the stage.
    pub fn step(&self, from: u32, to: u32) -> bool {
        self.stage.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    pub fn guard(&self) -> Duration {
        Duration::from_nanos(self.guard_ns.load(SeqCst))
    }

    pub fn set_guard(&self, guard: Duration) {
        self.guard_ns.store(u64::try_from(guard.as_nanos()).unwrap_or(u64::MAX), SeqCst);
    }

    pub fn stamp(&self, which: Moment, at: u64) {
        self.moments[which as usize].store(at, SeqCst);
    }

    pub fn moments(&self) -> Moments {
        let [asked, stopped, dry, saved, left, arrived, adopted, committed] =
            std::array::from_fn(|index| self.moments[index].load(SeqCst));
        Moments { asked, stopped, dry, saved, left, arrived, adopted, committed }
    }

    pub fn set_moments(&self, moments: &Moments) {
        let Moments { asked, stopped, dry, saved, left, arrived, adopted, committed } = *moments;
        for (to, at) in self.moments.iter().zip([asked, stopped, dry, saved, left, arrived, adopted, committed]) {
            to.store(at, SeqCst);
        }
    }

    /// Safe inside a signal handler.
    pub fn write_down(&self, failure: Failure<'_>) {
        let (kind, number, address, text) = match failure {
            Failure::Error(text) => (1, 0, 0, text),
            Failure::Panic(text) => (2, 0, 0, text),
            Failure::Signal(number, address) => (3, number, address, ""),
            Failure::Stack(address) => (4, 0, address, ""),
            Failure::Deadline => (5, 0, 0, ""),
        };
        self.failure.text.set(text.as_bytes());
        self.failure.number.store(number, SeqCst);
        self.failure.address.store(address, SeqCst);
        self.failure.kind.store(kind, SeqCst);
    }

    /// Why the new program failed, for people.
    pub fn failure(&self) -> String {
        let text = || String::from_utf8_lossy(&self.failure.text.get()).into_owned();
        let address = self.failure.address.load(SeqCst);
        match self.failure.kind.load(SeqCst) {
            1 => text(),
            2 => format!("panic: {}", text()),
            3 => match (self.failure.number.load(SeqCst), address) {
                (number, 0) => super::signal::name(number),
                (number, address) => format!("{} at {address:#x}", super::signal::name(number)),
            },
            4 => format!("stack overflow (at {address:#x})"),
            5 => format!("it did not commit within {} ms", self.guard().as_millis()),
            _ => "it did not come to say why".into(),
        }
    }
}
