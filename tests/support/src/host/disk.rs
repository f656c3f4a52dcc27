//! Whole I/O commands on the first I/O queue, each waiting for its end. Places and lengths are in blocks, of `block` bytes.

use mainstay_proto::nvme::Status;

use super::{Connection, Controller, Data, Result, command};

impl Controller {
    fn queue(&mut self) -> &mut Connection {
        &mut self.io[0]
    }

    /// Read.
    pub fn read(&mut self, nsid: u32, lba: u64, blocks: u32, block: u32) -> Result<Vec<u8>> {
        self.queue().run(command::read(nsid, lba, blocks), Data::ToHost(blocks * block))?.good("Read")
    }

    /// Write.
    pub fn write(&mut self, nsid: u32, lba: u64, data: &[u8], block: u32) -> Result<()> {
        let entry = command::write(nsid, lba, data.len() as u32 / block, false);
        self.queue().run(entry, Data::ToController(data.to_vec()))?.good("Write").map(drop)
    }

    /// Flush.
    pub fn flush(&mut self, nsid: u32) -> Result<()> {
        self.queue().run(command::flush(nsid), Data::Nothing)?.good("Flush").map(drop)
    }

    /// Compare.
    pub fn compare(&mut self, nsid: u32, lba: u64, data: &[u8], block: u32) -> Result<()> {
        let entry = command::compare(nsid, lba, data.len() as u32 / block);
        self.queue().run(entry, Data::ToController(data.to_vec()))?.good("Compare").map(drop)
    }

    /// Fused Compare and Write; how each of them ended.
    pub fn compare_and_write(
        &mut self,
        nsid: u32,
        lba: u64,
        old: &[u8],
        new: &[u8],
        block: u32,
    ) -> Result<(Status, Status)> {
        let blocks = old.len() as u32 / block;
        let (first, second) =
            command::fuse(command::compare(nsid, lba, blocks), command::write(nsid, lba, blocks, false));
        let queue = self.queue();
        let first = queue.queue.submit(first, Data::ToController(old.to_vec()))?;
        let second = queue.start(second, Data::ToController(new.to_vec()))?;
        Ok((queue.wait(first)?.status(), queue.wait(second)?.status()))
    }

    /// Write Zeroes.
    pub fn write_zeroes(&mut self, nsid: u32, lba: u64, blocks: u32, deallocate: bool) -> Result<()> {
        let entry = command::write_zeroes(nsid, lba, blocks, deallocate);
        self.queue().run(entry, Data::Nothing)?.good("Write Zeroes").map(drop)
    }

    /// Dataset Management: deallocate.
    pub fn deallocate(&mut self, nsid: u32, ranges: &[(u64, u32)]) -> Result<()> {
        let (entry, data) = command::deallocate(nsid, ranges);
        self.queue().run(entry, Data::ToController(data))?.good("Dataset Management").map(drop)
    }

    /// Verify.
    pub fn verify(&mut self, nsid: u32, lba: u64, blocks: u32) -> Result<()> {
        self.queue().run(command::verify(nsid, lba, blocks), Data::Nothing)?.good("Verify").map(drop)
    }

    /// Write Uncorrectable.
    pub fn write_uncorrectable(&mut self, nsid: u32, lba: u64, blocks: u32) -> Result<()> {
        let entry = command::write_uncorrectable(nsid, lba, blocks);
        self.queue().run(entry, Data::Nothing)?.good("Write Uncorrectable").map(drop)
    }

    /// Copy by descriptors of this format.
    pub fn copy(&mut self, nsid: u32, to: u64, sources: &[(u64, u32)], format: u8) -> Result<()> {
        let (entry, data) = command::copy(nsid, to, sources, format);
        self.queue().run(entry, Data::ToController(data))?.good("Copy").map(drop)
    }
}
