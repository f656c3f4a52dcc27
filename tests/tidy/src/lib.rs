//! The repository's rules about itself: who may know whom, where unsafe code may be, how files look.
//!
//! Each rule takes the [`Tree`] and gives a line for each place that breaks it. `tests/repository.rs` holds this
//! repository to them all; the tests beside the rules show that each one finds what it is for.

pub mod arrows;
pub mod layout;
pub mod rust;
pub mod text;
pub mod tokens;
pub mod tree;

pub use tree::{File, Tree};

/// What breaks a rule: the file, the line (from 1; 0 for the whole file) and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// Relative to the root.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// For people.
    pub what: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A rule by its name.
pub type Rule = (&'static str, fn(&Tree) -> Vec<Breach>);

/// All rules.
pub const RULES: &[Rule] = &[
    ("rooms know only whom they may", arrows::rooms),
    ("packages depend only on lower floors", arrows::packages),
    ("base and proto touch no clock, file, socket or thread", arrows::outside),
    ("unsafe code is in modules named sys", rust::unchecked),
    ("files are short", rust::length),
    ("nothing is left undone", rust::undone),
    ("no test is switched off", rust::ignored),
    ("every relaxed lint has a reason", rust::relaxed),
    ("lines are clean", text::lines),
    ("no path of a machine", text::machine_paths),
    ("a document has one title", text::titles),
    ("shell scripts stop at unset variables", text::scripts),
    ("the top level holds the agreed names", layout::top_level),
    ("every package is a member", layout::members),
];
