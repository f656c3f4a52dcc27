//! I/O commands against disks in memory, driven by hand.
//!
//! Every test runs twice (see [`both`]): once plainly, once with every task saved, dropped and restored in a fresh arena after
//! each call; the transcripts must be the same.

mod any;
mod change;
mod cross;
mod medium;
mod namespace;
mod pair;

use super::*;
use crate::nvme::{Action, Attached, Entry, Leg, Reply, Status, View};
use mainstay_base::arena::{Arena, Buf};
use mainstay_base::path::{Access, GroupId};
use mainstay_base::sam::{NexusId, TaskKey};
use mainstay_base::time::Instant;
use mainstay_base::unit::{Behaviour, Disk, Done, Fault, Geometry, Identity, Op, VolumeId};
use prost::Message;
use std::collections::{BTreeMap, VecDeque};

const BLOCKS: u64 = 2048;
const BLOCK: usize = 512;
const ONE: NexusId = NexusId(1);
const TWO: NexusId = NexusId(2);

const WRITE: u8 = 0x01;
const READ: u8 = 0x02;
const UNCORRECTABLE: u8 = 0x04;
const COMPARE: u8 = 0x05;
const ZEROES: u8 = 0x08;
const DSM: u8 = 0x09;
const VERIFY: u8 = 0x0c;
const COPY: u8 = 0x19;

/// A command in progress.
struct Live {
    nexus: NexusId,
    task: Task,
    /// What the host gives, by leg.
    out: [Vec<u8>; 2],
    data_in: Vec<u8>,
    /// Asked of the host and not given yet.
    wanted: Vec<(Leg, usize, usize)>,
    at_store: VecDeque<(u16, VolumeId, Op)>,
    /// Action::Wait…, by name.
    waits: &'static str,
    done: Option<(Option<Reply>, Reply)>,
}

struct Rig {
    reborn: bool,
    arena: Arena,
    disks: Vec<Disk>,
    view: View,
    chunk: u32,
    /// Collects are answered by the test.
    slow_host: bool,
    media: Vec<Vec<u8>>,
    /// By block.
    marked: Vec<Vec<bool>>,
    /// What the next store requests answer; then they work.
    faults: VecDeque<Option<Fault>>,
    live: BTreeMap<u32, Live>,
    /// What the tasks and the store did.
    transcript: Vec<String>,
}

/// How a command ended.
struct Outcome {
    first: Option<Status>,
    status: Status,
    result: u64,
    data: Vec<u8>,
}

impl Outcome {
    #[track_caller]
    fn good(self) -> Vec<u8> {
        assert_eq!(self.status, Status::SUCCESS);
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
        rig.assert_clean();
        rig.transcript
    };
    assert_eq!(transcript(false), transcript(true));
}

fn behaviour() -> Behaviour {
    Behaviour { write_cache: true, thin: true, solid_state: true, ..Behaviour::default() }
}

impl Rig {
    /// Namespaces 1 and 7 on two disks.
    fn new(behaviour: Behaviour, reborn: bool) -> Rig {
        let geometry = Geometry { blocks: BLOCKS, block_bytes: BLOCK as u32, physical_bytes: 4096 };
        let identity = Identity {
            uuid: *b"0123456789abcdef",
            serial: "0123456789".into(),
            naa: [0x31, 2, 3, 4, 5, 6, 7, 8],
            vendor: "MAINSTAY".into(),
            product: "disk".into(),
        };
        let disks = (0..2).map(|id| Disk::new(VolumeId(id), geometry, identity.clone(), behaviour)).collect();
        let attached = |nsid, volume| Attached {
            nsid,
            volume: VolumeId(volume),
            read_only: false,
            group: GroupId(1),
            access: Access::Optimized,
        };
        let namespaces = vec![attached(1, 0), attached(7, 1)];
        Rig {
            reborn,
            arena: Arena::heap(1 << 20),
            disks,
            view: View { ready: true, retry_delays: true, namespaces, ..View::default() },
            chunk: 16 << 10,
            slow_host: false,
            marked: vec![vec![false; BLOCKS as usize]; 2],
            media: vec![vec![0; BLOCKS as usize * BLOCK]; 2],
            faults: VecDeque::new(),
            live: BTreeMap::new(),
            transcript: Vec::new(),
        }
    }

