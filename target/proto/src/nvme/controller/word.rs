//! What a controller is told and asked with, and what it answers.

use crate::nvme::{Cid, Reply, Site};
use mainstay_base::metrics::Traffic;
use mainstay_base::path::Paths;
use mainstay_base::time::Instant;
use mainstay_base::unit::{Disks, VolumeId};

/// The world around a controller.
pub struct AdminCx<'a> {
    /// Now.
    pub now: Instant,
    /// Now, in milliseconds since 1970.
    pub unix_ms: u64,
    /// When the daemon was first started, in milliseconds since 1970.
    pub started_ms: u64,
    /// What is served.
    pub site: &'a Site,
    /// The disks.
    pub disks: &'a mut dyn Disks,
    /// How good each way is.
    pub paths: &'a Paths,
    /// What each volume has done, by its number.
    pub traffic: &'a [Traffic],
    /// Discovery.
    pub discovery: &'a DiscoveryState,
    /// Controllers that live, as index of the subsystem and CNTLID; ascending. Discovery controllers are not in it.
    pub controllers: &'a [(usize, u16)],
}

/// What all discovery controllers share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryState {
    /// GENCTR: how often the log has changed (base §5.16.1.23).
    pub generation: u64,
}

/// What a controller answers to a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The end.
    Reply(Reply),
    /// Data to the host, then the end. No more than the host is ready to take.
    Data(Vec<u8>, Reply),
    /// Data from the host, so many bytes from the beginning; then [`Controller::data`](super::Controller::data).
    Collect(u32),
    /// An Asynchronous Event Request that waits; [`Controller::take_event`](super::Controller::take_event) answers it.
    Held,
    /// Abort this command, then answer: result 0 if it was aborted, 1 if not; and tell
    /// [`Controller::abort_ended`](super::Controller::abort_ended).
    Abort {
        /// Its queue: the admin queue or one that has joined.
        sqid: u16,
        /// Which.
        cid: Cid,
    },
    /// Flush these volumes, then answer so if all went well, else with an internal error.
    Flush(Vec<VolumeId>, Reply),
    /// Flush this volume and have it keep its write protection, then answer likewise.
    Protect(VolumeId),
}

/// What others must hear of, after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The volume's write cache was turned on or off: SCSI calls that a changed mode page.
    Cache(VolumeId),
    /// The volume's write protection was changed: [`Notice::Volume`] for all other controllers.
    Protection(VolumeId),
}

/// What a controller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A volume has another size, or another write protection.
    Volume(VolumeId),
    /// A namespace has come, gone or changed.
    Namespace(u32),
    /// [`Paths`] has changed somewhere.
    Paths,
    /// The discovery log has changed.
    Discovery,
    /// Critical warnings as they are now (bits of the SMART log, base §5.16.1.3): all of them.
    Health(u8),
    /// Something of ours went wrong; `lasting`: it will again.
    Internal {
        /// It will go wrong again.
        lasting: bool,
    },
}
