//! What a swap costs: the pause as the daemon reports it, the same from outside, and a stop and start instead.
//!
//! Times are never a failure. A session lost, a command failed, a status out of sequence or a wrong byte is.

mod control;
mod inside;
mod outside;
mod restart;
mod stage;
mod table;

use std::path::Path;

use serde_json::{Value, json};

use super::pattern::Pattern;
use super::row::row;
use super::target::Over;
use stage::{Load, Stage};

/// How much of it.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Swaps of each row that looks from inside.
    pub swaps: usize,
    /// Idle sessions of the row that has many; 0 leaves it out.
    pub idle: usize,
    /// A short run.
    pub quick: bool,
    /// NVMe/TCP takes part.
    pub nvme: bool,
    /// tgt takes part.
    pub tgt: bool,
    /// Only rows whose name has this.
    pub only: Option<String>,
}

impl Extent {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }
}

/// What initiators do while swaps go on, as far as it is wanted.
fn loads(extent: &Extent) -> Vec<Load> {
    let mut loads = loads_over(
        extent,
        Over::Iscsi,
        [
            "1 session, depth 32",
            "64 busy sessions",
            "1000 busy sessions",
            "64 x 32 writes of 128 KiB",
            "idle sessions and 1 busy",
        ],
    );
    if extent.nvme {
        loads.extend(loads_over(
            extent,
            Over::Nvme,
            [
                "NVMe: 1 controller, depth 32",
                "NVMe: 64 busy",
                "NVMe: 1000 busy",
                "NVMe: 64 x 32 x 128 KiB",
                "NVMe: idle and 1 busy",
            ],
        ));
    }
    loads.retain(|load| extent.wants(load.row.name));
    loads
}

fn loads_over(extent: &Extent, over: Over, [deep, busy, many, writing, idling]: [&'static str; 5]) -> Vec<Load> {
    let reads = |name, depth, sessions| Load {
        row: row(name, 4096, false, depth, sessions),
        over,
        mib: 64,
        limits: String::new(),
        aim_ms: None,
        outside: true,
    };
    let mut idle = reads(idling, 1, 1);
    idle.row.idle = extent.idle;
    idle.limits = format!("sessions = {}", extent.idle + 64);
    idle.aim_ms = (extent.idle <= 10_000).then_some(100.0);
    idle.outside = false;
    let writes = row(writing, 131_072, true, 32, 64);
    // All of them are to be under way, so there has to be memory for them.
    let writes = Load { row: writes, mib: 512, limits: "memory = \"1 GiB\"".to_owned(), ..reads("", 1, 1) };
    let mut loads = vec![
        reads(deep, 32, 1),
        Load { aim_ms: Some(5.0), ..reads(busy, 4, 64) },
        Load { aim_ms: Some(20.0), outside: false, ..reads(many, 1, 1000) },
        writes,
    ];
    if extent.idle > 0 {
        loads.push(idle);
    }
    loads
}

/// Everything, printed as it comes; the JSON of it.
pub fn run(extent: &Extent, cores: usize, disk: &Path, pattern: &Pattern) -> Result<Value, String> {
    let loads = loads(extent);
    let begin = |load| Stage::begin(load, cores, pattern);
    let (mut inside, mut outside, mut rehearsals) = (Vec::new(), Vec::new(), Vec::new());
    if !loads.is_empty() {
        table::print_inside_head(extent.swaps);
    }
    for load in &loads {
        let row = inside::measure(&mut begin(load)?, extent.swaps)?;
        table::print_inside(load, &row);
        inside.push(table::inside_json(load, &row));
    }
    for load in loads.iter().filter(|load| load.outside && (!extent.quick || load.aim_ms.is_some())) {
        let windows = if extent.quick { 4 } else { extent.swaps.min(40) };
        let row = outside::gaps(&mut begin(load)?, windows)?;
        table::print_outside(load, &row);
        outside.push(table::outside_json(load, &row));
        let rehearsed = if extent.quick { extent.swaps / 3 } else { extent.swaps };
        let row = outside::rehearsals(&mut begin(load)?, rehearsed)?;
        table::print_rehearsals(load, &row);
        rehearsals.push(table::rehearsals_json(load, &row));
    }
    let mut restarts = Vec::new();
    if extent.wants("restart") {
        let rounds = if extent.quick { 2 } else { 10 };
        restarts = restart::measure(rounds, extent.tgt, cores, disk, pattern)?;
        table::print_restarts(&restarts);
    }
    let restarts: Vec<Value> = restarts.iter().map(table::restart_json).collect();
    Ok(json!({ "inside": inside, "outside": outside, "rehearsals": rehearsals, "restarts": restarts }))
}