    fn assert_clean(&self) {
        assert!(self.live.is_empty());
        assert_eq!(self.arena.usage().2, 0, "payload left behind");
        assert!(self.disks.iter().all(|disk| disk.ranges == Default::default()), "a range is left");
    }

    fn medium(&self, block: usize, blocks: usize) -> &[u8] {
        &self.media[0][block * BLOCK..(block + blocks) * BLOCK]
    }

    /// A command of queue one from beginning to end: `given` bytes to or from the host.
    fn run(&mut self, entry: &Entry, given: usize, out: &[u8]) -> Outcome {
        self.start(ONE, 1000, entry, given, out);
        self.finish(1000)
    }

    /// One that brings its data.
    fn tell(&mut self, entry: &Entry, out: &[u8]) -> Outcome {
        self.run(entry, out.len(), out)
    }

    fn start(&mut self, nexus: NexusId, tag: u32, entry: &Entry, given: usize, out: &[u8]) {
        let task = Task::new(TaskKey { nexus, tag }, entry, given as u32);
        self.begin(nexus, tag, task, [Vec::new(), out.to_vec()]);
    }

    fn begin(&mut self, nexus: NexusId, tag: u32, task: Task, out: [Vec<u8>; 2]) {
        let live = Live {
            nexus,
            task,
            out,
            data_in: Vec::new(),
            wanted: Vec::new(),
            at_store: VecDeque::new(),
            waits: "",
            done: None,
        };
        assert!(self.live.insert(tag, live).is_none());
        self.rebirth();
        self.pump(tag);
    }

    /// Poll until it waits or is done; collects are answered at once.
    fn pump(&mut self, tag: u32) {
        for _ in 0..100_000 {
            if self.poll(tag) {
                continue;
            }
            if self.slow_host || self.live[&tag].wanted.is_empty() {
                return;
            }
            self.give(tag, 0);
        }
        panic!("endless wishes");
    }

    /// The host gives what was asked for as number `n`.
    fn give(&mut self, tag: u32, n: usize) {
        let live = self.live.get_mut(&tag).unwrap();
        let (leg, offset, len) = live.wanted.remove(n);
        let mut buf = self.arena.alloc(len).unwrap();
        buf.copy_from_slice(&live.out[leg as usize][offset..][..len]);
        live.task.collected(leg, offset as u32, buf);
        self.rebirth();
    }

    /// One poll. False: it waits, or is done.
    fn poll(&mut self, tag: u32) -> bool {
        let mut live = self.live.remove(&tag).unwrap();
        let action = live.task.poll(&mut Cx {
            now: Instant(0),
            arena: &self.arena,
            nexus: live.nexus,
            disks: &mut self.disks,
            view: &self.view,
            chunk_max: self.chunk,
        });
        live.waits = "";
        match action {
            Action::Collect { leg, offset, len } => {
                self.transcript.push(format!("{tag}: collect {leg:?} {offset}+{len}"));
                live.wanted.push((leg, offset as usize, len as usize));
            }
            Action::Submit { slot, volume, op } => {
                self.transcript.push(format!("{tag}: {} of {}", describe(&op), volume.0));
                live.at_store.push_back((slot, volume, op));
            }
            Action::Send { offset, data, range } => {
                self.transcript.push(format!("{tag}: send {offset}+{}", range.len()));
                assert_eq!(offset as usize, live.data_in.len());
                live.data_in.extend(&data[range]);
            }
            Action::Wait => live.waits = "input",
            Action::WaitMemory => live.waits = "memory",
            Action::WaitRange => live.waits = "range",
            Action::Done { first, last } => {
                assert!(live.task.is_dry());
                self.transcript.push(format!("{tag}: {first:?} {last:?}"));
                live.done = Some((first, last));
                live.waits = "nothing";
            }
        }
        let goes_on = live.waits.is_empty();
        self.live.insert(tag, live);
        self.rebirth();
        goes_on
    }

