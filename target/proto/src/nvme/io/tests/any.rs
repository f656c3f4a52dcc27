//! Whatever an entry says, nothing panics and every command ends; what a disk holds is what a row of bytes would.

use super::*;
use proptest::prelude::*;

/// Entries that mostly are commands we know, near the medium's ends; and what the host is ready to move.
fn commands() -> impl Strategy<Value = (Entry, usize)> {
    let known = prop::sample::select(effects().map(|(opcode, _)| opcode).collect::<Vec<_>>());
    let nsid = prop::sample::select(vec![0u32, 1, 1, 1, 1, 7, u32::MAX]);
    let near = (known, nsid, 0..BLOCKS + 2, 1u32..40, any::<u8>(), 0u32..8).prop_map(
        |(opcode, nsid, lba, blocks, flags, attributes)| {
            let mut entry = entry(opcode, lba, blocks);
            entry.set_dword(1, nsid);
            if opcode == DSM {
                entry.set_dword(10, blocks - 1);
                entry.set_dword(11, attributes);
                return (entry, blocks as usize * 16);
            }
            if opcode == COPY {
                return (with(entry, 12, u32::from(flags & 1) << 8), blocks as usize * 40);
            }
            let flagged = with(entry, 12, u32::from(flags & 0xc2) << 24);
            (flagged, if opcode & 3 == 0 { 0 } else { blocks as usize * BLOCK })
        },
    );
    prop_oneof![
        1 => (any::<[u8; 32]>(), any::<[u8; 32]>(), 0usize..70_000)
            .prop_map(|(a, b, given)| (Entry([a, b].concat().try_into().unwrap()), given)),
        9 => near,
    ]
}

/// Data that mostly is a list of ranges on the medium.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let range = (0..BLOCKS + 2, 0u32..300).prop_map(|(lba, blocks)| {
        let mut range = vec![0; 4];
        range.extend(blocks.to_le_bytes());
        range.extend(lba.to_le_bytes());
        range
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3000),
        prop::collection::vec(range, 1..300).prop_map(|ranges| ranges.concat()),
    ]
}

