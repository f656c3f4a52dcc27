//! Compare and Write, alone and against other writes of the disk.

use super::*;

const MISCOMPARE: (Status, Status) = (Status::COMPARE_FAILURE, Status::ABORTED_FAILED_FUSED);
const OK: (Status, Status) = (Status::SUCCESS, Status::SUCCESS);

#[test]
fn compare_and_write_alone() {
    both(|rig| {
        let (old, new) = (pattern(4), vec![5; 4 * BLOCK]);
        rig.tell(&entry(WRITE, 9, 4), &old).good();
        let pair = pair_entries(9, 4);
        assert_eq!(rig.swap(&pair, &old, &new), OK);
        assert_eq!(rig.medium(9, 4), new);
        assert_eq!(rig.swap(&pair, &old, &pattern(4)), MISCOMPARE);
        assert_eq!(rig.medium(9, 4), new);
        let durable = |rig: &Rig| rig.transcript.iter().rfind(|line| line.contains("write ")).unwrap().contains("true");
        assert!(!durable(rig));
        assert_eq!(rig.swap(&[pair[0], with(pair[1], 12, FUA)], &new, &old), OK);
        assert!(durable(rig));
        // The store fails the one or the other.
        rig.faults.push_back(Some(Fault::MediumRead { at: 0 }));
        let failed = (Status::UNRECOVERED_READ_ERROR, Status::ABORTED_FAILED_FUSED);
        assert_eq!(rig.swap(&pair, &old, &new), failed);
        rig.faults.extend([None, Some(Fault::NoSpace)]);
        assert_eq!(rig.swap(&pair, &old, &new), (Status::SUCCESS, Status::CAPACITY_EXCEEDED));
    });
}

#[test]
fn entries_that_are_no_pair() {
    both(|rig| {
        let [first, last] = pair_entries(9, 1);
        let block = [0; BLOCK];
        let other = |mut entry: Entry, n: usize, bits: u32| {
            entry.set_dword(n, entry.dword(n) ^ bits);
            entry
        };
        let invalid = (Status::INVALID_FIELD, Status::INVALID_FIELD);
        for (n, bits) in [(0, 0x02), (0, 0x100), (1, 2), (10, 1), (11, 1), (12, 1)] {
            assert_eq!(rig.swap(&[other(first, n, bits), last], &block, &block), invalid, "{n} {bits:#x}");
            assert_eq!(rig.swap(&[first, other(last, n, bits)], &block, &block), invalid, "{n} {bits:#x}");
        }
        let (bad, failed) = (Status::INVALID_PROTECTION_INFO, Status::ABORTED_FAILED_FUSED);
        assert_eq!(rig.swap(&[with(first, 12, 1 << 29), last], &block, &block), (bad, failed));
        assert_eq!(rig.swap(&[first, with(last, 12, 1 << 29)], &block, &block), (failed, bad));
        let length = (Status::SGL_LENGTH_INVALID, Status::SGL_LENGTH_INVALID);
        assert_eq!(rig.swap(&[first, last], &block, &[0; 2 * BLOCK]), length);
        assert_eq!(rig.swap(&[first, last], &[0; 2 * BLOCK], &[0; 2 * BLOCK]), length);
        let far = (Status::LBA_OUT_OF_RANGE, Status::LBA_OUT_OF_RANGE);
        assert_eq!(rig.swap(&pair_entries(BLOCKS, 1), &block, &block), far);
        let long = vec![0; 65 * BLOCK];
        let exceeded = (Status::ATOMIC_WRITE_UNIT_EXCEEDED, Status::ATOMIC_WRITE_UNIT_EXCEEDED);
        assert_eq!(rig.swap(&pair_entries(0, 65), &long, &long), exceeded);
        assert_eq!(rig.swap(&pair_entries(0, 64), &long[BLOCK..], &long[BLOCK..]), OK);
        rig.view.namespaces[0].access = Access::Inaccessible;
        assert_eq!(rig.swap(&[first, last], &block, &block), (Status::ANA_INACCESSIBLE, Status::ANA_INACCESSIBLE));
        rig.view.namespaces[0].access = Access::Optimized;
        rig.view.namespaces[0].read_only = true;
        let protected = (Status::NAMESPACE_WRITE_PROTECTED, Status::NAMESPACE_WRITE_PROTECTED);
        assert_eq!(rig.swap(&[first, last], &block, &block), protected);
    });
}

