//! The blocks a command names.

use super::Cdb;
use crate::scsi::sense::Sense;
use mainstay_base::unit::Geometry;

/// Logical blocks `lba .. lba + blocks`, as a CDB wrote them: not checked against any medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First block.
    pub lba: u64,
    /// How many.
    pub blocks: u64,
}

impl Extent {
    /// The extent of a command whose LBA and length stand where its size puts them (SPC-4 §4.2.2).
    pub fn of(cdb: &Cdb) -> Extent {
        let (lba, blocks) = match cdb.opcode() >> 5 {
            // Six bytes: 21 bits, and a length of 0 means 256 (SBC-3 §5.10).
            0 => {
                let count = u64::from(cdb.0[4]);
                (u64::from(cdb.u32(0) & 0x1f_ffff), if count == 0 { 256 } else { count })
            }
            1 | 2 => (u64::from(cdb.u32(2)), u64::from(cdb.u16(7))),
            5 => (u64::from(cdb.u32(2)), u64::from(cdb.u32(6))),
            _ => (cdb.u64(2), u64::from(cdb.u32(10))),
        };
        Extent { lba, blocks }
    }

    /// The same, if it lies on the medium. An empty extent may begin right behind the last block, no further.
    pub fn on(self, geometry: &Geometry) -> Result<Extent, Sense> {
        match self.lba.checked_add(self.blocks) {
            Some(end) if end <= geometry.blocks => Ok(self),
            _ => Err(Sense::LBA_OUT_OF_RANGE),
        }
    }

    /// First byte on the medium. Only for an extent that lies [`on`](Extent::on) it.
    pub fn start(&self, block_bytes: u32) -> u64 {
        self.lba * u64::from(block_bytes)
    }

    /// Bytes. Only for an extent that lies [`on`](Extent::on) the medium.
    pub fn bytes(&self, block_bytes: u32) -> u64 {
        self.blocks * u64::from(block_bytes)
    }
}
