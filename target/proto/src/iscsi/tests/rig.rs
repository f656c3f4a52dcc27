//! The scripted initiator, and the nexus behind the connection, both by hand.

use crate::iscsi::keys::Offers;
use crate::iscsi::pdu::*;
use crate::iscsi::saved::ConnectionV1;
use crate::iscsi::site::{Access, Auth, Portal, Site, Target};
use crate::iscsi::{Connection, Cx, Event, Limits, Phase, Setup};
use mainstay_base::arena::{Arena, Buf, Place};
use mainstay_base::sam::{Lun, Reply, Status};
use mainstay_base::time::Instant;
use mainstay_base::wire::crc32c;
use prost::Message;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub const TARGET: &str = "iqn.2026-11.internal.mainstay:disk";
pub const LUN: Lun = Lun([0, 3, 0, 0, 0, 0, 0, 0]);

pub fn site(targets: usize) -> Site {
    let target = |n: usize| Target {
        name: if n == 0 { TARGET.into() } else { format!("{TARGET}{n}") },
        alias: None,
        portals: vec![0],
        access: Access::Anyone,
        auth: Auth::None,
    };
    Site {
        portals: vec![Portal { bind: "0.0.0.0:3260".parse().unwrap(), advertise: None, tag: 1 }],
        targets: (0..targets).map(target).collect(),
        discovery: Auth::None,
    }
}

/// A PDU from the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub pdu: Response,
    pub data: Vec<u8>,
}

pub struct Rig {
    swap: bool,
    pub arena: Arena,
    pub site: Site,
    pub now: Instant,
    connection: Option<Connection>,
    /// Payload the nexus holds.
    pub held: Vec<Buf>,
    pub events: VecDeque<Event>,
    pub notices: Vec<String>,
    /// Everything the target has sent.
    pub transcript: Vec<u8>,
    unread: Vec<u8>,
    pub header_digest: bool,
    pub data_digest: bool,
    pub cmd_sn: CmdSn,
    next_itt: u32,
}

pub struct Options {
    pub budget: usize,
    pub targets: usize,
    pub limits: Limits,
    pub offers: Offers,
}

impl Default for Options {
    fn default() -> Options {
        Options { budget: 4 << 20, targets: 1, limits: Limits::default(), offers: Offers::default() }
    }
}

/// Run `script` in both modes.
pub fn both(script: impl Fn(&mut Rig)) {
    both_with(Options::default, script);
}

pub fn both_with(options: impl Fn() -> Options, script: impl Fn(&mut Rig)) {
    let run = |swap| {
        let mut rig = Rig::new(swap, options());
        script(&mut rig);
        rig.finish();
        rig.transcript
    };
    let plain = run(false);
    assert_eq!(run(true), plain, "a swap shows in the bytes");
}

impl Rig {
    pub fn new(swap: bool, options: Options) -> Rig {
        let now = Instant(1_000_000_000);
        let setup = Setup {
            local: "127.0.0.1:3260".parse().unwrap(),
            peer: "127.0.0.1:40000".parse().unwrap(),
            portal: 0,
            limits: options.limits,
            offers: options.offers,
            seed: [7; 32],
            now,
        };
        Rig {
            swap,
            arena: Arena::heap(options.budget),
            site: site(options.targets),
            now,
            connection: Some(Connection::new(setup)),
            held: Vec::new(),
            events: VecDeque::new(),
            notices: Vec::new(),
            transcript: Vec::new(),
            unread: Vec::new(),
            header_digest: false,
            data_digest: false,
            cmd_sn: CmdSn(u32::MAX),
            next_itt: 100,
        }
    }

