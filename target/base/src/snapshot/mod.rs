//! The handover container: a fixed header, then sections `(kind, version, payload)`, each with its digest.
//!
//! The container never looks into a payload: every owner writes and reads its own section, in a form versioned by it.
//! Payloads are protobuf messages (unknown fields are skipped, missing ones have defaults). Saved forms are canonical:
//! sorted, absolute times, no addresses; saving what was restored gives the same bytes.

use crate::wire::{Reader, Short};
use sha2::{Digest, Sha256};

const MAGIC: [u8; 8] = *b"MAINSTAY";
const FORMAT: u32 = 1;
/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 32;
/// Before the body: magic, format, digest, length.
const HEAD_BYTES: usize = MAGIC.len() + 4 + DIGEST_BYTES + 8;
/// Of a section: two lengths and the version.
const SECTION_BYTES_MIN: usize = 8 + 4 + 8;

/// One owner's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Whose: a short name, e.g. `iscsi.connection`.
    pub kind: String,
    /// The form the payload is in.
    pub version: u32,
    /// The owner's bytes.
    pub payload: Vec<u8>,
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
    /// The container's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let bytes = |section: &Section| SECTION_BYTES_MIN + section.kind.len() + section.payload.len();
        let sections = self.sections.iter().map(bytes).sum::<usize>();
        let mut out = Vec::with_capacity(HEAD_BYTES + self.product.len() + 12 + sections);
        out.extend(MAGIC);
        out.extend(FORMAT.to_be_bytes());
        out.resize(HEAD_BYTES, 0);
        put(&mut out, self.product.as_bytes());
        out.extend((self.sections.len() as u32).to_be_bytes());
        for section in &self.sections {
            put(&mut out, section.kind.as_bytes());
            out.extend(section.version.to_be_bytes());
            put(&mut out, &section.payload);
        }
        let (head, body) = out.split_at_mut(HEAD_BYTES);
        head[HEAD_BYTES - 8 - DIGEST_BYTES..HEAD_BYTES - 8].copy_from_slice(&Sha256::digest(&*body));
        head[HEAD_BYTES - 8..].copy_from_slice(&(body.len() as u64).to_be_bytes());
        out
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
    pub fn decode(bytes: &[u8]) -> Result<Snapshot, Damaged> {
        let mut reader = Reader::new(bytes);
        if reader.array().map_err(|_| Damaged::Foreign)? != MAGIC {
            return Err(Damaged::Foreign);
        }
        let format = reader.u32()?;
        if format == 0 || format > FORMAT {
            return Err(Damaged::Format(format));
        }
        let digest: [u8; DIGEST_BYTES] = reader.array()?;
        let body = get(&mut reader)?;
        if Sha256::digest(body)[..] != digest {
            return Err(Damaged::Digest);
        }
        let mut reader = Reader::new(body);
        let product = name(get(&mut reader)?)?;
        let count = reader.u32()? as usize;
        let mut sections = Vec::with_capacity(count.min(body.len() / SECTION_BYTES_MIN));
        for _ in 0..count {
            let kind = name(get(&mut reader)?)?;
            let version = reader.u32()?;
            sections.push(Section { kind, version, payload: get(&mut reader)?.to_vec() });
        }
        Ok(Snapshot { product, sections })
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
        let section = Section { kind: "iscsi.session".into(), version: 2, payload: vec![1, 2, 3] };
        let snapshot = Snapshot { product: "0.1.0".into(), sections: vec![section] };
        let bytes = snapshot.encode();
        assert_eq!(Snapshot::decode(&bytes), Ok(snapshot));
        for cut in 0..bytes.len() {
            assert!(Snapshot::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Snapshot::decode(&bad).is_err(), "flipped at {at}");
        }
    }
}
