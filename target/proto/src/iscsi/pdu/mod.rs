//! The PDUs of RFC 7143 §11, one file per kind, parsed and emitted in both directions.
//!
//! A struct here is the meaning of one 48-byte basic header segment. The lengths of what follows the header belong to
//! the stream, not to the meaning: they are read with [`ahs_bytes`] and [`data_bytes`] and given to `emit`. Parsing
//! ignores reserved bits and keeps unknown code points, so it cannot fail; whether a value is allowed is for the
//! connection to say. Emitting writes reserved bits as zero.

mod async_message;
mod data_in;
mod data_out;
mod login;
mod logout;
mod nop;
mod r2t;
mod reject;
mod scsi_command;
mod scsi_response;
mod serial;
mod snack;
mod tag;
mod task_management;
mod text;

pub use async_message::{AsyncEvent, AsyncMessage};
pub use data_in::{DataIn, DataInStatus};
pub use data_out::DataOut;
pub use login::{Isid, LoginRequest, LoginResponse, Stage};
pub use logout::{LogoutReason, LogoutRequest, LogoutResponse, LogoutResult};
pub use nop::{NopIn, NopOut};
pub use r2t::R2t;
pub use reject::{Reject, RejectReason};
pub use scsi_command::{Ahs, Attribute, BadAhs, ScsiCommand};
pub use scsi_response::{Residual, ScsiResponse, split_sense};
pub use serial::{CmdSn, Counters, StatSn};
pub use snack::{Snack, SnackType};
pub use tag::{Itt, Ttt};
pub use task_management::{TaskRequest, TaskResponse, TmfResponse, tmf_code, tmf_from_code};
pub use text::{TextRequest, TextResponse};

/// Length of a basic header segment in bytes (RFC 7143 §11.2.1).
pub const BHS_BYTES: usize = 48;
/// A basic header segment as it stands on the wire.
pub type Bhs = [u8; BHS_BYTES];

/// The most bytes all additional header segments of one PDU can have: 255 words (RFC 7143 §11.2.1.5).
pub const AHS_BYTES_MAX: usize = 255 * 4;

/// Opcodes (RFC 7143 §11.2.1.2).
#[allow(missing_docs)]
pub mod opcode {
    pub const NOP_OUT: u8 = 0x00;
    pub const SCSI_COMMAND: u8 = 0x01;
    pub const TASK_REQUEST: u8 = 0x02;
    pub const LOGIN_REQUEST: u8 = 0x03;
    pub const TEXT_REQUEST: u8 = 0x04;
    pub const DATA_OUT: u8 = 0x05;
    pub const LOGOUT_REQUEST: u8 = 0x06;
    pub const SNACK: u8 = 0x10;
    pub const NOP_IN: u8 = 0x20;
    pub const SCSI_RESPONSE: u8 = 0x21;
    pub const TASK_RESPONSE: u8 = 0x22;
    pub const LOGIN_RESPONSE: u8 = 0x23;
    pub const TEXT_RESPONSE: u8 = 0x24;
    pub const DATA_IN: u8 = 0x25;
    pub const LOGOUT_RESPONSE: u8 = 0x26;
    pub const R2T: u8 = 0x31;
    pub const ASYNC_MESSAGE: u8 = 0x32;
    pub const REJECT: u8 = 0x3f;
}

/// The opcode of a header, without the immediate bit.
pub fn opcode(bhs: &Bhs) -> u8 {
    bhs[0] & 0x3f
}

/// TotalAHSLength of a header, in bytes.
pub fn ahs_bytes(bhs: &Bhs) -> usize {
    usize::from(bhs[4]) * 4
}

/// DataSegmentLength of a header, in bytes, without padding.
pub fn data_bytes(bhs: &Bhs) -> usize {
    u32::from_be_bytes([0, bhs[5], bhs[6], bhs[7]]) as usize
}

/// The padding after a segment of `len` bytes: segments end on 4-byte words (RFC 7143 §11.2).
pub fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}

/// A PDU an initiator sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request {
    NopOut(NopOut),
    ScsiCommand(ScsiCommand),
    TaskRequest(TaskRequest),
    Login(LoginRequest),
    Text(TextRequest),
    DataOut(DataOut),
    Logout(LogoutRequest),
    Snack(Snack),
    Unknown(Bhs),
}

impl Request {
    /// What `bhs` means when an initiator sent it.
    pub fn parse(bhs: &Bhs) -> Request {
        match opcode(bhs) {
            opcode::NOP_OUT => Request::NopOut(NopOut::parse(bhs)),
            opcode::SCSI_COMMAND => Request::ScsiCommand(ScsiCommand::parse(bhs)),
            opcode::TASK_REQUEST => Request::TaskRequest(TaskRequest::parse(bhs)),
            opcode::LOGIN_REQUEST => Request::Login(LoginRequest::parse(bhs)),
            opcode::TEXT_REQUEST => Request::Text(TextRequest::parse(bhs)),
            opcode::DATA_OUT => Request::DataOut(DataOut::parse(bhs)),
            opcode::LOGOUT_REQUEST => Request::Logout(LogoutRequest::parse(bhs)),
            opcode::SNACK => Request::Snack(Snack::parse(bhs)),
            _ => Request::Unknown(*bhs),
        }
    }

