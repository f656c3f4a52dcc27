//! The command line: one file per noun. `--help`, manual pages and completions come from these definitions alone.
//!
//! Non-goals: nothing here knows the daemon; `serve` is handed back to the program's `main`.

pub mod attach;
mod check;
mod clear_poison;
mod config;
mod events;
mod failure;
mod generate;
mod identify;
mod kick;
pub mod log;
mod paint;
mod resize;
pub mod serve;
pub mod size;
mod status;
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

/// Serves block volumes over iSCSI
///
/// Mainstay turns files, block devices and memory into disks that other machines attach over iSCSI. One command is enough
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

Environment:
  MAINSTAY_CONTROL    path of the control socket, where --control is not given
  MAINSTAY_STATE_DIR  the state directory, where --state-dir is not given
  MAINSTAY_LOG        what `serve` logs, e.g. debug or warn,mainstay_proto=trace;
                      goes before -v
  NO_COLOR            if not empty: no colours

Exit status:
  0  it was done
  1  it was refused, or something went wrong; standard error says what
  2  the command line was not understood"
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
    Kick(kick::Kick),
    Resize(resize::Resize),
    ClearPoison(clear_poison::ClearPoison),
    Check(check::Check),
    Config(config::Config),
    Identify(identify::Identify),
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

/// Does what was asked; `serve` is the daemon's part.
pub fn run(cli: Cli, serve: impl FnOnce(serve::Serve) -> Result<(), Failure>) -> ExitCode {
    let done = match cli.verb {
        Verb::Serve(verb) => serve(verb),
        Verb::Status(verb) => verb.run(),
        Verb::Attach(verb) => verb.run(),
        Verb::Events(verb) => verb.run(),
        Verb::Kick(verb) => verb.run(),
        Verb::Resize(verb) => verb.run(),
        Verb::ClearPoison(verb) => verb.run(),
        Verb::Check(verb) => verb.run(),
        Verb::Config(verb) => verb.run(),
        Verb::Identify(verb) => verb.run(),
        Verb::Man(verb) => verb.run(),
        Verb::Completions(verb) => verb.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
