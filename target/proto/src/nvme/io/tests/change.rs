//! Write Zeroes, Dataset Management, Copy; Compare, Verify, Write Uncorrectable.

use super::*;

#[test]
fn zeroes() {
    both(|rig| {
        rig.tell(&entry(WRITE, 0, 100), &pattern(100)).good();
        rig.run(&entry(ZEROES, 10, 20), 0, &[]).good();
        assert_eq!(rig.medium(10, 20), [0; 20 * BLOCK]);
        assert_eq!((rig.medium(9, 1), rig.medium(30, 1)), (&pattern(10)[9 * BLOCK..], &pattern(31)[30 * BLOCK..]));
        let last = |rig: &Rig| rig.transcript[rig.transcript.len() - 2].clone();
        assert!(last(rig).contains("deallocate: false, durable: false"));
        rig.run(&with(entry(ZEROES, 10, 20), 12, 1 << 25 | FUA), 0, &[]).good();
        assert!(last(rig).contains("deallocate: true, durable: true"));
        assert_eq!(rig.run(&with(entry(ZEROES, 10, 20), 12, 1 << 23), 0, &[]).status, Status::INVALID_FIELD);
        assert_eq!(rig.run(&with(entry(ZEROES, 0, 1), 12, 1 << 29), 0, &[]).status, Status::INVALID_PROTECTION_INFO);
        assert_eq!(rig.run(&entry(ZEROES, 0, 1), BLOCK, &[]).status, Status::SGL_LENGTH_INVALID);
        assert_eq!(rig.run(&entry(ZEROES, BLOCKS, 1), 0, &[]).status, Status::LBA_OUT_OF_RANGE);
        rig.faults.push_back(Some(Fault::NoSpace));
        assert_eq!(rig.run(&entry(ZEROES, 0, 1), 0, &[]).status, Status::CAPACITY_EXCEEDED);
    });
    // In bounded steps, up to the limit.
    both(|rig| {
        rig.media[0].resize(64 << 20, 1);
        rig.marked[0].resize(64 << 11, false);
        rig.disks[0].geometry.blocks = 64 << 11;
        rig.run(&entry(ZEROES, 1, 0x10000), 0, &[]).good();
        assert_eq!(rig.transcript.len(), 5, "four steps of 8 MiB, and the end");
        rig.disks[0].geometry = Geometry { blocks: 1 << 30, block_bytes: 4096, physical_bytes: 4096 };
        for opcode in [ZEROES, VERIFY, UNCORRECTABLE] {
            assert_eq!(rig.run(&entry(opcode, 0, 0x2001), 0, &[]).status, Status::INVALID_FIELD);
        }
    });
}

#[test]
fn deallocate() {
    both(|rig| {
        rig.tell(&entry(WRITE, 0, 100), &pattern(100)).good();
        let (dsm, list) = deallocation(&[(10, 5), (0, 0), (30, 1), (BLOCKS, 0)]);
        rig.tell(&dsm, &list).good();
        for block in 0..100 {
            let gone = (10..15).contains(&block) || block == 30;
            assert_eq!(rig.medium(block, 1) == [0; BLOCK], gone || block == 0 && pattern(1) == [0; BLOCK], "{block}");
        }
        // As the Linux host does: always room for the most ranges.
        let (dsm, mut list) = deallocation(&[(50, 1)]);
        list.resize(4096, 0xff);
        rig.tell(&dsm, &list).good();
        assert_eq!(rig.medium(50, 1), [0; BLOCK]);
        // Nothing is done unless all of it can be.
        let before = rig.media[0].clone();
        for bad in [(BLOCKS, 1), (u64::MAX, 1), (u64::MAX, u32::MAX), (1, u32::MAX), (BLOCKS + 1, 0)] {
            let (dsm, list) = deallocation(&[(60, 1), bad]);
            assert_eq!(rig.tell(&dsm, &list).status, Status::LBA_OUT_OF_RANGE, "{bad:?}");
        }
        assert_eq!(rig.media[0], before);
        let (dsm, list) = deallocation(&[(60, 1); 256]);
        rig.tell(&dsm, &list).good();
        for given in [0, 16, 4095] {
            assert_eq!(rig.run(&dsm, given, &[]).status, Status::SGL_LENGTH_INVALID);
        }
        assert_eq!(rig.run(&dsm, 4097, &[]).status, Status::SGL_LENGTH_INVALID);
        // Other attributes are hints: the data is not even fetched.
        let (mut dsm, list) = deallocation(&[(70, 1), (BLOCKS, 1)]);
        dsm.set_dword(11, 3);
        rig.tell(&dsm, &list).good();
        assert_ne!(rig.medium(70, 1), [0; BLOCK]);
        let (dsm, list) = deallocation(&[(0, 1)]);
        rig.faults.push_back(Some(Fault::Poisoned));
        assert_eq!(rig.tell(&dsm, &list).status, Status::INTERNAL_ERROR.dnr());
    });
    // A store that cannot give space back does nothing, and checks all the same.
    both_on(Behaviour { thin: false, ..behaviour() }, |rig| {
        rig.tell(&entry(WRITE, 0, 1), &[1; BLOCK]).good();
        let (dsm, list) = deallocation(&[(0, 1)]);
        rig.tell(&dsm, &list).good();
        assert_eq!(rig.medium(0, 1), [1; BLOCK]);
        let (dsm, list) = deallocation(&[(BLOCKS, 1)]);
        assert_eq!(rig.tell(&dsm, &list).status, Status::LBA_OUT_OF_RANGE);
    });
}

