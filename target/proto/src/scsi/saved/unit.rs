//! A unit's saved form.

use super::Unfit;
use crate::scsi::attention::Attentions;
use crate::scsi::mode::Control;
use crate::scsi::unit::{LogicalUnit, PathState};
use mainstay_base::sam::{NexusId, TaskKey};
use mainstay_base::unit::range::{Ranges, Span};
use mainstay_base::unit::{Behaviour, Disk, Geometry, Identity, Protection, VolumeId};

/// A unit, version 1.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LogicalUnitV1 {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(uint64, tag = "2")]
    blocks: u64,
    #[prost(uint32, tag = "3")]
    block_bytes: u32,
    #[prost(uint32, tag = "4")]
    physical_bytes: u32,
    #[prost(bytes = "vec", tag = "5")]
    uuid: Vec<u8>,
    #[prost(string, tag = "6")]
    serial: String,
    #[prost(bytes = "vec", tag = "7")]
    naa: Vec<u8>,
    #[prost(string, tag = "8")]
    vendor: String,
    #[prost(string, tag = "9")]
    product: String,
    #[prost(bool, tag = "10")]
    read_only: bool,
    #[prost(bool, tag = "11")]
    write_cache: bool,
    #[prost(bool, tag = "12")]
    thin: bool,
    #[prost(bool, tag = "13")]
    solid_state: bool,
    #[prost(bool, tag = "14")]
    removable: bool,
    #[prost(message, required, tag = "15")]
    settings: SettingsV1,
    #[prost(uint64, optional, tag = "16")]
    reserved: Option<u64>,
    #[prost(bool, tag = "17")]
    stopped: bool,
    #[prost(bool, tag = "18")]
    ejected: bool,
    #[prost(message, repeated, tag = "19")]
    paths: Vec<PathV1>,
    #[prost(message, repeated, tag = "20")]
    writing: Vec<RangeV1>,
    #[prost(message, repeated, tag = "21")]
    claims: Vec<RangeV1>,
    #[prost(uint64, repeated, tag = "22")]
    waiting: Vec<u64>,
    #[prost(uint64, repeated, tag = "23")]
    wake: Vec<u64>,
    /// As the NVMe feature numbers it.
    #[prost(uint32, tag = "24")]
    protection: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct SettingsV1 {
    #[prost(bool, tag = "1")]
    write_cache: bool,
    #[prost(bool, tag = "2")]
    descriptor_sense: bool,
    #[prost(bool, tag = "3")]
    software_protect: bool,
    #[prost(bool, tag = "4")]
    task_aborted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct PathV1 {
    #[prost(uint64, tag = "1")]
    nexus: u64,
    #[prost(uint32, tag = "2")]
    relative_port: u32,
    #[prost(uint32, tag = "3")]
    group: u32,
    /// Bit n: the attention with number n.
    #[prost(uint32, tag = "4")]
    attentions: u32,
    #[prost(bool, tag = "5")]
    prevents: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct RangeV1 {
    #[prost(uint64, tag = "1")]
    nexus: u64,
    #[prost(uint32, tag = "2")]
    tag: u32,
    #[prost(uint64, tag = "3")]
    start: u64,
    #[prost(uint64, tag = "4")]
    end: u64,
}

impl RangeV1 {
    fn of((key, span): (&TaskKey, &Span)) -> RangeV1 {
        RangeV1 { nexus: key.nexus.0, tag: key.tag, start: span.start, end: span.end }
    }

    fn back(&self) -> (TaskKey, Span) {
        let key = TaskKey { nexus: NexusId(self.nexus), tag: self.tag };
        (key, Span { start: self.start, end: self.end })
    }
}

impl LogicalUnit {
    /// Its whole state.
    pub fn save(&self) -> LogicalUnitV1 {
        let path = |(nexus, path): (&NexusId, &PathState)| PathV1 {
            nexus: nexus.0,
            relative_port: path.relative_port.into(),
            group: path.group.into(),
            attentions: path.attentions.0.into(),
            prevents: path.prevents,
        };
        LogicalUnitV1 {
            id: self.disk.id.0,
            blocks: self.disk.geometry.blocks,
            block_bytes: self.disk.geometry.block_bytes,
            physical_bytes: self.disk.geometry.physical_bytes,
            uuid: self.disk.identity.uuid.to_vec(),
            serial: self.disk.identity.serial.clone(),
            naa: self.disk.identity.naa.to_vec(),
            vendor: self.disk.identity.vendor.clone(),
            product: self.disk.identity.product.clone(),
            read_only: self.disk.behaviour.read_only,
            write_cache: self.disk.behaviour.write_cache,
            thin: self.disk.behaviour.thin,
            solid_state: self.disk.behaviour.solid_state,
            removable: self.disk.behaviour.removable,
            settings: SettingsV1 {
                write_cache: self.disk.write_cache,
                descriptor_sense: self.control.descriptor_sense,
                software_protect: self.control.software_protect,
                task_aborted: self.control.task_aborted,
            },
            reserved: self.reserved.map(|nexus| nexus.0),
            stopped: self.stopped,
            ejected: self.ejected,
            paths: self.paths.iter().map(path).collect(),
            writing: self.disk.ranges.writing.iter().map(RangeV1::of).collect(),
            claims: self.disk.ranges.claims.iter().map(|(key, span)| RangeV1::of((key, span))).collect(),
            waiting: self.disk.ranges.waiting.iter().map(|nexus| nexus.0).collect(),
            wake: self.disk.wake.iter().map(|nexus| nexus.0).collect(),
            protection: self.disk.protection as u32,
        }
    }

    /// The unit that was saved.
    pub fn restore(saved: &LogicalUnitV1) -> Result<LogicalUnit, Unfit> {
        if !saved.block_bytes.is_power_of_two() || saved.physical_bytes < saved.block_bytes {
            return Err(Unfit::Field("block size"));
        }
        let path = |path: &PathV1| {
            let state = PathState {
                relative_port: path.relative_port as u16,
                group: path.group as u16,
                attentions: Attentions(path.attentions as u8),
                prevents: path.prevents,
            };
            (NexusId(path.nexus), state)
        };
        Ok(LogicalUnit {
            disk: Disk {
                wake: saved.wake.iter().copied().map(NexusId).collect(),
                id: VolumeId(saved.id),
                write_cache: saved.settings.write_cache,
                protection: match saved.protection {
                    0 => Protection::None,
                    1 => Protection::Protected,
                    2 => Protection::UntilRestart,
                    _ => return Err(Unfit::Field("write protection")),
                },
                ranges: Ranges {
                    writing: saved.writing.iter().map(RangeV1::back).collect(),
                    claims: saved.claims.iter().map(RangeV1::back).collect(),
                    waiting: saved.waiting.iter().copied().map(NexusId).collect(),
                },
                geometry: Geometry {
                    blocks: saved.blocks,
                    block_bytes: saved.block_bytes,
                    physical_bytes: saved.physical_bytes,
                },
                identity: Identity {
                    uuid: saved.uuid[..].try_into().map_err(|_| Unfit::Field("uuid"))?,
                    serial: saved.serial.clone(),
                    naa: saved.naa[..].try_into().map_err(|_| Unfit::Field("naa"))?,
                    vendor: saved.vendor.clone(),
                    product: saved.product.clone(),
                },
                behaviour: Behaviour {
                    read_only: saved.read_only,
                    write_cache: saved.write_cache,
                    thin: saved.thin,
                    solid_state: saved.solid_state,
                    removable: saved.removable,
                },
            },
            control: Control {
                descriptor_sense: saved.settings.descriptor_sense,
                software_protect: saved.settings.software_protect,
                task_aborted: saved.settings.task_aborted,
            },
            reserved: saved.reserved.map(NexusId),
            stopped: saved.stopped,
            ejected: saved.ejected,
            paths: saved.paths.iter().map(path).collect(),
        })
    }
}
