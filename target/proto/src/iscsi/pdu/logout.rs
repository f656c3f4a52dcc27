//! Logout Request and Response (RFC 7143 §11.14, §11.15).

use super::{Bhs, CmdSn, Counters, Itt, StatSn, begin, get16, get32, opcode, put16, put32};

/// Why the initiator leaves (RFC 7143 §11.14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogoutReason {
    CloseSession,
    CloseConnection,
    RemoveForRecovery,
    Other(u8),
}

/// A Logout Request header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRequest {
    /// Delivered at once, outside the CmdSN order.
    pub immediate: bool,
    /// Why.
    pub reason: LogoutReason,
    /// Its tag.
    pub itt: Itt,
    /// Which connection to close; not meaningful when the session is closed.
    pub cid: u16,
    /// Its place in the command order.
    pub cmd_sn: CmdSn,
    /// What the initiator has seen of our responses.
    pub exp_stat_sn: StatSn,
}

impl LogoutRequest {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> LogoutRequest {
        LogoutRequest {
            immediate: bhs[0] & 0x40 != 0,
            reason: match bhs[1] & 0x7f {
                0 => LogoutReason::CloseSession,
                1 => LogoutReason::CloseConnection,
                2 => LogoutReason::RemoveForRecovery,
                other => LogoutReason::Other(other),
            },
            itt: Itt(get32(bhs, 16)),
            cid: get16(bhs, 20),
            cmd_sn: CmdSn(get32(bhs, 24)),
            exp_stat_sn: StatSn(get32(bhs, 28)),
        }
    }

    /// The header.
    pub fn emit(&self) -> Bhs {
        let reason = match self.reason {
            LogoutReason::CloseSession => 0,
            LogoutReason::CloseConnection => 1,
            LogoutReason::RemoveForRecovery => 2,
            LogoutReason::Other(code) => code & 0x7f,
        };
        let mut bhs = begin(opcode::LOGOUT_REQUEST | u8::from(self.immediate) << 6, 0x80 | reason, 0);
        put32(&mut bhs, 16, self.itt.0);
        put16(&mut bhs, 20, self.cid);
        put32(&mut bhs, 24, self.cmd_sn.0);
        put32(&mut bhs, 28, self.exp_stat_sn.0);
        bhs
    }
}

/// How a logout ended (RFC 7143 §11.15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogoutResult {
    Closed,
    NoSuchConnection,
    RecoveryNotSupported,
    CleanupFailed,
    Other(u8),
}

/// A Logout Response header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutResponse {
    /// How it ended.
    pub result: LogoutResult,
    /// The request's tag.
    pub itt: Itt,
    /// StatSN, ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
    /// Seconds to wait before coming back.
    pub time_to_wait: u16,
    /// Seconds tasks are kept for reassignment after that.
    pub time_to_retain: u16,
}

impl LogoutResponse {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> LogoutResponse {
        LogoutResponse {
            result: match bhs[2] {
                0 => LogoutResult::Closed,
                1 => LogoutResult::NoSuchConnection,
                2 => LogoutResult::RecoveryNotSupported,
                3 => LogoutResult::CleanupFailed,
                other => LogoutResult::Other(other),
            },
            itt: Itt(get32(bhs, 16)),
            counters: Counters::parse(bhs),
            time_to_wait: get16(bhs, 40),
            time_to_retain: get16(bhs, 42),
        }
    }

    /// The header.
    pub fn emit(&self) -> Bhs {
        let mut bhs = begin(opcode::LOGOUT_RESPONSE, 0x80, 0);
        bhs[2] = match self.result {
            LogoutResult::Closed => 0,
            LogoutResult::NoSuchConnection => 1,
            LogoutResult::RecoveryNotSupported => 2,
            LogoutResult::CleanupFailed => 3,
            LogoutResult::Other(code) => code,
        };
        put32(&mut bhs, 16, self.itt.0);
        self.counters.emit(&mut bhs);
        put16(&mut bhs, 40, self.time_to_wait);
        put16(&mut bhs, 42, self.time_to_retain);
        bhs
    }
}
