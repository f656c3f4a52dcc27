//! `mainstay clear-poison`.

use super::Ask;
use super::failure::{Failure, say};
use crate::control::words::{self, Call, Cleared};
use clap::Args;

/// Trust a volume again after its storage failed to flush
///
/// When the operating system reports that a flush failed, some data that was written may be lost, and asking again
/// would not bring it back. The volume then refuses writes, also after a restart, until this command says that somebody
/// has looked: at the disk below, and at the data (file system check, recovery of the application).
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mainstay clear-poison disk")]
pub struct ClearPoison {
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    volume: String,
    #[command(flatten)]
    ask: Ask,
}

impl ClearPoison {
    pub(super) fn run(self) -> Result<(), Failure> {
        let call = Call::ClearPoison(words::ClearPoison { volume: self.volume });
        let cleared: Cleared = self.ask.client()?.call(&call)?;
        say(&format!("volume {} is trusted and takes writes again\n", cleared.volume))
    }
}
