//! Why a command ends with another exit status than 0.

use crate::control::client::ClientError;
use std::io::{self, Write};
use std::process::ExitCode;

use super::paint::Paint;

/// Why a command was not done.
#[derive(Debug)]
pub enum Failure {
    /// Refused, or went wrong; said on standard error. Exit status 1.
    Problem(String),
    /// Went wrong and was told already. Exit status 1.
    Told,
    /// Ended in a way that has an exit status of its own, and was told already.
    Status(u8),
    /// Nobody reads our output any more (`mainstay status | head`): no problem of anybody's.
    Unread,
}

impl Failure {
    /// Something went wrong.
    pub fn problem(what: impl std::fmt::Display) -> Failure {
        Failure::Problem(what.to_string())
    }

    /// Says it and gives the exit status.
    pub fn report(self) -> ExitCode {
        match self {
            Failure::Unread => ExitCode::SUCCESS,
            Failure::Told => ExitCode::FAILURE,
            Failure::Status(status) => ExitCode::from(status),
            Failure::Problem(what) => {
                let head = Paint::for_stderr().red("error:");
                // With standard error gone there is no one left to tell.
                let _ = writeln!(io::stderr(), "{head} {what}");
                ExitCode::FAILURE
            }
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::problem(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Problem(format!("cannot write: {error}")),
        }
    }
}

/// Writes `text` to standard output.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes `text` to standard error.
pub(super) fn complain(text: &str) {
    // With standard error gone there is no one left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes `value` as indented JSON to standard output.
pub(super) fn say_json(value: &serde_json::Value) -> Result<(), Failure> {
    say(&format!("{value:#}\n"))
}
