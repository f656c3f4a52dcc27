//! The tasks of one nexus, and in what order they may start (SAM-5 §8, control mode page TST = 001b).

use crate::iscsi::Itt;
use crate::scsi::Task;
use mainstay_base::sam::{Lun, Reply, TaskAttribute};
use mainstay_base::unit::VolumeId;

/// Slots an idle set keeps: it should cost next to nothing.
const SLOTS_KEPT: usize = 8;

/// Where a task stands in its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for older tasks.
    Dormant,
    /// Runs.
    Enabled,
    /// Ended early; waits for what it has at the stores.
    Aborting,
}

/// What an enabled task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Data-out or a store's answer: whoever brings it runs the task.
    Input,
    /// The output to drain.
    Output,
    /// Memory of the arena.
    Memory,
    /// A range of the unit.
    Range,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub serial: u32,
    pub itt: Itt,
    pub lun: Lun,
    pub volume: Option<VolumeId>,
    pub attribute: TaskAttribute,
    pub phase: Phase,
    pub want: Want,
    /// What to answer once it is dry, when it ended early and still has to be answered.
    pub verdict: Option<Reply>,
    pub task: Task,
}

#[derive(Debug, Default)]
pub(super) struct TaskSet {
    /// Slots; a task keeps its index for life, since tickets carry it.
    pub slots: Vec<Option<Entry>>,
    /// Serial of the next task; ages within the set compare by it.
    pub serial_next: u32,
    free: Vec<u16>,
    /// Tasks that are not simple: while there are none, there is no order to keep.
    unusual: usize,
    dormant: usize,
    /// How many wait for the output, for memory and for a range: asked after every event, so counted.
    scarce: [u16; 3],
}

fn scarce(want: Want) -> Option<usize> {
    match want {
        Want::Input => None,
        Want::Output => Some(0),
        Want::Memory => Some(1),
        Want::Range => Some(2),
    }
}

