//! Challenges, exponents and sequence numbers that cannot be foreseen and never repeat.

use super::Hash;
use super::power::{EXPONENT_BYTES, Exponent};
use zeroize::Zeroizing;

/// 32 bytes of entropy and a counter, so that a restored machine goes on where it was and never says a thing twice.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Seed {
    pub entropy: Zeroizing<[u8; 32]>,
    pub used: u64,
    /// The last sequence number; 0 before the first.
    pub sequence: u32,
}

impl Seed {
    pub fn new(entropy: [u8; 32]) -> Seed {
        Seed { entropy: Zeroizing::new(entropy), used: 0, sequence: 0 }
    }

    fn draw(&mut self, what: &str) -> Exponent {
        self.used += 1;
        let mac = Hash::Sha512.hmac(&*self.entropy, &[what.as_bytes(), &self.used.to_be_bytes()]);
        let mut bytes = Zeroizing::new([0; EXPONENT_BYTES]);
        bytes.copy_from_slice(&mac);
        bytes
    }

    /// A secret exponent.
    pub fn exponent(&mut self) -> Exponent {
        self.draw("exponent")
    }

    /// A challenge for `hash`.
    pub fn challenge(&mut self, hash: Hash) -> Vec<u8> {
        self.draw("challenge")[..hash.bytes()].to_vec()
    }

    /// The next sequence number: random at first, then one more each time; 0 has a meaning of its own (base §8.13.5.4).
    pub fn sequence(&mut self) -> u32 {
        if self.sequence == 0 {
            let start = self.draw("sequence");
            self.sequence = u32::from_le_bytes([start[0], start[1], start[2], start[3]]);
        }
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.sequence
    }
}
