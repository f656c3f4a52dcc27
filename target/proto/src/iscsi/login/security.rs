//! The security negotiation: AuthMethod, then CHAP (RFC 7143 §12.1).

use super::Refusal;
use crate::auth::{self, BINARY_BYTES_MAX, Challenge, Credential, Hash, Secret, Seed};
use crate::iscsi::keys::{NOT_UNDERSTOOD, Stage, lookup};
use crate::iscsi::site::Auth;
use crate::iscsi::text::{TEXT_BYTES_MAX, VALUE_BYTES_MAX, push, shown};

/// The proofs given in a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// None was asked for.
    None,
    /// CHAP.
    Chap {
        /// With which algorithm.
        hash: Hash,
        /// We have proved ourselves too.
        mutual: bool,
    },
}

impl Proof {
    /// Whether this is what `auth` asks for.
    pub(super) fn satisfies(self, auth: &Auth) -> bool {
        matches!((self, auth), (_, Auth::None) | (Proof::Chap { .. }, Auth::Chap { .. }))
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Proof::None => f.write_str("None"),
            Proof::Chap { hash, mutual: false } => write!(f, "CHAP ({})", hash.name()),
            Proof::Chap { hash, mutual: true } => write!(f, "CHAP (mutual, {})", hash.name()),
        }
    }
}

/// How far the security negotiation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// No method agreed on.
    Start,
    /// CHAP agreed on; CHAP_A is next.
    Method,
    /// Our challenge is out; CHAP_N and CHAP_R are next.
    Challenged { hash: Hash, challenge: Challenge },
    /// Done.
    Passed(Proof),
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

impl Security {
    /// The proof given, once all is done.
    pub fn proof(&self) -> Option<Proof> {
        match self {
            Security::Passed(proof) => Some(*proof),
            _ => None,
        }
    }

    /// The initiator negotiates operational keys: it has passed or goes without.
    pub fn skip(&mut self, auth: &Auth) -> Result<(), Refusal> {
        match (&self, auth) {
            (Security::Passed(_), _) => Ok(()),
            (_, Auth::None) => {
                *self = Security::Passed(Proof::None);
                Ok(())
            }
            _ => Err(Refusal::authentication("target requires CHAP, the initiator went past the security negotiation")),
        }
    }

    /// One complete text of the initiator.
    pub fn step(
        &mut self,
        auth: &Auth,
        seed: &mut Seed,
        pairs: Pairs<'_>,
        transit: bool,
        text: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        check_keys(pairs, self.expects(), text)?;
        match (&*self, auth) {
            (Security::Passed(_), _) => {}
            (Security::Start, _) => *self = start(auth, pairs, transit, text)?,
            (Security::Method, Auth::Chap { algorithms, .. }) => {
                let hash = choose_hash(algorithms, pairs)?;
                let challenge = seed.next(hash);
                push(text, "CHAP_A", &hash.number().to_string());
                push(text, "CHAP_I", &challenge.id.to_string());
                push(text, "CHAP_C", &auth::encode(&challenge.bytes));
                *self = Security::Challenged { hash, challenge };
            }
            (Security::Challenged { hash, challenge }, Auth::Chap { incoming, outgoing, .. }) => {
                let (hash, outgoing) = (*hash, outgoing.as_ref());
                check_answer(hash, challenge, incoming, outgoing, pairs)?;
                let mutual = prove(hash, challenge, incoming, outgoing, pairs, text)?;
                *self = Security::Passed(Proof::Chap { hash, mutual });
            }
            (_, Auth::None) => return Err(Refusal::authentication("CHAP: the target has lost its credentials")),
        }
        Ok(())
    }

    /// The keys that may come now.
    fn expects(&self) -> &'static [&'static str] {
        match self {
            Security::Start => &["AuthMethod"],
            Security::Method => &["CHAP_A"],
            Security::Challenged { .. } => &["CHAP_N", "CHAP_R", "CHAP_I", "CHAP_C"],
            Security::Passed(_) => &[],
        }
    }
}

/// Keys of this stage come when it is their turn, those of the next do not come at all, unknown ones are answered.
fn check_keys(pairs: Pairs<'_>, expected: &[&str], text: &mut Vec<u8>) -> Result<(), Refusal> {
    for (key, _) in pairs {
        match lookup(key).map(|entry| entry.stage) {
            Some(Stage::Any) => {}
            Some(Stage::Security) if expected.contains(key) => {}
            Some(Stage::Security) => return Err(Refusal::initiator(format!("{key} out of turn"))),
            Some(Stage::Operational) => {
                return Err(Refusal::initiator(format!("{key} does not belong into the security negotiation")));
            }
            None => push(text, key, NOT_UNDERSTOOD),
        }
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(Refusal::initiator("so many keys that the answer would be too long"));
    }
    Ok(())
}

fn find<'a>(pairs: Pairs<'a>, key: &str) -> Option<&'a str> {
    pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

fn need<'a>(pairs: Pairs<'a>, key: &str) -> Result<&'a str, Refusal> {
    find(pairs, key).ok_or_else(|| Refusal::authentication(format!("CHAP: the initiator sent no {key}")))
}

