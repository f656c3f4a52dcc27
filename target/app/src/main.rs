//! Mainstay: block volumes over iSCSI from userspace, replaceable while it runs.

use clap::Parser;
use mainstay::config::{Log, Voice};
use mainstay::control::console::Console;
use mainstay::control::place::{self, Surroundings};
use mainstay::{ctl, daemon};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: after a swap nobody looks at the command line, and the time is short.
    if let Some(handover) = mainstay_edge::swap::inherited() {
        return ctl::finish(daemon::resume(handover, speak).map_err(ctl::Failure::problem));
    }
    ctl::run(ctl::Cli::parse(), ctl::Parts { serve, rehearse, show })
}

/// The log and the console, for a program that takes over.
fn speak(voice: Voice, log: &Log) -> Result<Box<dyn Console>, String> {
    ctl::log::start(voice, log)?;
    Ok(ctl::serve::console(voice))
}

/// `mainstay serve`: from what was asked to what runs.
fn serve(verb: ctl::serve::Serve) -> Result<(), ctl::Failure> {
    // Before anything is opened, the log's socket too, and takes its place.
    mainstay_edge::swap::reserve().map_err(ctl::Failure::problem)?;
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
    daemon::rehearse().map_err(ctl::Failure::problem)
}

/// `mainstay snapshot show`.
fn show(snapshot: &[u8]) -> Result<String, String> {
    daemon::show(&snapshot.to_vec().into())
}
