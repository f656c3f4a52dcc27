//! One protocol data unit as bytes: basic header, additional headers, data (RFC 7143 §11.1, §11.2).

/// Opcodes (RFC 7143 §11.2.1.2); those from 0x20 up come from the target.
#[allow(missing_docs)]
pub mod opcode {
    pub const NOP_OUT: u8 = 0x00;
    pub const SCSI_COMMAND: u8 = 0x01;
    pub const TASK_MANAGEMENT: u8 = 0x02;
    pub const LOGIN: u8 = 0x03;
    pub const TEXT: u8 = 0x04;
    pub const DATA_OUT: u8 = 0x05;
    pub const LOGOUT: u8 = 0x06;
    pub const SNACK: u8 = 0x10;
    pub const NOP_IN: u8 = 0x20;
    pub const SCSI_RESPONSE: u8 = 0x21;
    pub const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
    pub const LOGIN_RESPONSE: u8 = 0x23;
    pub const TEXT_RESPONSE: u8 = 0x24;
    pub const DATA_IN: u8 = 0x25;
    pub const LOGOUT_RESPONSE: u8 = 0x26;
    pub const R2T: u8 = 0x31;
    pub const ASYNC_MESSAGE: u8 = 0x32;
    pub const REJECT: u8 = 0x3f;
}

/// The tag that stands for no tag (RFC 7143 §11.2.1.8).
pub const NO_TAG: u32 = 0xffff_ffff;
/// The immediate-delivery bit of byte 0.
pub const IMMEDIATE: u8 = 0x40;
/// The final bit of byte 1.
pub const FINAL: u8 = 0x80;

/// Bytes of one PDU, lengths not yet written into the header (see [`Pdu::encode`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Pdu {
    /// Basic header segment.
    pub bhs: [u8; 48],
    /// Additional header segments, padded to words by whoever puts them here.
    pub ahs: Vec<u8>,
    /// Data segment without padding.
    pub data: Vec<u8>,
}

impl Pdu {
    /// All zero but for the opcode and the F bit, which most requests carry.
    pub fn new(opcode: u8) -> Pdu {
        let mut bhs = [0; 48];
        bhs[0] = opcode;
        bhs[1] = FINAL;
        Pdu { bhs, ahs: Vec::new(), data: Vec::new() }
    }

    /// Opcode without the immediate bit.
    pub fn opcode(&self) -> u8 {
        self.bhs[0] & 0x3f
    }

    /// Byte 1: the flags.
    pub fn flags(&self) -> u8 {
        self.bhs[1]
    }

