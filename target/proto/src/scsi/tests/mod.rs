//! The device server against a store in memory, driven by hand.
//!
//! Every test runs twice (see [`both`]): once plainly, once with every task and the unit saved, dropped and restored in
//! a fresh arena after each call; the transcripts must be the same.

mod any;
mod cdbs;
mod golden;
mod medium;
mod ranges;
mod unit;
mod write;

use super::*;
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::sam::{Lun, NexusId, Reply, Status, TaskKey};
use mainstay_base::time::Instant;
use mainstay_base::unit::{Behaviour, Done, Fault, Geometry, Identity, Op, VolumeId};
use prost::Message;
use std::collections::{BTreeMap, VecDeque};

const BLOCKS: u64 = 2048;
const BLOCK: usize = 512;
const ONE: NexusId = NexusId(1);
const TWO: NexusId = NexusId(2);

/// A command in progress.
struct Live {
    nexus: NexusId,
    task: Task,
    out: Vec<u8>,
    in_bytes: usize,
    data_in: Vec<u8>,
    at_store: VecDeque<(u16, Op)>,
    /// Action::Wait…, by name.
    waits: &'static str,
    reply: Option<Reply>,
}

struct Rig {
    reborn: bool,
    arena: Arena,
    unit: Option<LogicalUnit>,
    port: PortInfo,
    luns: Vec<(Lun, VolumeId)>,
    lun: Lun,
    /// The initiators may not write, whatever the unit allows.
    read_only: bool,
    chunk: u32,
    medium: Vec<u8>,
    /// By block.
    mapped: Vec<bool>,
    /// What the next store requests answer; then they work.
    faults: VecDeque<Option<Fault>>,
    live: BTreeMap<u32, Live>,
    /// What the tasks and the store did.
    transcript: Vec<String>,
}

/// How a command ended.
struct Outcome {
    reply: Reply,
    data: Vec<u8>,
}

impl Outcome {
    /// Sense key and code of a CHECK CONDITION.
    #[track_caller]
    fn sense(&self) -> (u8, u16) {
        assert_eq!(self.reply.status, Status::CheckCondition);
        let sense = &self.reply.sense;
        match sense[0] & 0x7f {
            0x70 => (sense[2], u16::from_be_bytes([sense[12], sense[13]])),
            0x72 => (sense[1], u16::from_be_bytes([sense[2], sense[3]])),
            other => panic!("sense format {other:#x}"),
        }
    }

    #[track_caller]
    fn good(self) -> Vec<u8> {
        assert_eq!(self.reply.status, Status::Good, "sense {:02x?}", self.reply.sense);
        self.data
    }
}

/// Run `test` plainly and with a new life after every call; both must look the same from outside.
fn both(test: impl Fn(&mut Rig)) {
    both_on(behaviour(), test);
}

fn both_on(behaviour: Behaviour, test: impl Fn(&mut Rig)) {
    let transcript = |reborn| {
        let mut rig = Rig::new(behaviour, reborn);
        test(&mut rig);
        assert!(rig.live.is_empty());
        let (_, _, taken) = rig.arena.usage();
        assert_eq!(taken, 0, "payload left behind");
        rig.transcript
    };
    assert_eq!(transcript(false), transcript(true));
}

fn behaviour() -> Behaviour {
    Behaviour { write_cache: true, thin: true, solid_state: true, ..Behaviour::default() }
}

impl Rig {
    fn new(behaviour: Behaviour, reborn: bool) -> Rig {
        let geometry = Geometry { blocks: BLOCKS, block_bytes: BLOCK as u32, physical_bytes: 4096 };
        let identity = Identity {
            uuid: *b"0123456789abcdef",
            serial: "0123456789".into(),
            naa: [0x31, 2, 3, 4, 5, 6, 7, 8],
            vendor: "MAINSTAY".into(),
            product: "disk".into(),
        };
        let port = PortInfo {
            target: "iqn.2026-11.internal.mainstay:disk".into(),
            relative_port: 1,
            group: 1,
            initiator: "iqn.1993-08.org.debian:me".into(),
            isid: [0x80, 0, 0, 0, 0, 1],
        };
        let mut unit = LogicalUnit::new(VolumeId(0), geometry, identity, behaviour);
        unit.attach(ONE, &port);
        unit.attach(TWO, &port);
        let mut rig = Rig {
            reborn,
            arena: Arena::heap(4 << 20),
            unit: Some(unit),
            port,
            luns: vec![(Lun::from_number(0), VolumeId(0))],
            lun: Lun::from_number(0),
            read_only: false,
            chunk: 16 << 10,
            medium: vec![0; BLOCKS as usize * BLOCK],
            mapped: vec![false; BLOCKS as usize],
            faults: VecDeque::new(),
            live: BTreeMap::new(),
            transcript: Vec::new(),
        };
        // Both nexuses hear of the power on.
        for nexus in [ONE, TWO] {
            assert_eq!(rig.run(nexus, &[0; 6], &[], 0).sense(), (6, 0x2900));
        }
        rig
    }

