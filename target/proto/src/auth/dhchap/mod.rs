//! DH-HMAC-CHAP, NVMe's in-band authentication (base §8.13.5): the machines of both sides, the messages between them, and keys.
//!
//! Non-goals: no commands and no queues (the messages are data of Authentication Send and Receive, which the owner runs); no
//! clock (the owner bounds how long an exchange may last); no secure channels (SC_C is refused); no source of randomness.
//!
//! I1. Keys are given with every call and are in no saved form. I2. Secrets are wiped when dropped and never printed. I3. Responses are compared in constant
//! time. I4. No message makes a machine compute a power itself: that is a [`Work`] for somebody else. I5. A peer's values are checked before
//! they are used: lengths, lists, public values, turn, transaction.

mod failure;
mod group;
mod hash;
mod initiator;
mod key;
mod message;
mod power;
mod proof;
mod responder;
pub mod saved;
mod seed;
mod transfer;

pub use failure::{Failure, Reason, Stage};
pub use group::Group;
pub use hash::Hash;
pub use initiator::{Initiator, Step};
pub use key::{BadKey, BadKeys, Key, Keys};
pub use message::MESSAGE_BYTES_MAX;
pub use power::{Power, Work, compute};
pub use proof::{Proof, Terms};
pub use responder::{Given, Responder, Taken, Verdict};
pub use transfer::{AUTH_RECEIVE, AUTH_SEND, BadTransfer, Transfer};

#[cfg(test)]
mod tests;
