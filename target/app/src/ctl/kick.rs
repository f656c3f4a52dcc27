//! `mainstay kick`.

use super::Ask;
use super::failure::{Failure, say};
use super::paint::clean;
use crate::control::words::{self, Call, Kicked};
use clap::Args;

/// End a session; its initiator may log in again
///
/// The initiator is told, and its connection closed. Most initiators log in again by themselves: to keep one out, take it
/// off the access list as well.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mainstay status          shows the sessions and their numbers\n  mainstay kick 3")]
pub struct Kick {
    /// Number of the session, as `mainstay status` shows it
    #[arg(value_name = "SESSION")]
    session: u64,
    #[command(flatten)]
    ask: Ask,
}

impl Kick {
    pub(super) fn run(self) -> Result<(), Failure> {
        let call = Call::Kick(words::Kick { session: self.session });
        let kicked: Kicked = self.ask.client()?.call(&call)?;
        say(&format!("session {} of {} is being ended\n", kicked.session, clean(&kicked.initiator)))
    }
}
