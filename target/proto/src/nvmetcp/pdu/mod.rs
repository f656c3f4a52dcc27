//! The PDUs of tcp §3.6.2, a file for each kind, parsed and emitted in both directions.
//!
//! A struct here is the meaning of one header. What the common header says of lengths, digests and alignment belongs to
//! the stream: [`Framing`] checks it on the way in, before anything of it is believed, and writes it on the way out.

mod capsule;
mod data;
mod framing;
mod ic;
mod r2t;
mod term;

pub use capsule::{CapsuleCmd, CapsuleResp};
pub use data::{C2hData, H2cData};
pub use framing::{Digests, Framing, Role, Segment, digest};
pub use ic::{IcReq, IcResp, PFV_1_0};
pub use r2t::R2t;
pub use term::{Fault, Fes, TermReq, field};

/// Bytes of the common header (tcp §3.6.1).
pub const CH_BYTES: usize = 8;
/// Bytes of the longest header.
pub const HEADER_MAX: usize = 128;
/// Bytes of a digest (tcp §3.3.1.1).
pub const DIGEST_BYTES: usize = 4;

/// PDU types (tcp §3.6.1).
#[allow(missing_docs)]
pub mod kind {
    pub const IC_REQ: u8 = 0x00;
    pub const IC_RESP: u8 = 0x01;
    pub const H2C_TERM_REQ: u8 = 0x02;
    pub const C2H_TERM_REQ: u8 = 0x03;
    pub const CAPSULE_CMD: u8 = 0x04;
    pub const CAPSULE_RESP: u8 = 0x05;
    pub const H2C_DATA: u8 = 0x06;
    pub const C2H_DATA: u8 = 0x07;
    pub const R2T: u8 = 0x09;
}

/// Bits of FLAGS.
pub mod flag {
    /// HDGSTF: a header digest follows the header.
    pub const HEADER_DIGEST: u8 = 0x01;
    /// DDGSTF: a data digest follows the data.
    pub const DATA_DIGEST: u8 = 0x02;
    /// LAST_PDU, of H2CData and C2HData.
    pub const LAST: u8 = 0x04;
    /// SUCCESS, of C2HData.
    pub const SUCCESS: u8 = 0x08;
}

/// The common header, CH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ch {
    /// PDU-Type.
    pub kind: u8,
    /// FLAGS.
    pub flags: u8,
    /// HLEN: bytes of the header, its digest not counted.
    pub hlen: u8,
    /// PDO: where in the PDU its data begins; 0 without data.
    pub pdo: u8,
    /// PLEN: bytes of the PDU.
    pub plen: u32,
}

impl Ch {
    /// The meaning of `bytes`.
    pub fn parse(bytes: &[u8; CH_BYTES]) -> Ch {
        let [kind, flags, hlen, pdo, plen @ ..] = *bytes;
        Ch { kind, flags, hlen, pdo, plen: u32::from_le_bytes(plen) }
    }

    /// As it stands on the wire.
    pub fn emit(self) -> [u8; CH_BYTES] {
        let [a, b, c, d] = self.plen.to_le_bytes();
        [self.kind, self.flags, self.hlen, self.pdo, a, b, c, d]
    }
}

/// HLEN of a PDU type; none: there is no such type.
pub fn header_bytes(kind: u8) -> Option<usize> {
    Some(match kind {
        kind::IC_REQ | kind::IC_RESP => 128,
        kind::CAPSULE_CMD => 72,
        kind::H2C_TERM_REQ | kind::C2H_TERM_REQ => 24,
        kind::CAPSULE_RESP | kind::H2C_DATA | kind::C2H_DATA | kind::R2T => 24,
        _ => return None,
    })
}

fn u16_at(header: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([header[at], header[at + 1]])
}

fn u32_at(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// A header of `N` bytes that begins with `ch`.
fn header<const N: usize>(ch: Ch) -> [u8; N] {
    let mut header = [0; N];
    header[..CH_BYTES].copy_from_slice(&ch.emit());
    header
}

#[cfg(test)]
mod tests;
