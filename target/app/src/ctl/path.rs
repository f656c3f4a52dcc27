//! `mainstay path`.

use super::Ask;
use super::failure::{Failure, say, say_json};
use super::paint::{Paint, clean};
use super::table::{Lean, Table};
use crate::control::words::{Call, Nvme, PathsSet, SetPath, Status, Way};
use clap::{Args, Subcommand};
use mainstay_base::path::{Access, GROUPS_MAX};
use std::collections::BTreeSet;

/// Say how well volumes are reached through a portal, for hosts with more than one way
///
/// Hosts with native multipath (ANA) take the optimized ways, the non-optimized ones when there is no other, and never an
/// inaccessible one. They are told of a change at once, and commands that are under way move without an error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mainstay path show
  mainstay path set 192.0.2.1:4420 inaccessible    before the work on that network begins
  mainstay path set 192.0.2.1:4420 optimized       after it")]
pub struct Path {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Show(Show),
    Set(Set),
}

/// Print how each group of volumes is reached through each portal
#[derive(Debug, Args)]
struct Show {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ask: Ask,
}

/// Set how a group of volumes, or every one, is reached through a portal
#[derive(Debug, Args)]
struct Set {
    /// The portal's name, as `mainstay path show` prints it
    #[arg(value_name = "PORTAL")]
    portal: String,
    /// What the way is from now on
    #[arg(value_name = "STATE", value_parser = Access::ALL.map(Access::name))]
    state: String,
    /// One group [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=i64::from(GROUPS_MAX)))]
    group: Option<u16>,
    #[command(flatten)]
    ask: Ask,
}

impl Path {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::Show(show) => {
                let status: Status = show.ask.client()?.call(&Call::Status)?;
                match show.json {
                    true => say_json(&serde_json::json!(ways(&status.nvme))),
                    false => say(&table(&status.nvme)),
                }
            }
            Verb::Set(set) => {
                let call = Call::Path(SetPath { portal: set.portal, group: set.group, state: set.state });
                let set: PathsSet = set.ask.client()?.call(&call)?;
                let line = |way: &Way| format!("group {} through {}: {}\n", way.group, clean(&way.portal), way.state);
                let text: String = set.changed.iter().map(line).collect();
                say(if text.is_empty() { "nothing to change: it is so already\n" } else { &text })
            }
        }
    }
}

/// Every group on every portal that leads to it.
fn ways(nvme: &Nvme) -> Vec<Way> {
    let mut ways = Vec::new();
    for portal in nvme.portals.iter().filter(|portal| !portal.discovery_only) {
        let here = nvme.subsystems.iter().filter(|subsystem| subsystem.portals.contains(&portal.address));
        let groups: BTreeSet<u16> =
            here.flat_map(|subsystem| &subsystem.namespaces).map(|namespace| namespace.group).collect();
        for group in groups {
            let set = nvme.paths.iter().find(|way| way.portal == portal.name && way.group == group).cloned();
            ways.push(set.unwrap_or_else(|| Way {
                portal: portal.name.clone(),
                group,
                state: Access::default().name().to_owned(),
                changes: 0,
            }));
        }
    }
    ways
}

fn table(nvme: &Nvme) -> String {
    let ways = ways(nvme);
    if ways.is_empty() {
        return "No volumes are served over NVMe/TCP.\n".to_owned();
    }
    let columns = [("PORTAL", Lean::Left), ("GROUP", Lean::Right), ("STATE", Lean::Left), ("CHANGES", Lean::Right)];
    let mut table = Table::new(&columns);
    for way in ways {
        table.row([way.portal, way.group.to_string(), way.state, way.changes.to_string()]);
    }
    table.render(Paint::for_stdout(), None)
}
