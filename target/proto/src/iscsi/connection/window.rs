//! The command window: which CmdSN may come, what came out of order, and the memory promised for it.
//!
//! I1 ExpCmdSN - 1 <= MaxCmdSN, and MaxCmdSN never moves backwards (RFC 7143 §4.2.2.1). I2 Commands in the window plus
//! commands delivered and not answered never exceed the slots, and every slot but the very first is backed by a promise
//! of the arena, so that unsolicited data always finds its memory.

use crate::iscsi::event::Command;
use crate::iscsi::pdu::{Bhs, CmdSn, Itt, opcode};
use mainstay_base::arena::{Arena, Buf, GRANULE};
use std::collections::VecDeque;

/// Slots of a new session.
const SLOTS_FIRST: u32 = 8;

/// Something that waits for its turn in the command order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::iscsi) enum Held {
    Command(Command),
    /// Any other numbered request and its text.
    Request {
        bhs: Bhs,
        data: Vec<u8>,
    },
    /// Considered received although it never came: its task was aborted before (RFC 7143 §11.6.1).
    Plugged,
}

impl Held {
    /// It will be answered later, and holds its slot of the window until then.
    pub fn takes_slot(&self) -> bool {
        match self {
            Held::Command(_) => true,
            Held::Request { bhs, .. } => opcode(bhs) == opcode::TASK_REQUEST,
            Held::Plugged => false,
        }
    }
}

/// Where a CmdSN stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::iscsi) enum Turn {
    Now,
    Later,
    /// Outside the window, or seen already: to be ignored silently (RFC 7143 §4.2.2.1).
    Never,
}

/// Memory promised by the arena, given back on drop.
#[derive(Debug, Default)]
struct Promise {
    arena: Option<Arena>,
    bytes: usize,
}

impl Promise {
    fn raise(&mut self, arena: &Arena, bytes: usize) -> bool {
        if bytes > 0 && !arena.promise(bytes) {
            return false;
        }
        self.arena.get_or_insert_with(|| arena.clone());
        self.bytes += bytes;
        true
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(arena) = &self.arena {
            arena.unpromise(self.bytes);
        }
    }
}

/// The window.
#[derive(Debug, Default)]
pub(in crate::iscsi) struct Window {
    expected: CmdSn,
    last: CmdSn,
    /// Commands we are ready to have at once.
    slots: u32,
    slots_max: u32,
    /// Numbered commands delivered and not answered.
    live: u32,
    /// Bytes a command may bring unasked, in whole granules.
    unit: usize,
    promise: Promise,
    /// What came early: position n waits for ExpCmdSN + n.
    held: VecDeque<Option<Held>>,
}

/// What a snapshot keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::iscsi) struct WindowParts {
    pub expected: CmdSn,
    pub last: CmdSn,
    pub slots: u32,
    pub slots_max: u32,
    pub live: u32,
    pub unit: usize,
    pub promised: usize,
    pub held: VecDeque<Option<Held>>,
}

impl Window {
    /// The window of the login phase, in which `first` is the CmdSN of the next numbered request.
    pub fn begin(&mut self, first: CmdSn) {
        self.expected = first;
        self.last = first;
    }

    /// Open it for the full feature phase, where each command may bring `unsolicited` bytes.
    pub fn open(&mut self, arena: &Arena, slots_max: u32, unsolicited: usize) {
        self.slots_max = slots_max.clamp(1, 1024);
        self.unit = unsolicited.div_ceil(GRANULE) * GRANULE;
        let mut slots = SLOTS_FIRST.min(self.slots_max);
        while slots > 0 && !self.promise.raise(arena, slots as usize * self.unit) {
            slots /= 2;
        }
        self.slots = slots.max(1);
        self.last = CmdSn(self.expected.0.wrapping_sub(1));
        self.update();
    }

    /// The window of a connection that has ended: numbers only.
    pub fn ended(expected: CmdSn, last: CmdSn) -> Window {
        Window { expected, last, ..Window::default() }
    }

    /// `cmd_sn`, which is in the window, counts as received although it never came, or never will: it is that of the
    /// aborted command `itt`. False: something else has come with this number.
    pub fn plug(&mut self, cmd_sn: CmdSn, itt: Itt) -> bool {
        let free = match self.held.get(cmd_sn.past(self.expected) as usize) {
            None | Some(None) => true,
            Some(Some(Held::Command(command))) => command.itt == itt,
            Some(Some(_)) => false,
        };
        if free {
            self.hold(cmd_sn, Held::Plugged);
        }
        free
    }

    /// Commands that may be open at once.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// ExpCmdSN.
    pub fn expected(&self) -> CmdSn {
        self.expected
    }

    /// MaxCmdSN.
    pub fn last(&self) -> CmdSn {
        self.last
    }

    /// No command may come.
    pub fn is_closed(&self) -> bool {
        self.last.before(self.expected)
    }

    fn update(&mut self) {
        let room = self.slots.saturating_sub(self.live);
        let last = CmdSn(self.expected.0.wrapping_sub(1)).plus(room);
        if self.last.before(last) {
            self.last = last;
        }
    }

    /// Where `cmd_sn` stands.
    pub fn turn(&self, cmd_sn: CmdSn) -> Turn {
        if cmd_sn == self.expected && !self.is_closed() {
            return Turn::Now;
        }
        if !self.expected.before(cmd_sn) || !cmd_sn.at_most(self.last) {
            return Turn::Never;
        }
        match self.held.get(cmd_sn.past(self.expected) as usize) {
            Some(Some(_)) => Turn::Never,
            _ => Turn::Later,
        }
    }

