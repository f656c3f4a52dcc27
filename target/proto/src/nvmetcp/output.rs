//! PDUs on their way out.

use super::pdu::{CH_BYTES, Ch, DIGEST_BYTES, Framing, digest, flag};
use mainstay_base::arena::Buf;
use mainstay_base::outgoing::Outgoing;
use mainstay_base::wire::crc32c;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// Spare memory that an empty queue keeps, in bytes of its run and in segments.
const SPARE_BYTES: usize = 4 * 1024;
const SPARE_SEGMENTS: usize = 64;
/// Padding of the largest alignment.
const PAD: [u8; 128] = [0; 128];

/// The queue; the last PDU can be the data of a command, by its tag.
#[derive(Debug, Default)]
pub struct Output(pub(super) Outgoing<u16>);

impl Output {
    /// Bytes not sent yet.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of the bytes not sent, those that are not payload by reference.
    pub fn run(&self) -> usize {
        self.0.run()
    }

    /// Queue bytes as they are.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.0.begin();
        self.0.bytes(bytes);
    }

    /// Queue a PDU without data, from its header.
    pub fn push(&mut self, framing: &Framing, header: &[u8]) {
        self.head(framing, header);
    }

    /// Queue a PDU with data by reference; its header was emitted with this framing and this length. `tag` is whom
    /// [`Output::amend`] may name.
    pub fn push_payload(&mut self, framing: &Framing, header: &[u8], tag: u16, data: &Arc<Buf>, range: Range<u32>) {
        let begin = self.head(framing, header);
        if !range.is_empty() {
            let pdo = header.first_chunk::<CH_BYTES>().map_or(0, |ch| usize::from(Ch::parse(ch).pdo));
            self.0.bytes(&PAD[..pdo.saturating_sub(self.0.behind(begin)).min(PAD.len())]);
            let payload = self.0.payload(data, range);
            if framing.digests.data {
                self.0.bytes(&crc32c(0, payload).to_le_bytes());
            }
        }
        self.0.end(begin, tag);
    }

    /// Add `flags` to the last PDU queued, if it was queued with a payload for `tag` and none of it was sent. Only once: the
    /// tag may then be another's.
    pub fn amend(&mut self, framing: &Framing, tag: u16, flags: u8) -> bool {
        let Some(pdu) = self.0.take_last(tag) else { return false };
        let Some(hlen) = pdu.first_chunk::<CH_BYTES>().map(|ch| usize::from(Ch::parse(ch).hlen)) else { return false };
        pdu[1] |= flags;
        if framing.digests.header
            && let Some((header, rest)) = pdu.split_at_mut_checked(hlen)
            && let Some(sum) = rest.first_chunk_mut::<DIGEST_BYTES>()
        {
            *sum = digest(header);
        }
        true
    }

    fn head(&mut self, framing: &Framing, header: &[u8]) -> usize {
        let begin = self.0.begin();
        self.0.bytes(header);
        if framing.digests.header {
            debug_assert!(header.get(1).is_some_and(|flags| flags & flag::HEADER_DIGEST != 0), "another framing");
            self.0.bytes(&digest(header));
        }
        begin
    }

    /// The bytes to send next, as far as one writev goes.
    pub fn slices<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        self.0.slices(slices);
    }

    /// `n` bytes were taken.
    pub fn sent(&mut self, n: usize) {
        self.0.sent(n);
        self.0.shrink_to(SPARE_BYTES, SPARE_SEGMENTS);
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvmetcp::pdu::{C2hData, Digests};
    use mainstay_base::arena::Arena;

    const FRAMING: Framing = Framing { digests: Digests { header: true, data: true }, pda: 7 };

    fn push(output: &mut Output, arena: &Arena, tag: u16) {
        let data = Arc::new(arena.alloc_zeroed(600).unwrap());
        let pdu = C2hData { last: false, success: false, cid: tag, offset: 0, len: 500 };
        output.push_payload(&FRAMING, &pdu.emit(&FRAMING), tag, &data, 100..600);
    }

    fn all(output: &Output) -> Vec<u8> {
        let mut slices = Vec::new();
        output.slices(&mut slices);
        slices.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn a_header_that_has_begun_to_go_is_not_changed() {
        let (arena, mut output) = (Arena::heap(1 << 20), Output::default());
        push(&mut output, &arena, 1);
        let before = all(&output);
        assert_eq!((before.len(), output.len()), (32 + 500 + 4, 32 + 500 + 4));
        output.sent(1);
        assert!(!output.amend(&FRAMING, 1, flag::LAST));
        assert_eq!(all(&output), before[1..]);
        output.sent(before.len());
        assert!(output.is_empty() && arena.usage().2 == 0);
    }

    #[test]
    fn a_header_is_changed_once_and_where_it_lies() {
        let (arena, mut output) = (Arena::heap(1 << 20), Output::default());
        output.push_raw(&[9; 20_000]);
        push(&mut output, &arena, 1);
        output.sent(17_000);
        assert!(!output.amend(&FRAMING, 2, flag::LAST), "of another");
        push(&mut output, &arena, 3);
        output.sent(1_000);
        assert!(output.amend(&FRAMING, 3, flag::LAST | flag::SUCCESS));
        assert!(!output.amend(&FRAMING, 3, flag::LAST), "the tag may be another's by now");
        let bytes = all(&output);
        let (first, second) = bytes[2_000..].split_at(536);
        assert_eq!((first[1], second[1]), (3, 3 | flag::LAST | flag::SUCCESS));
        assert_eq!(first[24..28], digest(&first[..24]));
        assert_eq!(second[24..28], digest(&second[..24]));
    }
}