    fn unit(&mut self) -> &mut LogicalUnit {
        self.unit.as_mut().unwrap()
    }

    /// A command from beginning to end.
    fn run(&mut self, nexus: NexusId, cdb: &[u8], out: &[u8], in_bytes: usize) -> Outcome {
        let tag = 1000 + nexus.0 as u32;
        self.start(nexus, tag, cdb, out, in_bytes);
        self.finish(tag)
    }

    /// For nexus one, with room for whatever comes.
    fn ask(&mut self, cdb: &[u8]) -> Outcome {
        self.run(ONE, cdb, &[], 1 << 20)
    }

    /// For nexus one, with data-out.
    fn tell(&mut self, cdb: &[u8], out: &[u8]) -> Outcome {
        self.run(ONE, cdb, out, 0)
    }

    fn start(&mut self, nexus: NexusId, tag: u32, cdb: &[u8], out: &[u8], in_bytes: usize) {
        let task = Task::new(TaskKey { nexus, tag }, cdb, in_bytes as u32, out.len() as u32);
        let live = Live {
            nexus,
            task,
            out: out.to_vec(),
            in_bytes,
            data_in: Vec::new(),
            at_store: VecDeque::new(),
            waits: "",
            reply: None,
        };
        assert!(self.live.insert(tag, live).is_none());
        self.rebirth();
        self.pump(tag);
    }

    /// Poll until it waits or is done; collects are answered at once.
    fn pump(&mut self, tag: u32) {
        for _ in 0..10_000 {
            let mut live = self.live.remove(&tag).unwrap();
            let action = live.task.poll(&mut Cx {
                now: Instant(0),
                arena: &self.arena,
                nexus: live.nexus,
                lun: self.lun,
                unit: self.unit.as_mut(),
                read_only: self.read_only,
                luns: &self.luns,
                port: &self.port,
                chunk_max: self.chunk,
            });
            let mut wait = None;
            let mut collect = None;
            match action {
                Action::Collect { offset, len } => {
                    self.transcript.push(format!("{tag}: collect {offset}+{len}"));
                    assert!(offset as usize + len as usize <= live.out.len(), "more than the initiator gives");
                    collect = Some((offset, len));
                }
                Action::Submit { slot, op } => {
                    self.transcript.push(format!("{tag}: {}", describe(&op)));
                    live.at_store.push_back((slot, op));
                }
                Action::Send { offset, data, range } => {
                    self.transcript.push(format!("{tag}: send {offset}+{}", range.len()));
                    assert_eq!(offset as usize, live.data_in.len());
                    live.data_in.extend(&data[range]);
                    assert!(live.data_in.len() <= live.in_bytes, "more than the initiator takes");
                }
                Action::Wait => wait = Some("input"),
                Action::WaitMemory => wait = Some("memory"),
                Action::WaitRange => wait = Some("range"),
                Action::Done(reply) => {
                    assert!(live.task.is_dry());
                    self.transcript.push(format!("{tag}: {reply:?}"));
                    live.reply = Some(reply);
                    wait = Some("nothing");
                }
            }
            self.live.insert(tag, live);
            self.rebirth();
            if let Some((offset, len)) = collect {
                self.give(tag, offset, len);
            }
            if let Some(wait) = wait {
                self.live.get_mut(&tag).unwrap().waits = wait;
                return;
            }
        }
        panic!("endless wishes");
    }

    fn give(&mut self, tag: u32, offset: u32, len: u32) {
        let live = self.live.get_mut(&tag).unwrap();
        let mut buf = self.arena.alloc(len as usize).unwrap();
        buf.copy_from_slice(&live.out[offset as usize..][..len as usize]);
        live.task.collected(offset, buf);
        self.rebirth();
    }

    /// The store answers the oldest request of a task.
    fn serve(&mut self, tag: u32) -> bool {
        let Some((slot, mut op)) = self.live.get_mut(&tag).unwrap().at_store.pop_front() else { return false };
        let result = match self.faults.pop_front().flatten() {
            Some(fault) => Err(fault),
            None => Ok(self.store(&mut op)),
        };
        self.live.get_mut(&tag).unwrap().task.stored(slot, op, result);
        self.rebirth();
        true
    }

    fn finish(&mut self, tag: u32) -> Outcome {
        for _ in 0..10_000 {
            if self.live[&tag].reply.is_some() {
                let live = self.live.remove(&tag).unwrap();
                return Outcome { reply: live.reply.unwrap(), data: live.data_in };
            }
            assert!(self.serve(tag), "it waits for {} for ever", self.live[&tag].waits);
            self.pump(tag);
        }
        panic!("endless command");
    }

