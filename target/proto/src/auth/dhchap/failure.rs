//! Why an exchange ended badly: for the peer a code, for people a sentence.

use std::fmt;

/// The reason code explanation of AUTH_Failure1 and AUTH_Failure2 (base §8.13.4.2); the reason code itself is always 1, authentication failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reason {
    Failed = 1,
    ProtocolUnusable,
    SecureChannelMismatch,
    HashUnusable,
    GroupUnusable,
    IncorrectPayload,
    IncorrectMessage,
}

impl Reason {
    const ALL: [Reason; 7] = [
        Reason::Failed,
        Reason::ProtocolUnusable,
        Reason::SecureChannelMismatch,
        Reason::HashUnusable,
        Reason::GroupUnusable,
        Reason::IncorrectPayload,
        Reason::IncorrectMessage,
    ];

    /// The code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this code.
    pub fn from_code(code: u8) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The standard's words for it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Failed => "authentication failed",
            Reason::ProtocolUnusable => "authentication protocol not usable",
            Reason::SecureChannelMismatch => "secure channel concatenation mismatch",
            Reason::HashUnusable => "hash function not usable",
            Reason::GroupUnusable => "DH group not usable",
            Reason::IncorrectPayload => "incorrect payload",
            Reason::IncorrectMessage => "incorrect protocol message",
        }
    }
}

/// How far an exchange was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stage {
    Negotiation,
    Challenge,
    Reply,
    Success,
}

impl Stage {
    /// The step, for logs.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Negotiation => "negotiation",
            Stage::Challenge => "challenge",
            Stage::Reply => "reply",
            Stage::Success => "confirmation",
        }
    }
}

/// An exchange that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the peer is told, or has told.
    pub reason: Reason,
    /// How far it was.
    pub step: Stage,
    /// What people are told; never a secret.
    pub why: String,
}

impl Failure {
    /// A failure.
    pub(super) fn new(reason: Reason, step: Stage, why: impl Into<String>) -> Failure {
        Failure { reason, step, why: why.into() }
    }

    /// What `peer` has said with AUTH_Failure1 or 2.
    pub(super) fn told(peer: &str, code: u8, step: Stage) -> Failure {
        let reason = Reason::from_code(code);
        let name = reason.map_or("for a reason of its own", Reason::name);
        Failure::new(reason.unwrap_or(Reason::Failed), step, format!("the {peer} refused: {name} (code {code:02x}h)"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DH-HMAC-CHAP {}: {} ({})", self.step.name(), self.why, self.reason.name())
    }
}
