//! The commands of one queue that are not answered, by the transport's tag.

use super::post::Ticket;
use crate::nvme::io::Task;
use crate::nvme::{Cid, Connect, Entry, Reply, Status};
use mainstay_base::arena::Buf;
use mainstay_base::unit::VolumeId;

/// Slots an idle queue keeps: it should cost next to nothing.
const SLOTS_KEPT: usize = 8;

/// What a command waits for, besides whoever calls it by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Want {
    /// Data or an answer: whoever brings it runs the command.
    #[default]
    Input,
    /// The output to drain.
    Output,
    /// Memory of the arena.
    Memory,
    /// A range of the disk.
    Range,
}

/// How far a command is.
#[derive(Debug)]
pub(super) enum Doing {
    /// The first of a fused pair, whose second is still to come; the transport may have refused its data.
    Half(Option<Status>),
    /// The first of a fused pair: the second has the task.
    Led {
        /// The slot of the second.
        by: u16,
    },
    /// An I/O command, or the second of a fused pair for both.
    Io {
        /// What it does.
        task: Task,
        /// The slot of the first of the pair.
        first: Option<u16>,
    },
    /// Its data is on its way, for a command that the queue or the controller takes at once.
    Collecting,
    /// A Connect that waits for the verdict.
    Deciding(Box<Connect>),
    /// An AUTH_Receive whose message is being computed.
    Proving,
    /// An Asynchronous Event Request that is held.
    Event,
    /// An Abort that another queue carries out.
    Aborting {
        /// Which.
        sqid: u16,
    },
    /// A Disconnect: the others end first.
    Leaving,
    /// A command that ends so when volumes have been flushed.
    Flushing {
        /// Which are still to be, and whose flush is at the store: the last of them.
        volumes: Vec<VolumeId>,
        /// They keep their write protection, too.
        protect: bool,
        /// The end.
        reply: Reply,
    },
    /// Data for the host, from `at` on, and then the end.
    Answer {
        /// All of it.
        data: Vec<u8>,
        /// What went out already.
        at: usize,
        /// The end.
        reply: Reply,
        /// And of the connection too.
        close: bool,
    },
}

#[derive(Debug)]
pub(super) struct Slot {
    /// Grows with each command of the queue: tells late answers, and who came first.
    pub serial: u32,
    pub entry: Entry,
    /// Bytes the host is ready to move.
    pub given: u32,
    /// Data that came with it, until somebody takes it.
    pub capsule: Option<Buf>,
    pub want: Want,
    /// It ends early; what it has at the stores comes back first.
    pub aborted: bool,
    /// Who is told when it has ended early.
    pub tell: Vec<Ticket>,
    pub doing: Doing,
}

#[derive(Debug, Default)]
pub(super) struct Slots {
    pub slots: Vec<Option<Slot>>,
    /// The same CIDs, closer together: each command is compared with all.
    cids: Vec<Option<Cid>>,
    live: usize,
    /// Serial of the next command.
    pub serial_next: u32,
    /// How many wait for the output, for memory and for a range.
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

impl Slots {
    /// None, and this will be the serial of the next.
    pub fn starting_at(serial_next: u32) -> Slots {
        Slots { serial_next, ..Slots::default() }
    }

    pub fn len(&self) -> usize {
        self.live
    }

    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = (u16, &Slot)> {
        self.slots.iter().enumerate().filter_map(|(i, slot)| Some((i as u16, slot.as_ref()?)))
    }

    /// A new command in its place. False: the place is taken.
    pub fn insert(&mut self, index: u16, entry: Entry, given: u32, capsule: Option<Buf>, doing: Doing) -> bool {
        let serial = self.serial_next;
        self.serial_next = serial.wrapping_add(1);
        let tell = Vec::new();
        self.put(index, Slot { serial, entry, given, capsule, want: Want::Input, aborted: false, tell, doing })
    }

    /// A command that was saved, in its place. False: the place is taken.
    pub fn put(&mut self, index: u16, slot: Slot) -> bool {
        let at = usize::from(index);
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
            self.cids.resize(at + 1, None);
        }
        if self.slots[at].is_some() {
            return false;
        }
        if let Some(scarce) = scarce(slot.want) {
            self.scarce[scarce] += 1;
        }
        self.cids[at] = Some(slot.entry.cid());
        self.slots[at] = Some(slot);
        self.live += 1;
        true
    }

    pub fn remove(&mut self, index: u16) -> Option<Slot> {
        let slot = self.slots.get_mut(usize::from(index))?.take()?;
        self.cids[usize::from(index)] = None;
        self.live -= 1;
        if let Some(at) = scarce(slot.want) {
            self.scarce[at] -= 1;
        }
        if self.is_empty() && self.slots.len() > SLOTS_KEPT {
            self.slots = Vec::new();
            self.cids = Vec::new();
        }
        Some(slot)
    }

    pub fn at(&mut self, index: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(index))?.as_mut()
    }

    pub fn get_mut(&mut self, index: u16, serial: u32) -> Option<&mut Slot> {
        self.at(index).filter(|slot| slot.serial == serial)
    }

    /// The command with this identifier.
    pub fn find(&self, cid: Cid) -> Option<u16> {
        self.cids.iter().position(|&known| known == Some(cid)).map(|at| at as u16)
    }

    /// Volumes that commands are about.
    pub fn volumes(&self) -> impl Iterator<Item = VolumeId> + '_ {
        self.iter().flat_map(|(_, slot)| match &slot.doing {
            Doing::Io { task, .. } => task.volume().into_iter().collect(),
            Doing::Flushing { volumes, .. } => volumes.clone(),
            _ => Vec::new(),
        })
    }

    /// Whether any command waits for something scarce.
    pub fn any(&self, want: Want) -> bool {
        scarce(want).is_some_and(|at| self.scarce[at] > 0)
    }

    /// A command waits for `want` from now on.
    pub fn wait_for(&mut self, index: u16, want: Want) {
        let Some(slot) = self.at(index) else { return };
        let was = std::mem::replace(&mut slot.want, want);
        if let Some(at) = scarce(was) {
            self.scarce[at] -= 1;
        }
        if let Some(at) = scarce(want) {
            self.scarce[at] += 1;
        }
    }

    /// Those that wait for it, oldest first.
    pub fn waiting_for(&self, want: Want) -> Vec<u16> {
        if !self.any(want) {
            return Vec::new();
        }
        self.oldest_first(|slot| slot.want == want)
    }

    /// Those that it holds for, oldest first.
    pub fn oldest_first(&self, which: impl Fn(&Slot) -> bool) -> Vec<u16> {
        let mut picked: Vec<_> = self.iter().filter(|(_, slot)| which(slot)).map(|(i, s)| (s.serial, i)).collect();
        // Serials wrap, ages do not.
        picked.sort_unstable_by_key(|&(serial, _)| std::cmp::Reverse(self.serial_next.wrapping_sub(serial)));
        picked.into_iter().map(|(_, index)| index).collect()
    }
}
