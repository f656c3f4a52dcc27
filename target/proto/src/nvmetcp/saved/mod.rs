//! The saved form of a connection. Payload is saved by its place, and adopted from the arena.

mod form;

pub use form::*;

use super::connection::commands::{Collect, Command, Commands};
use super::connection::{Connection, Incoming, Limits, Timers, Waiting, What};
use super::event::{Event, Given, Notice, Tag};
use super::info::{Info, Phase, Traffic};
use super::input::{Body, Input, Sink};
use super::output::Output;
use super::pdu::{DIGEST_BYTES, Digests, Framing, HEADER_MAX, Segment as Data};
use crate::nvme::{Entry, Status};
use mainstay_base::arena::saved::PlaceV1;
use mainstay_base::arena::{Arena, Buf, NotFree, Place};
use mainstay_base::outgoing::{Outgoing, Segment};
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
    Payload(#[from] NotFree),
}

type Restored<T> = Result<T, Unreadable>;

impl Connection {
    /// For [`Connection::restore`].
    pub fn save(&self) -> ConnectionV1 {
        ConnectionV1 {
            info: Some(save_info(&self.info)),
            limits: Some(save_limits(&self.limits)),
            head: self.input.head.clone(),
            incoming: self.incoming.as_ref().map(save_incoming),
            waiting: self.waiting.as_deref().map(|waiting| WaitingV1 {
                entry: waiting.entry.0.to_vec(),
                pad: waiting.segment.pad.into(),
                carried: waiting.segment.len,
                from: waiting.from,
                len: waiting.len,
                until: waiting.until.0,
            }),
            pending: self.pending.clone(),
            output: Some(save_output(&self.output)),
            events: self.events.iter().map(save_event).collect(),
            commands: self.commands.iter().map(|(tag, command)| save_command(tag, command)).collect(),
            free: self.commands.free().iter().map(|&tag| tag.into()).collect(),
            commands_max: self.commands.max.into(),
            hungry: self.hungry.iter().map(|&tag| tag.into()).collect(),
            in_capsule: self.in_capsule,
            success: self.success,
            notices: self.notices,
            timers: Some(save_timers(&self.timers)),
        }
    }

    /// The connection saved, with its payload adopted from `arena`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn restore(saved: &ConnectionV1, arena: &Arena) -> Restored<Connection> {
        let info = restore_info(need(saved.info.as_ref(), "connection")?)?;
        let limits = restore_limits(need(saved.limits.as_ref(), "limits")?)?;
        let live = saved.commands.iter().map(|command| restore_command(command, arena)).collect::<Restored<_>>()?;
        let tags = |tags: &[u32]| tags.iter().map(|&tag| narrow(tag, "tag")).collect::<Restored<Vec<u16>>>();
        let commands = Commands::from_parts(live, tags(&saved.free)?, narrow(saved.commands_max, "queue size")?);
        if saved.head.len() > HEADER_MAX + DIGEST_BYTES {
            return Err(Unreadable::Field("header"));
        }
        let open = info.phase != Phase::Opening;
        let framing = |pda| if open { Framing { digests: info.digests, pda } } else { Framing::default() };
        Ok(Connection {
            inward: framing(limits.cpda),
            outward: framing(info.hpda),
            input: Input { head: saved.head.clone() },
            incoming: saved.incoming.as_ref().map(|incoming| restore_incoming(incoming, arena)).transpose()?,
            waiting: saved.waiting.as_ref().map(restore_waiting).transpose()?.map(Box::new),
            pending: saved.pending.clone(),
            output: restore_output(need(saved.output.as_ref(), "output")?, arena)?,
            events: saved.events.iter().map(|event| restore_event(event, arena)).collect::<Restored<_>>()?,
            commands: need(commands, "tag of a command")?,
            hungry: tags(&saved.hungry)?.into(),
            in_capsule: saved.in_capsule,
            success: saved.success,
            notices: saved.notices,
            timers: restore_timers(need(saved.timers.as_ref(), "timers")?),
            info,
            limits,
        })
    }
}

