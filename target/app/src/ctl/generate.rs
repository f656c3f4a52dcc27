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
        let mut command = command();
        command.build();
        self.write(&command).map_err(failed)?;
        std::fs::write(self.directory.join("mainstay.toml.5"), crate::config::manual()).map_err(failed)
    }

    /// The page of `command`, and those of the verbs below it.
    fn write(&self, command: &clap::Command) -> std::io::Result<()> {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            self.write(verb)?;
        }
        let man = clap_mangen::Man::new(command.clone());
        let mut page = Vec::new();
        man.render(&mut page)?;
        std::fs::write(self.directory.join(man.get_filename()), sections(&String::from_utf8_lossy(&page)))
    }
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "mainstay", &mut script);
        say(&String::from_utf8_lossy(&script))
    }
}

/// What stands behind the options in `--help` (clap_mangen calls it EXTRA), as sections of their own whose lines stay as
/// they are.
fn sections(page: &str) -> String {
    let mut out = String::new();
    let mut extra = false;
    for line in page.lines() {
        let title = line.strip_suffix(':').filter(|title| extra && !title.starts_with(' '));
        match (title, line) {
            (None, ".SH EXTRA") => extra = true,
            (Some(title), _) => out += &format!(".fi\n.SH {}\n.nf\n", title.to_uppercase()),
            (None, line) => {
                if extra && line.starts_with(".SH") {
                    (extra, out) = (false, out + ".fi\n");
                }
                out += &format!("{line}\n");
            }
        }
    }
    out
}

/// The definitions without the generators themselves.
pub(super) fn command() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}
