//! `mainstay status`.

mod render;

use super::Ask;
use super::failure::{Failure, say, say_json};
use super::paint::{self, Paint};
use crate::control::words::{self, Call};
use clap::Args;
use std::time::Duration;

/// Show what is served, and to whom
///
/// The daemon, its portals, targets, volumes with their traffic, sessions, the logins that were refused lately, and swaps.
/// Latencies are those of the storage below, from request to answer: 50 and 99 of 100 were at most this.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mainstay status
  mainstay status -v          also what sessions negotiated, identities, latencies
  mainstay status --watch     again every 2 seconds, traffic per second
  mainstay status --json | jq '.sessions[] | {id, initiator, peer}'")]
pub struct Status {
    /// Everything, as one JSON object
    #[arg(long)]
    json: bool,
    /// Also what each session negotiated, and each volume's identity and latencies
    #[arg(short, long, conflicts_with = "json")]
    verbose: bool,
    /// Again every so many seconds, until Ctrl-C
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", require_equals = true,
          value_parser = clap::value_parser!(u64).range(1..=3600), conflicts_with = "json")]
    watch: Option<u64>,
    #[command(flatten)]
    ask: Ask,
}

impl Status {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut client = self.ask.client()?;
        if self.json {
            return say_json(&client.call_raw(&Call::Status)?);
        }
        let paint = Paint::for_stdout();
        let mut before: Option<words::Status> = None;
        loop {
            let status: words::Status = client.call(&Call::Status)?;
            let screen = paint::screen();
            let columns_max = screen.map(|(columns, _)| columns);
            let text = render::text(&status, before.as_ref(), self.verbose, paint, columns_max);
            match (self.watch, screen) {
                (None, _) => return say(&text),
                // From the top left over what stood there; away with what is below. No more than fits, or it scrolls.
                (Some(_), Some((_, rows))) => {
                    let lines: Vec<&str> = text.lines().take(rows - 1).collect();
                    say(&format!("\x1b[H{}\x1b[K\n\x1b[J", lines.join("\x1b[K\n")))?;
                }
                (Some(_), None) => say(&format!("{text}\n"))?,
            }
            before = Some(status);
            std::thread::sleep(Duration::from_secs(self.watch.unwrap_or(1)));
        }
    }
}
