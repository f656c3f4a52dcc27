//! SCSI and NVMe on one disk: what is atomic in one dialect is so in the eyes of the other.

use super::*;
use crate::scsi::{self, LogicalUnit, PortInfo};
use mainstay_base::sam::{self, Lun};

struct Both {
    arena: Arena,
    units: Vec<LogicalUnit>,
    view: View,
}

impl Both {
    fn new() -> Both {
        let mut rig = Rig::new(behaviour(), false);
        let disk = rig.disks.remove(0);
        let unit = LogicalUnit::new(disk.id, disk.geometry, disk.identity, disk.behaviour);
        Both { arena: rig.arena, units: vec![unit], view: rig.view }
    }

    fn nvme(&mut self, task: &mut Task) -> Action {
        let (arena, view) = (&self.arena, &self.view);
        let disks = &mut self.units;
        task.poll(&mut Cx { now: Instant(0), arena, nexus: TWO, disks, view, chunk_max: 1 << 16 })
    }

    fn scsi(&mut self, task: &mut scsi::Task) -> scsi::Action {
        task.poll(&mut scsi::Cx {
            now: Instant(0),
            arena: &self.arena,
            nexus: ONE,
            lun: Lun::default(),
            unit: self.units.first_mut(),
            read_only: false,
            luns: &[],
            port: &PortInfo::default(),
            chunk_max: 1 << 16,
        })
    }

    /// COMPARE AND WRITE of block 5, its data collected.
    fn compare_and_write(&mut self) -> scsi::Task {
        let cdb = [0x89, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0];
        let mut task = scsi::Task::new(TaskKey { nexus: ONE, tag: 1 }, &cdb, 0, 2 * BLOCK as u32);
        let scsi::Action::Collect { offset, len } = self.scsi(&mut task) else { panic!() };
        task.collected(offset, self.arena.alloc_zeroed(len as usize).unwrap());
        task
    }

    /// Compare and Write of block 5, its data collected.
    fn pair(&mut self) -> Task {
        let [first, last] = pair_entries(5, 1);
        let mut task = Task::fused(TaskKey { nexus: TWO, tag: 1 }, &first, BLOCK as u32, &last, BLOCK as u32);
        for _ in 0..2 {
            let Action::Collect { leg, offset, len } = self.nvme(&mut task) else { panic!() };
            task.collected(leg, offset, self.arena.alloc_zeroed(len as usize).unwrap());
        }
        task
    }

    fn serve_scsi(&mut self, task: &mut scsi::Task, action: scsi::Action) -> scsi::Action {
        let scsi::Action::Submit { slot, mut op } = action else { panic!("{action:?}") };
        if let Op::Read { into, .. } = &mut op {
            into.fill(0);
        }
        task.stored(slot, op, Ok(Done::Ok));
        self.scsi(task)
    }

    fn serve_nvme(&mut self, task: &mut Task, action: Action) -> Action {
        let Action::Submit { slot, mut op, .. } = action else { panic!("{action:?}") };
        if let Op::Read { into, .. } = &mut op {
            into.fill(0);
        }
        task.stored(slot, op, Ok(Done::Ok));
        self.nvme(task)
    }

    fn woken(&mut self) -> Vec<NexusId> {
        std::mem::take(&mut self.units[0].disk.wake)
    }
}

fn good(action: &scsi::Action) -> bool {
    matches!(action, scsi::Action::Done(reply) if reply.status == sam::Status::Good)
}

#[test]
fn a_claim_of_scsi_keeps_nvme_out_and_the_other_way_round() {
    let mut both = Both::new();
    let mut holder = both.compare_and_write();
    let reading = both.scsi(&mut holder);
    let mut waiter = both.pair();
    assert!(matches!(both.nvme(&mut waiter), Action::WaitRange));
    let writing = both.serve_scsi(&mut holder, reading);
    assert!(matches!(both.nvme(&mut waiter), Action::WaitRange));
    assert!(good(&both.serve_scsi(&mut holder, writing)));
    assert_eq!(both.woken(), [TWO]);
    // Now NVMe has it.
    let reading = both.nvme(&mut waiter);
    let mut late = both.compare_and_write();
    assert!(matches!(both.scsi(&mut late), scsi::Action::WaitRange));
    let writing = both.serve_nvme(&mut waiter, reading);
    let done = both.serve_nvme(&mut waiter, writing);
    assert!(matches!(done, Action::Done { first: Some(Reply::OK), last: Reply::OK }), "{done:?}");
    assert_eq!(both.woken(), [ONE]);
    let reading = both.scsi(&mut late);
    let writing = both.serve_scsi(&mut late, reading);
    assert!(good(&both.serve_scsi(&mut late, writing)));
}

#[test]
fn a_plain_write_of_either_waits_for_a_claim_of_the_other() {
    let mut both = Both::new();
    let mut holder = both.compare_and_write();
    let reading = both.scsi(&mut holder);
    let mut write = Task::new(TaskKey { nexus: TWO, tag: 2 }, &entry(ZEROES, 0, 8), 0);
    assert!(matches!(both.nvme(&mut write), Action::WaitRange));
    holder.abort();
    let end = both.serve_scsi(&mut holder, reading);
    assert!(matches!(end, scsi::Action::Done(_)));
    let zeroing = both.nvme(&mut write);
    // At the store, it keeps a claim out.
    let mut claim = both.compare_and_write();
    assert!(matches!(both.scsi(&mut claim), scsi::Action::WaitRange));
    assert!(matches!(both.serve_nvme(&mut write, zeroing), Action::Done { last: Reply::OK, .. }));
    assert_eq!(both.woken(), [TWO, ONE]);
    claim.abort();
    assert!(matches!(both.scsi(&mut claim), scsi::Action::Done(_)));
    // And a claim of NVMe a write of SCSI.
    let mut holder = both.pair();
    let reading = both.nvme(&mut holder);
    let cdb = [0x93, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0];
    let mut same = scsi::Task::new(TaskKey { nexus: ONE, tag: 2 }, &cdb, 0, 0);
    assert!(matches!(both.scsi(&mut same), scsi::Action::WaitRange));
    let writing = both.serve_nvme(&mut holder, reading);
    assert!(matches!(both.serve_nvme(&mut holder, writing), Action::Done { .. }));
    let zeroing = both.scsi(&mut same);
    assert!(good(&both.serve_scsi(&mut same, zeroing)));
}
