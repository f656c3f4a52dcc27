//! The hash algorithms of CHAP.

/// A hash algorithm, with the number CHAP_A gives it (IANA, PPP Authentication Algorithms).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha3_256,
}

impl Hash {
    /// All, the weakest first.
    pub const ALL: [Hash; 4] = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha3_256];

    /// The number in CHAP_A.
    pub fn number(self) -> u8 {
        match self {
            Hash::Md5 => 5,
            Hash::Sha1 => 6,
            Hash::Sha256 => 7,
            Hash::Sha3_256 => 8,
        }
    }

    /// The algorithm with that number in CHAP_A.
    pub fn from_number(number: u32) -> Option<Hash> {
        Hash::ALL.into_iter().find(|hash| u32::from(hash.number()) == number)
    }

    /// The name people and the configuration use.
    pub fn name(self) -> &'static str {
        match self {
            Hash::Md5 => "MD5",
            Hash::Sha1 => "SHA-1",
            Hash::Sha256 => "SHA-256",
            Hash::Sha3_256 => "SHA3-256",
        }
    }

    /// Length of a digest in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Hash::Md5 => 16,
            Hash::Sha1 => 20,
            Hash::Sha256 | Hash::Sha3_256 => 32,
        }
    }

    /// The digest of `parts`, one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Hash::Md5 => run::<md5::Md5>(parts),
            Hash::Sha1 => run::<sha1::Sha1>(parts),
            Hash::Sha256 => run::<sha2::Sha256>(parts),
            Hash::Sha3_256 => run::<sha3::Sha3_256>(parts),
        }
    }
}

fn run<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().to_vec()
}
