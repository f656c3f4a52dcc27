//! Initialising a connection (tcp §3.6.2.1, §3.6.2.2).

use super::{Ch, Digests, header, kind, u16_at, u32_at};

/// PFV of this specification.
pub const PFV_1_0: u16 = 0;
/// HLEN and PLEN of both.
const BYTES: usize = 128;

/// ICReq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcReq {
    /// PFV: which format the PDUs shall have.
    pub pfv: u16,
    /// HPDA: where data to the host begins, in dwords, less one; at most 31.
    pub hpda: u8,
    /// DGST: which digests the host would have.
    pub digests: Digests,
    /// MAXR2T: R2Ts outstanding for one command, less one.
    pub maxr2t: u32,
}

/// ICResp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcResp {
    /// PFV.
    pub pfv: u16,
    /// CPDA: where data to the controller begins, in dwords, less one; at most 31.
    pub cpda: u8,
    /// DGST: which digests are in use, of those the host asked for.
    pub digests: Digests,
    /// MAXH2CDATA: bytes of data in one H2CData at most; a multiple of 4, at least 4096.
    pub maxh2cdata: u32,
}

fn digests(dgst: u8) -> Digests {
    Digests { header: dgst & 1 != 0, data: dgst & 2 != 0 }
}

fn emit(kind: u8, pfv: u16, pda: u8, digests: Digests, max: u32) -> [u8; BYTES] {
    let mut bytes = header(Ch { kind, flags: 0, hlen: BYTES as u8, pdo: 0, plen: BYTES as u32 });
    bytes[8..10].copy_from_slice(&pfv.to_le_bytes());
    bytes[10] = pda;
    bytes[11] = u8::from(digests.header) | u8::from(digests.data) << 1;
    bytes[12..16].copy_from_slice(&max.to_le_bytes());
    bytes
}

impl IcReq {
    /// The meaning of a header.
    pub fn parse(header: &[u8; BYTES]) -> IcReq {
        IcReq { pfv: u16_at(header, 8), hpda: header[10], digests: digests(header[11]), maxr2t: u32_at(header, 12) }
    }

    /// As it stands on the wire.
    pub fn emit(&self) -> [u8; BYTES] {
        emit(kind::IC_REQ, self.pfv, self.hpda, self.digests, self.maxr2t)
    }
}

impl IcResp {
    /// The meaning of a header.
    pub fn parse(header: &[u8; BYTES]) -> IcResp {
        IcResp {
            pfv: u16_at(header, 8),
            cpda: header[10],
            digests: digests(header[11]),
            maxh2cdata: u32_at(header, 12),
        }
    }

    /// As it stands on the wire.
    pub fn emit(&self) -> [u8; BYTES] {
        emit(kind::IC_RESP, self.pfv, self.cpda, self.digests, self.maxh2cdata)
    }
}
