//! Configuration: a file (TOML) → checked against one table of keys → plain resolved data.
//!
//! Non-goals: nothing is opened, created or listened on here; nothing is changed. Where the state directory and the
//! control socket are by default is for the daemon to say.
//!
//! I1 All problems of a file are found at once. I2 Every key is in [`keys`], and only there: reading, "did you mean"
//! and the reference come from that table. I3 A secret is never shown, wherever a problem points.

mod keys;
mod kind;
mod limits;
mod name;
mod nvme;
mod portal;
mod read;
mod reference;
mod remark;
pub mod saved;
mod secret;
mod serve;
pub mod size;
mod target;
mod view;
mod voice;
mod volume;
mod written;

pub use limits::{Limits, Log, LogFormat};
pub use nvme::Listen;
pub use portal::Portal;
pub use read::check;
pub use reference::{manual, reference};
pub use remark::{Level, Problem, Remark, Warning};
pub use serve::ServeOptions;
pub use target::{Access, Acl, Auth, Chap, Lun, Target};
pub use voice::{Told, Voice, VoiceV1};
pub use volume::{Backing, Identity, Volume};

use std::path::PathBuf;

/// What to serve, resolved: every default is filled in, every name is an index, every path is absolute or relative to
/// the working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it comes from, if from one.
    pub file: Option<PathBuf>,
    /// Where initiators connect; never empty.
    pub portals: Vec<Portal>,
    /// What they log in to.
    pub targets: Vec<Target>,
    /// The disks.
    pub volumes: Vec<Volume>,
    /// What is served over NVMe/TCP.
    pub nvme: mainstay_proto::nvme::Site,
    /// What a discovery session must prove.
    pub discovery: Auth,
    /// Bounds.
    pub limits: Limits,
    /// What stands before the colon of names that are not given in full.
    pub name_prefix: String,
    /// Where identities are remembered, if it is said.
    pub state_dir: Option<PathBuf>,
    /// The control socket, if it is said.
    pub control: Option<PathBuf>,
    /// The log.
    pub log: Log,
    /// What the command line says, so that the file does not decide it.
    pub given: Given,
}

/// Which keys the command line has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `state_dir`.
    pub state_dir: bool,
    /// `control`.
    pub control: bool,
}

#[cfg(test)]
mod tests;
