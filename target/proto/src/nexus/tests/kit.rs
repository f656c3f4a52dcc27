//! A small world for nexuses: stores in memory that answer when told to, an initiator made of scripts, and a mode in
//! which everything is saved, dropped and restored after every single call. Both modes must give identical bytes.

use super::super::*;
use crate::iscsi::keys::Offers;
use crate::iscsi::pdu::{self, Request as Pdu, Response, opcode};
use crate::iscsi::site::{Access, Auth, Portal, Target};
use crate::iscsi::{Limits, Setup};
use mainstay_base::arena::Buf;
use mainstay_base::unit::{Behaviour, Done, Fault, Geometry, Identity, Op};
use std::collections::VecDeque;
use std::time::Duration;

pub const BLOCKS: u64 = 4096;
pub const BLOCK: usize = 512;
pub const TARGET: &str = "iqn.2026-11.internal.mainstay:disk";

pub struct World {
    pub site: Site,
    pub exports: Vec<Export>,
    pub arena: Arena,
    pub units: Vec<LogicalUnit>,
    pub nexuses: Vec<Option<Nexus>>,
    /// The medium of each volume.
    pub media: Vec<Vec<u8>>,
    /// Requests at the stores, oldest first.
    pub held: VecDeque<(usize, Request)>,
    /// What came out of each nexus, whole.
    pub wire: Vec<Vec<u8>>,
    pub now: Instant,
    /// Save, drop and restore after every call.
    pub restoring: bool,
    /// Answer store requests at once.
    pub prompt: bool,
    /// The most bytes a socket takes at once.
    pub socket: usize,
    effects: VecDeque<(usize, Effect)>,
    tsih: u16,
    pub notices: Vec<String>,
    /// Every byte any nexus ever sent.
    pub sent: Vec<Vec<u8>>,
}

impl World {
    pub fn new(restoring: bool) -> World {
        World::with_arena(restoring, Arena::heap(8 << 20))
    }

