//! Quiesce: first what takes long comes to its end while short requests go on; then, in the pause, nothing is read and
//! the stores become dry.

use super::super::fault;
use super::super::reactor::Shared;
use super::super::world::Hold;
use super::Ended;
use crate::control::words::{Pause, What};
use mainstay_base::time::Instant;
use mainstay_edge::clock;
use std::time::Duration;

/// How often we look.
const GRAIN: Duration = Duration::from_millis(1);
/// Turns of the runtime in which subscribers hear of the pause before it begins.
const TURNS: usize = 4;

/// Make the stores dry by `deadline`. On an error everything can go on as before.
pub(super) async fn quiesce(shared: &Shared, deadline: Instant) -> Result<(), Ended> {
    let begun = clock::now();
    fault::at("slow").map_err(|why| Ended::refused("quiesce", why))?;
    shared.borrow_mut().hold = Hold::Long;
    loop {
        if shared.borrow().is_stopping() {
            return Err(Ended::refused("quiesce", "the daemon is told to stop"));
        }
        let now = clock::now();
        let slow = shared.borrow().slow(deadline.since(now), deadline.since(begun));
        let Some(why) = slow else { break };
        if now >= deadline {
            let ms = now.since(begun).as_millis();
            return Err(Ended::refused("quiesce", format!("{why}, and was not done {ms} ms later (--deadline)")));
        }
        tokio::time::sleep(GRAIN).await;
    }
    {
        let mut world = shared.borrow_mut();
        world.hold = Hold::Calls;
        let report = world.swap_report().clone();
        if let Some(around) = &world.surroundings {
            around.supervisor.keep_alive();
        }
        world.tell(What::Paused { from: report.from, to: report.to.unwrap_or_default() });
    }
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    shared.borrow_mut().stop();
    fault::at("stop").map_err(|why| Ended::rolled_back("quiesce", why))?;
    let dry = shared.borrow().dry.clone();
    loop {
        let busy = shared.borrow().at_stores();
        if busy == 0 {
            break;
        }
        let left = deadline.since(clock::now());
        if left.is_zero() {
            let why = format!(
                "{busy} {} did not come back from the stores in time (--deadline)",
                if busy == 1 { "request" } else { "requests" }
            );
            return Err(Ended::rolled_back("quiesce", why));
        }
        let _ = tokio::time::timeout(left, dry.notified()).await;
    }
    let mut world = shared.borrow_mut();
    let stopped = world.moments.stopped;
    let store_us = clock::now().0.saturating_sub(stopped) / 1000;
    world.swap_report().pause = Some(Pause { store_us, ..Pause::default() });
    Ok(())
}
