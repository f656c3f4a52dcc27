//! The saved form of a volume, beside its open file description, which a successor is handed.
//!
//! What the description itself keeps is not in the form: the lock, the page cache's memory of writes that failed and
//! were not reported yet, the exclusive open of a device. A volume that is handed over has no request under way, so the
//! gate has no round to remember. Of a live one the form is as good, but for what is being done at the moment.

use super::gate::Gate;
use super::identity::Anchor;
use super::marks::{Marks, Ranges};
use super::opened::Kind;
use super::record::{Poison, VolumeRecord};
use super::spec::{PRODUCT_MAX, SERIAL_MAX, VENDOR_MAX, can_be_shown, is_block, is_physical};
use super::{StateDir, Volume, claims, locked};
use mainstay_base::unit::{Behaviour, Identity};
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A volume, version 1.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct VolumeV1 {
    #[prost(string, tag = "1")]
    name: String,
    /// 1 memory, 2 file, 3 device.
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(bool, tag = "3")]
    ram: bool,
    #[prost(uint64, tag = "4")]
    bytes: u64,
    #[prost(uint32, tag = "5")]
    block_bytes: u32,
    #[prost(uint32, tag = "6")]
    physical_bytes: u32,
    #[prost(message, optional, tag = "7")]
    behaviour: Option<BehaviourV1>,
    #[prost(message, optional, tag = "8")]
    identity: Option<IdentityV1>,
    #[prost(bool, tag = "9")]
    nowait_reads: bool,
    #[prost(bool, tag = "10")]
    nowait_writes: bool,
    #[prost(bool, tag = "11")]
    poisoned: bool,
    #[prost(bool, tag = "12")]
    poison_unsaved: bool,
    #[prost(message, optional, tag = "13")]
    record: Option<RecordV1>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct BehaviourV1 {
    #[prost(bool, tag = "1")]
    read_only: bool,
    #[prost(bool, tag = "2")]
    write_cache: bool,
    #[prost(bool, tag = "3")]
    thin: bool,
    #[prost(bool, tag = "4")]
    solid_state: bool,
    #[prost(bool, tag = "5")]
    removable: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct IdentityV1 {
    #[prost(bytes = "vec", tag = "1")]
    uuid: Vec<u8>,
    #[prost(string, tag = "2")]
    serial: String,
    #[prost(bytes = "vec", tag = "3")]
    naa: Vec<u8>,
    #[prost(string, tag = "4")]
    vendor: String,
    #[prost(string, tag = "5")]
    product: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct RecordV1 {
    #[prost(string, tag = "1")]
    uuid: String,
    #[prost(oneof = "AnchorV1", tags = "2, 3, 4")]
    anchor: Option<AnchorV1>,
    #[prost(message, optional, tag = "5")]
    poison: Option<PoisonV1>,
    /// First byte and end of each marked range, one behind the other.
    #[prost(uint64, repeated, tag = "6")]
    marks: Vec<u64>,
    #[prost(bool, tag = "7")]
    protected: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
enum AnchorV1 {
    /// Its name.
    #[prost(string, tag = "2")]
    Memory(String),
    #[prost(message, tag = "3")]
    File(FileV1),
    #[prost(message, tag = "4")]
    Device(DeviceV1),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct FileV1 {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(uint64, tag = "2")]
    device: u64,
    #[prost(uint64, tag = "3")]
    inode: u64,
    #[prost(uint64, optional, tag = "4")]
    born: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct DeviceV1 {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, optional, tag = "2")]
    hardware: Option<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct PoisonV1 {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(uint64, tag = "2")]
    unix_s: u64,
}

/// A saved volume that this program cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// A field has a value that no volume has.
    #[error("the saved volume {name:?} is damaged: its {what} cannot be")]
    Field {
        /// Of the volume.
        name: String,
        /// The field.
        what: &'static str,
    },
    /// Two volumes of a daemon never have the same.
    #[error("the saved volume {name:?} has the {key} {value} of another one")]
    Duplicate {
        /// Of the volume.
        name: String,
        /// What of the identity.
        key: &'static str,
        /// And its value.
        value: String,
    },
}

#[cfg(test)]
impl VolumeV1 {
    /// First byte and end of each marked range.
    pub fn marks(&self) -> &[u64] {
        self.record.as_ref().map_or(&[], |record| &record.marks)
    }

    /// With these instead.
    pub fn with_marks(mut self, marks: Vec<u64>) -> VolumeV1 {
        if let Some(record) = &mut self.record {
            record.marks = marks;
        }
        self
    }
}

const KINDS: [Kind; 3] = [Kind::Memory, Kind::File, Kind::Device];

impl Volume {
    /// All that its descriptor does not keep.
    pub fn save(&self) -> VolumeV1 {
        // By name, all of them: whoever adds a field decides here what becomes of it.
        let Volume {
            name,
            fd: _,
            kind,
            ram,
            bytes,
            block_bytes,
            physical_bytes,
            behaviour,
            identity,
            gate: _,
            nowait_reads,
            nowait_writes,
            poisoned,
            poison_unsaved,
            record,
            // As the record has them.
            marks: _,
            // Said again with each request for it.
            protected: _,
            growing: _,
            state: _,
            _claims: _,
            #[cfg(test)]
                broken: _,
        } = self;
        // The marks agree with the record while that is locked.
        let record = locked(record);
        VolumeV1 {
            name: name.clone(),
            kind: KINDS.iter().position(|known| known == kind).map_or(0, |at| at as u32 + 1),
            ram: *ram,
            bytes: bytes.load(Ordering::Acquire),
            block_bytes: *block_bytes,
            physical_bytes: *physical_bytes,
            behaviour: Some(save_behaviour(*behaviour)),
            identity: Some(save_identity(identity)),
            nowait_reads: nowait_reads.load(Ordering::Relaxed),
            nowait_writes: nowait_writes.load(Ordering::Relaxed),
            poisoned: poisoned.load(Ordering::Acquire),
            poison_unsaved: poison_unsaved.load(Ordering::Acquire),
            record: Some(save_record(&record)),
        }
    }

    /// The volume that was saved, on its own open file description. Nothing is done to `fd`.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn adopt(saved: VolumeV1, fd: OwnedFd, state: &StateDir) -> Result<Volume, Damaged> {
        let name = saved.name.clone();
        let wrong = |what| Damaged::Field { name: name.clone(), what };
        let kind = saved.kind.checked_sub(1).and_then(|at| KINDS.get(at as usize)).ok_or_else(|| wrong("kind"))?;
        // Such a device would never be synced.
        if saved.ram && *kind == Kind::Device {
            return Err(wrong("memory"));
        }
        if !is_block(saved.block_bytes) || !is_physical(saved.physical_bytes, saved.block_bytes) {
            return Err(wrong("block"));
        }
        let whole = saved.bytes.is_multiple_of(u64::from(saved.block_bytes));
        if saved.bytes == 0 || !whole || i64::try_from(saved.bytes).is_err() {
            return Err(wrong("size"));
        }
        let identity = saved.identity.and_then(restore_identity).ok_or_else(|| wrong("identity"))?;
        let record = saved.record.and_then(restore_record).ok_or_else(|| wrong("record"))?;
        let anchored = match record.anchor {
            Anchor::Memory { .. } => Kind::Memory,
            Anchor::File { .. } => Kind::File,
            Anchor::Device { .. } => Kind::Device,
        };
        if anchored != *kind {
            return Err(wrong("place"));
        }
        // The other way round can be seen while a flush fails, and promises nothing.
        if record.poison.is_some() && !saved.poisoned {
            return Err(wrong("poison"));
        }
        let behaviour = restore_behaviour(saved.behaviour.ok_or_else(|| wrong("behaviour"))?);
        let duplicate =
            |taken: super::Taken| Damaged::Duplicate { name: name.clone(), key: taken.key, value: taken.value };
        let claims = claims(&identity, state).map_err(duplicate)?;
        Ok(Volume {
            name: saved.name,
            fd,
            kind: *kind,
            ram: saved.ram,
            bytes: AtomicU64::new(saved.bytes),
            block_bytes: saved.block_bytes,
            physical_bytes: saved.physical_bytes,
            behaviour,
            identity,
            gate: Gate::default(),
            nowait_reads: AtomicBool::new(saved.nowait_reads),
            nowait_writes: AtomicBool::new(saved.nowait_writes),
            poisoned: AtomicBool::new(saved.poisoned),
            poison_unsaved: AtomicBool::new(saved.poison_unsaved),
            marks: Marks::new(record.marks.clone()),
            protected: AtomicBool::new(record.protected),
            record: Mutex::new(record),
            growing: Mutex::new(()),
            state: state.clone(),
            _claims: claims,
            #[cfg(test)]
            broken: Default::default(),
        })
    }
}

