//! The lists of Identify (base §5.17.2.2, §5.17.2.4, §5.17.2.12 and others).

use super::{Asker, BYTES, ENDURANCE_GROUP};
use crate::nvme::page::Page;
use crate::nvme::{Status, View};

/// Numbers in a namespace list.
const NSIDS: usize = BYTES / 4;
/// Numbers in a list of controllers or of groups, behind their count.
const SHORTS: usize = BYTES / 2 - 1;

/// CNS 02h, 07h and 10h: those above `after`. What the host does not see is not there, so the allocated ones are the active.
pub fn namespaces(view: &View, after: u32) -> Result<Vec<u8>, Status> {
    if after >= u32::MAX - 1 {
        return Err(Status::INVALID_NAMESPACE);
    }
    let mut page = Page::new(BYTES);
    let above = view.namespaces.iter().map(|namespace| namespace.nsid).filter(|&nsid| nsid > after);
    for (n, nsid) in above.take(NSIDS).enumerate() {
        page.put(4 * n, nsid.to_le_bytes());
    }
    Ok(page.done())
}

/// CNS 12h: controllers from `first` on that have the namespace, if the asking one does. Who else sees a namespace that not
/// everyone does is nobody's business.
pub fn attached(asker: &Asker<'_, '_>, index: usize, nsid: u32, first: u16) -> Result<Vec<u8>, Status> {
    asker.view.namespace(nsid).ok_or(Status::INVALID_NAMESPACE)?;
    let masked = asker.subsystem().is_some_and(|subsystem| {
        subsystem.namespaces.iter().any(|namespace| namespace.nsid == nsid && namespace.hosts.is_some())
    });
    let own = asker.controller.cntlid;
    Ok(if masked { shorts(Some(own).filter(|_| own >= first).into_iter()) } else { controllers(asker, index, first) })
}

/// CNS 13h: controllers of the subsystem from `first` on.
pub fn controllers(asker: &Asker<'_, '_>, index: usize, first: u16) -> Vec<u8> {
    shorts(
        asker.cx.controllers.iter().filter(|&&(of, cntlid)| of == index && cntlid >= first).map(|&(_, cntlid)| cntlid),
    )
}

/// CNS 19h: endurance groups above `after`.
pub fn endurance_groups(after: u16) -> Vec<u8> {
    shorts((after < ENDURANCE_GROUP).then_some(ENDURANCE_GROUP).into_iter())
}

/// CNS 1Ch, of this controller (FFFFh): one combination, which is the NVM command set alone.
pub fn command_sets(own: u16, cntid: u16) -> Result<Vec<u8>, Status> {
    if cntid != u16::MAX && cntid != own {
        return Err(Status::INVALID_FIELD);
    }
    let mut page = Page::new(BYTES);
    page.put(0, 1u64.to_le_bytes());
    Ok(page.done())
}

fn shorts(numbers: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut page = Page::new(BYTES);
    let mut count = 0u16;
    for number in numbers.take(SHORTS) {
        count += 1;
        page.put(2 * usize::from(count), number.to_le_bytes());
    }
    page.put(0, count.to_le_bytes());
    page.done()
}
