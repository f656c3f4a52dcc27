//! A snapshot of a world that goes on, for a rehearsal: taken as of one instant, in slices of little work.
//!
//! What is small is saved when it begins. Of the connections each is saved when its turn comes, or just before something
//! happens to it: so all are as they were at that instant, and no two of them claim the same memory.

use super::sections::{get, put};
use super::{Forms, Inexpressible, Unreadable, arrange, connection, snapshot};
use crate::daemon::world::World;
use mainstay_base::sam::NexusId;
use mainstay_base::snapshot::{Section, Snapshot};
use mainstay_edge::clock;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const KIND: &str = "live";
pub(super) const READS: (&str, u32, u32) = (KIND, 0, 1);

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct LiveV1 {
    /// Requests that were at a store.
    #[prost(uint64, tag = "1")]
    in_flight: u64,
    /// When it was.
    #[prost(uint64, tag = "2")]
    at: u64,
}

/// A live snapshot on its way.
#[derive(Debug)]
pub(in crate::daemon) struct LiveSave {
    forms: Forms,
    before: Vec<Section>,
    after: Vec<Section>,
    /// From here to `end` connections are to be saved, unless they are in `done`.
    next: NexusId,
    end: NexusId,
    done: BTreeMap<NexusId, (Section, Section)>,
    failed: Option<Inexpressible>,
}

/// What the last live snapshot says of those to whom nothing has happened since: it need not be said again in the pause.
#[derive(Debug)]
pub(in crate::daemon) struct Kept {
    pub(super) forms: Forms,
    connections: RefCell<BTreeMap<NexusId, (Section, Section)>>,
}

impl Kept {
    /// Of one connection, once: it is not copied again.
    pub(super) fn take(&self, id: NexusId) -> Option<(Section, Section)> {
        self.connections.borrow_mut().remove(&id)
    }

    #[cfg(test)]
    pub(super) fn has(&self, id: NexusId) -> bool {
        self.connections.borrow().contains_key(&id)
    }
}

impl LiveSave {
    fn wants(&self, id: NexusId) -> bool {
        (self.next..self.end).contains(&id) && !self.done.contains_key(&id)
    }
}

impl World {
    /// Begin a live snapshot in `forms`; another one that is on its way is given up.
    pub fn live_begin(&mut self, forms: &Forms) -> Result<(), Inexpressible> {
        self.live = None;
        let mut before = self.save_before(forms)?;
        let state = LiveV1 { in_flight: self.in_flight() as u64, at: clock::now().0 };
        match forms.version(KIND) {
            0 => {}
            version @ 1 => before.insert(1, put(KIND, version, &state)),
            version => return Err(Inexpressible::new(KIND, version, "a live snapshot")),
        }
        self.kept = Some(Kept { forms: forms.clone(), connections: RefCell::default() });
        self.live = Some(Box::new(LiveSave {
            forms: forms.clone(),
            before,
            after: self.save_after(forms)?,
            next: NexusId(0),
            end: NexusId(self.nexus_next),
            done: BTreeMap::new(),
            failed: None,
        }));
        Ok(())
    }

    /// Go on with it for about `time`. True: everything has been saved.
    pub fn live_step(&mut self, time: Duration) -> Result<bool, Inexpressible> {
        let start = clock::now();
        let Some(mut live) = self.live.take() else { return Ok(true) };
        while let Some((&id, connection)) = self.connections.range(live.next..live.end).next() {
            if live.wants(id) {
                let saved = connection::save(self, connection, &live.forms)?;
                if let Some(kept) = &self.kept {
                    kept.connections.borrow_mut().insert(id, saved.clone());
                }
                live.done.insert(id, saved);
                // Kept for the final snapshot, where time is short; what fails here fails there again.
                let _ = connection.fingerprint();
            }
            live.next = NexusId(id.0 + 1);
            // However little time there is, each step is one.
            if clock::now().since(start) >= time {
                self.live = Some(live);
                return Ok(false);
            }
        }
        live.next = live.end;
        let failed = live.failed.take();
        self.live = Some(live);
        failed.map_or(Ok(true), Err)
    }

    /// The snapshot, whole; nothing when none was begun. What is in it is kept until [`World::live_drop`].
    pub fn live_finish(&mut self) -> Result<Option<Snapshot>, Inexpressible> {
        self.live_step(Duration::MAX)?;
        let Some(live) = self.live.take() else { return Ok(None) };
        let LiveSave { before: mut sections, after, done, .. } = *live;
        arrange(&mut sections, done.into_values().collect(), after);
        Ok(Some(snapshot(sections)))
    }

    /// Nobody wants the live snapshot any more, nor what was kept of it.
    pub fn live_drop(&mut self) {
        (self.live, self.kept) = (None, None);
    }

    /// Something is about to happen to a connection. To be said before anything of it changes that is saved.
    pub fn changes(&mut self, id: NexusId) {
        if self.live.is_some() || self.kept.is_some() {
            self.live_keep(id);
        }
    }

    /// What was kept of a connection is not so any more. For a live snapshot on its way it is saved as it was, if that is
    /// still to be done.
    #[cold]
    fn live_keep(&mut self, id: NexusId) {
        if let Some(kept) = &mut self.kept {
            kept.connections.get_mut().remove(&id);
        }
        let Some(mut live) = self.live.take() else { return };
        if live.wants(id)
            && let Some(connection) = self.connections.get(&id)
        {
            match connection::save(self, connection, &live.forms) {
                Ok(saved) => drop(live.done.insert(id, saved)),
                Err(error) => live.failed = Some(error),
            }
        }
        self.live = Some(live);
    }
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: LiveV1 = get(KIND, section)?;
    Ok(format!("{saved:?}"))
}
