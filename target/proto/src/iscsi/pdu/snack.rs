//! SNACK Request (RFC 7143 §11.16).

use super::{Bhs, Itt, StatSn, Ttt, begin, get, get32, opcode, put, put32};
use mainstay_base::sam::Lun;

/// What is asked for or acknowledged (RFC 7143 §11.16.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SnackType {
    DataOrR2t,
    Status,
    DataAck,
    RData,
    Other(u8),
}

/// A SNACK Request header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snack {
    /// What is asked for.
    pub kind: SnackType,
    /// As in the Data-In that is acknowledged.
    pub lun: Lun,
    /// The command's tag, or reserved.
    pub itt: Itt,
    /// As in the Data-In that is acknowledged, or the SNACK tag.
    pub ttt: Ttt,
    /// What the initiator has seen of our responses.
    pub exp_stat_sn: StatSn,
    /// First number asked for.
    pub first: u32,
    /// How many; 0: all.
    pub count: u32,
}

impl Snack {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> Snack {
        Snack {
            kind: match bhs[1] & 0x0f {
                0 => SnackType::DataOrR2t,
                1 => SnackType::Status,
                2 => SnackType::DataAck,
                3 => SnackType::RData,
                other => SnackType::Other(other),
            },
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            ttt: Ttt(get32(bhs, 20)),
            exp_stat_sn: StatSn(get32(bhs, 28)),
            first: get32(bhs, 40),
            count: get32(bhs, 44),
        }
    }

    /// The header.
    pub fn emit(&self) -> Bhs {
        let kind = match self.kind {
            SnackType::DataOrR2t => 0,
            SnackType::Status => 1,
            SnackType::DataAck => 2,
            SnackType::RData => 3,
            SnackType::Other(code) => code & 0x0f,
        };
        let mut bhs = begin(opcode::SNACK, 0x80 | kind, 0);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.ttt.0);
        put32(&mut bhs, 28, self.exp_stat_sn.0);
        put32(&mut bhs, 40, self.first);
        put32(&mut bhs, 44, self.count);
        bhs
    }
}
