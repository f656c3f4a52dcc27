//! Ready to Transfer (tcp §3.6.2.9).

use super::{Framing, header, kind, u16_at, u32_at};

/// R2T.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct R2t {
    /// CCCID: the command.
    pub cid: u16,
    /// TTAG: what the H2CData shall carry.
    pub ttag: u16,
    /// R2TO: first byte of the command's data.
    pub offset: u32,
    /// R2TL: bytes.
    pub len: u32,
}

impl R2t {
    /// The meaning of a header.
    pub fn parse(header: &[u8; 24]) -> R2t {
        R2t { cid: u16_at(header, 8), ttag: u16_at(header, 10), offset: u32_at(header, 12), len: u32_at(header, 16) }
    }

    /// As it stands on the wire.
    pub fn emit(&self, framing: &Framing) -> [u8; 24] {
        let mut bytes: [u8; 24] = header(framing.ch(kind::R2T, 0, 0));
        bytes[8..10].copy_from_slice(&self.cid.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.ttag.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }
}
