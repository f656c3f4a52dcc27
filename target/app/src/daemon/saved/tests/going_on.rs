//! Snapshots of a world that goes on.

use super::rig::{Rig, cdb10, command, wire};
use super::whole::{busy, restored};
use crate::daemon::saved::{Forms, digest, rehearsal};
use crate::daemon::swap::live_snapshot;
use crate::daemon::world::Hold;
use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Buffers go from one connection to the next while the snapshot is taken; each is saved as it was at the beginning.
#[test]
fn a_live_snapshot_is_of_one_instant() {
    let mut rig = busy();
    rig.world.release_held();
    rig.world.live_begin(&Forms::own()).unwrap();
    let instant = rig.world.live_finish().unwrap().unwrap();
    rig.world.live_begin(&Forms::own()).unwrap();
    assert!(!rig.world.live_step(Duration::ZERO).unwrap(), "there is more than one to save");
    let ids: Vec<_> = rig.world.connections.keys().copied().rev().collect();
    for (turn, id) in ids.into_iter().enumerate() {
        rig.world.taken(id);
        rig.world.hear(id, &wire(&command(turn as u32 + 1, &cdb10(0x28, 0, 16), 8192, 0), &[]));
    }
    let newcomer = rig.log_in(99);
    let gone = *rig.world.connections.keys().next().unwrap();
    rig.world.call(gone, |pump| pump.disconnected());
    rig.world.settle();
    while !rig.world.live_step(Duration::ZERO).unwrap() {}
    let live = rig.world.live_finish().unwrap().unwrap();
    assert_eq!(digest(&live), digest(&instant));
    let world = restored(&live);
    assert!(world.knows(gone) && !world.knows(newcomer) && rig.world.knows(newcomer));
    assert_eq!(rehearsal::of(&live.encode()).unwrap().digest, digest(&live));
    assert!(rig.world.live_finish().unwrap().is_none());
}

/// Whoever waits for another session to end is admitted when that has ended, whatever else goes on.
#[test]
fn who_is_admitted_meanwhile_has_no_session_yet() {
    let mut rig = busy();
    let (waiting, _, old) = rig.world.sessions.waiting[0].clone();
    rig.world.live_begin(&Forms::own()).unwrap();
    rig.world.release_held();
    let mut answers = Vec::new();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while rig.world.knows(old) {
        rig.world.take_completions(&mut answers);
        assert!(std::time::Instant::now() < until, "its requests have not come back");
        std::thread::yield_now();
    }
    assert!(rig.world.sessions.entry(waiting).is_some());
    let live = rig.world.live_finish().unwrap().unwrap();
    let world = restored(&live);
    assert!(world.sessions.entry(waiting).is_none() && world.sessions.entry(old).is_some());
    assert_eq!(rehearsal::of(&live.encode()).unwrap().digest, digest(&live));
}

#[test]
fn two_snapshots_at_a_time_are_both_whole() {
    let mut rig = busy();
    rig.world.live_begin(&Forms::own()).unwrap();
    let Rig { world, _dir } = rig;
    let shared = Rc::new(RefCell::new(world));
    let first = async {
        while !shared.borrow_mut().live_step(Duration::ZERO).unwrap() {
            tokio::task::yield_now().await;
        }
        shared.borrow_mut().live_finish().unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let forms = Forms::own();
    let (second, first) = runtime.block_on(async { tokio::join!(live_snapshot(&shared, &forms), first) });
    assert_eq!(digest(&second.unwrap()), digest(&first.unwrap()));
}

/// In the pause nothing is saved again that has been saved before, as long as it is the same.
#[test]
fn what_was_kept_is_what_would_be_saved() {
    let mut rig = busy();
    for n in 100..104 {
        rig.log_in(n);
    }
    let forms = Forms::own();
    rig.world.live_begin(&forms).unwrap();
    rig.world.live_step(Duration::ZERO).unwrap();
    let early = *rig.world.connections.keys().next().unwrap();
    rig.world.call(early, |pump| pump.tick());
    rig.world.live_finish().unwrap();
    let kept = |rig: &Rig, id| rig.world.kept.as_ref().is_some_and(|kept| kept.has(id));
    let ids: Vec<_> = rig.world.connections.keys().copied().collect();
    for id in &ids {
        assert_eq!(kept(&rig, *id), *id != early, "{id:?}");
    }
    let saved = |rig: &Rig| digest(&rig.world.save(&forms).unwrap());
    let last = *ids.last().unwrap();
    rig.world.hear(last, &wire(&command(1, &cdb10(0x28, 0, 16), 8192, 0), &[]));
    assert!(!kept(&rig, last) && kept(&rig, ids[1]));
    let with = saved(&rig);
    rig.world.live_drop();
    assert_eq!(saved(&rig), with);
}

/// The time to log in is over within a pause; what was said in it may still lie in the socket.
#[test]
fn nobody_is_late_within_a_pause_nor_right_after_it() {
    let mut rig = Rig::new();
    let late = rig.connect_at(Instant(1));
    let logs_in = |rig: &Rig, id: NexusId| rig.world.connections.get(&id).is_some_and(|c| !c.machine.is_closed());
    rig.world.hold = Hold::All;
    rig.world.tick();
    assert!(logs_in(&rig, late));
    let mut next = restored(&rig.world.save(&Forms::own()).unwrap());
    for world in [&mut rig.world, &mut next] {
        world.release_held();
        assert!(world.tick().is_some_and(|wait| wait <= Duration::from_secs(1)), "it is looked at again");
        assert!(world.knows(late));
        std::thread::sleep(Duration::from_millis(1100));
        world.tick();
        assert!(!world.knows(late));
    }
}
