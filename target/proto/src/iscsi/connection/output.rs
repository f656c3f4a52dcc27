//! Bytes on their way out: headers and small data in one run of bytes, payload by reference, so that one writev sends
//! many PDUs.

use crate::iscsi::pdu::{BHS_BYTES, Bhs, Itt, padding};
use mainstay_base::arena::Buf;
use mainstay_base::wire::crc32c;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// The most slices given out for one writev.
const SLICES_MAX: usize = 64;
/// Sent bytes kept at the front of the run before it is moved up.
const SLACK_BYTES: usize = 16 * 1024;

/// Which digests the full feature phase uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::iscsi) struct Digests {
    pub header: bool,
    pub data: bool,
}

#[derive(Debug)]
pub(in crate::iscsi) enum Segment {
    /// So many bytes of the run.
    Bytes(usize),
    Payload {
        data: Arc<Buf>,
        range: Range<u32>,
    },
}

/// The queue.
#[derive(Debug, Default)]
pub(in crate::iscsi) struct Output {
    bytes: Vec<u8>,
    /// How many of `bytes` were sent.
    start: usize,
    segments: VecDeque<Segment>,
    queued: usize,
    /// The last PDU queued is a Data-In of this task, its header is at this index of `bytes`: a status can still ride
    /// on it while none of it was sent.
    ride: Option<(Itt, usize)>,
}

impl Output {
    /// Bytes not sent yet.
    pub fn len(&self) -> usize {
        self.queued
    }

    /// Of these, bytes that are not payload by reference.
    pub fn run(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Queue a PDU with `data` copied behind its header.
    pub fn push(&mut self, digests: Digests, bhs: &Bhs, data: &[u8]) {
        self.begin(digests, bhs);
        if !data.is_empty() {
            self.bytes(data);
            self.end(digests, data);
        }
    }

    /// Queue a Data-In of task `itt`, its payload by reference.
    pub fn push_payload(&mut self, digests: Digests, bhs: &Bhs, itt: Itt, data: &Arc<Buf>, range: Range<u32>) {
        let header = self.begin(digests, bhs);
        if !range.is_empty() {
            let payload = &data[range.start as usize..range.end as usize];
            self.queued += payload.len();
            self.segments.push_back(Segment::Payload { data: data.clone(), range });
            self.end(digests, payload);
        }
        self.ride = Some((itt, header));
    }

    /// Let `change` rewrite the header of the last PDU, if it is a Data-In of `itt` and none of it was sent.
    pub fn amend(&mut self, digests: Digests, itt: Itt, change: impl FnOnce(&Bhs) -> Bhs) -> bool {
        let Some((tag, header)) = self.ride.take() else { return false };
        if tag != itt || header < self.start {
            return false;
        }
        let Some((bhs, rest)) = self.bytes.get_mut(header..).and_then(|tail| tail.split_first_chunk_mut::<BHS_BYTES>())
        else {
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
        self.ride = None;
        let at = self.bytes.len();
        self.bytes(bhs);
        if digests.header {
            self.bytes(&crc32c(0, bhs).to_le_bytes());
        }
        at
    }

    fn end(&mut self, digests: Digests, data: &[u8]) {
        let pad = &[0; 3][..padding(data.len())];
        self.bytes(pad);
        if digests.data {
            self.bytes(&crc32c(crc32c(0, data), pad).to_le_bytes());
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
            self.ride = self.ride.filter(|(_, header)| *header >= start).map(|(itt, header)| (itt, header - start));
        }
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        *self = Output::default();
    }

    /// Give spare memory back.
    pub fn shrink(&mut self) {
        if self.queued == 0 {
            self.clear();
        }
    }

    /// What a snapshot keeps: the bytes of the run, the segments, and the header a status can ride on.
    pub fn parts(&self) -> (&[u8], impl Iterator<Item = &Segment>, Option<(Itt, usize)>) {
        let ride = self.ride.filter(|(_, header)| *header >= self.start);
        (&self.bytes[self.start..], self.segments.iter(), ride.map(|(itt, header)| (itt, header - self.start)))
    }

    /// The queue of a snapshot; none if the parts do not fit each other.
    pub fn from_parts(bytes: Vec<u8>, segments: VecDeque<Segment>, ride: Option<(Itt, usize)>) -> Option<Output> {
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
