//! What has to be done as time passes: deadlines, memory for those who wait for it, memory given back.

use super::{Connection, Hold, World};
use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use mainstay_edge::{clock, memory};
use std::time::Duration;

/// Of those who wait for memory, so many are tried in vain before others get their turn.
const VAIN_MAX: usize = 16;
/// Pages of the arena that are not used for one to two of these are given back, so many bytes at a time.
const TRIM_PERIOD: Duration = Duration::from_secs(2);
const TRIM_STEP: usize = 4 << 20;
/// So many connections that have ended leave enough behind to look for it.
const FORGOTTEN_MIN: usize = 64;
/// Deadlines are met this late at worst; one wake then serves many, and the more there are the more it serves.
const TIMER_GRAIN: Duration = Duration::from_millis(50);
const TIMER_GRAIN_EACH: Duration = Duration::from_micros(20);
/// While there are connections we look at least this often, for their deadlines move with what they do.
const TIMER_MAX: Duration = Duration::from_secs(1);
/// After a pause nobody is late for so long: what they said in it has to be read first.
const HEARING: Duration = Duration::from_secs(1);

impl World {
    /// Time has passed. Gives how long to wait for the next call; none: until `timer` says.
    pub fn tick(&mut self) -> Option<Duration> {
        let now = clock::now();
        let is_due = |c: &Connection| c.machine.deadline().is_some_and(|deadline| deadline <= now);
        let hears = self.hold != Hold::All && self.hears <= now;
        let due = self.connections.iter().filter(|(_, c)| hears && is_due(c));
        let due: Vec<NexusId> = due.map(|(&id, _)| id).collect();
        for id in due {
            self.with_pump(id, |_, pump| pump.tick());
        }
        self.settle();
        let grain = TIMER_GRAIN + TIMER_GRAIN_EACH * self.connections.len() as u32;
        let next = self.connections.values().filter_map(|c| c.machine.deadline()).min();
        let next = next.map(|next| next.since(now).clamp(grain, TIMER_MAX.max(grain)));
        let next = if self.hopeful > 0 { Some(grain) } else { next };
        [next, self.tidy_up(now)].into_iter().flatten().min()
    }

    /// Bytes are taken again, after a pause.
    pub(super) fn listen_again(&mut self) {
        self.hears = clock::now() + HEARING;
    }

    /// Give memory back that a burst has left. Gives when to go on with that.
    fn tidy_up(&mut self, now: Instant) -> Option<Duration> {
        let heap = self.forgotten >= FORGOTTEN_MIN;
        if self.arena.is_trimmed() && !heap {
            return None;
        }
        if self.ages <= now {
            self.ages = now + TRIM_PERIOD;
            self.arena.age();
            if heap {
                self.forgotten = 0;
                memory::trim_heap();
            }
        }
        if self.arena.trim(TRIM_STEP) { Some(TIMER_GRAIN) } else { Some(self.ages.since(now).max(TIMER_GRAIN)) }
    }

    /// Let those who wait for memory try again, in turn, if some came back. `vain` counts who did so in vain.
    pub(super) fn feed(&mut self, vain: &mut usize) {
        if self.starved.is_empty() {
            self.hopeful = 0;
            return;
        }
        let returns = self.arena.returns();
        if returns != self.returns {
            self.returns = returns;
            self.hopeful = self.starved.len();
        }
        while self.hopeful > 0 && *vain < VAIN_MAX {
            self.hopeful -= 1;
            let Some(id) = self.starved.pop_front() else { break };
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.starved = false;
            self.with_pump(id, |_, pump| pump.feed());
            *vain += usize::from(self.connections.get(&id).is_some_and(|connection| connection.starved));
        }
    }
}
