//! A completion queue entry (base §3.3.3.2), little endian.

use crate::nvme::{Cid, Status};

/// Bytes of an entry.
pub const COMPLETION_BYTES: usize = 16;

/// How a command ended, as a host reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Dwords 0 (low) and 1.
    pub result: u64,
    /// SQHD: how far the controller has read the submission queue.
    pub sq_head: u16,
    /// SQID; fabrics controllers leave it zero.
    pub sq_id: u16,
    /// Which command.
    pub cid: Cid,
    /// How it ended.
    pub status: Status,
    /// The error log has more to say (M).
    pub more: bool,
}

impl Completion {
    /// Reads an entry.
    pub fn parse(bytes: &[u8; COMPLETION_BYTES]) -> Completion {
        let [r0, r1, r2, r3, r4, r5, r6, r7, h0, h1, q0, q1, c0, c1, s0, s1] = *bytes;
        let field = u16::from_le_bytes([s0, s1]);
        Completion {
            result: u64::from_le_bytes([r0, r1, r2, r3, r4, r5, r6, r7]),
            sq_head: u16::from_le_bytes([h0, h1]),
            sq_id: u16::from_le_bytes([q0, q1]),
            cid: Cid(u16::from_le_bytes([c0, c1])),
            status: Status::of_field(field),
            more: field & 0x4000 != 0,
        }
    }

    /// What the SUCCESS flag of the last C2HData PDU stands for (tcp §3.6.2.10): success without a result. The submission
    /// queue's head stays where it was.
    pub fn success(cid: Cid, sq_head: u16) -> Completion {
        Completion { result: 0, sq_head, sq_id: 0, cid, status: Status::SUCCESS, more: false }
    }

    /// Dword 0.
    pub fn dword(&self) -> u32 {
        self.result as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let bytes = [1, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 0x34, 0x12, 0x00, 0xc1];
        let read = Completion::parse(&bytes);
        assert_eq!((read.result, read.dword()), (2 << 32 | 1, 1));
        assert_eq!((read.sq_head, read.sq_id, read.cid), (7, 0, Cid(0x1234)));
        assert_eq!((read.status, read.more), (Status::LBA_OUT_OF_RANGE, true));
    }
}