#[test]
fn copies() {
    for format in [0, 1] {
        both(|rig| {
            rig.tell(&entry(WRITE, 0, 200), &pattern(200)).good();
            let (entry, list) = copy(1000, &[(5, 100), (150, 1), (0, 3)], format);
            let outcome = rig.tell(&entry, &list);
            assert_eq!(outcome.result, 0);
            outcome.good();
            let data = pattern(200);
            let expected =
                [&data[5 * BLOCK..105 * BLOCK], &data[150 * BLOCK..151 * BLOCK], &data[..3 * BLOCK]].concat();
            assert_eq!(rig.medium(1000, 104), expected);
            // A list with something behind it.
            let (entry, mut list) = copy(1000, &[(7, 1)], format);
            list.resize(list.len() + 1, 0);
            rig.tell(&entry, &list).good();
            assert_eq!(rig.medium(1000, 1), &data[7 * BLOCK..8 * BLOCK]);
        });
    }
}

#[test]
fn copies_that_cannot_be() {
    both(|rig| {
        let before = rig.media[0].clone();
        let refused = |rig: &mut Rig, lba, sources: &[(u64, u32)], status, result| {
            let (entry, list) = copy(lba, sources, 0);
            let outcome = rig.tell(&entry, &list);
            assert_eq!((outcome.status, outcome.result), (status, result), "{lba} {sources:?}");
        };
        refused(rig, 1000, &[(0, 1), (BLOCKS, 1)], Status::LBA_OUT_OF_RANGE, 1);
        refused(rig, 1000, &[(u64::MAX, 1)], Status::LBA_OUT_OF_RANGE, 0);
        refused(rig, BLOCKS - 1, &[(0, 2)], Status::LBA_OUT_OF_RANGE, 0);
        refused(rig, u64::MAX, &[(0, 2)], Status::LBA_OUT_OF_RANGE, 0);
        refused(rig, 1000, &[(0, 0x10000)], Status::COMMAND_SIZE_LIMIT_EXCEEDED, 0);
        refused(rig, 1000, &[(0, 1); 103], Status::COMMAND_SIZE_LIMIT_EXCEEDED, 0);
        // Where source and target meet, also only in parts or through another range.
        for source in [(10, 5), (8, 3), (14, 4), (0, 100)] {
            refused(rig, 10, &[(500, 3), source], Status::OVERLAPPING_IO_RANGE, 1);
        }
        let (entry, list) = copy(10, &[(5, 5), (20, 5)], 0);
        rig.tell(&entry, &list).good();
        let (entry, list) = copy(1000, &[(0, 2)], 0);
        for bits in [2 << 8, 3 << 8, 0xf00] {
            assert_eq!(rig.tell(&with(entry, 12, bits), &list).status, Status::INVALID_FIELD);
        }
        for bits in [1 << 12, 1 << 15, 1 << 26, 1 << 29] {
            assert_eq!(rig.tell(&with(entry, 12, bits), &list).status, Status::INVALID_PROTECTION_INFO);
        }
        for given in [0, 31, 102 * 32 + 1] {
            assert_eq!(rig.run(&entry, given, &[]).status, Status::SGL_LENGTH_INVALID);
        }
        assert_eq!(rig.media[0], before);
        // More than MCL.
        rig.disks[0].geometry.blocks = 1 << 40;
        refused(rig, 1 << 30, &[(0, 0xffff), (0x10000, 2)], Status::COMMAND_SIZE_LIMIT_EXCEEDED, 1);
        rig.disks[0].geometry.blocks = BLOCKS;
        // The store fails: dword 0 tells how far it came.
        let (entry, list) = copy(1000, &[(0, 2), (2, 2), (4, 2)], 0);
        rig.faults.extend([None, None, Some(Fault::MediumRead { at: 0 })]);
        let outcome = rig.tell(&entry, &list);
        assert_eq!((outcome.status, outcome.result), (Status::UNRECOVERED_READ_ERROR, 1));
        rig.faults.extend([None, None, None, None, None, Some(Fault::NoSpace)]);
        let outcome = rig.tell(&entry, &list);
        assert_eq!((outcome.status, outcome.result), (Status::CAPACITY_EXCEEDED, 2));
    });
}

