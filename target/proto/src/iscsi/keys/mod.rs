//! The keys of RFC 7143 §13, RFC 7144 and §12.1: one table of their rules, and the negotiation that follows it.
//!
//! Non-goals: what the security and naming keys mean (see `login`), SendTargets (see `discovery`).
//!
//! I1. Every key offered is answered by its rule or refused by name; none is ignored. I2. What we do not do yet is
//! negotiated down to what we do.

mod negotiated;
mod negotiation;
mod rule;
pub mod saved;
mod table;

pub use negotiated::{Digest, Negotiated, TaskReporting};
pub(super) use negotiation::redeclare;
pub use negotiation::{Negotiation, Offers};
pub use rule::{Rule, Senders, Stage, Use, Violation};
pub use table::{Entry, Key, TABLE, lookup};

/// The answer to a key we do not know (RFC 7143 §6.2).
pub const NOT_UNDERSTOOD: &str = "NotUnderstood";
/// The answer to a key that has no meaning in this kind of session (RFC 7143 §6.2).
pub const IRRELEVANT: &str = "Irrelevant";
/// The answer to a value we cannot take (RFC 7143 §6.2).
pub const REJECT: &str = "Reject";

#[cfg(test)]
mod tests;
