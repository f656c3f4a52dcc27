//! Get Log Page (base §5.16): every page a host may ask for.
//!
//! A page is made whole and then cut to what was asked: the longest, discovery and ANA, are as long as our configuration.

mod ana;
mod ask;
mod effects;
mod health;
mod supported;

#[cfg(test)]
mod tests;

pub use ask::Ask;

use super::identify::{ALL, Asker};
use super::page::Page;
use super::{AdminCx, Controller, Status};

/// Page identifiers (base figure 202).
pub(super) mod lid {
    pub const SUPPORTED: u8 = 0x00;
    pub const ERRORS: u8 = 0x01;
    pub const HEALTH: u8 = 0x02;
    pub const FIRMWARE: u8 = 0x03;
    pub const CHANGED: u8 = 0x04;
    pub const EFFECTS: u8 = 0x05;
    pub const ENDURANCE: u8 = 0x09;
    pub const ANA: u8 = 0x0c;
    pub const FEATURES: u8 = 0x12;
    pub const MANAGEMENT: u8 = 0x13;
    pub const DISCOVERY: u8 = 0x70;
    pub const RESERVATIONS: u8 = 0x80;
}

/// What is asked for, of the length that is asked for.
///
/// # Errors
/// What the standard says of a page we do not have, and of questions it has no answer to.
pub fn page(controller: &Controller, cx: &AdminCx<'_>, ask: &Ask) -> Result<Vec<u8>, Status> {
    let asker = &Asker { controller, view: &controller.view(), cx };
    let discovery = controller.is_discovery();
    if !supported::has(discovery, ask.lid) {
        return Err(Status::INVALID_LOG_PAGE);
    }
    // Only the health of one namespace can be asked for.
    if ask.lid != lid::HEALTH && !matches!(ask.nsid, 0 | ALL) {
        return Err(Status::INVALID_FIELD);
    }
    ask.cut(match ask.lid {
        lid::SUPPORTED => supported::page(discovery),
        lid::ERRORS => health::errors(&controller.errors),
        lid::HEALTH => health::health(asker, ask.nsid)?,
        lid::FIRMWARE => firmware(),
        lid::CHANGED => changed(&controller.changed_namespaces()),
        lid::EFFECTS => effects::commands(discovery, ask.csi)?,
        lid::ENDURANCE => health::endurance(asker, ask.specific)?,
        lid::ANA => ana::page(asker, ask.parameter & 1 != 0),
        lid::FEATURES => effects::features(discovery),
        // No NVMe-MI commands in band.
        lid::MANAGEMENT => Page::new(4096).done(),
        lid::DISCOVERY => super::discovery::log(asker, ask.parameter),
        // Nothing is reserved yet, so nothing is ever notified of: the empty page.
        lid::RESERVATIONS => Page::new(64).done(),
        _ => return Err(Status::INVALID_LOG_PAGE),
    })
}

/// Page 03h: slot 1 is active, and holds what runs.
fn firmware() -> Vec<u8> {
    let mut page = Page::new(512);
    page.put(0, [1]);
    page.text(8, 8, super::FIRMWARE);
    page.done()
}

/// Page 04h.
fn changed(namespaces: &[u32]) -> Vec<u8> {
    let mut page = Page::new(4096);
    for (n, nsid) in namespaces.iter().take(1024).enumerate() {
        page.put(4 * n, nsid.to_le_bytes());
    }
    page.done()
}