#[test]
fn comparing() {
    both(|rig| {
        let mut data = pattern(100);
        rig.tell(&entry(WRITE, 0, 100), &data).good();
        rig.tell(&entry(COMPARE, 0, 100), &data).good();
        let flushes = |rig: &Rig| rig.transcript.iter().filter(|line| line.contains("Flush")).count();
        rig.tell(&with(entry(COMPARE, 0, 100), 12, FUA), &data).good();
        assert_eq!(flushes(rig), 1);
        data[40_001] ^= 1;
        assert_eq!(rig.tell(&entry(COMPARE, 0, 100), &data).status, Status::COMPARE_FAILURE);
        assert_eq!(rig.tell(&entry(COMPARE, 0, 2), &data[..BLOCK]).status, Status::SGL_LENGTH_INVALID);
        assert_eq!(rig.tell(&entry(COMPARE, BLOCKS, 1), &data[..BLOCK]).status, Status::LBA_OUT_OF_RANGE);
        rig.faults.push_back(Some(Fault::Shrunk { at: 0 }));
        assert_eq!(rig.tell(&entry(COMPARE, 0, 1), &data[..BLOCK]).status, Status::UNRECOVERED_READ_ERROR);
        rig.view.namespaces[0].read_only = true;
        rig.tell(&entry(COMPARE, 0, 1), &data[..BLOCK]).good();
    });
}

#[test]
fn declared_unreadable_and_verified() {
    both(|rig| {
        rig.run(&entry(VERIFY, 0, BLOCKS as u32), 0, &[]).good();
        rig.run(&with(entry(VERIFY, 0, 1), 12, FUA), 0, &[]).good();
        rig.run(&entry(UNCORRECTABLE, 100, 8), 0, &[]).good();
        assert_eq!(rig.run(&entry(VERIFY, 0, BLOCKS as u32), 0, &[]).status, Status::UNRECOVERED_READ_ERROR);
        assert_eq!(rig.run(&entry(READ, 107, 1), BLOCK, &[]).status, Status::UNRECOVERED_READ_ERROR);
        assert_eq!(rig.tell(&entry(COMPARE, 107, 1), &[0; BLOCK]).status, Status::UNRECOVERED_READ_ERROR);
        rig.run(&entry(READ, 99, 1), BLOCK, &[]).good();
        rig.tell(&entry(WRITE, 100, 4), &[1; 4 * BLOCK]).good();
        rig.run(&entry(ZEROES, 104, 4), 0, &[]).good();
        rig.run(&entry(VERIFY, 0, BLOCKS as u32), 0, &[]).good();
        rig.faults.push_back(Some(Fault::NoSpace));
        assert_eq!(rig.run(&entry(UNCORRECTABLE, 0, 1), 0, &[]).status, Status::CAPACITY_EXCEEDED);
        for opcode in [VERIFY, UNCORRECTABLE] {
            assert_eq!(rig.run(&entry(opcode, BLOCKS, 1), 0, &[]).status, Status::LBA_OUT_OF_RANGE);
        }
        rig.view.namespaces[0].read_only = true;
        rig.run(&entry(VERIFY, 0, 1), 0, &[]).good();
        assert_eq!(rig.run(&entry(UNCORRECTABLE, 0, 1), 0, &[]).status, Status::NAMESPACE_WRITE_PROTECTED);
    });
}

#[test]
fn memory_may_run_out() {
    let mut rig = Rig::new(behaviour(), false);
    let hog = |rig: &Rig| -> Vec<Buf> { std::iter::from_fn(|| rig.arena.alloc(4096)).collect() };
    // Whoever holds nothing waits.
    let (copy, list) = copy(1000, &[(0, 20)], 0);
    rig.slow_host = true;
    rig.start(ONE, 2, &copy, list.len(), &list);
    rig.give(2, 0);
    let all = hog(&rig);
    rig.start(ONE, 1, &entry(VERIFY, 0, 8), 0, &[]);
    rig.pump(2);
    assert_eq!([1, 2].map(|tag| rig.live[&tag].waits), ["memory"; 2]);
    drop(all);
    for tag in [1, 2] {
        rig.pump(tag);
        rig.finish(tag).good();
    }
    // Whoever holds data of the host does not.
    rig.slow_host = false;
    rig.view.retry_delays = false;
    let mut all = hog(&rig);
    all.pop();
    let interrupted = Status { delay: 0, ..Status::COMMAND_INTERRUPTED };
    assert_eq!(rig.tell(&entry(COMPARE, 0, 1), &[0; BLOCK]).status, interrupted, "delays only for whom they are known");
    rig.view.retry_delays = true;
    all.pop();
    let outcome = rig.swap(&pair_entries(0, 1), &[0; BLOCK], &[0; BLOCK]);
    assert_eq!(outcome, (Status::COMMAND_INTERRUPTED, Status::COMMAND_INTERRUPTED));
    drop(all);
    rig.assert_clean();
}
