//! Syncs in rounds.
//!
//! The kernel tells a lost write to one sync only: of two that run at the same time on one open file description, one
//! may get the error and the other a success that is not true. So at most one runs at a time, and whoever comes
//! meanwhile waits for the next round and shares its result; that round is one sync for all of them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Gate {
    rounds: Mutex<Rounds>,
    turned: Condvar,
}

#[derive(Debug, Default)]
struct Rounds {
    running: bool,
    begun: u64,
    done: u64,
}

impl Gate {
    /// Returns after a run of `sync` that began after the call. Runs it if it is this caller's turn; when a run fails,
    /// `sync` itself must leave a mark before it returns, which everybody looks at afterwards.
    pub fn pass(&self, sync: impl FnOnce()) {
        let mut rounds = self.lock();
        let mine = rounds.begun + 1;
        while rounds.running {
            rounds = self.turned.wait(rounds).unwrap_or_else(PoisonError::into_inner);
            if rounds.done >= mine {
                return;
            }
        }
        if rounds.done >= mine {
            return;
        }
        rounds.running = true;
        rounds.begun += 1;
        drop(rounds);
        let _turn = Turn(self);
        sync();
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the round, also when it panics: nobody may wait for ever.
struct Turn<'a>(&'a Gate);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut rounds = self.0.lock();
        rounds.running = false;
        rounds.done = rounds.begun;
        self.0.turned.notify_all();
    }
}
