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

/// Connections whose sockets are worth a thread of their own.
const MANY: usize = 64;

/// Go on where the predecessor left.
pub fn resume(handover: Handover, speak: Speak) -> Result<(), Error> {
    let guard = Guard::stand(&handover)?;
    let (mut world, awake) = match adopt(&handover) {
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

fn adopt(handover: &Handover) -> Result<(World, Awake), String> {
    fault::at("adopt")?;
    let sealed = handover.snapshot().map_err(|error| format!("the snapshot cannot be read: {error}"))?;
    let bytes = Bytes::from_owner(sealed);
    let snapshot = Snapshot::read(&bytes).map_err(|error| error.to_string())?;
    let inherited = Inherited::new(&snapshot, handover).map_err(|error| error.to_string())?;
    let runtime = live::runtime().map_err(|error| format!("the runtime: {error}"))?;
    let restored = || World::restore(&snapshot, &mut &inherited).map_err(|error| error.to_string());
    let streams = || {
        fault::at("sockets")?;
        Snapshot::check(&bytes).map_err(|error| error.to_string())?;
        let _inside = runtime.enter();
        inherited.streams().map_err(|error| error.to_string())
    };
    let (streams, world) = match inherited.connections() {
        0..MANY => (streams(), restored()),
        _ => beside(streams, restored)?,
    };
    let (streams, mut world) = (streams?, world?);
    if let Some(carried) = &mut world.swap_report().carried {
        carried.snapshot_bytes = bytes.len() as u64;
    }
    let awake = live::awake(&mut world, runtime, streams).map_err(|error| format!("the runtime: {error}"))?;
    fault::at("commit")?;
    Ok((world, awake))
}

/// Both at the same time, where there is more than one processor; the first on a thread of its own.
fn beside<A: Send, B>(other: impl FnOnce() -> A + Send, this: impl FnOnce() -> B) -> Result<(A, B), String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sockets".into()).spawn_scoped(scope, other);
        let thread = thread.map_err(|error| format!("a second thread: {error}"))?;
        let done = this();
        // Its panic has brought the old program back already.
        Ok((thread.join().map_err(|_| "the second thread broke")?, done))
    })
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
