//! The life of a world: a runtime is put under it, its sockets are registered, and tasks wait for them until it is told
//! to stop. A cold start and the program after a swap both come by here.

use super::reactor::{self, Shared};
use super::saved::Streams;
use super::signals::Signals;
use super::supervisor::Supervisor;
use super::swap::{Surroundings, VERSION};
use super::world::World;
use super::{Error, announcing, control};
use crate::control::place;
use crate::control::words::What;
use mainstay_base::sam::NexusId;
use mainstay_edge::swap;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How long sessions get to finish when the daemon is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a thread of the runtime waits for more to do: none may be left when another program takes over.
const LINGER: Duration = Duration::from_millis(1);
/// Turns of the runtime after which those who had something to send when reading began again have been heard.
const TURNS: usize = 3;

/// Connections for which tasks are made before the runtime looks again who has something to say.
const AT_A_TIME: usize = 64;

/// What a world needs to live. All that can fail is in making it.
pub(super) struct Awake {
    runtime: Runtime,
    signals: Signals,
}

pub(super) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().thread_keep_alive(LINGER).build()
}

/// A parked world whose sockets are registered with `runtime`; those of its connections already are.
pub(super) fn awake(world: &mut World, runtime: Runtime, streams: Streams) -> std::io::Result<Awake> {
    let inside = runtime.enter();
    world.unpark(streams)?;
    let signals = Signals::listen()?;
    drop(inside);
    Ok(Awake { runtime, signals })
}

/// Until the daemon is told to stop. A swap that succeeds does not come back. Whoever lives last takes the control socket
/// away, also if another program made it.
pub(super) fn live(world: World, awake: Awake) -> Result<(), Error> {
    let Awake { runtime, mut signals } = awake;
    // Before anything else: a signal that comes early stops us like a late one.
    swap::unblock_signals();
    let control = world.places.control.clone();
    let supervisor = Rc::new(Supervisor::from_environment());
    let shared = Rc::new(RefCell::new(world));
    let serve = serve(&shared, &mut signals, &supervisor);
    let stopped = runtime.block_on(tokio::task::LocalSet::new().run_until(serve));
    place::unbind(&control);
    // A thread that waits for a disk that hangs must not keep us.
    runtime.shutdown_background();
    stopped
}

async fn serve(shared: &Shared, signals: &mut Signals, supervisor: &Rc<Supervisor>) -> Result<(), Error> {
    let broken = shared.borrow().broken.clone();
    let accepting = begin(shared, signals, supervisor);
    let why = tokio::select! {
        why = signals.stop() => why,
        () = broken.notified() => return Err(Error::Broken),
    };
    supervisor.stopping(why);
    {
        let mut world = shared.borrow_mut();
        world.resume();
        world.tell(What::Stopping { why: why.to_owned() });
    }
    // Who comes now is refused by the system, and comes again.
    accepting.iter().for_each(JoinHandle::abort);
    tokio::select! {
        failed = reactor::drain(shared, DRAIN) => if failed.is_empty() { Ok(()) } else { Err(Error::Unflushed(failed)) },
        () = broken.notified() => Err(Error::Broken),
    }
}

/// Tasks for everything that can be waited for. Gives those that accept initiators.
fn begin(shared: &Shared, signals: &Signals, supervisor: &Rc<Supervisor>) -> Vec<JoinHandle<()>> {
    let mut world = shared.borrow_mut();
    let broken = world.broken.clone();
    let mut ids = world.by_recency().into_iter();
    ids.by_ref().take(AT_A_TIME).for_each(|id| drop(reactor::spawn(&broken, reactor::serve(shared.clone(), id))));
    if ids.len() > 0 {
        reactor::spawn(&broken, wait_for_others(shared.clone(), ids));
    }
    for &id in world.controls.keys() {
        reactor::spawn(&broken, control::serve(shared.clone(), id));
    }
    let listeners = world.listeners.iter().enumerate().filter_map(|(index, socket)| Some((index, socket.live()?)));
    let iscsi = world.site.portals.len();
    let accept = |(index, listener): (usize, &Rc<TcpListener>)| {
        let portal = index.checked_sub(iscsi).map_or(reactor::Portal::Iscsi(index), reactor::Portal::Nvme);
        reactor::spawn(&broken, reactor::accept(shared.clone(), listener.clone(), portal))
    };
    let accepting = listeners.map(accept).collect();
    if let Some(listener) = world.control_listener.live() {
        reactor::spawn(&broken, control::accept(shared.clone(), listener.clone()));
    }
    reactor::spawn(&broken, reactor::complete(shared.clone(), world.answered.clone()));
    reactor::spawn(&broken, reactor::keep_time(shared.clone()));
    reactor::spawn(&broken, reactor::compute(shared.clone()));
    if world.begin_announcing() {
        reactor::spawn(&broken, announcing::announce(shared.clone()));
    }
    // The first word comes at once, so it also ends the silence of a pause.
    let watched = supervisor.clone();
    reactor::spawn(&broken, async move { watched.keep_saying().await });
    world.first_read = None;
    world.surroundings = Some(Surroundings { stop: signals.stop_flag(), supervisor: supervisor.clone() });
    world.resume();
    if world.swap.is_some() {
        let shared = shared.clone();
        reactor::spawn(&broken, async move {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            shared.borrow_mut().swap_over();
        });
    }
    if world.build.is_empty() {
        let shared = shared.clone();
        reactor::spawn(&broken, async move {
            let build = tokio::task::spawn_blocking(running_build).await.unwrap_or_default();
            shared.borrow_mut().build = build;
        });
    }
    supervisor.status(&format!("Serving, version {VERSION}"));
    if !std::mem::replace(&mut world.announced, true) {
        let served = world.served();
        world.console.ready(&served);
        supervisor.ready();
    }
    accepting
}

/// Tasks for many connections: what comes meanwhile need not wait until there is one for the last of them.
async fn wait_for_others(shared: Shared, mut ids: impl ExactSizeIterator<Item = NexusId>) {
    let broken = shared.borrow().broken.clone();
    while ids.len() > 0 {
        tokio::task::yield_now().await;
        ids.by_ref().take(AT_A_TIME).for_each(|id| drop(reactor::spawn(&broken, reactor::serve(shared.clone(), id))));
    }
}

/// Reads the whole program, so not for the reactor's thread.
fn running_build() -> String {
    swap::Image::running().map(|image| image.build()).unwrap_or_default()
}
