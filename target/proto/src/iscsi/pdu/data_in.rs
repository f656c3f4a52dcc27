//! SCSI Data-In (RFC 7143 §11.7).

use super::{Bhs, Counters, Itt, Residual, Ttt, begin, get, get32, opcode, put, put32};
use mainstay_base::sam::Lun;

/// The status of a command that rides on its last Data-In (the S bit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataInStatus {
    /// SCSI status; one without sense data.
    pub status: u8,
    /// Residual of the transfer.
    pub residual: Residual,
}

/// A SCSI Data-In header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataIn {
    /// F: the last of its sequence.
    pub last: bool,
    /// A: the initiator is asked to acknowledge; only with error recovery levels above 0.
    pub acknowledge: bool,
    /// S: the command's status. StatSN counts only then.
    pub status: Option<DataInStatus>,
    /// Which unit; reserved without A.
    pub lun: Lun,
    /// The command's tag.
    pub itt: Itt,
    /// Names the acknowledgement; reserved without A.
    pub ttt: Ttt,
    /// StatSN (with S), ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
    /// Its place among the command's Data-In and R2T PDUs, from 0.
    pub data_sn: u32,
    /// Where in the command's data it belongs, in bytes.
    pub offset: u32,
}

impl DataIn {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> DataIn {
        let status = (bhs[1] & 0x01 != 0)
            .then(|| DataInStatus { status: bhs[3], residual: Residual::parse(bhs[1], get32(bhs, 44)) });
        DataIn {
            last: bhs[1] & 0x80 != 0,
            acknowledge: bhs[1] & 0x40 != 0,
            status,
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            ttt: Ttt(get32(bhs, 20)),
            counters: Counters::parse(bhs),
            data_sn: get32(bhs, 36),
            offset: get32(bhs, 40),
        }
    }

    /// The header, with `data_bytes` to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let flags = u8::from(self.last) << 7 | u8::from(self.acknowledge) << 6;
        let mut bhs = begin(opcode::DATA_IN, flags, data_bytes);
        if let Some(DataInStatus { status, residual }) = self.status {
            let (flags, count) = residual.emit();
            bhs[1] |= 0x01 | flags;
            bhs[3] = status;
            put32(&mut bhs, 44, count);
        }
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.ttt.0);
        self.counters.emit(&mut bhs);
        put32(&mut bhs, 36, self.data_sn);
        put32(&mut bhs, 40, self.offset);
        bhs
    }
}
