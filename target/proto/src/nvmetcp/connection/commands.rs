//! The commands that live, each in a slot whose number is its tag.

use crate::nvmetcp::Tag;
use mainstay_base::arena::Buf;
use mainstay_base::time::Instant;

/// Slots kept while no command lives.
const SPARE_SLOTS: usize = 16;
/// Entries for collects kept in a free slot.
const SPARE_COLLECTS: usize = 8;

/// Data the queue wants of a command.
#[derive(Debug)]
pub(in crate::nvmetcp) struct Collect {
    /// First byte of the command's data.
    pub offset: u32,
    pub len: u32,
    /// Of these, bytes that have come.
    pub got: u32,
    /// Its R2T was sent.
    pub asked: bool,
    /// Reserved before the R2T is sent; away while a PDU fills it, none when nobody wants the data any more.
    pub buf: Option<Buf>,
}

/// A command.
#[derive(Debug)]
pub(in crate::nvmetcp) struct Command {
    pub cid: u16,
    /// Bytes the transport moves.
    pub len: u32,
    /// Its data is not wanted any more.
    pub abandoned: bool,
    /// In the order they were asked for.
    pub collects: Vec<Collect>,
    /// How it ended, while data that was asked for is still coming.
    pub reply: Option<[u8; 16]>,
    /// When data was last asked for or came.
    pub progress: Instant,
}

impl Command {
    /// R2Ts whose data has not come.
    pub fn asked(&self) -> usize {
        self.collects.iter().filter(|collect| collect.asked).count()
    }

    /// Take no more interest in its data. What was asked for still comes, and goes nowhere.
    pub fn abandon(&mut self) {
        self.abandoned = true;
        self.collects.retain(|collect| collect.asked);
        for collect in &mut self.collects {
            collect.buf = None;
        }
    }
}

#[derive(Debug, Default)]
struct Slot {
    live: bool,
    command: Command,
}

impl Default for Command {
    fn default() -> Command {
        Command { cid: 0, len: 0, abandoned: false, collects: Vec::new(), reply: None, progress: Instant(0) }
    }
}

/// All of them.
#[derive(Debug)]
pub(in crate::nvmetcp) struct Commands {
    slots: Vec<Slot>,
    /// Slots without a command; the last is taken next.
    free: Vec<u16>,
    /// Commands at once, at most.
    pub max: u16,
}

impl Commands {
    pub fn new(max: u16) -> Commands {
        Commands { slots: Vec::new(), free: Vec::new(), max }
    }

    pub fn is_full(&self) -> bool {
        self.slots.len() - self.free.len() >= usize::from(self.max)
    }

    /// A new command: its tag, and what is to be filled in. To be asked first: [`Commands::is_full`].
    pub fn insert(&mut self, cid: u16, len: u32) -> Tag {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u16
        });
        if let Some(slot) = self.slots.get_mut(usize::from(at)) {
            slot.live = true;
            let command = &mut slot.command;
            let collects = std::mem::take(&mut command.collects);
            *command = Command { cid, len, collects, ..Command::default() };
        }
        Tag(at)
    }

    pub fn get(&self, tag: Tag) -> Option<&Command> {
        self.slots.get(usize::from(tag.0)).filter(|slot| slot.live).map(|slot| &slot.command)
    }

    pub fn get_mut(&mut self, tag: Tag) -> Option<&mut Command> {
        self.slots.get_mut(usize::from(tag.0)).filter(|slot| slot.live).map(|slot| &mut slot.command)
    }

    /// It is over; its name may be given to another.
    pub fn remove(&mut self, tag: Tag) {
        let Some(slot) = self.slots.get_mut(usize::from(tag.0)).filter(|slot| slot.live) else { return };
        slot.live = false;
        slot.command.collects.clear();
        slot.command.collects.shrink_to(SPARE_COLLECTS);
        self.free.push(tag.0);
        if self.free.len() == self.slots.len() && self.slots.len() > SPARE_SLOTS {
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
    }

    /// Those that live, by tag.
    pub fn iter(&self) -> impl Iterator<Item = (Tag, &Command)> {
        let live = self.slots.iter().enumerate().filter(|(_, slot)| slot.live);
        live.map(|(at, slot)| (Tag(at as u16), &slot.command))
    }

    /// Forget them all.
    pub fn clear(&mut self) {
        *self = Commands::new(self.max);
    }

    /// For a snapshot: the free slots, the one taken next last.
    pub fn free(&self) -> &[u16] {
        &self.free
    }

    /// From a snapshot; none if the tags are not those of so many slots, each once.
    pub fn from_parts(live: Vec<(u16, Command)>, free: Vec<u16>, max: u16) -> Option<Commands> {
        let count = live.len() + free.len();
        let mut slots: Vec<Slot> = Vec::new();
        let mut seen = vec![false; count];
        slots.resize_with(count, Slot::default);
        for &tag in &free {
            if std::mem::replace(seen.get_mut(usize::from(tag))?, true) {
                return None;
            }
        }
        for (tag, command) in live {
            if std::mem::replace(seen.get_mut(usize::from(tag))?, true) {
                return None;
            }
            slots[usize::from(tag)] = Slot { live: true, command };
        }
        Some(Commands { slots, free, max })
    }
}
