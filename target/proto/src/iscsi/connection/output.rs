//! PDUs on their way out.

use crate::iscsi::pdu::{BHS_BYTES, Bhs, Itt, padding};
use mainstay_base::arena::Buf;
use mainstay_base::outgoing::Outgoing;
use mainstay_base::wire::crc32c;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// Which digests the full feature phase uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::iscsi) struct Digests {
    pub header: bool,
    pub data: bool,
}

/// The queue; the last PDU can be a Data-In of a task, on which a status can still ride.
#[derive(Debug, Default)]
pub(in crate::iscsi) struct Output(pub Outgoing<Itt>);

impl Output {
    /// Bytes not sent yet.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Of these, bytes that are not payload by reference.
    pub fn run(&self) -> usize {
        self.0.run()
    }

    /// Queue a PDU with `data` copied behind its header.
    pub fn push(&mut self, digests: Digests, bhs: &Bhs, data: &[u8]) {
        self.begin(digests, bhs);
        if !data.is_empty() {
            self.0.bytes(data);
            self.end(digests, data);
        }
    }

    /// Queue a Data-In of task `itt`, its payload by reference.
    pub fn push_payload(&mut self, digests: Digests, bhs: &Bhs, itt: Itt, data: &Arc<Buf>, range: Range<u32>) {
        let begin = self.begin(digests, bhs);
        if !range.is_empty() {
            let payload = self.0.payload(data, range);
            self.end(digests, payload);
        }
        self.0.end(begin, itt);
    }

    /// Let `change` rewrite the header of the last PDU, if it is a Data-In of `itt` and none of it was sent.
    pub fn amend(&mut self, digests: Digests, itt: Itt, change: impl FnOnce(&Bhs) -> Bhs) -> bool {
        let Some((bhs, rest)) = self.0.take_last(itt).and_then(|pdu| pdu.split_first_chunk_mut::<BHS_BYTES>()) else {
            return false;
        };
        *bhs = change(bhs);
        if digests.header
            && let Some(digest) = rest.first_chunk_mut::<4>()
        {
            *digest = crc32c(0, bhs).to_le_bytes();
        }
        true
    }

    fn begin(&mut self, digests: Digests, bhs: &Bhs) -> usize {
        let begin = self.0.begin();
        self.0.bytes(bhs);
        if digests.header {
            self.0.bytes(&crc32c(0, bhs).to_le_bytes());
        }
        begin
    }

    fn end(&mut self, digests: Digests, data: &[u8]) {
        let pad = &[0; 3][..padding(data.len())];
        self.0.bytes(pad);
        if digests.data {
            self.0.bytes(&crc32c(crc32c(0, data), pad).to_le_bytes());
        }
    }

    /// The bytes to send next, as far as one writev goes.
    pub fn slices<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        self.0.slices(slices);
    }

    /// `n` bytes were taken.
    pub fn sent(&mut self, n: usize) {
        self.0.sent(n);
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Give spare memory back.
    pub fn shrink(&mut self) {
        self.0.shrink_to(0, 0);
    }
}
