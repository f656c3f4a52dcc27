//! SCSI Command (RFC 7143 §11.3) and the additional header segments it may bring (§11.2.2).

use super::{Bhs, CmdSn, Itt, StatSn, begin, get, get32, opcode, put, put32};
use mainstay_base::sam::{Lun, TaskAttribute};
use mainstay_base::wire::Reader;

/// Task attribute codes (RFC 7143 §11.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Attribute {
    Untagged,
    Simple,
    Ordered,
    HeadOfQueue,
    Aca,
    Reserved(u8),
}

impl Attribute {
    fn parse(code: u8) -> Attribute {
        match code {
            0 => Attribute::Untagged,
            1 => Attribute::Simple,
            2 => Attribute::Ordered,
            3 => Attribute::HeadOfQueue,
            4 => Attribute::Aca,
            other => Attribute::Reserved(other),
        }
    }

    fn code(self) -> u8 {
        match self {
            Attribute::Untagged => 0,
            Attribute::Simple => 1,
            Attribute::Ordered => 2,
            Attribute::HeadOfQueue => 3,
            Attribute::Aca => 4,
            Attribute::Reserved(code) => code & 7,
        }
    }

    /// The attribute in SAM words; none for a reserved code. An untagged task is a simple one (SAM-5 §8.6.1).
    pub fn sam(self) -> Option<TaskAttribute> {
        match self {
            Attribute::Untagged | Attribute::Simple => Some(TaskAttribute::Simple),
            Attribute::Ordered => Some(TaskAttribute::Ordered),
            Attribute::HeadOfQueue => Some(TaskAttribute::HeadOfQueue),
            Attribute::Aca => Some(TaskAttribute::Aca),
            Attribute::Reserved(_) => None,
        }
    }
}

/// A SCSI Command header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiCommand {
    /// Delivered at once, outside the CmdSN order.
    pub immediate: bool,
    /// F: no unsolicited Data-Out follows.
    pub last: bool,
    /// R: the initiator expects data in.
    pub read: bool,
    /// W: the initiator expects to send data out.
    pub write: bool,
    /// How it is ordered in its task set.
    pub attribute: Attribute,
    /// Which unit.
    pub lun: Lun,
    /// Its tag.
    pub itt: Itt,
    /// Expected data transfer length in bytes: of the write for a bidirectional command.
    pub expected: u32,
    /// Its place in the command order.
    pub cmd_sn: CmdSn,
    /// What the initiator has seen of our responses.
    pub exp_stat_sn: StatSn,
    /// The first 16 bytes of the CDB.
    pub cdb: [u8; 16],
}

impl ScsiCommand {
    /// The meaning of `bhs`.
    pub fn parse(bhs: &Bhs) -> ScsiCommand {
        ScsiCommand {
            immediate: bhs[0] & 0x40 != 0,
            last: bhs[1] & 0x80 != 0,
            read: bhs[1] & 0x40 != 0,
            write: bhs[1] & 0x20 != 0,
            attribute: Attribute::parse(bhs[1] & 7),
            lun: Lun(get(bhs, 8)),
            itt: Itt(get32(bhs, 16)),
            expected: get32(bhs, 20),
            cmd_sn: CmdSn(get32(bhs, 24)),
            exp_stat_sn: StatSn(get32(bhs, 28)),
            cdb: get(bhs, 32),
        }
    }

    /// The header, with `ahs_bytes` (a multiple of 4) and `data_bytes` to follow.
    pub fn emit(&self, ahs_bytes: usize, data_bytes: usize) -> Bhs {
        let flags =
            u8::from(self.last) << 7 | u8::from(self.read) << 6 | u8::from(self.write) << 5 | self.attribute.code();
        let mut bhs = begin(opcode::SCSI_COMMAND | u8::from(self.immediate) << 6, flags, data_bytes);
        bhs[4] = (ahs_bytes / 4) as u8;
        put(&mut bhs, 8, self.lun.0);
        put32(&mut bhs, 16, self.itt.0);
        put32(&mut bhs, 20, self.expected);
        put32(&mut bhs, 24, self.cmd_sn.0);
        put32(&mut bhs, 28, self.exp_stat_sn.0);
        put(&mut bhs, 32, self.cdb);
        bhs
    }
}

const EXTENDED_CDB: u8 = 1;
const BIDIRECTIONAL: u8 = 2;

/// What the additional header segments of a SCSI Command say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahs {
    /// CDB bytes beyond the sixteenth; empty when there are none.
    pub extended_cdb: Vec<u8>,
    /// Expected length of the read half of a bidirectional command, in bytes.
    pub bidirectional_read: Option<u32>,
}

/// Additional header segments that do not add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum BadAhs {
    #[error("a segment runs beyond TotalAHSLength")]
    Length,
    #[error("segment type {0} is not known")]
    Type(u8),
    #[error("segment type {0} came twice")]
    Twice(u8),
}

impl Ahs {
    /// The segments in `bytes`, which is all that TotalAHSLength covers.
    pub fn parse(bytes: &[u8]) -> Result<Ahs, BadAhs> {
        let mut ahs = Ahs::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let short = |_| BadAhs::Length;
            // AHSLength counts what follows the type byte, without padding.
            let len = usize::from(reader.u16().map_err(short)?);
            let kind = reader.u8().map_err(short)?;
            let body = reader.bytes(len).map_err(short)?;
            reader.bytes(super::padding(3 + len)).map_err(short)?;
            let (_reserved, body) = body.split_first().ok_or(BadAhs::Length)?;
            match kind {
                EXTENDED_CDB if !ahs.extended_cdb.is_empty() => return Err(BadAhs::Twice(kind)),
                BIDIRECTIONAL if ahs.bidirectional_read.is_some() => return Err(BadAhs::Twice(kind)),
                EXTENDED_CDB => ahs.extended_cdb = body.to_vec(),
                BIDIRECTIONAL => {
                    let mut body = Reader::new(body);
                    ahs.bidirectional_read = Some(body.u32().map_err(short)?);
                }
                other => return Err(BadAhs::Type(other)),
            }
        }
        Ok(ahs)
    }

    /// The segments' bytes, padded.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut segment = |kind: u8, body: &[u8]| {
            out.extend((body.len() as u16 + 1).to_be_bytes());
            out.extend([kind, 0]);
            out.extend(body);
            out.resize(out.len() + super::padding(body.len()), 0);
        };
        if !self.extended_cdb.is_empty() {
            segment(EXTENDED_CDB, &self.extended_cdb);
        }
        if let Some(bytes) = self.bidirectional_read {
            segment(BIDIRECTIONAL, &bytes.to_be_bytes());
        }
        out
    }
}
