//! Which features there are, and what can be done with each.

use super::*;

/// What a feature belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The controller.
    Controller,
    /// A namespace.
    Namespace,
}

/// A feature that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its identifier.
    pub fid: u8,
    /// Set Features with SV is good for it.
    pub saveable: bool,
    /// Set Features is good for it.
    pub changeable: bool,
    /// What it belongs to.
    pub scope: Scope,
    /// Discovery controllers have it, too.
    pub discovery: bool,
}

const fn feature(fid: u8) -> Feature {
    Feature { fid, saveable: false, changeable: true, scope: Scope::Controller, discovery: false }
}

const fn saveable(fid: u8) -> Feature {
    Feature { saveable: true, ..feature(fid) }
}

/// All of them, ascending. Interrupts are no business of fabrics; reservations are not there yet, so neither are their
/// notification mask (82h) and persistence (83h).
pub const FEATURES: &[Feature] = &[
    saveable(ARBITRATION),
    feature(POWER_MANAGEMENT),
    saveable(TEMPERATURE_THRESHOLD),
    Feature { scope: Scope::Namespace, ..saveable(ERROR_RECOVERY) },
    feature(WRITE_CACHE),
    feature(QUEUES),
    saveable(WRITE_ATOMICITY),
    Feature { discovery: true, ..saveable(EVENTS) },
    feature(TIMESTAMP),
    Feature { discovery: true, ..feature(KEEP_ALIVE) },
    // Linux tells every controller that names retry delays that it minds them.
    Feature { discovery: true, ..feature(BEHAVIOR) },
    feature(COMMAND_SET_PROFILE),
    Feature { changeable: false, ..feature(HOST_IDENTIFIER) },
    Feature { scope: Scope::Namespace, ..feature(WRITE_PROTECTION) },
];

/// The feature with this identifier.
pub(super) fn find(fid: u8, discovery: bool) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.fid == fid && (feature.discovery || !discovery))
}
