//! Whole commands of a disk, each waiting for its end.

use super::task::{Command, Outcome};
use super::{Error, Result, Session, cdb};

/// What READ CAPACITY(16) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Logical blocks.
    pub blocks: u64,
    /// Bytes of a logical block.
    pub block_bytes: u32,
    /// Logical blocks per physical block, as an exponent of two.
    pub physical_exponent: u8,
    /// LBPME: the unit is thin.
    pub thin: bool,
}

impl Session {
    /// TEST UNIT READY until there is no unit attention left; gives what was waiting, oldest first.
    pub fn clear_attentions(&mut self, lun: u8) -> Result<Vec<(u8, u8)>> {
        let mut seen = Vec::new();
        for _ in 0..16 {
            let outcome = self.run(&Command::new(lun, &cdb::test_unit_ready()))?;
            match (outcome.status, outcome.sense()) {
                (0, _) => return Ok(seen),
                (2, Some((6, asc, ascq))) => seen.push((asc, ascq)),
                _ => return Err(Error::Odd(format!("TEST UNIT READY: {outcome:?}"))),
            }
        }
        Err(Error::Odd(format!("unit attentions without end: {seen:02x?}")))
    }

    /// TEST UNIT READY.
    pub fn test_unit_ready(&mut self, lun: u8) -> Result<Outcome> {
        self.run(&Command::new(lun, &cdb::test_unit_ready()))
    }

    /// INQUIRY data, of a vital product data page if one is given.
    pub fn inquiry(&mut self, lun: u8, page: Option<u8>) -> Result<Vec<u8>> {
        self.run(&Command::new(lun, &cdb::inquiry(page, 1024)).reads(1024))?.good()
    }

    /// The unit serial number of page 80h.
    pub fn serial(&mut self, lun: u8) -> Result<String> {
        let page = self.inquiry(lun, Some(0x80))?;
        Ok(String::from_utf8_lossy(page.get(4..).unwrap_or_default()).trim().to_owned())
    }

    /// The LUNs of REPORT LUNS, as they stand on the wire.
    pub fn report_luns(&mut self, lun: u8) -> Result<Vec<[u8; 8]>> {
        let data = self.run(&Command::new(lun, &cdb::report_luns(4096)).reads(4096))?.good()?;
        let (head, list) = data.split_first_chunk::<8>().ok_or_else(|| Error::Odd(format!("{data:02x?}")))?;
        if u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize != list.len() {
            return Err(Error::Odd(format!("LUN list length: {data:02x?}")));
        }
        Ok(list.as_chunks::<8>().0.to_vec())
    }

    /// READ CAPACITY(16).
    pub fn capacity(&mut self, lun: u8) -> Result<Capacity> {
        let data = self.run(&Command::new(lun, &cdb::read_capacity16()).reads(32))?.good()?;
        let Some(d) = data.first_chunk::<16>() else { return Err(Error::Odd(format!("short: {data:02x?}"))) };
        let last = u64::from_be_bytes([d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]);
        Ok(Capacity {
            blocks: last + 1,
            block_bytes: u32::from_be_bytes([d[8], d[9], d[10], d[11]]),
            physical_exponent: d[13] & 0x0f,
            thin: d[14] & 0x80 != 0,
        })
    }

    /// READ(10) of `blocks` blocks of `block_bytes` bytes.
    pub fn read10(&mut self, lun: u8, lba: u32, blocks: u16, block_bytes: u32) -> Result<Outcome> {
        self.run(&Command::new(lun, &cdb::read10(lba, blocks)).reads(u32::from(blocks) * block_bytes))
    }

    /// READ(16).
    pub fn read16(&mut self, lun: u8, lba: u64, blocks: u32, block_bytes: u32) -> Result<Outcome> {
        self.run(&Command::new(lun, &cdb::read16(lba, blocks)).reads(blocks * block_bytes))
    }

    /// WRITE(10) of all of `data`.
    pub fn write10(&mut self, lun: u8, lba: u32, data: &[u8], block_bytes: u32) -> Result<Outcome> {
        let blocks = u16::try_from(data.len() / block_bytes as usize).expect("fits a WRITE(10)");
        self.run(&Command::new(lun, &cdb::write10(lba, blocks, false)).writes(data))
    }

    /// WRITE(16) of all of `data`.
    pub fn write16(&mut self, lun: u8, lba: u64, data: &[u8], block_bytes: u32) -> Result<Outcome> {
        let blocks = u32::try_from(data.len() / block_bytes as usize).expect("fits a WRITE(16)");
        self.run(&Command::new(lun, &cdb::write16(lba, blocks)).writes(data))
    }

    /// SYNCHRONIZE CACHE(10).
    pub fn synchronize_cache(&mut self, lun: u8) -> Result<Outcome> {
        self.run(&Command::new(lun, &cdb::synchronize_cache10()))
    }
}
