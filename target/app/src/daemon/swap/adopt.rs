//! The next program's side: from a handover to a world that lives.
//!
//! Until the commit no byte is read or written, no state file is changed, and whatever goes wrong brings the old program
//! back; afterwards there is no way back.

use super::super::Error;
use super::super::fault;
use super::super::live::{self, Awake};
use super::super::saved::Inherited;
use super::super::world::World;
use super::Ended;
use crate::config::{Log, Voice};
use crate::control::console::Console;
use crate::control::words::SwapOutcome;
use bytes::Bytes;
use mainstay_base::snapshot::Snapshot;
use mainstay_edge::swap::{Guard, Handover, Moment, Moments};

/// How the next program gets its voice: starts the log, and gives the console.
pub type Speak = fn(Voice, &Log) -> Result<Box<dyn Console>, String>;

/// Go on where the predecessor left.
pub fn resume(mut handover: Handover, speak: Speak) -> Result<(), Error> {
    let guard = Guard::stand(&handover)?;
    let (mut world, awake) = match adopt(&mut handover) {
        Ok(adopted) => adopted,
        Err(why) => guard.go_back(&why),
    };
    handover.stamp(Moment::Adopted);
    let came_back = handover.came_back();
    guard.commit();
    let moments = handover.moments();
    match speak(world.voice, &world.config.log) {
        Ok(console) => world.console = console,
        // That nobody can be told is no reason to stop serving; who asked for the swap hears of it.
        Err(why) => world.swap_report().remarks.push(format!("the log does not go on: {why}")),
    }
    world.arrived(moments, came_back);
    live::live(world, awake)
}

fn adopt(handover: &mut Handover) -> Result<(World, Awake), String> {
    fault::at("adopt")?;
    let sealed = handover.snapshot().map_err(|error| format!("the snapshot cannot be read: {error}"))?;
    let bytes = Bytes::from_owner(sealed);
    let snapshot = Snapshot::decode(&bytes).map_err(|error| error.to_string())?;
    let mut inherited = Inherited::new(&snapshot, handover).map_err(|error| error.to_string())?;
    let mut world = World::restore(&snapshot, &mut inherited).map_err(|error| error.to_string())?;
    if let Some(carried) = &mut world.swap_report().carried {
        carried.snapshot_bytes = bytes.len() as u64;
    }
    let awake = live::awake(&mut world, &mut inherited).map_err(|error| format!("the runtime: {error}"))?;
    fault::at("commit")?;
    Ok((world, awake))
}

impl World {
    /// The swap is over, for better or for worse; who asked is answered when reading has begun again.
    fn arrived(&mut self, moments: Moments, came_back: Option<String>) {
        self.moments = moments;
        let report = self.swap_report();
        let program = if came_back.is_some() { Some(&report.from) } else { report.to.as_ref() };
        self.build = program.map(|program| program.build.clone()).unwrap_or_default();
        if let Some(why) = came_back {
            self.swap_failed(Ended::rolled_back("adopt", why));
        } else {
            self.swap_report().outcome = SwapOutcome::Done;
        }
    }
}
