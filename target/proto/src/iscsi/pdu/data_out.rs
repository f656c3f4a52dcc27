//! SCSI Data-Out (RFC 7143 §11.7).

use super::{Bhs, Itt, StatSn, Ttt, begin, get, get32, opcode, put, put32};
use mainstay_base::sam::Lun;

/// A SCSI Data-Out header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataOut {
    /// F: the last of its sequence.
    pub last: bool,
    /// Which unit, when it answers an R2T.
    pub lun: Lun,
    /// The command's tag.
    pub itt: Itt,
    /// The R2T's tag; reserved for unsolicited data.
    pub ttt: Ttt,
    /// What the initiator has seen of our responses.
    pub exp_stat_sn: StatSn,
    /// Its place in its sequence, from 0.
    pub data_sn: u32,
    /// Where in the command's data it belongs, in bytes.
    pub offset: u32,
}

impl DataOut {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> DataOut {
        DataOut {
            last: bhs[1] & 0x80 != 0,
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            ttt: Ttt(get32(bhs, 20)),
            exp_stat_sn: StatSn(get32(bhs, 28)),
            data_sn: get32(bhs, 36),
            offset: get32(bhs, 40),
        }
    }

    /// The header, with `data_bytes` to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let mut bhs = begin(opcode::DATA_OUT, u8::from(self.last) << 7, data_bytes);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.ttt.0);
        put32(&mut bhs, 28, self.exp_stat_sn.0);
        put32(&mut bhs, 36, self.data_sn);
        put32(&mut bhs, 40, self.offset);
        bhs
    }
}
