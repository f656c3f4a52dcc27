//! Identify Controller (base §5.17.2.1) and its part of the NVM command set (nvm §4.1.5.2).

use super::{Asker, BYTES, ENDURANCE_GROUP, NAMESPACES_MAX, RETRY_DELAYS};
use crate::nvme::controller::{ACL, AERL, ELPE, KAS, NWPC, VS};
use crate::nvme::io::limits;
use crate::nvme::page::Page;
use crate::nvme::{Controllers, FIRMWARE, Subsystem};
use mainstay_base::path::GROUPS_MAX;

/// What a discovery controller says where others have a model and a serial number.
const DISCOVERY: &str = "Mainstay discovery";
/// ANATT: seconds that a group is in the state "change", at most.
const TRANSITION_S: u8 = 10;
/// SGLS: SGLs, by any byte; the address of a data block may be an offset into the capsule; transport data blocks.
const SGLS: u32 = 1 | 1 << 20 | 1 << 21;
/// ONCS: features can be saved, and their defaults asked for; there is a timestamp.
const SAVE_AND_SELECT: u16 = 1 << 4;
const TIMESTAMP: u16 = 1 << 6;
/// LPA: effects of commands; offsets and lengths beyond 16 bits; the lists of what is supported.
const LOGS: u8 = 1 << 1 | 1 << 2 | 1 << 5;
/// LPA: and the SMART log of one namespace.
const SMART_PER_NAMESPACE: u8 = 1;

/// CNS 01h.
pub fn controller(asker: &Asker<'_, '_>) -> Vec<u8> {
    let mut page = Page::new(BYTES);
    page.text(64, 8, FIRMWARE);
    // MDTS, the same for both: log pages are not longer either.
    page.put(77, [limits::MDTS]);
    page.put(78, asker.controller.cntlid.to_le_bytes());
    page.put(80, VS.to_le_bytes());
    for (n, delay) in RETRY_DELAYS.into_iter().enumerate() {
        page.put(128 + 2 * n, delay.to_le_bytes());
    }
    // OAES.
    page.put(92, asker.controller.notices().to_le_bytes());
    page.put(259, [AERL]);
    page.put(262, [ELPE]);
    page.put(320, KAS.to_le_bytes());
    page.put(514, asker.controller.queue_size().to_le_bytes());
    page.put(536, SGLS.to_le_bytes());
    // IORCSZ in units of 16 bytes; MSDBD: one descriptor.
    page.put(1796, 1u32.to_le_bytes());
    page.put(1803, [1]);
    match asker.subsystem() {
        Some(subsystem) => io(&mut page, asker, subsystem),
        None => discovery(&mut page, asker),
    }
    page.done()
}

fn io(page: &mut Page, asker: &Asker<'_, '_>, subsystem: &Subsystem) {
    page.text(4, 20, &subsystem.serial);
    page.text(24, 40, &subsystem.model);
    // RAB: 64 commands.
    page.put(72, [6]);
    // CMIC: several ports, several controllers, ANA.
    page.put(76, [0b1011]);
    // CTRATT: host identifiers of 128 bits, endurance groups, keep alive by traffic.
    page.put(96, (1u32 | 1 << 4 | 1 << 6).to_le_bytes());
    // CNTRLTYPE: I/O.
    page.put(111, [1]);
    page.put(258, [ACL]);
    // FRMW: one slot, which nobody writes.
    page.put(260, [0b11]);
    page.put(261, [LOGS | SMART_PER_NAMESPACE]);
    page.put(280, asker.capacity().to_le_bytes());
    page.put(340, ENDURANCE_GROUP.to_le_bytes());
    page.put(342, [TRANSITION_S]);
    // ANACAP: all five states; the group of an attached namespace stays what it is.
    page.put(343, [0x1f | 1 << 6]);
    page.put(344, u32::from(GROUPS_MAX).to_le_bytes());
    page.put(348, u32::from(GROUPS_MAX).to_le_bytes());
    // SQES and CQES: 64 and 16 bytes, exactly.
    page.put(512, [0x66, 0x44]);
    page.put(516, NAMESPACES_MAX.to_le_bytes());
    page.put(520, (limits::ONCS | SAVE_AND_SELECT | TIMESTAMP).to_le_bytes());
    page.put(522, limits::FUSES.to_le_bytes());
    // VWC: present even if all disks write through, since an initiator can have them do otherwise at any time.
    page.put(525, [1 | limits::VWC_FLUSH_ALL]);
    page.put(526, limits::AWUN.to_le_bytes());
    page.put(528, limits::AWUPF.to_le_bytes());
    page.put(531, [NWPC]);
    page.put(532, limits::ACWU.to_le_bytes());
    page.put(534, limits::OCFS.to_le_bytes());
    page.put(540, NAMESPACES_MAX.to_le_bytes());
    page.name(768, 256, &subsystem.nqn);
    // IOCCSZ in units of 16 bytes: an entry and the data in its capsule.
    page.put(1792, ((64 + asker.cx.site.limits.in_capsule) / 16).to_le_bytes());
    // FCATT: the static controller model.
    page.put(1802, [u8::from(matches!(subsystem.controllers, Controllers::Static(_)))]);
    // OFCS: Disconnect.
    page.put(1804, 1u16.to_le_bytes());
}

fn discovery(page: &mut Page, asker: &Asker<'_, '_>) {
    page.text(4, 20, DISCOVERY);
    page.text(24, 40, DISCOVERY);
    page.put(76, [0b0011]);
    page.put(96, (1u32 | 1 << 6).to_le_bytes());
    page.put(111, [2]);
    page.put(261, [LOGS]);
    page.name(768, 256, &asker.cx.site.discovery.nqn);
    // DCTYPE: a discovery controller that tells of itself (DDC).
    page.put(1806, [1]);
}

/// CNS 06h.
pub fn of_command_set() -> Vec<u8> {
    let mut page = Page::new(BYTES);
    page.put(0, [limits::VSL, limits::WZSL, limits::WUSL, limits::DMRL]);
    page.put(4, limits::DMRSL.to_le_bytes());
    page.put(8, limits::DMSL.to_le_bytes());
    page.done()
}
