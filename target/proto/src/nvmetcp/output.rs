//! Bytes on their way out: headers in one run of bytes, payload by reference, so that one writev sends many PDUs.

use super::pdu::{CH_BYTES, Ch, DIGEST_BYTES, Framing, digest, flag};
use mainstay_base::arena::Buf;
use mainstay_base::wire::crc32c;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// The most slices given out for one writev.
const SLICES_MAX: usize = 128;
/// Sent bytes kept at the front of the run before it is moved up.
const SLACK_BYTES: usize = 16 * 1024;
/// Spare memory that an empty queue keeps, in bytes of its run and in segments.
const SPARE_BYTES: usize = 4 * 1024;
const SPARE_SEGMENTS: usize = 64;
/// Padding of the largest alignment.
const PAD: [u8; 128] = [0; 128];

#[derive(Debug)]
pub(super) enum Segment {
    /// So many bytes of the run.
    Bytes(usize),
    Payload {
        data: Arc<Buf>,
        range: Range<u32>,
    },
}

/// The last PDU queued, while its header can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ride {
    /// What it was queued for.
    pub tag: u16,
    /// Where its header is in the run.
    pub at: usize,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How many of `bytes` were sent.
    start: usize,
    segments: VecDeque<Segment>,
    queued: usize,
    ride: Option<Ride>,
}

impl Output {
    /// Bytes not sent yet.
    pub fn len(&self) -> usize {
        self.queued
    }

    /// Nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// Of the bytes not sent, those that are not payload by reference.
    pub fn run(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Queue bytes as they are.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.ride = None;
        self.bytes(bytes);
    }

    /// Queue a PDU without data, from its header.
    pub fn push(&mut self, framing: &Framing, header: &[u8]) {
        self.ride = None;
        self.head(framing, header);
    }

    /// Queue a PDU with data by reference; its header was emitted with this framing and this length. `tag` is whom
    /// [`Output::amend`] may name.
    pub fn push_payload(&mut self, framing: &Framing, header: &[u8], tag: u16, data: &Arc<Buf>, range: Range<u32>) {
        let at = self.bytes.len();
        self.head(framing, header);
        if !range.is_empty() {
            let pdo = header.first_chunk::<CH_BYTES>().map_or(0, |ch| usize::from(Ch::parse(ch).pdo));
            self.bytes(&PAD[..pdo.saturating_sub(self.bytes.len() - at).min(PAD.len())]);
            let payload = &data[range.start as usize..range.end as usize];
            self.queued += payload.len();
            self.segments.push_back(Segment::Payload { data: data.clone(), range });
            if framing.digests.data {
                self.bytes(&crc32c(0, payload).to_le_bytes());
            }
        }
        self.ride = Some(Ride { tag, at });
    }

    /// Add `flags` to the last PDU queued, if it was queued with a payload for `tag` and none of it was sent. Only once: the
    /// tag may then be another's.
    pub fn amend(&mut self, framing: &Framing, tag: u16, flags: u8) -> bool {
        let Some(ride) = self.ride.take().filter(|ride| ride.tag == tag && ride.at >= self.start) else { return false };
        let Some(pdu) = self.bytes.get_mut(ride.at..) else { return false };
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

    fn head(&mut self, framing: &Framing, header: &[u8]) {
        self.bytes(header);
        if framing.digests.header {
            debug_assert!(header.get(1).is_some_and(|flags| flags & flag::HEADER_DIGEST != 0), "another framing");
            self.bytes(&digest(header));
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        self.queued += bytes.len();
        match self.segments.back_mut() {
            Some(Segment::Bytes(len)) => *len += bytes.len(),
            _ => self.segments.push_back(Segment::Bytes(bytes.len())),
        }
    }

    /// The bytes to send next, as far as one writev goes.
    pub fn slices<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        let mut at = self.start;
        for segment in self.segments.iter().take(SLICES_MAX) {
            match segment {
                Segment::Bytes(len) => {
                    slices.push(IoSlice::new(&self.bytes[at..at + len]));
                    at += len;
                }
                Segment::Payload { data, range } => {
                    slices.push(IoSlice::new(&data[range.start as usize..range.end as usize]));
                }
            }
        }
    }

    /// `n` bytes were taken.
    pub fn sent(&mut self, mut n: usize) {
        n = n.min(self.queued);
        self.queued -= n;
        while n > 0 {
            let Some(segment) = self.segments.front_mut() else { break };
            let (took, left) = match segment {
                Segment::Bytes(len) => {
                    let took = n.min(*len);
                    *len -= took;
                    self.start += took;
                    (took, *len)
                }
                Segment::Payload { range, .. } => {
                    let took = n.min(range.len());
                    range.start += took as u32;
                    (took, range.len())
                }
            };
            n -= took;
            if left == 0 {
                self.segments.pop_front();
            }
        }
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            self.ride = None;
        } else if self.start > SLACK_BYTES {
            self.bytes.drain(..self.start);
            let start = std::mem::take(&mut self.start);
            self.ride = self.ride.filter(|ride| ride.at >= start).map(|ride| Ride { at: ride.at - start, ..ride });
        }
        if self.queued == 0 {
            self.bytes.shrink_to(SPARE_BYTES);
            self.segments.shrink_to(SPARE_SEGMENTS);
        }
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        *self = Output::default();
    }

    /// What a snapshot keeps: the bytes of the run, the segments, and the header that can be changed.
    pub(super) fn parts(&self) -> (&[u8], impl Iterator<Item = &Segment>, Option<Ride>) {
        let ride = self.ride.filter(|ride| ride.at >= self.start);
        (&self.bytes[self.start..], self.segments.iter(), ride.map(|ride| Ride { at: ride.at - self.start, ..ride }))
    }

    /// The queue of a snapshot; none if the parts do not fit each other.
    pub(super) fn from_parts(bytes: Vec<u8>, segments: VecDeque<Segment>, ride: Option<Ride>) -> Option<Output> {
        let (mut run, mut queued) = (0usize, 0usize);
        for segment in &segments {
            let len = match segment {
                Segment::Bytes(len) => {
                    run = run.checked_add(*len)?;
                    *len
                }
                Segment::Payload { data, range } => {
                    if range.end as usize > data.len() || range.start >= range.end {
                        return None;
                    }
                    range.len()
                }
            };
            queued = queued.checked_add(len)?;
        }
        (run == bytes.len()).then_some(Output { bytes, start: 0, segments, queued, ride })
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
