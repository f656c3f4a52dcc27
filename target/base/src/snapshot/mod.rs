//! The handover container: a fixed header, then sections `(kind, version, payload)`, each with its digest.
//!
//! The container never looks into a payload: every owner writes and reads its own section, in a form versioned by it.
//! Payloads are protobuf messages (unknown fields are skipped, missing ones have defaults). Saved forms are canonical:
//! sorted, absolute times, no addresses; saving what was restored gives the same bytes.

use crate::wire::{Reader, Short};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"MAINSTAY";
const FORMAT: u32 = 1;
/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 32;
/// Before the body: magic, format, digest, length.
const HEAD_BYTES: usize = MAGIC.len() + 4 + DIGEST_BYTES + 8;
/// Of a section: two lengths and the version.
const SECTION_BYTES_MIN: usize = 8 + 4 + 8;
/// Of a body that is written: what the caches hold.
const PIECE_BYTES: usize = 64 * 1024;

/// One owner's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Whose: a short name, e.g. `iscsi.connection`.
    pub kind: Arc<str>,
    /// The form the payload is in.
    pub version: u32,
    /// The owner's bytes: of a snapshot that was decoded, where they lie in it.
    pub payload: Bytes,
}

/// All sections of one save.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The product version that saved it.
    pub product: String,
    /// In the order they were saved.
    pub sections: Vec<Section>,
}

/// Why bytes are not a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Damaged {
    #[error("not a Mainstay snapshot")]
    Foreign,
    #[error("snapshot format {0} is not one of this program (it reads up to {FORMAT})")]
    Format(u32),
    #[error("the snapshot {0}")]
    Torn(#[from] Short),
    #[error("the digest does not match: the snapshot is damaged")]
    Digest,
    #[error("a name in the snapshot is not UTF-8")]
    Name,
}

impl Snapshot {
    /// How many bytes it has in its container.
    pub fn size(&self) -> usize {
        let bytes = |section: &Section| SECTION_BYTES_MIN + section.kind.len() + section.payload.len();
        HEAD_BYTES + 8 + self.product.len() + 4 + self.sections.iter().map(bytes).sum::<usize>()
    }

    /// The container's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = io::Cursor::new(Vec::with_capacity(self.size()));
        // A vector takes everything.
        let _ = self.write_to(&mut out);
        out.into_inner().into()
    }

    /// Write the container to where `out` begins, piece by piece: all of it in memory once more would cost more than all
    /// else.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut (impl Write + Seek)) -> io::Result<()> {
        let mut body = Pieces { bytes: Vec::with_capacity(2 * PIECE_BYTES), sum: Sha256::new(), out };
        body.out.seek(SeekFrom::Start(HEAD_BYTES as u64))?;
        put(&mut body.bytes, self.product.as_bytes());
        body.bytes.extend((self.sections.len() as u32).to_be_bytes());
        for section in &self.sections {
            put(&mut body.bytes, section.kind.as_bytes());
            body.bytes.extend(section.version.to_be_bytes());
            put(&mut body.bytes, &section.payload);
            if body.bytes.len() >= PIECE_BYTES {
                body.pass_on()?;
            }
        }
        body.pass_on()?;
        let digest = body.sum.finalize();
        out.rewind()?;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend(MAGIC);
        head.extend(FORMAT.to_be_bytes());
        head.extend(digest);
        head.extend(((self.size() - HEAD_BYTES) as u64).to_be_bytes());
        out.write_all(&head)
    }

    /// A digest of the sections that count: of what they are and hold, and in which order.
    pub fn digest(&self, counts: impl Fn(&Section) -> bool) -> [u8; DIGEST_BYTES] {
        let mut sum = Sha256::new();
        for section in self.sections.iter().filter(|section| counts(section)) {
            for part in [section.kind.as_bytes(), &section.version.to_be_bytes(), &section.payload] {
                sum.update((part.len() as u64).to_be_bytes());
                sum.update(part);
            }
        }
        sum.finalize().into()
    }

    /// The snapshot in `bytes`, whose digest has been checked.
    ///
    /// # Errors
    /// They are none.
    pub fn decode(bytes: &Bytes) -> Result<Snapshot, Damaged> {
        Snapshot::check(bytes)?;
        Snapshot::read(bytes)
    }

    /// Whether `bytes` are as they were written, by their digest.
    ///
    /// # Errors
    /// They are not.
    pub fn check(bytes: &[u8]) -> Result<(), Damaged> {
        let (digest, body) = open(bytes)?;
        if Sha256::digest(body)[..] == digest { Ok(()) } else { Err(Damaged::Digest) }
    }

    /// The snapshot in `bytes`, for who has them checked at the same time.
    ///
    /// # Errors
    /// They are none.
    pub fn read(bytes: &Bytes) -> Result<Snapshot, Damaged> {
        let (_, body) = open(bytes)?;
        let mut reader = Reader::new(body);
        let product = name(get(&mut reader)?)?;
        let count = reader.u32()? as usize;
        let mut sections: Vec<Section> = Vec::with_capacity(count.min(body.len() / SECTION_BYTES_MIN));
        for _ in 0..count {
            let kind = get(&mut reader)?;
            // Those of a kind stand together.
            let kind = match sections.last() {
                Some(last) if last.kind.as_bytes() == kind => last.kind.clone(),
                _ => name(kind)?.into(),
            };
            let version = reader.u32()?;
            sections.push(Section { kind, version, payload: bytes.slice_ref(get(&mut reader)?) });
        }
        Ok(Snapshot { product, sections })
    }
}

/// The digest that a container names, and its body.
fn open(bytes: &[u8]) -> Result<([u8; DIGEST_BYTES], &[u8]), Damaged> {
    let mut reader = Reader::new(bytes);
    if reader.array().map_err(|_| Damaged::Foreign)? != MAGIC {
        return Err(Damaged::Foreign);
    }
    let format = reader.u32()?;
    if format == 0 || format > FORMAT {
        return Err(Damaged::Format(format));
    }
    Ok((reader.array()?, get(&mut reader)?))
}
/// The body on its way out.
struct Pieces<'a, W> {
    bytes: Vec<u8>,
    sum: Sha256,
    out: &'a mut W,
}

impl<W: Write> Pieces<'_, W> {
    fn pass_on(&mut self) -> io::Result<()> {
        self.sum.update(&self.bytes);
        self.out.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_be_bytes());
    out.extend(bytes);
}

fn get<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let len = reader.u64()?;
    reader.bytes(usize::try_from(len).unwrap_or(usize::MAX))
}

fn name(bytes: &[u8]) -> Result<String, Damaged> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Damaged::Name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_survives_and_damage_is_seen() {
        let section = Section { kind: "iscsi.session".into(), version: 2, payload: vec![1, 2, 3].into() };
        let snapshot = Snapshot { product: "0.1.0".into(), sections: vec![section] };
        let bytes = snapshot.encode();
        assert_eq!(bytes.len(), snapshot.size());
        assert_eq!(Snapshot::decode(&bytes), Ok(snapshot));
        for cut in 0..bytes.len() {
            assert!(Snapshot::decode(&bytes.slice(..cut)).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.to_vec();
            bad[at] ^= 1;
            assert!(Snapshot::decode(&bad.into()).is_err(), "flipped at {at}");
        }
    }
}
