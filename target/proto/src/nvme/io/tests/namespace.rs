//! What every command is checked for: opcode, namespace, path, protection, blocks, lengths; and what faults become.

use super::*;
use mainstay_base::unit::Protection;

#[test]
fn opcodes_that_nobody_knows() {
    both(|rig| {
        let known: Vec<u8> = effects().map(|(opcode, _)| opcode).collect();
        for opcode in (0..=255u8).filter(|opcode| !known.contains(opcode)) {
            assert_eq!(rig.run(&entry(opcode, 0, 1), 0, &[]).status, Status::INVALID_OPCODE, "{opcode:#x}");
        }
        // A fused command alone, if a queue lets one through.
        for fuse in 1..4 {
            let mut entry = entry(WRITE, 0, 1);
            entry.0[1] |= fuse;
            assert_eq!(rig.tell(&entry, &[0; BLOCK]).status, Status::INVALID_FIELD);
        }
    });
}

#[test]
fn namespaces_and_paths() {
    both(|rig| {
        for nsid in [0, 2, 8, u32::MAX - 1, u32::MAX] {
            let mut entry = entry(READ, 0, 1);
            entry.set_dword(1, nsid);
            assert_eq!(rig.run(&entry, BLOCK, &[]).status, Status::INVALID_NAMESPACE, "{nsid}");
        }
        for (access, status) in [
            (Access::Optimized, Status::SUCCESS),
            (Access::NonOptimized, Status::SUCCESS),
            (Access::Inaccessible, Status::ANA_INACCESSIBLE),
            (Access::PersistentLoss, Status::ANA_PERSISTENT_LOSS),
            (Access::Change, Status::ANA_TRANSITION),
        ] {
            rig.view.namespaces[0].access = access;
            assert_eq!(rig.run(&entry(READ, 0, 1), BLOCK, &[]).status, status);
            assert_eq!(rig.tell(&entry(WRITE, 0, 1), &[0; BLOCK]).status, status);
            assert_eq!(rig.run(&flush(1), 0, &[]).status, status);
        }
        rig.view.namespaces[0].access = Access::Optimized;
        rig.view.namespaces[0].volume = VolumeId(9);
        assert_eq!(rig.run(&entry(READ, 0, 1), BLOCK, &[]).status, Status::NAMESPACE_NOT_READY);
        rig.view.ready = false;
        assert_eq!(rig.run(&entry(READ, 0, 1), BLOCK, &[]).status, Status::COMMAND_SEQUENCE_ERROR);
    });
}

#[test]
fn a_protected_namespace_is_not_written() {
    let refused = |rig: &mut Rig| {
        assert_eq!(rig.tell(&entry(WRITE, 0, 1), &[0; BLOCK]).status, Status::NAMESPACE_WRITE_PROTECTED);
        rig.run(&entry(READ, 0, 1), BLOCK, &[]).good();
    };
    both_on(Behaviour { read_only: true, ..behaviour() }, refused);
    both(|rig| {
        rig.view.namespaces[0].read_only = true;
        refused(rig);
    });
    both(|rig| {
        rig.disks[0].protection = Protection::Protected;
        refused(rig);
    });
}

#[test]
fn blocks_that_are_not_there() {
    both(|rig| {
        for opcode in [READ, WRITE] {
            for (lba, blocks) in
                [(BLOCKS, 1), (BLOCKS - 1, 2), (u64::MAX, 1), (u64::MAX, 2), (u64::MAX - 1, 1), (1 << 63, 1), (0, 2049)]
            {
                let given = blocks as usize * BLOCK;
                let outcome = rig.run(&entry(opcode, lba, blocks), given, &vec![0; given]);
                assert_eq!(outcome.status, Status::LBA_OUT_OF_RANGE, "{opcode} {lba} {blocks}");
            }
        }
    });
}

#[test]
fn lengths_must_be_what_the_blocks_are() {
    both(|rig| {
        for opcode in [READ, WRITE] {
            for given in [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK + 1, 3 * BLOCK, 1 << 30] {
                let outcome = rig.run(&entry(opcode, 0, 2), given, &[]);
                assert_eq!(outcome.status, Status::SGL_LENGTH_INVALID, "{opcode} {given}");
            }
            for bits in [1 << 26, 1 << 27, 1 << 28, 1 << 29] {
                let outcome = rig.run(&with(entry(opcode, 0, 1), 12, bits), BLOCK, &[]);
                assert_eq!(outcome.status, Status::INVALID_PROTECTION_INFO);
            }
        }
        assert_eq!(rig.run(&flush(1), 4, &[]).status, Status::SGL_LENGTH_INVALID);
        // Beyond MDTS.
        rig.disks[0].geometry.blocks = 1 << 40;
        for opcode in [READ, WRITE] {
            let outcome = rig.run(&entry(opcode, 0, 2049), 2049 * BLOCK, &[]);
            assert_eq!(outcome.status, Status::INVALID_FIELD);
            let outcome = rig.run(&entry(opcode, 0, 0x10000), 0x10000 * BLOCK, &[]);
            assert_eq!(outcome.status, Status::INVALID_FIELD);
        }
    });
}

#[test]
fn faults_have_their_status() {
    both(|rig| {
        for (fault, reading, writing) in [
            (Fault::MediumRead { at: 0 }, Status::UNRECOVERED_READ_ERROR, Status::UNRECOVERED_READ_ERROR),
            (Fault::MediumWrite { at: 0 }, Status::WRITE_FAULT, Status::WRITE_FAULT),
            (Fault::Shrunk { at: 0 }, Status::UNRECOVERED_READ_ERROR, Status::WRITE_FAULT),
            (Fault::NoSpace, Status::CAPACITY_EXCEEDED, Status::CAPACITY_EXCEEDED),
            (Fault::ReadOnly, Status::NAMESPACE_WRITE_PROTECTED, Status::NAMESPACE_WRITE_PROTECTED),
            (Fault::Poisoned, Status::INTERNAL_ERROR.dnr(), Status::INTERNAL_ERROR.dnr()),
            (Fault::Other { errno: 5 }, Status::INTERNAL_ERROR, Status::INTERNAL_ERROR),
        ] {
            // Of one chunk of many: the others come back first.
            rig.faults.extend([None, Some(fault)]);
            assert_eq!(rig.run(&entry(READ, 0, 100), 100 * BLOCK, &[]).status, reading);
            rig.faults.push_back(Some(fault));
            assert_eq!(rig.tell(&entry(WRITE, 0, 100), &pattern(100)).status, writing);
            rig.faults.push_back(Some(fault));
            assert_eq!(rig.run(&flush(1), 0, &[]).status, writing);
            rig.faults.clear();
        }
    });
}
