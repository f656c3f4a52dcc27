//! Features (base §5.15, §5.27): what a host can ask for, set and save.

mod get;
mod set;
mod settings;
mod table;

pub use settings::{Behavior, Settings, Timestamp};
pub use table::{FEATURES, Feature, Scope};

pub(super) use get::get;
pub(super) use set::{set, set_data};

use std::collections::BTreeMap;

/// Bytes of the Host Behavior Support data structure (base §5.27.1.18).
const BEHAVIOR_BYTES: usize = 512;
/// Bytes of a timestamp (base §5.27.1.11).
const TIMESTAMP_BYTES: usize = 8;

// Feature identifiers (base Figure 317).
const ARBITRATION: u8 = 0x01;
const POWER_MANAGEMENT: u8 = 0x02;
const TEMPERATURE_THRESHOLD: u8 = 0x04;
const ERROR_RECOVERY: u8 = 0x05;
const WRITE_CACHE: u8 = 0x06;
const QUEUES: u8 = 0x07;
const WRITE_ATOMICITY: u8 = 0x0a;
const EVENTS: u8 = 0x0b;
const TIMESTAMP: u8 = 0x0e;
const KEEP_ALIVE: u8 = 0x0f;
const BEHAVIOR: u8 = 0x16;
const COMMAND_SET_PROFILE: u8 = 0x19;
const HOST_IDENTIFIER: u8 = 0x81;
const WRITE_PROTECTION: u8 = 0x84;

/// What a host has set. The write cache and write protection are not here: they are the volumes', for SCSI too. Nor is the
/// keep alive timeout, which is the association's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// As they are.
    pub current: Settings,
    /// As they are after a reset.
    pub saved: Settings,
    /// I/O queues the host has asked for and got; none: it did not ask.
    pub queues: Option<u16>,
    /// Host Behavior Support.
    pub behavior: Behavior,
    /// The clock.
    pub timestamp: Timestamp,
}

impl Features {
    /// As nobody has set them: `notices` are on.
    pub(super) fn new(notices: u32, now: mainstay_base::time::Instant) -> Features {
        let current = Settings::new(notices);
        Features {
            saved: current.clone(),
            current,
            queues: None,
            behavior: Behavior::default(),
            timestamp: Timestamp::reset(now),
        }
    }

    /// Controller reset: what was not saved is forgotten.
    pub(super) fn reset(&mut self, now: mainstay_base::time::Instant) {
        self.current = self.saved.clone();
        (self.queues, self.behavior) = (None, Behavior::default());
        self.timestamp = Timestamp::reset(now);
    }
}

/// Time limited error recovery (base §5.27.1.4) by namespace; 0 is not in it.
pub type Recovery = BTreeMap<u32, u16>;
