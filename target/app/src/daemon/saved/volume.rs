//! Volumes, one section each: the store and the unit in their owners' forms, and what people are shown and told.

use super::handed::{Handed, Role, take};
use super::program::{bytes, path};
use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::config::Config;
use crate::control::words::VolumeKind;
use crate::daemon::journal::FaultsTold;
use crate::daemon::world::{BackingShown, World};
use mainstay_base::metrics::Traffic;
use mainstay_base::metrics::saved::TrafficV1;
use mainstay_base::snapshot::Section;
use mainstay_base::time::Instant;
use mainstay_base::unit::{Fault, VolumeId};
use mainstay_edge::state::StateDir;
use mainstay_edge::volume::Volume;
use mainstay_edge::volume::saved::VolumeV1 as StoreV1;
use mainstay_proto::scsi::{LogicalUnit, LogicalUnitV1};
use std::sync::Arc;

pub(super) const KIND: &str = "volume";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct VolumeV1 {
    #[prost(message, optional, tag = "1")]
    store: Option<StoreV1>,
    #[prost(message, optional, tag = "2")]
    unit: Option<LogicalUnitV1>,
    /// 0 memory, 1 file, 2 device.
    #[prost(uint32, tag = "3")]
    backing: u32,
    #[prost(bytes = "vec", optional, tag = "4")]
    path: Option<Vec<u8>>,
    #[prost(bool, tag = "5")]
    created: bool,
    #[prost(message, optional, tag = "6")]
    traffic: Option<TrafficV1>,
    #[prost(message, optional, tag = "7")]
    told: Option<ToldV1>,
    #[prost(uint64, tag = "8")]
    silent: u64,
}

/// The fault that was told last.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct ToldV1 {
    #[prost(uint64, tag = "1")]
    at: u64,
    /// 0 read, 1 write, 2 no space, 3 read-only, 4 shrunk, 5 poisoned, 6 other.
    #[prost(uint32, tag = "2")]
    fault: u32,
    /// First bad byte.
    #[prost(uint64, tag = "3")]
    byte: u64,
    #[prost(int32, tag = "4")]
    errno: i32,
}

const BACKINGS: [VolumeKind; 3] = [VolumeKind::Memory, VolumeKind::File, VolumeKind::Device];

pub(super) fn save(world: &World, forms: &Forms, into: &mut Vec<Section>) -> Result<(), Inexpressible> {
    for index in 0..world.volumes.len() {
        let (backing, faults) = (&world.backings[index], &world.faults[index]);
        let saved = VolumeV1 {
            store: Some(world.volumes[index].save()),
            unit: Some(world.units[index].save()),
            backing: BACKINGS.iter().position(|kind| *kind == backing.kind).unwrap_or_default() as u32,
            path: backing.path.as_deref().map(bytes),
            created: backing.created,
            traffic: Some(world.traffic[index].save()),
            told: faults.last.map(|(at, fault)| told(at, fault)),
            silent: faults.silent,
        };
        into.push(match forms.version(KIND) {
            version @ 1 => put(KIND, version, &saved),
            version => return Err(Inexpressible::new(KIND, version, "a volume")),
        });
    }
    Ok(())
}

/// What belongs to volumes, by index.
#[derive(Default)]
pub(super) struct Histories {
    pub units: Vec<LogicalUnit>,
    pub traffic: Vec<Traffic>,
    pub faults: Vec<FaultsTold>,
}

pub(super) fn restore(
    sections: &Sections<'_>,
    config: &Config,
    state: &StateDir,
    from: &mut dyn Handed,
) -> Result<(Vec<(Arc<Volume>, BackingShown)>, Histories), Unreadable> {
    let sections = sections.all(KIND);
    if sections.len() != config.volumes.len() {
        let why = format!("there are {}, the configuration has {}", sections.len(), config.volumes.len());
        return Err(Unreadable::section(KIND, why));
    }
    let (mut volumes, mut histories) = (Vec::new(), Histories::default());
    for (index, (section, configured)) in sections.iter().zip(&config.volumes).enumerate() {
        let saved: VolumeV1 = get(KIND, section)?;
        let fd = take(&Role::Volume(index as u64), from)?;
        let volume = Volume::adopt(need(KIND, saved.store, "the store")?, fd, state);
        let volume = volume.map_err(|error| Unreadable::section(KIND, error))?;
        let unit = LogicalUnit::restore(&need(KIND, saved.unit, "the unit")?);
        let unit = unit.map_err(|error| Unreadable::section(KIND, error))?;
        if volume.name() != configured.name || unit.disk.id != VolumeId(index as u32) {
            return Err(Unreadable::section(KIND, format!("{:?} is not in its place", volume.name())));
        }
        let shown = BackingShown {
            kind: need(KIND, BACKINGS.get(saved.backing as usize).copied(), "the kind of store")?,
            path: saved.path.as_deref().map(path),
            created: saved.created,
        };
        let traffic = Traffic::restore(&need(KIND, saved.traffic, "the traffic")?);
        histories.traffic.push(traffic.map_err(|error| Unreadable::section(KIND, error))?);
        let last = saved.told.map(|told| need(KIND, fault(&told), "the fault"));
        histories.faults.push(FaultsTold { last: last.transpose()?, silent: saved.silent });
        histories.units.push(unit);
        volumes.push((Arc::new(volume), shown));
    }
    Ok((volumes, histories))
}

fn told(at: Instant, fault: Fault) -> ToldV1 {
    let (fault, byte, errno) = match fault {
        Fault::MediumRead { at } => (0, at, 0),
        Fault::MediumWrite { at } => (1, at, 0),
        Fault::NoSpace => (2, 0, 0),
        Fault::ReadOnly => (3, 0, 0),
        Fault::Shrunk { at } => (4, at, 0),
        Fault::Poisoned => (5, 0, 0),
        Fault::Other { errno } => (6, 0, errno),
    };
    ToldV1 { at: at.0, fault, byte, errno }
}

fn fault(told: &ToldV1) -> Option<(Instant, Fault)> {
    let at = told.byte;
    let fault = match told.fault {
        0 => Fault::MediumRead { at },
        1 => Fault::MediumWrite { at },
        2 => Fault::NoSpace,
        3 => Fault::ReadOnly,
        4 => Fault::Shrunk { at },
        5 => Fault::Poisoned,
        6 => Fault::Other { errno: told.errno },
        _ => return None,
    };
    Some((Instant(told.at), fault))
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: VolumeV1 = get(KIND, section)?;
    let (store, unit, traffic) = (saved.store.unwrap_or_default(), saved.unit, saved.traffic.unwrap_or_default());
    let place = saved.path.map_or_else(|| "memory".to_owned(), |bytes| path(&bytes).display().to_string());
    let (read, written) = (traffic.read_bytes, traffic.written_bytes);
    Ok(format!("{place}; {read} bytes read, {written} written\n{store:?}\n{unit:?}"))
}
