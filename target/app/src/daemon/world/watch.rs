//! Watching the socket of a lone session between its commands, when `vigil` finds it worth while.

use super::World;
use mainstay_base::sam::NexusId;
use mainstay_edge::clock;
use mainstay_edge::portal::Ready;

impl World {
    /// Look at the socket of a connection for a while, without being told that it is ready. True: something came.
    pub fn watch(&mut self, id: NexusId) -> bool {
        let before = self.commands(id);
        let Some(wait) = self.vigil.wait(id).filter(|_| before.1 == 0) else { return false };
        let start = clock::now();
        while clock::now().since(start) < wait {
            self.take(id, Ready::Unknown);
            let after = self.commands(id);
            if after.0 != before.0 || !self.knows(id) {
                let now = clock::now();
                self.vigil.end(self.is_single(id, before.0), now);
                self.vigil.met(now.since(start));
                return true;
            }
        }
        self.vigil.missed();
        false
    }

    /// Whether one command came since there were `before`, and no other is open.
    pub(super) fn is_single(&self, id: NexusId, before: u64) -> bool {
        let (commands, open) = self.commands(id);
        commands == before + 1 && open <= 1
    }

    /// The session that may be worth watching now that a store has answered: its only command is done.
    pub fn answered(&mut self) -> Option<NexusId> {
        let id = self.vigil.session();
        let done = self.knows(id) && self.commands(id).1 == 0;
        done.then(|| self.vigil.answered(clock::now()))?;
        Some(id)
    }

    /// Commands a session ever gave us, and those of them that are open.
    pub(super) fn commands(&self, id: NexusId) -> (u64, usize) {
        self.connections.get(&id).map_or((0, 0), |c| c.machine.commands())
    }
}
