//! Ranges that an initiator has marked as unreadable (NVMe: Write Uncorrectable), until they are written again.
//!
//! The record of the volume has them, on stable storage before anything is answered; here is the copy that reads look at. As
//! long as there are none a read costs one look at a flag.

use super::error::IdentityError;
use super::opened::Kind;
use super::record::VolumeRecord;
use super::{Volume, locked, record};
use mainstay_base::unit::Fault;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// A volume has no more ranges than this.
const RANGES_MAX: usize = 1024;

/// Marked bytes, `start .. end` each: ascending, none empty, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, u64)>")]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// These, if they are in order.
    pub fn of(ranges: Vec<(u64, u64)>) -> Option<Ranges> {
        let whole = ranges.iter().all(|(start, end)| start < end);
        let apart = ranges.windows(2).all(|pair| pair[0].1 < pair[1].0);
        (whole && apart && ranges.len() <= RANGES_MAX).then_some(Ranges(ranges))
    }

    pub fn as_slice(&self) -> &[(u64, u64)] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first marked byte of `at .. end`.
    fn first(&self, at: u64, end: u64) -> Option<u64> {
        let next = self.0.partition_point(|range| range.1 <= at);
        self.0.get(next).map(|range| range.0.max(at)).filter(|&first| first < end)
    }

    /// With `at .. end`, or without it. None: those would be too many.
    fn with(&self, at: u64, end: u64, marked: bool) -> Option<Ranges> {
        let mut next = Vec::with_capacity(self.0.len() + 1);
        let mut new = (at, end);
        for &(start, stop) in &self.0 {
            if marked && start <= new.1 && new.0 <= stop {
                new = (new.0.min(start), new.1.max(stop));
                continue;
            }
            let left = (start, stop.min(if marked { stop } else { at.max(start) }));
            let right = (start.max(if marked { stop } else { end.min(stop) }), stop);
            next.extend([left, right].into_iter().filter(|range| range.0 < range.1));
        }
        if marked {
            next.insert(next.partition_point(|range| range.0 < new.0), new);
        }
        (next.len() <= RANGES_MAX).then_some(Ranges(next))
    }
}

impl TryFrom<Vec<(u64, u64)>> for Ranges {
    type Error = &'static str;

    fn try_from(ranges: Vec<(u64, u64)>) -> Result<Ranges, &'static str> {
        Ranges::of(ranges).ok_or("its marks are not in order")
    }
}

/// What reads look at.
#[derive(Debug, Default)]
pub(super) struct Marks {
    any: AtomicBool,
    ranges: RwLock<Ranges>,
}

impl Marks {
    pub fn new(ranges: Ranges) -> Marks {
        Marks { any: AtomicBool::new(!ranges.is_empty()), ranges: RwLock::new(ranges) }
    }

    /// The first marked byte of the range.
    pub fn first(&self, at: u64, len: u64) -> Option<u64> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.ranges.read().unwrap_or_else(PoisonError::into_inner).first(at, at.saturating_add(len))
    }

    fn show(&self, ranges: Ranges) {
        let any = !ranges.is_empty();
        *self.ranges.write().unwrap_or_else(PoisonError::into_inner) = ranges;
        self.any.store(any, Ordering::Release);
    }
}

impl Volume {
    /// Nothing of the range is marked.
    pub(super) fn readable(&self, at: u64, len: u64) -> Result<(), Fault> {
        self.marks.first(at, len).map_or(Ok(()), |at| Err(Fault::MediumRead { at }))
    }

    /// From here on the range cannot be read. Durable when it returns.
    pub(super) fn mark(&self, at: u64, len: u64) -> Result<(), Fault> {
        if len == 0 { Ok(()) } else { self.remark(at, len, true) }
    }

    /// The range has been written. What of it was marked can be read again; not before that is what stable storage has, for a
    /// loss of power must not bring back what was declared lost.
    pub(super) fn unmark(&self, at: u64, len: u64) -> Result<(), Fault> {
        if self.marks.first(at, len).is_none() {
            return Ok(());
        }
        self.sync(at)?;
        self.remark(at, len, false)
    }

    fn remark(&self, at: u64, len: u64, marked: bool) -> Result<(), Fault> {
        let mut record = locked(&self.record);
        let marks = record.marks.with(at, at.saturating_add(len), marked).ok_or(Fault::NoSpace)?;
        let next = VolumeRecord { marks, ..record.clone() };
        // What is in memory is gone after a restart, the marks with it.
        if self.kind != Kind::Memory {
            record::store(&self.state, &next).map_err(|error| self.not_kept(&error))?;
        }
        self.marks.show(next.marks.clone());
        *record = next;
        Ok(())
    }

    fn not_kept(&self, error: &IdentityError) -> Fault {
        tracing::error!(volume = self.name, %error, "which blocks are unreadable cannot be kept");
        Fault::Other { errno: Errno::IO.raw_os_error() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const END: u64 = 64;

    proptest! {
        /// Against a byte for each byte.
        #[test]
        fn ranges_are_what_was_marked_and_not_unmarked(
            steps in prop::collection::vec((0..END, 1..END, any::<bool>()), 0..40),
        ) {
            let mut ranges = Ranges::default();
            let mut model = [false; END as usize];
            for (at, len, marked) in steps {
                let end = (at + len).min(END);
                ranges = ranges.with(at, end, marked).unwrap();
                model[at as usize..end as usize].fill(marked);
                prop_assert_eq!(Ranges::of(ranges.0.clone()), Some(ranges.clone()));
                for at in 0..END {
                    for end in at + 1..=END {
                        let first = (at..end).find(|&byte| model[byte as usize]);
                        prop_assert_eq!(ranges.first(at, end), first);
                    }
                }
            }
        }
    }

    #[test]
    fn there_are_not_too_many() {
        let full = Ranges::of((0..RANGES_MAX as u64).map(|n| (n * 10, n * 10 + 8)).collect()).unwrap();
        assert_eq!(full.with(1 << 20, 1 << 21, true), None);
        assert_eq!(full.with(2, 4, false), None);
        assert_eq!(full.with(8, 10, true).unwrap().0.len(), RANGES_MAX - 1);
        assert_eq!(full.with(0, 4, false).unwrap().0.len(), RANGES_MAX);
        assert!(full.with(0, u64::MAX, false).unwrap().is_empty());
        assert_eq!(Ranges::of(vec![(0, 8), (8, 9)]), None);
        assert_eq!(Ranges::of(vec![(3, 3)]), None);
    }
}
