//! Mainstay: block volumes over iSCSI from userspace, replaceable while it runs.

mod config;
mod control;
mod ctl;
mod daemon;

use clap::Parser;
use control::place::{self, Surroundings};
use ctl::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    ctl::run(ctl::Cli::parse(), serve)
}

fn serve(verb: ctl::serve::Serve) -> Result<(), Failure> {
    let config = verb.configuration()?;
    ctl::log::start(verb.log, verb.verbose, &config.log).map_err(Failure::Problem)?;
    let options = daemon::Options {
        state_dir: place::state(config.state_dir.clone()).map_err(Failure::Problem)?,
        control: config.control.clone().unwrap_or_else(|| Surroundings::real().control()),
        console: verb.console(),
    };
    daemon::run(config, options).map_err(Failure::problem)
}
