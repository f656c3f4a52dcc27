//! `mainstay check`.

use super::failure::Failure;
use super::paint::Paint;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Check a configuration file
///
/// Says what would be served, or everything that is wrong with the file: line, column, key, and what would be right.
/// Nothing is opened or changed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mainstay check /etc/mainstay.toml")]
pub struct Check {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let status = crate::config::check(&self.file, &mut out, Paint::for_stdout().0)?;
        out.flush()?;
        if status == 0 { Ok(()) } else { Err(Failure::Told) }
    }
}
