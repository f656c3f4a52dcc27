//! What we serve and to whom, as plain data: portals, targets, who may log in and with which proof.
//!
//! The configuration is turned into a [`Site`]; connections are handed it with every call and keep names, never
//! references, so a site can be exchanged under them.

use std::net::SocketAddr;

pub use crate::auth::{Credential, Hash, Secret};
use crate::auth::{SECRET_BYTES_ADVISED, SECRET_BYTES_MAX};

/// The most bytes of an iSCSI name (RFC 7143 §4.2.7.1).
pub const NAME_BYTES_MAX: usize = 223;

/// Everything that login and discovery need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Where we listen.
    pub portals: Vec<Portal>,
    /// What can be logged in to.
    pub targets: Vec<Target>,
    /// The proof a discovery session needs.
    pub discovery: Auth,
}

/// An address we listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// The address of the listener; may be a wildcard.
    pub bind: SocketAddr,
    /// What SendTargets says instead: `host`, `host:port`, `[v6]` or `[v6]:port`.
    pub advertise: Option<String>,
    /// The portal group.
    pub tag: u16,
}

/// Something to log in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its iSCSI name.
    pub name: String,
    /// A name for people.
    pub alias: Option<String>,
    /// Indices into [`Site::portals`] through which it can be reached.
    pub portals: Vec<usize>,
    /// Who may see it and log in.
    pub access: Access,
    /// The proof of all initiators whose entry in the access list says nothing of its own.
    pub auth: Auth,
}

/// Who may see a target and log in to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    #[default]
    Anyone,
    /// Only these.
    Initiators(Vec<Acl>),
}

/// One initiator of an access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Its iSCSI name.
    pub name: String,
    /// Its own proof; none: that of the target.
    pub auth: Option<Auth>,
}

/// The proof asked of an initiator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// CHAP.
    Chap {
        /// The algorithms we take.
        algorithms: Vec<Hash>,
        /// What the initiator has to prove.
        incoming: Credential,
        /// What we can prove when the initiator asks.
        outgoing: Option<Credential>,
    },
}

impl Site {
    /// The target called `name` and its index.
    pub fn target(&self, name: &str) -> Option<(usize, &Target)> {
        self.targets.iter().enumerate().find(|(_, target)| same_name(&target.name, name))
    }
}

impl Target {
    /// The proof `initiator` has to give; none if it may not log in at all.
    pub fn auth_for(&self, initiator: &str) -> Option<&Auth> {
        match &self.access {
            Access::Anyone => Some(&self.auth),
            Access::Initiators(list) => {
                let entry = list.iter().find(|entry| same_name(&entry.name, initiator))?;
                Some(entry.auth.as_ref().unwrap_or(&self.auth))
            }
        }
    }
}

/// Whether two iSCSI names are one: they are compared in lower case (RFC 3722).
pub fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether `name` is an iSCSI name of one of the three types (RFC 7143 §4.2.7); the error says what would be right.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("has {} bytes, but an iSCSI name has at most {NAME_BYTES_MAX}", name.len()));
    }
    if let Some(wrong) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | ':')) {
        return Err(if wrong.is_ascii_uppercase() {
            format!("must be in lower case: \"{}\"", name.to_ascii_lowercase())
        } else {
            format!("contains {wrong:?}; an iSCSI name is made of a to z, 0 to 9, '-', '.' and ':'")
        });
    }
    match name.split_once('.') {
        Some(("iqn", rest)) => check_iqn(rest),
        Some(("eui", id)) => check_digits("eui.", id, &[16]),
        Some(("naa", id)) => check_digits("naa.", id, &[16, 32]),
        _ => {
            Err("must begin with \"iqn.\", \"eui.\" or \"naa.\", for example \"iqn.2026-11.com.example:disk1\"".into())
        }
    }
}

