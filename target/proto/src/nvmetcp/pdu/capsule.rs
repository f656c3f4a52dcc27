//! Capsules (tcp §3.6.2.5, §3.6.2.6).

use super::{Framing, header, kind};
use crate::nvme::Entry;

/// CapsuleCmd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapsuleCmd {
    /// The submission queue entry.
    pub entry: Entry,
}

/// CapsuleResp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapsuleResp {
    /// The completion queue entry.
    pub entry: [u8; 16],
}

impl CapsuleCmd {
    /// The meaning of a header.
    pub fn parse(header: &[u8; 72]) -> CapsuleCmd {
        let mut entry = Entry::default();
        entry.0.copy_from_slice(&header[8..]);
        CapsuleCmd { entry }
    }

    /// As it stands on the wire, with `len` bytes of data in the capsule.
    pub fn emit(&self, framing: &Framing, len: u32) -> [u8; 72] {
        let mut bytes: [u8; 72] = header(framing.ch(kind::CAPSULE_CMD, 0, len));
        bytes[8..].copy_from_slice(&self.entry.0);
        bytes
    }
}

impl CapsuleResp {
    /// The meaning of a header.
    pub fn parse(header: &[u8; 24]) -> CapsuleResp {
        let mut entry = [0; 16];
        entry.copy_from_slice(&header[8..]);
        CapsuleResp { entry }
    }

    /// As it stands on the wire.
    pub fn emit(&self, framing: &Framing) -> [u8; 24] {
        let mut bytes: [u8; 24] = header(framing.ch(kind::CAPSULE_RESP, 0, 0));
        bytes[8..].copy_from_slice(&self.entry);
        bytes
    }
}
