//! However the bytes are cut, the result is the same.

use super::rig::*;
use crate::iscsi::Event;
use crate::iscsi::pdu::*;
use mainstay_base::sam::{Reply, Status};
use proptest::prelude::*;
use std::sync::Arc;

/// What an initiator sends after its login, all at once.
fn script(rig: &mut Rig) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut add = |rig: &Rig, bhs: &Bhs, ahs: &[u8], data: &[u8]| wire.extend(rig.wire(bhs, ahs, data));
    let read = rig.command(4096, 0);
    add(rig, &read.emit(0, 0), &[], &[]);
    let write = ScsiCommand { last: false, ..rig.command(0, 30_000) };
    add(rig, &write.emit(0, 1001), &[], &pattern(1001));
    let early = rig.command(512, 0);
    let late = rig.command(0, 777);
    add(rig, &late.emit(0, 777), &[], &pattern(777));
    for (sn, at, end, last) in [(0, 1001, 20_001, false), (1, 20_001, 30_000, true)] {
        let pdu = DataOut {
            last,
            lun: LUN,
            itt: write.itt,
            ttt: Ttt::RESERVED,
            exp_stat_sn: StatSn(0),
            data_sn: sn,
            offset: at,
        };
        let data = &pattern(30_000)[at as usize..end];
        add(rig, &pdu.emit(data.len()), &[], data);
    }
    let cmd_sn = rig.cmd_sn;
    let nop = NopOut { immediate: true, lun: LUN, itt: Itt(3), ttt: Ttt::RESERVED, cmd_sn, exp_stat_sn: StatSn(0) };
    add(rig, &nop.emit(7), &[], b"sevenby");
    let ahs = Ahs { extended_cdb: vec![0x2a; 5], bidirectional_read: None }.emit();
    let long = rig.command(0, 0);
    add(rig, &long.emit(ahs.len(), 0), &ahs, &[]);
    let mut unknown = nop.emit(9);
    unknown[0] = 0x1c;
    add(rig, &unknown, &[], b"what now?");
    add(rig, &early.emit(0, 0), &[], &[]);
    wire
}

/// Feed `wire` in pieces of the sizes in `cuts`, again and again, reading into place where the target wants that; then
/// answer everything.
fn run(digests: bool, swap: bool, cuts: &[usize]) -> Vec<u8> {
    let mut rig = Rig::new(swap, Options::default());
    rig.login(if digests { "HeaderDigest=CRC32C DataDigest=CRC32C InitialR2T=No" } else { "InitialR2T=No" });
    let wire = script(&mut rig);
    let (mut at, mut cuts) = (0, cuts.iter().cycle());
    while at < wire.len() {
        let n = (*cuts.next().unwrap()).min(wire.len() - at);
        if let Some(space) = rig.connection().payload_space() {
            let n = n.min(space.len());
            space[..n].copy_from_slice(&wire[at..at + n]);
            rig.call(|connection, cx| connection.filled(cx, n));
            at += n;
        } else {
            rig.call(|connection, cx| connection.receive(cx, &wire[at..at + n]));
            at += n;
        }
    }
    rig.poll();
    while let Some(event) = rig.events.pop_front() {
        match event {
            Event::Command(command) => {
                let (itt, moved) = (command.itt, command.in_bytes.max(command.out_bytes));
                if command.out_bytes > 0 {
                    rig.collect(itt, 0, command.out_bytes);
                } else {
                    if command.in_bytes > 0 {
                        rig.send(itt, 0, &pattern(moved as usize));
                    }
                    rig.good(itt, moved);
                }
            }
            Event::Data { itt, data, .. } => {
                assert!(data[..] == pattern(data.len())[..]);
                // It comes back as data-in of nobody, which sends nothing.
                let (data, len) = (Arc::new(data), 4);
                rig.call(|connection, _| connection.send(itt, 0, data, 0..len));
                let reply = Reply { status: Status::Good, sense: Vec::new(), moved: 777 };
                rig.call(|connection, cx| connection.finish(cx, itt, reply));
            }
            other => panic!("{other:?}"),
        }
    }
    while rig.try_next().is_some() {}
    rig.transcript
}

#[test]
fn byte_by_byte_with_a_swap_after_each() {
    assert_eq!(run(true, true, &[1, 3, 8191]), run(true, false, &[1 << 20]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_cut_gives_the_same(digests: bool, cuts in prop::collection::vec(1usize..5000, 1..20)) {
        let whole = run(digests, false, &[1 << 20]);
        prop_assert!(whole.len() > 5000);
        prop_assert_eq!(run(digests, false, &cuts), whole);
    }

    #[test]
    fn small_cuts_give_the_same(digests: bool, cuts in prop::collection::vec(1usize..60, 1..20)) {
        prop_assert_eq!(run(digests, false, &cuts), run(digests, false, &[1 << 20]));
    }
}
