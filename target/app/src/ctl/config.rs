//! `mainstay config`.

use super::failure::{Failure, say};
use clap::{Args, Subcommand};

/// Read about the configuration file
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mainstay config reference | less")]
pub struct Config {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print every key: values, default, meaning (Markdown)
    Reference,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::Reference => say(&crate::config::reference()),
        }
    }
}
