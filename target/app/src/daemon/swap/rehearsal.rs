//! The rehearsal: the next program restores and saves a live snapshot in a child, while everything here goes on.

use super::super::fault;
use super::super::reactor::Shared;
use super::super::saved::{Forms, Inexpressible, Rehearsal, digest};
use super::super::signals::Ours;
use super::{Ended, off_thread};
use mainstay_base::arena::SLACK;
use mainstay_base::snapshot::Snapshot;
use mainstay_edge::swap::{self, Bounds, Image};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// How long the child may take, and how much of a processor.
const TIME: Duration = Duration::from_secs(60);
const CPU: Duration = Duration::from_secs(10);
/// Address space of the child beyond the payload region: the program, its libraries and stacks.
const MEMORY: u64 = 1 << 30;
/// And for each byte of snapshot.
const MEMORY_EACH: u64 = 16;
/// A larger snapshot would make the pause long.
const SNAPSHOT_MAX: usize = 64 << 20;
/// How long one piece of the live snapshot may keep the reactor from its work.
const SLICE: Duration = Duration::from_micros(500);

/// The world as it is, taken piece by piece while everything goes on.
pub(in super::super) async fn live_snapshot(shared: &Shared, forms: &Forms) -> Result<Snapshot, Inexpressible> {
    // One at a time: who began goes on.
    while shared.borrow().live.is_some() {
        tokio::task::yield_now().await;
    }
    shared.borrow_mut().live_begin(forms)?;
    loop {
        let saved = shared.borrow_mut().live_step(SLICE);
        match saved {
            Ok(true) => return Ok(shared.borrow_mut().live_finish()?.unwrap_or_default()),
            Ok(false) => tokio::task::yield_now().await,
            Err(error) => {
                shared.borrow_mut().live_drop();
                return Err(error);
            }
        }
    }
}

/// Have both programs rehearse: the next one, and, if it is another build, the one that would have to come back if the next
/// one failed. Gives what a person should know.
pub(super) async fn rehearse(
    shared: &Shared,
    (image, old): (Image, Image),
    forms: &Forms,
) -> Result<(Image, Image, Vec<String>), Ended> {
    let refused = |why: String| Ended::refused("rehearse", why);
    fault::at("rehearse").map_err(refused)?;
    let snapshot = live_snapshot(shared, forms).await.map_err(|error| refused(error.to_string()))?;
    let (budget, ..) = shared.borrow().arena.usage();
    let region = budget.saturating_mul(SLACK) as u64;
    off_thread(move || {
        let _ours = Ours::begin();
        let expected = digest(&snapshot);
        let file = sealed(&snapshot).map_err(refused)?;
        let memory = MEMORY + region + MEMORY_EACH * snapshot.size() as u64;
        drop(snapshot);
        let bounds = Bounds { memory, cpu: CPU, time: TIME };
        let one = |image: &Image| {
            let done = swap::rehearse(image, &["rehearse"], file.as_fd(), &bounds)
                .map_err(|failure| refused(format!("{}: {failure}", image.path().display())))?;
            let rehearsal: Rehearsal = serde_json::from_slice(&done.stdout)
                .map_err(|error| refused(format!("{} does not say how it went: {error}", image.path().display())))?;
            if rehearsal.digest != expected {
                let why = "what it restored is not what it was given: its own snapshot of it differs";
                return Err(refused(format!("{}: {why}", image.path().display())));
            }
            Ok(rehearsal.remarks)
        };
        let remarks = one(&image)?;
        if image.build() != old.build() {
            one(&old)?;
        }
        Ok((image, old, remarks))
    })
    .await
}

/// The snapshot, to be handed over; or why not.
pub(super) fn sealed(snapshot: &Snapshot) -> Result<OwnedFd, String> {
    let size = snapshot.size();
    if size > SNAPSHOT_MAX {
        return Err(format!(
            "the state has {} MiB, more than the {} MiB that are handed over: initiators or listeners to events do not \
             read what they are sent",
            size >> 20,
            SNAPSHOT_MAX >> 20
        ));
    }
    swap::sealed("mainstay-snapshot", size, |file| snapshot.write_to(file))
        .map_err(|error| format!("no room for {size} bytes of snapshot: {error}"))
}
