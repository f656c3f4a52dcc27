//! iSCSI names: RFC 7143 §4.2.7, in the normal form that RFC 3722 gives (here: the ASCII part of it).

use super::kind::Wrong;
use std::collections::BTreeSet;

/// Where our own names live: a private-use domain, so that they claim nobody's.
pub const PREFIX: &str = "iqn.2026-11.internal.mainstay";

/// Bytes of a name (RFC 7143 §4.2.7.2).
pub const NAME_BYTES_MAX: usize = 223;

const SHAPE: &str = "iqn.YEAR-MONTH.DOMAIN[:TEXT], like \"iqn.2026-11.org.example:disk\", or eui. and 16, or naa. and 16 or \
                     32 hexadecimal digits";

/// Whether `name` is a full iSCSI name.
pub fn check(name: &str) -> Result<(), Wrong> {
    characters(name)?;
    let wrong = |what: String| Err(Wrong { what, right: SHAPE.into() });
    let digits =
        |text: &str, counts: &[usize]| counts.contains(&text.len()) && text.bytes().all(|c| c.is_ascii_hexdigit());
    match name.split_once('.') {
        Some(("iqn", rest)) => qualified(rest).or_else(|()| wrong(format!("{name:?} is not well formed"))),
        Some(("eui", rest)) if digits(rest, &[16]) => Ok(()),
        Some(("naa", rest)) if digits(rest, &[16, 32]) => Ok(()),
        _ => wrong(format!("{name:?} is no iSCSI name")),
    }
}

/// Whether `name` is an NVMe Qualified Name (base 2.0 §4.5). What follows the date is free, also in case: hosts compare bytes.
pub fn check_nqn(name: &str) -> Result<(), Wrong> {
    let wrong = |what: String, right: &str| Err(Wrong { what, right: right.into() });
    if name.len() > NAME_BYTES_MAX {
        return wrong(format!("this name has {} bytes", name.len()), "at most 223 fit");
    }
    if let Some(bad) = name.chars().find(|c| c.is_control() || c.is_whitespace()) {
        return wrong(format!("{bad:?} cannot be in an NVMe Qualified Name"), "leave it out");
    }
    match name.strip_prefix("nqn.").is_some_and(|rest| qualified(rest).is_ok()) {
        true => Ok(()),
        false => wrong(
            format!("{name:?} is no NVMe Qualified Name"),
            "nqn.YEAR-MONTH.DOMAIN:TEXT, like \"nqn.2026-11.org.example:disk\", or nqn.2014-08.org.nvmexpress:uuid:UUID",
        ),
    }
}

/// Whether `prefix` can stand before the colon of a name.
pub fn check_prefix(prefix: &str) -> Result<(), Wrong> {
    characters(prefix)?;
    let good = prefix.strip_prefix("iqn.").is_some_and(|rest| qualified(rest).is_ok());
    if good && prefix.len() <= NAME_BYTES_MAX - 2 {
        return Ok(());
    }
    let right = "iqn.YEAR-MONTH.DOMAIN, like \"iqn.2026-11.org.example\": a month in which the domain (written backwards) \
                 was yours";
    Err(Wrong { what: format!("{prefix:?} cannot begin an iSCSI name"), right: right.into() })
}

/// Whether `name` has the form of a full name, be it well formed or not.
pub fn is_full(name: &str) -> bool {
    ["iqn.", "eui.", "naa."].iter().any(|form| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(form)))
}

/// `YYYY-MM.domain` and perhaps `:text`.
fn qualified(rest: &str) -> Result<(), ()> {
    let (front, tail) = rest.split_once(':').map_or((rest, None), |(front, tail)| (front, Some(tail)));
    let (date, domain) = front.split_once('.').ok_or(())?;
    let (year, month) = date.split_once('-').ok_or(())?;
    let number = |text: &str, len| text.len() == len && text.bytes().all(|c| c.is_ascii_digit());
    let month_good = number(month, 2) && (1..=12).contains(&month.parse::<u8>().map_err(drop)?);
    let good = number(year, 4) && month_good && domain.split('.').all(|part| !part.is_empty()) && tail != Some("");
    if good { Ok(()) } else { Err(()) }
}

fn characters(name: &str) -> Result<(), Wrong> {
    let wrong = |what: String, right: String| Err(Wrong { what, right });
    if name.len() > NAME_BYTES_MAX {
        return wrong(format!("this name has {} bytes", name.len()), format!("at most {NAME_BYTES_MAX} fit"));
    }
    if name.bytes().any(|c| c.is_ascii_uppercase()) {
        let lower = name.to_ascii_lowercase();
        return wrong("iSCSI names are in lower case".into(), format!("write {lower:?}"));
    }
    match name.chars().find(|&c| !allowed(c)) {
        Some(bad) => wrong(
            format!("{bad:?} cannot be in an iSCSI name"),
            "lower-case letters, digits, '-', '.' and ':' can".into(),
        ),
        None => Ok(()),
    }
}

fn allowed(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':')
}

/// What follows the colon of the name for a file called `stem`: lower case, with `-` for what a name cannot have, and
/// unlike all `taken`, to which it is added. `room`: bytes it may take.
pub fn from_stem(stem: &str, room: usize, taken: &mut BTreeSet<String>) -> String {
    let tail = tidied(stem);
    let tail = if tail.is_empty() { "volume" } else { &tail };
    // Room is left for a number.
    let tail = &tail[..tail.len().min(room.saturating_sub(8).max(1))];
    let mut unique = tail.to_owned();
    let mut number = 1u32;
    while !taken.insert(unique.clone()) {
        number += 1;
        unique = format!("{tail}-{number}");
    }
    unique
}

/// `stem` with only what can be in a name, in lower case.
pub fn tidied(stem: &str) -> String {
    let mut tail = String::new();
    for c in stem.to_lowercase().chars() {
        match c {
            c if allowed(c) && c != ':' => tail.push(c),
            _ if tail.ends_with('-') => {}
            _ => tail.push('-'),
        }
    }
    tail.trim_matches(['-', '.']).to_owned()
}