    pub fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().unwrap()
    }

    /// Call into the connection, then perhaps replace it by its restored self.
    pub fn call<T>(&mut self, f: impl FnOnce(&mut Connection, &Cx<'_>) -> T) -> T {
        let cx = Cx { now: self.now, site: &self.site, arena: &self.arena };
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
        let events: Vec<Option<Place>> = self
            .events
            .iter()
            .map(|event| match event {
                Event::Data { data, .. } => Some(data.place()),
                _ => None,
            })
            .collect();
        let usage = self.arena.usage();
        let next = self.arena.reopened();
        drop(connection);
        self.held.clear();
        self.arena = next;
        let form = ConnectionV1::decode(&saved[..]).unwrap();
        let restored = Connection::restore(form, &self.arena).unwrap();
        assert_eq!(restored.save().encode_to_vec(), saved, "saving what was restored");
        self.connection = Some(restored);
        self.held = places.into_iter().map(|place| self.arena.adopt(place).unwrap()).collect();
        for (event, place) in self.events.iter_mut().zip(events) {
            if let (Event::Data { data, .. }, Some(place)) = (event, place) {
                *data = self.arena.adopt(place).unwrap();
            }
        }
        assert_eq!(self.arena.usage(), usage, "memory is accounted for as before");
    }

    /// Give bytes to the target.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.call(|connection, cx| connection.receive(cx, bytes));
        self.poll();
    }

    /// The bytes of a PDU with the digests in use.
    pub fn wire(&self, bhs: &Bhs, ahs: &[u8], data: &[u8]) -> Vec<u8> {
        let mut wire = [&bhs[..], ahs].concat();
        if self.header_digest {
            wire.extend(crc32c(0, &wire).to_le_bytes());
        }
        if !data.is_empty() {
            let mut data = data.to_vec();
            data.resize(data.len() + padding(data.len()), 0);
            let digest = crc32c(0, &data).to_le_bytes();
            wire.extend(data);
            if self.data_digest {
                wire.extend(digest);
            }
        }
        wire
    }

    pub fn pdu(&mut self, bhs: &Bhs, data: &[u8]) {
        let wire = self.wire(bhs, &[], data);
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
                return;
            }
            let bite = bytes.len().div_ceil(2);
            self.transcript.extend(&bytes[..bite]);
            self.unread.extend(&bytes[..bite]);
            self.call(|connection, cx| connection.sent(cx, bite));
        }
    }

    /// The next PDU from the target, if there is one.
    pub fn try_next(&mut self) -> Option<Got> {
        self.drain();
        let bhs: Bhs = *self.unread.first_chunk()?;
        let mut at = BHS_BYTES;
        if self.header_digest {
            assert_eq!(self.unread[at..at + 4], crc32c(0, &bhs).to_le_bytes());
            at += 4;
        }
        let len = data_bytes(&bhs);
        let data = self.unread[at..at + len].to_vec();
        let end = at + len + padding(len);
        assert!(self.unread[at + len..end].iter().all(|&byte| byte == 0));
        let mut next = end;
        if self.data_digest && len > 0 {
            assert_eq!(self.unread[end..end + 4], crc32c(0, &self.unread[at..end]).to_le_bytes());
            next += 4;
        }
        self.unread.drain(..next);
        Some(Got { pdu: Response::parse(&bhs), data })
    }

    pub fn next(&mut self) -> Got {
        self.try_next().expect("a PDU from the target")
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

    pub fn advance(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.call(|connection, cx| connection.tick(cx));
        self.poll();
    }

    pub fn login_request(&self) -> LoginRequest {
        LoginRequest {
            transit: true,
            more: false,
            current: Stage::OperationalNegotiation,
            next: Stage::FullFeature,
            version_max: 0,
            version_min: 0,
            isid: Isid([0x80, 0, 0, 0, 0, 1]),
            tsih: 0,
            itt: Itt(1),
            cid: 9,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: StatSn(0),
        }
    }

    /// Log in to a normal session with `keys`, separated by spaces.
    pub fn login(&mut self, keys: &str) {
        self.login_as(&format!("InitiatorName=iqn.test SessionType=Normal TargetName={TARGET} {keys}"));
    }

    pub fn discovery(&mut self, keys: &str) {
        self.login_as(&format!("InitiatorName=iqn.test SessionType=Discovery {keys}"));
    }

    fn login_as(&mut self, keys: &str) {
        let text: String = keys.split_whitespace().map(|pair| format!("{pair}\0")).collect();
        let request = self.login_request();
        self.pdu(&request.emit(text.len()), text.as_bytes());
        let candidate = self.event();
        assert!(matches!(candidate, Event::Candidate(_)), "{candidate:?} {:?}", self.notices);
        self.nothing();
        self.call(|connection, cx| connection.admit(cx, Ok(77)));
        self.poll();
        let Got { pdu: Response::Login(response), .. } = self.next() else { panic!("no login response") };
        assert_eq!((response.status, response.transit, response.tsih), ((0, 0), true, 77));
        let negotiated = self.connection().info().negotiated.clone();
        self.header_digest = negotiated.header_digest == crate::iscsi::keys::Digest::Crc32c;
        self.data_digest = negotiated.data_digest == crate::iscsi::keys::Digest::Crc32c;
        assert_eq!(self.connection().info().phase, Phase::FullFeature);
    }

    pub fn itt(&mut self) -> Itt {
        self.next_itt += 1;
        Itt(self.next_itt)
    }

    /// The CmdSN of the next numbered request.
    pub fn take_cmd_sn(&mut self) -> CmdSn {
        let cmd_sn = self.cmd_sn;
        self.cmd_sn = cmd_sn.plus(1);
        cmd_sn
    }

    /// A SCSI command, not sent yet.
    pub fn command(&mut self, read: u32, write: u32) -> ScsiCommand {
        ScsiCommand {
            immediate: false,
            last: true,
            read: read > 0,
            write: write > 0,
            attribute: Attribute::Simple,
            lun: LUN,
            itt: self.itt(),
            expected: read.max(write),
            cmd_sn: self.take_cmd_sn(),
            exp_stat_sn: StatSn(0),
            cdb: [0x2a; 16],
        }
    }

    /// Send a command and see it delivered.
    pub fn deliver(&mut self, command: &ScsiCommand, data: &[u8]) {
        self.pdu(&command.emit(0, data.len()), data);
        self.expect_command(command.itt);
    }

    pub fn expect_command(&mut self, itt: Itt) {
        match self.event() {
            Event::Command(got) => assert_eq!((got.itt, got.lun, got.cdb()), (itt, LUN, &[0x2a; 16][..])),
            other => panic!("{other:?}"),
        }
    }

    pub fn read(&mut self, bytes: u32) -> Itt {
        let command = self.command(bytes, 0);
        self.deliver(&command, &[]);
        command.itt
    }

    pub fn collect(&mut self, itt: Itt, offset: u32, len: u32) {
        self.call(|connection, cx| connection.collect(cx, itt, offset, len));
        self.poll();
    }

    /// Data for the nexus, which it keeps.
    pub fn expect_data(&mut self, itt: Itt, offset: u32, bytes: &[u8]) {
        match self.event() {
            Event::Data { itt: tag, offset: at, data } => {
                assert_eq!((tag, at, data.len()), (itt, offset, bytes.len()));
                assert!(data[..] == *bytes, "other bytes");
                self.held.push(data);
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn finish_with(&mut self, itt: Itt, status: Status, sense: &[u8], moved: u32) {
        self.held.clear();
        let reply = Reply { status, sense: sense.to_vec(), moved };
        self.call(|connection, cx| connection.finish(cx, itt, reply));
        self.poll();
    }

    pub fn good(&mut self, itt: Itt, moved: u32) {
        self.finish_with(itt, Status::Good, &[], moved);
    }

    /// Data-in from a buffer that `pattern` fills.
    pub fn send(&mut self, itt: Itt, offset: u32, bytes: &[u8]) {
        let mut buf = self.arena.alloc(bytes.len()).unwrap();
        buf.copy_from_slice(bytes);
        let (buf, len) = (Arc::new(buf), bytes.len());
        self.call(|connection, _| connection.send(itt, offset, buf, 0..len));
    }

    pub fn expect_status(&mut self, itt: Itt) -> ScsiResponse {
        match self.next() {
            Got { pdu: Response::ScsiResponse(response), .. } if response.itt == itt => response,
            other => panic!("{other:?}"),
        }
    }

    /// CHECK CONDITION with this additional sense, ABORTED COMMAND.
    pub fn expect_aborted(&mut self, itt: Itt, code: u8, qualifier: u8) {
        let Got { pdu: Response::ScsiResponse(response), data } = self.next() else { panic!("no response") };
        assert_eq!((response.itt, response.status), (itt, 2));
        let sense = split_sense(&data);
        assert_eq!((sense[2], sense[12], sense[13]), (0x0b, code, qualifier));
    }

    pub fn expect_r2t(&mut self, itt: Itt) -> R2t {
        match self.next() {
            Got { pdu: Response::R2t(r2t), .. } if r2t.itt == itt => r2t,
            other => panic!("{other:?}"),
        }
    }

    pub fn expect_reject(&mut self, reason: RejectReason, refused: &Bhs) {
        match self.next() {
            Got { pdu: Response::Reject(reject), data } => {
                assert_eq!((reject.reason, &data[..]), (reason, &refused[..]));
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn data_out(&mut self, itt: Itt, ttt: Ttt, data_sn: u32, offset: u32, last: bool, data: &[u8]) {
        let pdu = DataOut { last, lun: LUN, itt, ttt, exp_stat_sn: StatSn(0), data_sn, offset };
        self.pdu(&pdu.emit(data.len()), data);
    }

    pub fn is_closed(&mut self) -> bool {
        self.drain();
        self.connection().is_closed()
    }

    pub fn noticed(&self, part: &str) {
        assert!(self.notices.iter().any(|notice| notice.contains(part)), "{part:?} in {:?}", self.notices);
    }

    /// At the end nothing is kept of anybody's memory.
    fn finish(&mut self) {
        self.drain();
        self.connection = None;
        self.held.clear();
        self.events.clear();
        let (_, promised, used) = self.arena.usage();
        assert_eq!((promised, used), (0, 0), "memory is lost");
    }
}

/// Bytes that differ from place to place.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}
