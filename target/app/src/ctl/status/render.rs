//! A status for people.

mod nvme;

use crate::control::words::{Io, Latency, Negotiated, Session, SessionState, Status, SwapOutcome, Volume, VolumeKind};
use crate::ctl::paint::{Paint, clean};
use crate::ctl::table::{Lean, Table};
use crate::ctl::{size, swap, when};
use Lean::{Left, Right};

/// The whole text. With the status of a moment before, traffic is told per second.
pub(super) fn text(
    status: &Status,
    before: Option<&Status>,
    verbose: bool,
    paint: Paint,
    columns_max: Option<usize>,
) -> String {
    let mut parts = vec![head(status, paint), volumes(status, before, paint, columns_max)];
    if verbose {
        parts.extend(status.volumes.iter().map(|volume| volume_details(volume, paint)));
    }
    // Who serves NVMe/TCP alone need not be told that there is no iSCSI.
    if !status.portals.is_empty() || status.nvme.portals.is_empty() {
        parts.push(targets(status, paint, columns_max));
        parts.push(portals(status, paint, columns_max));
        parts.push(sessions(status, paint, columns_max));
    }
    parts.extend(nvme::parts(status, paint, columns_max));
    if verbose {
        parts.extend(status.sessions.iter().map(|session| session_details(session, paint)));
    }
    if !status.refused_logins.is_empty() {
        parts.push(refused(status, paint));
    }
    if !status.swaps.is_empty() {
        parts.push(swaps(status, paint));
    }
    parts.join("\n")
}

fn head(status: &Status, paint: Paint) -> String {
    let daemon = &status.daemon;
    let memory = &daemon.memory;
    let mut out = format!(
        "{} {}{}, process {}, up {} (since {})\n",
        paint.bold("mainstay"),
        clean(&daemon.version),
        if daemon.build.is_empty() { String::new() } else { format!(" ({})", clean(&daemon.build)) },
        daemon.pid,
        size::duration(daemon.uptime_ms),
        when::date_time(daemon.started_ms),
    );
    if let Some(config) = &daemon.config {
        out += &format!("config   {}\n", config.display());
    }
    out += &format!("state    {}\ncontrol  {}\n", daemon.state_dir.display(), daemon.control.display());
    out += &format!(
        "memory   {} in use and {} promised, of {}\n",
        size::bytes(memory.used),
        size::bytes(memory.promised),
        size::bytes(memory.budget),
    );
    for volume in status.volumes.iter().filter(|volume| volume.poisoned) {
        let name = clean(&volume.name);
        let why = volume.poison.as_ref().map_or_else(String::new, |poison| {
            format!(" ({}, {})", when::date_time(poison.time_ms), clean(&poison.why))
        });
        let what = format!("volume {name} is poisoned: its storage failed to flush{why}, and it takes no writes");
        out += &format!("{}\n  look at the disk and the data, then `mainstay clear-poison {name}`\n", paint.red(&what));
    }
    out
}

fn volumes(status: &Status, before: Option<&Status>, paint: Paint, columns_max: Option<usize>) -> String {
    if status.volumes.is_empty() {
        return "No volumes.\n".to_owned();
    }
    let rate = if before.is_some() { "/s" } else { "" };
    let heads: [&'static str; 4] = if rate.is_empty() {
        ["READS", "READ", "WRITES", "WRITTEN"]
    } else {
        ["READS/S", "READ/S", "WRITES/S", "WRITTEN/S"]
    };
    let mut table = Table::new(&[
        ("VOLUME", Left),
        ("KIND", Left),
        ("SIZE", Right),
        (heads[0], Right),
        (heads[1], Right),
        (heads[2], Right),
        (heads[3], Right),
        ("ERRORS", Right),
        ("READ P50/P99", Right),
        ("WRITE P50/P99", Right),
        ("FLAGS", Left),
    ])
    .spare(&["KIND", "WRITE P50/P99", "READ P50/P99"]);
    for volume in &status.volumes {
        let io = &volume.io;
        let earlier = before.and_then(|before| before.volumes.iter().find(|earlier| earlier.name == volume.name));
        let millis = before.map_or(0, |before| status.daemon.uptime_ms.saturating_sub(before.daemon.uptime_ms)).max(1);
        let per_second = |value: fn(&Io) -> u64| match (before, earlier) {
            (Some(_), Some(earlier)) => value(io).saturating_sub(value(&earlier.io)).saturating_mul(1000) / millis,
            (Some(_), None) => 0,
            (None, _) => value(io),
        };
        table.row([
            volume.name.clone(),
            kind(volume.kind).to_owned(),
            size::bytes(volume.size),
            size::count(per_second(|io| io.reads)),
            size::bytes(per_second(|io| io.read_bytes)),
            size::count(per_second(|io| io.writes)),
            size::bytes(per_second(|io| io.written_bytes)),
            size::count(io.errors),
            pair(&io.latency_us.read),
            pair(&io.latency_us.write),
            flags(volume),
        ]);
    }
    table.render(paint, columns_max)
}

