//! `mainstay demo swap`: swaps under load.

use super::super::failure::{Failure, say, say_json};
use super::host::Host;
use super::initiator::{Session, Trouble};
use super::load::{Disk, Load, REACH};
use super::show::{Show, Swapped};
use super::target::Target;
use super::terminal::Terminal;
use crate::control::client::{Client, ClientError};
use crate::control::words::{self, Call, Status, SwapReport};
use clap::Args;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Until the first swap; from one to the next, and to the end.
const BEFORE: Duration = Duration::from_millis(700);
const BETWEEN: Duration = Duration::from_millis(900);
const TICK: Duration = Duration::from_millis(100);

/// Replace a target again and again while it is in use
///
/// Starts a target, lets an initiator read and write on it as fast as it answers and verify all data, and has it swap
/// itself, to the same program, again and again. Shows how long each command took, and how long each swap paused the
/// target. It takes about a second for each swap.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mainstay demo swap --swaps 3 --sessions 64
  mainstay demo swap --nvme

Exit status:
  0  all went well
  1  a swap failed, a session was lost, a command failed, or data differed; standard error says what")]
pub struct DemoSwap {
    /// How often to swap
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    swaps: u32,
    /// How many sessions read and write
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    sessions: u16,
    /// Over NVMe/TCP instead of iSCSI: a session is a controller with one I/O queue
    #[arg(long)]
    nvme: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

impl DemoSwap {
    pub(super) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::problem)?;
        let show = runtime.block_on(self.play())?;
        if self.json {
            say_json(&show.json())?;
        } else {
            say(&show.summary())?;
        }
        show.verdict().map_err(Failure::Problem)
    }

    async fn play(&self) -> Result<Show, Failure> {
        // From here on a signal ends us in order, and the target with us.
        let mut signals = Signals::new().map_err(Failure::problem)?;
        let target = Target::start(REACH * u64::from(self.sessions))?;
        let login = |number| -> Result<Box<dyn Disk>, Trouble> {
            Ok(match self.nvme {
                true => Box::new(Host::connect(target.nvme, &target.subsystem, number)?),
                false => Box::new(Session::login(target.portal, &target.name, number)?),
            })
        };
        let load = Load::start(self.sessions, login).map_err(|trouble| match trouble {
            Trouble::Failed(why) | Trouble::Lost(why) => Failure::Problem(why),
        })?;
        let before = status(&target.control())?;
        let mut show = Show::new(before, BEFORE + BETWEEN * self.swaps);
        let mut terminal = Terminal::new(self.json);
        terminal.begin(&show)?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way: Option<JoinHandle<Swapped>> = None;
        let mut due = BEFORE;
        loop {
            tokio::select! {
                name = signals.next() => return Err(Failure::problem(format!("ended by {name}"))),
                _ = tick.tick() => load.note(&mut show.record),
            }
            show.age = load.start.elapsed();
            if let Some(call) = under_way.take_if(|call| call.is_finished()) {
                show.swaps.push(call.await.map_err(Failure::problem)?);
            }
            let over = show.swaps.len() == self.swaps as usize || show.record.lost.len() == usize::from(self.sessions);
            if under_way.is_none() && show.age >= due {
                if over {
                    break;
                }
                due = show.age + BETWEEN;
                let (start, control) = (load.start, target.control());
                under_way = Some(tokio::task::spawn_blocking(move || swap(start, &control)));
            }
            terminal.go_on(&show)?;
        }
        show.after = status(&target.control()).ok();
        load.stop(&mut show.record);
        terminal.end(&show)?;
        Ok(show)
    }
}

fn status(control: &Path) -> Result<Status, ClientError> {
    Client::connect(control)?.call(&Call::Status)
}

/// Has the target swap itself to the program it was started from.
fn swap(start: Instant, control: &Path) -> Swapped {
    let call = Call::Swap(words::Swap { allow_same: true, ..words::Swap::default() });
    let asked = start.elapsed();
    let outcome = Client::connect(control).and_then(|mut client| client.call::<SwapReport>(&call));
    Swapped { asked, answered: start.elapsed(), outcome: outcome.map_err(|error| error.to_string()) }
}

/// The signals that end us.
struct Signals([(&'static str, Signal); 3]);

impl Signals {
    fn new() -> std::io::Result<Signals> {
        let named = |name, kind| Ok::<_, std::io::Error>((name, signal(kind)?));
        let interrupt = named("SIGINT", SignalKind::interrupt())?;
        Ok(Signals([interrupt, named("SIGTERM", SignalKind::terminate())?, named("SIGHUP", SignalKind::hangup())?]))
    }

    /// The next that comes, by name.
    async fn next(&mut self) -> &'static str {
        let [(a, one), (b, two), (c, three)] = &mut self.0;
        tokio::select! { _ = one.recv() => a, _ = two.recv() => b, _ = three.recv() => c }
    }
}
