//! A short busy wait between the commands of an initiator that sends them one by one.
//!
//! With one command at a time most of the latency is the machine's falling asleep and waking up, on both sides. So when
//! one session alone is active, its commands come singly, and the pauses between them have been short, the reactor looks
//! at the socket for about such a pause before it sleeps. Everything here is a guess that costs little when wrong, and is
//! not part of what a swap carries.

use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use std::time::Duration;

/// The longest busy wait.
const WAIT_MAX: Duration = Duration::from_micros(50);
/// Turns in a row, of one session and of one command each, before it is waited for.
const TURNS: u32 = 8;
/// As many after a row of vain waits: each doubles what is asked for.
const TURNS_MAX: u32 = 4096;
/// A wait that took so much longer than allowed was interrupted: somebody else wants this core, perhaps the initiator.
const DISTURBED: u32 = 2;
/// Busy waits in a row before the runtime gets to look at everybody else.
pub(super) const WAITS_MAX: u32 = 16;

#[derive(Debug, Default)]
pub(super) struct Vigil {
    session: NexusId,
    turns: u32,
    /// Turns asked for beyond [`TURNS`].
    doubt: u32,
    /// When its last turn ended.
    ended: Instant,
    /// Mean pause before a turn, weighted towards the last ones, in ns.
    pause: u64,
}

impl Vigil {
    /// A turn of `session` begins.
    pub fn begin(&mut self, session: NexusId, now: Instant) {
        if self.session != session {
            *self = Vigil { session, ..Vigil::default() };
        }
        let pause = now.since(self.ended).as_nanos() as u64;
        self.pause = (self.pause * 7 + pause.min(8 * WAIT_MAX.as_nanos() as u64)) / 8;
    }

    /// The session that had the last turn.
    pub fn session(&self) -> NexusId {
        self.session
    }

    /// A store answered its command: the pause before the next one begins now.
    pub fn answered(&mut self, now: Instant) {
        self.ended = now;
    }

    /// It ended; `single`: it was one command, answered or at a store.
    pub fn end(&mut self, single: bool, now: Instant) {
        self.turns = if single { self.turns.saturating_add(1) } else { 0 };
        self.ended = now;
    }

    /// How long the next command of `session` is worth waiting for.
    pub fn wait(&self, session: NexusId) -> Option<Duration> {
        let turns = TURNS + self.doubt;
        let worth = self.session == session && self.turns >= turns && u128::from(self.pause) <= WAIT_MAX.as_nanos();
        worth.then_some(WAIT_MAX)
    }

    /// It came after `waited`.
    pub fn met(&mut self, waited: Duration) {
        if waited > WAIT_MAX * DISTURBED { self.missed() } else { self.doubt /= 2 }
    }

    /// It did not come.
    pub fn missed(&mut self) {
        self.turns = 0;
        self.doubt = (self.doubt * 2 + TURNS).min(TURNS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vain_waits_make_it_rare() {
        let mut vigil = Vigil::default();
        let mut waits = 0;
        let mut now = Instant(1_000_000);
        for _ in 0..10_000 {
            now = now + Duration::from_micros(30);
            vigil.begin(NexusId(1), now);
            vigil.end(true, now);
            if vigil.wait(NexusId(1)).is_some() {
                waits += 1;
                // On a busy core the wait ends late, whether something came or not.
                vigil.met(Duration::from_millis(4));
            }
        }
        assert!((1..16).contains(&waits), "{waits}");
        (0..20).for_each(|_| vigil.met(Duration::from_micros(10)));
        assert_eq!(vigil.doubt, 0, "what is met in time is trusted again");
    }

    #[test]
    fn only_a_lone_session_with_short_pauses_is_waited_for() {
        let mut vigil = Vigil::default();
        let mut now = Instant(1_000_000);
        let mut turn = |vigil: &mut Vigil, session, pause, single| {
            now = now + Duration::from_micros(pause);
            vigil.begin(NexusId(session), now);
            vigil.end(single, now);
            vigil.wait(NexusId(session)).is_some()
        };
        let waits: Vec<bool> = (0..20).map(|_| turn(&mut vigil, 1, 30, true)).collect();
        assert!(!waits[0] && waits[19]);
        assert!(!turn(&mut vigil, 1, 30, false), "several commands at once need no vigil");
        assert!((0..20).any(|_| turn(&mut vigil, 1, 30, true)));
        assert!(!turn(&mut vigil, 2, 30, true), "two sessions take turns");
        assert!(!turn(&mut vigil, 1, 30, true));
        assert!(!(0..100).any(|_| turn(&mut vigil, 1, 3000, true)), "long pauses");
    }
}