fn save_behaviour(behaviour: Behaviour) -> BehaviourV1 {
    let Behaviour { read_only, write_cache, thin, solid_state, removable } = behaviour;
    BehaviourV1 { read_only, write_cache, thin, solid_state, removable }
}

fn restore_behaviour(saved: BehaviourV1) -> Behaviour {
    let BehaviourV1 { read_only, write_cache, thin, solid_state, removable } = saved;
    Behaviour { read_only, write_cache, thin, solid_state, removable }
}

fn save_identity(identity: &Identity) -> IdentityV1 {
    let Identity { uuid, serial, naa, vendor, product } = identity.clone();
    IdentityV1 { uuid: uuid.to_vec(), serial, naa: naa.to_vec(), vendor, product }
}

fn restore_identity(saved: IdentityV1) -> Option<Identity> {
    let texts = [(&saved.serial, SERIAL_MAX), (&saved.vendor, VENDOR_MAX), (&saved.product, PRODUCT_MAX)];
    let shown = texts.into_iter().all(|(text, max)| can_be_shown(text, max));
    let IdentityV1 { uuid, serial, naa, vendor, product } = saved;
    let (uuid, naa) = (uuid.try_into().ok()?, naa.try_into().ok()?);
    shown.then_some(Identity { uuid, serial, naa, vendor, product })
}

