//! What signals mean to the daemon.
//!
//! SIGINT and SIGTERM stop it. So does SIGHUP when standard input was a terminal, which has then gone away; elsewhere a
//! SIGHUP asks for a reload, which there is not yet. On SIGCHLD children are reaped that nobody else waits for: orphans
//! when we are process 1, and what whoever started us had left behind.

use rustix::process::{WaitId, WaitIdOptions, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, IsTerminal};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// How many children there are, at most, whose maker waits for them.
static OURS: Mutex<usize> = Mutex::new(0);
/// Rung when one of those has been waited for.
static WAITED: Notify = Notify::const_new();

fn ours() -> MutexGuard<'static, usize> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held by who makes a child, from before it is made until it has been waited for: meanwhile nobody else takes the status
/// of any child.
pub(super) struct Ours(());

impl Ours {
    /// A child of ours is about to be made.
    pub fn begin() -> Ours {
        *ours() += 1;
        Ours(())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        *ours() -= 1;
        WAITED.notify_one();
    }
}

/// The signals of this process.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where it was ignored from the start, as by nohup(1), and stays so.
    hangup: Option<Signal>,
    child: Signal,
    /// A hangup means that our terminal has gone.
    terminal: bool,
    /// It was said that there is no reload.
    told: bool,
    /// Set by the handlers themselves.
    stop: Arc<AtomicBool>,
}

impl Signals {
    /// From now on signals are ours to handle. To be called inside a runtime.
    pub fn listen() -> io::Result<Signals> {
        let terminal = io::stdin().is_terminal();
        let stop = Arc::new(AtomicBool::new(false));
        let hangup = (terminal && !ignores_hangup()).then_some(SIGHUP);
        for number in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            signal_hook::flag::register(number, stop.clone())?;
        }
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) },
            child: signal(SignalKind::child())?,
            terminal,
            told: false,
            stop,
        })
    }

    /// Set once a signal has told us to stop, also before the runtime hears of it.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// Until a signal tells us to stop; gives why. The others are seen to meanwhile.
    pub async fn stop(&mut self) -> &'static str {
        // Those who ended before anybody listened.
        reap();
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return "interrupted",
                _ = self.terminate.recv() => return "terminated",
                () = received(&mut self.hangup) => {
                    if self.terminal {
                        return "the terminal has gone";
                    }
                    if !std::mem::replace(&mut self.told, true) {
                        tracing::warn!("SIGHUP: there is no reload yet; what the configuration file says now is read at the next start");
                    }
                }
                _ = self.child.recv() => reap(),
                () = WAITED.notified() => reap(),
            }
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => signal.recv().await.unwrap_or(()),
        None => std::future::pending().await,
    }
}

/// Take the status of children that have ended, unless one may be somebody's: then that one's end calls again.
fn reap() {
    // Held to the end, so that none is made meanwhile.
    let ours = ours();
    if *ours > 0 {
        return;
    }
    while let Ok(Some(status)) = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
        tracing::debug!(?status, "reaped a child that nobody waited for");
    }
}

/// Whoever started us had SIGHUP ignored. A handler of ours would not outlive a swap, but this does.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
