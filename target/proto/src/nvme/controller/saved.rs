//! The saved form of a controller.

use super::error::{ErrorEntry, ErrorLog};
use super::event::{Event, Events};
use super::feature::{Behavior, Features, Settings, Timestamp};
use super::keep_alive::KeepAlive;
use super::property::Properties;
use super::{Change, Controller};
use crate::nvme::view::ViewV1;
use crate::nvme::{Aim, Cid, Reply, Status, View};
use mainstay_base::time::Instant;
use mainstay_base::unit::VolumeId;
use std::sync::Arc;
use std::time::Duration;

/// A field of a saved controller that is missing, or has a value this program cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saved NVMe controller: {0} is missing or unknown")]
pub struct Unfit(pub &'static str);

/// A controller, version 1.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ControllerV1 {
    /// None: a discovery controller.
    #[prost(uint64, optional, tag = "1")]
    subsystem: Option<u64>,
    #[prost(uint32, tag = "2")]
    cntlid: u32,
    #[prost(uint64, tag = "3")]
    portal: u64,
    #[prost(string, tag = "4")]
    local: String,
    #[prost(string, tag = "5")]
    subnqn: String,
    #[prost(string, tag = "6")]
    hostnqn: String,
    #[prost(bytes = "vec", tag = "7")]
    hostid: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    features: Option<FeaturesV1>,
    #[prost(message, repeated, tag = "9")]
    errors: Vec<ErrorV1>,
    #[prost(uint64, tag = "10")]
    errors_count: u64,
    #[prost(uint32, tag = "11")]
    configuration: u32,
    #[prost(bool, tag = "12")]
    ready: bool,
    #[prost(bool, tag = "13")]
    fatal: bool,
    #[prost(bool, tag = "14")]
    shut_down: bool,
    #[prost(message, optional, tag = "15")]
    events: Option<EventsV1>,
    #[prost(uint32, tag = "16")]
    kato_ms: u32,
    #[prost(uint64, optional, tag = "17")]
    kato_without_ms: Option<u64>,
    #[prost(uint64, optional, tag = "18")]
    kato_until: Option<u64>,
    #[prost(bool, tag = "19")]
    heard: bool,
    #[prost(uint32, tag = "20")]
    queue_size: u32,
    #[prost(uint32, tag = "21")]
    queues_offered: u32,
    #[prost(uint32, repeated, tag = "22")]
    queues: Vec<u32>,
    #[prost(uint32, tag = "23")]
    aborts: u32,
    #[prost(message, optional, tag = "24")]
    view: Option<ViewV1>,
    #[prost(bool, tag = "25")]
    stale: bool,
    #[prost(bool, tag = "26")]
    reset: bool,
    #[prost(message, repeated, tag = "27")]
    changes: Vec<ChangeV1>,
}

