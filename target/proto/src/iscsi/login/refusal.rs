//! Why a login does not succeed: for the initiator a status, for people a sentence.

use std::fmt;

/// Status-Class and Status-Detail of a Login Response (RFC 7143 §11.13.5), without those of success and redirection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LoginStatus {
    InitiatorError,
    AuthenticationFailure,
    AuthorizationFailure,
    NotFound,
    TargetRemoved,
    UnsupportedVersion,
    TooManyConnections,
    MissingParameter,
    CannotInclude,
    SessionTypeNotSupported,
    SessionDoesNotExist,
    InvalidDuringLogin,
    TargetError,
    ServiceUnavailable,
    OutOfResources,
}

impl LoginStatus {
    /// Class and detail.
    pub fn code(self) -> (u8, u8) {
        match self {
            LoginStatus::InitiatorError => (2, 0x00),
            LoginStatus::AuthenticationFailure => (2, 0x01),
            LoginStatus::AuthorizationFailure => (2, 0x02),
            LoginStatus::NotFound => (2, 0x03),
            LoginStatus::TargetRemoved => (2, 0x04),
            LoginStatus::UnsupportedVersion => (2, 0x05),
            LoginStatus::TooManyConnections => (2, 0x06),
            LoginStatus::MissingParameter => (2, 0x07),
            LoginStatus::CannotInclude => (2, 0x08),
            LoginStatus::SessionTypeNotSupported => (2, 0x09),
            LoginStatus::SessionDoesNotExist => (2, 0x0a),
            LoginStatus::InvalidDuringLogin => (2, 0x0b),
            LoginStatus::TargetError => (3, 0x00),
            LoginStatus::ServiceUnavailable => (3, 0x01),
            LoginStatus::OutOfResources => (3, 0x02),
        }
    }

    /// The step of a login that it belongs to.
    pub fn step(self) -> &'static str {
        match self {
            LoginStatus::AuthenticationFailure => "authentication",
            LoginStatus::AuthorizationFailure => "access list",
            LoginStatus::NotFound | LoginStatus::TargetRemoved => "target name",
            LoginStatus::TooManyConnections | LoginStatus::CannotInclude | LoginStatus::SessionDoesNotExist => {
                "session"
            }
            LoginStatus::TargetError | LoginStatus::ServiceUnavailable | LoginStatus::OutOfResources => "resources",
            LoginStatus::InitiatorError
            | LoginStatus::UnsupportedVersion
            | LoginStatus::MissingParameter
            | LoginStatus::SessionTypeNotSupported
            | LoginStatus::InvalidDuringLogin => "negotiation",
        }
    }

    /// The standard's words for it.
    pub fn name(self) -> &'static str {
        match self {
            LoginStatus::InitiatorError => "initiator error",
            LoginStatus::AuthenticationFailure => "authentication failure",
            LoginStatus::AuthorizationFailure => "authorization failure",
            LoginStatus::NotFound => "not found",
            LoginStatus::TargetRemoved => "target removed",
            LoginStatus::UnsupportedVersion => "unsupported version",
            LoginStatus::TooManyConnections => "too many connections",
            LoginStatus::MissingParameter => "missing parameter",
            LoginStatus::CannotInclude => "can't include in session",
            LoginStatus::SessionTypeNotSupported => "session type not supported",
            LoginStatus::SessionDoesNotExist => "session does not exist",
            LoginStatus::InvalidDuringLogin => "invalid during login",
            LoginStatus::TargetError => "target error",
            LoginStatus::ServiceUnavailable => "service unavailable",
            LoginStatus::OutOfResources => "out of resources",
        }
    }
}

/// A login refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the initiator is told.
    pub status: LoginStatus,
    /// What people are told: which step failed and why, never a secret.
    pub reason: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: LoginStatus, reason: impl Into<String>) -> Refusal {
        Refusal { status, reason: reason.into() }
    }

    /// The initiator broke a rule.
    pub fn initiator(reason: impl Into<String>) -> Refusal {
        Refusal::new(LoginStatus::InitiatorError, reason)
    }

    /// The initiator is not who it says, or has not shown it.
    pub fn authentication(reason: impl Into<String>) -> Refusal {
        Refusal::new(LoginStatus::AuthenticationFailure, reason)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, detail) = self.status.code();
        write!(f, "{} (status {class:02x}{detail:02x}: {})", self.reason, self.status.name())
    }
}
