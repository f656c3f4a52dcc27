//! One NVMe/TCP protocol data unit as bytes (tcp §3.6), built and taken apart without the target's own codec: a script
//! that wants a wrong length, offset or flag writes it.

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

/// FLAGS of the common header (tcp §3.6.1).
#[allow(missing_docs)]
pub mod flag {
    pub const HEADER_DIGEST: u8 = 0x01;
    pub const DATA_DIGEST: u8 = 0x02;
    pub const LAST: u8 = 0x04;
    pub const SUCCESS: u8 = 0x08;
}

/// Fatal error status of a TermReq (tcp §3.6.2.3).
#[allow(missing_docs)]
pub mod fatal {
    pub const INVALID_HEADER_FIELD: u16 = 1;
    pub const SEQUENCE: u16 = 2;
    pub const HEADER_DIGEST: u16 = 3;
    pub const DATA_OUT_OF_RANGE: u16 = 4;
    pub const DATA_LIMIT: u16 = 5;
    pub const UNSUPPORTED_PARAMETER: u16 = 6;
}

/// A PDU.
#[derive(Clone, PartialEq, Eq)]
pub struct Pdu {
    /// PDU-Type.
    pub kind: u8,
    /// FLAGS without those of digests, which [`Pdu::encode`] sets.
    pub flags: u8,
    /// The header behind its eight common bytes.
    pub head: Vec<u8>,
    /// Its data.
    pub data: Vec<u8>,
}

impl Pdu {
    /// Without data.
    pub fn new(kind: u8, head: &[u8]) -> Pdu {
        Pdu { kind, flags: 0, head: head.to_vec(), data: Vec::new() }
    }

    /// ICReq (tcp §3.6.2.1). `max_r2t` counts from one.
    pub fn ic_req(version: u16, hpda: u8, digests: u8, max_r2t: u32) -> Pdu {
        let mut pdu = Pdu::new(kind::IC_REQ, &[0; 120]);
        pdu.set_u16(8, version).head[2..4].copy_from_slice(&[hpda, digests]);
        pdu.set_u32(12, max_r2t - 1);
        pdu
    }

    /// A command capsule.
    pub fn capsule(entry: &[u8; 64], data: &[u8]) -> Pdu {
        Pdu { data: data.to_vec(), ..Pdu::new(kind::CAPSULE_CMD, entry) }
    }

    /// H2CData (tcp §3.6.2.6), the last of its transfer.
    pub fn h2c_data(cid: u16, ttag: u16, offset: u32, data: &[u8]) -> Pdu {
        let mut pdu = Pdu { flags: flag::LAST, data: data.to_vec(), ..Pdu::new(kind::H2C_DATA, &[0; 16]) };
        pdu.set_u16(8, cid).set_u16(10, ttag).set_u32(12, offset).set_u32(16, data.len() as u32);
        pdu
    }

    /// H2CTermReq (tcp §3.6.2.2) about a header.
    pub fn term_req(status: u16, info: u32, about: &[u8]) -> Pdu {
        let mut pdu = Pdu { data: about.to_vec(), ..Pdu::new(kind::H2C_TERM_REQ, &[0; 16]) };
        pdu.set_u16(8, status).set_u32(10, info);
        pdu
    }

