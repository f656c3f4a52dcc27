//! Binary values in text: hexadecimal after `0x`, base64 after `0b` (RFC 7143 §6.1).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// With or without padding: both are seen.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false),
);

/// Why a text is no binary value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBinary {
    /// Neither `0x` nor `0b`.
    #[error("begins with neither 0x nor 0b")]
    Prefix,
    /// No digits after the prefix.
    #[error("is empty")]
    Empty,
    /// Longer than the key allows.
    #[error("is longer than {max} bytes")]
    Long {
        /// The limit.
        max: usize,
    },
    /// Something that is no digit, or a digit too few.
    #[error("is not well formed")]
    Digits,
}

/// The bytes `text` stands for, at most `max`. An odd count of hexadecimal digits begins with half a byte.
pub fn decode(text: &str, max: usize) -> Result<Vec<u8>, BadBinary> {
    let (prefix, digits) = text.split_at_checked(2).ok_or(BadBinary::Prefix)?;
    let long = match prefix {
        "0x" | "0X" => digits.len().div_ceil(2) > max,
        "0b" | "0B" => digits.trim_end_matches('=').len() / 4 * 3 > max,
        _ => return Err(BadBinary::Prefix),
    };
    if digits.is_empty() {
        return Err(BadBinary::Empty);
    }
    if long {
        return Err(BadBinary::Long { max });
    }
    let bytes = if prefix.eq_ignore_ascii_case("0x") {
        hex(digits).ok_or(BadBinary::Digits)?
    } else {
        BASE64.decode(digits).map_err(|_| BadBinary::Digits)?
    };
    match bytes.len() {
        0 => Err(BadBinary::Empty),
        n if n > max => Err(BadBinary::Long { max }),
        _ => Ok(bytes),
    }
}

/// `bytes` in hexadecimal, which every initiator reads.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("0x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let nibbles = digits.bytes().map(|digit| char::from(digit).to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let (half, pairs) = nibbles.split_at(nibbles.len() % 2);
    Some(
        half.iter().copied().chain(pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1])).map(|b| b as u8).collect(),
    )
}