/// What a host has set, version 1.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FeaturesV1 {
    #[prost(message, optional, tag = "1")]
    current: Option<SettingsV1>,
    #[prost(message, optional, tag = "2")]
    saved: Option<SettingsV1>,
    #[prost(uint32, optional, tag = "3")]
    queues: Option<u32>,
    #[prost(bool, tag = "4")]
    retry_delays: bool,
    #[prost(bool, tag = "5")]
    telemetry_area_4: bool,
    #[prost(bool, tag = "6")]
    extended_lba_formats: bool,
    #[prost(uint32, tag = "7")]
    copy_formats: u32,
    #[prost(uint64, tag = "8")]
    timestamp_ms: u64,
    #[prost(uint64, tag = "9")]
    timestamp_at: u64,
    #[prost(bool, tag = "10")]
    timestamp_set: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct SettingsV1 {
    #[prost(uint32, tag = "1")]
    arbitration: u32,
    #[prost(uint32, tag = "2")]
    over: u32,
    #[prost(uint32, tag = "3")]
    under: u32,
    #[prost(message, repeated, tag = "4")]
    recovery: Vec<RecoveryV1>,
    #[prost(bool, tag = "5")]
    no_write_atomicity: bool,
    #[prost(uint32, tag = "6")]
    events: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct RecoveryV1 {
    #[prost(uint32, tag = "1")]
    nsid: u32,
    #[prost(uint32, tag = "2")]
    limit: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct ErrorV1 {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(uint32, tag = "2")]
    sqid: u32,
    #[prost(uint32, tag = "3")]
    cid: u32,
    #[prost(uint32, tag = "4")]
    status: u32,
    #[prost(uint32, tag = "5")]
    location: u32,
    #[prost(uint64, tag = "6")]
    lba: u64,
    #[prost(uint32, tag = "7")]
    nsid: u32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct EventsV1 {
    #[prost(uint32, repeated, tag = "1")]
    held: Vec<u32>,
    /// By type and information, as in dword 0 of the answer.
    #[prost(uint32, repeated, tag = "2")]
    waiting: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    masked: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    answers: Vec<AnswerV1>,
    #[prost(uint32, repeated, tag = "5")]
    changed: Vec<u32>,
    #[prost(uint32, tag = "6")]
    warnings: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct AnswerV1 {
    #[prost(uint32, tag = "1")]
    cid: u32,
    #[prost(uint32, tag = "2")]
    status: u32,
    #[prost(uint64, tag = "3")]
    result: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct ChangeV1 {
    #[prost(uint32, tag = "1")]
    volume: u32,
    /// Of its write protection; else of its cache.
    #[prost(bool, tag = "2")]
    protection: bool,
}

fn small<T: TryFrom<u32>>(value: u32, what: &'static str) -> Result<T, Unfit> {
    T::try_from(value).map_err(|_| Unfit(what))
}

fn all<T, U: FromIterator<T>>(values: &[u32], each: impl Fn(u32) -> Result<T, Unfit>) -> Result<U, Unfit> {
    values.iter().copied().map(each).collect()
}

impl Controller {
    /// Its whole state.
    pub fn save(&self) -> ControllerV1 {
        ControllerV1 {
            subsystem: self.subsystem().map(|index| index as u64),
            cntlid: self.cntlid.into(),
            portal: self.portal as u64,
            local: self.local.to_string(),
            subnqn: self.subnqn.clone(),
            hostnqn: self.hostnqn.clone(),
            hostid: self.hostid.to_vec(),
            features: Some(self.features.save()),
            errors: self.errors.entries.iter().map(ErrorV1::of).collect(),
            errors_count: self.errors.count,
            configuration: self.properties.configuration,
            ready: self.properties.ready,
            fatal: self.properties.fatal,
            shut_down: self.properties.shut_down,
            events: Some(self.events.save()),
            kato_ms: self.keep_alive.timeout_ms,
            kato_without_ms: self.keep_alive.without.map(|without| without.as_millis() as u64),
            kato_until: self.keep_alive.until.map(|until| until.0),
            heard: self.keep_alive.heard,
            queue_size: self.queue_size.into(),
            queues_offered: self.queues_offered.into(),
            queues: self.queues.iter().map(|&qid| qid.into()).collect(),
            aborts: self.aborts.into(),
            view: Some(self.view.save()),
            stale: self.stale,
            reset: self.reset,
            changes: self.changes.iter().map(ChangeV1::of).collect(),
        }
    }

    /// The controller that was saved.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn restore(saved: &ControllerV1) -> Result<Controller, Unfit> {
        let whole = "a part";
        let entries = saved.errors.iter().map(ErrorV1::back).collect::<Result<_, _>>()?;
        let view = View::restore(saved.view.as_ref().ok_or(Unfit(whole))?).ok_or(Unfit("the view"))?;
        Ok(Controller {
            aim: saved.subsystem.map_or(Aim::Discovery, |index| Aim::Subsystem(index as usize)),
            cntlid: small(saved.cntlid, "CNTLID")?,
            portal: saved.portal as usize,
            local: saved.local.parse().map_err(|_| Unfit("the local address"))?,
            subnqn: saved.subnqn.clone(),
            hostnqn: saved.hostnqn.clone(),
            hostid: saved.hostid[..].try_into().map_err(|_| Unfit("the host identifier"))?,
            features: Features::restore(saved.features.as_ref().ok_or(Unfit(whole))?)?,
            errors: ErrorLog { entries, count: saved.errors_count },
            properties: Properties {
                configuration: saved.configuration,
                ready: saved.ready,
                fatal: saved.fatal,
                shut_down: saved.shut_down,
            },
            events: Events::restore(saved.events.as_ref().ok_or(Unfit(whole))?)?,
            keep_alive: KeepAlive {
                timeout_ms: saved.kato_ms,
                without: saved.kato_without_ms.map(Duration::from_millis),
                until: saved.kato_until.map(Instant),
                heard: saved.heard,
            },
            queue_size: small(saved.queue_size, "the size of queues")?,
            queues_offered: small(saved.queues_offered, "the number of queues")?,
            queues: all(&saved.queues, |qid| small(qid, "QID"))?,
            aborts: small(saved.aborts, "the number of aborts")?,
            view: Arc::new(view),
            stale: saved.stale,
            reset: saved.reset,
            changes: saved.changes.iter().map(ChangeV1::back).collect(),
        })
    }
}

impl Features {
    /// Their saved form.
    pub fn save(&self) -> FeaturesV1 {
        FeaturesV1 {
            current: Some(SettingsV1::of(&self.current)),
            saved: Some(SettingsV1::of(&self.saved)),
            queues: self.queues.map(u32::from),
            retry_delays: self.behavior.retry_delays,
            telemetry_area_4: self.behavior.telemetry_area_4,
            extended_lba_formats: self.behavior.extended_lba_formats,
            copy_formats: self.behavior.copy_formats.into(),
            timestamp_ms: self.timestamp.ms,
            timestamp_at: self.timestamp.at.0,
            timestamp_set: self.timestamp.set,
        }
    }

    /// The features that were saved.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn restore(saved: &FeaturesV1) -> Result<Features, Unfit> {
        Ok(Features {
            current: saved.current.as_ref().ok_or(Unfit("settings"))?.back()?,
            saved: saved.saved.as_ref().ok_or(Unfit("settings"))?.back()?,
            queues: saved.queues.map(|queues| small(queues, "the number of queues")).transpose()?,
            behavior: Behavior {
                retry_delays: saved.retry_delays,
                telemetry_area_4: saved.telemetry_area_4,
                extended_lba_formats: saved.extended_lba_formats,
                copy_formats: small(saved.copy_formats, "copy formats")?,
            },
            timestamp: Timestamp { ms: saved.timestamp_ms, at: Instant(saved.timestamp_at), set: saved.timestamp_set },
        })
    }
}

impl SettingsV1 {
    fn of(settings: &Settings) -> SettingsV1 {
        let recovery = |(&nsid, &limit): (&u32, &u16)| RecoveryV1 { nsid, limit: limit.into() };
        SettingsV1 {
            arbitration: settings.arbitration,
            over: settings.temperature.0.into(),
            under: settings.temperature.1.into(),
            recovery: settings.recovery.iter().map(recovery).collect(),
            no_write_atomicity: settings.no_write_atomicity,
            events: settings.events,
        }
    }

    fn back(&self) -> Result<Settings, Unfit> {
        let threshold = |value| small(value, "a temperature");
        let recovery = |entry: &RecoveryV1| Ok((entry.nsid, small(entry.limit, "an error recovery limit")?));
        Ok(Settings {
            arbitration: self.arbitration,
            temperature: (threshold(self.over)?, threshold(self.under)?),
            recovery: self.recovery.iter().map(recovery).collect::<Result<_, Unfit>>()?,
            no_write_atomicity: self.no_write_atomicity,
            events: self.events,
        })
    }
}

impl ErrorV1 {
    fn of(entry: &ErrorEntry) -> ErrorV1 {
        ErrorV1 {
            count: entry.count,
            sqid: entry.sqid.into(),
            cid: entry.cid.0.into(),
            status: entry.status.field(false).into(),
            location: entry.location.into(),
            lba: entry.lba,
            nsid: entry.nsid,
        }
    }

    fn back(&self) -> Result<ErrorEntry, Unfit> {
        let what = "an error log entry";
        Ok(ErrorEntry {
            count: self.count,
            sqid: small(self.sqid, what)?,
            cid: Cid(small(self.cid, what)?),
            status: Status::of_field(small(self.status, what)?),
            location: small(self.location, what)?,
            lba: self.lba,
            nsid: self.nsid,
        })
    }
}

impl Events {
    fn save(&self) -> EventsV1 {
        let answer = |(cid, reply): &(Cid, Reply)| AnswerV1 {
            cid: cid.0.into(),
            status: reply.status.field(false).into(),
            result: reply.result,
        };
        EventsV1 {
            held: self.held.iter().map(|cid| cid.0.into()).collect(),
            waiting: self.waiting.iter().map(|event| event.result() as u32).collect(),
            masked: self.masked.iter().map(|&page| page.into()).collect(),
            answers: self.answers.iter().map(answer).collect(),
            changed: self.changed.iter().copied().collect(),
            warnings: self.warnings.into(),
        }
    }

    fn restore(saved: &EventsV1) -> Result<Events, Unfit> {
        let cid = |cid| small(cid, "a command identifier").map(Cid);
        let event = |result: u32| {
            let known = Event::ALL.into_iter().find(|event| event.result() == u64::from(result));
            known.ok_or(Unfit("an event"))
        };
        let answer = |answer: &AnswerV1| {
            let status = Status::of_field(small(answer.status, "a status")?);
            Ok((cid(answer.cid)?, Reply { status, result: answer.result }))
        };
        Ok(Events {
            held: all(&saved.held, cid)?,
            waiting: all(&saved.waiting, event)?,
            masked: all(&saved.masked, |page| small(page, "a log page"))?,
            answers: saved.answers.iter().map(answer).collect::<Result<_, Unfit>>()?,
            changed: saved.changed.iter().copied().collect(),
            warnings: small(saved.warnings, "critical warnings")?,
        })
    }
}

impl ChangeV1 {
    fn of(change: &Change) -> ChangeV1 {
        match *change {
            Change::Cache(volume) => ChangeV1 { volume: volume.0, protection: false },
            Change::Protection(volume) => ChangeV1 { volume: volume.0, protection: true },
        }
    }

    fn back(&self) -> Change {
        let change = if self.protection { Change::Protection } else { Change::Cache };
        change(VolumeId(self.volume))
    }
}