/// Stores and host answer in an order that `dice` decides; the command ends.
fn finish_by(rig: &mut Rig, tag: u32, dice: &[u8]) -> Outcome {
    for turn in 0..100_000 {
        rig.pump(tag);
        let live = &rig.live[&tag];
        if live.done.is_some() {
            return rig.finish(tag);
        }
        let (wanted, stored) = (live.wanted.len(), live.at_store.len());
        assert!(wanted + stored > 0, "it waits for {} for ever", live.waits);
        let pick = usize::from(dice[turn % dice.len()]) % (wanted + stored);
        if pick < wanted {
            rig.give(tag, pick);
        } else {
            rig.serve_nth(tag, pick - wanted);
        }
    }
    panic!("endless command");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_entry_ends(
        commands in prop::collection::vec((commands(), data()), 1..6),
        dice in prop::collection::vec(any::<u8>(), 1..20),
        thin: bool,
        reborn: bool,
    ) {
        let mut rig = Rig::new(Behaviour { thin, ..behaviour() }, reborn);
        rig.slow_host = true;
        for ((entry, given), mut out) in commands {
            out.resize(given, 0);
            rig.start(ONE, 1, &entry, given, &out);
            let outcome = finish_by(&mut rig, 1, &dice);
            prop_assert!(outcome.data.is_empty() || outcome.data.len() <= given);
            rig.assert_clean();
        }
    }

    #[test]
    fn every_pair_ends(
        first in commands(), last in commands(), fit: bool, dice in prop::collection::vec(any::<u8>(), 1..20), reborn: bool,
    ) {
        let mut rig = Rig::new(behaviour(), reborn);
        rig.slow_host = true;
        let (mut entries, mut given) = ([first.0, last.0], [first.1, last.1]);
        if fit {
            let blocks = entries[0].dword(12) % 40 + 1;
            entries = pair_entries(entries[0].qword(10) % BLOCKS, blocks);
            given = [blocks as usize * BLOCK; 2];
        }
        rig.start_pair(ONE, 1, &entries, &vec![0; given[0]], &vec![1; given[1]]);
        finish_by(&mut rig, 1, &dice);
        rig.assert_clean();
    }

    #[test]
    fn every_abort_ends((entry, given) in commands(), mut out in data(), after in 0usize..6) {
        let mut rig = Rig::new(behaviour(), true);
        out.resize(given, 0);
        rig.start(ONE, 1, &entry, given, &out);
        for _ in 0..after {
            rig.serve(1);
            rig.pump(1);
        }
        if rig.live[&1].done.is_none() {
            rig.live.get_mut(&1).unwrap().task.abort(Status::ABORT_REQUESTED);
            rig.pump(1);
        }
        rig.finish(1);
        rig.assert_clean();
    }

    #[test]
    fn any_saved_bytes_are_only_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(form) = TaskV1::decode(&bytes[..]) {
            let _ = Task::restore(&form, &Arena::heap(64 << 10));
        }
    }

    /// Commands one after the other against a row of bytes, and blocks that cannot be read.
    #[test]
    fn a_disk_is_a_row_of_bytes(
        steps in prop::collection::vec((0usize..8, 0..BLOCKS - 80, 1u32..80, 0..BLOCKS - 80, any::<u8>()), 1..25),
        dice in prop::collection::vec(any::<u8>(), 1..20),
        reborn: bool,
    ) {
        let mut rig = Rig::new(behaviour(), reborn);
        rig.slow_host = true;
        let mut model = vec![Some(0u8); BLOCKS as usize * BLOCK];
        for (kind, lba, blocks, other, stamp) in steps {
            let span = |lba: u64| lba as usize * BLOCK..(lba + u64::from(blocks)) as usize * BLOCK;
            let (here, len) = (span(lba), blocks as usize * BLOCK);
            let fresh: Vec<u8> = (0..len).map(|i| stamp ^ i as u8 ^ (i / BLOCK) as u8).collect();
            let known: Option<Vec<u8>> = model[here.clone()].iter().copied().collect();
            let bad = Status::UNRECOVERED_READ_ERROR;
            let (entry, out, expected) = match kind {
                0 => (entry(WRITE, lba, blocks), fresh.clone(), Status::SUCCESS),
                1 => (entry(ZEROES, lba, blocks), vec![], Status::SUCCESS),
                2 => (entry(UNCORRECTABLE, lba, blocks), vec![], Status::SUCCESS),
                3 => (entry(VERIFY, lba, blocks), vec![], if known.is_some() { Status::SUCCESS } else { bad }),
                4 => {
                    let (entry, list) = deallocation(&[(lba, blocks)]);
                    (entry, list, Status::SUCCESS)
                }
                5 => {
                    let (entry, list) = copy(other, &[(lba, blocks)], 0);
                    let apart = other.abs_diff(lba) >= u64::from(blocks);
                    let status = if known.is_some() { Status::SUCCESS } else { bad };
                    (entry, list, if apart { status } else { Status::OVERLAPPING_IO_RANGE })
                }
                6 => {
                    let out = known.clone().filter(|_| stamp % 2 == 0).unwrap_or_else(|| fresh.clone());
                    let equal = known.as_ref() == Some(&out);
                    let status = if equal { Status::SUCCESS } else { Status::COMPARE_FAILURE };
                    (entry(COMPARE, lba, blocks), out, if known.is_some() { status } else { bad })
                }
                _ => (entry(READ, lba, blocks), vec![], if known.is_some() { Status::SUCCESS } else { bad }),
            };
            let given = if entry.opcode() == READ { len } else { out.len() };
            rig.start(ONE, 1, &entry, given, &out);
            let outcome = finish_by(&mut rig, 1, &dice);
            if kind == 6 && known.as_deref().is_none_or(|known| known != out) {
                // What is compared first, the unreadable or the different, is a matter of chunks.
                prop_assert!([Status::COMPARE_FAILURE, bad].contains(&outcome.status));
            } else {
                prop_assert_eq!(outcome.status, expected);
            }
            if outcome.status.is_success() {
                let copied: Vec<_> = model[here.clone()].to_vec();
                match kind {
                    0 => model[here].iter_mut().zip(fresh).for_each(|(to, from)| *to = Some(from)),
                    1 | 4 => model[here].fill(Some(0)),
                    2 => model[here].fill(None),
                    5 => model[span(other)].copy_from_slice(&copied),
                    7 => prop_assert_eq!(Some(outcome.data), known),
                    _ => {}
                }
            } else if kind == 5 && expected == bad {
                // As far as it came.
                for (from, to) in here.zip(span(other)) {
                    let now = (!rig.marked[0][to / BLOCK]).then(|| rig.media[0][to]);
                    prop_assert!([model[to], model[from]].contains(&now));
                    model[to] = now;
                }
            }
            rig.assert_clean();
        }
    }
}
