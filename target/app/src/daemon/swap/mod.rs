//! A swap, from being asked for to the pause: stage, rehearse, quiesce. What can be refused is refused before anybody
//! notices; the rest is in `pause` (the old program's side) and `adopt` (the new one's).
//!
//! I1 At most one swap is under way, and whoever asked gets one answer, from this program or from the next.
//! I2 Until [`pause`] leaves the process nothing is lost by giving up: held requests are submitted, reading goes on.

pub(super) use rehearsal::live_snapshot;

pub(super) mod adopt;
mod decide;
pub(super) mod pause;
mod quiesce;
mod rehearsal;
pub(crate) mod sys;

use super::control::ControlId;
use super::fault;
use super::journal::unix_ms;
use super::reactor::{Shared, spawn};
use super::saved::Forms;
use super::supervisor::Supervisor;
use super::world::{Hold, World};
use crate::control::error::{Code, Error};
use crate::control::machine::Ticket;
use crate::control::words::{self, DEADLINE_MAX, Pause, SWAPS_MAX, SwapOutcome, SwapReport, What};
use decide::Staged;
use mainstay_base::time::Instant;
use mainstay_edge::clock;
use mainstay_edge::swap::{Image, Moments};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long stores get to become dry, if nothing else is asked for.
const DEADLINE: Duration = Duration::from_secs(2);

/// How long a program may be read, or rehearse, altogether.
const PATIENCE: Duration = Duration::from_secs(180);

/// The version of this program.
pub const VERSION: &str = if cfg!(feature = "next") { "0.2.0-next" } else { env!("CARGO_PKG_VERSION") };

/// A swap under way, as the next program needs it to answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UnderWay {
    /// Who asked, if it is still there.
    pub asker: Option<(ControlId, Ticket)>,
    /// What is known so far.
    pub report: SwapReport,
}

/// What is around a world that lives, and has a say in whether it may leave.
pub(super) struct Surroundings {
    /// Set when the daemon is told to stop.
    pub stop: Arc<AtomicBool>,
    /// Who watches over us.
    pub supervisor: Rc<Supervisor>,
}

/// All that the pause needs: everything that takes time was done before.
pub(super) struct Prepared {
    pub image: Image,
    pub old: Image,
    pub forms: Forms,
    /// When the stores have to be dry at the latest.
    pub deadline: Instant,
}

/// Why a swap ended without another program.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub step: &'static str,
    pub outcome: SwapOutcome,
    pub why: String,
}

impl Ended {
    pub fn refused(step: &'static str, why: impl ToString) -> Ended {
        Ended { step, outcome: SwapOutcome::Refused, why: why.to_string() }
    }
    pub fn rolled_back(step: &'static str, why: impl ToString) -> Ended {
        Ended { step, outcome: SwapOutcome::RolledBack, why: why.to_string() }
    }
}

fn begun() -> SwapReport {
    SwapReport { time_ms: unix_ms(), ..SwapReport::default() }
}

/// Begin a swap for a control connection, which is answered when it is over.
pub(super) fn begin(shared: &Shared, world: &mut World, asker: (ControlId, Ticket), asked: words::Swap) {
    let by = match world.may_swap(asker.0, &asked) {
        Ok(by) => by,
        Err(error) => return world.respond::<SwapReport>(asker.0, asker.1, Err(error)),
    };
    let from = world.program();
    world.swap = Some(UnderWay { asker: Some(asker), report: SwapReport { from, ..begun() } });
    world.moments = Moments { asked: clock::now().0, ..Moments::default() };
    let shared = shared.clone();
    spawn(&world.broken.clone(), async move {
        let Err(ended) = attempt(&shared, asked, by).await;
        let mut world = shared.borrow_mut();
        if world.hold != Hold::Nothing {
            world.resume();
        }
        world.swap_failed(ended);
        world.swap_over();
    });
}

/// The whole swap, as far as this program sees it. It comes back only when it came to nothing.
async fn attempt(shared: &Shared, asked: words::Swap, by: String) -> Result<Infallible, Ended> {
    let path = asked.binary.clone().unwrap_or_else(|| shared.borrow().places.program.clone());
    fault::at("stage").map_err(|why| Ended::refused("stage", why))?;
    let running = shared.borrow().program().path;
    let staged = off_thread(move || decide::stage(&path, &running)).await?;
    {
        let mut world = shared.borrow_mut();
        let report = world.swap_report();
        (report.from, report.to) = (staged.from.clone(), Some(staged.to.clone()));
        let Staged { from, to, .. } = &staged;
        tracing::info!("swap asked for, from {} ({}) to {} ({})", from.version, from.build, to.version, to.build);
    }
    let forms = decide::decide(&staged, &asked)?;
    let Staged { image, old, .. } = staged;
    let begun = clock::now();
    let (image, old, remarks) = rehearsal::rehearse(shared, (image, old), &forms).await?;
    {
        let mut world = shared.borrow_mut();
        let report = world.swap_report();
        report.rehearsal_ms = Some(clock::now().since(begun).as_millis() as u64);
        report.remarks = remarks;
        let carried = world.burden();
        world.swap_report().carried = Some(carried);
    }
    // The rehearsal has taken its time; what was checked must still be what runs.
    let image = off_thread(move || match image.unchanged() {
        Ok(()) => Ok(image),
        Err(refusal) => Err(Ended::refused("stage", refusal)),
    })
    .await?;
    if asked.dry_run {
        let why = "it was a dry run".to_owned();
        return Err(Ended { step: "rehearse", outcome: SwapOutcome::Rehearsed, why });
    }
    {
        let mut world = shared.borrow_mut();
        let report = world.swap_report().clone();
        if let Some(to) = report.to {
            world.tell(What::SwapPlanned { from: report.from, to, by: Some(by) });
        }
    }
    let patience = asked.deadline_ms.map_or(DEADLINE, Duration::from_millis);
    let deadline = clock::now() + patience;
    quiesce::quiesce(shared, deadline).await?;
    let mut world = shared.borrow_mut();
    Err(pause::leave(&mut world, &Prepared { image, old, forms, deadline }))
}

