//! What I/O queues know of their controller: a copy that its admin queue publishes anew at each change. So an I/O queue may
//! live on another core, and never looks into a controller.

mod saved;

pub use saved::ViewV1;

use mainstay_base::path::{Access, GroupId};
use mainstay_base::unit::VolumeId;

/// The published copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Grows with each publication.
    pub generation: u64,
    /// The controller.
    pub cntlid: u16,
    /// Index of its subsystem in the site.
    pub subsystem: usize,
    /// Commands are carried out (CSTS.RDY, and no shutdown under way).
    pub ready: bool,
    /// Namespaces the host sees, by NSID, ascending.
    pub namespaces: Vec<Attached>,
    /// Copy descriptor formats the host has enabled beside 0: bit n for format n (Host Behavior Support).
    pub copy_formats: u16,
    /// The host has said that it minds command retry delays (Host Behavior Support, ACRE).
    pub retry_delays: bool,
}

/// A namespace as one controller's host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its number.
    pub nsid: u32,
    /// What it shows.
    pub volume: VolumeId,
    /// Writes are refused: the configuration or the write protection feature says so.
    pub read_only: bool,
    /// Its ANA group.
    pub group: GroupId,
    /// How that is reached through the controller's portal.
    pub access: Access,
}

impl View {
    /// The namespace with this number.
    pub fn namespace(&self, nsid: u32) -> Option<&Attached> {
        let at = self.namespaces.binary_search_by_key(&nsid, |namespace| namespace.nsid).ok()?;
        Some(&self.namespaces[at])
    }
}
