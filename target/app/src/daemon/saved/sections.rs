//! The sections of a snapshot, found by kind.

use super::{READS, Unreadable};
use mainstay_base::snapshot::Section;
use mainstay_edge::swap::FORM;
use prost::Message;

/// The sections of a snapshot: all of kinds and versions this program knows, in order.
pub(super) struct Sections<'a>([&'a [Section]; READS.len()]);

impl<'a> Sections<'a> {
    /// # Errors
    /// [`Unreadable`]: a kind or version that is not known, or not in its place.
    pub fn sort(sections: &'a [Section]) -> Result<Sections<'a>, Unreadable> {
        let mut sorted: [&[Section]; READS.len()] = [&[]; READS.len()];
        let mut at = 0;
        for run in sections.chunk_by(|a, b| a.kind == b.kind) {
            let kind = &*run[0].kind;
            let Some(index) = READS.iter().position(|&(known, ..)| known == kind && kind != FORM.0) else {
                return Err(Unreadable::Unknown(kind.to_owned()));
            };
            if index < at {
                return Err(Unreadable::Order(kind.to_owned()));
            }
            let (kind, oldest, newest) = READS[index];
            if let Some(strange) = run.iter().find(|s| s.version == 0 || !(oldest..=newest).contains(&s.version)) {
                return Err(Unreadable::Version { kind, version: strange.version, oldest, newest });
            }
            if run.iter().any(|section| section.version != run[0].version) {
                return Err(Unreadable::section(kind, "there are several versions of it"));
            }
            sorted[index] = run;
            at = index + 1;
        }
        Ok(Sections(sorted))
    }

    /// All of a kind.
    pub fn all(&self, kind: &str) -> &'a [Section] {
        READS.iter().position(|&(known, ..)| known == kind).map_or(&[], |index| self.0[index])
    }

    /// The one of a kind, or none.
    pub fn maybe(&self, kind: &'static str) -> Result<Option<&'a Section>, Unreadable> {
        match self.all(kind) {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Unreadable::Order(kind.to_owned())),
        }
    }

    /// The one of a kind.
    pub fn one(&self, kind: &'static str) -> Result<&'a Section, Unreadable> {
        self.maybe(kind)?.ok_or(Unreadable::Missing(kind))
    }
}

/// A section that holds `message`.
pub(super) fn put(kind: &str, version: u32, message: &impl Message) -> Section {
    Section { kind: kind.into(), version, payload: message.encode_to_vec().into() }
}

/// The message that a section holds.
pub(super) fn get<M: Message + Default>(kind: &'static str, section: &Section) -> Result<M, Unreadable> {
    M::decode(section.payload.clone()).map_err(|error| Unreadable::section(kind, error))
}

/// A field that must be there.
pub(super) fn need<T>(kind: &'static str, value: Option<T>, what: &str) -> Result<T, Unreadable> {
    value.ok_or_else(|| Unreadable::section(kind, format!("{what} is missing or out of range")))
}
