//! Read, Write, Flush.

use super::*;

#[test]
fn what_is_written_is_read() {
    both(|rig| {
        let data = pattern(100);
        rig.tell(&entry(WRITE, 7, 100), &data).good();
        assert_eq!(rig.run(&entry(READ, 7, 100), data.len(), &[]).good(), data);
        rig.tell(&entry(WRITE, BLOCKS - 1, 1), &data[..BLOCK]).good();
        assert_eq!(rig.run(&entry(READ, BLOCKS - 1, 1), BLOCK, &[]).good(), data[..BLOCK]);
        // All there is, in chunks.
        rig.chunk = 256 << 10;
        let all = rig.run(&entry(READ, 0, BLOCKS as u32), BLOCKS as usize * BLOCK, &[]).good();
        assert_eq!(all, rig.media[0]);
        // Hints mean nothing: LR, DSM, directives.
        let hints = with(with(entry(WRITE, 3, 1), 12, 1 << 31 | 1 << 20), 13, 0xffff_00ff);
        rig.tell(&hints, &data[..BLOCK]).good();
    });
}

#[test]
fn chunks_overlap() {
    both(|rig| {
        rig.start(ONE, 1, &entry(READ, 0, 100), 100 * BLOCK, &[]);
        assert_eq!((rig.live[&1].at_store.len(), rig.live[&1].waits), (2, "input"));
        // The second comes first, and waits for its turn.
        let answers = &mut rig.live.get_mut(&1).unwrap().at_store;
        answers.swap(0, 1);
        rig.serve(1);
        rig.pump(1);
        assert!(rig.live[&1].data_in.is_empty());
        assert_eq!(rig.finish(1).good().len(), 100 * BLOCK);
        rig.start(ONE, 1, &entry(WRITE, 0, 100), 100 * BLOCK, &pattern(100));
        assert_eq!(rig.live[&1].at_store.len(), 2);
        rig.finish(1).good();
        assert_eq!(rig.medium(0, 100), pattern(100));
    });
}

#[test]
fn durable_is_what_fua_and_the_cache_say() {
    let durable =
        |rig: &Rig| rig.transcript.iter().rfind(|line| line.contains("write ")).unwrap().contains("durable true");
    let flushes = |rig: &Rig| rig.transcript.iter().filter(|line| line.contains("Flush")).count();
    both(|rig| {
        rig.tell(&entry(WRITE, 0, 1), &[1; BLOCK]).good();
        assert!(!durable(rig));
        rig.tell(&with(entry(WRITE, 0, 1), 12, FUA), &[1; BLOCK]).good();
        assert!(durable(rig));
        assert_eq!(flushes(rig), 0);
        rig.run(&with(entry(READ, 0, 1), 12, FUA), BLOCK, &[]).good();
        assert_eq!(flushes(rig), 1);
        rig.disks[0].write_cache = false;
        rig.tell(&entry(WRITE, 0, 1), &[1; BLOCK]).good();
        assert!(durable(rig));
        rig.run(&with(entry(READ, 0, 1), 12, FUA), BLOCK, &[]).good();
        assert_eq!(flushes(rig), 1);
    });
}

#[test]
fn a_flush_is_of_one_or_of_all() {
    both(|rig| {
        rig.run(&flush(7), 0, &[]).good();
        assert_eq!(std::mem::take(&mut rig.transcript)[0], "1000: Flush of 1");
        rig.run(&flush(u32::MAX), 0, &[]).good();
        assert_eq!(std::mem::take(&mut rig.transcript)[..2], ["1000: Flush of 0", "1000: Flush of 1"]);
        // One that fails is told, and one that cannot be reached is not passed over.
        rig.faults.extend([None, Some(Fault::MediumWrite { at: 0 })]);
        assert_eq!(rig.run(&flush(u32::MAX), 0, &[]).status, Status::WRITE_FAULT);
        rig.view.namespaces[1].access = Access::Inaccessible;
        assert_eq!(rig.run(&flush(u32::MAX), 0, &[]).status, Status::ANA_INACCESSIBLE);
        rig.view.namespaces.clear();
        rig.run(&flush(u32::MAX), 0, &[]).good();
        assert_eq!(rig.run(&flush(1), 0, &[]).status, Status::INVALID_NAMESPACE);
    });
    both_on(Behaviour { read_only: true, ..behaviour() }, |rig| {
        rig.run(&flush(u32::MAX), 0, &[]).good();
        rig.run(&flush(1), 0, &[]).good();
        rig.run(&with(entry(READ, 0, 1), 12, FUA), BLOCK, &[]).good();
        assert!(!rig.transcript.iter().any(|line| line.contains("Flush")));
    });
}

#[test]
fn an_aborted_command_comes_back_from_the_store_first() {
    both(|rig| {
        rig.start(ONE, 1, &entry(WRITE, 0, 100), 100 * BLOCK, &pattern(100));
        let task = &mut rig.live.get_mut(&1).unwrap().task;
        task.abort(Status::ABORT_REQUESTED);
        assert!(!task.is_dry());
        rig.pump(1);
        assert_eq!(rig.live[&1].waits, "input");
        assert_eq!(rig.finish(1).status, Status::ABORT_REQUESTED);
    });
}

#[test]
fn a_read_waits_for_memory() {
    let mut rig = Rig::new(behaviour(), false);
    let hog: Vec<Buf> = std::iter::from_fn(|| rig.arena.alloc(4096)).collect();
    rig.start(ONE, 1, &entry(READ, 0, 64), 64 * BLOCK, &[]);
    assert_eq!(rig.live[&1].waits, "memory");
    drop(hog);
    rig.pump(1);
    rig.finish(1).good();
    rig.assert_clean();
}

#[test]
fn a_task_is_small() {
    assert!(size_of::<Task>() <= 320, "{}", size_of::<Task>());
}
