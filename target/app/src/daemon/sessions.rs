//! Which sessions there are, by the name the standard gives them: initiator, ISID and target (RFC 7143 §4.4.3), and who
//! waits for which to end.

use mainstay_base::sam::NexusId;
use mainstay_proto::iscsi::login::{Candidate, Kind, LoginStatus, Refusal};
use mainstay_proto::iscsi::pdu::Isid;
use std::collections::HashMap;

/// Initiator name, ISID, index of the target.
type Name = (String, Isid, usize);

#[derive(Clone, Copy, Debug)]
struct Entry {
    nexus: NexusId,
    tsih: u16,
    cid: u16,
}

/// What becomes of a candidate.
#[derive(Debug)]
pub(super) enum Admission {
    /// Decided: its TSIH, or why not.
    Now(Result<u16, Refusal>),
    /// Session reinstatement: once this one has ended, ask again.
    After(NexusId),
}

#[derive(Debug)]
pub(super) struct Sessions {
    by_name: HashMap<Name, Entry>,
    names: HashMap<NexusId, Name>,
    waiting: Vec<(NexusId, Candidate, NexusId)>,
    tsih_last: u16,
    sessions_max: usize,
}

impl Sessions {
    pub fn new(sessions_max: usize) -> Sessions {
        Sessions { by_name: HashMap::new(), names: HashMap::new(), waiting: Vec::new(), tsih_last: 0, sessions_max }
    }

    /// `id` has finished negotiating.
    pub fn candidate(&mut self, id: NexusId, candidate: Candidate) -> Admission {
        let Kind::Normal { target } = candidate.kind else {
            return Admission::Now(Ok(self.tsih()));
        };
        let name = (candidate.initiator.clone(), candidate.isid, target);
        match self.by_name.get(&name) {
            Some(entry) if candidate.tsih != 0 && candidate.tsih != entry.tsih => {
                Admission::Now(Err(unknown(candidate.tsih)))
            }
            // It would be a second connection of the session (RFC 7143 §6.3.4).
            Some(entry) if candidate.tsih != 0 && candidate.cid != entry.cid => {
                let reason = "a session has one connection here (MaxConnections=1), and this would be its second";
                Admission::Now(Err(Refusal::new(LoginStatus::TooManyConnections, reason)))
            }
            Some(&Entry { nexus: old, .. }) => {
                self.waiting.push((id, candidate, old));
                Admission::After(old)
            }
            None if candidate.tsih != 0 => Admission::Now(Err(unknown(candidate.tsih))),
            None if self.by_name.len() >= self.sessions_max => Admission::Now(Err(full(self.sessions_max))),
            None => {
                let tsih = self.tsih();
                self.by_name.insert(name.clone(), Entry { nexus: id, tsih, cid: candidate.cid });
                self.names.insert(id, name);
                Admission::Now(Ok(tsih))
            }
        }
    }

    /// `id` has ended. Gives the candidates that waited for it, to be asked again.
    pub fn ended(&mut self, id: NexusId) -> Vec<(NexusId, Candidate)> {
        if let Some(name) = self.names.remove(&id) {
            self.by_name.remove(&name);
        }
        self.waiting.retain(|&(waiting, ..)| waiting != id);
        let (ready, still) = std::mem::take(&mut self.waiting).into_iter().partition(|&(_, _, old)| old == id);
        self.waiting = still;
        let ready: Vec<(NexusId, Candidate, NexusId)> = ready;
        // A reinstated session is a new one (its TSIH was only asked about).
        ready.into_iter().map(|(waiting, candidate, _)| (waiting, Candidate { tsih: 0, ..candidate })).collect()
    }

    /// A TSIH that is not in use; never zero.
    fn tsih(&mut self) -> u16 {
        loop {
            self.tsih_last = self.tsih_last.checked_add(1).unwrap_or(1);
            if !self.by_name.values().any(|entry| entry.tsih == self.tsih_last) {
                return self.tsih_last;
            }
        }
    }
}

fn unknown(tsih: u16) -> Refusal {
    let reason = format!("there is no session {tsih} of this initiator for the connection to join");
    Refusal::new(LoginStatus::SessionDoesNotExist, reason)
}

fn full(sessions_max: usize) -> Refusal {
    Refusal::new(LoginStatus::OutOfResources, format!("there are {sessions_max} sessions already, the most allowed"))
}