    /// The store answers the oldest request of a task.
    fn serve(&mut self, tag: u32) -> bool {
        self.serve_nth(tag, 0)
    }

    fn serve_nth(&mut self, tag: u32, n: usize) -> bool {
        let Some((slot, volume, mut op)) = self.live.get_mut(&tag).unwrap().at_store.remove(n) else { return false };
        let result = match self.faults.pop_front().flatten() {
            Some(fault) => Err(fault),
            None => self.store(volume, &mut op),
        };
        self.live.get_mut(&tag).unwrap().task.stored(slot, op, result);
        self.rebirth();
        true
    }

    fn finish(&mut self, tag: u32) -> Outcome {
        for _ in 0..100_000 {
            if let Some((first, last)) = self.live[&tag].done {
                let live = self.live.remove(&tag).unwrap();
                return Outcome {
                    first: first.map(|reply| reply.status),
                    status: last.status,
                    result: last.result,
                    data: live.data_in,
                };
            }
            assert!(self.serve(tag), "it waits for {} for ever", self.live[&tag].waits);
            self.pump(tag);
        }
        panic!("endless command");
    }

    fn store(&mut self, volume: VolumeId, op: &mut Op) -> Result<Done, Fault> {
        let block = self.disks[volume.0 as usize].geometry.block_bytes as usize;
        let medium = &mut self.media[volume.0 as usize];
        let marked = &mut self.marked[volume.0 as usize];
        let range = |at: u64, len: usize| {
            assert!(len > 0 && at.is_multiple_of(block as u64) && len.is_multiple_of(block));
            at as usize..at as usize + len
        };
        match op {
            Op::Read { at, into } => {
                let range = range(*at, into.len());
                if let Some(bad) = (range.start / block..range.end / block).find(|&at| marked[at]) {
                    return Err(Fault::MediumRead { at: (bad * block) as u64 });
                }
                into.copy_from_slice(&medium[range]);
            }
            Op::Write { at, from, .. } => {
                let range = range(*at, from.len());
                marked[range.start / block..range.end / block].fill(false);
                medium[range].copy_from_slice(from);
            }
            Op::Zero { at, len, .. } => {
                let range = range(*at, *len as usize);
                marked[range.start / block..range.end / block].fill(false);
                medium[range].fill(0);
            }
            Op::Flush => {}
            Op::Protect => panic!("no command of these asks for it"),
            Op::Mark { at, len } => {
                let range = range(*at, *len as usize);
                marked[range.start / block..range.end / block].fill(true);
            }
            Op::Extent { .. } => panic!("no command asks for it"),
        }
        Ok(Done::Ok)
    }

    /// Save every task, drop it, and go on with what is restored from the bytes.
    fn rebirth(&mut self) {
        if !self.reborn {
            return;
        }
        let live = std::mem::take(&mut self.live);
        let keep = |live: Live| {
            let bytes = live.task.save().encode_to_vec();
            let ops: Vec<_> = live.at_store.iter().map(|(slot, volume, op)| (*slot, *volume, kept(op))).collect();
            (Live { at_store: VecDeque::new(), ..live }, bytes, ops)
        };
        let kept: Vec<_> = live.into_iter().map(|(tag, live)| (tag, keep(live))).collect();
        let arena = self.arena.reopened();
        for (tag, (mut live, bytes, ops)) in kept {
            live.task = Task::restore(&TaskV1::decode(&bytes[..]).unwrap(), &arena).unwrap();
            assert_eq!(live.task.save().encode_to_vec(), bytes);
            live.at_store = ops.into_iter().map(|(slot, volume, op)| (slot, volume, op(&arena))).collect();
            self.live.insert(tag, live);
        }
        self.arena = arena;
    }
}

