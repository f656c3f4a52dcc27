//! Random hosts, stores that answer in any order, connections that break anywhere, controllers that are reset: nothing is
//! lost, nothing is answered twice, all memory comes back, and both modes agree to the byte.

use super::*;
use crate::nvme::Entry;
use crate::nvmetcp::pdu::{Digests, R2t};
use mainstay_base::arena::Arena;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Command { queue: usize, kind: u8, lba: u16, blocks: u16 },
    Pair { queue: usize, lba: u16, whole: bool },
    Abort { controller: usize, queue: usize, back: u8 },
    Event { controller: usize },
    Identify { controller: usize },
    Answer { count: u8, last: bool },
    Feed { lazy: bool },
    Socket { bytes: u16 },
    Break { queue: usize },
    Reset { controller: usize },
    Wait { seconds: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => (0..4usize, 0..9u8, 0..64u16, prop_oneof![3 => 1..200u16, 1 => 200..1500u16]).prop_map(|(queue, kind, lba, blocks)| {
            Step::Command { queue, kind, lba, blocks }
        }),
        3 => (0..4usize, 0..8u16, any::<bool>()).prop_map(|(queue, lba, whole)| Step::Pair { queue, lba, whole }),
        4 => (0..2usize, 0..3usize, 0..5u8).prop_map(|(controller, queue, back)| {
            Step::Abort { controller, queue, back }
        }),
        1 => (0..2usize).prop_map(|controller| Step::Event { controller }),
        1 => (0..2usize).prop_map(|controller| Step::Identify { controller }),
        5 => (0..5u8, any::<bool>()).prop_map(|(count, last)| Step::Answer { count, last }),
        3 => any::<bool>().prop_map(|lazy| Step::Feed { lazy }),
        2 => prop_oneof![Just(0u16), 2000..60_000u16].prop_map(|bytes| Step::Socket { bytes }),
        1 => (0..6usize).prop_map(|queue| Step::Break { queue }),
        1 => (0..2usize).prop_map(|controller| Step::Reset { controller }),
        1 => (0..3u8).prop_map(|seconds| Step::Wait { seconds }),
    ];
    prop::collection::vec(step, 1..50)
}

/// A queue and what is open on it.
struct Line {
    host: Host,
    open: BTreeSet<u16>,
    /// R2Ts that are not answered yet.
    asked: Vec<R2t>,
}

impl Line {
    fn new(host: Host) -> Line {
        Line { host, open: BTreeSet::new(), asked: Vec::new() }
    }

    fn send(&mut self, world: &mut World, entry: Entry, data: &[u8]) {
        let cid = self.host.command(world, entry, data);
        self.open.insert(cid);
    }

    fn usable(&self, world: &World, room: usize) -> bool {
        !world.is_gone(self.host.index) && self.open.len() + room <= 31
    }

    /// Take what came; every completion belongs to an open command.
    fn absorb(&mut self, world: &mut World, lazy: bool, data: &[u8]) {
        loop {
            let pdus = self.host.take(world);
            for (cid, _) in statuses(&pdus) {
                assert!(self.open.remove(&cid), "a completion for command {cid}, which is not open");
            }
            let r2ts = pdus.iter().filter_map(|pdu| if let Pdu::R2t(r2t) = pdu { Some(*r2t) } else { None });
            self.asked.extend(r2ts);
            assert!(!pdus.contains(&Pdu::Terminated));
            if world.is_gone(self.host.index) {
                self.open.clear();
                self.asked.clear();
            }
            if lazy || self.asked.is_empty() {
                return;
            }
            for r2t in std::mem::take(&mut self.asked) {
                self.host.give(world, &r2t, data, 8192);
            }
        }
    }
}

struct Run {
    admins: Vec<Line>,
    queues: Vec<Line>,
    lazy: bool,
    data: Vec<u8>,
}

impl Run {
    fn begin(world: &mut World) -> Run {
        let admins: Vec<Line> = (0..2).map(|_| Line::new(Host::admin(world))).collect();
        let mut run = Run { admins, queues: Vec::new(), lazy: false, data: pattern(1500 * 512, 5) };
        for at in 0..4 {
            let line = run.join(world, at);
            run.queues.push(line);
        }
        run
    }

    /// An I/O queue of the first or second controller, with digests or without flow control.
    fn join(&self, world: &mut World, at: usize) -> Line {
        let admin = &self.admins[at / 2].host;
        let digests = Digests { header: at == 1, data: at == 1 || at == 2 };
        let mut host = Host::open(world, digests);
        let connect =
            crate::nvme::Connect { cattr: if at == 3 { 4 } else { 0 }, ..connect(at as u16 % 2 + 1, admin.cntlid) };
        let cqe = host.ask(world, connect.entry(), &connect.data());
        assert!(status(&cqe).is_success());
        Line::new(host)
    }

    fn absorb(&mut self, world: &mut World) {
        for line in self.admins.iter_mut().chain(&mut self.queues) {
            line.absorb(world, self.lazy, &self.data);
        }
    }

