//! Which sessions there are, by the name the standard gives them: initiator, ISID and target (RFC 7143 §4.4.3), and who
//! waits for which to end.

use super::descriptors::Room;
use mainstay_base::sam::NexusId;
use mainstay_proto::iscsi::login::{Candidate, Kind, LoginStatus, Refusal};
use mainstay_proto::iscsi::pdu::Isid;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Initiator name, ISID, index of the target.
pub(super) type Name = (String, Isid, usize);

#[derive(Debug)]
struct Entry {
    name: Rc<Name>,
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
    by_name: HashMap<Rc<Name>, NexusId>,
    entries: HashMap<NexusId, Entry>,
    /// Who waits, as what, and for whose end.
    pub waiting: Vec<(NexusId, Candidate, NexusId)>,
    /// Who asks again after it came back to its session by TSIH: it keeps that number (RFC 7143 §11.13.3).
    pub rejoining: HashMap<NexusId, u16>,
    pub tsih_last: u16,
    tsihs: HashSet<u16>,
    pub room: Room,
    /// Controllers of NVMe, by their admin queues: each counts as a session does.
    pub controllers: HashSet<NexusId>,
    /// I/O queues of NVMe.
    pub queues: HashSet<NexusId>,
}

impl Sessions {
    pub fn new(room: Room) -> Sessions {
        Sessions {
            by_name: HashMap::new(),
            entries: HashMap::new(),
            waiting: Vec::new(),
            rejoining: HashMap::new(),
            tsih_last: 0,
            tsihs: HashSet::new(),
            room,
            controllers: HashSet::new(),
            queues: HashSet::new(),
        }
    }

    /// Whether there is no room for another session or controller.
    pub fn is_full(&self) -> bool {
        self.by_name.len() + self.controllers.len() >= self.room.sessions
    }

    /// Whether there is no room for another I/O queue.
    pub fn has_all_queues(&self) -> bool {
        self.queues.len() >= self.room.queues
    }

    /// `id` has finished negotiating.
    pub fn candidate(&mut self, id: NexusId, candidate: Candidate) -> Admission {
        let Kind::Normal { target } = candidate.kind else {
            if candidate.tsih != 0 {
                // Nothing can join a discovery session (RFC 7143 §6.3.1).
                return Admission::Now(Err(unknown(candidate.tsih)));
            }
            return Admission::Now(self.tsih().ok_or_else(|| full(self.by_name.len())));
        };
        let name = (candidate.initiator.clone(), candidate.isid, target);
        let kept = self.rejoining.remove(&id).filter(|tsih| !self.tsihs.contains(tsih));
        let old = self.by_name.get(&name).copied();
        match old.and_then(|old| Some((old, self.entries.get(&old)?))) {
            Some((_, entry)) if candidate.tsih != 0 && candidate.tsih != entry.tsih => {
                Admission::Now(Err(unknown(candidate.tsih)))
            }
            // It would be a second connection of the session (RFC 7143 §6.3.4).
            Some((_, entry)) if candidate.tsih != 0 && candidate.cid != entry.cid => {
                let reason = "a session has one connection here (MaxConnections=1), and this would be its second";
                Admission::Now(Err(Refusal::new(LoginStatus::TooManyConnections, reason)))
            }
            Some((old, _)) => {
                self.waiting.push((id, candidate, old));
                Admission::After(old)
            }
            None if candidate.tsih != 0 => Admission::Now(Err(unknown(candidate.tsih))),
            None if self.is_full() => Admission::Now(Err(full(self.room.sessions))),
            None => {
                let Some(tsih) = kept.or_else(|| self.tsih()) else {
                    return Admission::Now(Err(full(self.by_name.len())));
                };
                self.tsihs.insert(tsih);
                let name = Rc::new(name);
                self.by_name.insert(name.clone(), id);
                self.entries.insert(id, Entry { name, tsih, cid: candidate.cid });
                Admission::Now(Ok(tsih))
            }
        }
    }

    /// `id` has ended. Gives the candidates that waited for it, to be asked again.
    pub fn ended(&mut self, id: NexusId) -> Vec<(NexusId, Candidate)> {
        if let Some(entry) = self.entries.remove(&id) {
            self.by_name.remove(&entry.name);
            self.tsihs.remove(&entry.tsih);
        }
        self.waiting.retain(|&(waiting, ..)| waiting != id);
        self.rejoining.remove(&id);
        self.controllers.remove(&id);
        self.queues.remove(&id);
        let (ready, still) = std::mem::take(&mut self.waiting).into_iter().partition(|&(_, _, old)| old == id);
        self.waiting = still;
        let ready: Vec<(NexusId, Candidate, NexusId)> = ready;
        for (waiting, candidate, _) in ready.iter().filter(|(_, candidate, _)| candidate.tsih != 0) {
            self.rejoining.insert(*waiting, candidate.tsih);
        }
        // A reinstated session is a new one.
        ready.into_iter().map(|(waiting, candidate, _)| (waiting, Candidate { tsih: 0, ..candidate })).collect()
    }

