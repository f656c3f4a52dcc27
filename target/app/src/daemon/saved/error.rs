//! Why a world cannot be saved or restored.

use super::handed::Role;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// State that the form asked for has no words for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version {version} of section {kind:?} cannot say {what}")]
pub struct Inexpressible {
    /// Of which section.
    pub kind: String,
    /// The version asked for.
    pub version: u32,
    /// What it cannot say.
    pub what: String,
}

impl Inexpressible {
    pub(super) fn new(kind: &str, version: u32, what: impl Into<String>) -> Inexpressible {
        Inexpressible { kind: kind.to_owned(), version, what: what.into() }
    }

    /// What only looks at the world: a mistake in it costs a swap, and not the daemon.
    pub(super) fn looking<T>(look: impl FnOnce() -> Result<T, Inexpressible>) -> Result<T, Inexpressible> {
        let broke = "anything: the daemon broke over it, as its standard error says";
        catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| Err(Inexpressible::new("snapshot", 1, broke)))
    }

    pub(super) fn in_flight(count: usize) -> Inexpressible {
        Inexpressible::new("nexus", 1, format!("what becomes of {count} requests that are at a store"))
    }
}

/// Why a snapshot is not that of a world this program can take.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Unreadable {
    #[error("the snapshot has no section {0:?}, without which this program cannot go on")]
    Missing(&'static str),
    #[error("the snapshot has a section {0:?}, of which this program knows nothing")]
    Unknown(String),
    #[error("section {kind:?} is of version {version}; this program reads {oldest} to {newest}")]
    Version { kind: &'static str, version: u32, oldest: u32, newest: u32 },
    #[error("section {0:?} stands where it does not belong, or twice")]
    Order(String),
    #[error("section {kind:?}: {why}")]
    Section { kind: &'static str, why: String },
    #[error("the descriptor of {role}: {source}")]
    Descriptor { role: Role, source: io::Error },
}

impl Unreadable {
    pub(super) fn section(kind: &'static str, why: impl ToString) -> Unreadable {
        Unreadable::Section { kind, why: why.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_breaks_over_the_world_has_no_words_for_it() {
        assert_eq!(Inexpressible::looking(|| Ok(7)), Ok(7));
        let broke = Inexpressible::looking::<()>(|| panic!("as a mistake in it would")).unwrap_err();
        assert!(broke.to_string().contains("broke"), "{broke}");
    }
}
