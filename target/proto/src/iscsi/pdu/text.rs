//! Text Request and Response (RFC 7143 §11.10, §11.11).

use super::{Bhs, CmdSn, Counters, Itt, StatSn, Ttt, begin, get, get32, opcode, put, put32};
use mainstay_base::sam::Lun;

/// A Text Request header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRequest {
    /// Delivered at once, outside the CmdSN order.
    pub immediate: bool,
    /// F: the initiator has nothing more to say.
    pub last: bool,
    /// C: the text goes on in the next request.
    pub more: bool,
    /// As in the response it answers.
    pub lun: Lun,
    /// Its tag, the same for a whole exchange.
    pub itt: Itt,
    /// As in the response it answers; reserved to begin anew.
    pub ttt: Ttt,
    /// Its place in the command order.
    pub cmd_sn: CmdSn,
    /// What the initiator has seen of our responses.
    pub exp_stat_sn: StatSn,
}

impl TextRequest {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> TextRequest {
        TextRequest {
            immediate: bhs[0] & 0x40 != 0,
            last: bhs[1] & 0x80 != 0,
            more: bhs[1] & 0x40 != 0,
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            ttt: Ttt(get32(bhs, 20)),
            cmd_sn: CmdSn(get32(bhs, 24)),
            exp_stat_sn: StatSn(get32(bhs, 28)),
        }
    }

    /// The header, with `data_bytes` of text to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let flags = u8::from(self.last) << 7 | u8::from(self.more) << 6;
        let mut bhs = begin(opcode::TEXT_REQUEST | u8::from(self.immediate) << 6, flags, data_bytes);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.ttt.0);
        put32(&mut bhs, 24, self.cmd_sn.0);
        put32(&mut bhs, 28, self.exp_stat_sn.0);
        bhs
    }
}

/// A Text Response header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextResponse {
    /// F: the exchange is over.
    pub last: bool,
    /// C: the text goes on in the next response.
    pub more: bool,
    /// Zero from us.
    pub lun: Lun,
    /// The request's tag.
    pub itt: Itt,
    /// To be given back in the next request; reserved when the exchange is over.
    pub ttt: Ttt,
    /// StatSN, ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
}

impl TextResponse {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> TextResponse {
        TextResponse {
            last: bhs[1] & 0x80 != 0,
            more: bhs[1] & 0x40 != 0,
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            ttt: Ttt(get32(bhs, 20)),
            counters: Counters::parse(bhs),
        }
    }

    /// The header, with `data_bytes` of text to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let mut bhs = begin(opcode::TEXT_RESPONSE, u8::from(self.last) << 7 | u8::from(self.more) << 6, data_bytes);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.ttt.0);
        self.counters.emit(&mut bhs);
        bhs
    }
}
