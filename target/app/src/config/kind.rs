//! What a value may be, and its reading. Each reader says what is wrong and what would be right.

use super::keys::Table;
use super::{name, size};
use mainstay_proto::auth::{Hash, SECRET_BYTES_MAX};
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;
use toml::de::DeValue;
use toml::value::Offset;

/// What a value may be.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Printable ASCII, up to so many bytes.
    Text(usize),
    /// A name for use within the file: no control characters, up to 64 bytes.
    Label,
    /// A path, relative to the folder of the file.
    Path,
    /// A full iSCSI name, or what follows `name_prefix:`.
    TargetName,
    /// A full iSCSI name.
    IscsiName,
    /// `iqn.yyyy-mm.domain`.
    NamePrefix,
    /// Free text for people, up to so many bytes.
    Alias(usize),
    /// What must stay unknown to others.
    Secret,
    /// true or false.
    Bool,
    /// A whole number within bounds.
    Integer(i64, i64),
    /// Bytes, at least so many.
    Size(u64),
    /// A time within bounds, in milliseconds.
    Time(u64, u64),
    /// IP address and port, this one unless it says another.
    Address(u16),
    /// Host name or IP address, and a port.
    HostPort,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A UUID.
    Uuid,
    /// Eight bytes of an NAA designator.
    Naa,
    /// What the log shows.
    Filter,
    /// CHAP hash algorithms.
    Hashes,
    /// Some of these words.
    Words(&'static [&'static str]),
    /// An NVMe Qualified Name.
    Nqn,
    /// Several.
    Nqns,
    /// Names of other things in the file.
    Labels,
    /// A table.
    One(&'static Table),
    /// A list of tables.
    Many(&'static Table),
}

/// What is wrong with a value and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub what: String,
    pub right: String,
}

type Read<T> = Result<T, Wrong>;

fn wrong<T>(what: impl Into<String>, right: impl Into<String>) -> Read<T> {
    Err(Wrong { what: what.into(), right: right.into() })
}

fn expected<T>(right: &str, value: &DeValue<'_>) -> Read<T> {
    let found = match value {
        DeValue::String(_) => "a text".into(),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(it) => it.to_string(),
        DeValue::Datetime(it) if it.offset == Some(Offset::Z) => "a date".into(),
        DeValue::Datetime(_) => "a date or a time".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    };
    wrong(format!("expected {right}, found {found}"), format!("write {right}"))
}

impl Kind {
    /// The type in the reference.
    pub fn describe(&self) -> String {
        match self {
            Kind::Text(max) => format!("text, printable ASCII, at most {max} bytes"),
            Kind::Label => "text".into(),
            Kind::Path => "path".into(),
            Kind::TargetName => "iSCSI name, or what follows the prefix".into(),
            Kind::IscsiName => "iSCSI name".into(),
            Kind::NamePrefix => "beginning of an iSCSI name".into(),
            Kind::Alias(max) => format!("text, at most {max} bytes"),
            Kind::Secret => format!("text, at most {SECRET_BYTES_MAX} bytes"),
            Kind::Bool => "true or false".into(),
            Kind::Integer(min, max) => format!("number, {min} to {max}"),
            Kind::Size(_) => "size".into(),
            Kind::Time(min, max) => format!("time, {} to {}", show_time(*min), show_time(*max)),
            Kind::Address(_) => "address:port".into(),
            Kind::HostPort => "host:port".into(),
            Kind::Choice(words) => list(words),
            Kind::Uuid => "UUID".into(),
            Kind::Naa => "16 hexadecimal digits".into(),
            Kind::Filter => "log filter".into(),
            Kind::Hashes => "list of ".to_string() + &list(&Hash::ALL.map(Hash::name)),
            Kind::Words(words) => format!("list of {}", list(words)),
            Kind::Nqn => "NVMe Qualified Name".into(),
            Kind::Nqns => "list of NVMe Qualified Names".into(),
            Kind::Labels => "list of names".into(),
            Kind::One(_) => "table".into(),
            Kind::Many(_) => "list of tables".into(),
        }
    }

