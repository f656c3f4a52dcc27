//! The way to the stores and back.

use super::World;
use mainstay_base::metrics::{self, Traffic};
use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use mainstay_base::unit::{Completion, Op, Request};
use mainstay_edge::clock;
use mainstay_edge::volume::Job;

/// Which requests are kept back from the stores, because the daemon is about to be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) enum Hold {
    #[default]
    Nothing,
    /// Those that may take long: a flush, zeroing, a look at what is allocated.
    Long,
    /// Every one.
    All,
}

impl Hold {
    fn keeps(self, op: &Op) -> bool {
        match self {
            Hold::Nothing => false,
            Hold::Long => matches!(op, Op::Flush | Op::Zero { .. } | Op::Extent { .. }),
            Hold::All => true,
        }
    }
}

impl World {
    /// Requests that have been submitted and not answered.
    pub fn in_flight(&self) -> usize {
        self.asked.len()
    }

    /// Answers of the pool have come.
    pub fn take_completions(&mut self, scratch: &mut Vec<(NexusId, Completion)>) {
        self.pool.drain(scratch);
        for (id, completion) in scratch.drain(..) {
            if let Some((index, asked)) = self.asked.remove(&(id, completion.ticket)) {
                count(&mut self.traffic[index], &completion, asked);
                self.store_fault(index, &completion);
            }
            self.with(id, |nexus, cx| nexus.complete(cx, completion));
        }
        self.settle();
    }

    /// Keep nothing back any more: what was kept goes to the stores, in the order it came on each connection.
    pub fn release_held(&mut self) {
        self.hold = Hold::Nothing;
        let holding = self.connections.iter_mut().filter(|(_, connection)| !connection.held.is_empty());
        let held: Vec<_> = holding.map(|(&id, connection)| (id, std::mem::take(&mut connection.held))).collect();
        for (id, requests) in held {
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
        match volume.quick(&mut request.op) {
            Some(result) => {
                let completion = Completion { ticket: request.ticket, op: request.op, result };
                count(&mut self.traffic[index], &completion, asked);
                self.store_fault(index, &completion);
                self.with(id, |nexus, cx| nexus.complete(cx, completion));
            }
            None => {
                self.asked.insert((id, request.ticket), (index, asked));
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
        Op::Extent { .. } => (metrics::Kind::Other, 0),
    };
    traffic.complete(kind, bytes, nanos);
}
