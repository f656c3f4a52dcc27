//! How large a snapshot is, and for how long saving and restoring keep up the pause of a swap: to be read with
//! `cargo test --release -p mainstay --lib saved::tests::speed -- --nocapture --test-threads 1`.

use super::rig::{Rig, cdb10};
use crate::daemon::descriptors::Room;
use crate::daemon::saved::Forms;
use crate::daemon::saved::handed::{Handed, Role};
use crate::daemon::sessions::Sessions;
use crate::daemon::world::World;
use mainstay_base::snapshot::Snapshot;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

/// As many sessions as there can be with twice as many descriptors; without optimisation a few are enough.
const MANY: u32 = if cfg!(debug_assertions) { 100 } else { 9_900 };

/// Duplicates of what another world has.
struct Copies(BTreeMap<(u32, u64), OwnedFd>);

impl Handed for Copies {
    fn take(&mut self, role: &Role) -> io::Result<OwnedFd> {
        self.0.remove(&role.code()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn copies(world: &World) -> Copies {
    let copy = |(role, fd): (Role, BorrowedFd<'_>)| (role.code(), fd.try_clone_to_owned().unwrap());
    Copies(world.carried().into_iter().map(copy).collect())
}

/// Time of this thread: others may be busy too.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Gives the bytes of a snapshot.
fn measure(rig: &Rig, what: &str) -> usize {
    let (forms, mut size) = (Forms::own(), 0);
    for round in 0..4 {
        let mut from = copies(&rig.world);
        let start = spent();
        let snapshot = rig.world.save(&forms).unwrap();
        let saved = spent() - start;
        let start = spent();
        let bytes = snapshot.encode();
        let encoded = spent() - start;
        let start = spent();
        let snapshot = Snapshot::decode(&bytes).unwrap();
        let decoded = spent() - start;
        let start = spent();
        let world = World::restore(&snapshot, &mut from).unwrap();
        let restored = spent() - start;
        assert_eq!(world.connections.len(), rig.world.connections.len());
        size = bytes.len();
        if round > 0 {
            println!(
                "{what}: {} bytes; save {saved:?}, encode {encoded:?}; decode {decoded:?}, restore {restored:?}",
                bytes.len()
            );
        }
    }
    size
}

#[test]
fn many_idle_sessions() {
    let mut rig = Rig::new();
    rig.world.sessions = Sessions::new(Room { sessions: MANY as usize, queues: 0 });
    for n in 0..MANY {
        rig.log_in(n);
    }
    let size = measure(&rig, &format!("{MANY} idle"));
    assert!(size < 8192 + MANY as usize * 512, "{size} bytes: an idle session has become dear");
}

#[test]
fn sixty_four_busy_sessions() {
    let mut rig = Rig::new();
    for n in 0..64 {
        let id = rig.log_in(n);
        for command in 1..=8 {
            rig.command(id, command, &cdb10(0x2a, command * 512, 256), 0, 131_072, &[1; 4096]);
        }
        rig.command(id, 9, &cdb10(0x28, 0, 128), 65_536, 0, &[]);
    }
    // What is not in the page cache is read by a thread.
    let mut answers = Vec::new();
    while rig.world.in_flight() > 0 {
        rig.world.take_completions(&mut answers);
        std::thread::yield_now();
    }
    let size = measure(&rig, "64 busy");
    assert!(size < 64 * 4096, "{size} bytes: payload is not to be in it");
}
