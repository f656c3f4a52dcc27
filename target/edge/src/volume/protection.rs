//! Write protection that outlives a restart (NVM Express base 2.0 §8.12, state Write Protect). What it forbids is minded where
//! commands are; the volume only keeps it, in its record.

use super::record::{self, VolumeRecord};
use super::{Volume, locked};
use mainstay_base::unit::Fault;
use rustix::io::Errno;
use std::sync::atomic::Ordering;

impl Volume {
    /// Whether it is protected, after a restart too.
    pub fn is_protected(&self) -> bool {
        self.protected.load(Ordering::Acquire)
    }

    /// Whether it shall be; the next [`Op::Protect`](mainstay_base::unit::Op::Protect) keeps it. Those are run in any order,
    /// so what was said last counts for all of them.
    pub fn set_protected(&self, protected: bool) {
        self.protected.store(protected, Ordering::Release);
    }

    /// What was written before is on stable storage, and so is whether the volume is protected.
    pub(super) fn protect(&self) -> Result<(), Fault> {
        if !self.behaviour.read_only {
            self.sync(0)?;
        }
        let mut record = locked(&self.record);
        let next = VolumeRecord { protected: self.is_protected(), ..record.clone() };
        if next != *record {
            record::store(&self.state, &next).map_err(|error| {
                tracing::error!(volume = self.name, %error, "its write protection cannot be kept");
                Fault::Other { errno: Errno::IO.raw_os_error() }
            })?;
            *record = next;
        }
        Ok(())
    }
}
