//! Task Management Function Request and Response (RFC 7143 §11.5, §11.6; functions 9..12: RFC 7144 §4).

use super::{Bhs, CmdSn, Counters, Itt, StatSn, begin, get, get32, opcode, put, put32};
use mainstay_base::sam::{Lun, Tmf};

const FUNCTIONS: [(u8, Tmf); 12] = [
    (1, Tmf::AbortTask),
    (2, Tmf::AbortTaskSet),
    (3, Tmf::ClearAca),
    (4, Tmf::ClearTaskSet),
    (5, Tmf::LogicalUnitReset),
    (6, Tmf::TargetWarmReset),
    (7, Tmf::TargetColdReset),
    (8, Tmf::TaskReassign),
    (9, Tmf::QueryTask),
    (10, Tmf::QueryTaskSet),
    (11, Tmf::ITNexusReset),
    (12, Tmf::QueryAsynchronousEvent),
];

/// The function with this code; none for a code nobody has given a meaning.
pub fn tmf_from_code(code: u8) -> Option<Tmf> {
    FUNCTIONS.iter().find(|(known, _)| *known == code).map(|&(_, tmf)| tmf)
}

/// The code of a function.
pub fn tmf_code(tmf: Tmf) -> u8 {
    FUNCTIONS.iter().find(|(_, known)| *known == tmf).map_or(0, |&(code, _)| code)
}

/// A Task Management Function Request header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRequest {
    /// Delivered at once, outside the CmdSN order.
    pub immediate: bool,
    /// The function's code (see [`tmf_from_code`]).
    pub function: u8,
    /// Which unit, for functions on one.
    pub lun: Lun,
    /// Its own tag.
    pub itt: Itt,
    /// The task to abort or reassign.
    pub referenced: Itt,
    /// Its place in the command order.
    pub cmd_sn: CmdSn,
    /// What the initiator has seen of our responses.
    pub exp_stat_sn: StatSn,
    /// CmdSN of the task to abort.
    pub ref_cmd_sn: CmdSn,
    /// Of a reassigned task.
    pub exp_data_sn: u32,
}

impl TaskRequest {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> TaskRequest {
        TaskRequest {
            immediate: bhs[0] & 0x40 != 0,
            function: bhs[1] & 0x7f,
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            referenced: Itt(get32(bhs, 20)),
            cmd_sn: CmdSn(get32(bhs, 24)),
            exp_stat_sn: StatSn(get32(bhs, 28)),
            ref_cmd_sn: CmdSn(get32(bhs, 32)),
            exp_data_sn: get32(bhs, 36),
        }
    }

    /// The header.
    pub fn emit(&self) -> Bhs {
        let mut bhs = begin(opcode::TASK_REQUEST | u8::from(self.immediate) << 6, 0x80 | self.function & 0x7f, 0);
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.referenced.0);
        put32(&mut bhs, 24, self.cmd_sn.0);
        put32(&mut bhs, 28, self.exp_stat_sn.0);
        put32(&mut bhs, 32, self.ref_cmd_sn.0);
        put32(&mut bhs, 36, self.exp_data_sn);
        bhs
    }
}

/// How a function ended (RFC 7143 §11.6.1; 7: RFC 7144 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TmfResponse {
    Complete,
    NoSuchTask,
    NoSuchUnit,
    TaskStillAllegiant,
    ReassignmentNotSupported,
    NotSupported,
    NotAuthorized,
    Succeeded,
    Rejected,
    Other(u8),
}

impl TmfResponse {
    /// The response with this code.
    pub fn from_code(code: u8) -> TmfResponse {
        match code {
            0 => TmfResponse::Complete,
            1 => TmfResponse::NoSuchTask,
            2 => TmfResponse::NoSuchUnit,
            3 => TmfResponse::TaskStillAllegiant,
            4 => TmfResponse::ReassignmentNotSupported,
            5 => TmfResponse::NotSupported,
            6 => TmfResponse::NotAuthorized,
            7 => TmfResponse::Succeeded,
            255 => TmfResponse::Rejected,
            other => TmfResponse::Other(other),
        }
    }

    /// The code on the wire.
    pub fn code(self) -> u8 {
        match self {
            TmfResponse::Complete => 0,
            TmfResponse::NoSuchTask => 1,
            TmfResponse::NoSuchUnit => 2,
            TmfResponse::TaskStillAllegiant => 3,
            TmfResponse::ReassignmentNotSupported => 4,
            TmfResponse::NotSupported => 5,
            TmfResponse::NotAuthorized => 6,
            TmfResponse::Succeeded => 7,
            TmfResponse::Rejected => 255,
            TmfResponse::Other(code) => code,
        }
    }
}

/// A Task Management Function Response header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskResponse {
    /// How it ended.
    pub response: TmfResponse,
    /// The request's tag.
    pub itt: Itt,
    /// StatSN, ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
}

impl TaskResponse {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> TaskResponse {
        TaskResponse {
            response: TmfResponse::from_code(bhs[2]),
            itt: Itt(get32(bhs, 16)),
            counters: Counters::parse(bhs),
        }
    }

    /// The header.
    pub fn emit(&self) -> Bhs {
        let mut bhs = begin(opcode::TASK_RESPONSE, 0x80, 0);
        bhs[2] = self.response.code();
        put32(&mut bhs, 16, self.itt.0);
        self.counters.emit(&mut bhs);
        bhs
    }
}
