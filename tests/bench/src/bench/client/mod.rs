//! The load: one thread, a few connections, as little work per I/O as the protocol allows.
//!
//! All requests that fit are written with one `writev`, straight from the pattern; all answers that have come are read
//! with one `read` and looked at where they lie. It speaks the happy path of each protocol only: anything else ends the run.

mod iscsi;
mod nvme;
mod wire;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

use super::latency::Latency;
use super::pattern::{BLOCK, Ledger, Pattern, next};
use super::row::Row;
use super::target::{Over, Place};
use super::watch::Watch;
use iscsi::Iscsi;
use nvme::Nvme;
use wire::Wire;

/// What a run has measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// I/Os that ended within the time.
    pub ios: u64,
    /// Those of the warm-up and the end too.
    pub ios_all: u64,
    /// The time.
    pub elapsed: Duration,
    /// From request to the last byte of the answer.
    pub latency: Latency,
}

/// How a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Stop<'a> {
    /// After a warm-up and so much time.
    After(Duration),
    /// Once over the whole disk, every byte looked at.
    WholeDisk,
    /// When somebody sets this.
    Told(&'a AtomicBool),
}

struct Slot {
    at: u64,
    started: Instant,
    received: usize,
    busy: bool,
    verify: bool,
}

/// One I/O as it stands on the wire.
#[derive(Clone, Copy)]
struct Io {
    write: bool,
    at: u64,
    len: usize,
    generation: u8,
}

/// Data that the target asks for.
#[derive(Clone, Copy)]
struct Wanted {
    slot: u32,
    tag: u32,
    offset: usize,
    len: usize,
}

/// What a PDU of the target says.
enum Said {
    /// Data of a read; if it is the end, no status follows.
    Data { slot: u32, offset: usize, data: Range<usize>, ended: bool },
    /// Good.
    Ended { slot: u32 },
    /// Data of a write, please.
    Wants(Wanted),
    /// Nothing that matters here.
    Nothing,
}

enum Dialect {
    Iscsi(Iscsi),
    Nvme(Box<Nvme>),
}

struct Connection {
    wire: Wire,
    dialect: Dialect,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// A set of connections and what they do.
pub struct Client<'a> {
    connections: Vec<Connection>,
    poll: OwnedFd,
    pattern: &'a Pattern,
    row: &'a Row,
    bytes: u64,
    random: u64,
    cursor: u64,
    cursor_end: u64,
    generation: u8,
    busy: Vec<bool>,
    issued: u64,
    spin: bool,
    /// Looks at every completion, where when matters and not only how long.
    pub watch: Option<Watch>,
}

/// As much as comes at once.
const INBOX: usize = 1 << 20;
/// The same where there are many sessions.
const INBOX_OF_MANY: usize = 64 << 10;
/// And of a session that says nothing.
const INBOX_IDLE: usize = 4 << 10;
/// The largest segment we declare, and so the largest PDU.
const SEGMENT: usize = 256 << 10;

impl<'a> Client<'a> {
    /// Logs in as many sessions as `row` wants.
    pub fn new(place: &Place, row: &'a Row, pattern: &'a Pattern, generation: u8, spin: bool) -> Result<Self, String> {
        let poll = epoll::create(CreateFlags::CLOEXEC).map_err(|e| format!("epoll: {e}"))?;
        let mut connections = Vec::new();
        for number in 0..row.sessions + row.idle {
            let idle = number >= row.sessions;
            let inbox = match row.sessions {
                _ if idle => INBOX_IDLE,
                ..=64 => INBOX,
                _ => INBOX_OF_MANY,
            };
            let connection = Connection::new(place, if idle { 0 } else { row.depth }, inbox, number as u16)?;
            let flags = EventFlags::IN;
            epoll::add(&poll, &connection.wire.stream, EventData::new_u64(number as u64), flags)
                .map_err(|e| format!("epoll: {e}"))?;
            connections.push(connection);
        }
        Ok(Client {
            connections,
            poll,
            pattern,
            row,
            bytes: place.bytes,
            random: 0x2545_f491_4f6c_dd1d ^ u64::from(generation) << 32,
            cursor: 0,
            cursor_end: u64::MAX,
            generation,
            busy: vec![false; (place.bytes / row.bytes as u64) as usize],
            issued: 0,
            spin,
            watch: None,
        })
    }