    pub fn with_arena(restoring: bool, arena: Arena) -> World {
        let site = Site {
            portals: vec![Portal { bind: "127.0.0.1:3260".parse().unwrap(), advertise: None, tag: 1 }],
            targets: vec![Target {
                name: TARGET.into(),
                alias: None,
                portals: vec![0],
                access: Access::Anyone,
                auth: Auth::None,
            }],
            discovery: Auth::None,
        };
        let identity = |n: u8| Identity {
            uuid: [n; 16],
            serial: format!("serial{n}"),
            naa: [0x30 | n; 8],
            vendor: "MAINSTAY".into(),
            product: "volume".into(),
        };
        let geometry = Geometry { blocks: BLOCKS, block_bytes: BLOCK as u32, physical_bytes: 4096 };
        let behaviour = Behaviour { write_cache: true, thin: true, solid_state: true, ..Behaviour::default() };
        World {
            site,
            exports: vec![Export {
                luns: vec![(Lun::from_number(0), VolumeId(0)), (Lun::from_number(1), VolumeId(1))],
                read_only: Vec::new(),
            }],
            arena,
            units: (0..2).map(|n| LogicalUnit::new(VolumeId(n), geometry, identity(n as u8), behaviour)).collect(),
            nexuses: Vec::new(),
            media: vec![vec![0; BLOCKS as usize * BLOCK]; 2],
            held: VecDeque::new(),
            wire: Vec::new(),
            now: Instant(1_000_000_000),
            restoring,
            prompt: true,
            socket: usize::MAX,
            effects: VecDeque::new(),
            tsih: 0,
            notices: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// A connection that has just been accepted.
    pub fn connect(&mut self) -> usize {
        let setup = Setup {
            local: "127.0.0.1:3260".parse().unwrap(),
            peer: "127.0.0.1:40000".parse().unwrap(),
            portal: 0,
            limits: Limits::default(),
            offers: Offers::default(),
            seed: [self.nexuses.len() as u8; 32],
            now: self.now,
        };
        self.nexuses.push(Some(Nexus::new(NexusId(self.nexuses.len() as u64 + 1), setup)));
        self.wire.push(Vec::new());
        self.sent.push(Vec::new());
        self.nexuses.len() - 1
    }

    /// Call one nexus, as the daemon would, and carry out what follows from it.
    pub fn call(&mut self, index: usize, call: impl FnOnce(&mut Nexus, &mut Cx<'_>)) {
        self.call_one(index, call);
        self.settle();
    }

    fn call_one(&mut self, index: usize, call: impl FnOnce(&mut Nexus, &mut Cx<'_>)) {
        let mut effects = Vec::new();
        if let Some(nexus) = &mut self.nexuses[index] {
            let mut cx = Cx {
                now: self.now,
                site: &self.site,
                arena: &self.arena,
                exports: &self.exports,
                units: &mut self.units,
                effects: &mut effects,
            };
            call(nexus, &mut cx);
        }
        self.effects.extend(effects.into_iter().map(|effect| (index, effect)));
        if self.restoring {
            self.restore_all();
        }
    }

    fn settle(&mut self) {
        loop {
            while let Some((index, effect)) = self.effects.pop_front() {
                self.carry_out(index, effect);
            }
            let sent = (0..self.nexuses.len()).any(|index| self.drain(index));
            let answered = self.prompt && self.answer(usize::MAX) > 0;
            if !sent && !answered && self.effects.is_empty() {
                break;
            }
        }
        for index in 0..self.nexuses.len() {
            if self.nexuses[index].as_ref().is_some_and(|n| n.is_closed() && n.has_ended()) {
                self.nexuses[index] = None;
                for other in 0..self.nexuses.len() {
                    self.call_one(other, |nexus, cx| nexus.other_dry(cx, NexusId(index as u64 + 1)));
                }
            }
        }
    }

    fn carry_out(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Store(request) => self.held.push_back((index, request)),
            Effect::Candidate(_) => {
                self.tsih += 1;
                let tsih = self.tsih;
                self.call_one(index, |nexus, cx| nexus.admit(cx, Ok(tsih)));
            }
            Effect::Reset { volumes, itt } => {
                let mut busy = Vec::new();
                for other in (0..self.nexuses.len()).filter(|&other| other != index) {
                    let mut dry = true;
                    self.call_one(other, |nexus, cx| dry = nexus.abort_volumes(cx, &volumes));
                    if !dry {
                        busy.push(NexusId(other as u64 + 1));
                    }
                }
                self.call_one(index, |nexus, cx| nexus.others_busy(cx, itt, busy));
            }
            Effect::Dry => {
                for other in (0..self.nexuses.len()).filter(|&other| other != index) {
                    self.call_one(other, |nexus, cx| nexus.other_dry(cx, NexusId(index as u64 + 1)));
                }
            }
            Effect::Wake(NexusId(id)) => self.call_one(id as usize - 1, |nexus, cx| nexus.wake(cx)),
            Effect::DropSessions { .. } | Effect::LoggedOut => {}
            Effect::Refused { step, why } => self.notices.push(format!("{step}: {why}")),
            Effect::Notice(notice) => self.notices.push(notice.to_string()),
        }
    }

    /// Take what a nexus has to send, at most `socket` bytes at a time.
    fn drain(&mut self, index: usize) -> bool {
        let Some(nexus) = &self.nexuses[index] else { return false };
        let mut slices = Vec::new();
        nexus.output(&mut slices);
        let mut bytes = Vec::new();
        for slice in &slices {
            let room = self.socket - bytes.len();
            bytes.extend_from_slice(&slice[..room.min(slice.len())]);
        }
        if bytes.is_empty() {
            return false;
        }
        self.wire[index].extend(&bytes);
        self.sent[index].extend(&bytes);
        self.call_one(index, |nexus, cx| nexus.sent(cx, bytes.len()));
        true
    }

    /// Let the stores answer up to `count` requests. Gives how many there were.
    pub fn answer(&mut self, count: usize) -> usize {
        let count = count.min(self.held.len());
        for _ in 0..count {
            let Some((index, mut request)) = self.held.pop_front() else { break };
            let result = perform(&mut self.media[request.volume.0 as usize], &mut request.op);
            let completion = Completion { ticket: request.ticket, op: request.op, result };
            self.call_one(index, |nexus, cx| nexus.complete(cx, completion));
            for other in 0..self.nexuses.len() {
                if self.nexuses[other].as_ref().is_some_and(Nexus::starved) {
                    self.call_one(other, |nexus, cx| nexus.feed(cx));
                }
            }
        }
        count
    }

    /// The stores answer, and what follows from it happens.
    pub fn answer_and_settle(&mut self, count: usize) -> usize {
        let count = self.answer(count);
        self.settle();
        count
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for index in 0..self.nexuses.len() {
            if self.nexuses[index].as_ref().is_some_and(|n| n.deadline().is_some_and(|at| at <= self.now)) {
                self.call(index, |nexus, cx| nexus.tick(cx));
            }
        }
    }

    /// What a swap does: everything is written down, everything is dropped, everything is built again.
    fn restore_all(&mut self) {
        let saved: Vec<_> = self.nexuses.iter().map(|nexus| nexus.as_ref().map(Nexus::save)).collect();
        let units: Vec<_> = self.units.iter().map(LogicalUnit::save).collect();
        let next = self.arena.reopened();
        // The stores keep their requests; their buffers are handed over like all payload.
        let held = std::mem::take(&mut self.held);
        let effects = std::mem::take(&mut self.effects);
        self.held = held.into_iter().map(|(index, request)| (index, rehome(request, &next))).collect();
        self.effects = effects
            .into_iter()
            .map(|(index, effect)| match effect {
                Effect::Store(request) => (index, Effect::Store(rehome(request, &next))),
                other => (index, other),
            })
            .collect();
        let count = self.nexuses.len();
        self.nexuses.clear();
        self.nexuses.resize_with(count, || None);
        self.arena = next;
        self.units = units.into_iter().map(|unit| LogicalUnit::restore(&unit).unwrap()).collect();
        for (index, saved) in saved.into_iter().enumerate() {
            let Some(section) = saved else { continue };
            let nexus = Nexus::restore(&section, &self.arena, &self.site).unwrap();
            assert_eq!(nexus.save(), section, "saving what was restored gives the same bytes");
            self.nexuses[index] = Some(nexus);
        }
    }

    pub fn send(&mut self, index: usize, pdu: &Pdu, data: &[u8]) {
        let bytes = wire(pdu, data);
        self.deliver(index, &bytes);
    }

    /// Bytes arrive, payload straight into place where the engine asks for it, as the pump does it.
    pub fn deliver(&mut self, index: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.nexuses[index].as_mut().and_then(|nexus| {
                let space = nexus.payload_space()?;
                let n = space.len().min(bytes.len());
                space[..n].copy_from_slice(&bytes[..n]);
                Some(n)
            });
            match space {
                Some(n) => {
                    bytes = &bytes[n..];
                    self.call(index, |nexus, cx| nexus.filled(cx, n));
                }
                None => {
                    self.call(index, |nexus, cx| nexus.receive(cx, bytes));
                    return;
                }
            }
        }
    }

    /// All PDUs a nexus has sent since the last time.
    pub fn take(&mut self, index: usize) -> Vec<(Response, Vec<u8>)> {
        let bytes = std::mem::take(&mut self.wire[index]);
        let mut rest = &bytes[..];
        let mut pdus = Vec::new();
        while let Some((bhs, after)) = rest.split_first_chunk::<48>() {
            let len = pdu::data_bytes(bhs);
            pdus.push((Response::parse(bhs), after[..len].to_vec()));
            rest = &after[len + pdu::padding(len)..];
        }
        assert!(rest.is_empty(), "whole PDUs only");
        pdus
    }

    pub fn take_one(&mut self, index: usize) -> (Response, Vec<u8>) {
        let mut pdus = self.take(index);
        assert_eq!(pdus.len(), 1, "{pdus:?}");
        pdus.remove(0)
    }
}

/// A PDU on the wire, without digests.
pub fn wire(pdu: &Pdu, data: &[u8]) -> Vec<u8> {
    let mut bytes = pdu.emit(0, data.len()).to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len() + pdu::padding(data.len()), 0);
    debug_assert!(pdu::opcode(bytes.first_chunk().unwrap()) <= opcode::SNACK);
    bytes
}

fn rehome(mut request: Request, arena: &Arena) -> Request {
    let again = |buf: &mut Buf| {
        let next = arena.adopt(buf.place()).unwrap();
        *buf = next;
    };
    match &mut request.op {
        Op::Read { into, .. } => again(into),
        Op::Write { from, .. } => again(from),
        Op::Flush | Op::Zero { .. } | Op::Extent { .. } | Op::Mark { .. } | Op::Protect => {}
    }
    request
}

fn perform(medium: &mut [u8], op: &mut Op) -> Result<Done, Fault> {
    match op {
        Op::Read { at, into } => {
            let at = *at as usize;
            let len = into.len();
            into.copy_from_slice(&medium[at..at + len]);
        }
        Op::Write { at, from, .. } => medium[*at as usize..][..from.len()].copy_from_slice(from),
        Op::Flush | Op::Mark { .. } | Op::Protect => {}
        Op::Zero { at, len, .. } => medium[*at as usize..][..*len as usize].fill(0),
        Op::Extent { len, .. } => return Ok(Done::Extent { len: *len, mapped: true }),
    }
    Ok(Done::Ok)
}
