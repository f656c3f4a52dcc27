//! The Error Information log (base §5.16.1.2).

use crate::nvme::{Cid, Status};
use std::collections::VecDeque;

/// Entries that are kept, less one (Identify Controller, ELPE).
pub const ELPE: u8 = 63;
/// Parameter Error Location: none in particular.
pub const NOWHERE: u16 = 0xffff;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEntry {
    /// Its number; the first is 1.
    pub count: u64,
    /// Of which queue the command was.
    pub sqid: u16,
    /// The command.
    pub cid: Cid,
    /// How it ended.
    pub status: Status,
    /// Parameter Error Location: byte in bits 7:0, bit in bits 10:8; or [`NOWHERE`].
    pub location: u16,
    /// First logical block that failed.
    pub lba: u64,
    /// Its namespace.
    pub nsid: u32,
}

/// The log, newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorLog {
    pub(super) entries: VecDeque<ErrorEntry>,
    /// Entries there ever were.
    pub(super) count: u64,
}

impl ErrorLog {
    /// Note an error; its `count` is set here.
    pub(super) fn push(&mut self, entry: ErrorEntry) {
        self.count += 1;
        if self.entries.len() > usize::from(ELPE) {
            self.entries.pop_front();
        }
        self.entries.push_back(ErrorEntry { count: self.count, ..entry });
    }

    /// What is kept, newest first, as the log page has it.
    pub fn newest_first(&self) -> impl Iterator<Item = &ErrorEntry> + '_ {
        self.entries.iter().rev()
    }

    /// Errors since the controller was made.
    pub fn count(&self) -> u64 {
        self.count
    }
}
