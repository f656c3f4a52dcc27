//! Asynchronous Message (RFC 7143 §11.9).

use super::{Bhs, Counters, Itt, begin, get, get16, opcode, put, put16, put32};
use mainstay_base::sam::Lun;

/// What happened (RFC 7143 §11.9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AsyncEvent {
    /// Sense data follows.
    Scsi,
    /// Please log out; parameter 3: within so many seconds.
    LogoutRequest,
    /// This connection is about to be dropped; parameter 1: CID.
    ConnectionDropped,
    /// The whole session is about to be dropped.
    SessionDropped,
    /// Please negotiate parameters again; parameter 3: within so many seconds.
    Renegotiate,
    Vendor,
    Other(u8),
}

impl AsyncEvent {
    fn parse(code: u8) -> AsyncEvent {
        match code {
            0 => AsyncEvent::Scsi,
            1 => AsyncEvent::LogoutRequest,
            2 => AsyncEvent::ConnectionDropped,
            3 => AsyncEvent::SessionDropped,
            4 => AsyncEvent::Renegotiate,
            255 => AsyncEvent::Vendor,
            other => AsyncEvent::Other(other),
        }
    }

    fn code(self) -> u8 {
        match self {
            AsyncEvent::Scsi => 0,
            AsyncEvent::LogoutRequest => 1,
            AsyncEvent::ConnectionDropped => 2,
            AsyncEvent::SessionDropped => 3,
            AsyncEvent::Renegotiate => 4,
            AsyncEvent::Vendor => 255,
            AsyncEvent::Other(code) => code,
        }
    }
}

/// An Asynchronous Message header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncMessage {
    /// Which unit, for a SCSI event.
    pub lun: Lun,
    /// StatSN, ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
    /// What happened.
    pub event: AsyncEvent,
    /// Vendor code.
    pub vendor_code: u8,
    /// Parameters 1 to 3; seconds of Time2Wait and Time2Retain are 2 and 3 where a drop is announced.
    pub parameters: [u16; 3],
}

impl AsyncMessage {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> AsyncMessage {
        AsyncMessage {
            lun: Lun(get(bhs, 8)),
            counters: Counters::parse(bhs),
            event: AsyncEvent::parse(bhs[36]),
            vendor_code: bhs[37],
            parameters: [get16(bhs, 38), get16(bhs, 40), get16(bhs, 42)],
        }
    }

    /// The header, with `data_bytes` (sense and event data) to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let mut bhs = begin(opcode::ASYNC_MESSAGE, 0x80, data_bytes);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, Itt::RESERVED.0);
        self.counters.emit(&mut bhs);
        bhs[36] = self.event.code();
        bhs[37] = self.vendor_code;
        let [first, second, third] = self.parameters;
        put16(&mut bhs, 38, first);
        put16(&mut bhs, 40, second);
        put16(&mut bhs, 42, third);
        bhs
    }
}
