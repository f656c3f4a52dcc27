//! NOP-Out and NOP-In (RFC 7143 §11.18, §11.19).

use super::{Bhs, CmdSn, Counters, Itt, StatSn, Ttt, begin, get, get32, opcode, put, put32};
use mainstay_base::sam::Lun;

/// A NOP-Out header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NopOut {
    /// Delivered at once, outside the CmdSN order.
    pub immediate: bool,
    /// As in the NOP-In it answers.
    pub lun: Lun,
    /// Names the ping; reserved when no answer is wanted.
    pub itt: Itt,
    /// As in the NOP-In it answers; else reserved.
    pub ttt: Ttt,
    /// Its place in the command order.
    pub cmd_sn: CmdSn,
    /// What the initiator has seen of our responses.
    pub exp_stat_sn: StatSn,
}

impl NopOut {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> NopOut {
        NopOut {
            immediate: bhs[0] & 0x40 != 0,
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            ttt: Ttt(get32(bhs, 20)),
            cmd_sn: CmdSn(get32(bhs, 24)),
            exp_stat_sn: StatSn(get32(bhs, 28)),
        }
    }

    /// The header, with `data_bytes` of ping data to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let mut bhs = begin(opcode::NOP_OUT | u8::from(self.immediate) << 6, 0x80, data_bytes);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.ttt.0);
        put32(&mut bhs, 24, self.cmd_sn.0);
        put32(&mut bhs, 28, self.exp_stat_sn.0);
        bhs
    }
}

/// A NOP-In header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NopIn {
    /// Which unit, for a ping of ours.
    pub lun: Lun,
    /// The NOP-Out's tag; reserved for a ping of ours.
    pub itt: Itt,
    /// Names a ping of ours; reserved when no answer is wanted.
    pub ttt: Ttt,
    /// StatSN (counted only in an answer), ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
}

impl NopIn {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> NopIn {
        NopIn {
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            ttt: Ttt(get32(bhs, 20)),
            counters: Counters::parse(bhs),
        }
    }

    /// The header, with `data_bytes` of ping data to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let mut bhs = begin(opcode::NOP_IN, 0x80, data_bytes);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.ttt.0);
        self.counters.emit(&mut bhs);
        bhs
    }
}
