//! Keys in the form people exchange them: `DHHC-1:XX:base64:` (base §8.13.5.8), and what two sides agree to use them with.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::{Group, Hash};
use crate::auth::same;

/// A key as it is configured: wiped when dropped, redacted when printed, compared in constant time.
#[derive(Clone)]
pub struct Key {
    secret: Zeroizing<Vec<u8>>,
    /// The hash that ties it to a name before use; none: it is used as it is.
    hash: Option<Hash>,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not the form at all.
    #[error("is not of the form DHHC-1:XX:<base64>: with a colon at its end, as `nvme gen-dhchap-key` makes it")]
    Form,
    /// XX.
    #[error("says neither 00 (used as it is), 01 (SHA-256), 02 (SHA-384) nor 03 (SHA-512) after DHHC-1:")]
    Hash,
    /// What is between the last two colons.
    #[error("has something between the last two colons that is not base64")]
    Base64,
    /// The secret's length.
    #[error("holds {bytes} bytes of secret; there must be 32, 48 or 64 (before four bytes of check sum)")]
    Length {
        /// So many.
        bytes: usize,
    },
    /// The secret's length against XX.
    #[error("holds {bytes} bytes of secret, but one for {} has {}", .hash.name(), .hash.bytes())]
    Mismatch {
        /// XX.
        hash: Hash,
        /// So many.
        bytes: usize,
    },
    /// The check sum.
    #[error("has a wrong check sum: a character was changed or lost when it was copied")]
    CheckSum,
}

const PREFIX: &str = "DHHC-1:";

impl Key {
    /// The key `text` is.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub fn parse(text: &str) -> Result<Key, BadKey> {
        let (number, rest) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).ok_or(BadKey::Form)?;
        let digits = rest.strip_suffix(':').ok_or(BadKey::Form)?;
        let hash = match number {
            "00" => None,
            "01" => Some(Hash::Sha256),
            "02" => Some(Hash::Sha384),
            "03" => Some(Hash::Sha512),
            _ => return Err(BadKey::Hash),
        };
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(digits).map_err(|_| BadKey::Base64)?);
        let (secret, sum) = bytes.split_last_chunk::<4>().ok_or(BadKey::Length { bytes: 0 })?;
        let key = Key::generate(secret, hash)?;
        match crc32(secret).to_le_bytes() == *sum {
            true => Ok(key),
            false => Err(BadKey::CheckSum),
        }
    }

    /// The key made of `secret`: 32, 48 or 64 random bytes, as many as `hash` has if it is to be tied to a name.
    ///
    /// # Errors
    /// For another length.
    pub fn generate(secret: &[u8], hash: Option<Hash>) -> Result<Key, BadKey> {
        let bytes = secret.len();
        if !Hash::ALL.iter().any(|hash| hash.bytes() == bytes) {
            return Err(BadKey::Length { bytes });
        }
        match hash {
            Some(hash) if hash.bytes() != bytes => Err(BadKey::Mismatch { hash, bytes }),
            _ => Ok(Key { secret: Zeroizing::new(secret.to_vec()), hash }),
        }
    }

    /// The form people exchange.
    pub fn text(&self) -> Zeroizing<String> {
        // Room for all of it at once: what grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.secret.len() + 4));
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&crc32(&self.secret).to_le_bytes());
        let digits = Zeroizing::new(BASE64_STANDARD.encode(&*bytes));
        Zeroizing::new(format!("{PREFIX}{:02}:{}:", self.hash.map_or(0, Hash::id), *digits))
    }

    /// The key as `nqn` uses it: its HMAC over name and "NVMe-over-Fabrics" (base §8.13.5.7).
    pub(super) fn of(&self, nqn: &str) -> Zeroizing<Vec<u8>> {
        match self.hash {
            None => self.secret.clone(),
            Some(hash) => hash.hmac(&self.secret, &[nqn.as_bytes(), b"NVMe-over-Fabrics"]),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.hash == other.hash && same(&self.secret, &other.secret)
    }
}

impl Eq for Key {}

/// CRC-32 of IEEE 802.3, reflected, as in RFC 1952 §8; without a table, so that no address depends on the secret.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ 0xedb8_8320 & (crc & 1).wrapping_neg())
    })
}

/// What a host and a subsystem have in common, and with what it may be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What the host proves to know.
    pub host: Key,
    /// What the controller proves to know: for a Responder when it is asked, for an Initiator the wish to ask.
    pub controller: Option<Key>,
    /// Hashes that may be used, the preferred first.
    pub hashes: Vec<Hash>,
    /// Groups that may be used, the preferred first.
    pub groups: Vec<Group>,
}

/// Why keys cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// The host's key.
    #[error("the key of the host {0}")]
    Host(BadKey),
    /// The controller's key.
    #[error("the key of the controller {0}")]
    Controller(BadKey),
    /// A hash nobody knows.
    #[error("hash {0} is unknown; 1 (SHA-256), 2 (SHA-384) and 3 (SHA-512) are known")]
    Hash(u8),
    /// A group nobody knows.
    #[error("Diffie-Hellman group {0} is unknown; 0 (none) and 1 to 5 (ffdhe2048, 3072, 4096, 6144, 8192) are known")]
    Group(u8),
}

impl Keys {
    /// Keys from texts, with the identifiers of hashes and groups that may be used, the preferred first; none: all.
    ///
    /// # Errors
    /// Which of them is wrong, and how.
    pub fn parse(host: &str, controller: Option<&str>, hashes: &[u8], groups: &[u8]) -> Result<Keys, BadKeys> {
        let mut keys = Keys {
            host: Key::parse(host).map_err(BadKeys::Host)?,
            controller: controller.map(Key::parse).transpose().map_err(BadKeys::Controller)?,
            hashes: distinct(hashes, |id| Hash::from_id(id).ok_or(BadKeys::Hash(id)))?,
            groups: distinct(groups, |id| Group::from_id(id).ok_or(BadKeys::Group(id)))?,
        };
        if keys.hashes.is_empty() {
            keys.hashes = Hash::PREFERRED.to_vec();
        }
        if keys.groups.is_empty() {
            keys.groups = Group::PREFERRED.to_vec();
        }
        Ok(keys)
    }
}

/// What `ids` stand for, each once: an offer has room for thirty.
fn distinct<T: PartialEq>(ids: &[u8], known: impl Fn(u8) -> Result<T, BadKeys>) -> Result<Vec<T>, BadKeys> {
    let mut list = Vec::new();
    for id in ids {
        let one = known(*id)?;
        if !list.contains(&one) {
            list.push(one);
        }
    }
    Ok(list)
}
