//! The tasks of the runtime. They wait, and call into the world; they carry nothing over a wait that matters.

use super::vigil::WAITS_MAX;
use super::world::{Setup, World};
use crate::config::Config;
use mainstay_base::sam::NexusId;
use mainstay_base::unit::Op;
use mainstay_edge::volume::Volume;
use mainstay_edge::{clock, portal};
use mainstay_proto::auth::dhchap;
use mainstay_proto::iscsi::keys::Offers;
use mainstay_proto::iscsi::{self, Limits};
use mainstay_proto::{nvmetcp, queue};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(super) type Shared = Rc<RefCell<World>>;

/// How long accepting rests when the process is out of descriptors.
pub(super) const ACCEPT_REST: Duration = Duration::from_millis(100);
/// For how long what has begun may go on when the daemon stops.
const FINISH: Duration = Duration::from_secs(2);
/// How often we look whether all have finished.
const PATIENCE: Duration = Duration::from_millis(5);

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// A task has panicked: for who cannot wait for the bell.
static BROKEN: AtomicBool = AtomicBool::new(false);

/// Rings when the task that holds it panics: the world may be half changed then, and nothing may go on with it.
pub(super) struct Alarm(pub Rc<Notify>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            BROKEN.store(true, Ordering::SeqCst);
            self.0.notify_one();
        }
    }
}

/// Whether a task has panicked.
pub(super) fn is_broken() -> bool {
    BROKEN.load(Ordering::SeqCst)
}

/// Run `task` for ever; its panic is the daemon's end.
pub(super) fn spawn(broken: &Rc<Notify>, task: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    let alarm = Alarm(broken.clone());
    tokio::task::spawn_local(async move {
        let _alarm = alarm;
        task.await;
    })
}

/// What is spoken on a listener, and on which portal of that protocol.
#[derive(Clone, Copy, Debug)]
pub(super) enum Portal {
    Iscsi(usize),
    Nvme(usize),
}

/// Accept connections of one portal, for ever.
pub(super) async fn accept(world: Shared, listener: Rc<TcpListener>, portal: Portal) {
    let broken = world.borrow().broken.clone();
    let limits = limits(&world.borrow().config);
    let mut told = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The peer has changed its mind.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("cannot accept connections: {error}");
                }
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        told = false;
        let Ok(local) = stream.local_addr() else { continue };
        if let Err(error) = portal::prepare(&stream) {
            tracing::debug!(%peer, "connection dropped: {error}");
            continue;
        }
        let mut seed = [0; 32];
        if let Err(error) = getrandom::fill(&mut seed) {
            tracing::error!("no random numbers, so no safe logins: {error}");
            continue;
        }
        let now = clock::now();
        let setup = match portal {
            Portal::Iscsi(portal) => {
                let (limits, offers) = (limits.clone(), Offers::default());
                Setup::Iscsi(iscsi::Setup { local, peer, portal, limits, seed, offers, now })
            }
            Portal::Nvme(portal) => {
                let limits = nvmetcp::Limits { open_timeout: limits.login_timeout, ..Default::default() };
                let transport = nvmetcp::Setup { local, peer, portal, limits, now };
                Setup::Nvme(queue::Setup { transport, seed })
            }
        };
        let id = world.borrow_mut().admit_connection(stream, setup);
        spawn(&broken, serve(world.clone(), id));
    }
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        login_timeout: limits.login_timeout,
        ping_interval: if limits.ping_interval.is_zero() { NEVER } else { limits.ping_interval },
        ping_timeout: limits.ping_timeout,
        window_max: limits.window_max,
        ..Limits::default()
    }
}

/// Wait for one connection's socket, until the connection is over.
pub(super) async fn serve(world: Shared, id: NexusId) {
    let known = world.borrow().connections.get(&id).and_then(|c| Some((c.socket.live()?.clone(), c.changed.clone())));
    let Some((stream, changed)) = known else { return };
    loop {
        let interest = world.borrow().interest(id);
        match interest {
            Some(interest) => {
                tokio::select! {
                    _ = stream.ready(interest) => {}
                    () = changed.notified() => continue,
                }
                let more = world.borrow_mut().ready(id);
                if more || (0..WAITS_MAX).all(|_| world.borrow_mut().watch(id)) {
                    tokio::task::yield_now().await;
                }
            }
            None if world.borrow().knows(id) => changed.notified().await,
            None => return,
        }
    }
}

/// Carry answers of the pool into the world.
pub(super) async fn complete(world: Shared, answered: Arc<Notify>) {
    let mut completions = Vec::new();
    loop {
        answered.notified().await;
        world.borrow_mut().take_completions(&mut completions);
        let lone = world.borrow_mut().answered();
        if let Some(id) = lone
            && (0..WAITS_MAX).all(|_| world.borrow_mut().watch(id))
        {
            tokio::task::yield_now().await;
        }
    }
}

/// Compute what queues wait for, one after the other: each takes a thread for a while.
pub(super) async fn compute(world: Shared) {
    let bell = world.borrow().to_compute.clone();
    loop {
        bell.notified().await;
        loop {
            let Some((id, work)) = world.borrow_mut().next_computation() else { break };
            world.borrow_mut().calls_waiting += 1;
            let power = tokio::task::spawn_blocking(move || dhchap::compute(&work)).await;
            let mut world = world.borrow_mut();
            world.calls_waiting -= 1;
            // Who waits for one that broke is not let in.
            if let Ok(power) = power {
                world.computed(id, &power);
            }
        }
    }
}

/// Keep the deadlines of all connections.
pub(super) async fn keep_time(world: Shared) {
    let changed = world.borrow().timer.clone();
    loop {
        let wait = world.borrow_mut().tick();
        tokio::select! {
            () = async { match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            } } => {}
            () = changed.notified() => {}
        }
    }
}

/// Let the sessions finish: what has begun is answered, they are told, what is at the stores comes back, and what was
/// written is flushed. Gives the names of volumes whose last flush did not succeed in time.
pub(super) async fn drain(world: &Shared, time: Duration) -> Vec<String> {
    let start = Instant::now();
    world.borrow_mut().stop_reading();
    world.borrow_mut().cease_announcing();
    while world.borrow().is_busy() && start.elapsed() < FINISH.min(time) {
        tokio::time::sleep(PATIENCE).await;
    }
    world.borrow_mut().close_all();
    while !world.borrow().connections.is_empty() && start.elapsed() < time {
        tokio::time::sleep(PATIENCE).await;
    }
    let end = Instant::now() + time;
    // Each on its own: a disk that hangs must not keep the others from theirs.
    let flush = |volume: Arc<Volume>| {
        let name = volume.name().to_owned();
        (name, tokio::task::spawn_blocking(move || volume.run(&mut Op::Flush)))
    };
    let flushes: Vec<_> = world.borrow().volumes.iter().cloned().map(flush).collect();
    let mut failed = Vec::new();
    for (name, flush) in flushes {
        match tokio::time::timeout_at(end, flush).await {
            Ok(Ok(Ok(_))) => continue,
            Ok(Ok(Err(fault))) => tracing::error!(volume = name, "the last flush failed: {fault}"),
            Ok(Err(error)) => tracing::error!(volume = name, "the last flush failed: {error}"),
            Err(_) => tracing::error!(volume = name, "the last flush did not end in time"),
        }
        failed.push(name);
    }
    failed
}
