//! What is told to people and programs: events to the console and to subscribers, log lines, the last refused logins.

use super::world::{Party, World};
use crate::control::words::{Event, REFUSED_LOGINS_MAX, RefusedLogin, What};
use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use mainstay_base::unit::{Completion, Fault, Op};
use mainstay_edge::clock;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, for people.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The logins that were refused last, oldest first.
#[derive(Debug, Default)]
pub(super) struct Refusals(pub VecDeque<RefusedLogin>);

impl Refusals {
    fn push(&mut self, refused: RefusedLogin) {
        if self.0.len() == REFUSED_LOGINS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(refused);
    }
}

/// How often the faults of a volume were told lately: a broken disk does not fill the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FaultsTold {
    pub last: Option<(Instant, Fault)>,
    pub silent: u64,
}

/// The same fault of a volume is told again after this long.
const FAULT_SILENCE: Duration = Duration::from_secs(10);

impl World {
    /// Tell that a store could not do what it was asked, unless that was told just now.
    pub(super) fn store_fault(&mut self, index: usize, completion: &Completion) {
        let Err(fault) = completion.result else { return };
        let (now, told) = (clock::now(), &mut self.faults[index]);
        let same = |(at, last): (Instant, Fault)| {
            std::mem::discriminant(&last) == std::mem::discriminant(&fault) && now.since(at) < FAULT_SILENCE
        };
        if told.last.is_some_and(same) {
            told.silent += 1;
            return;
        }
        let more = match std::mem::take(&mut told.silent) {
            0 => String::new(),
            silent => format!(" (and {silent} times more since the last line like this)"),
        };
        told.last = Some((now, fault));
        let verb = match completion.op {
            Op::Read { .. } => "read",
            Op::Write { .. } => "write",
            Op::Flush => "flush",
            Op::Zero { .. } => "zeroing",
            Op::Extent { .. } => "allocation query",
            Op::Mark { .. } => "marking of unreadable blocks",
            Op::Protect => "change of the write protection",
        };
        let volume = self.volumes[index].name().to_owned();
        let message = format!("a {verb} failed: {fault}{more}");
        tracing::error!(volume, "{message}");
        self.tell(What::Error { session: None, volume: Some(volume), peer: None, message });
        self.tell_health();
    }

    /// Tell an event to everybody who listens.
    pub fn tell(&mut self, what: What) {
        let event = Event { time_ms: unix_ms(), what };
        self.console.event(&event);
        for control in self.controls.values_mut() {
            control.machine.notify(&event);
            control.changed.notify_one();
        }
    }

    /// A connection has something to say.
    pub(super) fn notice(&mut self, id: NexusId, notice: &str) {
        let peer = self.connections.get(&id).map(|connection| connection.machine.peer());
        tracing::warn!(session = id.0, "{notice}");
        self.tell(What::Error { session: Some(id.0), volume: None, peer, message: notice.to_string() });
    }

    /// A login was refused.
    pub(super) fn refused(&mut self, id: NexusId, step: String, why: String) {
        let Some(party) = self.connections.get(&id).map(|connection| connection.machine.party()) else { return };
        let refused = RefusedLogin {
            time_ms: unix_ms(),
            peer: party.peer,
            initiator: Some(party.initiator).filter(|name| !name.is_empty()),
            target: party.target,
            step,
            why,
        };
        self.refusals.push(refused.clone());
        let RefusedLogin { peer, initiator, target, step, why, .. } = refused;
        tracing::warn!(%peer, initiator, target, step, "login refused: {why}");
        self.tell(What::Refused { peer, initiator, target, step, why });
    }

    /// A session entered full feature phase.
    pub(super) fn logged_in(&mut self, id: NexusId) {
        let Some(party) = self.connections.get(&id).map(|connection| connection.machine.party()) else { return };
        let Party { peer, local, initiator, target } = party;
        tracing::info!(session = id.0, %peer, initiator, target, "login");
        self.tell(What::Login { session: id.0, initiator, target, peer, local });
    }

    /// A session that had logged in is over.
    pub(super) fn logged_out(&mut self, id: NexusId, party: Party, why: &str) {
        let Party { peer, initiator, target, .. } = party;
        tracing::info!(session = id.0, %peer, initiator, target, "logout: {why}");
        self.tell(What::Logout { session: id.0, initiator, target, peer, why: why.to_owned() });
    }
}