fn kind(kind: VolumeKind) -> &'static str {
    match kind {
        VolumeKind::Memory => "memory",
        VolumeKind::File => "file",
        VolumeKind::Device => "device",
        VolumeKind::Unknown => "?",
    }
}

fn pair(latency: &Latency) -> String {
    match latency.max {
        0 => "-".to_owned(),
        _ => format!("{}/{}", size::micros(latency.p50), size::micros(latency.p99)).replace(' ', ""),
    }
}

fn flags(volume: &Volume) -> String {
    let flags = [
        (volume.poisoned, "POISONED"),
        (volume.read_only, "read-only"),
        (volume.write_cache, "cache"),
        (volume.thin, "thin"),
        (volume.block_bytes != 512, "4K"),
    ];
    flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

fn volume_details(volume: &Volume, paint: Paint) -> String {
    let io = &volume.io;
    let path = volume.path.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    let mut out = heading(&format!("volume {}", volume.name), paint);
    out += &pairs(&[
        ("path", path),
        (
            "size",
            format!("{} bytes, blocks of {} (physical {})", volume.size, volume.block_bytes, volume.physical_bytes),
        ),
        ("uuid", volume.uuid.clone()),
        ("serial", volume.serial.clone()),
        ("naa", volume.naa.clone()),
        ("flushes", size::count(io.flushes)),
        ("unmaps", format!("{} ({})", size::count(io.unmaps), size::bytes(io.unmapped_bytes))),
        ("in flight", io.in_flight.to_string()),
    ]);
    let mut table =
        Table::new(&[("  LATENCY", Left), ("P50", Right), ("P99", Right), ("P99.9", Right), ("MAX", Right)]);
    let latencies =
        [("  read", io.latency_us.read), ("  write", io.latency_us.write), ("  flush", io.latency_us.flush)];
    for (name, latency) in latencies {
        let cells = [latency.p50, latency.p99, latency.p999, latency.max].map(size::micros);
        table.row([name.to_owned()].into_iter().chain(cells));
    }
    out + &table.render(Paint(false), None)
}

fn targets(status: &Status, paint: Paint, columns_max: Option<usize>) -> String {
    if status.targets.is_empty() {
        return "No targets.\n".to_owned();
    }
    let mut table =
        Table::new(&[("TARGET", Left), ("LUN", Right), ("VOLUME", Left), ("CHAP", Left), ("SESSIONS", Right)]);
    for target in &status.targets {
        let sessions = status.sessions.iter().filter(|session| session.target.as_ref() == Some(&target.name)).count();
        let auth = nvme::auth(target.auth);
        // The first LUN stands on the target's own line.
        let first = [target.name.clone(), auth.to_owned(), sessions.to_string()];
        let rest = [const { String::new() }; 3];
        if target.luns.is_empty() {
            let [name, auth, sessions] = first;
            table.row([name, "-".into(), "-".into(), auth, sessions]);
            continue;
        }
        for (at, lun) in target.luns.iter().enumerate() {
            let [name, auth, sessions] = if at == 0 { first.clone() } else { rest.clone() };
            table.row([name, lun.lun.to_string(), lun.volume.clone(), auth, sessions]);
        }
    }
    table.render(paint, columns_max)
}

fn portals(status: &Status, paint: Paint, columns_max: Option<usize>) -> String {
    let mut table = Table::new(&[("PORTAL", Left), ("TARGETS", Right), ("SESSIONS", Right), ("ADVERTISED AS", Left)]);
    for portal in &status.portals {
        let advertise = portal.advertise.clone().unwrap_or_default();
        table.row([portal.address.to_string(), portal.targets.to_string(), portal.sessions.to_string(), advertise]);
    }
    table.render(paint, columns_max)
}

fn sessions(status: &Status, paint: Paint, columns_max: Option<usize>) -> String {
    if status.sessions.is_empty() {
        return "Nobody is logged in (`mainstay attach` prints the commands that do).\n".to_owned();
    }
    let common = common_prefix(status.targets.iter().map(|target| target.name.as_str()));
    let mut table = Table::new(&[
        ("SESSION", Right),
        ("INITIATOR", Left),
        ("TARGET", Left),
        ("FROM", Left),
        ("FOR", Right),
        ("COMMANDS", Right),
        ("SENT", Right),
        ("RECEIVED", Right),
        ("STATE", Left),
    ])
    .spare(&["FOR", "COMMANDS"]);
    let now = status.daemon.started_ms + status.daemon.uptime_ms;
    for session in &status.sessions {
        let target = match &session.target {
            Some(target) if common > 0 && target.len() > common => format!("..{}", &target[common..]),
            Some(target) => target.clone(),
            None => "(discovery)".to_owned(),
        };
        table.row([
            session.id.to_string(),
            session.initiator.clone(),
            target,
            session.peer.to_string(),
            size::duration(now.saturating_sub(session.since_ms)),
            size::count(session.commands),
            size::bytes(session.read_bytes),
            size::bytes(session.written_bytes),
            state(session.state).to_owned(),
        ]);
    }
    table.render(paint, columns_max)
}

fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Login => "login",
        SessionState::Active => "active",
        SessionState::Closing => "closing",
        SessionState::Unknown => "?",
    }
}

