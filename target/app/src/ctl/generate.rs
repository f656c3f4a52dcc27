//! Manual pages and completions, made from the definitions of the command line when a package is built.

use super::Cli;
use super::failure::{Failure, say};
use clap::{Args, CommandFactory};
use std::path::PathBuf;

/// Write the manual pages into a directory
#[derive(Debug, Args)]
pub struct Man {
    /// Made if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Print the completions of a shell
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

impl Man {
    pub(super) fn run(self) -> Result<(), Failure> {
        let failed = |error| Failure::problem(format!("{}: {error}", self.directory.display()));
        std::fs::create_dir_all(&self.directory).map_err(failed)?;
        clap_mangen::generate_to(command(), &self.directory).map_err(failed)
    }
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "mainstay", &mut script);
        say(&String::from_utf8_lossy(&script))
    }
}

/// The definitions without the generators themselves.
pub(super) fn command() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}
