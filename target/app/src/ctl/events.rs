//! `mainstay events`, and how an event is told.

use super::Ask;
use super::failure::{Failure, say};
use super::paint::{Paint, clean};
use super::{size, swap, when};
use crate::control::client::Heard;
use crate::control::words::{Call, Event, Resized, What};
use clap::Args;

/// Print logins, logouts, refusals, errors and swaps as they happen
///
/// One line per event, until Ctrl-C or until the daemon stops (exit status 0; 1 when the connection breaks without that).
/// A swap does not end it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mainstay events\n  mainstay events --json | jq 'select(.event == \"refused\")'")]
pub struct Events {
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    /// Keep on printing: the default, for those who are used to saying so
    #[arg(short, long, hide = true)]
    follow: bool,
    #[command(flatten)]
    ask: Ask,
}

impl Events {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut stopping = false;
        let mut client = self.ask.client()?;
        client.call_raw(&Call::Events)?;
        let paint = Paint::for_stdout();
        while let Some(heard) = client.hear()? {
            match heard {
                Heard::Event(value) => {
                    let event = serde_json::from_value::<Event>(value.clone()).ok();
                    stopping |= matches!(event, Some(Event { what: What::Stopping { .. }, .. }));
                    say(&match event {
                        Some(event) if !self.json && event.what != What::Unknown => event_line(&event, paint) + "\n",
                        // As it came; for people too when it is a newer daemon's.
                        _ if self.json => format!("{value}\n"),
                        _ => format!("{}\n", clean(&value.to_string())),
                    })?;
                }
                Heard::Ended(why) => return Err(Failure::problem(why)),
            }
        }
        if stopping { Ok(()) } else { Err(Failure::problem("the connection to mainstay broke")) }
    }
}

/// An event as one JSON object on one line.
pub fn event_json(event: &Event) -> String {
    // Plain structs of strings and numbers always serialize.
    serde_json::to_string(event).unwrap_or_default()
}

/// An event for people: time, what, who.
pub fn event_line(event: &Event, paint: Paint) -> String {
    let to = |target: &Option<String>| match target {
        Some(target) => format!("to {target}"),
        None => "for discovery".to_owned(),
    };
    let (word, text) = match &event.what {
        What::Login { session, initiator, target, peer, .. } => {
            (paint.green("login   "), format!("{initiator} from {peer} {} (session {session})", to(target)))
        }
        What::Logout { session, initiator, target, peer, why } => {
            let target = target.as_ref().map_or_else(|| "discovery".to_owned(), String::clone);
            ("logout  ".to_owned(), format!("{initiator} from {peer}, {target} (session {session}): {why}"))
        }
        What::Refused { peer, initiator, target, step, why } => {
            let who = initiator.as_ref().map_or_else(|| peer.to_string(), |name| format!("{name} from {peer}"));
            let target = target.as_ref().map_or_else(String::new, |target| format!(" to {target}"));
            (paint.yellow("refused "), format!("{who}{target}, at {step}: {why}"))
        }
        What::Error { session, volume, peer, message } => {
            let mut place = Vec::new();
            place.extend(volume.as_ref().map(|name| format!("volume {name}")));
            place.extend(session.map(|id| format!("session {id}")));
            place.extend(peer.map(|peer| peer.to_string()));
            let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
            (paint.red("error   "), format!("{place}{message}"))
        }
        What::Resized(Resized { volume, size_old, size }) => {
            ("resized ".to_owned(), format!("volume {volume}: {} to {}", size::bytes(*size_old), size::bytes(*size)))
        }
        What::Path(way) => {
            ("path    ".to_owned(), format!("group {} through {}: {}", way.group, way.portal, way.state))
        }
        What::Stopping { why } => ("stopping".to_owned(), why.clone()),
        What::SwapPlanned { from, to, by } => {
            let by = by.as_ref().map_or_else(String::new, |by| format!(", asked by {by}"));
            ("swap    ".to_owned(), format!("planned: {}{by}", swap::from_to(from, to)))
        }
        What::Paused { from, to } => ("paused  ".to_owned(), format!("swap of {}", swap::from_to(from, to))),
        What::Resumed { report } => {
            let to = report.to.as_ref().unwrap_or(&report.from);
            let after =
                report.pause.as_ref().map_or_else(String::new, |pause| format!(", paused {}", swap::paused(pause)));
            (paint.green("resumed "), format!("swapped {}{after}", swap::from_to(&report.from, to)))
        }
        What::RolledBack { step, why } => (paint.red("rollback"), format!("the swap ended at {step}: {why}")),
        What::Unknown => ("event   ".to_owned(), "of a kind this program does not know".to_owned()),
    };
    format!("{}  {word}  {}", paint.dim(&when::time(event.time_ms)), clean(&text))
}
