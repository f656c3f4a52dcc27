//! What sessions of iSCSI ask of the world: to be let in, and what one of them does to the others.

use super::{Connection, Parting, World};
use crate::daemon::sessions::Admission;
use mainstay_base::sam::NexusId;
use mainstay_proto::iscsi::login::Kind;
use mainstay_proto::iscsi::{self, CloseReason};
use mainstay_proto::nexus::{Effect, Nexus};

impl World {
    pub(super) fn carry_out(&mut self, id: NexusId, effect: Effect) {
        match effect {
            Effect::Store(request) => self.store(id, request),
            Effect::Candidate(candidate) => self.admission(id, candidate),
            Effect::Reset { volumes, itt } => {
                let mut busy = Vec::new();
                for other in self.others(id, |nexus| nexus.tasks_live() > 0) {
                    let mut dry = true;
                    self.with(other, |nexus, cx| dry = nexus.abort_volumes(cx, &volumes));
                    if !dry {
                        busy.push(other);
                    }
                }
                self.with(id, |nexus, cx| nexus.others_busy(cx, itt, busy));
            }
            Effect::Dry => self.tell_dry(id),
            Effect::DropSessions { target } => {
                for other in self.others(id, |nexus| nexus.info().target == Some(target)) {
                    self.close_unsettled(other, CloseReason::TargetReset);
                }
            }
            Effect::Wake(other) => self.with_pump(other, |_, pump| pump.wake()),
            Effect::LoggedOut => self.part(id, Parting::LoggedOut),
            Effect::Refused { step, why } => self.refused(id, step, why),
            Effect::Notice(notice) => self.notice(id, &notice.0),
        }
    }

    fn others(&self, id: NexusId, which: impl Fn(&Nexus) -> bool) -> Vec<NexusId> {
        let is_it = |connection: &Connection| connection.machine.nexus().is_some_and(&which);
        let picked = self.connections.iter().filter(|&(&other, connection)| other != id && is_it(connection));
        picked.map(|(&other, _)| other).collect()
    }

    pub(super) fn tell_dry(&mut self, id: NexusId) {
        let manages = |id: &NexusId| self.connections.get(id).is_some_and(|c| c.machine.is_managing());
        self.managing.retain(manages);
        for other in self.managing.iter().copied().filter(|&other| other != id).collect::<Vec<_>>() {
            self.with(other, |nexus, cx| nexus.other_dry(cx, id));
        }
    }

    pub(super) fn admission(&mut self, id: NexusId, candidate: iscsi::Candidate) {
        if !self.knows(id) {
            return;
        }
        let kind = candidate.kind;
        // Whether it has a session is saved with it.
        self.changes(id);
        match self.sessions.candidate(id, candidate) {
            Admission::Now(verdict) => {
                let admitted = verdict.is_ok();
                self.with(id, |nexus, cx| nexus.admit(cx, verdict));
                if admitted && let Some(connection) = self.connections.get_mut(&id) {
                    connection.told = true;
                    let peer = connection.machine.peer();
                    self.logged_in(id);
                    self.logins.leave(id);
                    if kind == Kind::Discovery {
                        let crowded_out = self.discoveries.enter(id, peer.ip());
                        self.crowd_out(crowded_out, "for discovery");
                    }
                }
            }
            // Its tasks may still be at the stores, and an old write must not land behind the new session's.
            Admission::After(old) => self.close_unsettled(old, CloseReason::Reinstated),
        }
    }
}
