//! Whatever a CDB says, nothing panics and every command ends.

use super::*;
use proptest::prelude::*;

/// CDBs that mostly are commands we know, near the medium's ends.
fn cdbs() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(table::COMMANDS.iter().map(|c| (c.opcode, c.action)).collect::<Vec<_>>());
    let near = prop_oneof![
        any::<[u8; 15]>(),
        (0u8..8, 0u64..BLOCKS + 2, 0u32..40).prop_map(|(flags, lba, blocks)| {
            let cdb = cdb16(0, flags << 1, lba, blocks);
            cdb[1..].try_into().unwrap()
        }),
        (0u8..8, 0u32..BLOCKS as u32 + 2, 0u16..40).prop_map(|(flags, lba, blocks)| {
            let mut cdb = [0; 15];
            cdb[..9].copy_from_slice(&cdb10(0, flags << 1, lba, blocks)[1..]);
            cdb
        }),
    ];
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..20),
        9 => (known, near).prop_map(|((opcode, action), rest)| {
            let mut cdb = vec![opcode];
            cdb.extend(rest);
            if let Some(action) = action {
                cdb[1] = cdb[1] & 0xe0 | action as u8;
            }
            cdb
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_cdb_ends(
        cdbs in prop::collection::vec((cdbs(), prop::collection::vec(any::<u8>(), 0..3000), 0usize..70_000), 1..6),
        thin: bool,
        removable: bool,
        reborn: bool,
    ) {
        let mut rig = Rig::new(Behaviour { thin, removable, ..behaviour() }, reborn);
        for (cdb, out, in_bytes) in cdbs {
            let outcome = rig.run(ONE, &cdb, &out, in_bytes);
            prop_assert!(outcome.data.len() <= in_bytes);
            prop_assert!(rig.unit().disk.ranges == Default::default(), "a range is left");
            prop_assert_eq!(rig.arena.usage().2, 0);
        }
    }

    #[test]
    fn every_abort_ends(cdb in cdbs(), out in prop::collection::vec(any::<u8>(), 0..3000), after in 0usize..6) {
        let mut rig = Rig::new(behaviour(), true);
        rig.start(ONE, 1, &cdb, &out, 70_000);
        for _ in 0..after {
            rig.serve(1);
            rig.pump(1);
        }
        if rig.live[&1].reply.is_none() {
            rig.live.get_mut(&1).unwrap().task.abort();
            rig.pump(1);
        }
        rig.finish(1);
        prop_assert!(rig.unit().disk.ranges == Default::default());
        prop_assert_eq!(rig.arena.usage().2, 0);
    }

    #[test]
    fn any_saved_bytes_are_only_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(form) = TaskV1::decode(&bytes[..]) {
            let _ = Task::restore(&form, &Arena::heap(64 << 10));
        }
        if let Ok(form) = LogicalUnitV1::decode(&bytes[..]) {
            let _ = LogicalUnit::restore(&form);
        }
    }
}