fn need<T>(value: Option<T>, what: &'static str) -> Restored<T> {
    value.ok_or(Unreadable::Field(what))
}

fn narrow<T: TryFrom<U>, U>(value: U, what: &'static str) -> Restored<T> {
    T::try_from(value).map_err(|_| Unreadable::Field(what))
}

fn adopt(place: PlaceV1, arena: &Arena) -> Restored<Buf> {
    Ok(arena.adopt(place.into())?)
}

fn entry(bytes: &[u8]) -> Restored<Entry> {
    Ok(Entry(bytes.try_into().map_err(|_| Unreadable::Field("command"))?))
}

fn status(field: u32) -> Restored<Status> {
    Ok(Status::of_field(narrow(field, "status")?))
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().min(u128::from(u64::MAX)) as u64
}

fn save_info(info: &Info) -> InfoV1 {
    let traffic = &info.traffic;
    InfoV1 {
        phase: info.phase as u32,
        local: info.local.to_string(),
        peer: info.peer.to_string(),
        portal: info.portal as u64,
        header_digest: info.digests.header,
        data_digest: info.digests.data,
        hpda: info.hpda.into(),
        maxr2t: info.maxr2t,
        traffic: vec![
            traffic.received_bytes,
            traffic.sent_bytes,
            traffic.received_pdus,
            traffic.commands,
            traffic.digest_errors,
        ],
    }
}

fn restore_info(saved: &InfoV1) -> Restored<Info> {
    let phases = [Phase::Opening, Phase::Serving, Phase::Closing, Phase::Closed];
    let count = |at: usize| saved.traffic.get(at).copied().unwrap_or(0);
    Ok(Info {
        phase: need(phases.get(saved.phase as usize).copied(), "phase")?,
        local: saved.local.parse().map_err(|_| Unreadable::Field("local address"))?,
        peer: saved.peer.parse().map_err(|_| Unreadable::Field("peer address"))?,
        portal: narrow(saved.portal, "portal")?,
        digests: Digests { header: saved.header_digest, data: saved.data_digest },
        hpda: narrow(saved.hpda, "HPDA")?,
        maxr2t: saved.maxr2t,
        traffic: Traffic {
            received_bytes: count(0),
            sent_bytes: count(1),
            received_pdus: count(2),
            commands: count(3),
            digest_errors: count(4),
        },
    })
}

fn save_limits(limits: &Limits) -> LimitsV1 {
    LimitsV1 {
        open_timeout: nanos(limits.open_timeout),
        data_timeout: nanos(limits.data_timeout),
        close_timeout: nanos(limits.close_timeout),
        h2c_data_max: limits.h2c_data_max,
        header_digest: limits.header_digest,
        data_digest: limits.data_digest,
        cpda: limits.cpda.into(),
        output_high: limits.output_high as u64,
    }
}

fn restore_limits(saved: &LimitsV1) -> Restored<Limits> {
    Ok(Limits {
        open_timeout: Duration::from_nanos(saved.open_timeout),
        data_timeout: Duration::from_nanos(saved.data_timeout),
        close_timeout: Duration::from_nanos(saved.close_timeout),
        h2c_data_max: saved.h2c_data_max,
        header_digest: saved.header_digest,
        data_digest: saved.data_digest,
        cpda: narrow(saved.cpda, "CPDA")?,
        output_high: usize::try_from(saved.output_high).unwrap_or(usize::MAX),
    })
}

fn save_given(given: &Given) -> GivenV1 {
    let empty = GivenV1::default();
    match given {
        Given::Nothing => empty,
        Given::InCapsule(buf) => GivenV1 { kind: 1, place: Some(buf.place().into()), ..empty },
        Given::Transport { len } => GivenV1 { kind: 2, len: *len, ..empty },
        Given::Refused(status) => GivenV1 { kind: 3, status: status.field(false).into(), ..empty },
        Given::Starved => GivenV1 { kind: 4, ..empty },
    }
}

