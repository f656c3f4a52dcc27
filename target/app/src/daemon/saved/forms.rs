//! Which versions of the sections a snapshot is written in.

use super::READS;
use mainstay_base::snapshot::Snapshot;
use std::collections::BTreeMap;

/// Kinds of which this program has no use any more: they are written only for programs that cannot do without them.
const GONE: &[&str] = if cfg!(feature = "next") { &["sessions"] } else { &[] };

/// A version for each kind; 0: it is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms(BTreeMap<String, u32>);

impl Forms {
    /// What this program writes for one like itself.
    pub fn own() -> Forms {
        let version = |kind, oldest, newest| if GONE.contains(&kind) { oldest } else { newest };
        Forms(READS.iter().map(|&(kind, oldest, newest)| (kind.to_owned(), version(kind, oldest, newest))).collect())
    }

    /// What this program can write and the other one reads, given what that says of itself (kind, oldest, newest).
    ///
    /// # Errors
    /// For people: which section the two cannot agree on.
    pub fn agree<'a>(reads: impl IntoIterator<Item = (&'a str, u32, u32)>) -> Result<Forms, String> {
        agree(READS, GONE, reads)
    }

    /// Those that `snapshot` is written in.
    pub fn of(snapshot: &Snapshot) -> Forms {
        let mut forms: BTreeMap<String, u32> = READS.iter().map(|&(kind, ..)| (kind.to_owned(), 0)).collect();
        for section in &snapshot.sections {
            if forms.get(&*section.kind) != Some(&section.version) {
                forms.insert(section.kind.to_string(), section.version);
            }
        }
        Forms(forms)
    }

    /// The version to write, 0 for none.
    pub fn version(&self, kind: &str) -> u32 {
        self.0.get(kind).copied().unwrap_or_default()
    }
}

fn agree<'a>(
    writes: &[(&str, u32, u32)],
    gone: &[&str],
    reads: impl IntoIterator<Item = (&'a str, u32, u32)>,
) -> Result<Forms, String> {
    let reads: BTreeMap<&str, (u32, u32)> = reads.into_iter().map(|(kind, old, new)| (kind, (old, new))).collect();
    let mut forms = BTreeMap::new();
    for &(kind, oldest, newest) in writes {
        let (old, new) = reads.get(kind).copied().unwrap_or((0, 0));
        let (low, high) = (oldest.max(old), newest.min(new));
        if low > high {
            return Err(match new {
                0 => {
                    format!("it knows nothing of section {kind:?}, without which this program cannot say what it does")
                }
                _ => format!(
                    "of section {kind:?} it reads versions {old} to {new}, this program writes {oldest} to {newest}"
                ),
            });
        }
        forms.insert(kind.to_owned(), if gone.contains(&kind) { low } else { high });
    }
    match reads.iter().find(|(kind, (old, _))| *old > 0 && !forms.contains_key(**kind)) {
        Some((kind, _)) => Err(format!("it cannot do without section {kind:?}, of which this program knows nothing")),
        None => Ok(Forms(forms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_that_both_know_is_written() {
        let forms = |writes, gone, reads: &[(&'static str, u32, u32)]| {
            let forms = agree(writes, gone, reads.iter().copied())?;
            Ok::<_, String>(["a", "b", "c"].map(|kind| forms.version(kind)))
        };
        let (old, new): (&[_], &[_]) = (&[("a", 1, 1), ("b", 1, 1)], &[("a", 1, 2), ("b", 0, 1), ("c", 0, 3)]);
        assert_eq!(forms(old, &[], old), Ok([1, 1, 0]));
        assert_eq!(forms(old, &[], new), Ok([1, 1, 0]));
        assert_eq!(forms(new, &["b"], old), Ok([1, 1, 0]), "the newer program says it in the older form");
        assert_eq!(forms(new, &["b"], new), Ok([2, 0, 3]), "and among its like leaves out what is gone");
    }

    #[test]
    fn who_cannot_agree_says_on_what() {
        let why = |writes: &[(&str, u32, u32)], reads: &[(&'static str, u32, u32)]| {
            agree(writes, &[], reads.iter().copied()).unwrap_err()
        };
        assert!(why(&[("a", 2, 2)], &[("a", 1, 1)]).contains("\"a\" it reads versions 1 to 1"));
        assert!(why(&[("a", 1, 1)], &[]).contains("knows nothing of section \"a\""));
        assert!(why(&[("a", 1, 1)], &[("a", 1, 1), ("b", 1, 1)]).contains("cannot do without section \"b\""));
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(READS.iter().all(|(_, oldest, newest)| oldest <= newest && *newest > 0));
        let own = Forms::own();
        assert_eq!(own.0.len(), READS.len(), "each kind once");
        assert_eq!(Forms::agree(READS.iter().copied()), Ok(own));
    }
}
