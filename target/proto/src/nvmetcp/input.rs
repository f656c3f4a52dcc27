//! Bytes on their way in: the header is gathered and checked, then its data goes where the connection wants it.

use super::pdu::{CH_BYTES, Ch, DIGEST_BYTES, Fault, Framing, HEADER_MAX, Role, Segment};
use mainstay_base::arena::Buf;
use mainstay_base::wire::crc32c;

/// Room for any header and its digest.
pub type Store = [u8; HEADER_MAX + DIGEST_BYTES];

/// A header that breaks a rule.
#[derive(Debug)]
pub struct Broken {
    /// The rule.
    pub fault: Fault,
    /// The header, or what there is of it.
    pub header: Vec<u8>,
}

/// Gathers headers.
#[derive(Debug, Default)]
pub struct Input {
    /// The part of a header that has come.
    pub(super) head: Vec<u8>,
}

impl Input {
    /// The next header, once it is complete: with its digest, where it has one. Usually it is read where it lies in
    /// `bytes`; one that came in pieces is put together in `store`.
    ///
    /// # Errors
    /// A broken rule of the common header, or a header digest that does not match: nothing more can be read.
    pub fn head<'a: 'b, 'b>(
        &mut self,
        bytes: &mut &'a [u8],
        store: &'b mut Store,
        framing: &Framing,
        open: bool,
    ) -> Result<Option<(Ch, &'b [u8])>, Broken> {
        let broken = |fault, header: &[u8]| Broken { fault, header: header[..header.len().min(HEADER_MAX)].to_vec() };
        let (mut ch, mut whole) = (Ch::default(), None);
        if self.head.is_empty()
            && let Some(first) = bytes.first_chunk::<CH_BYTES>()
        {
            ch = Ch::parse(first);
            let len = framing.expect(&ch, Role::Controller, open).map_err(|fault| broken(fault, bytes))?;
            whole = bytes.split_off(..len);
        }
        let head = match whole {
            Some(head) => head,
            None => {
                self.gather(bytes, CH_BYTES);
                let Some(first) = self.head.first_chunk::<CH_BYTES>() else { return Ok(None) };
                ch = Ch::parse(first);
                let len = framing.expect(&ch, Role::Controller, open).map_err(|fault| broken(fault, &self.head))?;
                self.gather(bytes, len);
                if self.head.len() < len {
                    return Ok(None);
                }
                let head = &mut store[..len];
                head.copy_from_slice(&self.head);
                self.head = Vec::new();
                head
            }
        };
        framing.verify(&ch, head).map_err(|fault| broken(fault, head))?;
        Ok(Some((ch, head)))
    }

    fn gather(&mut self, bytes: &mut &[u8], len: usize) {
        let missing = len.saturating_sub(self.head.len()).min(bytes.len());
        if let Some(part) = bytes.split_off(..missing) {
            self.head.extend_from_slice(part);
        }
    }

    /// A header has begun and is not complete.
    pub fn is_within(&self) -> bool {
        !self.head.is_empty()
    }
}

/// Where the data of a PDU goes.
#[derive(Debug)]
pub enum Sink {
    /// Nowhere.
    Skip,
    /// Bytes `from .. to` of it into `buf`, from its byte `base`; the others nowhere.
    Buf {
        /// The buffer.
        buf: Buf,
        /// First byte of the buffer.
        base: usize,
        /// First byte of the data.
        from: usize,
        /// Behind the last byte of the data.
        to: usize,
    },
}

/// The data of a PDU whose header was taken.
#[derive(Debug)]
pub struct Body {
    pub(super) sink: Sink,
    /// Bytes of data.
    pub(super) len: usize,
    /// Of these, bytes that have come.
    pub(super) at: usize,
    /// Padding before the data that has not come.
    pub(super) pad: usize,
    /// Checksum of the data so far, where the digest is in use.
    pub(super) crc: Option<u32>,
    /// The digest, as far as it has come.
    pub(super) trailer: [u8; DIGEST_BYTES],
    pub(super) trailer_at: usize,
}

impl Body {
    /// The data of a PDU, into `sink`. `digest`: a data digest follows.
    pub fn new(segment: Segment, digest: bool, sink: Sink) -> Body {
        let (len, pad) = (segment.len as usize, usize::from(segment.pad));
        let crc = (digest && len > 0).then_some(0);
        Body { sink, len, at: 0, pad, crc, trailer: [0; DIGEST_BYTES], trailer_at: 0 }
    }

    /// Take what belongs to this PDU off the front of `bytes`. True: the PDU is complete.
    pub fn take(&mut self, bytes: &mut &[u8]) -> bool {
        let pad = self.pad.min(bytes.len());
        if bytes.split_off(..pad).is_some() {
            self.pad -= pad;
        }
        if self.pad > 0 {
            return false;
        }
        if let Some(data) = bytes.split_off(..(self.len - self.at).min(bytes.len())) {
            self.put(data);
        }
        if self.at < self.len {
            return false;
        }
        let end = if self.crc.is_some() { DIGEST_BYTES } else { 0 };
        if let Some(tail) = bytes.split_off(..(end - self.trailer_at).min(bytes.len())) {
            self.trailer[self.trailer_at..][..tail.len()].copy_from_slice(tail);
            self.trailer_at += tail.len();
        }
        self.trailer_at == end
    }

    fn put(&mut self, data: &[u8]) {
        if let Sink::Buf { buf, base, from, to } = &mut self.sink {
            let (start, end) = (self.at.max(*from), (self.at + data.len()).min(*to));
            if start < end {
                buf[*base + start - *from..*base + end - *from].copy_from_slice(&data[start - self.at..end - self.at]);
            }
        }
        self.crc = self.crc.map(|crc| crc32c(crc, data));
        self.at += data.len();
    }

    /// The rest of what goes into the buffer, where it lies there.
    pub fn space(&mut self) -> Option<&mut [u8]> {
        match &mut self.sink {
            Sink::Buf { buf, base, from, to } if self.pad == 0 && (*from..*to).contains(&self.at) => {
                Some(&mut buf[*base + self.at - *from..*base + *to - *from])
            }
            _ => None,
        }
    }

    /// `n` bytes were put into [`Body::space`].
    pub fn filled(&mut self, n: usize) {
        let crc = self.crc;
        let Some(space) = self.space() else { return };
        let n = n.min(space.len());
        let crc = crc.map(|crc| crc32c(crc, &space[..n]));
        self.crc = crc;
        self.at += n;
    }

    /// The data digest matches, if there is one.
    pub fn intact(&self) -> bool {
        self.crc.is_none_or(|crc| crc.to_le_bytes() == self.trailer)
    }

    /// Where the data went.
    pub fn into_sink(self) -> Sink {
        self.sink
    }
}