/// Agrees on a method: the first of the initiator's list that the target takes.
fn start(auth: &Auth, pairs: Pairs<'_>, transit: bool, text: &mut Vec<u8>) -> Result<Security, Refusal> {
    let (wanted, state, asks) = match auth {
        Auth::None => ("None", Security::Passed(Proof::None), "target has no credentials (AuthMethod None)"),
        Auth::Chap { .. } => ("CHAP", Security::Method, "target requires CHAP"),
    };
    match find(pairs, "AuthMethod") {
        Some(list) if list.split(',').any(|method| method == wanted) => {
            push(text, "AuthMethod", wanted);
            Ok(state)
        }
        Some(list) => Err(Refusal::authentication(format!("{asks}, the initiator offered only {}", shown(list)))),
        // It wants to go on without saying how (RFC 7143 §6.3.2).
        None if transit && *auth == Auth::None => Ok(state),
        None if transit => Err(Refusal::authentication(format!("{asks}, the initiator offered nothing"))),
        None => Ok(Security::Start),
    }
}

/// The first of the initiator's list that the target takes.
fn choose_hash(algorithms: &[Hash], pairs: Pairs<'_>) -> Result<Hash, Refusal> {
    let list = need(pairs, "CHAP_A")?;
    let offered = list.split(',').filter_map(|number| number.parse().ok()).filter_map(Hash::from_number);
    offered.into_iter().find(|hash| algorithms.contains(hash)).ok_or_else(|| {
        let ours: Vec<_> = algorithms.iter().map(|hash| format!("{} ({})", hash.number(), hash.name())).collect();
        Refusal::authentication(format!(
            "CHAP: the initiator offers algorithms {}, the target takes {}",
            shown(list),
            ours.join(", ")
        ))
    })
}

/// Whether the initiator has answered our challenge as `incoming` would.
fn check_answer(
    hash: Hash,
    challenge: &Challenge,
    incoming: &Credential,
    outgoing: Option<&Credential>,
    pairs: Pairs<'_>,
) -> Result<(), Refusal> {
    let name = need(pairs, "CHAP_N")?;
    let given = binary("CHAP_R", need(pairs, "CHAP_R")?)?;
    if name.len() > VALUE_BYTES_MAX {
        return Err(Refusal::authentication(format!("CHAP: CHAP_N is longer than {VALUE_BYTES_MAX} bytes")));
    }
    let answers = |secret: &Secret| auth::verify(hash, challenge.id, secret, &challenge.bytes, &given);
    // Both are computed whatever the name, so that the time does not tell whether it was right.
    let (known, right) = (auth::same(name.as_bytes(), incoming.name.as_bytes()), answers(&incoming.secret));
    // RFC 7143 §12.1.3: our own answer coming back means one secret for both directions.
    if outgoing.is_some_and(|outgoing| answers(&outgoing.secret)) {
        return Err(Refusal::authentication("CHAP: the initiator answered with the secret that is ours to prove"));
    }
    match (known, right) {
        (true, true) => Ok(()),
        (true, false) => Err(Refusal::authentication(format!("CHAP: wrong secret for user \"{}\"", shown(name)))),
        (false, _) => Err(Refusal::authentication(format!(
            "CHAP: the initiator answered as user \"{}\", which this target does not know",
            shown(name)
        ))),
    }
}

/// Answers the initiator's challenge if it has sent one.
fn prove(
    hash: Hash,
    ours: &Challenge,
    incoming: &Credential,
    outgoing: Option<&Credential>,
    pairs: Pairs<'_>,
    text: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    let (id, challenge) = match (find(pairs, "CHAP_I"), find(pairs, "CHAP_C")) {
        (None, None) => return Ok(false),
        (Some(id), Some(challenge)) => (identifier(id)?, binary("CHAP_C", challenge)?),
        _ => return Err(Refusal::authentication("CHAP: only one of CHAP_I and CHAP_C")),
    };
    let Some(outgoing) = outgoing else {
        return Err(Refusal::authentication(
            "mutual CHAP: the initiator wants the target to prove itself, but the target has no outgoing credential",
        ));
    };
    // A challenge thrown back would have us do the initiator's work (RFC 7143 §12.1.3).
    if auth::same(&challenge, &ours.bytes) {
        return Err(Refusal::authentication("mutual CHAP: the initiator sent our own challenge back"));
    }
    if outgoing.secret == incoming.secret {
        return Err(Refusal::authentication("mutual CHAP: the configuration has one secret for both directions"));
    }
    push(text, "CHAP_N", &outgoing.name);
    push(text, "CHAP_R", &auth::encode(&auth::response(hash, id, &outgoing.secret, &challenge)));
    Ok(true)
}

fn binary(key: &str, value: &str) -> Result<Vec<u8>, Refusal> {
    auth::decode(value, BINARY_BYTES_MAX).map_err(|bad| Refusal::authentication(format!("CHAP: {key} {bad}")))
}

/// CHAP_I: one byte, decimal or hexadecimal.
fn identifier(value: &str) -> Result<u8, Refusal> {
    let parsed = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        _ if value.contains('+') => None,
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    };
    parsed.ok_or_else(|| Refusal::authentication(format!("CHAP: CHAP_I \"{}\" is no number to 255", shown(value))))
}
