//! However the bytes are cut, the result is the same.

use super::rig::*;
use crate::nvme::{Sgl, Status};
use crate::nvmetcp::pdu::*;
use crate::nvmetcp::{Event, Given, Limits, Tag};
use proptest::prelude::*;
use std::sync::Arc;

/// What a host sends once it has its R2Ts, all at once.
fn script(rig: &mut Rig) -> Vec<u8> {
    let mut wire = Vec::new();
    // Two writes whose data follows among other things.
    let (first, second) = (rig.transport(WRITE, 1, 60_000), rig.transport(WRITE, 2, 777));
    for (cid, tag, len) in [(1, first, 60_000), (2, second, 777)] {
        rig.collect(tag, 0, len);
        rig.expect_r2t(cid, tag, 0, len);
    }
    let mut add = |header: &[u8], data: &[u8]| wire.extend(rig.wire(header, data));
    let command = |opcode, cid, sgl, len| CapsuleCmd { entry: entry(opcode, cid, sgl) }.emit(&rig.to, len);
    let h2c = |last, tag: Tag, cid, offset, len| H2cData { last, cid, ttag: tag.0, offset, len }.emit(&rig.to);
    let data = pattern(60_000);
    add(&command(READ, 3, Sgl::Transport { len: 4096 }, 0), &[]);
    add(&h2c(false, first, 1, 0, 40_001), &data[..40_001]);
    add(&command(WRITE, 4, Sgl::InCapsule { offset: 0, len: 4096 }, 4096), &data[..4096]);
    add(&h2c(true, second, 2, 0, 777), &data[..777]);
    add(&command(WRITE, 5, Sgl::InCapsule { offset: 3, len: 700 }, 777), &data[..777]);
    add(&command(WRITE, 6, Sgl::InCapsule { offset: 0, len: 778 }, 777), &data[..777]);
    add(&h2c(true, first, 1, 40_001, 19_999), &data[40_001..]);
    add(&command(FLUSH, 7, Sgl::Transport { len: 0 }, 0), &[]);
    wire
}

/// Feed `wire` in pieces of the sizes in `cuts`, again and again, reading into place where the controller wants that; then
/// answer everything.
fn run(digests: Digests, cpda: u8, swap: bool, cuts: &[usize]) -> Vec<u8> {
    let limits = Limits { cpda, ..Limits::default() };
    let mut rig = Rig::new(swap, Options { digests, limits, hpda: cpda, ..Options::default() });
    rig.open();
    rig.call(|connection, _| connection.set_success_flag(true));
    let wire = script(&mut rig);
    let (mut at, mut cuts) = (0, cuts.iter().cycle());
    while at < wire.len() {
        let n = (*cuts.next().unwrap()).min(wire.len() - at);
        let placed = rig.connection().payload_space().map(|space| {
            let n = n.min(space.len());
            space[..n].copy_from_slice(&wire[at..at + n]);
            n
        });
        match placed {
            Some(n) => {
                rig.call(|connection, cx| connection.filled(cx, n));
                at += n;
            }
            None => {
                rig.call(|connection, cx| connection.receive(cx, &wire[at..at + n]));
                at += n;
            }
        }
    }
    rig.poll();
    assert_eq!(rig.events.len(), 7, "{:?}", rig.notices);
    while let Some(event) = rig.events.pop_front() {
        let (tag, cid, status) = match event {
            Event::Command { tag, entry, data } => {
                let status = match data {
                    Given::Transport { len } => {
                        rig.send(tag, 0, &pattern(len as usize));
                        Status::SUCCESS
                    }
                    Given::InCapsule(buf) => {
                        let skipped = if buf.len() == 700 { 3 } else { 0 };
                        assert!(buf[..] == pattern(5000)[skipped..skipped + buf.len()]);
                        Status::SUCCESS
                    }
                    Given::Refused(status) => status,
                    Given::Nothing => Status::SUCCESS,
                    Given::Starved => panic!("there is memory"),
                };
                (tag, entry.cid().0, status)
            }
            Event::Data { tag, data, .. } => {
                assert!(data[..] == pattern(data.len())[..]);
                let len = data.len();
                let data = Arc::new(data);
                // As if it had been read: the host has room for as much.
                rig.call(|connection, _| connection.send(tag, 0, data, 0..len));
                (tag, 1 + tag.0, Status::SUCCESS)
            }
            other => panic!("{other:?}"),
        };
        rig.finish(tag, cqe(cid, status, 0));
    }
    while rig.try_next().is_some() {}
    rig.transcript
}

#[test]
fn byte_by_byte_with_a_swap_after_each() {
    for (digests, cpda) in [(NONE, 0), (BOTH, 7)] {
        assert_eq!(run(digests, cpda, true, &[1, 3, 977]), run(digests, cpda, false, &[1 << 20]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_cut_gives_the_same(
        header: bool, data: bool, cpda in 0u8..32, cuts in prop::collection::vec(1usize..5000, 1..20)
    ) {
        let digests = Digests { header, data };
        let whole = run(digests, cpda, false, &[1 << 20]);
        prop_assert!(whole.len() > 60_000);
        prop_assert_eq!(run(digests, cpda, false, &cuts), whole);
    }

    #[test]
    fn small_cuts_give_the_same(header: bool, data: bool, cuts in prop::collection::vec(1usize..60, 1..20)) {
        let digests = Digests { header, data };
        prop_assert_eq!(run(digests, 0, false, &cuts), run(digests, 0, false, &[1 << 20]));
    }
}
