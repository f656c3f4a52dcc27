//! Mainstay: block volumes over iSCSI from userspace, replaceable while it runs.

use clap::Parser;
use mainstay::control::place::{self, Surroundings};
use mainstay::{ctl, daemon};
use std::process::ExitCode;

fn main() -> ExitCode {
    ctl::run(ctl::Cli::parse(), ctl::Parts { serve, rehearse, show })
}

/// `mainstay serve`: from what was asked to what runs.
fn serve(verb: ctl::serve::Serve) -> Result<(), ctl::Failure> {
    let config = verb.configuration()?;
    ctl::log::start(verb.voice(), &config.log).map_err(ctl::Failure::Problem)?;
    let options = daemon::Options {
        state_dir: place::state(config.state_dir.clone()).map_err(ctl::Failure::problem)?,
        control: config.control.clone().unwrap_or_else(|| Surroundings::real().control()),
        console: ctl::serve::console(verb.voice()),
        voice: verb.voice(),
    };
    daemon::run(config, options).map_err(ctl::Failure::problem)
}

/// `mainstay rehearse`.
fn rehearse() -> Result<(), ctl::Failure> {
    Err(ctl::Failure::problem("not yet: this version rehearses nothing"))
}

/// `mainstay snapshot show`.
fn show(_snapshot: &[u8]) -> Result<String, String> {
    Err("not yet: this version reads no snapshots".to_owned())
}
