//! Identify Namespace in its parts (base §5.17.2.3, §5.17.2.8; nvm §4.1.5.1, §4.1.5.3).

use super::{Asker, BYTES, ENDURANCE_GROUP, NVM};
use crate::nvme::io::limits::{self, Preferred};
use crate::nvme::page::Page;
use crate::nvme::{Attached, Status};
use mainstay_base::path::Access;
use mainstay_base::unit::{Disk, Identity};

/// NMIC: controllers of several hosts may have it.
const SHARED: u8 = 1;
/// NSFEAT: no other namespace will ever have its identifiers; NPWG and the like are there. It is not thin in the sense of
/// THINP: what a sparse file holds is not counted in NUSE.
const FEATURES: u8 = 1 << 3 | 1 << 4;

/// CNS 00h and 11h: zeroes for a number that no namespace has.
pub fn namespace(asker: &Asker<'_, '_>, nsid: u32) -> Vec<u8> {
    let mut page = Page::new(BYTES);
    let Some((attached, disk)) = asker.find(nsid) else { return page.done() };
    let geometry = &disk.geometry;
    let block = geometry.block_bytes;
    page.put(0, geometry.blocks.to_le_bytes());
    page.put(8, geometry.blocks.to_le_bytes());
    // NUSE says nothing where the namespace cannot be reached (base §8.1.3.3).
    let reached = !matches!(attached.access, Access::Inaccessible | Access::PersistentLoss);
    page.put(16, if reached { geometry.blocks } else { 0 }.to_le_bytes());
    page.put(24, [FEATURES]);
    page.put(30, [SHARED]);
    // DLFEAT: what is deallocated reads as zeroes, and Write Zeroes deallocates.
    page.put(33, [if disk.behaviour.thin { 1 | 1 << 3 } else { 0 }]);
    page.put(48, u128::from(geometry.bytes()).to_le_bytes());
    let preferred = Preferred::of(geometry);
    let units = [preferred.write, preferred.write, preferred.deallocate, preferred.deallocate, preferred.optimal];
    for (n, unit) in units.into_iter().enumerate() {
        page.put(64 + 2 * n, unit.to_le_bytes());
    }
    page.put(74, limits::mssrl(block).to_le_bytes());
    page.put(76, limits::mcl(block).to_le_bytes());
    page.put(80, [limits::MSRC]);
    page.put(92, u32::from(attached.group.0).to_le_bytes());
    page.put(99, [protected(attached, disk)]);
    page.put(102, ENDURANCE_GROUP.to_le_bytes());
    page.put(104, nguid(&disk.identity));
    page.put(120, eui64(&disk.identity));
    // The one format there is: no metadata, and its size as a power of two.
    page.put(130, [block.trailing_zeros() as u8]);
    page.done()
}

/// CNS 08h.
pub fn independent(asker: &Asker<'_, '_>, nsid: u32) -> Vec<u8> {
    let mut page = Page::new(BYTES);
    let Some((attached, disk)) = asker.find(nsid) else { return page.done() };
    // NSFEAT has here only what no command set is needed for.
    page.put(0, [FEATURES & 1 << 3, SHARED]);
    page.put(4, u32::from(attached.group.0).to_le_bytes());
    page.put(8, [protected(attached, disk)]);
    page.put(12, ENDURANCE_GROUP.to_le_bytes());
    // NSTAT: ready.
    page.put(14, [1]);
    page.done()
}

/// CNS 05h of the NVM command set: all of it is about protection information and storage tags, which we do not have.
pub fn of_command_set() -> Vec<u8> {
    Page::new(BYTES).done()
}

/// CNS 03h.
pub fn descriptors(asker: &Asker<'_, '_>, nsid: u32) -> Result<Vec<u8>, Status> {
    let (_, disk) = asker.find(nsid).ok_or(Status::INVALID_NAMESPACE)?;
    let mut out = Vec::with_capacity(BYTES);
    let mut put = |kind: u8, id: &[u8]| {
        out.extend([kind, id.len() as u8, 0, 0]);
        out.extend(id);
    };
    put(1, &eui64(&disk.identity));
    put(2, &nguid(&disk.identity));
    put(3, &disk.identity.uuid);
    put(4, &[NVM]);
    out.resize(BYTES, 0);
    Ok(out)
}

/// NSATTR: as it is now, whatever was published.
fn protected(attached: &Attached, disk: &Disk) -> u8 {
    u8::from(attached.read_only || !disk.is_writable())
}

/// NGUID: the UUID, its bytes 8 to 10 made an OUI that is locally administered and of one device.
fn nguid(identity: &Identity) -> [u8; 16] {
    let mut id = identity.uuid;
    id[8] = id[8] & 0xfc | 0x02;
    id
}

/// EUI64: that which the NGUID ends with.
fn eui64(identity: &Identity) -> [u8; 8] {
    let [_, _, _, _, _, _, _, _, id @ ..] = nguid(identity);
    id
}