/// How many bytes all names have in common, up to their last colon: that much can be left out.
fn common_prefix<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    let prefix = |name: &'a str| name.rfind(':').map_or("", |at| &name[..at]);
    let mut prefixes = names.map(prefix);
    match prefixes.next() {
        Some(first) if prefixes.all(|other| other == first) => first.len(),
        _ => 0,
    }
}

fn session_details(session: &Session, paint: Paint) -> String {
    let agreed: &Negotiated = &session.negotiated;
    let yes = |yes: bool| if yes { "Yes" } else { "No" }.to_owned();
    heading(&format!("session {}, {}", session.id, session.initiator), paint)
        + &pairs(&[
            ("target", session.target.clone().unwrap_or_else(|| "(discovery)".to_owned())),
            ("from, to", format!("{}, {}", session.peer, session.local)),
            ("ISID, TSIH", format!("{}, {}", session.isid, session.tsih)),
            (
                "commands",
                format!("{} taken, {} open, window {}", session.commands, session.commands_open, session.window),
            ),
            ("AuthMethod", agreed.auth_method.clone()),
            ("HeaderDigest", agreed.header_digest.clone()),
            ("DataDigest", agreed.data_digest.clone()),
            ("MaxConnections", agreed.max_connections.to_string()),
            ("InitialR2T", yes(agreed.initial_r2t)),
            ("ImmediateData", yes(agreed.immediate_data)),
            (
                "MaxRecvDataSegmentLength",
                format!(
                    "{} (initiator), {} (target)",
                    agreed.initiator_max_recv_data_segment_length, agreed.target_max_recv_data_segment_length
                ),
            ),
            ("MaxBurstLength", agreed.max_burst_length.to_string()),
            ("FirstBurstLength", agreed.first_burst_length.to_string()),
            ("DefaultTime2Wait", agreed.default_time2_wait.to_string()),
            ("DefaultTime2Retain", agreed.default_time2_retain.to_string()),
            ("MaxOutstandingR2T", agreed.max_outstanding_r2t.to_string()),
            ("DataPDUInOrder", yes(agreed.data_pdu_in_order)),
            ("DataSequenceInOrder", yes(agreed.data_sequence_in_order)),
            ("ErrorRecoveryLevel", agreed.error_recovery_level.to_string()),
            ("TaskReporting", agreed.task_reporting.clone()),
            ("iSCSIProtocolLevel", agreed.iscsi_protocol_level.to_string()),
        ])
}

fn refused(status: &Status, paint: Paint) -> String {
    let mut out = heading("logins refused lately", paint);
    for login in &status.refused_logins {
        let initiator = login.initiator.as_deref().unwrap_or("(unnamed)");
        let target = login.target.as_ref().map_or_else(String::new, |target| format!(" to {target}"));
        let (who, why) = (format!("{initiator} from {}{target}", login.peer), format!("{}: {}", login.step, login.why));
        out += &format!("{}  {}\n    {}\n", when::date_time(login.time_ms), clean(&who), paint.yellow(&clean(&why)));
    }
    out
}

/// How many swaps are told to people.
const SWAPS_SHOWN: usize = 5;

fn swaps(status: &Status, paint: Paint) -> String {
    let left_out = status.swaps.len().saturating_sub(SWAPS_SHOWN);
    let earlier = if left_out > 0 { format!(" ({left_out} more: --json)") } else { String::new() };
    let mut out = heading(&format!("swaps{earlier}"), paint);
    for report in &status.swaps[left_out..] {
        let what = match &report.to {
            Some(to) => swap::from_to(&report.from, to),
            None => format!("from {}", clean(&report.from.version)),
        };
        let end = match report.outcome {
            SwapOutcome::Done => report
                .pause
                .as_ref()
                .map_or_else(String::new, |pause| format!(", paused {}", size::micros(pause.total_us))),
            SwapOutcome::NothingToDo => ", nothing to do".to_owned(),
            SwapOutcome::Rehearsed => ", rehearsed only".to_owned(),
            SwapOutcome::Refused => paint.yellow(", refused"),
            SwapOutcome::RolledBack => paint.red(", rolled back"),
            SwapOutcome::Unknown => ", ?".to_owned(),
        };
        out += &format!("{}  {what}{end}\n", when::date_time(report.time_ms));
        let bad = matches!(report.outcome, SwapOutcome::Refused | SwapOutcome::RolledBack | SwapOutcome::Unknown);
        if let Some(why) = report.why.as_ref().filter(|_| bad) {
            let step = report.step.as_ref().map_or_else(String::new, |step| format!("{step}: "));
            let first = why.lines().next().unwrap_or_default();
            out += &format!("    {}\n", paint.yellow(&clean(&format!("{step}{first}"))));
        }
    }
    out
}

fn heading(text: &str, paint: Paint) -> String {
    format!("{}\n", paint.bold(&clean(text)))
}

fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let value = |value: &str| if value.is_empty() { "-".to_owned() } else { clean(value) };
    pairs.iter().map(|(name, text)| format!("  {name:<width$}  {}\n", value(text))).collect()
}

#[cfg(test)]
mod tests;
