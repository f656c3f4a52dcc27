//! Reject (RFC 7143 §11.17).

use super::{Bhs, Counters, Itt, begin, get32, opcode, put32};

/// Why a PDU was refused (RFC 7143 §11.17.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RejectReason {
    DataDigest,
    Snack,
    ProtocolError,
    CommandNotSupported,
    ImmediateTooMany,
    TaskInProgress,
    InvalidDataAck,
    InvalidField,
    LongOperation,
    WaitingForLogout,
    Other(u8),
}

impl RejectReason {
    /// The reason with this code.
    pub fn from_code(code: u8) -> RejectReason {
        match code {
            0x02 => RejectReason::DataDigest,
            0x03 => RejectReason::Snack,
            0x04 => RejectReason::ProtocolError,
            0x05 => RejectReason::CommandNotSupported,
            0x06 => RejectReason::ImmediateTooMany,
            0x07 => RejectReason::TaskInProgress,
            0x08 => RejectReason::InvalidDataAck,
            0x09 => RejectReason::InvalidField,
            0x0a => RejectReason::LongOperation,
            0x0c => RejectReason::WaitingForLogout,
            other => RejectReason::Other(other),
        }
    }

    /// The code on the wire.
    pub fn code(self) -> u8 {
        match self {
            RejectReason::DataDigest => 0x02,
            RejectReason::Snack => 0x03,
            RejectReason::ProtocolError => 0x04,
            RejectReason::CommandNotSupported => 0x05,
            RejectReason::ImmediateTooMany => 0x06,
            RejectReason::TaskInProgress => 0x07,
            RejectReason::InvalidDataAck => 0x08,
            RejectReason::InvalidField => 0x09,
            RejectReason::LongOperation => 0x0a,
            RejectReason::WaitingForLogout => 0x0c,
            RejectReason::Other(code) => code,
        }
    }
}

/// A Reject header; the refused header is its data segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// StatSN, ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
    /// The next Data-In or R2T number, for a refused data SNACK.
    pub data_sn: u32,
}

impl Reject {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> Reject {
        Reject { reason: RejectReason::from_code(bhs[2]), counters: Counters::parse(bhs), data_sn: get32(bhs, 36) }
    }

    /// The header, with `data_bytes` (the refused header) to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let mut bhs = begin(opcode::REJECT, 0x80, data_bytes);
        bhs[2] = self.reason.code();
        put32(&mut bhs, 16, Itt::RESERVED.0);
        self.counters.emit(&mut bhs);
        put32(&mut bhs, 36, self.data_sn);
        bhs
    }
}
