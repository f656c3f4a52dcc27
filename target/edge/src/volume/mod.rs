//! Volumes: a store that is open, locked and known by its identity, and the threads that wait for it.
//!
//! I1 One open file description for life, with its lock; nothing is opened by path later. I2 What is answered as
//! durable is on stable storage; a failed sync poisons the volume, also in the state directory, before anybody hears
//! of it. I3 [`Volume::quick`] does not wait for a disk. I4 The size never becomes smaller. I5 No two volumes of a
//! daemon share an identity.
//!
//! Non-goals: ordering (whoever submits decides what may overlap), ranges against the geometry (checked, not
//! explained).

#[cfg(all(feature = "sabotage-no-fsync", not(debug_assertions)))]
compile_error!("sabotage-no-fsync loses data: it is for the durability test alone, and never in a release");

mod device;
mod error;
mod file;
mod gate;
mod identity;
mod io;
mod lock;
mod marks;
mod memory;
mod opened;
mod pool;
mod protection;
mod record;
pub mod saved;
mod spec;
mod sys;

pub use error::{GrowError, IdentityError, OpenError};
pub use pool::{Job, Pool, StillBusy, Store};
pub use record::Poison;
pub use spec::{Backing, Overrides, Spec};

use crate::state::{Claim, StateDir};
use gate::Gate;
use mainstay_base::unit::{Behaviour, Fault, Geometry, Identity};
use marks::{Marks, Ranges};
use opened::{Kind, Opened};
use record::VolumeRecord;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// An open volume. All of it may be called from any thread.
#[derive(Debug)]
pub struct Volume {
    name: String,
    fd: OwnedFd,
    kind: Kind,
    ram: bool,
    bytes: AtomicU64,
    block_bytes: u32,
    physical_bytes: u32,
    behaviour: Behaviour,
    identity: Identity,
    gate: Gate,
    nowait_reads: AtomicBool,
    nowait_writes: AtomicBool,
    poisoned: AtomicBool,
    /// The state directory has not taken the news yet.
    poison_unsaved: AtomicBool,
    record: Mutex<VolumeRecord>,
    /// Those of the record.
    marks: Marks,
    /// What the record is to say of its write protection.
    protected: AtomicBool,
    /// Held while the size changes.
    growing: Mutex<()>,
    state: StateDir,
    _claims: Vec<Claim>,
    #[cfg(test)]
    broken: tests::Broken,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_store(name: &str, backing: &Backing, read_only: bool) -> Result<Opened, OpenError> {
    match backing {
        Backing::Memory { size } => memory::open(name, *size),
        Backing::File { path, create_size } => file::open(path, *create_size, read_only),
        Backing::Device { path } => device::open(path, read_only),
    }
}

impl Volume {
    /// Open, lock and recognise the store of `spec`.
    ///
    /// # Errors
    /// [`OpenError`] says what to do. A file that was made for this call stays when a later step fails.
    pub fn open(spec: Spec, state: &StateDir) -> Result<Volume, OpenError> {
        // Before a file is made for nothing.
        spec.identity(Uuid::nil())?;
        if let Backing::Memory { size: bytes } | Backing::File { create_size: Some(bytes), .. } = spec.backing {
            spec.blocks(bytes, None)?;
        }
        let opened = open_store(&spec.name, &spec.backing, spec.read_only)?;
        let (block_bytes, physical_bytes) = spec.blocks(opened.bytes, opened.sectors)?;
        let mut record = identity::resolve(opened.fd.as_fd(), &opened.anchor, opened.created, spec.read_only, state)?;
        if opened.kind == Kind::Memory {
            // They were about what is gone.
            record.marks = Ranges::default();
        }
        let identity = spec.identity(record.uuid()?)?;
        let claims = claims(&identity, state).map_err(|taken| taken.of(spec.what()))?;
        let thin = spec.thin && opened.can_punch && !spec.read_only;
        if spec.thin && !thin && !spec.read_only {
            tracing::info!(volume = spec.name, "this store cannot give space back: blocks are not deallocated");
        }
        if let Some(poison) = &record.poison {
            tracing::error!(volume = spec.name, reason = poison.reason, "poisoned before: all writes will be refused");
        }
        if record.protected {
            tracing::warn!(volume = spec.name, "write protected by a host of NVMe, until one lifts that (feature 84h)");
        }
        let behaviour = Behaviour {
            read_only: spec.read_only,
            write_cache: spec.write_cache,
            thin,
            solid_state: opened.solid_state,
            removable: spec.removable,
        };
        Ok(Volume {
            name: spec.name,
            fd: opened.fd,
            kind: opened.kind,
            ram: opened.ram,
            bytes: AtomicU64::new(opened.bytes),
            block_bytes,
            physical_bytes,
            behaviour,
            identity,
            gate: Gate::default(),
            nowait_reads: AtomicBool::new(true),
            nowait_writes: AtomicBool::new(true),
            poisoned: AtomicBool::new(record.poison.is_some()),
            poison_unsaved: AtomicBool::new(false),
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

    /// Its name in this daemon.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Size and block sizes as of now; only [`Volume::grow`] changes them.
    pub fn geometry(&self) -> Geometry {
        let blocks = self.bytes.load(Ordering::Acquire) / u64::from(self.block_bytes);
        Geometry { blocks, block_bytes: self.block_bytes, physical_bytes: self.physical_bytes }
    }

    /// What it allows. `thin` is true only where the store can give space back.
    pub fn behaviour(&self) -> Behaviour {
        self.behaviour
    }

    /// Who it is, overrides applied.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The one open file description, which a successor is handed with its lock.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Why writes and flushes are refused, if they are.
    pub fn poisoned(&self) -> Option<Poison> {
        locked(&self.record).poison.clone()
    }

    /// An admin has looked at it: writes and flushes are taken again. What was lost stays lost.
    ///
    /// # Errors
    /// [`IdentityError::State`] when the state directory does not take it; then the volume stays poisoned.
    pub fn clear_poison(&self) -> Result<(), IdentityError> {
        let mut record = locked(&self.record);
        let clean = VolumeRecord { poison: None, ..record.clone() };
        record::store(&self.state, &clean)?;
        *record = clean;
        self.poisoned.store(false, Ordering::Release);
        Ok(())
    }

    /// From here on nothing is promised. Durable when it returns, as far as the state directory works.
    fn poison(&self, reason: String) {
        self.poisoned.store(true, Ordering::Release);
        let mut record = locked(&self.record);
        // Again, for an admin may have been clearing an older one.
        self.poisoned.store(true, Ordering::Release);
        tracing::error!(volume = self.name, reason, "poisoned: all writes are refused until an admin clears it");
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        record.poison = Some(Poison { reason, unix_s });
        if let Err(error) = record::store(&self.state, &record) {
            self.poison_unsaved.store(true, Ordering::Release);
            tracing::error!(volume = self.name, %error, "a restart would not know yet that the volume is poisoned");
        }
    }

    /// A disk that fails often is that of the state directory too: what it did not take, it is offered again with each
    /// request that is refused.
    fn poison_again(&self) {
        if self.poison_unsaved.load(Ordering::Acquire) {
            let record = locked(&self.record);
            let saved = record.poison.is_none() || record::store(&self.state, &record).is_ok();
            self.poison_unsaved.store(!saved, Ordering::Release);
        }
    }

    /// Make the volume `bytes` long; what is new reads as zero. A device must have been enlarged before. The same
    /// size again is fine.
    ///
    /// # Errors
    /// [`GrowError`]; the size is as it was, except that after a failed sync the volume is poisoned.
    pub fn grow(&self, bytes: u64) -> Result<Geometry, GrowError> {
        let _turn = locked(&self.growing);
        let now = self.bytes.load(Ordering::Acquire);
        if bytes < now {
            return Err(GrowError::Smaller { now, wanted: bytes });
        }
        if !bytes.is_multiple_of(u64::from(self.block_bytes)) {
            return Err(GrowError::Ragged { wanted: bytes, block: self.block_bytes });
        }
        let io = |doing, errno| GrowError::Io { doing, errno };
        if self.kind == Kind::Device {
            let has = sys::device_bytes(self.fd.as_fd()).map_err(|errno| io("measure", errno))?;
            if bytes > has {
                return Err(GrowError::DeviceHas { has, wanted: bytes });
            }
        } else {
            let has = self.file_bytes().map_err(|errno| io("measure", errno))?;
            if has < now {
                return Err(GrowError::Shrunk { has, now });
            }
            if bytes > has {
                if self.behaviour.read_only {
                    return Err(GrowError::ReadOnly);
                }
                rustix::fs::ftruncate(&self.fd, bytes).map_err(|errno| io("enlarge", errno))?;
            }
            if !self.behaviour.read_only && self.sync(0).is_err() {
                return Err(GrowError::Poisoned);
            }
        }
        self.bytes.store(bytes, Ordering::Release);
        Ok(self.geometry())
    }

    fn file_bytes(&self) -> Result<u64, rustix::io::Errno> {
        Ok(u64::try_from(rustix::fs::fstat(&self.fd)?.st_size).unwrap_or(0))
    }

    /// Everything written before is on stable storage, or the volume is poisoned. `at` is for the fault.
    fn sync(&self, at: u64) -> Result<(), Fault> {
        if self.poisoned.load(Ordering::Acquire) {
            self.poison_again();
            return Err(Fault::Poisoned);
        }
        if self.ram {
            return Ok(());
        }
        self.gate.pass(|| {
            // A run after a failed one would succeed, and mean nothing.
            if self.poisoned.load(Ordering::Acquire) {
                return;
            }
            let sync = || if cfg!(feature = "sabotage-no-fsync") { Ok(()) } else { sys::sync_data(self.fd.as_fd()) };
            #[cfg(test)]
            let result = self.broken.sync(sync);
            #[cfg(not(test))]
            let result = sync();
            if let Err(errno) = result {
                self.poison(format!("sync: {errno}"));
            }
        });
        if self.poisoned.load(Ordering::Acquire) { Err(Fault::MediumWrite { at }) } else { Ok(()) }
    }
}

impl Store for Volume {
    fn run(&self, op: &mut mainstay_base::unit::Op) -> Result<mainstay_base::unit::Done, Fault> {
        Volume::run(self, op)
    }
}

/// A part of an identity that another volume of this daemon shows.
struct Taken {
    key: &'static str,
    value: String,
}

impl Taken {
    fn of(self, what: String) -> IdentityError {
        IdentityError::Duplicate { what, key: self.key, value: self.value }
    }
}

/// No other volume of this daemon may show the same designators.
fn claims(identity: &Identity, state: &StateDir) -> Result<Vec<Claim>, Taken> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let shown = [
        ("uuid", Uuid::from_bytes(identity.uuid).to_string()),
        ("naa", hex(&identity.naa)),
        ("serial", format!("{} {} {}", identity.vendor, identity.product, identity.serial)),
    ];
    let claim = |(key, value)| state.claim(format!("{key} {value}")).ok_or(Taken { key, value });
    shown.into_iter().map(claim).collect()
}

/// `mainstay identify --new PATH`: give a file or device a new identity. Returns the UUID, as text.
///
/// # Errors
/// As [`Volume::open`]: also when the volume is being served.
pub fn identify_new(path: &Path, state: &StateDir) -> Result<String, OpenError> {
    let opened = open_offline(path)?;
    Ok(identity::renew(opened.fd.as_fd(), &opened.anchor, state)?.to_string())
}

/// `mainstay identify --keep PATH`: this file or device is the volume whose identity it carries, whatever was on
/// record. Returns the UUID, as text.
///
/// # Errors
/// As [`identify_new`].
pub fn identify_keep(path: &Path, state: &StateDir) -> Result<String, OpenError> {
    let opened = open_offline(path)?;
    Ok(identity::keep(opened.fd.as_fd(), &opened.anchor, state)?.to_string())
}

fn open_offline(path: &Path) -> Result<Opened, OpenError> {
    match file::open(path, None, false) {
        Err(OpenError::NotAFile { kind: "a block device" | "a character device", .. }) => device::open(path, false),
        other => other,
    }
}

#[cfg(test)]
mod tests;