    /// TSIH and CID of the session that `id` is.
    pub fn entry(&self, id: NexusId) -> Option<(u16, u16)> {
        self.entries.get(&id).map(|entry| (entry.tsih, entry.cid))
    }

    /// `id` was this session before a swap. None: the name or its TSIH is another's.
    pub fn enter(&mut self, id: NexusId, name: Name, tsih: u16, cid: u16) -> Option<()> {
        let name = Rc::new(name);
        let known = self.by_name.insert(name.clone(), id).is_some();
        let is_new = !known && self.tsihs.insert(tsih) && self.entries.insert(id, Entry { name, tsih, cid }).is_none();
        is_new.then_some(())
    }

    /// So many are about to [`Sessions::enter`].
    pub fn reserve(&mut self, sessions: usize) {
        self.by_name.reserve(sessions);
        self.entries.reserve(sessions);
        self.tsihs.reserve(sessions);
    }

    /// A TSIH that is not in use; never zero. None: all are.
    fn tsih(&mut self) -> Option<u16> {
        if self.tsihs.len() == usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.tsih_last = self.tsih_last.checked_add(1).unwrap_or(1);
            if !self.tsihs.contains(&self.tsih_last) {
                return Some(self.tsih_last);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn room(sessions: usize) -> Room {
        Room { sessions, queues: 0 }
    }

    fn candidate(n: u32, kind: Kind) -> Candidate {
        Candidate { initiator: format!("iqn.2026-11.internal:{n}"), isid: Isid::default(), tsih: 0, cid: 0, kind }
    }

    #[test]
    fn when_every_tsih_is_in_use_nobody_waits_for_one() {
        let mut sessions = Sessions::new(room(usize::from(u16::MAX)));
        let normal = Kind::Normal { target: 0 };
        for n in 1..=65_535 {
            let admission = sessions.candidate(NexusId(u64::from(n)), candidate(n, normal));
            assert!(matches!(admission, Admission::Now(Ok(tsih)) if u32::from(tsih) == n));
        }
        assert!(matches!(sessions.candidate(NexusId(70_000), candidate(0, Kind::Discovery)), Admission::Now(Err(_))));
        assert!(sessions.ended(NexusId(7)).is_empty());
        assert!(matches!(sessions.candidate(NexusId(70_001), candidate(0, Kind::Discovery)), Admission::Now(Ok(7))));
    }

    /// RFC 7143 §6.3.1: TSIH 0 begins a new session, another one comes back to its own.
    #[test]
    fn who_comes_back_by_tsih_keeps_it() {
        let mut sessions = Sessions::new(room(1));
        let again = |tsih| Candidate { tsih, ..candidate(1, Kind::Normal { target: 0 }) };
        assert!(matches!(sessions.candidate(NexusId(1), again(0)), Admission::Now(Ok(1))));
        for (id, tsih, given) in [(2, 1, 1), (3, 0, 2), (4, 2, 2)] {
            let Admission::After(old) = sessions.candidate(NexusId(id), again(tsih)) else { panic!() };
            let ready = sessions.ended(old);
            let [(ready, candidate)] = &ready[..] else { panic!() };
            let Admission::Now(Ok(got)) = sessions.candidate(*ready, candidate.clone()) else { panic!() };
            assert_eq!(got, given);
        }
        sessions.ended(NexusId(4));
        assert!(sessions.rejoining.is_empty() && sessions.tsihs.is_empty());
    }

    #[test]
    fn nobody_joins_what_does_not_exist() {
        let mut sessions = Sessions::new(room(4));
        for kind in [Kind::Normal { target: 0 }, Kind::Discovery] {
            let admission = sessions.candidate(NexusId(1), Candidate { tsih: 9, ..candidate(1, kind) });
            let Admission::Now(Err(refusal)) = admission else { panic!() };
            assert_eq!(refusal.status, LoginStatus::SessionDoesNotExist);
        }
    }

    #[test]
    fn who_comes_again_waits_until_the_old_session_has_ended() {
        let mut sessions = Sessions::new(room(1));
        let again = || candidate(1, Kind::Normal { target: 0 });
        assert!(matches!(sessions.candidate(NexusId(1), again()), Admission::Now(Ok(1))));
        assert!(matches!(sessions.candidate(NexusId(2), again()), Admission::After(NexusId(1))));
        assert!(matches!(sessions.candidate(NexusId(3), again()), Admission::After(NexusId(1))));
        assert!(sessions.ended(NexusId(2)).is_empty(), "it no longer waits");
        let ready = sessions.ended(NexusId(1));
        assert_eq!(ready.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [NexusId(3)]);
    }
}
