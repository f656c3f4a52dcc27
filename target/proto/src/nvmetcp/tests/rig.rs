//! The scripted host, and the queue behind the connection, both by hand.

use crate::nvme::{Entry, Sgl, Status};
use crate::nvmetcp::pdu::*;
use crate::nvmetcp::saved::ConnectionV1;
use crate::nvmetcp::{Connection, Cx, Event, Given, Limits, Phase, Setup, Tag};
use mainstay_base::arena::{Arena, Buf, Place};
use mainstay_base::time::Instant;
use mainstay_base::wire::crc32c;
use prost::Message;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub const READ: u8 = 0x02;
pub const WRITE: u8 = 0x01;
pub const FLUSH: u8 = 0x00;
pub const NONE: Digests = Digests { header: false, data: false };
pub const BOTH: Digests = Digests { header: true, data: true };

/// A PDU from the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub ch: Ch,
    pub header: Vec<u8>,
    pub data: Vec<u8>,
}

pub struct Options {
    pub budget: usize,
    pub limits: Limits,
    pub digests: Digests,
    pub hpda: u8,
    pub maxr2t: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options { budget: 4 << 20, limits: Limits::default(), digests: NONE, hpda: 0, maxr2t: 0 }
    }
}

pub struct Rig {
    swap: bool,
    pub arena: Arena,
    pub now: Instant,
    connection: Option<Connection>,
    request: IcReq,
    /// How our PDUs look, and the controller's.
    pub to: Framing,
    from: Framing,
    /// Payload the queue holds.
    pub held: Vec<Buf>,
    pub events: VecDeque<Event>,
    pub notices: Vec<String>,
    /// Everything the controller has sent.
    pub transcript: Vec<u8>,
    unread: Vec<u8>,
}

/// Run `script` in both modes, on a connection that is open.
pub fn both(script: impl Fn(&mut Rig)) {
    both_with(Options::default, script);
}

pub fn both_with(options: impl Fn() -> Options, script: impl Fn(&mut Rig)) {
    raw_with(options, |rig| {
        rig.open();
        script(rig);
    });
}

/// Run `script` in both modes, on a new connection.
pub fn raw_with(options: impl Fn() -> Options, script: impl Fn(&mut Rig)) {
    let run = |swap| {
        let mut rig = Rig::new(swap, options());
        script(&mut rig);
        rig.end();
        rig.transcript
    };
    let plain = run(false);
    assert_eq!(run(true), plain, "a swap shows in the bytes");
}

impl Rig {
    pub fn new(swap: bool, options: Options) -> Rig {
        let now = Instant(1_000_000_000);
        let setup = Setup {
            local: "127.0.0.1:4420".parse().unwrap(),
            peer: "127.0.0.1:40000".parse().unwrap(),
            portal: 0,
            limits: options.limits,
            now,
        };
        Rig {
            swap,
            arena: Arena::heap(options.budget),
            now,
            connection: Some(Connection::new(setup)),
            request: IcReq { pfv: 0, hpda: options.hpda, digests: options.digests, maxr2t: options.maxr2t },
            to: Framing::default(),
            from: Framing::default(),
            held: Vec::new(),
            events: VecDeque::new(),
            notices: Vec::new(),
            transcript: Vec::new(),
            unread: Vec::new(),
        }
    }

