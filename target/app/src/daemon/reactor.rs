//! The tasks of the runtime. They wait, and call into the world; they carry nothing over a wait that matters.

use super::vigil::WAITS_MAX;
use super::world::World;
use mainstay_base::sam::NexusId;
use mainstay_edge::{clock, portal};
use mainstay_proto::iscsi::keys::Offers;
use mainstay_proto::iscsi::{Limits, Setup};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub(super) type Shared = Rc<RefCell<World>>;

/// How long accepting rests when the process is out of descriptors.
pub(super) const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Deadlines are met this late at worst; one wake then serves many.
const TIMER_GRAIN: Duration = Duration::from_millis(50);
/// While there are connections we look at least this often, for their deadlines move with what they do.
const TIMER_MAX: Duration = Duration::from_secs(1);

/// Accept connections of one portal, for ever.
pub(super) async fn accept(world: Shared, listener: TcpListener, portal: usize, limits: Limits, pending_max: usize) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        if world.borrow().pending() >= pending_max {
            tracing::warn!(%peer, "connection dropped: {pending_max} others have not logged in yet");
            continue;
        }
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
        let setup =
            Setup { local, peer, portal, limits: limits.clone(), seed, offers: Offers::default(), now: clock::now() };
        let (id, stream, changed) = world.borrow_mut().admit_connection(stream, setup);
        tokio::task::spawn_local(serve(world.clone(), id, stream, changed));
    }
}

/// Wait for one connection's socket, until the connection is over.
async fn serve(world: Shared, id: NexusId, stream: Rc<TcpStream>, changed: Rc<Notify>) {
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
pub(super) async fn complete(world: Shared, answered: std::sync::Arc<Notify>) {
    let mut completions = Vec::new();
    loop {
        answered.notified().await;
        world.borrow_mut().take_completions(&mut completions);
    }
}

/// Keep the deadlines of all connections.
pub(super) async fn keep_time(world: Shared) {
    let changed = world.borrow().timer.clone();
    loop {
        let next = world.borrow_mut().tick();
        let wait = next.map(|next| next.since(clock::now()).clamp(TIMER_GRAIN, TIMER_MAX));
        tokio::select! {
            () = async { match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            } } => {}
            () = changed.notified() => {}
        }
    }
}

/// Let the sessions finish: they are told, what is at the stores comes back, and what was written is flushed.
pub(super) async fn drain(world: &Shared, time: Duration) {
    let end = tokio::time::Instant::now() + time;
    world.borrow_mut().close_all();
    while !world.borrow().connections.is_empty() && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let volumes = world.borrow().volumes.clone();
    let flush = tokio::task::spawn_blocking(move || {
        for volume in volumes {
            if let Err(fault) = volume.run(&mut mainstay_base::unit::Op::Flush) {
                tracing::error!(volume = volume.name(), "the last flush failed: {fault}");
            }
        }
    });
    if tokio::time::timeout_at(end.max(tokio::time::Instant::now() + time), flush).await.is_err() {
        tracing::error!("the last flush did not end in time");
    }
}
