//! CHAP (RFC 1994) as iSCSI uses it (RFC 7143 §12.1.3): the computations, the text forms of its values, and nothing of
//! the conversation, which belongs to the login. NVMe's DH-HMAC-CHAP, conversation and all, is in [`dhchap`].
//!
//! Non-goals: no state, no clock, no source of randomness (challenges are made from a seed the owner brings).
//!
//! I1. A secret is wiped when dropped and never printed. I2. What a peer sent is compared in constant time.

mod binary;
mod challenge;
pub mod dhchap;
mod hash;
mod secret;

pub use binary::{BadBinary, decode, encode};
pub use challenge::{Challenge, Seed};
pub use hash::Hash;
pub use secret::{Credential, SECRET_BYTES_ADVISED, SECRET_BYTES_MAX, Secret};

use subtle::ConstantTimeEq;

/// The most bytes a challenge or any other binary value of CHAP has (RFC 7143 §12.1.3).
pub const BINARY_BYTES_MAX: usize = 1024;

/// The answer to `challenge` with identifier `id`: the hash over identifier, secret and challenge (RFC 1994 §4.1).
pub fn response(hash: Hash, id: u8, secret: &Secret, challenge: &[u8]) -> Vec<u8> {
    hash.digest(&[&[id], secret.as_bytes(), challenge])
}

/// Whether `given` is the answer to `challenge`; the time taken does not tell where it differs.
pub fn verify(hash: Hash, id: u8, secret: &Secret, challenge: &[u8], given: &[u8]) -> bool {
    same(&response(hash, id, secret, challenge), given)
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests;
