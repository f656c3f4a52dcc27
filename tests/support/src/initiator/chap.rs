//! The initiator's half of CHAP (RFC 1994; RFC 7143 §12.1.3), straight from the hash crates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use sha3::Sha3_256;
use sha3::digest::Digest;

/// `CHAP_A` numbers of the Hash Algorithm registry.
#[allow(missing_docs)]
pub mod algorithm {
    pub const MD5: u8 = 5;
    pub const SHA1: u8 = 6;
    pub const SHA256: u8 = 7;
    pub const SHA3_256: u8 = 8;
}

/// What an initiator knows when it is asked who it is.
#[derive(Clone, Debug)]
pub struct Chap {
    /// Algorithms to offer, best first.
    pub algorithms: Vec<u8>,
    /// Our name and secret.
    pub name: String,
    /// See `name`.
    pub secret: Vec<u8>,
    /// The target's name and secret, when it must prove itself too.
    pub mutual: Option<(String, Vec<u8>)>,
    /// Sends binary values as base64 (`0b`) instead of hex (`0x`).
    pub base64: bool,
    /// Sends the target's own challenge back as ours: a reflection attack.
    pub reflect: bool,
}

impl Chap {
    /// One-way with all four algorithms.
    pub fn new(name: &str, secret: &str) -> Chap {
        Chap {
            algorithms: vec![algorithm::SHA3_256, algorithm::SHA256, algorithm::SHA1, algorithm::MD5],
            name: name.to_owned(),
            secret: secret.as_bytes().to_vec(),
            mutual: None,
            base64: false,
            reflect: false,
        }
    }

    /// Offers these algorithms only.
    pub fn algorithms(mut self, list: &[u8]) -> Chap {
        self.algorithms = list.to_vec();
        self
    }

    /// Wants proof from the target as well.
    pub fn mutual(mut self, name: &str, secret: &str) -> Chap {
        self.mutual = Some((name.to_owned(), secret.as_bytes().to_vec()));
        self
    }
}

/// The response value: hash of identifier, secret and challenge. None for an algorithm we do not know.
pub fn response(algorithm: u8, identifier: u8, secret: &[u8], challenge: &[u8]) -> Option<Vec<u8>> {
    fn hash<D: Digest>(identifier: u8, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
        let mut digest = D::new();
        digest.update([identifier]);
        digest.update(secret);
        digest.update(challenge);
        digest.finalize().to_vec()
    }
    Some(match algorithm {
        algorithm::MD5 => hash::<Md5>(identifier, secret, challenge),
        algorithm::SHA1 => hash::<Sha1>(identifier, secret, challenge),
        algorithm::SHA256 => hash::<Sha256>(identifier, secret, challenge),
        algorithm::SHA3_256 => hash::<Sha3_256>(identifier, secret, challenge),
        _ => return None,
    })
}

/// A binary value as text: `0x…` or `0b…` (RFC 7143 §6.1).
pub fn binary(bytes: &[u8], base64: bool) -> String {
    if base64 {
        return format!("0b{}", STANDARD.encode(bytes));
    }
    let mut out = "0x".to_owned();
    for byte in bytes {
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

/// The bytes of a binary value in either form.
pub fn unbinary(text: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("not a binary value: {text:?}");
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let hex = if hex.len().is_multiple_of(2) { hex.to_owned() } else { format!("0{hex}") };
        return (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(hex.get(at..at + 2).ok_or_else(bad)?, 16).map_err(|_| bad()))
            .collect();
    }
    let base = text.strip_prefix("0b").or_else(|| text.strip_prefix("0B")).ok_or_else(bad)?;
    STANDARD.decode(base).map_err(|_| bad())
}
