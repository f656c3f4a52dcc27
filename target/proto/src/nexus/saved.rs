//! The saved form of a nexus.

use super::management::Management;
use super::task_set::{Entry, Phase, TaskSet, Want};
use super::{Nexus, Path};
use crate::iscsi::saved::ConnectionV1;
use crate::iscsi::{Connection, Itt, Site};
use crate::scsi::{PortInfo, Task, TaskV1};
use mainstay_base::arena::Arena;
use mainstay_base::sam::{Lun, NexusId, Reply, Status, TaskAttribute};
use mainstay_base::snapshot::Section;
use mainstay_base::unit::VolumeId;
use prost::Message;

pub(super) const KIND: &str = "nexus";
pub(super) const VERSION: u32 = 1;

/// Why a saved nexus cannot be restored.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Unreadable {
    #[error("a section of kind {kind:?} version {version} where a nexus was expected")]
    Section { kind: String, version: u32 },
    #[error("the nexus does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("the nexus is not whole: {0}")]
    Part(&'static str),
    #[error("its connection: {0}")]
    Connection(String),
    #[error("one of its tasks: {0}")]
    Task(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NexusV1 {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(message, optional, tag = "2")]
    pub(super) connection: Option<ConnectionV1>,
    #[prost(message, optional, tag = "3")]
    pub(super) path: Option<PathV1>,
    #[prost(message, repeated, tag = "4")]
    pub(super) tasks: Vec<EntryV1>,
    #[prost(uint32, tag = "5")]
    pub(super) serial_next: u32,
    #[prost(message, repeated, tag = "6")]
    pub(super) management: Vec<ManagementV1>,
    #[prost(bool, tag = "7")]
    pub(super) ending: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PathV1 {
    #[prost(string, tag = "1")]
    target: String,
    #[prost(uint32, tag = "2")]
    relative_port: u32,
    #[prost(uint32, tag = "3")]
    group: u32,
    #[prost(string, tag = "4")]
    initiator: String,
    #[prost(bytes = "vec", tag = "5")]
    isid: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EntryV1 {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(uint32, tag = "2")]
    serial: u32,
    #[prost(uint32, tag = "3")]
    itt: u32,
    #[prost(bytes = "vec", tag = "4")]
    lun: Vec<u8>,
    #[prost(uint32, optional, tag = "5")]
    volume: Option<u32>,
    #[prost(uint32, tag = "6")]
    attribute: u32,
    #[prost(uint32, tag = "7")]
    pub(super) phase: u32,
    #[prost(uint32, tag = "8")]
    want: u32,
    #[prost(message, optional, tag = "9")]
    task: Option<TaskV1>,
    #[prost(message, optional, tag = "10")]
    verdict: Option<ReplyV1>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReplyV1 {
    #[prost(uint32, tag = "1")]
    status: u32,
    #[prost(bytes = "vec", tag = "2")]
    sense: Vec<u8>,
    #[prost(uint32, tag = "3")]
    moved: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ManagementV1 {
    #[prost(uint32, tag = "1")]
    itt: u32,
    #[prost(uint32, repeated, tag = "2")]
    serials: Vec<u32>,
    #[prost(uint64, repeated, tag = "3")]
    others: Vec<u64>,
    #[prost(bool, tag = "4")]
    then_close: bool,
}

const ATTRIBUTES: [TaskAttribute; 4] =
    [TaskAttribute::Simple, TaskAttribute::Ordered, TaskAttribute::HeadOfQueue, TaskAttribute::Aca];
const PHASES: [Phase; 3] = [Phase::Dormant, Phase::Enabled, Phase::Aborting];
const WANTS: [Want; 4] = [Want::Input, Want::Output, Want::Memory, Want::Range];

fn code<T: PartialEq>(table: &[T], value: &T) -> u32 {
    table.iter().position(|known| known == value).unwrap_or_default() as u32
}

fn value<T: Copy>(table: &[T], code: u32, what: &'static str) -> Result<T, Unreadable> {
    table.get(code as usize).copied().ok_or(Unreadable::Part(what))
}

impl Nexus {
    /// Everything, as it is between two calls.
    pub fn save(&self) -> Section {
        let saved = NexusV1 {
            id: self.id.0,
            connection: Some(self.connection.save()),
            path: self.path.as_ref().map(save_path),
            tasks: self.tasks.iter().map(|(index, entry)| save_entry(index, entry)).collect(),
            serial_next: self.tasks.serial_next,
            management: self.management.iter().map(save_management).collect(),
            ending: self.ending,
        };
        Section { kind: KIND.into(), version: VERSION, payload: saved.encode_to_vec().into() }
    }

    /// The nexus that was saved, with its payload taken from `arena`.
    pub fn restore(section: &Section, arena: &Arena, site: &Site) -> Result<Nexus, Unreadable> {
        if *section.kind != *KIND || section.version != VERSION {
            return Err(Unreadable::Section { kind: section.kind.to_string(), version: section.version });
        }
        let saved = NexusV1::decode(section.payload.clone())?;
        let connection = saved.connection.ok_or(Unreadable::Part("no connection"))?;
        let connection =
            Connection::restore(connection, arena).map_err(|error| Unreadable::Connection(error.to_string()))?;
        let slots = saved.tasks.iter().map(|task| task.index as usize + 1).max().unwrap_or(0);
        if slots > usize::from(u16::MAX) {
            return Err(Unreadable::Part("too many tasks"));
        }
        let mut entries: Vec<Option<Entry>> = Vec::new();
        entries.resize_with(slots, || None);
        for task in saved.tasks {
            let index = task.index as usize;
            if entries[index].replace(restore_entry(task, arena)?).is_some() {
                return Err(Unreadable::Part("two tasks in one place"));
            }
        }
        Ok(Nexus {
            id: NexusId(saved.id),
            connection,
            path: saved.path.map(|path| restore_path(path, site)).transpose()?,
            tasks: TaskSet::from_slots(entries, saved.serial_next),
            management: saved.management.into_iter().map(restore_management).collect(),
            ending: saved.ending,
        })
    }
}

impl Nexus {
    /// Whether what it refers to exists, where `site` is served from so many volumes.
    ///
    /// # Errors
    /// [`Unreadable::Part`].
    pub fn fits(&self, site: &Site, volumes: usize) -> Result<(), Unreadable> {
        let info = self.connection.info();
        if info.portal >= site.portals.len() {
            return Err(Unreadable::Part("its portal does not exist"));
        }
        if info.target.is_some_and(|target| target >= site.targets.len()) {
            return Err(Unreadable::Part("its target does not exist"));
        }
        let exists = |volume: VolumeId| (volume.0 as usize) < volumes;
        if self.tasks.iter().any(|(_, entry)| entry.volume.is_some_and(|volume| !exists(volume))) {
            return Err(Unreadable::Part("the volume of a task does not exist"));
        }
        Ok(())
    }
}

fn save_path(path: &Path) -> PathV1 {
    PathV1 {
        target: path.port.target.clone(),
        relative_port: u32::from(path.port.relative_port),
        group: u32::from(path.port.group),
        initiator: path.port.initiator.clone(),
        isid: path.port.isid.to_vec(),
    }
}

fn restore_path(path: PathV1, site: &Site) -> Result<Path, Unreadable> {
    let target = site.targets.iter().position(|target| target.name == path.target);
    let narrow = |number: u32| u16::try_from(number).map_err(|_| Unreadable::Part("port number"));
    Ok(Path {
        target: target.ok_or(Unreadable::Part("its target is not served"))?,
        port: PortInfo {
            relative_port: narrow(path.relative_port)?,
            group: narrow(path.group)?,
            isid: path.isid.try_into().map_err(|_| Unreadable::Part("ISID"))?,
            target: path.target,
            initiator: path.initiator,
        },
    })
}

fn save_entry(index: u16, entry: &Entry) -> EntryV1 {
    EntryV1 {
        index: u32::from(index),
        serial: entry.serial,
        itt: entry.itt.0,
        lun: entry.lun.0.to_vec(),
        volume: entry.volume.map(|volume| volume.0),
        attribute: code(&ATTRIBUTES, &entry.attribute),
        phase: code(&PHASES, &entry.phase),
        want: code(&WANTS, &entry.want),
        task: Some(entry.task.save()),
        verdict: entry.verdict.as_ref().map(|reply| ReplyV1 {
            status: reply.status as u32,
            sense: reply.sense.clone(),
            moved: reply.moved,
        }),
    }
}

fn restore_entry(saved: EntryV1, arena: &Arena) -> Result<Entry, Unreadable> {
    let task = saved.task.ok_or(Unreadable::Part("no task"))?;
    let verdict = saved.verdict.map(|reply| {
        let status = Status::from_code(reply.status).ok_or(Unreadable::Part("status"))?;
        Ok::<_, Unreadable>(Reply { status, sense: reply.sense, moved: reply.moved })
    });
    Ok(Entry {
        serial: saved.serial,
        itt: Itt(saved.itt),
        lun: Lun(saved.lun.try_into().map_err(|_| Unreadable::Part("unit number"))?),
        volume: saved.volume.map(VolumeId),
        attribute: value(&ATTRIBUTES, saved.attribute, "task attribute")?,
        phase: value(&PHASES, saved.phase, "phase")?,
        want: value(&WANTS, saved.want, "want")?,
        verdict: verdict.transpose()?,
        task: Task::restore(&task, arena).map_err(|error| Unreadable::Task(error.to_string()))?,
    })
}

fn save_management(management: &Management) -> ManagementV1 {
    ManagementV1 {
        itt: management.itt.0,
        serials: management.serials.clone(),
        others: management.others.iter().map(|id| id.0).collect(),
        then_close: management.then_close,
    }
}

fn restore_management(saved: ManagementV1) -> Management {
    Management {
        itt: Itt(saved.itt),
        serials: saved.serials,
        others: saved.others.into_iter().map(NexusId).collect(),
        then_close: saved.then_close,
    }
}
