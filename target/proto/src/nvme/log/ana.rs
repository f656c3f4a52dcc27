//! Asymmetric Namespace Access (page 0Ch, base §5.16.1.13).

use crate::nvme::identify::Asker;
use mainstay_base::path::{Access, GroupId};
use std::collections::BTreeMap;

/// The groups that have a namespace the host sees, ascending; `groups_only` (RGO): without the namespaces.
pub fn page(asker: &Asker<'_, '_>, groups_only: bool) -> Vec<u8> {
    let (paths, portal) = (asker.cx.paths, asker.controller.portal);
    let mut groups: BTreeMap<GroupId, Vec<u32>> = BTreeMap::new();
    for namespace in &asker.view.namespaces {
        groups.entry(namespace.group).or_default().push(namespace.nsid);
    }
    let changes = |group: &GroupId| paths.changes(portal, *group);
    let mut out = Vec::with_capacity(16 + 32 * groups.len() + 4 * asker.view.namespaces.len());
    // A change of any of them is a change of the log.
    out.extend(groups.keys().map(changes).sum::<u64>().to_le_bytes());
    out.extend((groups.len() as u16).to_le_bytes());
    out.resize(16, 0);
    for (group, namespaces) in &groups {
        let namespaces = if groups_only { &[] } else { namespaces.as_slice() };
        out.extend(u32::from(group.0).to_le_bytes());
        out.extend((namespaces.len() as u32).to_le_bytes());
        out.extend(changes(group).to_le_bytes());
        out.push(state(paths.get(portal, *group)));
        out.extend([0; 15]);
        namespaces.iter().for_each(|nsid| out.extend(nsid.to_le_bytes()));
    }
    out
}

fn state(access: Access) -> u8 {
    match access {
        Access::Optimized => 0x01,
        Access::NonOptimized => 0x02,
        Access::Inaccessible => 0x03,
        Access::PersistentLoss => 0x04,
        Access::Change => 0x0f,
    }
}
