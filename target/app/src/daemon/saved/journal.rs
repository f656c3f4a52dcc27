//! What was told and is remembered: refused logins, swaps that were tried, and the one that is under way.

use super::program::{bytes, path};
use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::control::machine::Ticket;
use crate::control::words::{
    Carried, NotCarried, Pause, Program, REFUSED_LOGINS_MAX, RefusedLogin, SWAPS_MAX, SwapOutcome, SwapReport,
};
use crate::daemon::control::ControlId;
use crate::daemon::swap::UnderWay;
use crate::daemon::world::World;
use mainstay_base::snapshot::Section;

pub(super) const KIND: &str = "journal";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct JournalV1 {
    /// Oldest first.
    #[prost(message, repeated, tag = "1")]
    refused: Vec<RefusedV1>,
    /// Oldest first.
    #[prost(message, repeated, tag = "2")]
    swaps: Vec<ReportV1>,
    #[prost(message, optional, tag = "3")]
    under_way: Option<UnderWayV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RefusedV1 {
    #[prost(uint64, tag = "1")]
    time_ms: u64,
    #[prost(string, tag = "2")]
    peer: String,
    #[prost(string, optional, tag = "3")]
    initiator: Option<String>,
    #[prost(string, optional, tag = "4")]
    target: Option<String>,
    #[prost(string, tag = "5")]
    step: String,
    #[prost(string, tag = "6")]
    why: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UnderWayV1 {
    /// Who asked: a control connection, and its request.
    #[prost(uint64, optional, tag = "1")]
    control: Option<u64>,
    #[prost(uint64, tag = "2")]
    ticket: u64,
    #[prost(message, optional, tag = "3")]
    report: Option<ReportV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProgramV1 {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(string, tag = "2")]
    build: String,
    #[prost(bytes = "vec", tag = "3")]
    path: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReportV1 {
    #[prost(uint64, tag = "1")]
    time_ms: u64,
    /// 0 unknown, 1 done, 2 nothing to do, 3 rehearsed, 4 refused, 5 rolled back.
    #[prost(uint32, tag = "2")]
    outcome: u32,
    #[prost(string, optional, tag = "3")]
    step: Option<String>,
    #[prost(string, optional, tag = "4")]
    why: Option<String>,
    #[prost(message, optional, tag = "5")]
    from: Option<ProgramV1>,
    #[prost(message, optional, tag = "6")]
    to: Option<ProgramV1>,
    /// Sessions, connections, commands, control connections, volumes, bytes of snapshot, of payload; or none of it.
    #[prost(uint64, repeated, tag = "7")]
    carried: Vec<u64>,
    /// Microseconds: in all, quiesce, of that stores, save, exec, adopt; or none of it.
    #[prost(uint64, repeated, tag = "8")]
    pause: Vec<u64>,
    #[prost(uint64, optional, tag = "9")]
    rehearsal_ms: Option<u64>,
    #[prost(string, repeated, tag = "10")]
    remarks: Vec<String>,
    #[prost(message, repeated, tag = "11")]
    not_carried: Vec<NotCarriedV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NotCarriedV1 {
    #[prost(string, tag = "1")]
    what: String,
    #[prost(string, tag = "2")]
    why: String,
}

const OUTCOMES: [SwapOutcome; 6] = [
    SwapOutcome::Unknown,
    SwapOutcome::Done,
    SwapOutcome::NothingToDo,
    SwapOutcome::Rehearsed,
    SwapOutcome::Refused,
    SwapOutcome::RolledBack,
];

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let under_way = |UnderWay { asker, report }: &UnderWay| UnderWayV1 {
        control: asker.map(|(control, _)| control.0),
        ticket: asker.map_or(0, |(_, ticket)| ticket.0),
        report: Some(save_report(report)),
    };
    let saved = JournalV1 {
        refused: world.refusals.0.iter().map(save_refused).collect(),
        swaps: world.history.iter().map(save_report).collect(),
        under_way: world.swap.as_ref().map(under_way),
    };
    match forms.version(KIND) {
        version @ 1 => Ok(Some(put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "what was told")),
    }
}

pub(super) fn restore(sections: &Sections<'_>, world: &mut World) -> Result<(), Unreadable> {
    let saved: JournalV1 = get(KIND, sections.one(KIND)?)?;
    if saved.refused.len() > REFUSED_LOGINS_MAX || saved.swaps.len() > SWAPS_MAX {
        return Err(Unreadable::section(KIND, "more is remembered than there is room for"));
    }
    world.refusals.0 = saved.refused.into_iter().map(restore_refused).collect::<Result<_, _>>()?;
    world.history = saved.swaps.into_iter().map(restore_report).collect::<Result<_, _>>()?;
    world.swap = saved.under_way.map(restore_under_way).transpose()?;
    Ok(())
}

fn save_refused(refused: &RefusedLogin) -> RefusedV1 {
    let RefusedLogin { time_ms, peer, initiator, target, step, why } = refused.clone();
    RefusedV1 { time_ms, peer: peer.to_string(), initiator, target, step, why }
}

fn restore_refused(saved: RefusedV1) -> Result<RefusedLogin, Unreadable> {
    let RefusedV1 { time_ms, peer, initiator, target, step, why } = saved;
    let peer = need(KIND, peer.parse().ok(), "the address of one who was refused")?;
    Ok(RefusedLogin { time_ms, peer, initiator, target, step, why })
}

fn restore_under_way(saved: UnderWayV1) -> Result<UnderWay, Unreadable> {
    let asker = saved.control.map(|control| (ControlId(control), Ticket(saved.ticket)));
    Ok(UnderWay { asker, report: restore_report(need(KIND, saved.report, "the report")?)? })
}

fn save_program(program: &Program) -> ProgramV1 {
    ProgramV1 { version: program.version.clone(), build: program.build.clone(), path: bytes(&program.path) }
}

fn restore_program(saved: ProgramV1) -> Program {
    Program { version: saved.version, build: saved.build, path: path(&saved.path) }
}

fn save_report(report: &SwapReport) -> ReportV1 {
    let carried = |c: Carried| {
        let ours = [c.sessions, c.connections, c.commands, c.control_connections, c.volumes];
        [&ours[..], &[c.snapshot_bytes, c.payload_bytes]].concat()
    };
    let pause = |p: Pause| vec![p.total_us, p.quiesce_us, p.store_us, p.save_us, p.exec_us, p.adopt_us];
    let not_carried = |n: &NotCarried| NotCarriedV1 { what: n.what.clone(), why: n.why.clone() };
    ReportV1 {
        time_ms: report.time_ms,
        outcome: OUTCOMES.iter().position(|known| *known == report.outcome).unwrap_or_default() as u32,
        step: report.step.clone(),
        why: report.why.clone(),
        from: Some(save_program(&report.from)),
        to: report.to.as_ref().map(save_program),
        carried: report.carried.map(carried).unwrap_or_default(),
        pause: report.pause.map(pause).unwrap_or_default(),
        rehearsal_ms: report.rehearsal_ms,
        remarks: report.remarks.clone(),
        not_carried: report.not_carried.iter().map(not_carried).collect(),
    }
}

fn restore_report(saved: ReportV1) -> Result<SwapReport, Unreadable> {
    let carried = match saved.carried[..] {
        [] => None,
        [sessions, connections, commands, control_connections, volumes, snapshot_bytes, payload_bytes] => {
            Some(Carried {
                sessions,
                connections,
                commands,
                control_connections,
                volumes,
                snapshot_bytes,
                payload_bytes,
            })
        }
        _ => return Err(Unreadable::section(KIND, "what was carried has other parts")),
    };
    let pause = match saved.pause[..] {
        [] => None,
        [total_us, quiesce_us, store_us, save_us, exec_us, adopt_us] => {
            Some(Pause { total_us, quiesce_us, store_us, save_us, exec_us, adopt_us })
        }
        _ => return Err(Unreadable::section(KIND, "a pause has other parts")),
    };
    Ok(SwapReport {
        time_ms: saved.time_ms,
        outcome: need(KIND, OUTCOMES.get(saved.outcome as usize).copied(), "an outcome")?,
        step: saved.step,
        why: saved.why,
        from: restore_program(need(KIND, saved.from, "a program")?),
        to: saved.to.map(restore_program),
        carried,
        pause,
        rehearsal_ms: saved.rehearsal_ms,
        remarks: saved.remarks,
        not_carried: saved.not_carried.into_iter().map(|n| NotCarried { what: n.what, why: n.why }).collect(),
    })
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: JournalV1 = get(KIND, section)?;
    Ok(format!("{saved:?}"))
}