    pub fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().unwrap()
    }

    /// Call into the connection, then perhaps replace it by its restored self.
    pub fn call<T>(&mut self, f: impl FnOnce(&mut Connection, &Cx<'_>) -> T) -> T {
        let cx = Cx { now: self.now, arena: &self.arena };
        let result = f(self.connection.as_mut().unwrap(), &cx);
        if self.swap {
            self.swap();
        }
        result
    }

    fn swap(&mut self) {
        let connection = self.connection.take().unwrap();
        let saved = connection.save().encode_to_vec();
        let places: Vec<Place> = self.held.iter().map(Buf::place).collect();
        let payload = |event: &Event| match event {
            Event::Data { data, .. } | Event::Command { data: Given::InCapsule(data), .. } => Some(data.place()),
            _ => None,
        };
        let events: Vec<Option<Place>> = self.events.iter().map(payload).collect();
        let usage = self.arena.usage();
        let next = self.arena.reopened();
        drop(connection);
        self.held.clear();
        self.arena = next;
        let form = ConnectionV1::decode(&saved[..]).unwrap();
        let restored = Connection::restore(&form, &self.arena).unwrap();
        assert_eq!(restored.save().encode_to_vec(), saved, "saving what was restored");
        self.connection = Some(restored);
        self.held = places.into_iter().map(|place| self.arena.adopt(place).unwrap()).collect();
        for (event, place) in self.events.iter_mut().zip(events) {
            if let (Event::Data { data, .. } | Event::Command { data: Given::InCapsule(data), .. }, Some(place)) =
                (event, place)
            {
                *data = self.arena.adopt(place).unwrap();
            }
        }
        assert_eq!(self.arena.usage(), usage, "memory is accounted for as before");
    }

    /// Give bytes to the controller, straight into place where it wants that.
    pub fn bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let placed = self.connection().payload_space().map(|space| {
                let n = space.len().min(bytes.len());
                space[..n].copy_from_slice(&bytes[..n]);
                n
            });
            let n = match placed {
                Some(n) => {
                    self.call(|connection, cx| connection.filled(cx, n));
                    n
                }
                None => {
                    let n = bytes.len().min(30_000);
                    self.call(|connection, cx| connection.receive(cx, &bytes[..n]));
                    n
                }
            };
            bytes = &bytes[n..];
        }
        self.poll();
    }

    /// The bytes of a PDU with the digests in use.
    pub fn wire(&self, header: &[u8], data: &[u8]) -> Vec<u8> {
        let mut wire = header.to_vec();
        if self.to.digests.header {
            wire.extend(crc32c(0, header).to_le_bytes());
        }
        if !data.is_empty() {
            wire.resize(usize::from(header[3]), 0);
            wire.extend(data);
            if self.to.digests.data {
                wire.extend(crc32c(0, data).to_le_bytes());
            }
        }
        wire
    }

    pub fn pdu(&mut self, header: &[u8], data: &[u8]) {
        let wire = self.wire(header, data);
        self.bytes(&wire);
    }

    pub fn poll(&mut self) {
        while let Some(event) = self.connection().poll_event() {
            match event {
                Event::Notice(notice) => self.notices.push(notice.to_string()),
                event => self.events.push_back(event),
            }
            if self.swap {
                self.swap();
            }
        }
    }

    /// Take the output, in two bites.
    pub fn drain(&mut self) {
        loop {
            let mut slices = Vec::new();
            let connection = self.connection.as_ref().unwrap();
            connection.output(&mut slices);
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            if bytes.is_empty() {
                assert_eq!(connection.output_bytes(), 0);
                return;
            }
            let bite = bytes.len().div_ceil(2);
            self.transcript.extend(&bytes[..bite]);
            self.unread.extend(&bytes[..bite]);
            self.call(|connection, cx| connection.sent(cx, bite));
        }
    }

    /// The next PDU from the controller, if there is one. All that a host may check of its framing is checked.
    pub fn try_next(&mut self) -> Option<Got> {
        self.drain();
        let ch = Ch::parse(self.unread.first_chunk()?);
        let opening = ch.kind == kind::IC_RESP;
        let framing = if opening { Framing::default() } else { self.from };
        let head = framing.expect(&ch, Role::Host, !opening).unwrap();
        framing.verify(&ch, &self.unread[..head]).unwrap();
        let segment = framing.segment(&ch).unwrap();
        let start = head + usize::from(segment.pad);
        assert!(self.unread[head..start].iter().all(|&byte| byte == 0), "padding");
        let data = self.unread[start..start + segment.len as usize].to_vec();
        if ch.flags & flag::DATA_DIGEST != 0 {
            let sum = &self.unread[start + data.len()..][..DIGEST_BYTES];
            assert_eq!(*sum, digest(&data), "data digest");
        }
        let header = self.unread[..usize::from(ch.hlen)].to_vec();
        self.unread.drain(..ch.plen as usize);
        Some(Got { ch, header, data })
    }

    pub fn next(&mut self) -> Got {
        self.try_next().expect("a PDU from the controller")
    }

    pub fn nothing(&mut self) {
        let got = self.try_next();
        assert_eq!(got, None);
    }

    /// No PDU is left over and no event either.
    pub fn quiet(&mut self) {
        self.nothing();
        self.poll();
        assert!(self.events.is_empty(), "{:?}", self.events);
    }

    pub fn event(&mut self) -> Event {
        self.events.pop_front().expect("an event")
    }

    pub fn advance(&mut self, time: Duration) {
        self.now = self.now + time;
        self.call(|connection, cx| connection.tick(cx));
        self.poll();
    }

    pub fn open(&mut self) {
        let request = self.request;
        self.bytes(&request.emit());
        assert!(matches!(self.event(), Event::Opened));
        let got = self.next();
        let response = IcResp::parse(got.header.first_chunk().unwrap());
        self.to = Framing { digests: response.digests, pda: response.cpda };
        self.from = Framing { digests: response.digests, pda: request.hpda };
        assert_eq!(self.connection().info().phase, Phase::Serving);
        self.call(|connection, _| connection.set_commands_max(32));
    }

    /// Send a command.
    pub fn command(&mut self, entry: Entry, data: &[u8]) {
        let header = CapsuleCmd { entry }.emit(&self.to, data.len() as u32);
        self.pdu(&header, data);
    }

    /// Send a command and see it delivered.
    pub fn deliver(&mut self, entry: Entry, data: &[u8]) -> (Tag, Given) {
        self.command(entry, data);
        self.expect_command(entry)
    }

    pub fn expect_command(&mut self, sent: Entry) -> (Tag, Given) {
        match self.event() {
            Event::Command { tag, entry, data } => {
                assert_eq!(entry, sent);
                (tag, data)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Deliver a command whose data the transport moves.
    pub fn transport(&mut self, opcode: u8, cid: u16, len: u32) -> Tag {
        match self.deliver(entry(opcode, cid, Sgl::Transport { len }), &[]) {
            (tag, Given::Transport { len: given }) => {
                assert_eq!(given, len);
                tag
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn collect(&mut self, tag: Tag, offset: u32, len: u32) {
        self.call(|connection, cx| connection.collect(cx, tag, offset, len));
        self.poll();
    }

    /// Data for the queue, which it keeps.
    pub fn expect_data(&mut self, tag: Tag, offset: u32, bytes: &[u8]) {
        match self.event() {
            Event::Data { tag: whose, offset: at, data } => {
                assert_eq!((whose, at, data.len()), (tag, offset, bytes.len()));
                assert!(data[..] == *bytes, "other bytes");
                self.held.push(data);
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn finish(&mut self, tag: Tag, cqe: [u8; 16]) {
        self.held.clear();
        self.call(|connection, cx| connection.finish(cx, tag, cqe));
        self.poll();
    }

    pub fn send(&mut self, tag: Tag, offset: u32, bytes: &[u8]) {
        let mut buf = self.arena.alloc(bytes.len()).unwrap();
        buf.copy_from_slice(bytes);
        let (buf, len) = (Arc::new(buf), bytes.len());
        self.call(|connection, _| connection.send(tag, offset, buf, 0..len));
    }

    pub fn expect_response(&mut self, cqe: [u8; 16]) {
        let got = self.next();
        assert_eq!(got.ch.kind, kind::CAPSULE_RESP, "{got:?}");
        assert_eq!(CapsuleResp::parse(got.header.first_chunk().unwrap()).entry, cqe);
    }

    pub fn expect_r2t(&mut self, cid: u16, tag: Tag, offset: u32, len: u32) {
        let got = self.next();
        assert_eq!(got.ch.kind, kind::R2T, "{got:?}");
        let ready = R2t { cid, ttag: tag.0, offset, len };
        assert_eq!(R2t::parse(got.header.first_chunk().unwrap()), ready);
    }

    pub fn expect_c2h(&mut self, cid: u16, offset: u32, bytes: &[u8], last: bool, success: bool) {
        let got = self.next();
        assert_eq!(got.ch.kind, kind::C2H_DATA, "{got:?}");
        let data = C2hData { last, success, cid, offset, len: bytes.len() as u32 };
        assert_eq!(C2hData::parse(got.header.first_chunk().unwrap()), data);
        assert!(got.data == bytes, "other bytes");
    }

    pub fn h2c(&mut self, pdu: H2cData, data: &[u8]) {
        self.pdu(&pdu.emit(&self.to), data);
    }

    /// The end of the connection by a fault of this kind; the header goes back.
    pub fn expect_terminated(&mut self, fes: Fes, fei: u32, offender: &[u8]) {
        let got = self.next();
        assert_eq!(got.ch.kind, kind::C2H_TERM_REQ, "{got:?}");
        let request = TermReq::parse(got.header.first_chunk().unwrap());
        assert_eq!((request.fes, request.fei), (fes, fei), "{:?}", self.notices);
        assert_eq!(got.data, offender);
        self.nothing();
        assert!(self.connection().is_closed());
    }

    pub fn noticed(&self, part: &str) {
        assert!(self.notices.iter().any(|notice| notice.contains(part)), "{part:?} in {:?}", self.notices);
    }

    /// At the end nothing is kept of anybody's memory.
    pub fn end(&mut self) {
        self.drain();
        self.connection = None;
        self.held.clear();
        self.events.clear();
        assert_eq!(self.arena.usage().2, 0, "memory is lost");
    }
}

pub fn entry(opcode: u8, cid: u16, sgl: Sgl) -> Entry {
    let mut entry = Entry::default();
    entry.0[0] = opcode;
    entry.0[2..4].copy_from_slice(&cid.to_le_bytes());
    entry.set_dword(1, 1);
    entry.set_sgl(sgl);
    entry
}

/// A completion queue entry.
pub fn cqe(cid: u16, status: Status, result: u64) -> [u8; 16] {
    let mut cqe = [0; 16];
    cqe[..8].copy_from_slice(&result.to_le_bytes());
    cqe[12..14].copy_from_slice(&cid.to_le_bytes());
    cqe[14..].copy_from_slice(&status.field(false).to_le_bytes());
    cqe
}

pub fn good(cid: u16) -> [u8; 16] {
    cqe(cid, Status::SUCCESS, 0)
}

/// Bytes that differ from place to place.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}