    /// Big-endian word at byte `at` of the header.
    pub fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.bhs[at], self.bhs[at + 1], self.bhs[at + 2], self.bhs[at + 3]])
    }

    /// Puts a big-endian word at byte `at` of the header.
    pub fn set_u32(&mut self, at: usize, value: u32) -> &mut Pdu {
        self.bhs[at..at + 4].copy_from_slice(&value.to_be_bytes());
        self
    }

    /// Puts a big-endian half word at byte `at` of the header.
    pub fn set_u16(&mut self, at: usize, value: u16) -> &mut Pdu {
        self.bhs[at..at + 2].copy_from_slice(&value.to_be_bytes());
        self
    }

    /// Initiator task tag.
    pub fn itt(&self) -> u32 {
        self.u32(16)
    }

    /// Target transfer tag (of the PDUs that have one at byte 20).
    pub fn ttt(&self) -> u32 {
        self.u32(20)
    }

    /// Status sequence number of a target's PDU.
    pub fn stat_sn(&self) -> u32 {
        self.u32(24)
    }

    /// Marks the PDU for immediate delivery.
    pub fn immediate(mut self) -> Pdu {
        self.bhs[0] |= IMMEDIATE;
        self
    }

    /// The bytes on the wire: lengths filled in, padded, with digests where asked.
    pub fn encode(&self, header_digest: bool, data_digest: bool) -> Vec<u8> {
        let mut bhs = self.bhs;
        bhs[4] = u8::try_from(self.ahs.len() / 4).expect("additional headers fit in 255 words");
        let len = u32::try_from(self.data.len()).expect("segment fits in 24 bits").to_be_bytes();
        bhs[5..8].copy_from_slice(&len[1..]);
        let mut out = Vec::with_capacity(60 + self.ahs.len() + self.data.len());
        out.extend_from_slice(&bhs);
        out.extend_from_slice(&self.ahs);
        if header_digest {
            let crc = crc32c::crc32c(&out);
            // The digest travels as the CRC's bytes from the least significant up (RFC 7143 §13.1 with §7.2's example bytes).
            out.extend_from_slice(&crc.to_le_bytes());
        }
        if !self.data.is_empty() {
            let start = out.len();
            out.extend_from_slice(&self.data);
            while !(out.len() - start).is_multiple_of(4) {
                out.push(0);
            }
            if data_digest {
                let crc = crc32c::crc32c(&out[start..]);
                out.extend_from_slice(&crc.to_le_bytes());
            }
        }
        out
    }

    /// Takes one whole PDU off the front of `bytes`: the PDU and the bytes it took, or none when more are needed.
    /// An error says which digest was wrong.
    pub fn decode(bytes: &[u8], header_digest: bool, data_digest: bool) -> Result<Option<(Pdu, usize)>, String> {
        let Some(bhs) = bytes.first_chunk::<48>() else { return Ok(None) };
        let ahs = usize::from(bhs[4]) * 4;
        let data = usize::from(bhs[5]) << 16 | usize::from(bhs[6]) << 8 | usize::from(bhs[7]);
        let head = 48 + ahs;
        let data_at = head + if header_digest { 4 } else { 0 };
        let padded = data.next_multiple_of(4);
        let total = data_at + padded + if data_digest && data > 0 { 4 } else { 0 };
        if bytes.len() < total {
            return Ok(None);
        }
        if header_digest && bytes[head..head + 4] != crc32c::crc32c(&bytes[..head]).to_le_bytes() {
            return Err(format!("header digest of {:02x?}", &bytes[..head]));
        }
        if data_digest && data > 0 {
            let segment = &bytes[data_at..data_at + padded];
            if bytes[data_at + padded..total] != crc32c::crc32c(segment).to_le_bytes() {
                return Err(format!("data digest of {:02x?}", &bytes[..head]));
            }
        }
        if bytes[data_at + data..data_at + padded].iter().any(|&b| b != 0) {
            return Err(format!("padding is not zero after {:02x?}", &bytes[..head]));
        }
        let pdu = Pdu { bhs: *bhs, ahs: bytes[48..head].to_vec(), data: bytes[data_at..data_at + data].to_vec() };
        Ok(Some((pdu, total)))
    }
}

impl std::fmt::Debug for Pdu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.opcode() {
            opcode::NOP_OUT => "NOP-Out",
            opcode::SCSI_COMMAND => "SCSI Command",
            opcode::TASK_MANAGEMENT => "TMF Request",
            opcode::LOGIN => "Login Request",
            opcode::TEXT => "Text Request",
            opcode::DATA_OUT => "Data-Out",
            opcode::LOGOUT => "Logout Request",
            opcode::SNACK => "SNACK",
            opcode::NOP_IN => "NOP-In",
            opcode::SCSI_RESPONSE => "SCSI Response",
            opcode::TASK_MANAGEMENT_RESPONSE => "TMF Response",
            opcode::LOGIN_RESPONSE => "Login Response",
            opcode::TEXT_RESPONSE => "Text Response",
            opcode::DATA_IN => "Data-In",
            opcode::LOGOUT_RESPONSE => "Logout Response",
            opcode::R2T => "R2T",
            opcode::ASYNC_MESSAGE => "Async Message",
            opcode::REJECT => "Reject",
            _ => "opcode?",
        };
        write!(f, "{name} {:02x?} + {} data bytes", self.bhs, self.data.len())?;
        if self.data.len() <= 64 {
            write!(f, " {:02x?}", self.data)?;
        }
        Ok(())
    }
}

/// `key=value` pairs, each ended by a zero byte (RFC 7143 §6.1).
pub fn text(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in pairs {
        out.extend_from_slice(key.as_ref().as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_ref().as_bytes());
        out.push(0);
    }
    out
}

/// The pairs of a text segment, in order; an error quotes what is not a pair.
pub fn pairs(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    for piece in bytes.split(|&b| b == 0).filter(|piece| !piece.is_empty()) {
        let piece = std::str::from_utf8(piece).map_err(|e| format!("{e}: {piece:02x?}"))?;
        let (key, value) = piece.split_once('=').ok_or_else(|| format!("no '=' in {piece:?}"))?;
        out.push((key.to_owned(), value.to_owned()));
    }
    Ok(out)
}