    /// Whether `value` can be read; tables only as such, not what is in them.
    pub fn check(&self, value: &DeValue<'_>) -> Read<()> {
        match self {
            Kind::Text(max) => ascii(value, *max).map(drop),
            Kind::Label => label(value).map(drop),
            Kind::Path => path(value).map(drop),
            Kind::TargetName => text(value).map(drop),
            Kind::IscsiName => iscsi_name(value).map(drop),
            Kind::NamePrefix => name_prefix(value).map(drop),
            Kind::Alias(max) => alias(value, *max).map(drop),
            Kind::Secret => secret(value).map(drop),
            Kind::Bool => bool(value).map(drop),
            Kind::Integer(min, max) => integer(value, *min, *max).map(drop),
            Kind::Size(min) => size(value, *min).map(drop),
            Kind::Time(min, max) => time(value, *min, *max).map(drop),
            Kind::Address(port) => address(value, *port).map(drop),
            Kind::HostPort => host_port(value).map(drop),
            Kind::Choice(words) => choice(value, words).map(drop),
            Kind::Uuid => uuid(value).map(drop),
            Kind::Naa => naa(value).map(drop),
            Kind::Filter => filter(value).map(drop),
            Kind::Hashes => hashes(value).map(drop),
            Kind::Words(known) => words(value, known).map(drop),
            Kind::Nqn => nqn(value).map(drop),
            Kind::Nqns => nqns(value).map(drop),
            Kind::Labels => labels(value).map(drop),
            Kind::One(_) if value.is_table() => Ok(()),
            Kind::One(table) => expected(&format!("a table ({})", table.header), value),
            Kind::Many(_) if value.as_array().is_some_and(|list| list.iter().all(|each| each.get_ref().is_table())) => {
                Ok(())
            }
            Kind::Many(table) => {
                let header = table.header;
                match value {
                    DeValue::Table(_) => wrong(
                        format!("there can be several: this is a list of tables, {header}"),
                        format!("write {header}"),
                    ),
                    _ => expected(&format!("a list of tables ({header})"), value),
                }
            }
        }
    }
}

pub fn text<'a>(value: &'a DeValue<'_>) -> Read<&'a str> {
    match value.as_str() {
        Some(text) => Ok(text),
        None => expected("a text in quotes", value),
    }
}

fn filled<'a>(value: &'a DeValue<'_>) -> Read<&'a str> {
    match text(value)? {
        "" => wrong("this is empty", "write something, or leave the key out for its default"),
        text => Ok(text),
    }
}

fn no_longer_than(text: &str, max: usize) -> Read<&str> {
    if text.len() > max {
        return wrong(format!("this has {} bytes", text.len()), format!("at most {max} bytes fit"));
    }
    Ok(text)
}

pub fn ascii<'a>(value: &'a DeValue<'_>, max: usize) -> Read<&'a str> {
    let text = filled(value)?;
    match text.chars().find(|c| !matches!(c, ' '..='~')) {
        Some(bad) => wrong(format!("{bad:?} cannot be here"), "printable ASCII characters can"),
        None => no_longer_than(text, max),
    }
}

pub fn label<'a>(value: &'a DeValue<'_>) -> Read<&'a str> {
    let text = filled(value)?;
    match text.chars().find(|c| c.is_control()) {
        Some(bad) => wrong(format!("{bad:?} cannot be in a name"), "leave it out"),
        None => no_longer_than(text, 64),
    }
}

pub fn alias<'a>(value: &'a DeValue<'_>, max: usize) -> Read<&'a str> {
    let text = filled(value)?;
    match text.chars().find(|c| c.is_control()) {
        Some(bad) => wrong(format!("{bad:?} cannot be here"), "leave it out"),
        None => no_longer_than(text, max),
    }
}

pub fn path<'a>(value: &'a DeValue<'_>) -> Read<&'a str> {
    let text = filled(value)?;
    if text.contains('\0') {
        return wrong("a path cannot contain a zero byte", "leave it out");
    }
    Ok(text)
}

pub fn secret<'a>(value: &'a DeValue<'_>) -> Read<&'a str> {
    no_longer_than(filled(value)?, SECRET_BYTES_MAX)
}

pub fn iscsi_name(value: &DeValue<'_>) -> Read<String> {
    name::check(filled(value)?).map(|()| filled(value).unwrap_or_default().to_owned())
}

pub fn name_prefix<'a>(value: &'a DeValue<'_>) -> Read<&'a str> {
    let text = filled(value)?;
    name::check_prefix(text)?;
    Ok(text)
}

pub fn bool(value: &DeValue<'_>) -> Read<bool> {
    match value.as_bool() {
        Some(it) => Ok(it),
        None => match value.as_str() {
            Some("true" | "yes" | "on" | "1") => {
                wrong("expected true or false, found a text", "write true, without quotes")
            }
            Some("false" | "no" | "off" | "0") => {
                wrong("expected true or false, found a text", "write false, without quotes")
            }
            _ => expected("true or false", value),
        },
    }
}

fn whole(value: &DeValue<'_>) -> Option<i128> {
    let number = value.as_integer()?;
    // A number that does not even fit here is out of any bounds.
    Some(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX))
}

pub fn integer(value: &DeValue<'_>, min: i64, max: i64) -> Read<i64> {
    let Some(number) = whole(value) else { return expected("a whole number", value) };
    match i64::try_from(number) {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => wrong("this number is out of bounds", format!("{min} to {max} would be in bounds")),
    }
}