#[test]
fn its_data_comes_in_any_order() {
    for turned in [false, true] {
        both(|rig| {
            rig.slow_host = true;
            rig.start_pair(ONE, 1, &pair_entries(0, 2), &[0; 2 * BLOCK], &pattern(2));
            assert_eq!(rig.live[&1].wanted.len(), 2, "both at once");
            rig.give(1, usize::from(turned));
            rig.pump(1);
            assert!(rig.live[&1].at_store.is_empty());
            rig.give(1, 0);
            rig.pump(1);
            assert_eq!(rig.finish(1).good(), []);
            assert_eq!(rig.medium(0, 2), pattern(2));
        });
    }
}

#[test]
fn nothing_comes_in_between() {
    both(|rig| {
        let block = vec![1; BLOCK];
        // A write is at the store: the claim waits for it.
        rig.start(ONE, 1, &entry(WRITE, 5, 1), BLOCK, &block);
        rig.start_pair(TWO, 2, &pair_entries(5, 1), &[0; BLOCK], &[2; BLOCK]);
        assert_eq!(rig.live[&2].waits, "range");
        // Behind the claim others wait, whatever they are; one elsewhere does not.
        rig.start(ONE, 3, &entry(WRITE, 4, 3), 3 * BLOCK, &pattern(3));
        rig.start(ONE, 4, &entry(ZEROES, 5, 2), 0, &[]);
        rig.start(ONE, 5, &entry(UNCORRECTABLE, 0, 6), 0, &[]);
        let (dsm, list) = deallocation(&[(5, 1)]);
        rig.start(ONE, 6, &dsm, list.len(), &list);
        let (copy, list) = copy(5, &[(100, 1)], 0);
        rig.start(ONE, 7, &copy, list.len(), &list);
        rig.serve(7);
        rig.pump(7);
        for tag in 3..=7 {
            assert_eq!(rig.live[&tag].waits, "range", "{tag}");
        }
        rig.start(ONE, 8, &entry(WRITE, 6, 1), BLOCK, &block);
        rig.finish(8).good();
        rig.run(&entry(READ, 5, 1), BLOCK, &[]).good();
        // Whoever waits is woken by whatever ends, asks again, and waits on.
        assert_eq!(std::mem::take(&mut rig.disks[0].wake), [ONE, TWO]);
        rig.pump(2);
        rig.pump(3);
        rig.finish(1).good();
        assert_eq!(std::mem::take(&mut rig.disks[0].wake), [ONE, TWO]);
        rig.pump(2);
        let outcome = rig.finish(2);
        assert_eq!((outcome.first.unwrap(), outcome.status), MISCOMPARE, "it sees the write that came first");
        for tag in 3..=7 {
            rig.pump(tag);
            rig.finish(tag).good();
        }
        rig.disks[0].wake.clear();
    });
}

#[test]
fn an_aborted_claim_is_given_up() {
    both(|rig| {
        rig.start_pair(ONE, 1, &pair_entries(5, 1), &[0; BLOCK], &[1; BLOCK]);
        rig.start_pair(TWO, 2, &pair_entries(5, 1), &[1; BLOCK], &[2; BLOCK]);
        rig.start_pair(ONE, 3, &pair_entries(5, 1), &[0; BLOCK], &[3; BLOCK]);
        for tag in [1, 2] {
            rig.live.get_mut(&tag).unwrap().task.abort(Status::ABORT_REQUESTED);
            rig.pump(tag);
            let outcome = rig.finish(tag);
            assert_eq!((outcome.first, outcome.status), (Some(Status::ABORT_REQUESTED), Status::ABORT_REQUESTED));
        }
        rig.pump(3);
        rig.finish(3).good();
        assert_eq!(rig.medium(5, 1), [3; BLOCK]);
        rig.disks[0].wake.clear();
    });
}
