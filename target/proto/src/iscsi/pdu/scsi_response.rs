//! SCSI Response (RFC 7143 §11.4).

use super::{Bhs, Counters, Itt, begin, get32, opcode, put32};

/// How the bytes moved compare with what the initiator expected (RFC 7143 §11.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Residual {
    /// Exactly as expected.
    #[default]
    None,
    /// So many bytes of the expected were not moved.
    Underflow(u32),
    /// So many bytes could not be moved because fewer were expected.
    Overflow(u32),
}

impl Residual {
    /// The residual of a command that moves `moved` bytes by its own words when `expected` were expected.
    pub fn of(expected: u32, moved: u32) -> Residual {
        match moved.cmp(&expected) {
            std::cmp::Ordering::Less => Residual::Underflow(expected - moved),
            std::cmp::Ordering::Equal => Residual::None,
            std::cmp::Ordering::Greater => Residual::Overflow(moved - expected),
        }
    }

    pub(super) fn parse(flags: u8, count: u32) -> Residual {
        match flags & 0x06 {
            0x04 => Residual::Overflow(count),
            0x02 => Residual::Underflow(count),
            _ => Residual::None,
        }
    }

    pub(super) fn emit(self) -> (u8, u32) {
        match self {
            Residual::None => (0, 0),
            Residual::Underflow(count) => (0x02, count),
            Residual::Overflow(count) => (0x04, count),
        }
    }
}

/// A SCSI Response header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiResponse {
    /// iSCSI service response: 00h command completed, 01h target failure (RFC 7143 §11.4.3).
    pub response: u8,
    /// SCSI status; meaningful when `response` is 00h.
    pub status: u8,
    /// The command's tag.
    pub itt: Itt,
    /// Names a reassigned data sequence; zero with error recovery level 0.
    pub snack_tag: u32,
    /// StatSN, ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
    /// How many R2T and Data-In PDUs the command had.
    pub exp_data_sn: u32,
    /// Residual of the read half of a bidirectional command.
    pub bidirectional_read: Residual,
    /// Residual of the transfer.
    pub residual: Residual,
}

impl ScsiResponse {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> ScsiResponse {
        ScsiResponse {
            response: bhs[2],
            status: bhs[3],
            itt: Itt(get32(bhs, 16)),
            snack_tag: get32(bhs, 20),
            counters: Counters::parse(bhs),
            exp_data_sn: get32(bhs, 36),
            bidirectional_read: Residual::parse(bhs[1] >> 2, get32(bhs, 40)),
            residual: Residual::parse(bhs[1], get32(bhs, 44)),
        }
    }

    /// The header, with `data_bytes` (sense length, sense, response data) to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let (bidirectional, bidirectional_count) = self.bidirectional_read.emit();
        let (flags, count) = self.residual.emit();
        let mut bhs = begin(opcode::SCSI_RESPONSE, 0x80 | bidirectional << 2 | flags, data_bytes);
        bhs[2] = self.response;
        bhs[3] = self.status;
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.snack_tag);
        self.counters.emit(&mut bhs);
        put32(&mut bhs, 36, self.exp_data_sn);
        put32(&mut bhs, 40, bidirectional_count);
        put32(&mut bhs, 44, count);
        bhs
    }
}

/// The sense data in the data segment of a SCSI Response (RFC 7143 §11.4.7); empty when there is none or it is cut off.
pub fn split_sense(data: &[u8]) -> &[u8] {
    let Some((len, rest)) = data.split_first_chunk() else { return &[] };
    rest.get(..usize::from(u16::from_be_bytes(*len))).unwrap_or(&[])
}