impl TaskSet {
    pub fn from_slots(slots: Vec<Option<Entry>>, serial_next: u32) -> TaskSet {
        let free = (0..slots.len()).rev().filter(|&i| slots[i].is_none()).map(|i| i as u16).collect();
        let unusual = slots.iter().flatten().filter(|e| e.attribute != TaskAttribute::Simple).count();
        let dormant = slots.iter().flatten().filter(|e| e.phase == Phase::Dormant).count();
        let mut set = TaskSet { slots, serial_next, free, unusual, dormant, scarce: [0; 3] };
        for at in set.slots.iter().flatten().filter_map(|entry| scarce(entry.want)) {
            set.scarce[at] += 1;
        }
        set
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = (u16, &Entry)> {
        self.slots.iter().enumerate().filter_map(|(i, slot)| Some((i as u16, slot.as_ref()?)))
    }

    pub fn insert(
        &mut self,
        itt: Itt,
        lun: Lun,
        volume: Option<VolumeId>,
        attribute: TaskAttribute,
        task: Task,
    ) -> u16 {
        let serial = self.serial_next;
        self.serial_next = serial.wrapping_add(1);
        self.unusual += usize::from(attribute != TaskAttribute::Simple);
        let entry = Entry {
            serial,
            itt,
            lun,
            volume,
            attribute,
            phase: Phase::Dormant,
            want: Want::Input,
            verdict: None,
            task,
        };
        self.dormant += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u16
        });
        self.slots[usize::from(index)] = Some(entry);
        index
    }

    pub fn remove(&mut self, index: u16) -> Option<Entry> {
        let entry = self.slots.get_mut(usize::from(index))?.take()?;
        self.unusual -= usize::from(entry.attribute != TaskAttribute::Simple);
        self.dormant -= usize::from(entry.phase == Phase::Dormant);
        if let Some(at) = scarce(entry.want) {
            self.scarce[at] -= 1;
        }
        self.free.push(index);
        if self.is_empty() && self.slots.len() > SLOTS_KEPT {
            self.slots = Vec::new();
            self.free = Vec::new();
        }
        Some(entry)
    }

    pub fn at(&mut self, index: u16) -> Option<&mut Entry> {
        self.slots.get_mut(usize::from(index))?.as_mut()
    }

    pub fn get_mut(&mut self, index: u16, serial: u32) -> Option<&mut Entry> {
        self.at(index).filter(|entry| entry.serial == serial)
    }

    pub fn find_mut(&mut self, itt: Itt) -> Option<(u16, &mut Entry)> {
        let live = |entry: &Entry| entry.itt == itt && entry.phase != Phase::Aborting;
        let index = self.slots.iter().position(|slot| slot.as_ref().is_some_and(live))?;
        Some((index as u16, self.slots[index].as_mut()?))
    }

    /// Whether any task waits for something scarce.
    pub fn any(&self, want: Want) -> bool {
        scarce(want).is_some_and(|at| self.scarce[at] > 0)
    }

    /// A task waits for `want` from now on.
    pub fn wait_for(&mut self, index: u16, want: Want) {
        let Some(entry) = self.at(index) else { return };
        let was = std::mem::replace(&mut entry.want, want);
        if let Some(at) = scarce(was) {
            self.scarce[at] -= 1;
        }
        if let Some(at) = scarce(want) {
            self.scarce[at] += 1;
        }
    }

    pub fn waiting_for(&self, want: Want) -> Vec<u16> {
        if !self.any(want) {
            return Vec::new();
        }
        let mut waiting: Vec<_> = self.iter().filter(|(_, e)| e.want == want).map(|(i, e)| (e.serial, i)).collect();
        waiting.sort_by_key(|&(serial, _)| self.serial_next.wrapping_sub(serial));
        waiting.reverse();
        waiting.into_iter().map(|(_, index)| index).collect()
    }

    /// Whether the order of its set lets a dormant task start (SAM-5 §8.7): nothing waits for an aborted task, a head of
    /// queue task waits for none, an ordered task for all older ones, a simple one for older ones that are not simple.
    pub fn may_start(&self, index: u16) -> bool {
        if self.unusual == 0 {
            return true;
        }
        let Some(Some(me)) = self.slots.get(usize::from(index)) else { return false };
        let age = |entry: &Entry| self.serial_next.wrapping_sub(entry.serial);
        match me.attribute {
            TaskAttribute::HeadOfQueue => true,
            mine => !self.iter().any(|(_, other)| {
                other.lun == me.lun
                    && other.phase != Phase::Aborting
                    && other.serial != me.serial
                    && (other.attribute == TaskAttribute::HeadOfQueue
                        || age(other) > age(me)
                            && (mine == TaskAttribute::Ordered || other.attribute == TaskAttribute::Ordered))
            }),
        }
    }

    pub fn enable(&mut self, index: u16) {
        self.enter(index, Phase::Enabled);
    }

    /// The task ends early. True: it has nothing at the stores.
    pub fn abort(&mut self, index: u16) -> bool {
        self.enter(index, Phase::Aborting);
        self.wait_for(index, Want::Input);
        let Some(entry) = self.at(index) else { return true };
        entry.task.abort();
        entry.task.is_dry()
    }

    fn enter(&mut self, index: u16, phase: Phase) {
        let Some(entry) = self.at(index) else { return };
        let was = std::mem::replace(&mut entry.phase, phase);
        self.dormant -= usize::from(was == Phase::Dormant);
    }

    /// The oldest dormant task that may start now.
    pub fn next_startable(&self) -> Option<u16> {
        if self.dormant == 0 {
            return None;
        }
        self.iter()
            .filter(|(index, entry)| entry.phase == Phase::Dormant && self.may_start(*index))
            .max_by_key(|(_, entry)| self.serial_next.wrapping_sub(entry.serial))
            .map(|(index, _)| index)
    }
}
