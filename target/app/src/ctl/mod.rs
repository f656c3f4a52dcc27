//! The command line: one file per noun. `--help`, manual pages and completions come from these definitions alone.
//!
//! Non-goals: nothing here knows the daemon; what it does of the verbs comes from the program's `main` ([`Parts`]).

pub mod attach;
mod check;
mod clear_poison;
mod config;
mod demo;
mod events;
mod failure;
mod generate;
mod identify;
mod kick;
pub mod log;
mod paint;
mod path;
mod resize;
pub mod serve;
pub mod size;
mod snapshot;
mod status;
mod swap;
mod table;
#[cfg(test)]
mod tests;
mod when;

use crate::control::client::Client;
use crate::control::place::Surroundings;
use clap::{Args, Parser, Subcommand};
pub use failure::Failure;
use std::path::PathBuf;
use std::process::ExitCode;

/// Serves block volumes over iSCSI and NVMe/TCP
///
/// Mainstay turns files, block devices and memory into disks that other machines attach over iSCSI or NVMe/TCP. One command is enough
/// to begin; a configuration file gives names, access lists, CHAP and more.
#[derive(Debug, Parser)]
#[command(
    name = "mainstay",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Examples:\n  mainstay serve disk.img    make disk.img (1 GiB) and serve it to this machine\n  \
                  mainstay status            in another terminal: what is served, and to whom",
    after_long_help = "\
Examples:
  mainstay serve disk.img
      Make disk.img (sparse, 1 GiB) unless it exists, serve it on 127.0.0.1:3260,
      print how Linux, Windows, macOS, QEMU and libiscsi attach it.
  mainstay serve --config /etc/mainstay.toml
      Serve what the file says (`mainstay config reference` documents its keys).
  mainstay status
      In another terminal: what is served, and to whom.
  mainstay swap
      After an upgrade: become the version that is installed now. Nobody is logged out.

Environment:
  MAINSTAY_CONTROL    path of the control socket, where --control is not given
  MAINSTAY_STATE_DIR  the state directory, where --state-dir is not given
  MAINSTAY_LOG        what `serve` logs, e.g. debug or warn,mainstay_proto=trace;
                      goes before -v
  NO_COLOR            if not empty: no colours

Exit status:
  0  it was done
  1  it was refused, or something went wrong; standard error says what
  2  the command line was not understood
  3  `swap`: nothing to do, that version is running
  4  `swap`: refused before the pause
  5  `swap`: rolled back, the old version goes on"
)]
pub struct Cli {
    #[allow(missing_docs)]
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do; each says what it is where it is defined.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum Verb {
    Serve(serve::Serve),
    Status(status::Status),
    Attach(attach::Attach),
    Events(events::Events),
    Swap(swap::Swap),
    Kick(kick::Kick),
    Resize(resize::Resize),
    Path(path::Path),
    ClearPoison(clear_poison::ClearPoison),
    Check(check::Check),
    Config(config::Config),
    Identify(identify::Identify),
    Snapshot(snapshot::Snapshot),
    Demo(demo::Demo),
    /// Rebuild what the snapshot on standard input holds: how `swap` tries a binary
    #[command(hide = true)]
    Rehearse,
    #[command(hide = true)]
    Man(generate::Man),
    #[command(hide = true)]
    Completions(generate::Completions),
}

/// Which daemon to ask.
#[derive(Debug, Args)]
pub struct Ask {
    /// Control socket of the daemon
    ///
    /// Default: MAINSTAY_CONTROL, else /run/mainstay/control.sock as root, else mainstay/control.sock in
    /// XDG_RUNTIME_DIR (without that: /tmp/mainstay-UID/control.sock). A user without a daemon asks the system's.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
}

impl Ask {
    fn client(&self) -> Result<Client, Failure> {
        let path = self.control.clone().unwrap_or_else(|| Surroundings::real().control_to_ask());
        Ok(Client::connect(&path)?)
    }
}

/// What the daemon does of the verbs: `main` knows both.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// `serve`.
    pub serve: fn(serve::Serve) -> Result<(), Failure>,
    /// `rehearse`: rebuild what the snapshot on standard input holds, and say on standard output what became of it.
    pub rehearse: fn() -> Result<(), Failure>,
    /// `snapshot show`: these bytes as text for people, without secrets; the error is for people too.
    pub show: fn(&[u8]) -> Result<String, String>,
}

/// Does what was asked.
pub fn run(cli: Cli, parts: Parts) -> ExitCode {
    let done = match cli.verb {
        Verb::Serve(verb) => (parts.serve)(verb),
        Verb::Rehearse => (parts.rehearse)(),
        Verb::Status(verb) => verb.run(),
        Verb::Attach(verb) => verb.run(),
        Verb::Events(verb) => verb.run(),
        Verb::Swap(verb) => verb.run(),
        Verb::Kick(verb) => verb.run(),
        Verb::Resize(verb) => verb.run(),
        Verb::Path(verb) => verb.run(),
        Verb::ClearPoison(verb) => verb.run(),
        Verb::Check(verb) => verb.run(),
        Verb::Config(verb) => verb.run(),
        Verb::Identify(verb) => verb.run(),
        Verb::Snapshot(verb) => verb.run(parts.show),
        Verb::Demo(verb) => verb.run(),
        Verb::Man(verb) => verb.run(),
        Verb::Completions(verb) => verb.run(),
    };
    finish(done)
}

/// Says what went wrong, if something did, and gives the exit status.
pub fn finish(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
