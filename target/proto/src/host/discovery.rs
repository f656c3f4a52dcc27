//! The discovery log page (base §5.16.1.23), read.

/// Bytes of the page's header, and of each entry.
pub const RECORD_BYTES: usize = 1024;
/// Records that are believed; a page that tells of more is refused.
pub const RECORDS_MAX: u64 = 4096;
/// The page.
pub const PAGE: u8 = 0x70;

/// What the first kilobyte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Grows with each change.
    pub generation: u64,
    /// Entries that follow.
    pub records: u64,
}

/// One of the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// TRTYPE: 3 is TCP.
    pub transport: u8,
    /// ADRFAM: 1 IPv4, 2 IPv6.
    pub family: u8,
    /// SUBTYPE: 1 a referral, 2 an NVM subsystem, 3 this discovery subsystem.
    pub kind: u8,
    /// TREQ.
    pub requirements: u8,
    /// PORTID.
    pub port_id: u16,
    /// CNTLID.
    pub cntlid: u16,
    /// ASQSZ.
    pub admin_queue_size: u16,
    /// EFLAGS.
    pub flags: u16,
    /// TRADDR.
    pub address: String,
    /// TRSVCID: the port.
    pub service: String,
    /// SUBNQN.
    pub nqn: String,
    /// SECTYPE of TSAS: 0 none.
    pub security: u8,
}

/// Why a page cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Fewer bytes than it tells of.
    #[error("the log page ends early")]
    Short,
    /// RECFMT.
    #[error("the log page has record format {0}")]
    Format(u16),
    /// More than [`RECORDS_MAX`].
    #[error("the log page tells of {0} records")]
    Many(u64),
    /// A name or address that is no text.
    #[error("record {0} of the log page is no text")]
    Text(usize),
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    /// It is none that can be used.
    pub fn parse(page: &[u8]) -> Result<Header, Unusable> {
        let head = page.get(..RECORD_BYTES).ok_or(Unusable::Short)?;
        let qword = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&head[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        match (u16::from_le_bytes([head[16], head[17]]), qword(8)) {
            (0, records @ ..=RECORDS_MAX) => Ok(Header { generation: qword(0), records }),
            (0, records) => Err(Unusable::Many(records)),
            (format, _) => Err(Unusable::Format(format)),
        }
    }

    /// Bytes of the whole page.
    pub fn page_bytes(&self) -> usize {
        (self.records.min(RECORDS_MAX) as usize + 1) * RECORD_BYTES
    }
}

/// Reads a whole page.
///
/// # Errors
/// It is none that can be used.
pub fn parse(page: &[u8]) -> Result<(Header, Vec<Record>), Unusable> {
    let header = Header::parse(page)?;
    let bytes = page.get(RECORD_BYTES..header.page_bytes()).ok_or(Unusable::Short)?;
    let records = bytes.chunks_exact(RECORD_BYTES).enumerate();
    let records = records.map(|(n, bytes)| Record::parse(bytes).ok_or(Unusable::Text(n))).collect::<Result<_, _>>()?;
    Ok((header, records))
}

impl Record {
    /// None: one of its texts is none.
    fn parse(bytes: &[u8]) -> Option<Record> {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let padded = |c: &u8| matches!(c, b' ' | 0);
        let text = |from: usize, to: usize| {
            let field = &bytes[from..to];
            let len = field.len() - field.iter().rev().take_while(|c| padded(c)).count();
            let plain = field[..len].iter().all(|c| (0x20..0x7f).contains(c));
            plain.then(|| String::from_utf8_lossy(&field[..len]).into_owned())
        };
        Some(Record {
            transport: bytes[0],
            family: bytes[1],
            kind: bytes[2],
            requirements: bytes[3],
            port_id: word(4),
            cntlid: word(6),
            admin_queue_size: word(8),
            flags: word(10),
            service: text(32, 64)?,
            nqn: text(256, 512)?,
            address: text(512, 768)?,
            security: bytes[768],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page() -> Vec<u8> {
        let mut page = vec![0; 2 * RECORD_BYTES];
        (page[0], page[8]) = (9, 1);
        let record = &mut page[RECORD_BYTES..];
        record[..12].copy_from_slice(&[3, 1, 2, 0, 1, 0, 0xff, 0xff, 32, 0, 1, 0]);
        record[32..36].copy_from_slice(b"4420");
        record[36..64].fill(b' ');
        record[256..265].copy_from_slice(b"nqn.a.b:c");
        record[512..521].copy_from_slice(b"127.0.0.1");
        record[521..768].fill(b' ');
        page
    }

    #[test]
    fn golden_page() {
        let (header, records) = parse(&page()).unwrap();
        assert_eq!(header, Header { generation: 9, records: 1 });
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.transport, record.family, record.kind, record.port_id), (3, 1, 2, 1));
        assert_eq!((record.cntlid, record.admin_queue_size, record.flags), (0xffff, 32, 1));
        let texts = (record.address.as_str(), record.service.as_str(), record.nqn.as_str());
        assert_eq!(texts, ("127.0.0.1", "4420", "nqn.a.b:c"));
    }

    #[test]
    fn what_cannot_be_used() {
        let mut short = page();
        short[8] = 2;
        assert_eq!(parse(&short), Err(Unusable::Short));
        assert_eq!(parse(&short[..1023]), Err(Unusable::Short));
        short[15] = 1;
        assert!(matches!(parse(&short), Err(Unusable::Many(_))));
        let mut format = page();
        format[16] = 1;
        assert_eq!(parse(&format), Err(Unusable::Format(1)));
        let mut text = page();
        text[RECORD_BYTES + 260] = 0;
        assert_eq!(parse(&text), Err(Unusable::Text(0)));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = parse(&bytes);
        }
    }
}