    /// Keep `held` until its turn, which is later.
    pub fn hold(&mut self, cmd_sn: CmdSn, held: Held) {
        let at = cmd_sn.past(self.expected) as usize;
        if self.held.len() <= at {
            self.held.resize(at + 1, None);
        }
        self.held[at] = Some(held);
    }

    /// The commands before `end` that wait for their turn and that `pick` picks.
    pub fn held_commands(&self, end: CmdSn, pick: impl Fn(&Command) -> bool) -> Vec<(CmdSn, Itt)> {
        let numbered = (0u32..).map(|n| self.expected.plus(n)).zip(&self.held);
        let picked = |(cmd_sn, held): (CmdSn, &Option<Held>)| match held {
            Some(Held::Command(command)) if cmd_sn.before(end) && pick(command) => Some((cmd_sn, command.itt)),
            _ => None,
        };
        numbered.filter_map(picked).collect()
    }

    /// Bytes of text and ping data that wait for their turn.
    pub fn held_bytes(&self) -> usize {
        let bytes = |held: &Held| match held {
            Held::Request { data, .. } => data.len(),
            Held::Command(_) | Held::Plugged => 0,
        };
        self.held.iter().flatten().map(bytes).sum()
    }

    /// The expected number was received; what has it may take a slot until it is answered.
    pub fn advance(&mut self, takes_slot: bool) {
        self.expected = self.expected.plus(1);
        self.live += u32::from(takes_slot);
        self.held.pop_front();
        self.update();
    }

    /// What waits for the turn that is now.
    pub fn next(&mut self) -> Option<Held> {
        self.held.front_mut()?.take()
    }

    /// Grow with use, while the arena agrees.
    pub fn grow(&mut self, arena: &Arena) {
        if self.live * 2 >= self.slots && self.slots < self.slots_max {
            let more = self.slots.min(self.slots_max - self.slots);
            if self.promise.raise(arena, more as usize * self.unit) {
                self.slots += more;
                self.update();
            }
        }
    }

    /// A numbered command was answered or aborted.
    pub fn retired(&mut self) {
        self.live = self.live.saturating_sub(1);
        self.update();
    }

    /// Memory for `len` bytes of unsolicited data.
    pub fn alloc(&self, arena: &Arena, len: usize, numbered: bool) -> Option<Buf> {
        if numbered && self.promise.bytes > 0 {
            arena.alloc_promised(len).or_else(|| arena.alloc(len))
        } else {
            arena.alloc(len)
        }
    }

    /// What a snapshot keeps.
    pub fn parts(&self) -> WindowParts {
        WindowParts {
            expected: self.expected,
            last: self.last,
            slots: self.slots,
            slots_max: self.slots_max,
            live: self.live,
            unit: self.unit,
            promised: self.promise.bytes,
            held: self.held.clone(),
        }
    }

    /// The window of a snapshot. Its promise was given before and is given again.
    pub fn from_parts(parts: WindowParts, arena: &Arena) -> Window {
        arena.promise_again(parts.promised);
        Window {
            expected: parts.expected,
            last: parts.last,
            slots: parts.slots,
            slots_max: parts.slots_max,
            live: parts.live,
            unit: parts.unit,
            promise: Promise { arena: Some(arena.clone()), bytes: parts.promised },
            held: parts.held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(arena: &Arena, first: u32, unsolicited: usize) -> Window {
        let mut window = Window::default();
        window.begin(CmdSn(first));
        window.open(arena, 32, unsolicited);
        window
    }

    #[test]
    fn early_numbers_wait_and_strangers_are_ignored() {
        let arena = Arena::heap(1 << 20);
        let mut window = window(&arena, u32::MAX - 1, 4096);
        assert_eq!(window.last(), CmdSn(5));
        assert_eq!(window.turn(CmdSn(u32::MAX - 2)), Turn::Never);
        assert_eq!(window.turn(CmdSn(6)), Turn::Never);
        assert_eq!(window.turn(CmdSn(0)), Turn::Later);
        window.hold(CmdSn(0), Held::Plugged);
        assert_eq!(window.turn(CmdSn(0)), Turn::Never, "twice");
        assert_eq!(window.turn(CmdSn(u32::MAX - 1)), Turn::Now);
        window.advance(false);
        assert_eq!(window.next(), None);
        assert_eq!(window.turn(CmdSn(u32::MAX)), Turn::Now);
        window.advance(false);
        assert_eq!(window.next(), Some(Held::Plugged));
        window.advance(false);
        assert_eq!((window.expected(), window.next()), (CmdSn(1), None));
    }

    #[test]
    fn it_grows_with_use_and_never_shrinks() {
        let arena = Arena::heap(1 << 20);
        let mut window = window(&arena, 1, 4096);
        assert_eq!(arena.usage().1, 8 * 4096);
        for n in 0..4 {
            assert_eq!(window.last(), CmdSn(8), "{n}");
            window.advance(true);
            window.grow(&arena);
        }
        assert_eq!(window.last(), CmdSn(16));
        assert_eq!(arena.usage().1, 16 * 4096);
        for _ in 0..4 {
            window.retired();
        }
        assert_eq!(window.last(), CmdSn(20));
        drop(window);
        assert_eq!(arena.usage().1, 0);
    }

    #[test]
    fn without_memory_it_opens_a_crack() {
        let arena = Arena::heap(64 * 1024);
        let first = window(&arena, 1, 16 * 1024);
        assert_eq!(first.last(), CmdSn(2), "half of the budget is all that is promised");
        let second = window(&arena, 1, 16 * 1024);
        assert_eq!(second.last(), CmdSn(1));
        let parts = first.parts();
        let next = arena.reopened();
        assert_eq!(Window::from_parts(parts.clone(), &next).parts(), parts);
        assert_eq!(next.usage().1, 0, "given back with the window");
    }
}
