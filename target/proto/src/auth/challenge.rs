//! Challenges that cannot be foreseen and never repeat.

use std::fmt;

use zeroize::Zeroizing;

use super::Hash;

/// What a peer has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// CHAP_I.
    pub id: u8,
    /// CHAP_C, as long as a digest of the algorithm agreed on.
    pub bytes: Vec<u8>,
}

/// 32 bytes of entropy and a counter: the n-th challenge is a hash of both, so a restored seed goes on where it was
/// and what has been sent tells nothing of what will be.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    entropy: Zeroizing<[u8; 32]>,
    used: u64,
}

impl Seed {
    /// A seed from `entropy`, which must come from the system's random source and be used for one connection only.
    pub fn new(entropy: [u8; 32]) -> Seed {
        Seed::resume(entropy, 0)
    }

    /// The seed that has already made `used` challenges.
    pub fn resume(entropy: [u8; 32], used: u64) -> Seed {
        Seed { entropy: Zeroizing::new(entropy), used }
    }

    /// What [`Seed::resume`] needs.
    pub fn parts(&self) -> (&[u8; 32], u64) {
        (&self.entropy, self.used)
    }

    /// The next challenge for `hash`.
    pub fn next(&mut self, hash: Hash) -> Challenge {
        self.used += 1;
        let block = |what: &[u8]| Hash::Sha256.digest(&[what, &*self.entropy, &self.used.to_be_bytes()]);
        let mut bytes = block(b"CHAP_C");
        bytes.truncate(hash.bytes());
        Challenge { id: block(b"CHAP_I")[0], bytes }
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").field("used", &self.used).finish_non_exhaustive()
    }
}