fn restore_given(saved: &GivenV1, arena: &Arena) -> Restored<Given> {
    Ok(match saved.kind {
        0 => Given::Nothing,
        1 => Given::InCapsule(adopt(need(saved.place, "payload")?, arena)?),
        2 => Given::Transport { len: saved.len },
        3 => Given::Refused(status(saved.status)?),
        4 => Given::Starved,
        _ => return Err(Unreadable::Field("data of a command")),
    })
}

fn save_incoming(incoming: &Incoming) -> IncomingV1 {
    let Incoming { what, body } = incoming;
    let mut saved = IncomingV1 {
        len: body.len as u64,
        at: body.at as u64,
        pad: body.pad as u32,
        crc: body.crc,
        trailer: body.trailer[..body.trailer_at].to_vec(),
        ..IncomingV1::default()
    };
    match what {
        What::Command { entry, given } => {
            (saved.entry, saved.given) = (entry.0.to_vec(), Some(save_given(given)));
        }
        What::Data { tag, offset } => (saved.tag, saved.offset) = (tag.0.into(), *offset),
    }
    if let Sink::Buf { buf, base, from, to } = &body.sink {
        saved.place = Some(buf.place().into());
        (saved.base, saved.from, saved.to) = (*base as u64, *from as u64, *to as u64);
    }
    saved
}

fn restore_incoming(saved: &IncomingV1, arena: &Arena) -> Restored<Incoming> {
    const PLACE: &str = "place in a PDU";
    let at = |value: u64| narrow::<usize, _>(value, PLACE);
    let (len, base, from, to) = (at(saved.len)?, at(saved.base)?, at(saved.from)?, at(saved.to)?);
    let mut body = Body {
        sink: Sink::Skip,
        len,
        at: at(saved.at)?,
        pad: narrow(saved.pad, PLACE)?,
        crc: saved.crc,
        trailer: [0; DIGEST_BYTES],
        trailer_at: saved.trailer.len(),
    };
    match body.trailer.get_mut(..saved.trailer.len()) {
        Some(start) if body.at <= len => start.copy_from_slice(&saved.trailer),
        _ => return Err(Unreadable::Field(PLACE)),
    }
    if let Some(place) = saved.place {
        let buf = adopt(place, arena)?;
        let fits = from <= to && to <= len && base.checked_add(to - from).is_some_and(|end| end <= buf.len());
        if !fits {
            return Err(Unreadable::Field(PLACE));
        }
        body.sink = Sink::Buf { buf, base, from, to };
    }
    let what = match &saved.given {
        Some(given) => What::Command { entry: entry(&saved.entry)?, given: restore_given(given, arena)? },
        None => What::Data { tag: Tag(narrow(saved.tag, "tag")?), offset: saved.offset },
    };
    Ok(Incoming { what, body })
}

fn restore_waiting(saved: &WaitingV1) -> Restored<Waiting> {
    if saved.from.checked_add(saved.len).is_none_or(|end| end > saved.carried) {
        return Err(Unreadable::Field("data in a capsule"));
    }
    Ok(Waiting {
        entry: entry(&saved.entry)?,
        segment: Data { pad: narrow(saved.pad, "padding")?, len: saved.carried },
        from: saved.from,
        len: saved.len,
        until: Instant(saved.until),
    })
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
        ride_tag: ride.map(|ride| ride.0.into()),
        ride_at: ride.map_or(0, |ride| ride.1 as u64),
    }
}

fn restore_output(saved: &OutputV1, arena: &Arena) -> Restored<Output> {
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
    let at = narrow(saved.ride_at, "queued header")?;
    let tag = saved.ride_tag.map(|tag| narrow(tag, "tag")).transpose()?;
    let ride = tag.map(|tag| (tag, at));
    Ok(Output(need(Outgoing::from_parts(saved.bytes.clone(), segments, ride), "queued output")?))
}

