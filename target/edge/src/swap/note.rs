//! What a program says of itself in a section of its executable, so that it can be read without running it.

use super::Refusal;
use object::read::{Object, ObjectSection, ReadCache, ReadRef};
use std::io::{Read, Seek};

/// Which versions of a kind of section a program can read, and write for others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Reads {
    pub kind: String,
    pub oldest: u32,
    pub newest: u32,
}

/// What an executable says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// `mainstay`.
    pub product: String,
    /// Its version, as in its package.
    pub version: String,
    /// All kinds of section it knows.
    pub reads: Vec<Reads>,
}

/// Where [`encode`]d notes belong (`link_section`).
#[cfg(not(target_vendor = "apple"))]
pub const SECTION: &str = ".note.mainstay";
/// Where [`encode`]d notes belong (`link_section`).
#[cfg(target_vendor = "apple")]
pub const SECTION: &str = "__DATA,__mainstay";

const PRODUCT: &str = "mainstay";
const OWNER: &[u8; 9] = b"Mainstay\0";
/// Sizes of name and contents, type, and the name filled up to a multiple of four.
const HEAD: usize = 24;
const KIND: u32 = 1;
/// More than this nobody has to say.
const NOTE_MAX: u64 = 1 << 20;

/// The bytes of a note section, where the linkers want them.
#[repr(C, align(4))]
pub struct Section<const N: usize>(pub [u8; N]);

/// A section for [`SECTION`]: one ELF note, whose contents are lines of text filled up with zeroes.
///
/// # Panics
/// While compiling, when `N` bytes are too few.
pub const fn encode<const N: usize>(version: &str, reads: &[(&str, u32, u32)]) -> Section<N> {
    assert!(N >= HEAD && N.is_multiple_of(4), "a note has a head and a multiple of four bytes");
    let mut out = [0; N];
    let mut at = put(&mut out, 0, &(OWNER.len() as u32).to_ne_bytes());
    at = put(&mut out, at, &((N - HEAD) as u32).to_ne_bytes());
    at = put(&mut out, at, &KIND.to_ne_bytes());
    put(&mut out, at, OWNER);
    at = put(&mut out, HEAD, b"product ");
    at = put(&mut out, at, PRODUCT.as_bytes());
    at = put(&mut out, at, b"\nversion ");
    at = put(&mut out, at, version.as_bytes());
    let mut index = 0;
    while index < reads.len() {
        let (kind, oldest, newest) = reads[index];
        at = put(&mut out, at, b"\nreads ");
        at = put(&mut out, at, kind.as_bytes());
        at = put(&mut out, at, b" ");
        at = put_number(&mut out, at, oldest);
        at = put(&mut out, at, b" ");
        at = put_number(&mut out, at, newest);
        index += 1;
    }
    put(&mut out, at, b"\n");
    Section(out)
}

const fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    assert!(at + bytes.len() <= out.len(), "the note needs more room");
    let mut index = 0;
    while index < bytes.len() {
        out[at + index] = bytes[index];
        index += 1;
    }
    at + bytes.len()
}

const fn put_number(out: &mut [u8], at: usize, number: u32) -> usize {
    let at = if number >= 10 { put_number(out, at, number / 10) } else { at };
    put(out, at, &[b'0' + (number % 10) as u8])
}

impl Note {
    /// The note of an executable, given all its bytes. They are not trusted.
    ///
    /// # Errors
    /// It is not an executable of this kind of system, or has no note of ours.
    pub fn parse(executable: &[u8]) -> Result<Note, Refusal> {
        Note::parse_any(executable)
    }

    /// As [`Note::parse`], reading only what is needed.
    pub(super) fn read(executable: impl Read + Seek) -> Result<Note, Refusal> {
        Note::parse_any(&ReadCache::new(executable))
    }

    fn parse_any<'a>(executable: impl ReadRef<'a>) -> Result<Note, Refusal> {
        let file = object::File::parse(executable).map_err(|_| Refusal::NotExecutableFormat)?;
        let name = SECTION.rsplit(',').next().unwrap_or(SECTION);
        let section = file.section_by_name(name).ok_or(Refusal::NotOurs)?;
        if section.size() > NOTE_MAX {
            return Err(Refusal::NoteDamaged);
        }
        Note::from_section(section.data().map_err(|_| Refusal::NoteDamaged)?)
    }

    fn from_section(bytes: &[u8]) -> Result<Note, Refusal> {
        let head = bytes.get(..HEAD).ok_or(Refusal::NoteDamaged)?;
        let word = |at: usize| head[at..at + 4].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (name, contents, kind) = if cfg!(target_endian = "little") {
            (word(0), word(4), word(8))
        } else {
            let big = |at: usize| (word(at) as u32).swap_bytes() as usize;
            (big(0), big(4), big(8))
        };
        if name != OWNER.len() || kind != KIND as usize || &head[12..12 + OWNER.len()] != OWNER {
            return Err(Refusal::NotOurs);
        }
        let text = HEAD.checked_add(contents).and_then(|end| bytes.get(HEAD..end)).ok_or(Refusal::NoteDamaged)?;
        let text = std::str::from_utf8(text).map_err(|_| Refusal::NoteDamaged)?;
        let mut note = Note { product: String::new(), version: String::new(), reads: Vec::new() };
        // What a later program says besides is nothing we could use.
        for line in text.trim_end_matches('\0').lines() {
            match line.split_once(' ') {
                Some(("product", rest)) => note.product = rest.into(),
                Some(("version", rest)) => note.version = rest.into(),
                Some(("reads", rest)) => note.reads.push(Reads::parse(rest).ok_or(Refusal::NoteDamaged)?),
                _ => {}
            }
        }
        if note.product != PRODUCT {
            return Err(Refusal::NotOurs);
        }
        if note.version.is_empty() { Err(Refusal::NoteDamaged) } else { Ok(note) }
    }
}

impl Reads {
    fn parse(text: &str) -> Option<Reads> {
        let mut words = text.split(' ');
        let kind = words.next()?.to_owned();
        let reads = Reads { kind, oldest: words.next()?.parse().ok()?, newest: words.next()?.parse().ok()? };
        (words.next().is_none() && reads.oldest <= reads.newest).then_some(reads)
    }
}
