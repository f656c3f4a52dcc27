//! The way to the stores and back.

use super::World;
use mainstay_base::metrics::{self, Traffic};
use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use mainstay_base::unit::{Completion, Op, Protection, Request};
use mainstay_edge::volume::Job;
use mainstay_edge::{clock, swap};
use std::time::Duration;

/// Which requests are kept back from the stores, because the daemon is about to be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) enum Hold {
    #[default]
    Nothing,
    /// Those that may take long: a flush, zeroing, a look at what is allocated, a mark or a
    /// write protection (the state directory keeps them).
    Long,
    /// The same, and no call of the control socket is heard any more.
    Calls,
    /// Every one.
    All,
}

impl Hold {
    fn keeps(self, op: &Op) -> bool {
        match self {
            Hold::Nothing => false,
            Hold::Long | Hold::Calls => is_long(op),
            Hold::All => true,
        }
    }
}

fn is_long(op: &Op) -> bool {
    matches!(op, Op::Flush | Op::Zero { .. } | Op::Extent { .. } | Op::Mark { .. } | Op::Protect)
}

/// A request that the pool has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    volume: usize,
    since: Instant,
    long: bool,
}

/// A request that a store has worked on for longer does not come back at once: no pause begins while there is one.
const STUCK: Duration = Duration::from_millis(100);

/// A disk that is slow under its load answers every request late, and would never let a pause begin: so in the second half
/// of the patience it may take as long as would leave it half of the rest. One that hangs has hung for longer by then.
fn stuck(left: Duration, patience: Duration) -> Duration {
    if left > patience / 2 { STUCK } else { STUCK.max(left / 2) }
}

impl World {
    /// Requests that have been submitted and not answered.
    pub fn in_flight(&self) -> usize {
        self.asked.len()
    }

    /// What has to come to its end before the world can be parked.
    pub fn at_stores(&self) -> usize {
        self.asked.len() + self.calls_waiting
    }

    /// Why a pause should not begin yet: something takes long. `left`: of so much patience.
    pub fn slow(&self, left: Duration, patience: Duration) -> Option<String> {
        if self.calls_waiting > 0 {
            return Some("another call of the control socket is being worked on".to_owned());
        }
        let now = clock::now();
        if let Some(long) = self.asked.values().filter(|asked| asked.long).min_by_key(|asked| asked.since) {
            let ms = now.since(long.since).as_millis();
            return Some(format!(
                "volume {:?} has worked for {ms} ms on a flush or the like",
                self.volumes[long.volume].name()
            ));
        }
        // Those of the runtime linger for a moment after their work.
        let others = swap::threads().map_or(0, |threads| threads.saturating_sub(1 + self.pool.threads()));
        if others > 0 {
            let have = if others == 1 { "thread has" } else { "threads have" };
            return Some(format!("{others} {have} something to do, such as to read from a disk"));
        }
        let (volume, stuck) = self.pool.longest().filter(|(_, time)| *time >= stuck(left, patience))?;
        let name = self.volumes[volume.0 as usize].name();
        Some(format!("volume {name:?} has worked for {} ms on one request", stuck.as_millis()))
    }

    /// The pause begins: nothing is read any more, and what no store has begun comes back and is held.
    pub fn stop(&mut self) {
        self.hold = Hold::All;
        self.moments.stopped = clock::now().0;
        self.first_read = None;
        for (id, request) in self.pool.recall() {
            if let Some(asked) = self.asked.remove(&(id, request.ticket)) {
                self.traffic[asked.volume].recall();
            }
            self.changes(id);
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.held.push(request);
            }
        }
    }

    /// Answers of the pool have come.
    pub fn take_completions(&mut self, scratch: &mut Vec<(NexusId, Completion)>) {
        self.pool.drain(scratch);
        for (id, completion) in scratch.drain(..) {
            if let Some(asked) = self.asked.remove(&(id, completion.ticket)) {
                count(&mut self.traffic[asked.volume], &completion, asked.since);
                self.store_fault(asked.volume, &completion);
            }
            self.with_pump(id, |_, pump| pump.complete(completion));
        }
        self.settle();
        if self.hold == Hold::All && self.asked.is_empty() {
            self.dry.notify_one();
        }
    }

    /// Keep nothing back any more: what was kept goes to the stores, in the order it came on each connection.
    pub fn release_held(&mut self) {
        if std::mem::take(&mut self.hold) == Hold::All {
            self.listen_again();
        }
        self.to_compute.notify_one();
        let holding = self.connections.iter_mut().filter(|(_, connection)| !connection.held.is_empty());
        let held: Vec<_> = holding.map(|(&id, connection)| (id, std::mem::take(&mut connection.held))).collect();
        for (id, requests) in held {
            self.changes(id);
            requests.into_iter().for_each(|request| self.store(id, request));
        }
        self.settle();
    }

    pub(super) fn store(&mut self, id: NexusId, mut request: Request) {
        if self.hold.keeps(&request.op)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.held.push(request);
            return;
        }
        let index = request.volume.0 as usize;
        let volume = &self.volumes[index];
        let asked = clock::now();
        self.traffic[index].begin();
        if matches!(request.op, Op::Protect) {
            // As it is by now: whoever asks, the last word counts.
            volume.set_protected(self.units[index].disk.protection == Protection::Protected);
        }
        match volume.quick(&mut request.op) {
            Some(result) => {
                let completion = Completion { ticket: request.ticket, op: request.op, result };
                count(&mut self.traffic[index], &completion, asked);
                self.store_fault(index, &completion);
                self.with_pump(id, |_, pump| pump.complete(completion));
            }
            None => {
                let long = is_long(&request.op);
                self.asked.insert((id, request.ticket), Asked { volume: index, since: asked, long });
                self.batch.push(Job { volume: volume.clone(), nexus: id, request });
            }
        }
    }
}

/// Add an answer to the figures of its volume.
fn count(traffic: &mut Traffic, completion: &Completion, asked: Instant) {
    if completion.result.is_err() {
        return traffic.fail();
    }
    let nanos = clock::now().since(asked).as_nanos() as u64;
    let (kind, bytes) = match &completion.op {
        Op::Read { into, .. } => (metrics::Kind::Read, into.len() as u64),
        Op::Write { from, .. } => (metrics::Kind::Write, from.len() as u64),
        Op::Flush => (metrics::Kind::Flush, 0),
        Op::Zero { len, .. } => (metrics::Kind::Unmap, *len),
        Op::Extent { .. } | Op::Mark { .. } | Op::Protect => (metrics::Kind::Other, 0),
    };
    traffic.complete(kind, bytes, nanos);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_gets_its_pause_and_one_that_hangs_does_not() {
        for patience in [100, 300, 2000, 20_000].map(Duration::from_millis) {
            let slow = Duration::from_millis(150).min(patience / 5);
            let begins = |took: &dyn Fn(Duration) -> Duration| {
                (0..100).any(|n| {
                    let waited = patience * n / 100;
                    took(waited) < stuck(patience - waited, patience)
                })
            };
            assert!(begins(&|_| slow), "{patience:?}");
            assert!(!begins(&|waited| STUCK + waited), "{patience:?}");
        }
    }
}