    fn store(&mut self, op: &mut Op) -> Done {
        let blocks = |at: u64, len: u64| {
            assert!(len > 0 && at.is_multiple_of(BLOCK as u64) && len.is_multiple_of(BLOCK as u64));
            assert!(at + len <= BLOCKS * BLOCK as u64, "beyond the medium");
            at as usize / BLOCK..(at + len) as usize / BLOCK
        };
        match op {
            Op::Read { at, into } => {
                blocks(*at, into.len() as u64);
                let len = into.len();
                into.copy_from_slice(&self.medium[*at as usize..][..len]);
            }
            Op::Write { at, from, .. } => {
                self.mapped[blocks(*at, from.len() as u64)].fill(true);
                self.medium[*at as usize..][..from.len()].copy_from_slice(from);
            }
            Op::Zero { at, len, deallocate, .. } => {
                self.mapped[blocks(*at, *len)].fill(!*deallocate);
                self.medium[*at as usize..][..*len as usize].fill(0);
            }
            Op::Flush => {}
            Op::Mark { .. } | Op::Protect => panic!("no command asks for it"),
            Op::Extent { at, len } => {
                let range = blocks(*at, *len);
                let mapped = self.mapped[range.start];
                let same = self.mapped[range].iter().take_while(|&&m| m == mapped).count();
                return Done::Extent { len: (same * BLOCK) as u64, mapped };
            }
        }
        Done::Ok
    }

    /// Save everything, drop it, and go on with what is restored from the bytes.
    fn rebirth(&mut self) {
        if !self.reborn {
            return;
        }
        let unit = self.unit.take().map(|unit| unit.save().encode_to_vec());
        let live = std::mem::take(&mut self.live);
        let saved: Vec<(Vec<u8>, Vec<(u16, Kept)>)> = live
            .values()
            .map(|live| {
                (live.task.save().encode_to_vec(), live.at_store.iter().map(|(s, op)| (*s, keep(op))).collect())
            })
            .collect();
        let arena = self.arena.reopened();
        for ((tag, mut old), (bytes, ops)) in live.into_iter().zip(saved) {
            old.at_store.clear();
            let form = TaskV1::decode(&bytes[..]).unwrap();
            old.task = Task::restore(&form, &arena).unwrap();
            assert_eq!(old.task.save().encode_to_vec(), bytes);
            old.at_store = ops.into_iter().map(|(slot, op)| (slot, op(&arena))).collect();
            self.live.insert(tag, old);
        }
        self.arena = arena;
        self.unit = unit.map(|bytes| {
            let unit = LogicalUnit::restore(&LogicalUnitV1::decode(&bytes[..]).unwrap()).unwrap();
            assert_eq!(unit.save().encode_to_vec(), bytes);
            unit
        });
    }
}

type Kept = Box<dyn FnOnce(&Arena) -> Op>;

/// A store request without its buffer, which is adopted in the next arena.
fn keep(op: &Op) -> Kept {
    match op {
        Op::Read { at, into } => {
            let (at, place) = (*at, into.place());
            Box::new(move |arena| Op::Read { at, into: adopt(arena, place) })
        }
        Op::Write { at, from, durable } => {
            let (at, place, durable) = (*at, from.place(), *durable);
            Box::new(move |arena| Op::Write { at, from: adopt(arena, place), durable })
        }
        Op::Flush => Box::new(|_| Op::Flush),
        Op::Protect => Box::new(|_| Op::Protect),
        &Op::Zero { at, len, deallocate, durable } => Box::new(move |_| Op::Zero { at, len, deallocate, durable }),
        &Op::Extent { at, len } => Box::new(move |_| Op::Extent { at, len }),
        &Op::Mark { at, len } => Box::new(move |_| Op::Mark { at, len }),
    }
}

fn adopt(arena: &Arena, place: mainstay_base::arena::Place) -> Buf {
    arena.adopt(place).unwrap()
}

fn describe(op: &Op) -> String {
    match op {
        Op::Read { at, into } => format!("read {at}+{}", into.len()),
        Op::Write { at, from, durable } => format!("write {at}+{} durable {durable}", from.len()),
        other => format!("{other:?}"),
    }
}

/// A CDB of 16 bytes with LBA and length where 16-byte commands have them.
fn cdb16(opcode: u8, flags: u8, lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb[1] = flags;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// The same for ten bytes.
fn cdb10(opcode: u8, flags: u8, lba: u32, blocks: u16) -> [u8; 10] {
    let mut cdb = [0; 10];
    cdb[0] = opcode;
    cdb[1] = flags;
    cdb[2..6].copy_from_slice(&lba.to_be_bytes());
    cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// The same for twelve bytes.
fn cdb12(opcode: u8, flags: u8, lba: u32, blocks: u32) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[0] = opcode;
    cdb[1] = flags;
    cdb[2..6].copy_from_slice(&lba.to_be_bytes());
    cdb[6..10].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// `blocks` blocks, no two alike.
fn pattern(blocks: usize) -> Vec<u8> {
    (0..blocks * BLOCK).map(|i| (i / BLOCK + i % 251) as u8).collect()
}
