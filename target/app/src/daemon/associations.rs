//! Which controllers there are, and which connections are their admin queues: with the I/O queues that joined it, a
//! controller is an *association* (NVM Express base 2.0 §1.5.4).

use mainstay_base::path::Paths;
use mainstay_base::sam::NexusId;
use mainstay_proto::nvme::controller::{DiscoveryState, Features};
use mainstay_proto::nvme::{Connect, Controllers, Reply, Site};
use std::collections::BTreeMap;

/// The highest controller identifier (base 2.0, figure 275: CNTLID); above are wildcards.
const CNTLID_MAX: u16 = 0xffef;

/// A controller: index of its subsystem (none: discovery) and CNTLID.
pub(super) type Name = (Option<usize>, u16);

#[derive(Debug)]
pub(super) struct Associations {
    pub site: Site,
    /// How volumes are reached.
    pub paths: Paths,
    /// What hosts have set at controllers that stay.
    pub retained: BTreeMap<Name, Features>,
    pub discovery: DiscoveryState,
    /// The last number that was given to a controller that comes and goes.
    pub cntlid_last: u16,
    admins: BTreeMap<Name, NexusId>,
    /// Those of subsystems in their order, as controllers are told of each other.
    pub live: Vec<(usize, u16)>,
}

impl Associations {
    pub fn new(site: Site) -> Associations {
        Associations {
            site,
            paths: Paths::default(),
            retained: BTreeMap::new(),
            discovery: DiscoveryState { generation: 1 },
            cntlid_last: 0,
            admins: BTreeMap::new(),
            live: Vec::new(),
        }
    }

    /// `id` is the admin queue of a controller to be, of any number or of this one: its number.
    ///
    /// # Errors
    /// What to answer to its Connect.
    pub fn admit(&mut self, id: NexusId, subsystem: Option<usize>, wanted: Option<u16>) -> Result<u16, Reply> {
        let controllers = subsystem.map_or(Controllers::Dynamic, |at| self.site.subsystems[at].controllers);
        let mut is_free = |cntlid: &u16| !self.admins.contains_key(&(subsystem, *cntlid));
        let cntlid = match (wanted, controllers) {
            (Some(cntlid), _) => Some(cntlid).filter(is_free),
            (None, Controllers::Static(count)) => (1..=count).find(is_free),
            (None, Controllers::Dynamic) => {
                let after = (self.cntlid_last + 1..=CNTLID_MAX).chain(1..=self.cntlid_last);
                let found = after.into_iter().find(&mut is_free);
                self.cntlid_last = found.unwrap_or(self.cntlid_last);
                found
            }
        };
        let cntlid = cntlid.ok_or_else(Connect::busy)?;
        self.enter((subsystem, cntlid), id);
        Ok(cntlid)
    }

    /// `id` is the admin queue of a controller. None: it is another's.
    pub fn enter(&mut self, name: Name, id: NexusId) -> Option<()> {
        let before = self.admins.insert(name, id);
        if let Some((live, Err(at))) = self.place(name) {
            self.live.insert(at, live);
        }
        before.is_none().then_some(())
    }

    /// The admin queue of a controller.
    pub fn admin(&self, name: Name) -> Option<NexusId> {
        self.admins.get(&name).copied()
    }

    /// All admin queues.
    pub fn admins(&self) -> Vec<NexusId> {
        self.admins.values().copied().collect()
    }

    /// What the host of a controller has set is kept if the controller stays.
    pub fn retain(&mut self, name: Name, set: Features) {
        if name.0.is_some_and(|at| matches!(self.site.subsystems[at].controllers, Controllers::Static(_))) {
            self.retained.insert(name, set);
        }
    }

    /// The admin queue `id` is gone.
    pub fn ended(&mut self, name: Name, id: NexusId) {
        if self.admins.get(&name) == Some(&id) {
            self.admins.remove(&name);
            if let Some((_, Ok(at))) = self.place(name) {
                self.live.remove(at);
            }
        }
    }

    /// Where a controller of a subsystem stands among those that live, or would.
    fn place(&self, (subsystem, cntlid): Name) -> Option<((usize, u16), Result<usize, usize>)> {
        let live = (subsystem?, cntlid);
        Some((live, self.live.binary_search(&live)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_proto::nvme::Subsystem;

    fn with(controllers: &[Controllers]) -> Associations {
        let subsystem = |&controllers: &Controllers| Subsystem {
            nqn: String::new(),
            serial: String::new(),
            model: String::new(),
            portals: vec![0],
            namespaces: Vec::new(),
            hosts: None,
            keys: None,
            controllers,
        };
        Associations::new(Site { subsystems: controllers.iter().map(subsystem).collect(), ..Site::default() })
    }

    #[test]
    fn controllers_that_come_and_go_are_numbered_in_a_ring() {
        let mut all = with(&[Controllers::Dynamic]);
        for n in 1..=3 {
            assert_eq!(all.admit(NexusId(n), Some(0), None).map(u64::from), Ok(n));
        }
        all.ended((Some(0), 2), NexusId(9));
        assert_eq!(all.live.len(), 3, "it is another's");
        all.ended((Some(0), 2), NexusId(2));
        assert_eq!(all.live, [(0, 1), (0, 3)]);
        assert_eq!(all.admit(NexusId(9), None, None), Ok(4), "a fresh one first");
        all.cntlid_last = CNTLID_MAX;
        assert_eq!(all.admit(NexusId(10), Some(0), None), Ok(2), "then those that are free again");
        assert_eq!(all.admin((Some(0), 2)), Some(NexusId(10)));
        assert_eq!(all.live, [(0, 1), (0, 2), (0, 3)], "discovery is not told of");
    }

    #[test]
    fn those_that_stay_are_as_many_as_were_said() {
        let mut all = with(&[Controllers::Static(2), Controllers::Static(1)]);
        assert_eq!(all.admit(NexusId(1), Some(0), None), Ok(1));
        assert_eq!(all.admit(NexusId(2), Some(0), Some(1)), Err(Connect::busy()));
        assert_eq!(all.admit(NexusId(2), Some(0), Some(2)), Ok(2));
        assert_eq!(all.admit(NexusId(3), Some(0), None), Err(Connect::busy()));
        assert_eq!(all.admit(NexusId(3), Some(1), None), Ok(1), "each subsystem counts for itself");
    }
}
