//! Ready To Transfer (RFC 7143 §11.8).

use super::{Bhs, Counters, Itt, Ttt, begin, get, get32, opcode, put, put32};
use mainstay_base::sam::Lun;

/// A Ready To Transfer header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct R2t {
    /// Which unit.
    pub lun: Lun,
    /// The command's tag.
    pub itt: Itt,
    /// Names this request; the data comes back with it.
    pub ttt: Ttt,
    /// The next StatSN (not counted), ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
    /// Its place among the command's R2Ts, from 0.
    pub r2t_sn: u32,
    /// First byte wanted.
    pub offset: u32,
    /// Bytes wanted; never 0.
    pub desired: u32,
}

impl R2t {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> R2t {
        R2t {
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            ttt: Ttt(get32(bhs, 20)),
            counters: Counters::parse(bhs),
            r2t_sn: get32(bhs, 36),
            offset: get32(bhs, 40),
            desired: get32(bhs, 44),
        }
    }

    /// The header.
    pub fn emit(&self) -> Bhs {
        let mut bhs = begin(opcode::R2T, 0x80, 0);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.ttt.0);
        self.counters.emit(&mut bhs);
        put32(&mut bhs, 36, self.r2t_sn);
        put32(&mut bhs, 40, self.offset);
        put32(&mut bhs, 44, self.desired);
        bhs
    }
}