    /// The header, with `ahs_bytes` and `data_bytes` to follow (0 where the kind has none).
    pub fn emit(&self, ahs_bytes: usize, data_bytes: usize) -> Bhs {
        match self {
            Request::NopOut(pdu) => pdu.emit(data_bytes),
            Request::ScsiCommand(pdu) => pdu.emit(ahs_bytes, data_bytes),
            Request::TaskRequest(pdu) => pdu.emit(),
            Request::Login(pdu) => pdu.emit(data_bytes),
            Request::Text(pdu) => pdu.emit(data_bytes),
            Request::DataOut(pdu) => pdu.emit(data_bytes),
            Request::Logout(pdu) => pdu.emit(),
            Request::Snack(pdu) => pdu.emit(),
            Request::Unknown(bhs) => *bhs,
        }
    }
}

/// A PDU a target sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Response {
    NopIn(NopIn),
    ScsiResponse(ScsiResponse),
    TaskResponse(TaskResponse),
    Login(LoginResponse),
    Text(TextResponse),
    DataIn(DataIn),
    Logout(LogoutResponse),
    R2t(R2t),
    AsyncMessage(AsyncMessage),
    Reject(Reject),
    Unknown(Bhs),
}

impl Response {
    /// What `bhs` means when a target sent it.
    pub fn parse(bhs: &Bhs) -> Response {
        match opcode(bhs) {
            opcode::NOP_IN => Response::NopIn(NopIn::parse(bhs)),
            opcode::SCSI_RESPONSE => Response::ScsiResponse(ScsiResponse::parse(bhs)),
            opcode::TASK_RESPONSE => Response::TaskResponse(TaskResponse::parse(bhs)),
            opcode::LOGIN_RESPONSE => Response::Login(LoginResponse::parse(bhs)),
            opcode::TEXT_RESPONSE => Response::Text(TextResponse::parse(bhs)),
            opcode::DATA_IN => Response::DataIn(DataIn::parse(bhs)),
            opcode::LOGOUT_RESPONSE => Response::Logout(LogoutResponse::parse(bhs)),
            opcode::R2T => Response::R2t(R2t::parse(bhs)),
            opcode::ASYNC_MESSAGE => Response::AsyncMessage(AsyncMessage::parse(bhs)),
            opcode::REJECT => Response::Reject(Reject::parse(bhs)),
            _ => Response::Unknown(*bhs),
        }
    }

    /// The header, with `data_bytes` to follow (0 where the kind has none).
    pub fn emit(&self, data_bytes: usize) -> Bhs {
        match self {
            Response::NopIn(pdu) => pdu.emit(data_bytes),
            Response::ScsiResponse(pdu) => pdu.emit(data_bytes),
            Response::TaskResponse(pdu) => pdu.emit(),
            Response::Login(pdu) => pdu.emit(data_bytes),
            Response::Text(pdu) => pdu.emit(data_bytes),
            Response::DataIn(pdu) => pdu.emit(data_bytes),
            Response::Logout(pdu) => pdu.emit(),
            Response::R2t(pdu) => pdu.emit(),
            Response::AsyncMessage(pdu) => pdu.emit(data_bytes),
            Response::Reject(pdu) => pdu.emit(data_bytes),
            Response::Unknown(bhs) => *bhs,
        }
    }
}

/// A header of `opcode` with its flags byte and data segment length; the rest zero.
fn begin(opcode: u8, flags: u8, data_bytes: usize) -> Bhs {
    let mut bhs = [0; BHS_BYTES];
    bhs[0] = opcode;
    bhs[1] = flags;
    bhs[5..8].copy_from_slice(&mainstay_base::wire::u24(data_bytes as u32));
    bhs
}

fn get<const N: usize>(bhs: &Bhs, at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&bhs[at..at + N]);
    bytes
}

fn get16(bhs: &Bhs, at: usize) -> u16 {
    u16::from_be_bytes(get(bhs, at))
}

fn get32(bhs: &Bhs, at: usize) -> u32 {
    u32::from_be_bytes(get(bhs, at))
}

fn put<const N: usize>(bhs: &mut Bhs, at: usize, bytes: [u8; N]) {
    bhs[at..at + N].copy_from_slice(&bytes);
}

fn put16(bhs: &mut Bhs, at: usize, value: u16) {
    put(bhs, at, value.to_be_bytes());
}

fn put32(bhs: &mut Bhs, at: usize, value: u32) {
    put(bhs, at, value.to_be_bytes());
}

#[cfg(test)]
mod tests;
