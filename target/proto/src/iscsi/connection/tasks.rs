//! The commands of a session that have arrived and are not answered, found by their tag in constant time.

use crate::iscsi::pdu::{Itt, Ttt};
use mainstay_base::arena::Buf;
use mainstay_base::sam::{Lun, Reply};
use mainstay_base::time::Instant;
use std::collections::VecDeque;

/// A command.
#[derive(Debug)]
pub(in crate::iscsi) struct Task {
    pub itt: Itt,
    pub lun: Lun,
    /// Outside the command window.
    pub immediate: bool,
    /// The nexus knows it.
    pub delivered: bool,
    pub in_bytes: u32,
    pub out_bytes: u32,
    /// Immediate and unsolicited data.
    pub first: First,
    /// Wanted by the nexus, in order.
    pub collects: VecDeque<Collect>,
    /// Asked for, in order.
    pub r2ts: VecDeque<Asked>,
    pub r2t_sn: u32,
    pub data_sn: u32,
    /// The end, waiting for data that is still to be drained.
    pub reply: Option<Reply>,
    /// The transfer is broken: data is drained, nothing more is asked for.
    pub failed: bool,
    /// When data last moved.
    pub progress: Instant,
    /// Counts commands in the order they arrived.
    pub serial: u64,
}

/// Immediate and unsolicited data of a command: always a prefix of its data.
#[derive(Debug, Default)]
pub(in crate::iscsi) struct First {
    pub buf: Option<Buf>,
    /// Bytes that have come.
    pub got: u32,
    /// More unsolicited data is coming.
    pub open: bool,
    pub data_sn: u32,
}

/// A range the nexus wants.
#[derive(Debug)]
pub(in crate::iscsi) struct Collect {
    pub offset: u32,
    pub len: u32,
    /// None: no memory yet, or a Data-Out is just being read into it.
    pub buf: Option<Buf>,
    pub reserved: bool,
    /// Bytes asked for with R2Ts or there without asking.
    pub asked: u32,
    /// Bytes that have come.
    pub got: u32,
}

/// An R2T.
#[derive(Clone, Copy, Debug)]
pub(in crate::iscsi) struct Asked {
    pub ttt: Ttt,
    pub offset: u32,
    pub len: u32,
    pub got: u32,
    pub data_sn: u32,
}

impl Task {
    /// The initiator still owes data it may send or was asked for.
    pub fn is_open(&self) -> bool {
        self.first.open || !self.r2ts.is_empty()
    }

    /// All that keeps it is data the initiator owes: the nexus is done with it, or never heard of it.
    pub fn is_draining(&self) -> bool {
        self.delivered && self.reply.is_some()
    }

    /// It has data in both directions.
    pub fn is_bidirectional(&self) -> bool {
        self.in_bytes > 0 && self.out_bytes > 0
    }

    /// DataSN of the next Data-In; those of a bidirectional command are numbered together with its R2Ts (RFC 7143
    /// §4.2.2.4).
    pub fn data_number(&self) -> u32 {
        if self.is_bidirectional() { self.r2t_sn.wrapping_add(self.data_sn) } else { self.data_sn }
    }
}

const EMPTY: u16 = u16::MAX;

/// The table: a slab, and an index with linear probing from tag to slot.
#[derive(Debug, Default)]
pub(in crate::iscsi) struct Tasks {
    slots: Vec<Option<Task>>,
    free: Vec<u16>,
    /// A power of two long, at least twice the number of slots.
    index: Vec<u16>,
    len: usize,
}

impl Tasks {
    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.slots.iter().flatten()
    }

    fn bucket(&self, itt: Itt) -> usize {
        // Fibonacci hashing: the high bits of the product are well mixed whatever scheme an initiator numbers by.
        let bits = self.index.len().trailing_zeros();
        (itt.0.wrapping_mul(0x9e37_79b1) as u64 >> (32 - bits)) as usize
    }

    /// The index position that holds `itt`.
    fn position(&self, itt: Itt) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let mask = self.index.len() - 1;
        let mut at = self.bucket(itt);
        loop {
            let slot = self.index[at];
            if slot == EMPTY {
                return None;
            }
            if self.slots[usize::from(slot)].as_ref().is_some_and(|task| task.itt == itt) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    pub fn get(&self, itt: Itt) -> Option<&Task> {
        let slot = self.index[self.position(itt)?];
        self.slots[usize::from(slot)].as_ref()
    }

    pub fn get_mut(&mut self, itt: Itt) -> Option<&mut Task> {
        let slot = self.index[self.position(itt)?];
        self.slots[usize::from(slot)].as_mut()
    }

    /// Add a command whose tag is not in the table.
    pub fn insert(&mut self, task: Task) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u16
        });
        let itt = task.itt;
        self.slots[usize::from(slot)] = Some(task);
        self.len += 1;
        if self.slots.len() * 2 > self.index.len() {
            self.reindex();
        } else {
            self.link(itt, slot);
        }
    }

    fn link(&mut self, itt: Itt, slot: u16) {
        let mask = self.index.len() - 1;
        let mut at = self.bucket(itt);
        while self.index[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.index[at] = slot;
    }

    fn reindex(&mut self) {
        self.index = vec![EMPTY; (self.slots.len() * 4).next_power_of_two().max(16)];
        for slot in 0..self.slots.len() {
            if let Some(itt) = self.slots[slot].as_ref().map(|task| task.itt) {
                self.link(itt, slot as u16);
            }
        }
    }

    pub fn remove(&mut self, itt: Itt) -> Option<Task> {
        let mut hole = self.position(itt)?;
        let slot = self.index[hole];
        let task = self.slots[usize::from(slot)].take();
        self.free.push(slot);
        self.len -= 1;
        // Close the gap: whoever probed past it moves up.
        let mask = self.index.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.index[at];
            if slot == EMPTY {
                break;
            }
            let home = self.slots[usize::from(slot)].as_ref().map_or(at, |task| self.bucket(task.itt));
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.index[hole] = slot;
                hole = at;
            }
        }
        self.index[hole] = EMPTY;
        task
    }

    /// Give spare memory back.
    pub fn shrink(&mut self) {
        if self.len == 0 {
            *self = Tasks::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn task(itt: u32) -> Task {
        Task {
            itt: Itt(itt),
            lun: Lun::default(),
            immediate: false,
            delivered: false,
            in_bytes: 0,
            out_bytes: 0,
            first: First::default(),
            collects: VecDeque::new(),
            r2ts: VecDeque::new(),
            r2t_sn: 0,
            data_sn: 0,
            reply: None,
            failed: false,
            progress: Instant(0),
            serial: 0,
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_set_finds(steps in prop::collection::vec((0u32..40, any::<bool>()), 0..300), spread: u32) {
            let mut model = std::collections::BTreeSet::new();
            let mut tasks = Tasks::default();
            for (number, add) in steps {
                let itt = number.wrapping_mul(spread | 1);
                if add && model.insert(itt) {
                    tasks.insert(task(itt));
                } else if !add {
                    prop_assert_eq!(tasks.remove(Itt(itt)).is_some(), model.remove(&itt));
                }
                for n in 0..40u32 {
                    let itt = n.wrapping_mul(spread | 1);
                    prop_assert_eq!(tasks.get(Itt(itt)).is_some(), model.contains(&itt));
                }
                prop_assert_eq!(tasks.len(), model.len());
            }
        }
    }
}
