//! How long the pause of a swap is kept up by saving and restoring. By hand:
//! `cargo test --release -p mainstay --lib saved::tests::speed -- --ignored --nocapture`.

use super::rig::{Rig, cdb10};
use crate::daemon::saved::Forms;
use crate::daemon::saved::handed::{Handed, Role};
use crate::daemon::world::World;
use mainstay_base::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

/// Duplicates of what another world has.
struct Copies(BTreeMap<(&'static str, u64), OwnedFd>);

impl Handed for Copies {
    fn take(&mut self, role: &Role) -> io::Result<OwnedFd> {
        self.0.remove(&role.name()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn copies(world: &World) -> Copies {
    let copy = |(role, fd): (Role, BorrowedFd<'_>)| (role.name(), fd.try_clone_to_owned().unwrap());
    Copies(world.carried().into_iter().map(copy).collect())
}

fn measure(rig: &Rig, what: &str) {
    let forms = Forms::own();
    for round in 0..4 {
        let mut from = copies(&rig.world);
        let start = Instant::now();
        let snapshot = rig.world.save(&forms).unwrap();
        let saved = start.elapsed();
        let start = Instant::now();
        let bytes = snapshot.encode();
        let encoded = start.elapsed();
        let start = Instant::now();
        let snapshot = Snapshot::decode(&bytes).unwrap();
        let decoded = start.elapsed();
        let start = Instant::now();
        let world = World::restore(&snapshot, &mut from).unwrap();
        let restored = start.elapsed();
        assert_eq!(world.connections.len(), rig.world.connections.len());
        if round > 0 {
            println!(
                "{what}: {} bytes; save {saved:?}, encode {encoded:?}; decode {decoded:?}, restore {restored:?}",
                bytes.len()
            );
        }
    }
}

#[test]
#[ignore = "it measures"]
fn many_idle_sessions() {
    let mut rig = Rig::new();
    rig.world.limits.sessions_max = 10_000;
    rig.world.sessions = crate::daemon::sessions::Sessions::new(10_000);
    // Twice as many descriptors are often the most there can be.
    for n in 0..9_900 {
        rig.log_in(n);
    }
    measure(&rig, "9 900 idle");
}

#[test]
#[ignore = "it measures"]
fn sixty_four_busy_sessions() {
    let mut rig = Rig::new();
    for n in 0..64 {
        let id = rig.log_in(n);
        for command in 1..=8 {
            rig.command(id, command, &cdb10(0x2a, command * 512, 256), 0, 131_072, &[1; 4096]);
        }
        rig.command(id, 9, &cdb10(0x28, 0, 128), 65_536, 0, &[]);
    }
    measure(&rig, "64 busy");
}
