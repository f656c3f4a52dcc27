//! Login Request and Response (RFC 7143 §11.12, §11.13).

use super::{Bhs, CmdSn, Counters, Itt, StatSn, begin, get, get16, get32, opcode, put, put16, put32};

/// The initiator's part of a session's name (RFC 7143 §11.12.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Isid(pub [u8; 6]);

impl std::fmt::Display for Isid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A stage of the login phase (RFC 7143 §11.12.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stage {
    #[default]
    SecurityNegotiation,
    OperationalNegotiation,
    /// Code 2, which nobody has given a meaning.
    Reserved,
    FullFeature,
}

impl Stage {
    fn parse(code: u8) -> Stage {
        match code & 3 {
            0 => Stage::SecurityNegotiation,
            1 => Stage::OperationalNegotiation,
            2 => Stage::Reserved,
            _ => Stage::FullFeature,
        }
    }

    fn code(self) -> u8 {
        match self {
            Stage::SecurityNegotiation => 0,
            Stage::OperationalNegotiation => 1,
            Stage::Reserved => 2,
            Stage::FullFeature => 3,
        }
    }
}

/// A Login Request header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// T: the initiator is ready to go on to `next`.
    pub transit: bool,
    /// C: the text goes on in the next request.
    pub more: bool,
    /// CSG: the stage this request belongs to.
    pub current: Stage,
    /// NSG: the stage wanted next; meaningful with T.
    pub next: Stage,
    /// Highest version the initiator speaks.
    pub version_max: u8,
    /// Lowest version the initiator speaks.
    pub version_min: u8,
    /// The initiator's part of the session's name.
    pub isid: Isid,
    /// Our part; zero for a new session.
    pub tsih: u16,
    /// Its tag, the same for the whole login.
    pub itt: Itt,
    /// Names the connection within its session.
    pub cid: u16,
    /// The first CmdSN of a new session.
    pub cmd_sn: CmdSn,
    /// What the initiator has seen of our responses.
    pub exp_stat_sn: StatSn,
}

impl LoginRequest {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> LoginRequest {
        LoginRequest {
            transit: bhs[1] & 0x80 != 0,
            more: bhs[1] & 0x40 != 0,
            current: Stage::parse(bhs[1] >> 2),
            next: Stage::parse(bhs[1]),
            version_max: bhs[2],
            version_min: bhs[3],
            isid: Isid(get(bhs, 8)),
            tsih: get16(bhs, 14),
            itt: Itt(get32(bhs, 16)),
            cid: get16(bhs, 20),
            cmd_sn: CmdSn(get32(bhs, 24)),
            exp_stat_sn: StatSn(get32(bhs, 28)),
        }
    }

    /// The header, with `data_bytes` of text to follow. A login request is always immediate.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let flags = flags(self.transit, self.more, self.current, self.next);
        let mut bhs = begin(opcode::LOGIN_REQUEST | 0x40, flags, data_bytes);
        bhs[2] = self.version_max;
        bhs[3] = self.version_min;
        put(&mut bhs, 8, self.isid.0);
        put16(&mut bhs, 14, self.tsih);
        put32(&mut bhs, 16, self.itt.0);
        put16(&mut bhs, 20, self.cid);
        put32(&mut bhs, 24, self.cmd_sn.0);
        put32(&mut bhs, 28, self.exp_stat_sn.0);
        bhs
    }
}

/// A Login Response header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginResponse {
    /// T: we go on to `next`.
    pub transit: bool,
    /// C: the text goes on in the next response.
    pub more: bool,
    /// CSG: the stage this response belongs to.
    pub current: Stage,
    /// NSG: the stage entered; meaningful with T.
    pub next: Stage,
    /// Highest version we speak.
    pub version_max: u8,
    /// The version in use.
    pub version_active: u8,
    /// As in the request.
    pub isid: Isid,
    /// Our part of the session's name; in the last response the new session's.
    pub tsih: u16,
    /// The request's tag.
    pub itt: Itt,
    /// StatSN, ExpCmdSN, MaxCmdSN.
    pub counters: Counters,
    /// Status-Class and Status-Detail (RFC 7143 §11.13.5).
    pub status: (u8, u8),
}

impl LoginResponse {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> LoginResponse {
        LoginResponse {
            transit: bhs[1] & 0x80 != 0,
            more: bhs[1] & 0x40 != 0,
            current: Stage::parse(bhs[1] >> 2),
            next: Stage::parse(bhs[1]),
            version_max: bhs[2],
            version_active: bhs[3],
            isid: Isid(get(bhs, 8)),
            tsih: get16(bhs, 14),
            itt: Itt(get32(bhs, 16)),
            counters: Counters::parse(bhs),
            status: (bhs[36], bhs[37]),
        }
    }

    /// The header, with `data_bytes` of text to follow.
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        let flags = flags(self.transit, self.more, self.current, self.next);
        let mut bhs = begin(opcode::LOGIN_RESPONSE, flags, data_bytes);
        bhs[2] = self.version_max;
        bhs[3] = self.version_active;
        put(&mut bhs, 8, self.isid.0);
        put16(&mut bhs, 14, self.tsih);
        put32(&mut bhs, 16, self.itt.0);
        self.counters.emit(&mut bhs);
        bhs[36] = self.status.0;
        bhs[37] = self.status.1;
        bhs
    }
}

fn flags(transit: bool, more: bool, current: Stage, next: Stage) -> u8 {
    u8::from(transit) << 7 | u8::from(more) << 6 | current.code() << 2 | next.code()
}
