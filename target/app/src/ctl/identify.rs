//! `mainstay identify`.

use super::failure::{Failure, say};
use crate::control::place;
use clap::{ArgGroup, Args};
use mainstay_edge::state::StateDir;
use mainstay_edge::volume::{identify_keep, identify_new};
use std::path::PathBuf;

/// Settle who a volume is, where that is in doubt
///
/// A volume keeps its identity for ever: it travels with the file and is remembered in the state directory. Two disks with
/// one identity lose data under multipath, so `serve` refuses a copied image until it is said what it shall be. Neither
/// the volume nor the state directory may be in use meanwhile.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").required(true).args(["new", "keep"]), after_help = "\
Examples:
  cp disk.img clone.img && mainstay identify --new clone.img
      The copy becomes a disk of its own.
  mainstay identify --keep /restored/disk.img
      The restored file takes the place of the lost one.")]
pub struct Identify {
    /// Give it a new identity: initiators will see another disk
    #[arg(long)]
    new: bool,
    /// Believe the identity it carries, whatever was on record
    #[arg(long)]
    keep: bool,
    /// Image file or block device
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// State directory of the daemon that will serve it
    ///
    /// Default: as of `serve`.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl Identify {
    pub(super) fn run(self) -> Result<(), Failure> {
        if !self.path.exists() {
            return Err(Failure::problem(format!("there is no {}", self.path.display())));
        }
        let state = place::state(self.state_dir).map_err(Failure::problem)?;
        let state = StateDir::open(&state).map_err(Failure::problem)?;
        let done = if self.new { identify_new(&self.path, &state) } else { identify_keep(&self.path, &state) };
        let uuid = done.map_err(Failure::problem)?;
        say(&format!("{} is volume {uuid}\n", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_another_identity_each_time_and_keeps_the_last() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("disk.img");
        std::fs::write(&path, [0; 4096]).unwrap();
        let run = |new: bool, name: &str| {
            let state_dir = Some(home.path().join("not/yet/there"));
            Identify { new, keep: !new, path: home.path().join(name), state_dir }.run()
        };
        run(true, "disk.img").unwrap();
        run(false, "disk.img").unwrap();
        assert!(run(true, "none.img").is_err());
    }
}
