//! A submission queue entry (base §3.3.3.1), little endian, and the data it describes.

use super::Status;

/// A command identifier: unique among those outstanding on its queue, chosen by the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid(pub u16);

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 64;

/// A submission queue entry as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry(pub [u8; ENTRY_BYTES]);

impl Default for Entry {
    fn default() -> Entry {
        Entry([0; ENTRY_BYTES])
    }
}

/// Bits 9:8 of command dword 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fuse {
    /// A command of its own.
    Alone,
    /// The first of a fused pair.
    First,
    /// The second of a fused pair.
    Second,
    /// Reserved.
    Reserved,
}

/// Which way the data of a command goes (bits 1:0 of its opcode, or of FCTYPE for a Fabrics command).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// No data.
    None,
    /// Host to controller.
    ToController,
    /// Controller to host.
    ToHost,
    /// Both: no command of ours.
    Both,
}

/// What SGL descriptor 1 says of a command's data (base §4.1.2; the forms NVMe/TCP allows: tcp §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sgl {
    /// `len` bytes in the capsule, `offset` bytes behind the entry (data block, offset subtype).
    InCapsule {
        /// From the end of the entry.
        offset: u64,
        /// Bytes.
        len: u32,
    },
    /// `len` bytes that the transport moves (transport data block).
    Transport {
        /// Bytes.
        len: u32,
    },
}

/// The opcode of all Fabrics commands.
pub const FABRICS: u8 = 0x7f;

impl Entry {
    /// OPC.
    pub fn opcode(&self) -> u8 {
        self.0[0]
    }

    /// FUSE.
    pub fn fuse(&self) -> Fuse {
        match self.0[1] & 3 {
            0 => Fuse::Alone,
            1 => Fuse::First,
            2 => Fuse::Second,
            _ => Fuse::Reserved,
        }
    }

    /// CID.
    pub fn cid(&self) -> Cid {
        Cid(u16::from_le_bytes([self.0[2], self.0[3]]))
    }

    /// NSID.
    pub fn nsid(&self) -> u32 {
        self.dword(1)
    }

    /// FCTYPE, of a Fabrics command.
    pub fn fctype(&self) -> u8 {
        self.0[4]
    }

    /// It is a Fabrics command.
    pub fn is_fabrics(&self) -> bool {
        self.opcode() == FABRICS
    }

    /// Which way its data goes.
    pub fn direction(&self) -> Direction {
        match if self.is_fabrics() { self.fctype() } else { self.opcode() } & 3 {
            0 => Direction::None,
            1 => Direction::ToController,
            2 => Direction::ToHost,
            _ => Direction::Both,
        }
    }

    /// Command dword `n`, 0 to 15.
    pub fn dword(&self, n: usize) -> u32 {
        u32::from_le_bytes([self.0[4 * n], self.0[4 * n + 1], self.0[4 * n + 2], self.0[4 * n + 3]])
    }

    /// Command dwords `n` and `n + 1`.
    pub fn qword(&self, n: usize) -> u64 {
        u64::from(self.dword(n)) | u64::from(self.dword(n + 1)) << 32
    }

    /// Set command dword `n`: for hosts and tests.
    pub fn set_dword(&mut self, n: usize, value: u32) {
        self.0[4 * n..4 * n + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Its data as SGL descriptor 1 describes it.
    ///
    /// # Errors
    /// The status for a form that the transport does not know (tcp §3.4, base §4.1.2).
    pub fn sgl(&self) -> Result<Sgl, Status> {
        // PSDT: PRPs are not for fabrics; 10b is for metadata in a segment of its own.
        if self.0[1] >> 6 != 1 {
            return Err(Status::INVALID_FIELD);
        }
        let mut address = [0; 8];
        address.copy_from_slice(&self.0[24..32]);
        let len = u32::from_le_bytes([self.0[32], self.0[33], self.0[34], self.0[35]]);
        match self.0[39] {
            0x01 => Ok(Sgl::InCapsule { offset: u64::from_le_bytes(address), len }),
            0x5a => Ok(Sgl::Transport { len }),
            _ => Err(Status::SGL_TYPE_INVALID),
        }
    }

    /// Set SGL descriptor 1: for hosts and tests.
    pub fn set_sgl(&mut self, sgl: Sgl) {
        let (offset, len, kind) = match sgl {
            Sgl::InCapsule { offset, len } => (offset, len, 0x01),
            Sgl::Transport { len } => (0, len, 0x5a),
        };
        self.0[1] = self.0[1] & 0x3f | 0x40;
        self.0[24..32].copy_from_slice(&offset.to_le_bytes());
        self.0[32..36].copy_from_slice(&len.to_le_bytes());
        self.0[36..39].fill(0);
        self.0[39] = kind;
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry(opcode {:#04x}, cid {}, nsid {:#x})", self.opcode(), self.cid().0, self.nsid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read() {
        let mut entry = Entry::default();
        assert_eq!(entry.sgl(), Err(Status::INVALID_FIELD), "a PRP");
        for sgl in [Sgl::InCapsule { offset: 8, len: 512 }, Sgl::Transport { len: 1 << 20 }] {
            entry.set_sgl(sgl);
            assert_eq!(entry.sgl(), Ok(sgl));
        }
        entry.0[39] = 0x40;
        assert_eq!(entry.sgl(), Err(Status::SGL_TYPE_INVALID), "a keyed SGL");
        entry.set_dword(10, 7);
        entry.set_dword(11, 1);
        assert_eq!(entry.qword(10), 1 << 32 | 7);
        entry.0[..2].copy_from_slice(&[FABRICS, 0x42]);
        entry.0[4] = 0x05;
        assert_eq!((entry.fuse(), entry.direction()), (Fuse::Second, Direction::ToController));
    }
}