fn save_record(record: &VolumeRecord) -> RecordV1 {
    let VolumeRecord { uuid, anchor, poison, marks, protected } = record.clone();
    let marks = marks.as_slice().iter().flat_map(|&(start, end)| [start, end]).collect();
    let anchor = match anchor {
        Anchor::Memory { name } => AnchorV1::Memory(name),
        Anchor::File { path, device, inode, born } => AnchorV1::File(FileV1 { path, device, inode, born }),
        Anchor::Device { path, hardware } => AnchorV1::Device(DeviceV1 { path, hardware }),
    };
    let poison = poison.map(|Poison { reason, unix_s }| PoisonV1 { reason, unix_s });
    RecordV1 { uuid, anchor: Some(anchor), poison, marks, protected }
}

fn restore_record(saved: RecordV1) -> Option<VolumeRecord> {
    let anchor = match saved.anchor? {
        AnchorV1::Memory(name) => Anchor::Memory { name },
        AnchorV1::File(FileV1 { path, device, inode, born }) => Anchor::File { path, device, inode, born },
        AnchorV1::Device(DeviceV1 { path, hardware }) => Anchor::Device { path, hardware },
    };
    let poison = saved.poison.map(|PoisonV1 { reason, unix_s }| Poison { reason, unix_s });
    let (pairs, []) = saved.marks.as_chunks::<2>() else { return None };
    let marks = Ranges::of(pairs.iter().map(|&[start, end]| (start, end)).collect())?;
    let record = VolumeRecord { uuid: saved.uuid, anchor, poison, marks, protected: saved.protected };
    record.uuid().is_ok().then_some(record)
}
