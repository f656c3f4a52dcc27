//! Snapshots of a world that goes on.

use super::rig::{cdb10, command, wire};
use super::whole::{busy, restored};
use crate::daemon::saved::{Forms, digest, rehearsal};
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
    rig.world.call(gone, |nexus, cx| nexus.disconnected(cx));
    rig.world.settle();
    while !rig.world.live_step(Duration::ZERO).unwrap() {}
    let live = rig.world.live_finish().unwrap().unwrap();
    assert_eq!(digest(&live), digest(&instant));
    let world = restored(&live);
    assert!(world.knows(gone) && !world.knows(newcomer) && rig.world.knows(newcomer));
    assert_eq!(rehearsal::of(&live.encode()).unwrap().digest, digest(&live));
    assert!(rig.world.live_finish().unwrap().is_none());
}