fn save_event(event: &Event) -> EventV1 {
    let empty = EventV1::default();
    match event {
        Event::Opened => empty,
        Event::Command { tag, entry, data } => {
            EventV1 { kind: 1, tag: tag.0.into(), entry: entry.0.to_vec(), given: Some(save_given(data)), ..empty }
        }
        Event::Data { tag, offset, data } => {
            let given = GivenV1 { kind: 1, place: Some(data.place().into()), ..GivenV1::default() };
            EventV1 { kind: 2, tag: tag.0.into(), offset: *offset, given: Some(given), ..empty }
        }
        Event::Failed { tag, status } => {
            EventV1 { kind: 3, tag: tag.0.into(), status: status.field(false).into(), ..empty }
        }
        Event::Notice(Notice(line)) => EventV1 { kind: 4, notice: line.clone(), ..empty },
    }
}

fn restore_event(saved: &EventV1, arena: &Arena) -> Restored<Event> {
    let tag = Tag(narrow(saved.tag, "tag")?);
    let given = || restore_given(need(saved.given.as_ref(), "data of a command")?, arena);
    Ok(match saved.kind {
        0 => Event::Opened,
        1 => Event::Command { tag, entry: entry(&saved.entry)?, data: given()? },
        2 => match given()? {
            Given::InCapsule(data) => Event::Data { tag, offset: saved.offset, data },
            _ => return Err(Unreadable::Field("payload")),
        },
        3 => Event::Failed { tag, status: status(saved.status)? },
        4 => Event::Notice(Notice(saved.notice.clone())),
        _ => return Err(Unreadable::Field("event")),
    })
}

fn save_command(tag: Tag, command: &Command) -> CommandV1 {
    let collects = command.collects.iter().map(|collect| CollectV1 {
        offset: collect.offset,
        len: collect.len,
        got: collect.got,
        asked: collect.asked,
        place: collect.buf.as_ref().map(|buf| buf.place().into()),
    });
    CommandV1 {
        tag: tag.0.into(),
        cid: command.cid.into(),
        len: command.len,
        abandoned: command.abandoned,
        collects: collects.collect(),
        reply: command.reply.map_or(Vec::new(), |reply| reply.to_vec()),
        progress: command.progress.0,
    }
}

fn restore_command(saved: &CommandV1, arena: &Arena) -> Restored<(u16, Command)> {
    let mut collects = Vec::with_capacity(saved.collects.len());
    for collect in &saved.collects {
        let buf = collect.place.map(|place| adopt(place, arena)).transpose()?;
        let fits = buf.as_ref().is_none_or(|buf| buf.len() == collect.len as usize);
        if !fits || collect.got > collect.len || collect.offset.checked_add(collect.len).is_none() {
            return Err(Unreadable::Field("collected data"));
        }
        let CollectV1 { offset, len, got, asked, .. } = *collect;
        collects.push(Collect { offset, len, got, asked, buf });
    }
    let reply = match saved.reply.len() {
        0 => None,
        _ => Some(saved.reply[..].try_into().map_err(|_| Unreadable::Field("completion"))?),
    };
    let command = Command {
        cid: narrow(saved.cid, "CID")?,
        len: saved.len,
        abandoned: saved.abandoned,
        collects,
        reply,
        progress: Instant(saved.progress),
    };
    Ok((narrow(saved.tag, "tag")?, command))
}

fn save_timers(timers: &Timers) -> TimersV1 {
    TimersV1 {
        clock: timers.clock.0,
        opened: timers.opened.0,
        heard: timers.heard.0,
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
        until: saved.until.map(Instant),
        transfers: saved.transfers.map(Instant),
        untaken: saved.untaken.map(Instant),
    }
}

#[cfg(test)]
mod tests;
