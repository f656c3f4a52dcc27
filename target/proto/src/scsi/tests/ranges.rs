//! COMPARE AND WRITE against other writes.

use super::*;

fn compare_and_write(lba: u64, blocks: u8) -> [u8; 16] {
    let mut cdb = cdb16(0x89, 0, lba, 0);
    cdb[13] = blocks;
    cdb
}

#[test]
fn compare_and_write_alone() {
    both(|rig| {
        let old = pattern(4);
        let new = vec![5; 4 * BLOCK];
        rig.tell(&cdb10(0x2a, 0, 9, 4), &old).good();
        let both = [old.clone(), new.clone()].concat();
        let outcome = rig.tell(&compare_and_write(9, 4), &both);
        assert_eq!(outcome.reply.moved as usize, 8 * BLOCK);
        outcome.good();
        assert_eq!(rig.medium[9 * BLOCK..13 * BLOCK], new);
        let outcome = rig.tell(&compare_and_write(9, 4), &both);
        assert_eq!(outcome.sense(), (0xe, 0x1d00));
        // The offset of the first byte that differs.
        let at = old.iter().position(|&b| b != 5).unwrap() as u32;
        assert_eq!(outcome.reply.sense[3..7], at.to_be_bytes());
        assert_eq!(rig.medium[9 * BLOCK..13 * BLOCK], new);
        rig.tell(&compare_and_write(9, 0), &[]).good();
        assert_eq!(rig.tell(&compare_and_write(9, 0), &both).sense(), (5, 0x2400));
        assert_eq!(rig.tell(&compare_and_write(BLOCKS, 1), &both[..2 * BLOCK]).sense(), (5, 0x2100));
        assert_eq!(rig.tell(&compare_and_write(9, 1), &both).sense(), (5, 0x0e03));
        let far = Geometry { blocks: BLOCKS, block_bytes: 4096, physical_bytes: 4096 };
        rig.unit().resized(far);
        rig.ask(&[0; 6]).sense();
        assert_eq!(rig.tell(&compare_and_write(0, 33), &[0; 33 * 8192]).sense(), (5, 0x2400));
    });
}

#[test]
fn nothing_comes_in_between() {
    both(|rig| {
        let block = vec![1; BLOCK];
        let swap = [vec![0; BLOCK], vec![2; BLOCK]].concat();
        // A write is at the store: the claim waits for it.
        rig.start(ONE, 1, &cdb10(0x2a, 0, 5, 1), &block, 0);
        rig.start(TWO, 2, &compare_and_write(5, 1), &swap, 0);
        assert_eq!(rig.live[&2].waits, "range");
        // Behind the claim another write waits, one elsewhere does not.
        rig.start(ONE, 3, &cdb10(0x2a, 0, 4, 3), &pattern(3), 0);
        assert_eq!(rig.live[&3].waits, "range");
        rig.start(ONE, 4, &cdb10(0x2a, 0, 6, 1), &block, 0);
        assert_eq!(rig.live[&4].waits, "input");
        rig.finish(4).good();
        // Whoever waits is woken by whatever ends, asks again, and waits on.
        assert_eq!(std::mem::take(&mut rig.unit().disk.wake), [ONE, TWO]);
        rig.pump(2);
        rig.pump(3);
        assert_eq!([2, 3].map(|tag| rig.live[&tag].waits), ["range", "range"]);
        rig.finish(1).good();
        assert_eq!(rig.unit().disk.wake, [ONE, TWO]);
        rig.unit().disk.wake.clear();
        rig.pump(3);
        assert_eq!(rig.live[&3].waits, "range");
        rig.pump(2);
        rig.serve(2);
        rig.pump(2);
        assert_eq!(rig.finish(2).sense(), (0xe, 0x1d00), "it sees the write that came first");
        assert_eq!(rig.unit().disk.wake, [ONE]);
        rig.pump(3);
        rig.finish(3).good();
        rig.unit().disk.wake.clear();
    });
}

#[test]
fn claims_are_served_in_order_and_left_by_the_lost() {
    both(|rig| {
        let swap = |from: u8, to: u8| [vec![from; BLOCK], vec![to; BLOCK]].concat();
        rig.start(ONE, 1, &compare_and_write(5, 1), &swap(0, 1), 0);
        rig.start(TWO, 2, &compare_and_write(5, 1), &swap(1, 2), 0);
        rig.start(ONE, 3, &compare_and_write(5, 1), &swap(2, 3), 0);
        rig.start(ONE, 4, &cdb16(0x93, 0, 0, 10), &[7; BLOCK], 0);
        assert_eq!([1, 2, 3, 4].map(|tag| rig.live[&tag].waits), ["input", "range", "range", "range"]);
        rig.finish(1).good();
        rig.pump(3);
        assert_eq!(rig.live[&3].waits, "range");
        // Aborted while it waits, a task leaves the queue.
        rig.live.get_mut(&2).unwrap().task.abort();
        rig.pump(2);
        assert_eq!(rig.finish(2).reply.status, Status::TaskAborted);
        rig.pump(3);
        assert_eq!(rig.finish(3).sense().0, 0xe);
        rig.pump(4);
        rig.finish(4).good();
        rig.unit().disk.wake.clear();
        // A nexus that is gone holds nothing.
        rig.start(ONE, 1, &compare_and_write(5, 1), &swap(7, 1), 0);
        rig.start(TWO, 2, &compare_and_write(5, 1), &swap(7, 2), 0);
        rig.live.get_mut(&1).unwrap().task.abort();
        rig.serve(1);
        rig.unit().detach(ONE);
        assert_eq!(rig.unit().disk.wake, [TWO]);
        rig.pump(1);
        rig.pump(2);
        rig.finish(2).good();
        rig.finish(1);
        rig.unit().disk.wake.clear();
        let port = rig.port.clone();
        rig.unit().attach(ONE, &port);
    });
}