    fn step(&mut self, world: &mut World, step: &Step) {
        match *step {
            Step::Command { queue, kind, lba, blocks } => {
                let line = &mut self.queues[queue];
                if !line.usable(world, 1) {
                    return;
                }
                let (lba, blocks, nsid) = (u64::from(lba), u32::from(blocks), 1 + u32::from(lba % 2));
                let short = (blocks % 16 + 1) as usize * 512;
                let (entry, data) = match kind {
                    0..=2 => (rw(2, nsid, lba, blocks), &[][..]),
                    3 => (rw(1, nsid, lba, blocks), &[][..]),
                    4 | 5 => (rw(1, nsid, lba, short as u32 / 512), &self.data[..short]),
                    6 => (flush(nsid), &[][..]),
                    7 => (rw(5, nsid, lba, blocks), &[][..]),
                    _ => (rw(2, 9, lba, blocks), &[][..]),
                };
                line.send(world, entry, data);
            }
            Step::Pair { queue, lba, whole } => {
                let line = &mut self.queues[queue];
                if !line.usable(world, 2) {
                    return;
                }
                let fused = |opcode, fuse| {
                    let mut entry = rw(opcode, 1, lba.into(), 1);
                    entry.0[1] |= fuse;
                    entry
                };
                line.send(world, fused(5, 1), if whole { &self.data[..512] } else { &[] });
                if whole || lba % 2 == 0 {
                    line.send(world, fused(1, 2), &self.data[..512]);
                }
            }
            Step::Abort { controller, queue, back } => {
                let line = &mut self.admins[controller];
                if line.usable(world, 1) {
                    let target = if queue == 0 { &line.host } else { &self.queues[controller * 2 + queue - 1].host };
                    let entry = abort(queue as u16, target.cid.saturating_sub(back.into()));
                    line.send(world, entry, &[]);
                }
            }
            Step::Event { controller } => {
                if self.admins[controller].usable(world, 1) {
                    self.admins[controller].send(world, admin(0x0c), &[]);
                }
            }
            Step::Identify { controller } => {
                let mut entry = admin(0x06);
                entry.set_dword(10, 1);
                entry.set_sgl(crate::nvme::Sgl::Transport { len: 4096 });
                if self.admins[controller].usable(world, 1) {
                    self.admins[controller].send(world, entry, &[]);
                }
            }
            Step::Answer { count, last } => {
                if last && !world.held.is_empty() {
                    world.held.rotate_right(1);
                }
                world.answer_and_settle(count.into());
            }
            Step::Feed { lazy } => self.lazy = lazy,
            Step::Socket { bytes } => {
                // Nothing for a while, all there is, or in pieces.
                world.socket = if bytes % 3 == 1 { usize::MAX } else { usize::from(bytes) };
                world.settle();
            }
            Step::Break { queue } => {
                let line = if queue < 4 { &mut self.queues[queue] } else { &mut self.admins[queue - 4] };
                world.call(line.host.index, |queue, cx| queue.disconnected(cx));
                world.wire[line.host.index].clear();
                line.open.clear();
                line.asked.clear();
            }
            Step::Reset { controller } => {
                let line = &mut self.admins[controller];
                if line.usable(world, 2) {
                    line.send(world, property_set(0x14, 0x0046_0000), &[]);
                    line.send(world, property_set(0x14, 0x0046_0001), &[]);
                }
            }
            Step::Wait { seconds } => world.pass(Duration::from_secs(seconds.into())),
        }
    }
}

fn script(world: &mut World, steps: &[Step], arena: usize) {
    world.arena = Arena::heap(arena);
    let mut run = Run::begin(world);
    world.prompt = false;
    for step in steps {
        run.step(world, step);
        run.absorb(world);
    }
    // In the end everything that is open is answered, but for held event requests and halves of pairs.
    world.socket = usize::MAX;
    world.prompt = true;
    run.lazy = false;
    for line in &mut run.queues {
        if line.usable(world, 1) {
            line.send(world, flush(1), &[]);
        }
    }
    for _ in 0..20 {
        world.answer_and_settle(usize::MAX);
        world.feed();
        run.absorb(world);
    }
    assert!(world.held.is_empty());
    for line in &run.queues {
        let gone = world.is_gone(line.host.index);
        assert!(gone || line.open.is_empty(), "commands {:?} were never answered", line.open);
    }
    for line in run.admins.iter().chain(&run.queues) {
        world.call(line.host.index, |queue, cx| queue.disconnected(cx));
        assert!(world.is_gone(line.host.index));
    }
    assert_eq!(world.arena.usage(), (arena, 0, 0), "all memory comes back");
    assert!(world.disks.iter().all(|disk| disk.ranges == Default::default()), "and every range");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_hosts_lose_nothing(steps in steps()) {
        both(|world| script(world, &steps, 8 << 20));
    }

    #[test]
    fn random_hosts_lose_nothing_when_memory_is_short(steps in steps()) {
        both(|world| script(world, &steps, 512 << 10));
    }
}
