//! Bytes on their way out: headers and small data in one run of bytes, payload by reference, so that one writev sends many
//! PDUs. What a PDU looks like is for the transport to say.

use crate::arena::Buf;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// The most slices given out for one writev.
const SLICES_MAX: usize = 128;
/// Sent bytes kept at the front of the run before it is moved up.
const SLACK_BYTES: usize = 16 * 1024;

/// What is sent as one piece.
#[derive(Debug)]
pub enum Segment {
    /// So many bytes of the run.
    Bytes(usize),
    /// Payload, where it lies.
    Payload {
        /// The buffer.
        data: Arc<Buf>,
        /// Which bytes of it; never none.
        range: Range<u32>,
    },
}

/// A queue of bytes. The last PDU can be of a `T`, and then be changed while none of it was sent.
#[derive(Debug)]
pub struct Outgoing<T> {
    bytes: Vec<u8>,
    /// How many of `bytes` were sent.
    start: usize,
    segments: VecDeque<Segment>,
    queued: usize,
    /// Whose the last PDU is, and where in `bytes` it begins.
    last: Option<(T, usize)>,
}

impl<T> Default for Outgoing<T> {
    fn default() -> Outgoing<T> {
        Outgoing { bytes: Vec::new(), start: 0, segments: VecDeque::new(), queued: 0, last: None }
    }
}

impl<T: Copy + PartialEq> Outgoing<T> {
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

    /// A PDU begins. Gives its place, for [`Outgoing::end`] and [`Outgoing::behind`].
    pub fn begin(&mut self) -> usize {
        self.last = None;
        self.bytes.len()
    }

    /// So many bytes were queued since `begin`, without payload by reference.
    pub fn behind(&self, begin: usize) -> usize {
        self.bytes.len() - begin
    }

    /// The PDU that began there is whole, and it is of `whom`.
    pub fn end(&mut self, begin: usize, whom: T) {
        self.last = Some((whom, begin));
    }

    /// Queue a copy of `bytes`.
    pub fn bytes(&mut self, bytes: &[u8]) {
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

    /// Queue payload by reference. Gives its bytes.
    pub fn payload<'a>(&mut self, data: &'a Arc<Buf>, range: Range<u32>) -> &'a [u8] {
        let payload = &data[range.start as usize..range.end as usize];
        self.queued += payload.len();
        self.segments.push_back(Segment::Payload { data: data.clone(), range });
        payload
    }

    /// The last PDU from its first byte on, if it is of `whom` and none of it was sent. Only once: a name may then be another's.
    pub fn take_last(&mut self, whom: T) -> Option<&mut [u8]> {
        let (_, begin) = self.last.take().filter(|(last, begin)| *last == whom && *begin >= self.start)?;
        self.bytes.get_mut(begin..)
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
            self.last = None;
        } else if self.start > SLACK_BYTES {
            self.bytes.drain(..self.start);
            let start = std::mem::take(&mut self.start);
            self.last = self.last.filter(|(_, begin)| *begin >= start).map(|(whom, begin)| (whom, begin - start));
        }
    }

    /// Give memory back that an empty queue holds beyond so many bytes and segments.
    pub fn shrink_to(&mut self, bytes: usize, segments: usize) {
        if self.queued == 0 {
            self.bytes.shrink_to(bytes);
            self.segments.shrink_to(segments);
        }
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        *self = Outgoing::default();
    }

    /// What a snapshot keeps: the bytes of the run, the segments, and whose the last PDU is with its place in the run.
    pub fn parts(&self) -> (&[u8], impl Iterator<Item = &Segment>, Option<(T, usize)>) {
        let last = self.last.filter(|(_, begin)| *begin >= self.start);
        (&self.bytes[self.start..], self.segments.iter(), last.map(|(whom, begin)| (whom, begin - self.start)))
    }

    /// The queue of a snapshot; none if the parts do not fit each other.
    pub fn from_parts(bytes: Vec<u8>, segments: VecDeque<Segment>, last: Option<(T, usize)>) -> Option<Outgoing<T>> {
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
        (run == bytes.len()).then_some(Outgoing { bytes, start: 0, segments, queued, last })
    }
}