/// Run what waits for disks on a thread. Past [`PATIENCE`] the thread is left to itself: while it is there, no other swap gets as
/// far as the pause.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Ended> + Send + 'static) -> Result<T, Ended> {
    let quietly = || {
        // This thread ends soon after.
        mainstay_edge::swap::go_behind();
        work()
    };
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(quietly)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(Ended::refused("stage", format!("it failed inside the daemon: {error}"))),
        Err(_) => {
            let why = format!("the disk that a program is on did not answer for {} s", PATIENCE.as_secs());
            Err(Ended::refused("stage", why))
        }
    }
}

impl World {
    /// Whether a control connection may have this swap; gives who it is, for people.
    fn may_swap(&self, id: ControlId, asked: &words::Swap) -> Result<String, Error> {
        let peer = self.controls.get(&id).and_then(|control| control.socket.live()?.peer_cred().ok());
        let user = peer.map(|peer| peer.uid());
        // The socket's mode keeps others out already, unless somebody has changed it.
        if !user.is_some_and(|user| user == 0 || user == rustix::process::geteuid().as_raw()) {
            let why = "only root and the user that the daemon runs as may replace its program";
            return Err(Error::new(Code::Forbidden, why));
        }
        if self.swap.is_some() {
            return Err(Error::busy("this swap", "another one is under way (`mainstay events` tells of it)"));
        }
        if self.is_stopping() {
            return Err(Error::new(Code::Stopping, "the daemon is stopping"));
        }
        if let Some(path) = asked.binary.as_ref().filter(|path| path.is_relative()) {
            let why = format!("{}: the path of a program has to be absolute here", path.display());
            return Err(Error::new(Code::InvalidParams, why));
        }
        let patience = Duration::from_millis(asked.deadline_ms.unwrap_or(1));
        if patience.is_zero() || patience > DEADLINE_MAX {
            let why =
                format!("a deadline of {} ms: it has to be 1 ms to {} s", patience.as_millis(), DEADLINE_MAX.as_secs());
            return Err(Error::new(Code::InvalidParams, why));
        }
        let process =
            peer.and_then(|peer| peer.pid()).map_or(String::new(), |process| format!("process {process} of "));
        Ok(format!("{process}user {}", user.unwrap_or_default()))
    }

    /// Which program this is.
    pub(super) fn program(&self) -> words::Program {
        let last = self.history.iter().rev().find(|report| report.outcome == SwapOutcome::Done);
        let path = last.and_then(|report| report.to.as_ref()).map_or(&self.places.program, |to| &to.path);
        words::Program { version: VERSION.to_owned(), build: self.build.clone(), path: path.clone() }
    }

    /// The report of the swap under way.
    pub(super) fn swap_report(&mut self) -> &mut SwapReport {
        &mut self.swap.get_or_insert_with(|| UnderWay { asker: None, report: begun() }).report
    }

    /// The swap under way came to nothing: what [`World::swap_over`] will tell.
    pub(super) fn swap_failed(&mut self, ended: Ended) {
        let report = self.swap_report();
        report.outcome = ended.outcome;
        report.step = Some(ended.step.to_owned());
        report.why = Some(ended.why);
    }

    /// The swap under way has ended, and bytes are taken again: tell how it went, put it on record, answer who asked.
    pub(super) fn swap_over(&mut self) {
        let Some(UnderWay { asker, mut report }) = self.swap.take() else { return };
        self.kept = None;
        if self.moments.stopped != 0 {
            let store_us = report.pause.map_or(0, |pause| pause.store_us);
            let read = self.first_read.unwrap_or_else(clock::now);
            report.pause = Some(pause(&self.moments, read, store_us));
        }
        let (step, why) = (report.step.clone().unwrap_or_default(), report.why.clone().unwrap_or_default());
        match report.outcome {
            SwapOutcome::Done => {
                let (from, ms) = (&report.from, report.pause.map_or(0, |pause| pause.total_us / 1000));
                tracing::info!(
                    "swapped from {} ({}) to {VERSION} ({}), paused {ms} ms",
                    from.version,
                    from.build,
                    self.build
                );
                self.tell(What::Resumed { report: Box::new(report.clone()) });
            }
            SwapOutcome::Refused | SwapOutcome::RolledBack => {
                tracing::error!(step, "no swap, this program goes on: {why}");
                self.tell(What::RolledBack { step, why });
            }
            _ => tracing::info!(step, "no swap: {why}"),
        }
        // Nothing to do is no history.
        if report.outcome != SwapOutcome::NothingToDo {
            if self.history.len() == SWAPS_MAX {
                self.history.pop_front();
            }
            self.history.push_back(report.clone());
        }
        if let Some((id, ticket)) = asker {
            self.respond(id, ticket, Ok(report));
        }
    }
}

/// What the pause was made of, until bytes were taken again at `read`.
fn pause(moments: &Moments, read: Instant, store_us: u64) -> Pause {
    let us = |from: u64, to: u64| if from == 0 { 0 } else { to.saturating_sub(from) / 1000 };
    Pause {
        total_us: us(moments.stopped, read.0),
        quiesce_us: us(moments.stopped, moments.dry),
        store_us,
        save_us: us(moments.dry, moments.saved),
        exec_us: us(moments.saved, moments.arrived),
        adopt_us: us(moments.arrived, read.0),
    }
}
