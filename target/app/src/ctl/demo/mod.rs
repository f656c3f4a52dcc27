//! `mainstay demo`: what Mainstay does, shown with a target and an initiator of its own.

mod chart;
mod host;
mod initiator;
mod load;
mod show;
mod swap;
mod target;
mod terminal;

use super::failure::Failure;
use clap::{Args, Subcommand};

/// See for yourself what Mainstay does
///
/// A demo needs nothing and leaves nothing behind: it starts a target of its own on a free port of this machine, with a
/// disk in memory, and stops it at the end.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Example:\n  mainstay demo swap       replace the target ten times while it is in use"
)]
pub struct Demo {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Swap(swap::DemoSwap),
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.what {
            What::Swap(demo) => demo.run(),
        }
    }
}
