//! Supported Log Pages (page 00h, base §5.16.1.1).

use super::lid;
use crate::nvme::discovery::QUESTIONS;
use crate::nvme::page::Page;

/// Of I/O controllers.
const OF_IO: &[u8] = &[
    lid::SUPPORTED,
    lid::ERRORS,
    lid::HEALTH,
    lid::FIRMWARE,
    lid::CHANGED,
    lid::EFFECTS,
    lid::ENDURANCE,
    lid::ANA,
    lid::FEATURES,
    lid::MANAGEMENT,
    lid::RESERVATIONS,
];
/// Of discovery controllers.
const OF_DISCOVERY: &[u8] =
    &[lid::SUPPORTED, lid::ERRORS, lid::EFFECTS, lid::FEATURES, lid::MANAGEMENT, lid::DISCOVERY];

fn pages(discovery: bool) -> &'static [u8] {
    if discovery { OF_DISCOVERY } else { OF_IO }
}

/// Whether a controller has the page; `discovery`: one of discovery.
pub fn has(discovery: bool, lid: u8) -> bool {
    pages(discovery).contains(&lid)
}

/// Page 00h.
pub fn page(discovery: bool) -> Vec<u8> {
    let mut page = Page::new(1024);
    for &lid in pages(discovery) {
        // LSUPP; no IOS. The upper half is the page's own: which questions the discovery log answers.
        let own = if lid == lid::DISCOVERY { u32::from(QUESTIONS) << 16 } else { 0 };
        page.put(4 * usize::from(lid), (1 | own).to_le_bytes());
    }
    page.done()
}
