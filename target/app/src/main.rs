//! Mainstay: block volumes over iSCSI from userspace, replaceable while it runs.

mod config;
mod control;
mod ctl;
mod daemon;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    ctl::run(ctl::Cli::parse(), serve)
}

fn serve(verb: ctl::serve::Serve) -> Result<(), ctl::Failure> {
    let config = verb.configuration()?;
    ctl::log::start(verb.log, verb.verbose, &config.log).map_err(ctl::Failure::Problem)?;
    Err(ctl::Failure::problem("this build has no daemon"))
}