/// A store request without its buffer, which is adopted in the next arena.
fn kept(op: &Op) -> Box<dyn FnOnce(&Arena) -> Op> {
    match op {
        Op::Read { at, into } => {
            let (at, place) = (*at, into.place());
            Box::new(move |arena| Op::Read { at, into: arena.adopt(place).unwrap() })
        }
        Op::Write { at, from, durable } => {
            let (at, place, durable) = (*at, from.place(), *durable);
            Box::new(move |arena| Op::Write { at, from: arena.adopt(place).unwrap(), durable })
        }
        Op::Flush => Box::new(|_| Op::Flush),
        Op::Protect => Box::new(|_| Op::Protect),
        &Op::Zero { at, len, deallocate, durable } => Box::new(move |_| Op::Zero { at, len, deallocate, durable }),
        &Op::Extent { at, len } => Box::new(move |_| Op::Extent { at, len }),
        &Op::Mark { at, len } => Box::new(move |_| Op::Mark { at, len }),
    }
}

fn describe(op: &Op) -> String {
    match op {
        Op::Read { at, into } => format!("read {at}+{}", into.len()),
        Op::Write { at, from, durable } => format!("write {at}+{} durable {durable}", from.len()),
        other => format!("{other:?}"),
    }
}

/// An entry for namespace 1 with SLBA and so many blocks where most commands have them.
fn entry(opcode: u8, lba: u64, blocks: u32) -> Entry {
    let mut entry = Entry::default();
    entry.0[0] = opcode;
    entry.set_dword(1, 1);
    entry.set_dword(10, lba as u32);
    entry.set_dword(11, (lba >> 32) as u32);
    entry.set_dword(12, blocks - 1);
    entry
}

/// The same entry with `bits` set in dword `n`.
fn with(mut entry: Entry, n: usize, bits: u32) -> Entry {
    entry.set_dword(n, entry.dword(n) | bits);
    entry
}

const FUA: u32 = 1 << 30;

fn flush(nsid: u32) -> Entry {
    let mut entry = Entry::default();
    entry.set_dword(1, nsid);
    entry
}

/// `blocks` blocks, no two alike.
fn pattern(blocks: usize) -> Vec<u8> {
    (0..blocks * BLOCK).map(|i| (i / BLOCK + i % 251) as u8).collect()
}

/// A Dataset Management that deallocates, and its list.
fn deallocation(ranges: &[(u64, u32)]) -> (Entry, Vec<u8>) {
    let mut list = Vec::new();
    for (lba, blocks) in ranges {
        list.extend([0xff; 4]);
        list.extend(blocks.to_le_bytes());
        list.extend(lba.to_le_bytes());
    }
    let mut entry = entry(DSM, 0, 1);
    entry.set_dword(10, ranges.len() as u32 - 1);
    entry.set_dword(11, 4);
    entry.set_dword(12, 0);
    (entry, list)
}

/// A Copy to `lba`, and its list.
fn copy(lba: u64, sources: &[(u64, u32)], format: u32) -> (Entry, Vec<u8>) {
    let mut list = Vec::new();
    for (lba, blocks) in sources {
        let at = list.len();
        list.resize(at + if format == 0 { 32 } else { 40 }, 0xff);
        list[at + 8..at + 16].copy_from_slice(&lba.to_le_bytes());
        list[at + 16..at + 18].copy_from_slice(&((blocks - 1) as u16).to_le_bytes());
    }
    (with(entry(COPY, lba, sources.len() as u32), 12, format << 8), list)
}

/// The two entries of a Compare and Write.
fn pair_entries(lba: u64, blocks: u32) -> [Entry; 2] {
    let [mut first, mut last] = [entry(COMPARE, lba, blocks), entry(WRITE, lba, blocks)];
    first.0[1] |= 1;
    last.0[1] |= 2;
    [first, last]
}

impl Rig {
    fn start_pair(&mut self, nexus: NexusId, tag: u32, [first, last]: &[Entry; 2], expected: &[u8], new: &[u8]) {
        let key = TaskKey { nexus, tag };
        let task = Task::fused(key, first, expected.len() as u32, last, new.len() as u32);
        self.begin(nexus, tag, task, [expected.to_vec(), new.to_vec()]);
    }

    fn swap(&mut self, entries: &[Entry; 2], expected: &[u8], new: &[u8]) -> (Status, Status) {
        self.start_pair(ONE, 1000, entries, expected, new);
        let outcome = self.finish(1000);
        (outcome.first.unwrap(), outcome.status)
    }
}
