//! The values of features.

use super::Recovery;
use mainstay_base::time::Instant;

/// The features that can be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Arbitration, as dword 11 has it.
    pub arbitration: u32,
    /// Temperature thresholds in kelvin: over, under.
    pub temperature: (u16, u16),
    /// Error Recovery, TLER in units of 100 ms.
    pub recovery: Recovery,
    /// Write Atomicity Normal, DN: AWUN and NAWUN need not be kept.
    pub no_write_atomicity: bool,
    /// Asynchronous Event Configuration.
    pub events: u32,
}

impl Settings {
    /// Nobody has set them. Notices are on from the beginning, as Linux's own target has it.
    pub(super) fn new(notices: u32) -> Settings {
        Settings {
            arbitration: 0,
            temperature: (u16::MAX, 0),
            recovery: Recovery::new(),
            no_write_atomicity: false,
            events: notices,
        }
    }
}

/// Host Behavior Support (base §5.27.1.18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behavior {
    /// ACRE: the host minds command retry delays.
    pub retry_delays: bool,
    /// ETDAS: it knows the extended telemetry area.
    pub telemetry_area_4: bool,
    /// LBAFEE: it knows more than sixteen LBA formats.
    pub extended_lba_formats: bool,
    /// Copy descriptor formats 2 to 4 it uses, by bit.
    pub copy_formats: u16,
}

/// The clock (base §5.27.1.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Milliseconds at `at`; since 1970 if the host has set it.
    pub ms: u64,
    /// When.
    pub at: Instant,
    /// The host has set it.
    pub set: bool,
}

impl Timestamp {
    /// Counts from zero.
    pub(super) fn reset(now: Instant) -> Timestamp {
        Timestamp { ms: 0, at: now, set: false }
    }

    /// The time, 48 bits of it.
    pub fn read(&self, now: Instant) -> u64 {
        self.ms.wrapping_add(now.since(self.at).as_millis() as u64) & 0xffff_ffff_ffff
    }
}
