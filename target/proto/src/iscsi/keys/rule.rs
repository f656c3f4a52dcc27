//! The vocabulary of the table: when a key may come, from whom, and how two values become one.

use std::ops::RangeInclusive;

use crate::iscsi::text::shown;

/// When a key may be used (RFC 7143 §13, "Use").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// IO: in the login of any connection.
    Initialize,
    /// LO: in the login of the first connection of a session.
    Leading,
    /// FFPO: in full feature phase.
    FullFeature,
    /// ALL: in both.
    All,
}

/// The stages of login a key belongs to (RFC 7143 §6.3, §13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Security negotiation.
    Security,
    /// Operational negotiation.
    Operational,
    /// Both.
    Any,
}

/// Who may send a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Senders {
    Initiator,
    Target,
    Both,
}

/// How the value of a key comes about (RFC 7143 §6.2, §13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A text one side tells the other.
    Text {
        /// The most bytes it may have.
        max: usize,
    },
    /// A number each side tells the other.
    Declare {
        /// In force until told.
        default: u32,
        /// What is allowed.
        range: RangeInclusive<u32>,
    },
    /// The first of the initiator's list that we can do.
    List {
        /// In force without negotiation.
        default: &'static str,
        /// All that we can do.
        values: &'static [&'static str],
    },
    /// Yes if both say Yes.
    And {
        /// In force without negotiation.
        default: bool,
    },
    /// Yes if one says Yes.
    Or {
        /// In force without negotiation.
        default: bool,
    },
    /// The smaller of both numbers.
    Min {
        /// In force without negotiation.
        default: u32,
        /// What is allowed.
        range: RangeInclusive<u32>,
    },
    /// The greater of both numbers.
    Max {
        /// In force without negotiation.
        default: u32,
        /// What is allowed.
        range: RangeInclusive<u32>,
    },
    /// A question with an answer of its own: authentication, SendTargets.
    Step,
    /// Something we never do: always the same answer.
    Never(&'static str),
}

/// A rule of negotiation that a peer has broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct Violation {
    /// The key.
    pub key: String,
    /// What was wrong.
    pub why: String,
}

impl Violation {
    pub(crate) fn new(key: &str, why: impl Into<String>) -> Violation {
        Violation { key: shown(key), why: why.into() }
    }
}

/// `Yes` or `No`, nothing else (RFC 7143 §6.1).
pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "Yes" => Ok(true),
        "No" => Ok(false),
        _ => Err(format!("\"{}\" is neither Yes nor No", shown(value))),
    }
}

pub(super) fn yes_no(value: bool) -> &'static str {
    if value { "Yes" } else { "No" }
}

/// A decimal number, or a hexadecimal one after `0x` (RFC 7143 §6.1).
pub(super) fn number(value: &str, range: &RangeInclusive<u32>) -> Result<u32, String> {
    let parsed = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        // A sign would be taken by the parser, but not by the standard.
        _ if value.contains('+') => None,
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    };
    parsed
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("\"{}\" is no number from {} to {}", shown(value), range.start(), range.end()))
}