/// A size a disk or a buffer can have: at most 8 EiB, for that is where file offsets end.
pub fn size(value: &DeValue<'_>, min: u64) -> Read<u64> {
    const SIZES: &str = "a number of bytes, or a text like \"512 MiB\", \"1.5 TiB\" or \"10 GB\"";
    let bytes = match (whole(value), value.as_str()) {
        (Some(number), _) => match u64::try_from(number) {
            Ok(bytes) => bytes,
            Err(_) => return wrong("this number is no size", SIZES),
        },
        (None, Some(text)) => match size::parse(text) {
            Ok(bytes) => bytes,
            Err(_) => return wrong(format!("{text:?} is no size"), SIZES),
        },
        (None, None) => return expected("a size like \"1 GiB\"", value),
    };
    if bytes > i64::MAX as u64 {
        return wrong(format!("{} is too large", size::bytes(bytes)), "files end at 8 EiB");
    }
    if bytes < min {
        return wrong(
            format!("{} is too small", size::bytes(bytes)),
            format!("at least {} is needed", size::bytes(min)),
        );
    }
    Ok(bytes)
}

pub fn show_time(ms: u64) -> String {
    if ms.is_multiple_of(60_000) && ms > 0 {
        format!("{} min", ms / 60_000)
    } else if ms.is_multiple_of(1_000) {
        format!("{} s", ms / 1_000)
    } else {
        format!("{ms} ms")
    }
}

pub fn time(value: &DeValue<'_>, min_ms: u64, max_ms: u64) -> Read<Duration> {
    const TIMES: &str = "a number of seconds, or a text like \"500 ms\", \"15 s\" or \"2 min\"";
    let ms = match (whole(value), value.as_str()) {
        (Some(seconds), _) => u64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1_000)),
        (None, Some(text)) => {
            let text = text.trim();
            let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (number, unit) = text.split_at(split);
            let scale = match unit.trim_start() {
                "ms" => Some(1),
                "s" | "" => Some(1_000),
                "min" | "m" => Some(60_000),
                _ => None,
            };
            number.parse::<u64>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale))
        }
        (None, None) => return expected("a time like \"15 s\"", value),
    };
    let Some(ms) = ms else { return wrong("this is no time", TIMES) };
    if !(min_ms..=max_ms).contains(&ms) {
        let right = format!("{} to {} would be in bounds", show_time(min_ms), show_time(max_ms));
        return wrong(format!("{} is out of bounds", show_time(ms)), right);
    }
    Ok(Duration::from_millis(ms))
}

/// An address with or without a port.
pub fn address(value: &DeValue<'_>, port: u16) -> Read<SocketAddr> {
    let text = filled(value)?;
    address_of(text, port).ok_or_else(|| {
        let right = format!(
            "an IP address and a port, like \"192.0.2.1:{port}\", \"[2001:db8::1]:{port}\", \"0.0.0.0:{port}\" for every \
             IPv4 address or \"[::]:{port}\" for every IPv6 address"
        );
        Wrong { what: format!("{text:?} is no address to listen on"), right }
    })
}

/// An address with or without a port.
pub fn address_of(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| bare.parse().ok().map(|ip| SocketAddr::new(ip, port)))
}

pub fn host_port(value: &DeValue<'_>) -> Read<String> {
    let text = filled(value)?;
    let right = "a host name or an IP address and a port, like \"san.example.org:3260\" or \"[2001:db8::1]:3260\"";
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.ip().is_unspecified() || address.port() == 0 {
            true => wrong("nobody can connect to that", right),
            false => Ok(text.to_owned()),
        };
    }
    let host = |host: &str| {
        let ok = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        host.len() <= 253 && host.split('.').all(ok)
    };
    match text.rsplit_once(':') {
        Some((name, port)) if host(name) && port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(text.to_owned()),
        _ => wrong(format!("{text:?} is nothing to connect to"), right),
    }
}

pub fn choice(value: &DeValue<'_>, words: &'static [&'static str]) -> Read<&'static str> {
    let given = text(value)?;
    match words.iter().find(|word| **word == given) {
        Some(word) => Ok(word),
        None => wrong(format!("{given:?} is not known here"), suggest(given, words.iter().copied(), "")),
    }
}

pub fn uuid(value: &DeValue<'_>) -> Read<[u8; 16]> {
    match uuid::Uuid::parse_str(filled(value)?) {
        Ok(uuid) if uuid.is_nil() => wrong("a UUID of zeros identifies nothing", "leave it out to get a fresh one"),
        Ok(uuid) => Ok(uuid.into_bytes()),
        Err(_) => wrong("this is no UUID", "one looks like \"67e55044-10b1-426f-9247-bb680e5fe0c8\""),
    }
}

pub fn naa(value: &DeValue<'_>) -> Read<[u8; 8]> {
    let digits = filled(value)?;
    let right = "16 hexadecimal digits, of which the first is 3 (assigned by yourself), or 2 or 5 (a vendor's)";
    match u64::from_str_radix(digits, 16) {
        Ok(naa) if digits.len() == 16 && matches!(naa >> 60, 2 | 3 | 5) => Ok(naa.to_be_bytes()),
        _ => wrong("this is no NAA designator of eight bytes", right),
    }
}

pub fn filter<'a>(value: &'a DeValue<'_>) -> Read<&'a str> {
    let text = filled(value)?;
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text),
        Err(_) => wrong(format!("{text:?} is no log filter"), "error, warn, info, debug or trace"),
    }
}

