//! The saved form of a connection. Payload is saved by its place, and adopted from the arena.

mod form;
mod task;

pub use form::*;

use super::connection::input::{Body, Input, Purpose, Sink};
use super::connection::output::{Digests, Output};
use super::connection::tasks::Tasks;
use super::connection::window::{Held, Window, WindowParts};
use super::connection::{Connection, Limits, Pending, TextExchange, Timers};
use super::event::{Command, Event, Notice, TaskManagement};
use super::keys::Negotiated;
use super::keys::saved::BadSaved;
use super::login::{Candidate, Kind, Login};
use super::pdu::{CmdSn, Isid, Itt, RejectReason, StatSn, TmfResponse, Ttt, tmf_code, tmf_from_code};
use super::session::{Phase, SessionInfo, Traffic};
use mainstay_base::arena::saved::PlaceV1;
use mainstay_base::arena::{Arena, Buf, NotFree, Place};
use mainstay_base::outgoing::{Outgoing, Segment};
use mainstay_base::sam::{Lun, Reply, Status, TaskAttribute};
use mainstay_base::time::Instant;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Why a saved connection cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Unreadable {
    #[error("saved connection: {0} is missing or out of range")]
    Field(&'static str),
    #[error("saved connection: {0}")]
    Login(#[from] BadSaved),
    #[error("saved connection: {0}")]
    Payload(#[from] NotFree),
}

type Restored<T> = Result<T, Unreadable>;

impl Connection {
    /// For [`Connection::restore`].
    pub fn save(&self) -> ConnectionV1 {
        let mut tasks: Vec<TaskV1> = self.tasks.iter().map(task::save).collect();
        tasks.sort_unstable_by_key(|task| task.serial);
        ConnectionV1 {
            info: Some(save_info(&self.info)),
            limits: Some(save_limits(&self.limits)),
            login: self.login.as_ref().map(|login| Box::new(login.save())),
            greeted: self.greeted,
            head: self.input.head.clone(),
            body: self.input.body.as_ref().map(|body| Box::new(save_body(body))),
            pending: self.input.pending.clone(),
            output: Some(save_output(&self.output)),
            events: self.events.iter().map(save_event).collect(),
            window: Some(save_window(self.window.parts())),
            tasks,
            management: self.management.iter().map(|p| PendingV1 { itt: p.itt.0, immediate: p.immediate }).collect(),
            abandoned: self.abandoned.iter().map(|itt| itt.0).collect(),
            text: self.text.as_ref().map(|text| {
                let (itt, ttt) = (text.itt.0, text.ttt.0);
                Box::new(TextV1 { itt, ttt, inbox: text.inbox.clone(), outbox: text.outbox.clone() })
            }),
            header_digest: self.digests.header,
            data_digest: self.digests.data,
            stat_sn: self.stat_sn.0,
            next_ttt: self.next_ttt,
            serial: self.serial,
            starved: self.starved,
            notices: self.notices,
            timers: Some(save_timers(&self.timers)),
        }
    }

    /// The connection saved, with its payload adopted from `arena`.
    pub fn restore(saved: ConnectionV1, arena: &Arena) -> Restored<Connection> {
        let window = restore_window(need(saved.window.as_ref(), "window")?)?;
        let mut tasks = Tasks::default();
        for task in &saved.tasks {
            if tasks.get(Itt(task.itt)).is_some() {
                return Err(Unreadable::Field("task tag"));
            }
            tasks.insert(task::restore(task, arena)?);
        }
        Ok(Connection {
            info: restore_info(need(saved.info, "session")?)?,
            limits: restore_limits(need(saved.limits.as_ref(), "limits")?),
            login: saved.login.map(|login| Login::restore(&login)).transpose()?.map(Box::new),
            greeted: saved.greeted,
            input: Input {
                head: saved.head,
                body: saved.body.map(|body| restore_body(*body, arena)).transpose()?,
                pending: saved.pending,
            },
            output: restore_output(need(saved.output, "output")?, arena)?,
            events: saved.events.iter().map(|event| restore_event(event, arena)).collect::<Restored<_>>()?,
            window: Window::from_parts(window, arena),
            tasks,
            management: saved.management.iter().map(|p| Pending { itt: Itt(p.itt), immediate: p.immediate }).collect(),
            abandoned: saved.abandoned.iter().map(|&itt| Itt(itt)).collect(),
            text: saved.text.map(|text| {
                let (itt, ttt) = (Itt(text.itt), Ttt(text.ttt));
                Box::new(TextExchange { itt, ttt, inbox: text.inbox, outbox: text.outbox })
            }),
            digests: Digests { header: saved.header_digest, data: saved.data_digest },
            stat_sn: StatSn(saved.stat_sn),
            next_ttt: saved.next_ttt,
            serial: saved.serial,
            starved: saved.starved,
            notices: saved.notices,
            timers: restore_timers(need(saved.timers.as_ref(), "timers")?),
        })
    }
}

fn need<T>(value: Option<T>, what: &'static str) -> Restored<T> {
    value.ok_or(Unreadable::Field(what))
}

fn exact<const N: usize>(bytes: &[u8], what: &'static str) -> Restored<[u8; N]> {
    bytes.try_into().map_err(|_| Unreadable::Field(what))
}

fn narrow<T: TryFrom<U>, U>(value: U, what: &'static str) -> Restored<T> {
    T::try_from(value).map_err(|_| Unreadable::Field(what))
}

fn adopt(place: PlaceV1, arena: &Arena) -> Restored<Buf> {
    Ok(arena.adopt(place.into())?)
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().min(u128::from(u64::MAX)) as u64
}

fn save_info(info: &SessionInfo) -> InfoV1 {
    let traffic = &info.traffic;
    InfoV1 {
        phase: info.phase as u32,
        local: info.local.to_string(),
        peer: info.peer.to_string(),
        portal: info.portal as u64,
        initiator: info.initiator.clone(),
        isid: info.isid.0.to_vec(),
        tsih: info.tsih.into(),
        cid: info.cid.into(),
        target: info.target.map(|target| target as u64),
        target_name: info.target_name.clone(),
        initiator_alias: info.initiator_alias.clone(),
        auth_method: info.auth_method.clone(),
        negotiated: Some(info.negotiated.save()),
        traffic: vec![
            traffic.received_bytes,
            traffic.sent_bytes,
            traffic.received_pdus,
            traffic.commands,
            traffic.rejects,
            traffic.digest_errors,
        ],
    }
}

fn restore_info(saved: InfoV1) -> Restored<SessionInfo> {
    let phases = [Phase::Login, Phase::Deciding, Phase::FullFeature, Phase::Closing, Phase::Closed];
    let count = |at: usize| saved.traffic.get(at).copied().unwrap_or(0);
    Ok(SessionInfo {
        phase: need(phases.get(saved.phase as usize).copied(), "phase")?,
        local: saved.local.parse().map_err(|_| Unreadable::Field("local address"))?,
        peer: saved.peer.parse().map_err(|_| Unreadable::Field("peer address"))?,
        portal: narrow(saved.portal, "portal")?,
        initiator: saved.initiator,
        isid: Isid(exact(&saved.isid, "ISID")?),
        tsih: narrow(saved.tsih, "TSIH")?,
        cid: narrow(saved.cid, "CID")?,
        target: saved.target.map(|target| narrow(target, "target")).transpose()?,
        target_name: saved.target_name,
        initiator_alias: saved.initiator_alias,
        auth_method: saved.auth_method,
        negotiated: Negotiated::restore(&need(saved.negotiated, "negotiated values")?)?,
        traffic: Traffic {
            received_bytes: count(0),
            sent_bytes: count(1),
            received_pdus: count(2),
            commands: count(3),
            rejects: count(4),
            digest_errors: count(5),
        },
    })
}

fn save_limits(limits: &Limits) -> LimitsV1 {
    LimitsV1 {
        login_timeout: nanos(limits.login_timeout),
        ping_interval: nanos(limits.ping_interval),
        ping_timeout: nanos(limits.ping_timeout),
        data_timeout: nanos(limits.data_timeout),
        close_timeout: nanos(limits.close_timeout),
        window_max: limits.window_max,
        output_high: limits.output_high as u64,
    }
}

fn restore_limits(saved: &LimitsV1) -> Limits {
    Limits {
        login_timeout: Duration::from_nanos(saved.login_timeout),
        ping_interval: Duration::from_nanos(saved.ping_interval),
        ping_timeout: Duration::from_nanos(saved.ping_timeout),
        data_timeout: Duration::from_nanos(saved.data_timeout),
        close_timeout: Duration::from_nanos(saved.close_timeout),
        window_max: saved.window_max,
        output_high: usize::try_from(saved.output_high).unwrap_or(usize::MAX),
    }
}

fn save_body(body: &Body) -> BodyV1 {
    let (purpose, detail) = match body.purpose {
        Purpose::Process => (0, 0),
        Purpose::Ignore => (1, 0),
        Purpose::Reject(reason) => (2, reason.code()),
        Purpose::NoRoom => (3, 0),
        Purpose::Broken(number) => (4, number),
    };
    let (keep, bytes, place, base) = match &body.sink {
        Sink::Skip => (None, Vec::new(), None, 0),
        Sink::Bytes { bytes, keep } => (Some(*keep as u64), bytes.clone(), None, 0),
        Sink::Buf { buf, base } => (None, Vec::new(), Some(buf.place().into()), *base as u64),
    };
    BodyV1 {
        bhs: body.bhs.to_vec(),
        ahs: body.ahs.clone(),
        purpose,
        detail: detail.into(),
        keep,
        bytes,
        place,
        base,
        at: body.at as u64,
        crc: body.crc,
        trailer: body.trailer[..body.trailer_at].to_vec(),
    }
}

fn restore_body(saved: BodyV1, arena: &Arena) -> Restored<Body> {
    let bhs = exact(&saved.bhs, "header")?;
    let len = super::pdu::data_bytes(&bhs);
    let detail: u8 = narrow(saved.detail, "purpose")?;
    let (at, base): (usize, usize) = (narrow(saved.at, "place in a PDU")?, narrow(saved.base, "place in a PDU")?);
    let sink = match (saved.keep, saved.place) {
        (Some(keep), _) => Sink::Bytes { bytes: saved.bytes, keep: narrow(keep, "kept bytes")? },
        (None, Some(place)) => Sink::Buf { buf: adopt(place, arena)?, base },
        (None, None) => Sink::Skip,
    };
    let fits = match &sink {
        Sink::Buf { buf, base } => base.checked_add(len).is_some_and(|end| end <= buf.len()),
        _ => true,
    };
    let mut trailer = [0; 8];
    match trailer.get_mut(..saved.trailer.len()) {
        Some(start) if fits && at <= len => start.copy_from_slice(&saved.trailer),
        _ => return Err(Unreadable::Field("place in a PDU")),
    }
    let purpose = match saved.purpose {
        0 => Purpose::Process,
        1 => Purpose::Ignore,
        2 => Purpose::Reject(RejectReason::from_code(detail)),
        3 => Purpose::NoRoom,
        4 => Purpose::Broken(detail),
        _ => return Err(Unreadable::Field("purpose")),
    };
    Ok(Body { bhs, ahs: saved.ahs, purpose, sink, at, crc: saved.crc, trailer, trailer_at: saved.trailer.len() })
}

fn save_output(output: &Output) -> OutputV1 {
    let (bytes, segments, ride) = output.0.parts();
    let segments = segments.map(|segment| match segment {
        Segment::Bytes(len) => SegmentV1 { bytes: *len as u64, ..SegmentV1::default() },
        Segment::Payload { data, range } => {
            SegmentV1 { bytes: 0, place: Some(data.place().into()), start: range.start, end: range.end }
        }
    });
    OutputV1 {
        bytes: bytes.to_vec(),
        segments: segments.collect(),
        ride_itt: ride.map(|(itt, _)| itt.0),
        ride_at: ride.map_or(0, |(_, at)| at as u64),
    }
}

fn restore_output(saved: OutputV1, arena: &Arena) -> Restored<Output> {
    let mut shared: BTreeMap<Place, Arc<Buf>> = BTreeMap::new();
    let mut segments = VecDeque::with_capacity(saved.segments.len());
    for segment in &saved.segments {
        segments.push_back(match segment.place {
            None => Segment::Bytes(narrow(segment.bytes, "queued bytes")?),
            Some(place) => {
                let data = match shared.get(&place.into()) {
                    Some(data) => data.clone(),
                    None => Arc::new(adopt(place, arena)?),
                };
                shared.insert(place.into(), data.clone());
                Segment::Payload { data, range: segment.start..segment.end }
            }
        });
    }
    let at = narrow(saved.ride_at, "queued status")?;
    let ride = saved.ride_itt.map(|itt| (Itt(itt), at));
    Ok(Output(need(Outgoing::from_parts(saved.bytes, segments, ride), "queued output")?))
}

fn save_command(command: &Command) -> CommandV1 {
    CommandV1 {
        itt: command.itt.0,
        lun: command.lun.0.to_vec(),
        attribute: command.attribute as u32,
        cdb: command.cdb().to_vec(),
        in_bytes: command.in_bytes,
        out_bytes: command.out_bytes,
    }
}

fn restore_command(saved: &CommandV1) -> Restored<Command> {
    let attributes = [TaskAttribute::Simple, TaskAttribute::Ordered, TaskAttribute::HeadOfQueue, TaskAttribute::Aca];
    let short_cdb = *need(saved.cdb.first_chunk::<16>(), "CDB")?;
    Ok(Command {
        itt: Itt(saved.itt),
        lun: Lun(exact(&saved.lun, "LUN")?),
        attribute: need(attributes.get(saved.attribute as usize).copied(), "task attribute")?,
        short_cdb,
        long_cdb: if saved.cdb.len() > 16 { saved.cdb.clone() } else { Vec::new() },
        in_bytes: saved.in_bytes,
        out_bytes: saved.out_bytes,
    })
}

fn save_reply(reply: &Reply) -> ReplyV1 {
    ReplyV1 { status: reply.status as u32, sense: reply.sense.clone(), moved: reply.moved }
}

fn restore_reply(saved: &ReplyV1) -> Restored<Reply> {
    let status = need(Status::from_code(saved.status), "status")?;
    Ok(Reply { status, sense: saved.sense.clone(), moved: saved.moved })
}

fn save_event(event: &Event) -> EventV1 {
    let kind = match event {
        Event::Candidate(candidate) => EventKindV1::Candidate(CandidateV1 {
            initiator: candidate.initiator.clone(),
            isid: candidate.isid.0.to_vec(),
            tsih: candidate.tsih.into(),
            cid: candidate.cid.into(),
            target: match candidate.kind {
                Kind::Discovery => None,
                Kind::Normal { target } => Some(target as u64),
            },
        }),
        Event::Command(command) => EventKindV1::Command(save_command(command)),
        Event::Data { itt, offset, data } => {
            EventKindV1::Data(DataV1 { itt: itt.0, offset: *offset, place: Some(data.place().into()) })
        }
        Event::Failed { itt, reply } => EventKindV1::Failed(FailedV1 { itt: itt.0, reply: Some(save_reply(reply)) }),
        Event::TaskManagement(request) => EventKindV1::TaskManagement(TaskManagementV1 {
            itt: request.itt.0,
            function: tmf_code(request.function).into(),
            lun: request.lun.0.to_vec(),
            referenced: request.referenced.0,
            if_unknown: request.if_unknown.code().into(),
        }),
        Event::LoggedOut => EventKindV1::LoggedOut(true),
        Event::Refused { step, why } => EventKindV1::Refused(RefusedV1 { step: step.clone(), why: why.clone() }),
        Event::Notice(Notice(line)) => EventKindV1::Notice(line.clone()),
    };
    EventV1 { kind: Some(kind) }
}

fn restore_event(saved: &EventV1, arena: &Arena) -> Restored<Event> {
    Ok(match need(saved.kind.as_ref(), "event")? {
        EventKindV1::Candidate(saved) => Event::Candidate(Candidate {
            initiator: saved.initiator.clone(),
            isid: Isid(exact(&saved.isid, "ISID")?),
            tsih: narrow(saved.tsih, "TSIH")?,
            cid: narrow(saved.cid, "CID")?,
            kind: match saved.target {
                None => Kind::Discovery,
                Some(target) => Kind::Normal { target: narrow(target, "target")? },
            },
        }),
        EventKindV1::Command(saved) => Event::Command(restore_command(saved)?),
        EventKindV1::Data(saved) => Event::Data {
            itt: Itt(saved.itt),
            offset: saved.offset,
            data: adopt(need(saved.place, "payload")?, arena)?,
        },
        EventKindV1::Failed(saved) => {
            Event::Failed { itt: Itt(saved.itt), reply: restore_reply(need(saved.reply.as_ref(), "reply")?)? }
        }
        EventKindV1::TaskManagement(saved) => Event::TaskManagement(TaskManagement {
            itt: Itt(saved.itt),
            function: need(tmf_from_code(narrow(saved.function, "function")?), "function")?,
            lun: Lun(exact(&saved.lun, "LUN")?),
            referenced: Itt(saved.referenced),
            if_unknown: TmfResponse::from_code(narrow(saved.if_unknown, "function's answer")?),
        }),
        EventKindV1::LoggedOut(_) => Event::LoggedOut,
        EventKindV1::Refused(saved) => Event::Refused { step: saved.step.clone(), why: saved.why.clone() },
        EventKindV1::Notice(line) => Event::Notice(Notice(line.clone())),
    })
}

fn save_window(parts: WindowParts) -> WindowV1 {
    let held = |held: Option<Held>| match held {
        None => HeldV1::default(),
        Some(Held::Command(command)) => HeldV1 { command: Some(save_command(&command)), ..HeldV1::default() },
        Some(Held::Request { bhs, data }) => HeldV1 { bhs: bhs.to_vec(), data, ..HeldV1::default() },
        Some(Held::Plugged) => HeldV1 { plugged: true, ..HeldV1::default() },
    };
    WindowV1 {
        expected: parts.expected.0,
        last: parts.last.0,
        slots: parts.slots,
        slots_max: parts.slots_max,
        live: parts.live,
        unit: parts.unit as u64,
        promised: parts.promised as u64,
        held: parts.held.into_iter().map(held).collect(),
    }
}

fn restore_window(saved: &WindowV1) -> Restored<WindowParts> {
    let held = |held: &HeldV1| {
        Ok(match &held.command {
            Some(command) => Some(Held::Command(restore_command(command)?)),
            None if held.plugged => Some(Held::Plugged),
            None if held.bhs.is_empty() => None,
            None => Some(Held::Request { bhs: exact(&held.bhs, "held header")?, data: held.data.clone() }),
        })
    };
    Ok(WindowParts {
        expected: CmdSn(saved.expected),
        last: CmdSn(saved.last),
        slots: saved.slots,
        slots_max: saved.slots_max,
        live: saved.live,
        unit: narrow(saved.unit, "window unit")?,
        promised: narrow(saved.promised, "promise")?,
        held: saved.held.iter().map(held).collect::<Restored<_>>()?,
    })
}

fn save_timers(timers: &Timers) -> TimersV1 {
    TimersV1 {
        clock: timers.clock.0,
        opened: timers.opened.0,
        heard: timers.heard.0,
        ping_ttt: timers.ping.map(|(ttt, _)| ttt.0),
        ping_sent: timers.ping.map_or(0, |(_, sent)| sent.0),
        until: timers.until.map(|at| at.0),
        transfers: timers.transfers.map(|at| at.0),
        untaken: timers.untaken.map(|at| at.0),
    }
}

fn restore_timers(saved: &TimersV1) -> Timers {
    Timers {
        clock: Instant(saved.clock),
        opened: Instant(saved.opened),
        heard: Instant(saved.heard),
        ping: saved.ping_ttt.map(|ttt| (Ttt(ttt), Instant(saved.ping_sent))),
        until: saved.until.map(Instant),
        transfers: saved.transfers.map(Instant),
        untaken: saved.untaken.map(Instant),
    }
}
