//! The commands there are (nvm §3.2, base §7), found by opcode.
//!
//! Reservation commands (0Dh, 0Eh, 11h, 15h) come with persistent reservations: a row each. Until then they are opcodes like
//! any other that nobody knows.

use super::flush::Flush;
use super::task::{Ending, Job, State};
use super::{compare, copy, cursor, deallocate, read, write};
use crate::nvme::Entry;
use mainstay_base::unit::Disk;

/// What a command does to its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It looks at the blocks.
    Read,
    /// It changes them: not on a write protected namespace.
    Write,
    /// It makes durable what was written, of all namespaces if asked.
    Flush,
}

/// A row.
pub struct Command {
    pub opcode: u8,
    /// The standard's name.
    pub name: &'static str,
    pub class: Class,
    /// What it checks before anything is done.
    pub begin: fn(&Job, &Entry, &Disk) -> Result<State, Ending>,
}

impl Command {
    /// The host sends or gets something with it (bits 1:0 of the opcode).
    pub fn moves_data(&self) -> bool {
        self.opcode & 3 != 0
    }
}

const fn row(
    opcode: u8,
    name: &'static str,
    class: Class,
    begin: fn(&Job, &Entry, &Disk) -> Result<State, Ending>,
) -> Command {
    Command { opcode, name, class, begin }
}

/// The two that may be fused.
pub const WRITE: u8 = 0x01;
pub const COMPARE: u8 = 0x05;

/// All of them.
pub static COMMANDS: [Command; 9] = [
    row(0x00, "Flush", Class::Flush, begin_flush),
    row(WRITE, "Write", Class::Write, write::begin),
    row(0x02, "Read", Class::Read, read::begin),
    row(0x04, "Write Uncorrectable", Class::Write, cursor::begin_uncorrectable),
    row(COMPARE, "Compare", Class::Read, compare::begin),
    row(0x08, "Write Zeroes", Class::Write, cursor::begin_zeroes),
    row(0x09, "Dataset Management", Class::Write, deallocate::begin),
    row(0x0c, "Verify", Class::Read, cursor::begin_verify),
    row(0x19, "Copy", Class::Write, copy::begin),
];

/// Where each opcode's row is.
static ROWS: [u8; 256] = {
    let mut rows = [u8::MAX; 256];
    let mut at = 0;
    while at < COMMANDS.len() {
        rows[COMMANDS[at].opcode as usize] = at as u8;
        at += 1;
    }
    rows
};

fn begin_flush(_: &Job, entry: &Entry, _: &Disk) -> Result<State, Ending> {
    Ok(State::Flush(Flush { next: Some(entry.nsid()), all: false }))
}

/// The command with this opcode.
pub fn find(opcode: u8) -> Option<&'static Command> {
    COMMANDS.get(usize::from(ROWS[usize::from(opcode)]))
}

/// Commands Supported and Effects (base §5.16.1.6): each opcode that is supported, with its dword.
pub fn effects() -> impl Iterator<Item = (u8, u32)> {
    /// CSUPP and LBCC.
    const SUPPORTED: u32 = 1;
    const CHANGES_CONTENT: u32 = 1 << 1;
    COMMANDS.iter().map(|command| {
        let changes = if command.class == Class::Write { CHANGES_CONTENT } else { 0 };
        (command.opcode, SUPPORTED | changes)
    })
}
