//! Who writes where: lets COMPARE AND WRITE be atomic against every other write of the unit (SBC-3 §5.2).
//!
//! Plain writes note their span while a store works on it and look further only while a claim exists. Claims are served
//! in order of arrival; a plain write that overlaps any claim waits behind it, so a claim cannot starve. A task that
//! already holds its span never waits for a claim that waits for it.

use crate::sam::{NexusId, TaskKey};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes `start .. end` of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// Behind the last.
    pub end: u64,
}

impl Span {
    /// Whether both have a byte.
    pub fn overlaps(&self, other: &Span) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// The ranges of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Plain writes at the store.
    pub writing: BTreeMap<TaskKey, Span>,
    /// Claims, oldest first; held or waiting.
    pub claims: Vec<(TaskKey, Span)>,
    /// Nexuses with a task that waits.
    pub waiting: BTreeSet<NexusId>,
}

impl Ranges {
    /// Note a plain write. False: a claim is in its way, ask again when woken.
    #[must_use]
    pub fn begin_write(&mut self, key: TaskKey, span: Span) -> bool {
        if !self.claims.is_empty() && !self.writing.contains_key(&key) && self.claimed(&span, self.claims.len()) {
            self.waiting.insert(key.nexus);
            return false;
        }
        self.writing.insert(key, span);
        true
    }

    /// The write is no longer at the store.
    pub fn end_write(&mut self, key: TaskKey, wake: &mut Vec<NexusId>) {
        self.writing.remove(&key);
        self.wake(wake);
    }

    /// Claim a span for oneself. False: not yet; the place in the queue is kept.
    #[must_use]
    pub fn claim(&mut self, key: TaskKey, span: Span) -> bool {
        let at = self.claims.iter().position(|&(k, _)| k == key).unwrap_or_else(|| {
            self.claims.push((key, span));
            self.claims.len() - 1
        });
        let free = !self.claimed(&span, at) && !self.writing.values().any(|w| w.overlaps(&span));
        if !free {
            self.waiting.insert(key.nexus);
        }
        free
    }

    /// Give a claim up, held or not.
    pub fn unclaim(&mut self, key: TaskKey, wake: &mut Vec<NexusId>) {
        self.claims.retain(|&(k, _)| k != key);
        self.wake(wake);
    }

    /// Forget everything of a nexus.
    pub fn leave(&mut self, nexus: NexusId, wake: &mut Vec<NexusId>) {
        self.writing.retain(|key, _| key.nexus != nexus);
        self.claims.retain(|(key, _)| key.nexus != nexus);
        self.waiting.remove(&nexus);
        self.wake(wake);
    }

    fn claimed(&self, span: &Span, before: usize) -> bool {
        self.claims[..before].iter().any(|(_, claim)| claim.overlaps(span))
    }

    fn wake(&mut self, wake: &mut Vec<NexusId>) {
        if !self.waiting.is_empty() {
            wake.extend(std::mem::take(&mut self.waiting));
        }
    }
}
