//! The end of a connection that broke a rule (tcp §3.6.2.3, §3.6.2.4).

use super::{CH_BYTES, Ch, HEADER_MAX, Role, header, header_bytes, kind, u16_at, u32_at};

/// FES: which rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fes(pub u16);

#[allow(missing_docs)] // Their names are the standard's.
impl Fes {
    pub const INVALID_FIELD: Fes = Fes(0x01);
    pub const PDU_SEQUENCE: Fes = Fes(0x02);
    pub const HEADER_DIGEST: Fes = Fes(0x03);
    pub const OUT_OF_RANGE: Fes = Fes(0x04);
    /// Of a controller: more data in an H2CData than MAXH2CDATA. Of a host: more R2Ts than MAXR2T.
    pub const LIMIT_EXCEEDED: Fes = Fes(0x05);
    pub const UNSUPPORTED_PARAMETER: Fes = Fes(0x06);
}

impl std::fmt::Display for Fes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match *self {
            Fes::INVALID_FIELD => "invalid PDU header field",
            Fes::PDU_SEQUENCE => "PDU sequence error",
            Fes::HEADER_DIGEST => "header digest error",
            Fes::OUT_OF_RANGE => "data transfer out of range",
            Fes::LIMIT_EXCEEDED => "limit exceeded",
            Fes::UNSUPPORTED_PARAMETER => "unsupported parameter",
            Fes(other) => return write!(f, "fatal error status {other:#06x}"),
        })
    }
}

/// Offsets of fields: FEI of [`Fes::INVALID_FIELD`] and [`Fes::UNSUPPORTED_PARAMETER`].
#[allow(missing_docs)]
pub mod field {
    pub const KIND: u32 = 0;
    pub const FLAGS: u32 = 1;
    pub const HLEN: u32 = 2;
    pub const PDO: u32 = 3;
    pub const PLEN: u32 = 4;
    /// Of ICReq and ICResp.
    pub const PFV: u32 = 8;
    /// HPDA of ICReq, CPDA of ICResp.
    pub const PDA: u32 = 10;
    /// Of ICReq and ICResp.
    pub const DGST: u32 = 11;
    /// Of ICResp.
    pub const MAXH2CDATA: u32 = 12;
    /// Of R2T, H2CData and C2HData.
    pub const CCCID: u32 = 8;
    /// Of H2CData and R2T.
    pub const TTAG: u32 = 10;
    /// Of H2CData and C2HData; R2TO of R2T.
    pub const DATAO: u32 = 12;
    /// Of H2CData and C2HData; R2TL of R2T.
    pub const DATAL: u32 = 16;
}

/// A broken rule that ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// FES.
    pub fes: Fes,
    /// FEI: which field, or the digest that came.
    pub fei: u32,
    /// For people: what the other end did or sent.
    pub why: &'static str,
}

impl Fault {
    /// A field with a wrong value.
    pub fn field(at: u32, why: &'static str) -> Fault {
        Fault { fes: Fes::INVALID_FIELD, fei: at, why }
    }
}

/// H2CTermReq or C2HTermReq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermReq {
    /// FES.
    pub fes: Fes,
    /// FEI.
    pub fei: u32,
}

impl TermReq {
    /// The meaning of a header.
    pub fn parse(header: &[u8; 24]) -> TermReq {
        TermReq { fes: Fes(u16_at(header, 8)), fei: u32_at(header, 10) }
    }

    /// As it stands on the wire when `sender` sends it, with as much of the header of the PDU in error as `offender` has.
    pub fn emit(&self, sender: Role, offender: &[u8]) -> Vec<u8> {
        let kind = match sender {
            Role::Host => kind::H2C_TERM_REQ,
            Role::Controller => kind::C2H_TERM_REQ,
        };
        let known = offender.first().and_then(|&kind| header_bytes(kind)).unwrap_or(CH_BYTES);
        let copy = &offender[..offender.len().min(known).min(HEADER_MAX)];
        let mut bytes: [u8; 24] = header(Ch { kind, flags: 0, hlen: 24, pdo: 0, plen: 24 + copy.len() as u32 });
        bytes[8..10].copy_from_slice(&self.fes.0.to_le_bytes());
        bytes[10..14].copy_from_slice(&self.fei.to_le_bytes());
        [&bytes[..], copy].concat()
    }
}
