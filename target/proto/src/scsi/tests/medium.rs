//! Commands that look at the medium: VERIFY, WRITE AND VERIFY, PRE-FETCH; and memory that runs out.

use super::*;

fn miscompare(outcome: &Outcome) -> u32 {
    assert_eq!(outcome.sense(), (0xe, 0x1d00));
    assert_eq!(outcome.reply.sense[0], 0xf0);
    u32::from_be_bytes(outcome.reply.sense[3..7].try_into().unwrap())
}

#[test]
fn verify() {
    both(|rig| {
        let mut data = pattern(80);
        rig.tell(&cdb10(0x2a, 0, 0, 80), &data).good();
        let outcome = rig.ask(&cdb10(0x2f, 0, 0, 80));
        assert_eq!(outcome.reply.moved, 0);
        outcome.good();
        rig.tell(&cdb10(0x2f, 0x02, 0, 80), &data).good();
        rig.tell(&cdb12(0xaf, 0x12, 0, 80), &data).good();
        data[40_001] ^= 1;
        assert_eq!(miscompare(&rig.tell(&cdb16(0x8f, 0x02, 0, 80), &data)), 40_001);
        rig.ask(&cdb16(0x8f, 0, 0, 80)).good();
        assert_eq!(rig.ask(&cdb10(0x2f, 0x04, 0, 1)).sense(), (5, 0x2400));
        // One block against all.
        rig.tell(&cdb16(0x93, 0, 0, 80), &pattern(1)).good();
        let outcome = rig.tell(&cdb10(0x2f, 0x06, 0, 80), &pattern(1));
        assert_eq!(outcome.reply.moved as usize, BLOCK);
        outcome.good();
        rig.medium[50 * BLOCK + 3] ^= 1;
        assert_eq!(miscompare(&rig.tell(&cdb10(0x2f, 0x06, 0, 80), &pattern(1))) as usize, 50 * BLOCK + 3);
        rig.faults.push_back(Some(Fault::Shrunk { at: 512 }));
        assert_eq!(rig.ask(&cdb10(0x2f, 0, 0, 80)).sense(), (3, 0x1100));
        for check in [0, 2, 6] {
            rig.ask(&cdb10(0x2f, check, 0, 0)).good();
        }
    });
}

#[test]
fn write_and_verify() {
    both(|rig| {
        let data = pattern(80);
        for (check, lba) in [(0, 0), (2, 100)] {
            let outcome = rig.tell(&cdb10(0x2e, check, lba, 80), &data);
            assert_eq!(outcome.reply.moved as usize, data.len());
            outcome.good();
            assert_eq!(rig.medium[lba as usize * BLOCK..][..data.len()], data);
        }
        assert!(rig.transcript.iter().filter(|line| line.contains("write ")).all(|line| line.contains("durable true")));
        for check in [4, 6] {
            assert_eq!(rig.tell(&cdb10(0x2e, check, 0, 1), &data[..BLOCK]).sense(), (5, 0x2400));
        }
        rig.tell(&cdb12(0xae, 2, 0, 0), &[]).good();
        // A medium that keeps something else.
        rig.start(ONE, 1, &cdb10(0x2e, 2, 0, 1), &data[..BLOCK], 0);
        rig.serve(1);
        rig.medium[5] ^= 1;
        rig.pump(1);
        assert_eq!(miscompare(&rig.finish(1)), 5);
        assert_eq!(rig.tell(&cdb10(0x2e, 2, 0, 2), &data[..BLOCK]).reply.moved as usize, 2 * BLOCK);
        assert_eq!(rig.tell(&cdb10(0x2e, 2, 0, 1), &data[..200]).sense(), (5, 0x0e03));
    });
}

#[test]
fn prefetch_promises_nothing() {
    both(|rig| {
        for (flags, group) in [(0, 0), (2, 0), (2, 3)] {
            let mut cdb = cdb10(0x34, flags, 0, 8);
            cdb[6] = group;
            rig.ask(&cdb).good();
        }
        rig.ask(&cdb16(0x90, 0, 0, 0)).good();
        rig.ask(&cdb16(0x91, 2, 0, 0)).good();
    });
}

#[test]
fn memory_may_run_out() {
    both(|rig| {
        rig.tell(&cdb10(0x2a, 0, 0, 64), &pattern(64)).good();
        // The small arena of this test: one READ waits for memory, nothing is lost.
        let hog: Vec<Buf> = std::iter::from_fn(|| rig.arena.alloc(4096)).collect();
        if rig.reborn {
            // A new life would find the memory free again.
            return rig.transcript.truncate(0);
        }
        rig.start(ONE, 1, &cdb10(0x28, 0, 0, 64), &[], 1 << 20);
        assert_eq!(rig.live[&1].waits, "memory");
        rig.start(ONE, 2, &[0x12, 0, 0, 0, 96, 0], &[], 1 << 20);
        assert_eq!(rig.live[&2].waits, "memory");
        drop(hog);
        rig.pump(1);
        rig.pump(2);
        assert_eq!(rig.finish(1).good(), pattern(64));
        assert_eq!(rig.finish(2).good().len(), 96);
        // Whoever holds data-out does not wait.
        let mut hog: Vec<Buf> = std::iter::from_fn(|| rig.arena.alloc(4096)).collect();
        hog.pop();
        rig.start(ONE, 3, &cdb10(0x2f, 2, 0, 1), &pattern(1), 0);
        assert_eq!(rig.finish(3).reply.status, Status::Busy);
        drop(hog);
        rig.transcript.truncate(0);
    });
}

#[test]
fn a_task_is_small() {
    assert!(size_of::<Task>() <= 320, "{}", size_of::<Task>());
}
