//! Random initiators, stores that answer in any order, connections that break anywhere: nothing is lost, nothing is
//! answered twice, all memory comes back, and both modes agree to the byte.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Step {
    Command { host: usize, kind: u8, lba: u16, blocks: u8, attribute: u8 },
    Manage { host: usize, function: u8, back: u8 },
    Answer { count: u8, last: bool },
    Socket { bytes: u16 },
    Break { host: usize },
    Wait { seconds: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..2usize, 0..6u8, 0..64u16, 1..200u8, 0..8u8).prop_map(|(host, kind, lba, blocks, attribute)| {
            Step::Command { host, kind, lba, blocks, attribute }
        }),
        2 => (0..2usize, 1..8u8, 0..4u8).prop_map(|(host, function, back)| Step::Manage { host, function, back }),
        8 => (0..6u8, any::<bool>()).prop_map(|(count, last)| Step::Answer { count, last }),
        2 => (0..3000u16).prop_map(|bytes| Step::Socket { bytes }),
        1 => (0..2usize).prop_map(|host| Step::Break { host }),
        1 => (0..5u8).prop_map(|seconds| Step::Wait { seconds }),
    ];
    prop::collection::vec(step, 1..60)
}

struct Run {
    hosts: Vec<Host>,
    /// What each of them writes.
    data: [Vec<u8>; 2],
    open: Vec<BTreeSet<u32>>,
    /// A task management function ended some of them: any may be gone.
    managed: bool,
}

impl Run {
    /// Answer R2Ts, and check that every status belongs to an open command.
    fn absorb(&mut self, world: &mut World) {
        for host in 0..self.hosts.len() {
            let index = self.hosts[host].index;
            let pdus = self.hosts[host].feed(world, &self.data[host], 8192);
            for (itt, _) in statuses(&pdus) {
                let open = self.open[host].remove(&itt);
                assert!(open, "a status for command {itt}, which is not open");
            }
            if world.nexuses[index].is_none() {
                self.open[host].clear();
            }
        }
    }
}

fn script(world: &mut World, steps: &[Step]) {
    let hosts = vec![
        Host::login(world, 1, "MaxRecvDataSegmentLength=16384\0MaxOutstandingR2T=4\0"),
        Host::login(world, 2, "ImmediateData=No\0MaxRecvDataSegmentLength=4096\0MaxBurstLength=16384\0"),
    ];
    let data = [0, 1].map(|host| pattern(256 * 512, host));
    let mut run = Run { hosts, data, open: vec![BTreeSet::new(); 2], managed: false };
    world.prompt = false;
    for step in steps {
        match *step {
            Step::Command { host, kind, lba, blocks, attribute } => {
                // Stay inside the smallest window a session can have.
                if run.open[host].len() >= 8 || world.nexuses[run.hosts[host].index].is_none() {
                    continue;
                }
                let attribute = match attribute {
                    0 => Attribute::Ordered,
                    1 => Attribute::HeadOfQueue,
                    _ => Attribute::Simple,
                };
                let bytes = u32::from(blocks) * 512;
                let (cdb, read, write): (Vec<u8>, u32, u32) = match kind {
                    0 | 1 => (rw10(0x28, lba.into(), blocks.into()).into(), bytes, 0),
                    2 | 3 => (rw10(0x2a, lba.into(), blocks.into()).into(), 0, bytes),
                    4 => (rw10(0x35, 0, 0).into(), 0, 0),
                    _ => (vec![0x12, 0, 0, 0, 255, 0], 255, 0),
                };
                let itt = run.hosts[host].ordered(world, attribute, u16::from(lba % 2 == 1), &cdb, read, write, &[]);
                run.open[host].insert(itt.0);
            }
            Step::Manage { host, function, back } => {
                let one = &mut run.hosts[host];
                if world.nexuses[one.index].is_none() {
                    continue;
                }
                let referenced = Itt(one.itt.saturating_sub(back.into()));
                one.manage(world, function, 0, referenced);
                run.managed = true;
            }
            Step::Answer { count, last } => {
                if last && !world.held.is_empty() {
                    world.held.rotate_right(1);
                }
                world.answer_and_settle(count.into());
            }
            Step::Socket { bytes } => {
                world.socket = if bytes % 3 == 0 { usize::MAX } else { usize::from(bytes) };
                world.call(run.hosts[0].index, |_, _| ());
            }
            Step::Break { host } => {
                let index = run.hosts[host].index;
                world.call(index, |nexus, cx| nexus.disconnected(cx));
                world.wire[index].clear();
                run.open[host].clear();
            }
            Step::Wait { seconds } => world.pass(std::time::Duration::from_secs(seconds.into())),
        }
        run.absorb(world);
    }
    // In the end everything that is open is answered.
    world.socket = usize::MAX;
    world.prompt = true;
    for _ in 0..100 {
        world.answer_and_settle(usize::MAX);
        run.absorb(world);
    }
    assert!(world.held.is_empty());
    for (host, open) in run.hosts.iter().zip(&run.open) {
        let excused = run.managed || world.nexuses[host.index].is_none();
        assert!(excused || open.is_empty(), "commands {open:?} were never answered");
        world.call(host.index, |nexus, cx| nexus.disconnected(cx));
    }
    assert_eq!(world.arena.usage(), (8 << 20, 0, 0), "all memory comes back");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_initiators_lose_nothing(steps in steps()) {
        both(|world| script(world, &steps));
    }
}