/// Whether `name` can be the name of an initiator. Many in the field do not keep all rules of [`check_name`]
/// (underscores, capitals), and an access list has to be able to name them.
pub fn check_initiator_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty".into());
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("has {} bytes, but an iSCSI name has at most {NAME_BYTES_MAX}", name.len()));
    }
    match name.chars().find(|c| c.is_control() || c.is_whitespace()) {
        Some(wrong) => Err(format!("contains {wrong:?}, which no iSCSI name can")),
        None => Ok(()),
    }
}

/// Whether `secret` can be a CHAP secret; an inner text is a warning.
pub fn check_secret(secret: &Secret) -> Result<Option<String>, String> {
    match secret.as_bytes().len() {
        0 => Err("is empty".into()),
        n if n > SECRET_BYTES_MAX => Err(format!("has {n} bytes, but a CHAP secret has at most {SECRET_BYTES_MAX}")),
        n if n < *SECRET_BYTES_ADVISED.start() => {
            Ok(Some(format!("has {n} bytes; below {} CHAP is easily guessed", SECRET_BYTES_ADVISED.start())))
        }
        n if n > *SECRET_BYTES_ADVISED.end() => {
            Ok(Some(format!("has {n} bytes; some initiators (Windows) take at most {}", SECRET_BYTES_ADVISED.end())))
        }
        _ => Ok(None),
    }
}

/// Whether `auth` makes sense as a whole: names, secrets, algorithms, and not one secret both ways
/// (RFC 7143 §12.1.3); the inner texts are warnings.
pub fn check_auth(auth: &Auth) -> Result<Vec<String>, String> {
    let Auth::Chap { algorithms, incoming, outgoing } = auth else { return Ok(Vec::new()) };
    if algorithms.is_empty() {
        return Err("allows no CHAP algorithm".into());
    }
    let mut warnings = Vec::new();
    for (what, credential) in std::iter::once(("incoming", incoming)).chain(outgoing.iter().map(|c| ("outgoing", c))) {
        if credential.name.is_empty() || credential.name.len() > 255 || credential.name.chars().any(char::is_control) {
            return Err(format!("the {what} CHAP name must have 1 to 255 bytes and no control characters"));
        }
        let warning = check_secret(&credential.secret).map_err(|why| format!("the {what} CHAP secret {why}"))?;
        warnings.extend(warning.map(|why| format!("the {what} CHAP secret {why}")));
    }
    if outgoing.as_ref().is_some_and(|outgoing| outgoing.secret == incoming.secret) {
        return Err("the incoming and the outgoing CHAP secret must differ".into());
    }
    Ok(warnings)
}

/// `yyyy-mm.reversed-domain` with an optional `:anything` (RFC 7143 §4.2.7.4).
fn check_iqn(rest: &str) -> Result<(), String> {
    let form = || "an iqn name has the form \"iqn.yyyy-mm.reversed-domain:anything\"".to_owned();
    let (authority, own) = rest.split_once(':').map_or((rest, None), |(authority, own)| (authority, Some(own)));
    let (date, domain) = authority.split_once('.').ok_or_else(form)?;
    let (year, month) = date.split_once('-').ok_or_else(form)?;
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) || !(1..=12).contains(&month.parse().unwrap_or(0)) {
        return Err(format!("\"{date}\" is no year and month, such as \"2026-11\"; {}", form()));
    }
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    if !domain.split('.').all(label) {
        return Err(format!("\"{domain}\" is no reversed domain, such as \"com.example\"; {}", form()));
    }
    match own {
        Some("") => Err("nothing follows the ':'".into()),
        _ => Ok(()),
    }
}

