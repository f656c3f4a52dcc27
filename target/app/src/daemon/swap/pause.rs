//! The pause, in the program that leaves: everything is dry; join, save, exec. The runtime stays as it is: it has no
//! thread of its own, no state is in its tasks, and if the exec fails everything goes on at once.

use super::super::fault;
use super::super::reactor;
use super::super::world::World;
use super::rehearsal::sealed;
use super::{Ended, Prepared, Surroundings};
use crate::control::words::Carried;
use mainstay_edge::clock;
use mainstay_edge::swap::{self, Departure, DepartureFailed};
use std::convert::Infallible;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long the next program gets to take over, before the old one comes back.
const GUARD: Duration = Duration::from_secs(2);

/// Leave this process to the next program. Comes back only when that was not possible; then nothing has changed.
pub(super) fn leave(world: &mut World, prepared: &Prepared) -> Ended {
    match try_leave(world, prepared) {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

fn try_leave(world: &mut World, prepared: &Prepared) -> Result<Infallible, Ended> {
    let left = prepared.deadline.since(clock::now());
    world.pool.shutdown(left).map_err(|busy| Ended::rolled_back("quiesce", busy))?;
    world.moments.dry = clock::now().0;
    let carried = world.burden();
    world.swap_report().carried = Some(carried);
    // Not dropped in the pause: that takes the longer the more there is, and an exec is rid of it at once.
    let snapshot = world.save(&prepared.forms).map_err(|error| Ended::rolled_back("save", error))?;
    let sealed = sealed(&snapshot).map_err(|why| Ended::rolled_back("save", why))?;
    world.moments.saved = clock::now().0;
    fault::at("exec").map_err(|why| Ended::rolled_back("exec", why))?;
    let stops = |around: &Surroundings| around.stop.load(Ordering::SeqCst);
    let told_to_stop = || reactor::is_broken() || world.surroundings.as_ref().is_some_and(stops);
    let descriptors: Vec<_> = world.carried().into_iter().map(|(_, descriptor)| descriptor).collect();
    let failed = swap::depart(Departure {
        image: &prepared.image,
        old: &prepared.old,
        snapshot: sealed.as_fd(),
        carried: &descriptors,
        guard: GUARD,
        moments: world.moments,
        still: &|| !told_to_stop(),
    });
    Err(match failed {
        DepartureFailed::CalledOff => Ended::rolled_back("exec", "the daemon is told to stop"),
        failed => Ended::rolled_back("exec", failed),
    })
}

impl World {
    /// How much the next program is handed.
    pub(super) fn burden(&self) -> Carried {
        let (_, _, payload) = self.arena.usage();
        let commands = self.connections.values().map(|connection| connection.machine.commands().1 as u64).sum();
        Carried {
            sessions: self.connections.values().filter(|connection| connection.told).count() as u64,
            connections: self.connections.len() as u64,
            commands,
            control_connections: self.controls.len() as u64,
            volumes: self.volumes.len() as u64,
            snapshot_bytes: 0,
            payload_bytes: payload as u64,
        }
    }
}
