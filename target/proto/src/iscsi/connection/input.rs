//! Bytes on their way in: the header is gathered, then its data segment goes where the connection wants it.

use crate::iscsi::pdu::{BHS_BYTES, Bhs, RejectReason, ahs_bytes, data_bytes, padding};
use mainstay_base::arena::Buf;
use mainstay_base::wire::crc32c;

const DIGEST_BYTES: usize = 4;

/// A complete header.
#[derive(Debug)]
pub(in crate::iscsi) struct Head {
    pub bhs: Bhs,
    pub ahs: Vec<u8>,
    /// Its digest, if it has one, matches.
    pub intact: bool,
}

/// Where a data segment goes.
#[derive(Debug)]
pub(in crate::iscsi) enum Sink {
    Skip,
    /// Into memory of its own, the first `keep` bytes of it.
    Bytes {
        bytes: Vec<u8>,
        keep: usize,
    },
    /// Into payload, from byte `base`.
    Buf {
        buf: Buf,
        base: usize,
    },
}

/// What becomes of a PDU once its data segment is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::iscsi) enum Purpose {
    /// It is processed.
    Process,
    /// It is ignored without a word.
    Ignore,
    Reject(RejectReason),
    /// A command there is no memory for.
    NoRoom,
    /// Data-Out that breaks its transfer; the number of the broken rule.
    Broken(u8),
}

/// A PDU whose data segment is coming.
#[derive(Debug)]
pub(in crate::iscsi) struct Body {
    pub bhs: Bhs,
    pub ahs: Vec<u8>,
    pub purpose: Purpose,
    pub sink: Sink,
    /// Data bytes that have come.
    pub at: usize,
    /// Checksum of those, where the digest is in use.
    pub crc: Option<u32>,
    /// Padding and digest, as far as they have come.
    pub trailer: [u8; 8],
    pub trailer_at: usize,
}

impl Body {
    pub fn new(head: Head, data_digest: bool, purpose: Purpose, sink: Sink) -> Body {
        Body {
            bhs: head.bhs,
            ahs: head.ahs,
            purpose,
            sink,
            at: 0,
            crc: data_digest.then_some(0),
            trailer: [0; 8],
            trailer_at: 0,
        }
    }

    fn missing(&self) -> usize {
        data_bytes(&self.bhs) - self.at
    }

    fn trailer_len(&self) -> usize {
        let len = data_bytes(&self.bhs);
        let digest = if self.crc.is_some() && len > 0 { DIGEST_BYTES } else { 0 };
        padding(len) + digest
    }

    /// Take what belongs to this PDU off the front of `bytes`. True: the PDU is complete.
    pub fn take(&mut self, bytes: &mut &[u8]) -> bool {
        if let Some(data) = bytes.split_off(..self.missing().min(bytes.len())) {
            match &mut self.sink {
                Sink::Skip => {}
                Sink::Bytes { bytes, keep } => {
                    bytes.extend_from_slice(&data[..data.len().min(keep.saturating_sub(self.at))]);
                }
                Sink::Buf { buf, base } => {
                    buf[*base + self.at..][..data.len()].copy_from_slice(data);
                }
            }
            self.crc = self.crc.map(|crc| crc32c(crc, data));
            self.at += data.len();
        }
        if self.missing() > 0 {
            return false;
        }
        let end = self.trailer_len();
        let rest = end.saturating_sub(self.trailer_at);
        if let Some(tail) = bytes.split_off(..rest.min(bytes.len())) {
            self.trailer[self.trailer_at..][..tail.len()].copy_from_slice(tail);
            self.trailer_at += tail.len();
        }
        self.trailer_at >= end
    }

    /// The rest of the data segment where it lies in payload.
    pub fn space(&mut self) -> Option<&mut [u8]> {
        let missing = self.missing();
        match &mut self.sink {
            Sink::Buf { buf, base } => Some(&mut buf[*base + self.at..][..missing]),
            _ => None,
        }
    }

    /// `n` bytes were put into [`Body::space`].
    pub fn filled(&mut self, n: usize) {
        let n = n.min(self.missing());
        if let (Some(crc), Sink::Buf { buf, base }) = (self.crc, &self.sink) {
            self.crc = Some(crc32c(crc, &buf[*base + self.at..][..n]));
        }
        self.at += n;
    }

    /// The data digest, if there is one, matches (RFC 7143 §11.2.3: padding is part of it).
    pub fn intact(&self) -> bool {
        let pad = padding(data_bytes(&self.bhs));
        match (self.crc, self.trailer.get(pad..self.trailer_at)) {
            (Some(crc), Some(digest)) if !digest.is_empty() => {
                crc32c(crc, &self.trailer[..pad]).to_le_bytes()[..] == *digest
            }
            _ => true,
        }
    }
}

/// The parser's state between two reads.
#[derive(Debug, Default)]
pub(in crate::iscsi) struct Input {
    /// The part of a header that has come.
    pub head: Vec<u8>,
    pub body: Option<Body>,
    /// Bytes that came while nothing could be parsed.
    pub pending: Vec<u8>,
}

impl Input {
    /// The next header, once it is complete.
    pub fn head(&mut self, bytes: &mut &[u8], header_digest: bool, ahs_allowed: bool) -> Option<Head> {
        if self.head.is_empty() {
            // The usual case: a whole header is at hand, and is read where it lies.
            if let Some(bhs) = bytes.first_chunk::<BHS_BYTES>() {
                let len = head_len(bhs, header_digest, ahs_allowed);
                if let Some(whole) = bytes.split_off(..len) {
                    return Some(parse(whole, header_digest));
                }
            }
        }
        self.gather(bytes, BHS_BYTES);
        let len = head_len(self.head.first_chunk::<BHS_BYTES>()?, header_digest, ahs_allowed);
        self.gather(bytes, len);
        if self.head.len() < len {
            return None;
        }
        let head = parse(&self.head, header_digest);
        self.head.clear();
        Some(head)
    }

    fn gather(&mut self, bytes: &mut &[u8], len: usize) {
        let missing = len.saturating_sub(self.head.len()).min(bytes.len());
        if let Some(part) = bytes.split_off(..missing) {
            self.head.extend_from_slice(part);
        }
    }

    pub fn shrink(&mut self) {
        if self.head.is_empty() {
            self.head = Vec::new();
        }
    }
}

fn head_len(bhs: &Bhs, header_digest: bool, ahs_allowed: bool) -> usize {
    let ahs = if ahs_allowed { ahs_bytes(bhs) } else { 0 };
    BHS_BYTES + ahs + if header_digest { DIGEST_BYTES } else { 0 }
}

fn parse(whole: &[u8], header_digest: bool) -> Head {
    let mut bhs = [0; BHS_BYTES];
    bhs.copy_from_slice(&whole[..BHS_BYTES]);
    let end = whole.len() - if header_digest { DIGEST_BYTES } else { 0 };
    let intact = !header_digest || crc32c(0, &whole[..end]).to_le_bytes()[..] == whole[end..];
    Head { bhs, ahs: whole[BHS_BYTES..end].to_vec(), intact }
}
