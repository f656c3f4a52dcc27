//! How good each way to a volume is: one state that SCSI (ALUA, SPC-4 §5.15) and NVMe (ANA, NVM Express base 2.0 §8.1) share.
//!
//! Volumes belong to groups; each group has a state on each portal. What was never set is optimized.

use std::collections::BTreeMap;

/// A group of volumes that change together; 1 and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u16);

/// The highest number of a group.
pub const GROUPS_MAX: u16 = 128;

/// How a group is reached through a portal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// The best way.
    #[default]
    Optimized,
    /// A way for when there is no better one.
    NonOptimized,
    /// Not now (ALUA: unavailable).
    Inaccessible,
    /// Never again (ALUA: offline).
    PersistentLoss,
    /// About to become something else (ALUA: transitioning).
    Change,
}

impl Access {
    /// All of them.
    pub const ALL: [Access; 5] =
        [Access::Optimized, Access::NonOptimized, Access::Inaccessible, Access::PersistentLoss, Access::Change];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Access::Optimized => "optimized",
            Access::NonOptimized => "non-optimized",
            Access::Inaccessible => "inaccessible",
            Access::PersistentLoss => "persistent-loss",
            Access::Change => "change",
        }
    }

    /// The state that people write so.
    pub fn named(name: &str) -> Option<Access> {
        Access::ALL.into_iter().find(|access| access.name() == name)
    }

    /// Whether commands that touch the medium are carried out.
    pub fn carries(self) -> bool {
        matches!(self, Access::Optimized | Access::NonOptimized)
    }
}

/// All ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// By portal (index in the configuration) and group; optimized ones are not in it.
    states: BTreeMap<(usize, GroupId), Access>,
    /// How often each group has changed on each portal.
    changes: BTreeMap<(usize, GroupId), u64>,
}

impl Paths {
    /// The state of `group` on `portal`.
    pub fn get(&self, portal: usize, group: GroupId) -> Access {
        self.states.get(&(portal, group)).copied().unwrap_or_default()
    }

    /// Set it. True: it was another before.
    pub fn set(&mut self, portal: usize, group: GroupId, access: Access) -> bool {
        let changed = self.get(portal, group) != access;
        if changed {
            self.states.insert((portal, group), access);
            self.states.retain(|_, access| *access != Access::Optimized);
            *self.changes.entry((portal, group)).or_default() += 1;
        }
        changed
    }

    /// How often `group` has changed on `portal`.
    pub fn changes(&self, portal: usize, group: GroupId) -> u64 {
        self.changes.get(&(portal, group)).copied().unwrap_or_default()
    }

    /// Everything that was ever set: portal, group, state, changes; sorted.
    pub fn entries(&self) -> impl Iterator<Item = (usize, GroupId, Access, u64)> + '_ {
        self.changes.iter().map(|(&(portal, group), &changes)| (portal, group, self.get(portal, group), changes))
    }

    /// What [`Paths::entries`] told, again.
    pub fn restore(entries: impl IntoIterator<Item = (usize, GroupId, Access, u64)>) -> Paths {
        let mut paths = Paths::default();
        for (portal, group, access, changes) in entries {
            paths.changes.insert((portal, group), changes);
            if access != Access::Optimized {
                paths.states.insert((portal, group), access);
            }
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_counted_once_and_comes_back() {
        let mut paths = Paths::default();
        let group = GroupId(1);
        assert_eq!(paths.get(0, group), Access::Optimized);
        assert!(!paths.set(0, group, Access::Optimized));
        assert!(paths.set(0, group, Access::Inaccessible) && !paths.set(0, group, Access::Inaccessible));
        assert_eq!((paths.get(0, group), paths.get(1, group)), (Access::Inaccessible, Access::Optimized));
        assert!(paths.set(0, group, Access::Optimized));
        assert_eq!(paths.changes(0, group), 2);
        assert_eq!(Paths::restore(paths.entries()), paths);
        for access in Access::ALL {
            assert_eq!(Access::named(access.name()), Some(access));
        }
    }
}
