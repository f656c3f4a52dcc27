//! How a command ended (base §3.3.3.2.1).

/// Status code type and status code, and what a retry is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Status code type: 0 generic, 1 command specific, 2 media and data integrity, 3 path related.
    pub kind: u8,
    /// Status code.
    pub code: u8,
    /// Do not retry.
    pub final_: bool,
    /// Command retry delay: 0 none, 1 to 3 the times that Identify Controller tells (base §3.3.3.2.1, CRD).
    pub delay: u8,
}

const fn again(kind: u8, code: u8) -> Status {
    Status { kind, code, final_: false, delay: 0 }
}

const fn never(kind: u8, code: u8) -> Status {
    Status { kind, code, final_: true, delay: 0 }
}

#[allow(missing_docs)] // Their names are the standard's.
impl Status {
    pub const SUCCESS: Status = again(0, 0x00);
    pub const INVALID_OPCODE: Status = never(0, 0x01);
    pub const INVALID_FIELD: Status = never(0, 0x02);
    pub const CID_CONFLICT: Status = never(0, 0x03);
    pub const INTERNAL_ERROR: Status = again(0, 0x06);
    pub const ABORT_REQUESTED: Status = again(0, 0x07);
    pub const ABORTED_SQ_DELETION: Status = again(0, 0x08);
    pub const ABORTED_FAILED_FUSED: Status = again(0, 0x09);
    pub const ABORTED_MISSING_FUSED: Status = never(0, 0x0a);
    pub const INVALID_NAMESPACE: Status = never(0, 0x0b);
    pub const COMMAND_SEQUENCE_ERROR: Status = never(0, 0x0c);
    pub const SGL_LENGTH_INVALID: Status = never(0, 0x0f);
    pub const SGL_TYPE_INVALID: Status = never(0, 0x11);
    pub const ATOMIC_WRITE_UNIT_EXCEEDED: Status = never(0, 0x14);
    pub const SGL_OFFSET_INVALID: Status = never(0, 0x16);
    pub const HOST_ID_INCONSISTENT: Status = never(0, 0x18);
    pub const KEEP_ALIVE_TIMEOUT_INVALID: Status = never(0, 0x1a);
    pub const NAMESPACE_WRITE_PROTECTED: Status = never(0, 0x20);
    pub const COMMAND_INTERRUPTED: Status = Status { delay: 1, ..again(0, 0x21) };
    pub const TRANSIENT_TRANSPORT_ERROR: Status = again(0, 0x22);
    pub const LBA_OUT_OF_RANGE: Status = never(0, 0x80);
    pub const CAPACITY_EXCEEDED: Status = never(0, 0x81);
    pub const NAMESPACE_NOT_READY: Status = again(0, 0x82);

    pub const ABORT_LIMIT_EXCEEDED: Status = never(1, 0x03);
    pub const ASYNC_EVENT_LIMIT_EXCEEDED: Status = never(1, 0x05);
    pub const INVALID_LOG_PAGE: Status = never(1, 0x09);
    pub const FEATURE_NOT_SAVEABLE: Status = never(1, 0x0d);
    pub const FEATURE_NOT_CHANGEABLE: Status = never(1, 0x0e);
    pub const FEATURE_NOT_NAMESPACE_SPECIFIC: Status = never(1, 0x0f);
    /// NVM command set.
    pub const INVALID_PROTECTION_INFO: Status = never(1, 0x81);
    /// NVM command set.
    pub const COMMAND_SIZE_LIMIT_EXCEEDED: Status = never(1, 0x83);
    /// NVM command set.
    pub const OVERLAPPING_IO_RANGE: Status = never(1, 0x87);
    /// Fabrics.
    pub const CONNECT_INCOMPATIBLE_FORMAT: Status = never(1, 0x80);
    /// Fabrics.
    pub const CONNECT_CONTROLLER_BUSY: Status = again(1, 0x81);
    /// Fabrics.
    pub const CONNECT_INVALID_PARAMETERS: Status = never(1, 0x82);
    /// Fabrics.
    pub const CONNECT_INVALID_HOST: Status = never(1, 0x84);
    /// Fabrics: a command for queues of another kind.
    pub const INVALID_QUEUE_TYPE: Status = never(1, 0x85);
    /// Fabrics.
    pub const AUTHENTICATION_REQUIRED: Status = never(1, 0x91);

    pub const WRITE_FAULT: Status = again(2, 0x80);
    pub const UNRECOVERED_READ_ERROR: Status = never(2, 0x81);
    pub const COMPARE_FAILURE: Status = never(2, 0x85);

    pub const ANA_PERSISTENT_LOSS: Status = never(3, 0x01);
    pub const ANA_INACCESSIBLE: Status = again(3, 0x02);
    pub const ANA_TRANSITION: Status = again(3, 0x03);

    /// The status field as it stands in bits 31:16 of dword 3 of a completion queue entry, the phase tag (bit 0) being zero.
    /// `more`: the error log has more to say.
    pub fn field(self, more: bool) -> u16 {
        u16::from(self.code) << 1
            | u16::from(self.kind & 7) << 9
            | u16::from(self.delay & 3) << 12
            | u16::from(more) << 14
            | u16::from(self.final_) << 15
    }

    /// The status that [`Status::field`] wrote.
    pub fn of_field(field: u16) -> Status {
        Status {
            kind: (field >> 9) as u8 & 7,
            code: (field >> 1) as u8,
            final_: field & 0x8000 != 0,
            delay: (field >> 12) as u8 & 3,
        }
    }

    /// It says that all went well.
    pub fn is_success(self) -> bool {
        (self.kind, self.code) == (0, 0)
    }

    /// Not to be tried again.
    pub const fn dnr(self) -> Status {
        Status { final_: true, ..self }
    }
}

impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Status({}/{:02x}h", self.kind, self.code)?;
        if self.final_ {
            f.write_str(" DNR")?;
        }
        if self.delay != 0 {
            write!(f, " CRD {}", self.delay)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_as_it_was_written() {
        assert_eq!(Status::SUCCESS.field(false), 0);
        assert_eq!(Status::LBA_OUT_OF_RANGE.field(false), 0x8100);
        assert_eq!(Status::COMMAND_INTERRUPTED.field(true), 0x5042);
        for status in [Status::SUCCESS, Status::COMPARE_FAILURE, Status::ANA_TRANSITION, Status::COMMAND_INTERRUPTED] {
            assert_eq!(Status::of_field(status.field(false)), status);
        }
    }
}