    /// Little-endian half word at byte `at` of the PDU, from 8 on.
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.head[at - 8], self.head[at - 7]])
    }

    /// Little-endian word at byte `at` of the PDU, from 8 on.
    pub fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }

    /// Puts a half word at byte `at` of the PDU.
    pub fn set_u16(&mut self, at: usize, value: u16) -> &mut Pdu {
        self.head[at - 8..at - 6].copy_from_slice(&value.to_le_bytes());
        self
    }

    /// Puts a word at byte `at` of the PDU.
    pub fn set_u32(&mut self, at: usize, value: u32) -> &mut Pdu {
        self.head[at - 8..at - 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    /// Status and information of a TermReq.
    pub fn term(&self) -> (u16, u32) {
        (self.u16(8), self.u32(10))
    }

    /// The bytes on the wire. Data begins at a multiple of `4 * (alignment + 1)` (CPDA of the receiver).
    pub fn encode(&self, header_digest: bool, data_digest: bool, alignment: u8) -> Vec<u8> {
        let hlen = 8 + self.head.len();
        let behind = hlen + if header_digest { 4 } else { 0 };
        let pdo = behind.next_multiple_of(4 * (usize::from(alignment) + 1));
        let data_digest = data_digest && !self.data.is_empty();
        let (start, total) = match self.data.len() {
            0 => (0, behind),
            len => (pdo, pdo + len + if data_digest { 4 } else { 0 }),
        };
        let digests = [(header_digest, flag::HEADER_DIGEST), (data_digest, flag::DATA_DIGEST)];
        let digests = digests.into_iter().filter(|(on, _)| *on);
        let flags = digests.fold(self.flags, |flags, (_, digest)| flags | digest);
        let mut out = vec![self.kind, flags, hlen as u8, start as u8];
        out.extend_from_slice(&(total as u32).to_le_bytes());
        out.extend_from_slice(&self.head);
        if header_digest {
            out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        }
        if !self.data.is_empty() {
            out.resize(pdo, 0);
            out.extend_from_slice(&self.data);
        }
        if data_digest {
            out.extend_from_slice(&crc32c::crc32c(&self.data).to_le_bytes());
        }
        out
    }

    /// Takes one whole PDU off the front of `bytes`: the PDU and the bytes it took, or none when more are needed. An error
    /// says what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Pdu, usize)>, String> {
        let Some(common) = bytes.first_chunk::<8>() else { return Ok(None) };
        let [kind, flags, hlen, pdo, ..] = *common;
        let (hlen, pdo) = (usize::from(hlen), usize::from(pdo));
        let plen = u32::from_le_bytes([common[4], common[5], common[6], common[7]]) as usize;
        let digest = |flag: u8| if flags & flag != 0 { 4 } else { 0 };
        let behind = hlen + digest(flag::HEADER_DIGEST);
        if hlen < 8 || plen < behind || pdo != 0 && (pdo < behind || plen < pdo + digest(flag::DATA_DIGEST)) {
            return Err(format!("lengths of {common:02x?}"));
        }
        if pdo == 0 && plen != behind && !matches!(kind, kind::H2C_TERM_REQ | kind::C2H_TERM_REQ) {
            return Err(format!("bytes without a place: {common:02x?}"));
        }
        let Some(bytes) = bytes.get(..plen) else { return Ok(None) };
        if behind > hlen && bytes[hlen..behind] != crc32c::crc32c(&bytes[..hlen]).to_le_bytes() {
            return Err(format!("header digest of {:02x?}", &bytes[..hlen]));
        }
        let start = if pdo == 0 { behind } else { pdo };
        let end = plen - if pdo == 0 { 0 } else { digest(flag::DATA_DIGEST) };
        let data = &bytes[start..end];
        if end < plen && bytes[end..] != crc32c::crc32c(data).to_le_bytes() {
            return Err(format!("data digest of {:02x?}", &bytes[..hlen]));
        }
        let flags = flags & !(flag::HEADER_DIGEST | flag::DATA_DIGEST);
        Ok(Some((Pdu { kind, flags, head: bytes[8..hlen].to_vec(), data: data.to_vec() }, plen)))
    }
}

/// Puts the right header digest on a PDU whose header was changed.
pub fn reseal(bytes: &mut [u8]) {
    let hlen = usize::from(bytes[2]);
    if bytes[1] & flag::HEADER_DIGEST != 0 {
        let digest = crc32c::crc32c(&bytes[..hlen]).to_le_bytes();
        bytes[hlen..hlen + 4].copy_from_slice(&digest);
    }
}

impl std::fmt::Debug for Pdu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.kind {
            kind::IC_REQ => "ICReq",
            kind::IC_RESP => "ICResp",
            kind::H2C_TERM_REQ => "H2CTermReq",
            kind::C2H_TERM_REQ => "C2HTermReq",
            kind::CAPSULE_CMD => "CapsuleCmd",
            kind::CAPSULE_RESP => "CapsuleResp",
            kind::H2C_DATA => "H2CData",
            kind::C2H_DATA => "C2HData",
            kind::R2T => "R2T",
            _ => "PDU?",
        };
        write!(f, "{name} {:02x} {:02x?} + {} data bytes", self.flags, self.head, self.data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for (header, data, align) in [(false, false, 0), (true, false, 0), (true, true, 7), (false, true, 31)] {
            for pdu in [
                Pdu::capsule(&[7; 64], &[1, 2, 3]),
                Pdu::capsule(&[7; 64], &[]),
                Pdu::h2c_data(1, 2, 3, &[9; 100]),
                Pdu::ic_req(0, 0, 3, 1),
            ] {
                let bytes = pdu.encode(header, data, align);
                assert_eq!(Pdu::decode(&bytes).unwrap(), Some((pdu, bytes.len())));
                assert_eq!(Pdu::decode(&bytes[..bytes.len() - 1]).unwrap(), None);
            }
        }
    }

    #[test]
    fn golden_data() {
        let bytes = Pdu::h2c_data(0x0102, 0x0304, 5, &[0xaa]).encode(false, false, 0);
        assert_eq!(bytes[..8], [6, 4, 24, 24, 25, 0, 0, 0]);
        assert_eq!(bytes[8..], [2, 1, 4, 3, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xaa]);
    }
}
