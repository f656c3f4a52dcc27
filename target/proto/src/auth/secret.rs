//! Secrets and who they belong to.

use std::fmt;

use zeroize::Zeroizing;

use super::same;

/// The most bytes a secret may have: one simple value (RFC 7143 §6.1).
pub const SECRET_BYTES_MAX: usize = 255;
/// Below this many bytes (96 bits) RFC 7143 §12.1.3 wants IPsec around a CHAP exchange; above 16 some initiators cut.
pub const SECRET_BYTES_ADVISED: std::ops::RangeInclusive<usize> = 12..=16;

/// A CHAP secret: wiped when dropped, redacted when printed, compared in constant time.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The secret made of `bytes`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for Secret {}

/// A CHAP name and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What CHAP_N says.
    pub name: String,
    /// What only the two sides know.
    pub secret: Secret,
}
