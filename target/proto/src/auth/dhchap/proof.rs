//! What is proved, to whom, and how it is computed (base §8.13.5.4, §8.13.5.5).

use std::fmt;

use zeroize::Zeroizing;

use super::{Group, Hash, Keys};

/// What both sides know before they begin. Given with every call, kept by nobody: a machine that is saved has no key in it.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Their keys.
    pub keys: &'a Keys,
    /// The host's NQN.
    pub host: &'a str,
    /// The subsystem's NQN, as the host named it.
    pub subsystem: &'a str,
}

/// How somebody has proved who he is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// With which hash.
    pub hash: Hash,
    /// With which group.
    pub group: Group,
    /// The controller has proved itself too.
    pub mutual: bool,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mutual = if self.mutual { ", mutual" } else { "" };
        write!(f, "DH-HMAC-CHAP ({}, {}{mutual})", self.hash.name(), self.group.name())
    }
}

/// What the two have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// T_ID.
    pub transaction: u16,
    pub hash: Hash,
    pub group: Group,
}

impl Agreed {
    pub fn proof(self, mutual: bool) -> Proof {
        Proof { hash: self.hash, group: self.group, mutual }
    }

    /// R1: what a host answers to `challenge`.
    pub fn host_response(
        self,
        terms: &Terms<'_>,
        challenge: &[u8],
        sequence: u32,
        shared: &[u8],
    ) -> Zeroizing<Vec<u8>> {
        let key = terms.keys.host.of(terms.host);
        self.response(&key, challenge, sequence, "HostHost", [terms.host, terms.subsystem], shared)
    }

    /// R2: what a controller answers to `challenge`, if it has a key.
    pub fn controller_response(
        self,
        terms: &Terms<'_>,
        challenge: &[u8],
        sequence: u32,
        shared: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = terms.keys.controller.as_ref()?.of(terms.subsystem);
        Some(self.response(&key, challenge, sequence, "Controller", [terms.subsystem, terms.host], shared))
    }

    fn response(
        self,
        key: &[u8],
        challenge: &[u8],
        sequence: u32,
        role: &str,
        [prover, verifier]: [&str; 2],
        shared: &[u8],
    ) -> Zeroizing<Vec<u8>> {
        // With a shared secret the challenge is augmented by it (§8.13.5.4): only who took part knows what was answered to.
        let challenge = match self.group {
            Group::Null => Zeroizing::new(challenge.to_vec()),
            _ => self.hash.hmac(&self.hash.digest(shared), &[challenge]),
        };
        // The byte after the transaction is SC_C: 0, since no secure channel is negotiated.
        self.hash.hmac(
            key,
            &[
                &challenge,
                &sequence.to_le_bytes(),
                &self.transaction.to_le_bytes(),
                &[0],
                role.as_bytes(),
                prover.as_bytes(),
                &[0],
                verifier.as_bytes(),
            ],
        )
    }
}