pub fn hashes(value: &DeValue<'_>) -> Read<Vec<Hash>> {
    let right = "a list like [\"SHA3-256\", \"SHA-256\"]";
    let Some(list) = value.as_array() else { return expected(right, value) };
    let mut hashes = Vec::new();
    for each in list.iter() {
        let given = text(each.get_ref())?;
        let Some(hash) = Hash::ALL.into_iter().find(|hash| hash.name() == given) else {
            let words = Hash::ALL.map(Hash::name);
            return wrong(format!("{given:?} is no algorithm of CHAP"), suggest(given, words, ""));
        };
        if hashes.contains(&hash) {
            return wrong(format!("{given} is listed twice"), "once is enough");
        }
        hashes.push(hash);
    }
    if hashes.is_empty() {
        return wrong("without an algorithm nobody can log in", right);
    }
    Ok(hashes)
}

pub fn labels<'a>(value: &'a DeValue<'_>) -> Read<Vec<&'a str>> {
    let Some(list) = value.as_array() else { return expected("a list of names", value) };
    if list.is_empty() {
        return wrong("this list is empty", "name something, or leave the key out for its default");
    }
    list.iter().map(|each| label(each.get_ref())).collect()
}

/// Some of `known`, as indices into it, in the order of the file.
pub fn words(value: &DeValue<'_>, known: &'static [&'static str]) -> Read<Vec<usize>> {
    let Some(given) = value.as_array() else { return expected(&format!("a list like [{:?}]", known[0]), value) };
    let mut chosen = Vec::new();
    for each in given.iter() {
        let word = choice(each.get_ref(), known)?;
        let at = known.iter().position(|other| *other == word).unwrap_or_default();
        if chosen.contains(&at) {
            return wrong(format!("{word} is listed twice"), "once is enough");
        }
        chosen.push(at);
    }
    if chosen.is_empty() {
        return wrong("this list is empty", "name something, or leave the key out for its default");
    }
    Ok(chosen)
}

pub fn nqn(value: &DeValue<'_>) -> Read<String> {
    let text = filled(value)?;
    name::check_nqn(text).map(|()| text.to_owned())
}

pub fn nqns(value: &DeValue<'_>) -> Read<Vec<String>> {
    let Some(list) = value.as_array() else { return expected("a list of NVMe Qualified Names", value) };
    if list.is_empty() {
        return wrong("this list is empty", "name a host, or leave the key out for its default");
    }
    list.iter().map(|each| nqn(each.get_ref())).collect()
}

/// The words as `a, b or c`.
pub fn list<T: Display>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.to_string(),
        [front @ .., last] => {
            let front: Vec<_> = front.iter().map(|word| word.to_string()).collect();
            format!("{} or {last}", front.join(", "))
        }
    }
}

/// "did you mean …?" if one of `words` is near to `given`, else all of them; `none` if there are none.
pub fn suggest<'a>(given: &str, words: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match nearest(given, words.iter().copied()) {
        Some(word) => format!("did you mean {word:?}?"),
        None if words.is_empty() => none.to_owned(),
        None => format!("there {} {}", if words.len() == 1 { "is only" } else { "are" }, {
            let shown: Vec<_> = words.iter().take(24).map(|word| format!("{word:?}")).collect();
            shown.join(", ") + if words.len() > 24 { ", …" } else { "" }
        }),
    }
}

/// The word that is at most a third of its letters away from `given`, without regard to case and punctuation.
pub fn nearest<'a>(given: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long texts are no typing errors, and the distance costs their product.
    let plain = |text: &str| -> Vec<char> {
        text.chars().take(64).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let from = plain(given);
    let near = |word: &&str| {
        let to = plain(word);
        (distance(&from, &to), to.len().max(from.len()) / 3)
    };
    let best = words.into_iter().filter(|word| near(word).0 <= near(word).1.max(1)).min_by_key(|word| near(word).0)?;
    (!from.is_empty()).then_some(best)
}

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: [Vec<usize>; 3] = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        rows[2][0] = i;
        for j in 1..=b.len() {
            let mut best = (rows[1][j] + 1).min(rows[2][j - 1] + 1);
            best = best.min(rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[0][j - 2] + 1);
            }
            rows[2][j] = best;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}
