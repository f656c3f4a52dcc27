//! Mainstay: block volumes over iSCSI from userspace, replaceable while it runs.

use clap::Parser;
use mainstay::control::place::{self, Surroundings};
use mainstay::{ctl, daemon};
use std::process::ExitCode;

fn main() -> ExitCode {
    ctl::run(ctl::Cli::parse(), serve)
}

/// `mainstay serve`: from what was asked to what runs.
fn serve(verb: ctl::serve::Serve) -> Result<(), ctl::Failure> {
    let config = verb.configuration()?;
    ctl::log::start(verb.log, verb.verbose, &config.log).map_err(ctl::Failure::Problem)?;
    let options = daemon::Options {
        state_dir: place::state(config.state_dir.clone()).map_err(ctl::Failure::problem)?,
        control: config.control.clone().unwrap_or_else(|| Surroundings::real().control()),
        console: verb.console(),
    };
    daemon::run(config, options).map_err(ctl::Failure::problem)
}
