//! What a connection has agreed on for all its PDUs, and the lengths that follow from it.

use super::{CH_BYTES, Ch, DIGEST_BYTES, Fault, Fes, HEADER_MAX, field, flag, header_bytes, kind};
use mainstay_base::wire::crc32c;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends commands.
    Host,
    /// Answers them.
    Controller,
}

/// Which digests are in use (tcp §3.3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// HDGST.
    pub header: bool,
    /// DDGST.
    pub data: bool,
}

/// How the PDUs of one direction look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// In use once both ends have exchanged ICReq and ICResp.
    pub digests: Digests,
    /// HPDA or CPDA: data begins at a multiple of so many dwords, less one.
    pub pda: u8,
}

/// The data of a PDU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Bytes of padding between the header (and its digest) and the data.
    pub pad: u8,
    /// Bytes of data; 0: none, and no padding or digest either.
    pub len: u32,
}

/// A digest as it stands on the wire.
pub fn digest(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    crc32c(0, bytes).to_le_bytes()
}

/// The PDUs that initialise a connection, and those that end it, have no digests (tcp §3.6.2.1 to 4).
fn has_digests(kind: u8) -> bool {
    !matches!(kind, kind::IC_REQ | kind::IC_RESP | kind::H2C_TERM_REQ | kind::C2H_TERM_REQ)
}

impl Framing {
    fn align(&self) -> usize {
        (usize::from(self.pda & 0x1f) + 1) * 4
    }

    fn digest_bytes(&self, kind: u8) -> usize {
        if self.digests.header && has_digests(kind) { DIGEST_BYTES } else { 0 }
    }

    /// The common header of a PDU that is sent with `len` bytes of data.
    pub fn ch(&self, kind: u8, flags: u8, len: u32) -> Ch {
        let hlen = header_bytes(kind).unwrap_or(CH_BYTES);
        let mut ch = Ch { kind, flags, hlen: hlen as u8, pdo: 0, plen: (hlen + self.digest_bytes(kind)) as u32 };
        if self.digest_bytes(kind) > 0 {
            ch.flags |= flag::HEADER_DIGEST;
        }
        if len > 0 {
            // At most 72 + 4 rounded up to a multiple of 128.
            ch.pdo = (ch.plen as usize).next_multiple_of(self.align()) as u8;
            ch.plen = u32::from(ch.pdo).saturating_add(len);
            if self.digests.data {
                ch.flags |= flag::DATA_DIGEST;
                ch.plen = ch.plen.saturating_add(DIGEST_BYTES as u32);
            }
        }
        ch
    }

    /// Bytes of header, digest included, that `receiver` waits for: to be asked once the common header is there. `open`:
    /// ICReq and ICResp were exchanged.
    ///
    /// # Errors
    /// What is wrong with it; nothing more can be read from this connection.
    pub fn expect(&self, ch: &Ch, receiver: Role, open: bool) -> Result<usize, Fault> {
        let Some(hlen) = header_bytes(ch.kind) else {
            return Err(Fault::field(field::KIND, "a PDU of a type that there is not"));
        };
        let opening = match (receiver, ch.kind) {
            (Role::Controller, kind::H2C_TERM_REQ) | (Role::Host, kind::C2H_TERM_REQ) => !open,
            (Role::Controller, kind::IC_REQ) | (Role::Host, kind::IC_RESP) => true,
            (Role::Controller, kind::CAPSULE_CMD | kind::H2C_DATA) => false,
            (Role::Host, kind::CAPSULE_RESP | kind::C2H_DATA | kind::R2T) => false,
            _ => return Err(Fault::field(field::KIND, "a PDU of a type that goes the other way")),
        };
        if opening == open {
            let why =
                if open { "initialises the connection again" } else { "does not begin by initialising the connection" };
            return Err(Fault { fes: Fes::PDU_SEQUENCE, fei: 0, why });
        }
        if usize::from(ch.hlen) != hlen {
            return Err(Fault::field(field::HLEN, "a header with a wrong length"));
        }
        let digest = self.digest_bytes(ch.kind);
        // What follows cannot be found without the digest both have agreed on.
        if (ch.flags & flag::HEADER_DIGEST != 0) != (digest > 0) {
            return Err(Fault::field(field::FLAGS, "a header digest that is missing or was not agreed on"));
        }
        if (ch.plen as usize) < hlen + digest {
            return Err(Fault::field(field::PLEN, "a PDU shorter than its header"));
        }
        Ok(hlen + digest)
    }

    /// Whether the digest behind the header matches, of `head` as [`Framing::expect`] has measured it.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(&self, ch: &Ch, head: &[u8]) -> Result<(), Fault> {
        if self.digest_bytes(ch.kind) == 0 {
            return Ok(());
        }
        let Some((header, sent)) = head.split_last_chunk::<DIGEST_BYTES>() else { return Ok(()) };
        if digest(header) == *sent {
            return Ok(());
        }
        Err(Fault {
            fes: Fes::HEADER_DIGEST,
            fei: u32::from_le_bytes(*sent),
            why: "a header digest that does not match",
        })
    }

    /// What follows the header of a PDU that [`Framing::expect`] has passed.
    ///
    /// # Errors
    /// What is wrong with it; the next PDU cannot be found.
    pub fn segment(&self, ch: &Ch) -> Result<Segment, Fault> {
        let head = usize::from(ch.hlen) + self.digest_bytes(ch.kind);
        let plen = ch.plen as usize;
        let wrong = |at, why| Err(Fault::field(at, why));
        match ch.kind {
            kind::H2C_TERM_REQ | kind::C2H_TERM_REQ => {
                // PDO is reserved there (tcp §3.6.2.3, §3.6.2.4).
                let len = plen - head;
                if len > HEADER_MAX {
                    return wrong(field::PLEN, "a request to terminate that is too long");
                }
                return Ok(Segment { pad: 0, len: len as u32 });
            }
            kind::CAPSULE_CMD if plen == head => return Ok(Segment::default()),
            kind::CAPSULE_CMD | kind::H2C_DATA | kind::C2H_DATA => {}
            _ if plen == head => return Ok(Segment::default()),
            _ => return wrong(field::PLEN, "a PDU longer than it can be"),
        }
        let pdo = usize::from(ch.pdo);
        if pdo < head || pdo % self.align() != 0 {
            return wrong(field::PDO, "data at an offset that was not agreed on");
        }
        if (ch.flags & flag::DATA_DIGEST != 0) != self.digests.data {
            return wrong(field::FLAGS, "a data digest that is missing or was not agreed on");
        }
        let trailer = if self.digests.data { DIGEST_BYTES } else { 0 };
        match plen.checked_sub(pdo + trailer) {
            // The pad is less than 256.
            Some(len) if len > 0 => Ok(Segment { pad: (pdo - head) as u8, len: len as u32 }),
            _ => wrong(field::PLEN, "a PDU that ends before its data"),
        }
    }
}
