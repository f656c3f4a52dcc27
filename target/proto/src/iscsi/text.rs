//! Text as login and text PDUs carry it: `key=value` pairs, each closed by a zero byte (RFC 7143 §6.1).

use std::collections::BTreeSet;

/// The most bytes of one text, summed over the PDUs that carry it, in either direction.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The most bytes of a key (RFC 7143 §6.1).
pub const KEY_BYTES_MAX: usize = 63;
/// The most bytes of one simple value; a list has one such limit for each element (RFC 7143 §6.1).
pub const VALUE_BYTES_MAX: usize = 255;

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// More than [`TEXT_BYTES_MAX`].
    #[error("the text is longer than {TEXT_BYTES_MAX} bytes")]
    Long,
    /// Not UTF-8, or a control character.
    #[error("the text is not made of printable characters")]
    Characters,
    /// The last pair is not closed.
    #[error("the last pair does not end in a zero byte")]
    Open,
    /// A pair without `=`.
    #[error("\"{0}\" is no key=value pair")]
    NoPair(String),
    /// A key of a form the standard does not know.
    #[error("\"{0}\" is no key")]
    BadKey(String),
    /// One key twice in one text.
    #[error("the key {0} is there twice")]
    Twice(String),
}

/// The pairs of a complete text, in order. Keys have their legal form and are there once; values are as they came.
pub fn parse(bytes: &[u8]) -> Result<Vec<(&str, &str)>, BadText> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(BadText::Long);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| BadText::Characters)?;
    let Some(text) = text.strip_suffix('\0') else {
        return if text.is_empty() { Ok(Vec::new()) } else { Err(BadText::Open) };
    };
    let mut seen = BTreeSet::new();
    let mut pairs = Vec::new();
    // Some initiators pad with further zero bytes inside the data segment.
    for pair in text.split('\0').filter(|pair| !pair.is_empty()) {
        if pair.chars().any(char::is_control) {
            return Err(BadText::Characters);
        }
        let (key, value) = pair.split_once('=').ok_or_else(|| BadText::NoPair(shown(pair)))?;
        if !is_key(key) {
            return Err(BadText::BadKey(shown(key)));
        }
        if !seen.insert(key) {
            return Err(BadText::Twice(key.to_owned()));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Appends one pair.
pub fn push(text: &mut Vec<u8>, key: &str, value: &str) {
    text.extend_from_slice(key.as_bytes());
    text.push(b'=');
    text.extend_from_slice(value.as_bytes());
    text.push(0);
}

/// What a peer sent, made fit for a line of a log: no control characters, and not long.
pub fn shown(value: &str) -> String {
    const SHOWN: usize = 80;
    let mut short: String = value.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if value.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

/// Starts with a capital letter; letters, digits and `.-+@_` follow, and `#` in `X#` keys (RFC 7143 §6.1, §13.22). Some keys begin in lower case
/// (`iSCSIProtocolLevel`), so that letter is taken either way.
fn is_key(key: &str) -> bool {
    key.len() <= KEY_BYTES_MAX
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+@_#".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs() {
        assert_eq!(parse(b""), Ok(vec![]));
        assert_eq!(parse(b"A=b\0C=\0\0\0"), Ok(vec![("A", "b"), ("C", "")]));
        assert_eq!(parse(b"X-com.example=a=b\0"), Ok(vec![("X-com.example", "a=b")]));
        assert_eq!(parse("A=ä\0".as_bytes()), Ok(vec![("A", "ä")]));
    }

    #[test]
    fn refused() {
        let long = format!("{}=1\0", "K".repeat(KEY_BYTES_MAX + 1));
        for (text, error) in [
            (&b"A=b"[..], BadText::Open),
            (b"A\0", BadText::NoPair("A".into())),
            (b"=b\0", BadText::BadKey("".into())),
            (b"9A=b\0", BadText::BadKey("9A".into())),
            (b"A b=c\0", BadText::BadKey("A b".into())),
            (long.as_bytes(), BadText::BadKey("K".repeat(64))),
            (b"A=\xff\0", BadText::Characters),
            (b"A=\n\0", BadText::Characters),
            (b"A=b\0C=d\0A=b\0", BadText::Twice("A".into())),
            (&[b'a'; TEXT_BYTES_MAX + 1], BadText::Long),
        ] {
            assert_eq!(parse(text), Err(error));
        }
        assert!(parse(format!("{}=1\0", "K".repeat(KEY_BYTES_MAX)).as_bytes()).is_ok());
    }

    #[test]
    fn shown_is_one_short_line() {
        assert_eq!(shown("a\"\u{7}\n"), "a\\\"\\u{7}\\n");
        assert_eq!(shown(&"ä".repeat(81)).chars().count(), 81);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn pushed_pairs_come_back(
            pairs in proptest::collection::btree_map("[A-Z][A-Za-z0-9.+@_-]{0,62}", "[ -~]{0,300}", 0..8)
        ) {
            let mut text = Vec::new();
            for (key, value) in &pairs {
                push(&mut text, key, value);
            }
            let parsed: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            prop_assert_eq!(parse(&text), Ok(parsed));
        }
    }
}
