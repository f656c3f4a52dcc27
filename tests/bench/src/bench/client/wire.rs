//! A socket with what waits to be written and what was read.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::net::TcpStream;

use super::super::pattern::Pattern;

/// Slices of one `writev`, at most.
const PIECES_MAX: usize = 256;

enum Piece {
    Head { at: usize, len: usize },
    Pattern { at: usize, len: usize },
}

/// One connection's bytes.
pub struct Wire {
    pub stream: TcpStream,
    heads: Vec<u8>,
    queue: VecDeque<Piece>,
    sent: usize,
    inbox: Vec<u8>,
    start: usize,
    end: usize,
    /// The socket takes nothing more.
    pub blocked: bool,
}

impl Wire {
    /// Over a socket that does not block, for `depth` commands and `inbox` bytes that come at once.
    pub fn new(stream: TcpStream, depth: usize, inbox: usize) -> Result<Wire, String> {
        stream.set_nonblocking(true).map_err(|e| format!("socket: {e}"))?;
        Ok(Wire {
            stream,
            heads: Vec::with_capacity(depth * 96),
            queue: VecDeque::with_capacity(depth * 2),
            sent: 0,
            inbox: vec![0; inbox],
            start: 0,
            end: 0,
            blocked: false,
        })
    }

    /// Nothing waits to be written.
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts a header into the queue, and a range of the pattern behind it.
    pub fn push(&mut self, head: &[u8], data: Option<(usize, usize)>) {
        let at = self.heads.len();
        self.heads.extend_from_slice(head);
        match self.queue.back_mut() {
            // Headers that follow each other travel as one piece.
            Some(Piece::Head { at: last, len }) if *last + *len == at => *len += head.len(),
            _ => self.queue.push_back(Piece::Head { at, len: head.len() }),
        }
        if let Some((at, len)) = data.filter(|(_, len)| *len > 0) {
            self.queue.push_back(Piece::Pattern { at, len });
        }
    }

    /// Writes as much as the socket takes.
    pub fn flush(&mut self, pattern: &Pattern) -> Result<(), String> {
        self.blocked = false;
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(match *piece {
                    Piece::Head { at, len } => &self.heads[at..at + len],
                    Piece::Pattern { at, len } => &pattern.bytes()[at..at + len],
                });
                count += 1;
            }
            slices[0] = IoSlice::new(match self.queue[0] {
                Piece::Head { at, len } => &self.heads[at + self.sent..at + len],
                Piece::Pattern { at, len } => &pattern.bytes()[at + self.sent..at + len],
            });
            match self.stream.write_vectored(&slices[..count]) {
                Ok(n) => self.advance(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("write: {error}")),
            }
        }
        self.heads.clear();
        Ok(())
    }

    fn advance(&mut self, mut n: usize) {
        n += self.sent;
        while let Some(Piece::Head { len, .. } | Piece::Pattern { len, .. }) = self.queue.front() {
            if n < *len {
                break;
            }
            n -= len;
            self.queue.pop_front();
        }
        self.sent = n;
    }

    /// One read; whether anything came.
    pub fn fill(&mut self) -> Result<bool, String> {
        match self.stream.read(&mut self.inbox[self.end..]) {
            Ok(0) => Err("the target closed the connection".to_owned()),
            Ok(n) => {
                self.end += n;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(format!("read: {error}")),
        }
    }

    /// The first `N` bytes that were not taken, if they are there.
    pub fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        self.inbox[self.start..self.end].first_chunk().copied()
    }

    /// Takes the first `n` bytes, if they are there; gives where they begin.
    pub fn take(&mut self, n: usize) -> Option<usize> {
        let at = self.start;
        (self.end - at >= n).then(|| {
            self.start += n;
            at
        })
    }

    /// Bytes that were taken since the last read.
    pub fn taken(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.inbox[range]
    }

    /// Makes room for `n` more bytes.
    pub fn make_room(&mut self, n: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.inbox.len() - self.start < n {
            self.inbox.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }
}
