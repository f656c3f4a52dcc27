//! The load: one thread, a few connections, as little work per I/O as the protocol allows.
//!
//! All requests that fit are written with one `writev`, straight from the pattern; all answers that have come are read
//! with one `read` and looked at where they lie. It speaks the happy path of RFC 7143 only: anything else ends the run.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mainstay_testkit::initiator::{Login, opcode, pdu};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

use super::latency::Latency;
use super::pattern::{BLOCK, Ledger, Pattern, next};
use super::row::Row;
use super::target::Place;
use super::watch::Watch;

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

enum Piece {
    Head { at: usize, len: usize },
    Pattern { at: usize, len: usize },
}

struct Connection {
    stream: TcpStream,
    slots: Vec<Slot>,
    free: Vec<u32>,
    cmd_sn: u32,
    max_cmd_sn: u32,
    exp_stat_sn: u32,
    heads: Vec<u8>,
    queue: VecDeque<Piece>,
    sent: usize,
    inbox: Vec<u8>,
    start: usize,
    end: usize,
    segment: usize,
    first_burst: usize,
    immediate: bool,
    unsolicited: bool,
    blocked: bool,
}

/// A set of connections and what they do.
pub struct Client<'a> {
    connections: Vec<Connection>,
    poll: OwnedFd,
    pattern: &'a Pattern,
    row: &'a Row,
    lun: u8,
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
const PIECES_MAX: usize = 256;

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
            let connection = connect(place, if idle { 0 } else { row.depth }, inbox, number as u16)?;
            let flags = EventFlags::IN;
            epoll::add(&poll, &connection.stream, EventData::new_u64(number as u64), flags)
                .map_err(|e| format!("epoll: {e}"))?;
            connections.push(connection);
        }
        Ok(Client {
            connections,
            poll,
            pattern,
            row,
            lun: place.lun,
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
        self.connections.iter().all(|c| c.free.len() == c.slots.len() && c.queue.is_empty())
    }

    /// Asks every session, idle ones too, for one last answer: each must still be there, and have nothing to complain of.
    pub fn roll_call(&mut self) -> Result<(), String> {
        let lun = self.lun;
        for (number, connection) in self.connections.iter_mut().enumerate() {
            connection.answers(lun).map_err(|why| format!("session {number} in the roll call: {why}"))?;
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
            let room = connection.max_cmd_sn.wrapping_sub(connection.cmd_sn) as i32 >= 0;
            if connection.free.is_empty() || !room || connection.blocked {
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
            let (lun, write, generation) = (self.lun, self.row.write, self.generation);
            self.connections[index].start(lun, write, at, len, generation, now, verify);
        }
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> Result<(), String> {
        let was = self.connections[index].blocked;
        self.connections[index].flush(self.pattern)?;
        let is = self.connections[index].blocked;
        if was != is {
            let flags = if is { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.poll, &self.connections[index].stream, EventData::new_u64(index as u64), flags)
                .map_err(|e| format!("epoll: {e}"))?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, ledger: &Ledger, measured: &mut Measured) -> Result<(), String> {
        let connection = &mut self.connections[index];
        if !connection.fill()? {
            return Ok(());
        }
        let now = Instant::now();
        let (len, generation) = (self.row.bytes, self.generation);
        while connection.end - connection.start >= 48 {
            let head = *connection.inbox[connection.start..].first_chunk::<48>().expect("48 bytes are there");
            let segment = usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]);
            let total = 48 + segment.next_multiple_of(4);
            if connection.end - connection.start < total {
                break;
            }
            let data = connection.start + 48..connection.start + 48 + segment;
            connection.start += total;
            let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let max = word(32);
            if max.wrapping_sub(connection.max_cmd_sn) as i32 > 0 {
                connection.max_cmd_sn = max;
            }
            let itt = word(16);
            let odd = || format!("{:02x?}", head);
            if head[0] == opcode::NOP_IN && itt == pdu::NO_TAG {
                connection.pong(&head);
                continue;
            }
            let slot = connection.slots.get_mut(itt as usize).filter(|slot| slot.busy).ok_or_else(odd)?;
            let ended = match head[0] {
                opcode::DATA_IN => {
                    let offset = word(40) as usize;
                    if offset != slot.received || offset + segment > len {
                        return Err(odd());
                    }
                    slot.received += segment;
                    if slot.verify
                        && let Some(bad) = ledger.check(self.pattern, slot.at + offset as u64, &connection.inbox[data])
                    {
                        return Err(format!("wrong data at byte {bad} of the disk"));
                    }
                    head[1] & 0x01 != 0
                }
                opcode::SCSI_RESPONSE => {
                    if head[2] != 0 || head[3] != 0 {
                        return Err(format!("status {:#x}: {} {:02x?}", head[3], odd(), &connection.inbox[data]));
                    }
                    true
                }
                opcode::R2T => {
                    let at = slot.at;
                    let (ttt, offset, wanted) = (word(20), word(40) as usize, word(44) as usize);
                    connection.data_out(itt, ttt, at, offset, wanted, generation);
                    continue;
                }
                _ => return Err(odd()),
            };
            if ended {
                if word(24) != connection.exp_stat_sn {
                    return Err(format!("StatSN {} where {} is due", word(24), connection.exp_stat_sn));
                }
                connection.exp_stat_sn = word(24).wrapping_add(1);
                if !self.row.write && slot.received != len || head[3] != 0 || head[1] & 0x06 != 0 {
                    return Err(odd());
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
                connection.free.push(itt);
            }
        }
        if connection.start == connection.end {
            (connection.start, connection.end) = (0, 0);
        } else if connection.inbox.len() - connection.start < len.min(SEGMENT) + 64 {
            connection.inbox.copy_within(connection.start..connection.end, 0);
            (connection.start, connection.end) = (0, connection.end - connection.start);
        }
        Ok(())
    }
}

impl Connection {
    fn start(&mut self, lun: u8, write: bool, at: u64, len: usize, generation: u8, now: Instant, verify: bool) {
        let itt = self.free.pop().expect("the caller looked");
        self.slots[itt as usize] = Slot { at, started: now, received: 0, busy: true, verify };
        let mut head = [0; 48];
        head[0] = opcode::SCSI_COMMAND;
        head[1] = if write { 0x21 } else { 0xc1 };
        head[9] = lun;
        head[16..20].copy_from_slice(&itt.to_be_bytes());
        head[20..24].copy_from_slice(&(len as u32).to_be_bytes());
        head[24..28].copy_from_slice(&self.cmd_sn.to_be_bytes());
        head[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
        head[32] = if write { 0x2a } else { 0x28 };
        head[34..38].copy_from_slice(&((at / 512) as u32).to_be_bytes());
        head[39..41].copy_from_slice(&((len / 512) as u16).to_be_bytes());
        self.cmd_sn = self.cmd_sn.wrapping_add(1);
        if !write {
            self.push(&head, None);
            return;
        }
        let now = if self.immediate { len.min(self.segment).min(self.first_burst) } else { 0 };
        let later = if self.unsolicited { len.min(self.first_burst) - now } else { 0 };
        if later == 0 {
            head[1] |= 0x80;
        }
        head[5..8].copy_from_slice(&(now as u32).to_be_bytes()[1..]);
        self.push(&head, Some((Pattern::offset(generation, at), now)));
        if later > 0 {
            self.data_out(itt, pdu::NO_TAG, at, now, later, generation);
        }
    }

    fn data_out(&mut self, itt: u32, ttt: u32, at: u64, offset: usize, len: usize, generation: u8) {
        let (mut done, mut sn) = (0, 0u32);
        while done < len {
            let piece = (len - done).min(self.segment);
            let mut head = [0; 48];
            head[0] = opcode::DATA_OUT;
            head[1] = if done + piece == len { 0x80 } else { 0 };
            head[5..8].copy_from_slice(&(piece as u32).to_be_bytes()[1..]);
            head[16..20].copy_from_slice(&itt.to_be_bytes());
            head[20..24].copy_from_slice(&ttt.to_be_bytes());
            head[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
            head[36..40].copy_from_slice(&sn.to_be_bytes());
            head[40..44].copy_from_slice(&((offset + done) as u32).to_be_bytes());
            self.push(&head, Some((Pattern::offset(generation, at + (offset + done) as u64), piece)));
            (done, sn) = (done + piece, sn + 1);
        }
    }

    fn pong(&mut self, ping: &[u8; 48]) {
        let mut head = [0; 48];
        head[0] = opcode::NOP_OUT | pdu::IMMEDIATE;
        head[1] = pdu::FINAL;
        head[8..16].copy_from_slice(&ping[8..16]);
        head[16..20].copy_from_slice(&pdu::NO_TAG.to_be_bytes());
        head[20..24].copy_from_slice(&ping[20..24]);
        head[24..28].copy_from_slice(&self.cmd_sn.to_be_bytes());
        head[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
        self.push(&head, None);
    }

    fn push(&mut self, head: &[u8; 48], data: Option<(usize, usize)>) {
        let at = self.heads.len();
        self.heads.extend_from_slice(head);
        match self.queue.back_mut() {
            // Headers that follow each other travel as one piece.
            Some(Piece::Head { at: last, len }) if *last + *len == at => *len += 48,
            _ => self.queue.push_back(Piece::Head { at, len: 48 }),
        }
        if let Some((at, len)) = data.filter(|(_, len)| *len > 0) {
            self.queue.push_back(Piece::Pattern { at, len });
        }
    }

    fn flush(&mut self, pattern: &Pattern) -> Result<(), String> {
        self.blocked = false;
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(match *piece {
                    Piece::Head { at, len } => &self.heads[at..at + len],
                    Piece::Pattern { at, len } => &pattern.bytes()[at..at + len],
                });
                count += 1;
            }
            slices[0] = IoSlice::new(match self.queue[0] {
                Piece::Head { at, len } => &self.heads[at + self.sent..at + len],
                Piece::Pattern { at, len } => &pattern.bytes()[at + self.sent..at + len],
            });
            match self.stream.write_vectored(&slices[..count]) {
                Ok(n) => self.advance(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("write: {error}")),
            }
        }
        self.heads.clear();
        Ok(())
    }

    /// TEST UNIT READY on a connection with nothing under way, waiting for the answer.
    fn answers(&mut self, lun: u8) -> Result<(), String> {
        const TAG: u32 = 0x7000_0000;
        let io = |error: io::Error| error.to_string();
        self.stream.set_nonblocking(false).map_err(io)?;
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(io)?;
        let mut head = [0; 48];
        head[0] = opcode::SCSI_COMMAND;
        head[1] = 0x81;
        head[9] = lun;
        head[16..20].copy_from_slice(&TAG.to_be_bytes());
        head[24..28].copy_from_slice(&self.cmd_sn.to_be_bytes());
        head[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
        self.stream.write_all(&head).map_err(io)?;
        self.cmd_sn = self.cmd_sn.wrapping_add(1);
        loop {
            self.stream.read_exact(&mut head).map_err(io)?;
            let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            match head[0] {
                // A ping may wait here for us; it needs no answer so soon.
                opcode::NOP_IN if word(16) == pdu::NO_TAG => {}
                opcode::SCSI_RESPONSE if word(16) == TAG && head[2..4] == [0, 0] && word(24) == self.exp_stat_sn => {
                    self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
                    return self.stream.set_nonblocking(true).map_err(io);
                }
                _ => return Err(format!("{head:02x?}, where StatSN {} is due", self.exp_stat_sn)),
            }
        }
    }

    fn advance(&mut self, mut n: usize) {
        n += self.sent;
        while let Some(Piece::Head { len, .. } | Piece::Pattern { len, .. }) = self.queue.front() {
            if n < *len {
                break;
            }
            n -= len;
            self.queue.pop_front();
        }
        self.sent = n;
    }

    /// One read; whether anything came.
    fn fill(&mut self) -> Result<bool, String> {
        match self.stream.read(&mut self.inbox[self.end..]) {
            Ok(0) => Err("the target closed the connection".to_owned()),
            Ok(n) => {
                self.end += n;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(format!("read: {error}")),
        }
    }
}

fn connect(place: &Place, depth: usize, inbox: usize, number: u16) -> Result<Connection, String> {
    let login = Login::new("iqn.2026-11.internal.mainstay.test:bench", &place.target)
        .session(number + 1)
        .key("MaxRecvDataSegmentLength", &SEGMENT.to_string())
        .key("FirstBurstLength", &SEGMENT.to_string());
    let mut session = login.connect(place.portal).map_err(|e| format!("login: {e}"))?;
    session.clear_attentions(place.lun).map_err(|e| format!("TEST UNIT READY: {e}"))?;
    let agreed = session.agreed.clone();
    let (cmd_sn, max_cmd_sn, exp_stat_sn) = (session.cmd_sn, session.max_cmd_sn, session.exp_stat_sn);
    let stream = session.into_stream();
    let nonblocking = || -> io::Result<()> { stream.set_nonblocking(true) };
    nonblocking().map_err(|e| format!("socket: {e}"))?;
    Ok(Connection {
        stream,
        slots: (0..depth)
            .map(|_| Slot { at: 0, started: Instant::now(), received: 0, busy: false, verify: false })
            .collect(),
        free: (0..depth as u32).rev().collect(),
        cmd_sn,
        max_cmd_sn,
        exp_stat_sn,
        heads: Vec::with_capacity(depth * 96),
        queue: VecDeque::with_capacity(depth * 2),
        sent: 0,
        inbox: vec![0; inbox],
        start: 0,
        end: 0,
        segment: agreed.target_segment.min(SEGMENT),
        first_burst: agreed.first_burst,
        immediate: agreed.immediate_data,
        unsolicited: !agreed.initial_r2t,
        blocked: false,
    })
}

const _: () = assert!(BLOCK.is_multiple_of(512));
