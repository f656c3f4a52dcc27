//! `mainstay swap`.

mod render;
#[cfg(test)]
mod tests;

use super::Ask;
use super::failure::{Failure, complain, say, say_json};
use super::paint::Paint;
use super::size;
use crate::control::client::ClientError;
use crate::control::words::{self, Call, DEADLINE_MAX, SwapOutcome, SwapReport};
use clap::Args;
pub(super) use render::{from_to, paused, text};
use std::path::PathBuf;
use std::time::Duration;

/// Exit status: the version that was asked for is running.
const NOTHING_TO_DO: u8 = 3;
/// Exit status: ended before the pause.
const REFUSED: u8 = 4;
/// Exit status: ended within the pause.
const ROLLED_BACK: u8 = 5;

/// The rehearsal has bounds of its own, well within this; who waits longer waits for a daemon that is gone, and that is
/// told by the end of the connection.
const REHEARSAL_WITHIN: Duration = Duration::from_secs(300);

/// Become another version, while initiators stay logged in
///
/// The other binary first rehearses, in a process of its own, with a copy of the daemon's state. Then the daemon pauses
/// for some milliseconds and becomes it: same process, same connections, no command lost. When anything goes wrong, the
/// version that runs goes on. The configuration file is not read again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mainstay swap
      After an upgrade: become the version that is installed now.
  mainstay swap --dry-run ./mainstay-next
      Would it go well? Nothing is paused.

Exit status:
  0  done; with --dry-run: it would go well
  1  the daemon could not be asked, or did not answer
  3  nothing to do: that version is running
  4  refused before the pause
  5  rolled back: the old version goes on")]
pub struct Swap {
    /// The binary to become [default: the path the daemon was first started by]
    #[arg(value_name = "BINARY")]
    binary: Option<PathBuf>,
    /// Also to an older version
    #[arg(long)]
    allow_downgrade: bool,
    /// Also to the version that is running: another build of it, or to try things out
    #[arg(long)]
    allow_same: bool,
    /// Check and rehearse only
    #[arg(long)]
    dry_run: bool,
    /// How long the pause may last before everything goes on as it was: 500ms, 2s [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    deadline: Option<Duration>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ask: Ask,
}

fn deadline(text: &str) -> Result<Duration, String> {
    match size::parse_time(text)? {
        Duration::ZERO => Err("a pause takes some milliseconds: write 500ms or more, like 2s".to_owned()),
        time if time > DEADLINE_MAX => {
            Err(format!("at most {}s: initiators do not wait much longer", DEADLINE_MAX.as_secs()))
        }
        time => Ok(time),
    }
}

impl Swap {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (json, call) = (self.json, self.call()?);
        let patience = REHEARSAL_WITHIN + 2 * self.deadline.unwrap_or_default();
        let value = self.ask.client()?.call_within(&call, patience).map_err(explain)?;
        let report: SwapReport = serde_json::from_value(value.clone())
            .map_err(|error| Failure::problem(ClientError::Garbled(error.to_string())))?;
        let status = status(report.outcome);
        match (json, status) {
            (true, _) => say_json(&value)?,
            (false, 0 | NOTHING_TO_DO) => say(&text(&report, Paint::for_stdout()))?,
            (false, _) => complain(&text(&report, Paint::for_stderr())),
        }
        if status == 0 { Ok(()) } else { Err(Failure::Status(status)) }
    }

    fn call(&self) -> Result<Call, Failure> {
        // The daemon has a working directory of its own. A link stays one, to be followed when the time comes.
        let absolute = |path: &PathBuf| {
            std::path::absolute(path).map_err(|error| Failure::problem(format!("{}: {error}", path.display())))
        };
        Ok(Call::Swap(words::Swap {
            binary: self.binary.as_ref().map(absolute).transpose()?,
            allow_downgrade: self.allow_downgrade,
            allow_same: self.allow_same,
            dry_run: self.dry_run,
            deadline_ms: self.deadline.map(|deadline| deadline.as_millis() as u64),
        }))
    }
}

fn status(outcome: SwapOutcome) -> u8 {
    match outcome {
        SwapOutcome::Done | SwapOutcome::Rehearsed => 0,
        SwapOutcome::NothingToDo => NOTHING_TO_DO,
        SwapOutcome::Refused => REFUSED,
        SwapOutcome::RolledBack => ROLLED_BACK,
        SwapOutcome::Unknown => 1,
    }
}

/// An error, with where to look when nobody knows how it ended.
fn explain(error: ClientError) -> Failure {
    let look =
        "`mainstay status` says which version serves now and how its swaps ended; the log of the daemon says more";
    match error {
        ClientError::Closed | ClientError::Late(_) | ClientError::Io { .. } | ClientError::Garbled(_) => {
            Failure::problem(format!("{error}: how the swap ended is not known\n({look})"))
        }
        other => other.into(),
    }
}