fn check_digits(prefix: &str, id: &str, lengths: &[usize]) -> Result<(), String> {
    if lengths.contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    let lengths = lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
    Err(format!("\"{prefix}\" is followed by {lengths} hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in [
            "iqn.2026-11.internal.mainstay:disk",
            "iqn.2001-04.com.example",
            "iqn.2001-04.com.example:storage:diskarrays-sn-a8675309",
            "eui.02004567a425678d",
            "naa.52004567ba64678d",
            "naa.62004567ba64678d0123456789abcdef",
        ] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for (bad, says) in [
            ("", "must begin with"),
            ("disk", "must begin with"),
            ("iqn.2026-11.com.Example", "\"iqn.2026-11.com.example\""),
            ("iqn.2026-11.com.example:a_b", "'_'"),
            ("iqn.2026-11.com.example: a", "' '"),
            ("iqn.2026-13.com.example", "year and month"),
            ("iqn.26-1.com.example", "year and month"),
            ("iqn.2026-11", "form"),
            ("iqn.2026.com", "form"),
            ("iqn.2026-11..com", "reversed domain"),
            ("iqn.2026-11.-com", "reversed domain"),
            ("iqn.2026-11.com.example:", "nothing follows"),
            ("eui.0123", "16 hexadecimal"),
            ("eui.0123456789abcdeg", "16 hexadecimal"),
            ("naa.0123456789abcdef0", "16 or 32 hexadecimal"),
            (&format!("iqn.2026-11.com.example:{}", "a".repeat(200)), "at most 223"),
        ] {
            let error = check_name(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn initiators_in_the_field() {
        assert_eq!(check_initiator_name("iqn.1998-01.com.vmware:ESX_1"), Ok(()));
        assert!(check_initiator_name("").is_err());
        assert!(check_initiator_name("a b").is_err());
        assert!(check_initiator_name(&"a".repeat(224)).is_err());
    }

    #[test]
    fn secrets() {
        let check = |n: usize| check_secret(&Secret::new(vec![b'a'; n]));
        assert!(check(0).is_err() && check(256).is_err());
        assert!(matches!(check(11), Ok(Some(_))) && matches!(check(17), Ok(Some(_))));
        assert_eq!((check(12), check(16)), (Ok(None), Ok(None)));
        let credential = |secret: &str| Credential { name: "n".into(), secret: Secret::new(secret) };
        let chap = |incoming, outgoing: &str, algorithms: &[Hash]| Auth::Chap {
            algorithms: algorithms.to_vec(),
            incoming: credential(incoming),
            outgoing: Some(credential(outgoing)),
        };
        assert_eq!(check_auth(&Auth::None), Ok(vec![]));
        assert_eq!(check_auth(&chap("0123456789abc", "123456789abcd", &Hash::ALL)), Ok(vec![]));
        assert_eq!(check_auth(&chap("short", "123456789abcd", &Hash::ALL)).unwrap().len(), 1);
        assert!(check_auth(&chap("0123456789abc", "0123456789abc", &Hash::ALL)).is_err());
        assert!(check_auth(&chap("0123456789abc", "", &Hash::ALL)).is_err());
        assert!(check_auth(&chap("0123456789abc", "123456789abcd", &[])).is_err());
    }

    #[test]
    fn access() {
        let mut target = Target {
            name: "iqn.2026-11.com.example:t".into(),
            alias: None,
            portals: vec![0],
            access: Access::Anyone,
            auth: Auth::None,
        };
        assert_eq!(target.auth_for("x"), Some(&Auth::None));
        let own = Auth::Chap {
            algorithms: vec![Hash::Md5],
            incoming: Credential { name: "u".into(), secret: Secret::new("s") },
            outgoing: None,
        };
        target.access = Access::Initiators(vec![
            Acl { name: "iqn.a".into(), auth: None },
            Acl { name: "iqn.b".into(), auth: Some(own.clone()) },
        ]);
        assert_eq!(target.auth_for("x"), None);
        assert_eq!(target.auth_for("IQN.A"), Some(&Auth::None));
        assert_eq!(target.auth_for("iqn.b"), Some(&own));
        assert!(!format!("{target:?}").contains("\"s\""));
    }
}
