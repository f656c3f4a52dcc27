//! A command descriptor block as bytes with names.

mod extent;

pub use extent::Extent;

/// The longest CDB the table knows.
pub const LEN_MAX: usize = 16;

/// The first [`LEN_MAX`] bytes of a CDB, zero-filled. No command of the table is longer, so the rest of an extended
/// CDB cannot matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cdb(pub [u8; LEN_MAX]);

impl Cdb {
    /// The CDB in `bytes`, whatever their number.
    pub fn new(bytes: &[u8]) -> Cdb {
        let mut cdb = [0; LEN_MAX];
        let len = bytes.len().min(LEN_MAX);
        cdb[..len].copy_from_slice(&bytes[..len]);
        Cdb(cdb)
    }

    /// Operation code.
    pub fn opcode(&self) -> u8 {
        self.0[0]
    }

    /// The service action where byte 1 has one (SPC-4 §4.2.5).
    pub fn action(&self) -> u16 {
        u16::from(self.0[1] & 0x1f)
    }

    /// Any of `bits` of `byte` is set.
    pub fn has(&self, byte: usize, bits: u8) -> bool {
        self.0[byte] & bits != 0
    }

    /// Big endian at `at`.
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    /// Big endian at `at`.
    pub fn u32(&self, at: usize) -> u32 {
        let [a, b, c, d, ..] = self.0[at..] else { return 0 };
        u32::from_be_bytes([a, b, c, d])
    }

    /// Big endian at `at`.
    pub fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) << 32 | u64::from(self.u32(at + 4))
    }

    /// Six bytes long (SPC-4 §4.2.2): byte 1 has no flags.
    fn is_short(&self) -> bool {
        self.opcode() >> 5 == 0
    }

    /// The three-bit protection field (RDPROTECT, WRPROTECT, VRPROTECT) of byte 1.
    pub fn protect(&self) -> u8 {
        if self.is_short() { 0 } else { self.0[1] >> 5 }
    }

    /// Force unit access.
    pub fn fua(&self) -> bool {
        !self.is_short() && self.has(1, 0x08)
    }

    /// The byte in which the transfer length begins, for field pointers.
    pub fn length_byte(&self) -> u16 {
        match self.opcode() >> 5 {
            0 => 4,
            1 | 2 => 7,
            5 => 6,
            _ => 10,
        }
    }
}