    /// Runs the row. `mark` is called when the measured time starts and when it ends.
    pub fn run(&mut self, ledger: &mut Ledger, stop: Stop<'_>, mut mark: impl FnMut()) -> Result<Measured, String> {
        let (warm, span) = match stop {
            Stop::After(span) => (span.mul_f64(0.15).max(Duration::from_millis(60)), span),
            Stop::WholeDisk => {
                (self.cursor, self.cursor_end) = (0, self.bytes);
                (Duration::ZERO, Duration::from_secs(3600))
            }
            Stop::Told(_) => (Duration::ZERO, Duration::MAX),
        };
        let mut begin = Instant::now();
        let mut measuring = false;
        let mut measured = Measured { ios: 0, ios_all: 0, elapsed: Duration::ZERO, latency: Latency::new() };
        let mut last_word = Instant::now();
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 64];
        for index in 0..self.connections.len() {
            self.refill(index, ledger)?;
        }
        loop {
            let now = Instant::now();
            if !measuring && now - begin >= warm {
                measuring = true;
                measured.ios = 0;
                measured.latency = Latency::new();
                mark();
                begin = Instant::now();
            } else if measuring && now - begin >= span {
                break;
            }
            if let Stop::Told(told) = stop
                && told.load(Ordering::Relaxed)
            {
                break;
            }
            if now - last_word > Duration::from_secs(20) {
                return Err("the target has fallen silent".to_owned());
            }
            let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: if self.spin { 0 } else { 50_000_000 } };
            let ready = match epoll::wait(&self.poll, &mut events[..], Some(&timeout)) {
                Ok(ready) => ready,
                Err(rustix::io::Errno::INTR) => 0,
                Err(error) => return Err(format!("epoll: {error}")),
            };
            for event in &events[..ready] {
                let index = event.data.u64() as usize;
                last_word = Instant::now();
                self.receive(index, ledger, &mut measured)?;
                self.refill(index, ledger)?;
            }
            if matches!(stop, Stop::WholeDisk) && self.idle() {
                break;
            }
        }
        measured.elapsed = begin.elapsed();
        mark();
        // What is still under way belongs to nobody's time, but its data must be right too.
        self.cursor_end = 0;
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut rest = measured.clone();
        while !self.idle() {
            if Instant::now() > deadline {
                return Err("the last commands are not answered".to_owned());
            }
            let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            let ready = epoll::wait(&self.poll, &mut events[..], Some(&timeout)).unwrap_or(0);
            for event in &events[..ready] {
                self.receive(event.data.u64() as usize, ledger, &mut rest)?;
                self.flush(event.data.u64() as usize)?;
            }
        }
        measured.ios_all = self.issued;
        Ok(measured)
    }

    fn idle(&self) -> bool {
        self.connections.iter().all(|c| c.free.len() == c.slots.len() && c.wire.is_quiet())
    }

    /// Asks every session, idle ones too, for one last answer: each must still be there, and have nothing to complain of.
    pub fn roll_call(&mut self) -> Result<(), String> {
        for (number, connection) in self.connections.iter_mut().enumerate() {
            connection.answers().map_err(|why| format!("session {number} in the roll call: {why}"))?;
        }
        Ok(())
    }

    fn place_next(&mut self) -> Option<u64> {
        let size = self.row.bytes as u64;
        if self.cursor_end == 0 {
            return None;
        }
        if self.row.random && self.cursor_end == u64::MAX {
            let blocks = self.bytes / size;
            let mut block = next(&mut self.random) % blocks;
            // A block that is being written has no content to expect.
            while self.row.write && self.busy[block as usize] {
                block = (block + 1) % blocks;
            }
            return Some(block * size);
        }
        if self.cursor >= self.cursor_end.min(self.bytes) {
            if self.cursor_end != u64::MAX {
                return None;
            }
            self.cursor = 0;
        }
        let at = self.cursor;
        self.cursor += size;
        Some(at)
    }

    /// Starts I/Os until the depth or the target's window is reached, and writes.
    fn refill(&mut self, index: usize, ledger: &mut Ledger) -> Result<(), String> {
        let now = Instant::now();
        loop {
            let connection = &self.connections[index];
            if connection.free.is_empty() || !connection.room() || connection.wire.blocked {
                break;
            }
            let Some(at) = self.place_next() else { break };
            let len = self.row.bytes;
            if self.row.write {
                self.busy[(at / len as u64) as usize] = true;
                ledger.write(at, len, self.generation);
            }
            self.issued += 1;
            let verify = self.row.verify_every <= 1 || self.issued.is_multiple_of(self.row.verify_every);
            let io = Io { write: self.row.write, at, len, generation: self.generation };
            self.connections[index].start(io, now, verify);
        }
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> Result<(), String> {
        let wire = &mut self.connections[index].wire;
        let was = wire.blocked;
        wire.flush(self.pattern)?;
        let is = wire.blocked;
        if was != is {
            let flags = if is { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.poll, &self.connections[index].wire.stream, EventData::new_u64(index as u64), flags)
                .map_err(|e| format!("epoll: {e}"))?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, ledger: &Ledger, measured: &mut Measured) -> Result<(), String> {
        let connection = &mut self.connections[index];
        if !connection.wire.fill()? {
            return Ok(());
        }
        let now = Instant::now();
        let (len, generation) = (self.row.bytes, self.generation);
        while let Some(said) = connection.next()? {
            let number = match said {
                Said::Data { slot, .. } | Said::Ended { slot } | Said::Wants(Wanted { slot, .. }) => slot,
                Said::Nothing => continue,
            };
            let slot = connection.slots.get_mut(number as usize).filter(|slot| slot.busy);
            let slot = slot.ok_or_else(|| format!("an answer to no request, {number}"))?;
            match said {
                Said::Data { offset, data, ended, .. } => {
                    if offset != slot.received || offset + data.len() > len {
                        return Err(format!("{} bytes of data at {offset} of {len}", data.len()));
                    }
                    slot.received += data.len();
                    if slot.verify
                        && let Some(bad) =
                            ledger.check(self.pattern, slot.at + offset as u64, connection.wire.taken(data))
                    {
                        return Err(format!("wrong data at byte {bad} of the disk"));
                    }
                    if !ended {
                        continue;
                    }
                }
                Said::Wants(wanted) => {
                    let io = Io { write: true, at: slot.at, len, generation };
                    if !self.row.write || wanted.offset + wanted.len > len {
                        return Err(format!("{} bytes at {} of {len} are asked for", wanted.len, wanted.offset));
                    }
                    connection.send(io, wanted);
                    continue;
                }
                Said::Ended { .. } | Said::Nothing => {}
            }
            if !self.row.write && slot.received != len {
                return Err(format!("the end after {} of {len} bytes", slot.received));
            }
            slot.busy = false;
            measured.ios += 1;
            measured.latency.count((now - slot.started).as_nanos() as u64);
            if let Some(watch) = &mut self.watch {
                watch.done(index, slot.started, now);
            }
            if self.row.write {
                self.busy[(slot.at / len as u64) as usize] = false;
            }
            connection.free.push(number);
        }
        connection.wire.make_room(len.min(SEGMENT) + 256);
        Ok(())
    }
}

impl Connection {
    fn new(place: &Place, depth: usize, inbox: usize, number: u16) -> Result<Connection, String> {
        let (wire, dialect) = match place.over {
            Over::Iscsi => {
                let (wire, iscsi) = iscsi::connect(place, depth, inbox, number)?;
                (wire, Dialect::Iscsi(iscsi))
            }
            Over::Nvme => {
                let (wire, nvme) = nvme::connect(place, depth, inbox, number)?;
                (wire, Dialect::Nvme(Box::new(nvme)))
            }
        };
        let slot = || Slot { at: 0, started: Instant::now(), received: 0, busy: false, verify: false };
        let slots = std::iter::repeat_with(slot).take(depth).collect();
        Ok(Connection { wire, dialect, slots, free: (0..depth as u32).rev().collect() })
    }

    fn room(&self) -> bool {
        match &self.dialect {
            Dialect::Iscsi(iscsi) => iscsi.room(),
            // The queue is longer than the depth.
            Dialect::Nvme(_) => true,
        }
    }

    fn start(&mut self, io: Io, now: Instant, verify: bool) {
        let slot = self.free.pop().expect("the caller looked");
        self.slots[slot as usize] = Slot { at: io.at, started: now, received: 0, busy: true, verify };
        match &mut self.dialect {
            Dialect::Iscsi(iscsi) => iscsi.start(&mut self.wire, slot, io),
            Dialect::Nvme(nvme) => nvme.start(&mut self.wire, slot, io),
        }
    }

    fn send(&mut self, io: Io, wanted: Wanted) {
        match &mut self.dialect {
            Dialect::Iscsi(iscsi) => iscsi.send(&mut self.wire, io, wanted),
            Dialect::Nvme(nvme) => nvme.send(&mut self.wire, io, wanted),
        }
    }

    fn next(&mut self) -> Result<Option<Said>, String> {
        match &mut self.dialect {
            Dialect::Iscsi(iscsi) => iscsi.next(&mut self.wire),
            Dialect::Nvme(nvme) => nvme.next(&mut self.wire),
        }
    }

    /// It is still there, and has nothing to complain of.
    fn answers(&mut self) -> Result<(), String> {
        match &mut self.dialect {
            Dialect::Iscsi(iscsi) => iscsi.answers(&mut self.wire),
            Dialect::Nvme(nvme) => nvme.answers(&mut self.wire),
        }
    }
}

const _: () = assert!(BLOCK.is_multiple_of(512));
