//! Data (tcp §3.6.2.7, §3.6.2.8).

use super::{Framing, flag, header, kind, u16_at, u32_at};

/// H2CData.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H2cData {
    /// LAST_PDU: it ends what an R2T asked for.
    pub last: bool,
    /// CCCID: the command.
    pub cid: u16,
    /// TTAG of the R2T.
    pub ttag: u16,
    /// DATAO: first byte of the command's data.
    pub offset: u32,
    /// DATAL: bytes.
    pub len: u32,
}

/// C2HData.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct C2hData {
    /// LAST_PDU: it ends the command's data.
    pub last: bool,
    /// SUCCESS: the command has ended well, and no CapsuleResp follows.
    pub success: bool,
    /// CCCID: the command.
    pub cid: u16,
    /// DATAO: first byte of the command's data.
    pub offset: u32,
    /// DATAL: bytes.
    pub len: u32,
}

impl H2cData {
    /// The meaning of a header.
    pub fn parse(header: &[u8; 24]) -> H2cData {
        H2cData {
            last: header[1] & flag::LAST != 0,
            cid: u16_at(header, 8),
            ttag: u16_at(header, 10),
            offset: u32_at(header, 12),
            len: u32_at(header, 16),
        }
    }

    /// As it stands on the wire.
    pub fn emit(&self, framing: &Framing) -> [u8; 24] {
        let flags = if self.last { flag::LAST } else { 0 };
        let mut bytes: [u8; 24] = header(framing.ch(kind::H2C_DATA, flags, self.len));
        bytes[8..10].copy_from_slice(&self.cid.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.ttag.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }
}

impl C2hData {
    /// The meaning of a header.
    pub fn parse(header: &[u8; 24]) -> C2hData {
        C2hData {
            last: header[1] & flag::LAST != 0,
            success: header[1] & flag::SUCCESS != 0,
            cid: u16_at(header, 8),
            offset: u32_at(header, 12),
            len: u32_at(header, 16),
        }
    }

    /// As it stands on the wire.
    pub fn emit(&self, framing: &Framing) -> [u8; 24] {
        let flags = if self.last { flag::LAST } else { 0 } | if self.success { flag::SUCCESS } else { 0 };
        let mut bytes: [u8; 24] = header(framing.ch(kind::C2H_DATA, flags, self.len));
        bytes[8..10].copy_from_slice(&self.cid.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }
}
