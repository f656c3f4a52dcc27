//! What a Get Log Page command asks for (base §5.16, figures 197 to 201).

use crate::nvme::identify::NAMESPACES_MAX;
use crate::nvme::io::limits::TRANSFER_BYTES;
use crate::nvme::{Entry, Status};
use mainstay_base::path::GROUPS_MAX;

/// What may always be asked for, however short the page is: Linux asks for the longest ANA log there could be.
const SHORT_BYTES: usize = 16 << 10;
const _: () = assert!(SHORT_BYTES > 16 + 32 * GROUPS_MAX as usize + 4 * NAMESPACES_MAX as usize);

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// LID.
    pub lid: u8,
    /// LSP, the log specific parameter.
    pub parameter: u8,
    /// LSI, the log specific identifier.
    pub specific: u16,
    /// RAE: the event that belongs to the page is not cleared.
    pub retain: bool,
    /// LPO.
    pub offset: u64,
    /// NUMD, in bytes.
    pub bytes: u32,
    /// CSI.
    pub csi: u8,
    /// NSID.
    pub nsid: u32,
}

impl Ask {
    /// The question of `entry`.
    ///
    /// # Errors
    /// Invalid Field for offsets that are no multiples of four or count entries, and for more than MDTS.
    pub fn parse(entry: &Entry) -> Result<Ask, Status> {
        let (ten, eleven, fourteen) = (entry.dword(10), entry.dword(11), entry.dword(14));
        let dwords = u64::from(ten >> 16 | eleven << 16) + 1;
        let offset = entry.qword(12);
        // OT: no page of ours has an index.
        let by_index = fourteen & 1 << 23 != 0;
        if by_index || !offset.is_multiple_of(4) || dwords * 4 > TRANSFER_BYTES {
            return Err(Status::INVALID_FIELD);
        }
        Ok(Ask {
            lid: ten as u8,
            parameter: (ten >> 8) as u8 & 0x7f,
            specific: (eleven >> 16) as u16,
            retain: ten & 1 << 15 != 0,
            offset,
            bytes: (dwords * 4) as u32,
            csi: (fourteen >> 24) as u8,
            nsid: entry.nsid(),
        })
    }

    /// So much of the page; zeroes behind its end, since the host has made room for them.
    ///
    /// # Errors
    /// Invalid Field for what begins behind the end, or goes beyond it by more than any host has use for: else each command
    /// of a host that reads nothing would hold MDTS of zeroes.
    pub(super) fn cut(&self, mut page: Vec<u8>) -> Result<Vec<u8>, Status> {
        let start =
            usize::try_from(self.offset).ok().filter(|&start| start <= page.len()).ok_or(Status::INVALID_FIELD)?;
        let bytes = self.bytes as usize;
        if bytes > (page.len() - start).max(SHORT_BYTES) {
            return Err(Status::INVALID_FIELD);
        }
        page.drain(..start);
        page.resize(bytes, 0);
        Ok(page)
    }
}
