//! The command table: everything there is to know of a command before it runs. REPORT SUPPORTED OPERATION CODES prints it.

use super::cdb::Cdb;
use super::sense::Sense;
use super::task::{Cx, Ending, Job, State};
use super::unit::LogicalUnit;
use super::{
    cache, capacity, compare, inquiry, lba_status, mode, ports, prevent, report_luns, report_opcodes, request_sense,
    reserve, start_stop, transfer, unmap, write_same,
};

/// Where a CDB says how many bytes of parameter data it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// As many as there are.
    All,
    /// A byte at this place.
    U8(usize),
    /// Two bytes.
    U16(usize),
    /// Four bytes.
    U32(usize),
}

impl Allocation {
    /// Bytes.
    pub fn of(self, cdb: &Cdb) -> u32 {
        match self {
            Allocation::All => u32::MAX,
            Allocation::U8(at) => u32::from(cdb.0[at]),
            Allocation::U16(at) => u32::from(cdb.u16(at)),
            Allocation::U32(at) => cdb.u32(at),
        }
    }
}

/// How a command starts, which is also the direction of its data.
#[derive(Clone, Copy)]
pub enum Begin {
    /// It answers with parameter data, at once.
    Data(Allocation, fn(&Cdb, &mut Cx<'_>) -> Result<Vec<u8>, Sense>),
    /// Everything else: it becomes a state.
    Run(fn(&Job, &mut LogicalUnit) -> Result<State, Ending>),
}

/// What a command is to a reservation, a unit attention and a write-protected medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// INQUIRY, REPORT LUNS, REQUEST SENSE: runs under any reservation or attention, and without a unit (SAM-5 §5.14).
    Anywhere,
    /// Runs under another nexus's reservation (SPC-2 table 9).
    Free,
    /// PREVENT ALLOW: allowing removal is free, preventing it is not.
    Allow,
    /// Changes or tells what a reservation guards.
    Control,
    /// Reads the medium.
    Read,
    /// Writes the medium.
    Write,
}

/// What a command needs of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    Any,
    /// There must be one.
    Loaded,
    /// It must be ready.
    Started,
}

/// One command.
pub struct Command {
    pub opcode: u8,
    pub action: Option<u16>,
    /// As the standard calls it.
    pub name: &'static str,
    /// CDB usage data (SPC-4 §6.35.3) from byte 1: a one for each bit we look at. The service action's bits are implied.
    pub usage: &'static [u8],
    pub class: Class,
    pub medium: Medium,
    /// Only volumes that can deallocate have it.
    pub thin: bool,
    /// Seconds after which it is reasonable to ask what became of it.
    pub timeout_s: u32,
    pub begin: Begin,
}

impl Command {
    /// Bytes of its CDB.
    pub fn len(&self) -> usize {
        self.usage.len() + 1
    }

    /// Refuse bits that must be zero, naming the first of them.
    pub fn check(&self, cdb: &Cdb) -> Result<(), Sense> {
        for (i, &usage) in self.usage.iter().enumerate() {
            let action = if i == 0 && self.action.is_some() { 0x1f } else { 0 };
            let wrong = cdb.0[i + 1] & !(usage | action);
            if wrong != 0 {
                return Err(Sense::invalid_cdb(i as u16 + 1, 7 - wrong.leading_zeros() as u8));
            }
        }
        Ok(())
    }

    /// This unit has it.
    pub fn is_offered_by(&self, unit: &LogicalUnit) -> bool {
        !self.thin || unit.disk.behaviour.thin
    }

    /// It runs whoever holds the reservation.
    pub fn is_free(&self, cdb: &Cdb) -> bool {
        match self.class {
            Class::Anywhere | Class::Free => true,
            Class::Allow => cdb.0[4] & 0x03 == 0,
            Class::Control | Class::Read | Class::Write => false,
        }
    }
}

/// The command of a CDB; or that the opcode, or its service action, is not known.
pub fn find(cdb: &Cdb) -> Result<&'static Command, Sense> {
    let mut at = FIRST[usize::from(cdb.opcode())] as usize;
    if at == NONE {
        return Err(Sense::INVALID_OPCODE);
    }
    while let Some(command) = COMMANDS.get(at).filter(|c| c.opcode == cdb.opcode()) {
        if command.action.is_none_or(|action| action == cdb.action()) {
            return Ok(command);
        }
        at += 1;
    }
    Err(Sense::invalid_cdb(1, 4))
}

const NONE: usize = u8::MAX as usize;

/// Where an opcode's commands begin in [`COMMANDS`].
static FIRST: [u8; 256] = {
    let mut first = [NONE as u8; 256];
    let mut at = COMMANDS.len();
    while at > 0 {
        at -= 1;
        first[COMMANDS[at].opcode as usize] = at as u8;
    }
    first
};

const fn command(opcode: u8, name: &'static str, usage: &'static [u8], begin: Begin) -> Command {
    Command {
        opcode,
        action: None,
        name,
        usage,
        class: Class::Control,
        medium: Medium::Any,
        thin: false,
        timeout_s: 10,
        begin,
    }
}

impl Command {
    const fn action(self, action: u16) -> Command {
        Command { action: Some(action), ..self }
    }

    const fn class(self, class: Class) -> Command {
        Command { class, ..self }
    }

    const fn reads(self) -> Command {
        Command { class: Class::Read, medium: Medium::Started, timeout_s: 30, ..self }
    }

    const fn writes(self) -> Command {
        Command { class: Class::Write, medium: Medium::Started, timeout_s: 30, ..self }
    }

    const fn medium(self, medium: Medium) -> Command {
        Command { medium, ..self }
    }

    const fn long(self) -> Command {
        Command { timeout_s: 60, ..self }
    }

    const fn thin(self) -> Command {
        Command { thin: true, ..self }
    }
}

// Usage bytes that recur: flags of byte 1, then LBA, length, group number, control. GROUP NUMBER is taken and has no
// effect; FUA_NV is obsolete and ignored, as initiators of SBC-2 set it.
const FLAGS: u8 = 0xfa;
const VERIFY: u8 = 0xf6;
const GROUP: u8 = 0x3f;
const LBA6: &[u8] = &[0x1f, 0xff, 0xff, 0xff, 0];

const fn ten(flags: u8) -> [u8; 9] {
    [flags, 0xff, 0xff, 0xff, 0xff, GROUP, 0xff, 0xff, 0]
}

const fn twelve(flags: u8) -> [u8; 11] {
    [flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, GROUP, 0]
}

const fn sixteen(flags: u8) -> [u8; 15] {
    [flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, GROUP, 0]
}

const IO10: &[u8] = &ten(FLAGS);
const IO12: &[u8] = &twelve(FLAGS);
const IO16: &[u8] = &sixteen(FLAGS);
const VERIFY10: &[u8] = &ten(VERIFY);
const VERIFY12: &[u8] = &twelve(VERIFY);
const VERIFY16: &[u8] = &sixteen(VERIFY);
const CACHE10: &[u8] = &ten(0x06);
const CACHE16: &[u8] = &sixteen(0x06);
const FETCH10: &[u8] = &ten(0x02);
const FETCH16: &[u8] = &sixteen(0x02);
const SAME10: &[u8] = &ten(0xf8);
const SAME16: &[u8] = &sixteen(0xf9);
const COMPARE16: &[u8] = &[FLAGS, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, GROUP, 0];
const UNMAP10: &[u8] = &[0x01, 0, 0, 0, 0, GROUP, 0xff, 0xff, 0];
const CAPACITY10: &[u8] = &[0; 9];
const CAPACITY16: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0];
const STATUS16: &[u8] = &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
const REPORT12: &[u8] = &[0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0];

use Begin::{Data, Run};

/// Every command, those of one opcode side by side.
pub static COMMANDS: &[Command] = &[
    command(0x00, "TEST UNIT READY", &[0; 5], Run(prevent::begin_ready)).medium(Medium::Started),
    command(0x03, "REQUEST SENSE", &[0x01, 0, 0, 0xff, 0], Data(Allocation::U8(4), request_sense::data))
        .class(Class::Anywhere),
    command(0x08, "READ(6)", LBA6, Run(transfer::begin_read)).reads(),
    command(0x0a, "WRITE(6)", LBA6, Run(transfer::begin_write)).writes(),
    command(0x12, "INQUIRY", &[0x01, 0xff, 0xff, 0xff, 0], Data(Allocation::U16(3), inquiry::data))
        .class(Class::Anywhere),
    command(0x15, "MODE SELECT(6)", &[0x11, 0, 0, 0xff, 0], Run(mode::begin_select6)),
    command(0x16, "RESERVE(6)", &[0; 5], Run(reserve::begin_reserve)),
    command(0x17, "RELEASE(6)", &[0; 5], Run(reserve::begin_release)).class(Class::Free),
    command(0x1a, "MODE SENSE(6)", &[0x08, 0xff, 0xff, 0xff, 0], Data(Allocation::U8(4), mode::sense6)),
    command(0x1b, "START STOP UNIT", &[0x01, 0, 0x0f, 0xf7, 0], Run(start_stop::begin)).long(),
    command(0x1e, "PREVENT ALLOW MEDIUM REMOVAL", &[0, 0, 0, 0x03, 0], Run(prevent::begin)).class(Class::Allow),
    command(0x25, "READ CAPACITY(10)", CAPACITY10, Data(Allocation::All, capacity::data10))
        .class(Class::Free)
        .medium(Medium::Loaded),
    command(0x28, "READ(10)", IO10, Run(transfer::begin_read)).reads(),
    command(0x2a, "WRITE(10)", IO10, Run(transfer::begin_write)).writes(),
    command(0x2e, "WRITE AND VERIFY(10)", VERIFY10, Run(transfer::begin_write_verify)).writes(),
    command(0x2f, "VERIFY(10)", VERIFY10, Run(transfer::begin_verify)).reads(),
    command(0x34, "PRE-FETCH(10)", FETCH10, Run(cache::begin_prefetch)).reads(),
    command(0x35, "SYNCHRONIZE CACHE(10)", CACHE10, Run(cache::begin_synchronize)).reads().long(),
    command(0x41, "WRITE SAME(10)", SAME10, Run(write_same::begin)).writes().long(),
    command(0x42, "UNMAP", UNMAP10, Run(unmap::begin)).writes().long().thin(),
    command(0x55, "MODE SELECT(10)", &[0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0], Run(mode::begin_select10)),
    command(0x56, "RESERVE(10)", &[0; 9], Run(reserve::begin_reserve)),
    command(0x57, "RELEASE(10)", &[0; 9], Run(reserve::begin_release)).class(Class::Free),
    command(
        0x5a,
        "MODE SENSE(10)",
        &[0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0],
        Data(Allocation::U16(7), mode::sense10),
    ),
    command(0x88, "READ(16)", IO16, Run(transfer::begin_read)).reads(),
    command(0x89, "COMPARE AND WRITE", COMPARE16, Run(compare::begin)).writes(),
    command(0x8a, "WRITE(16)", IO16, Run(transfer::begin_write)).writes(),
    command(0x8e, "WRITE AND VERIFY(16)", VERIFY16, Run(transfer::begin_write_verify)).writes(),
    command(0x8f, "VERIFY(16)", VERIFY16, Run(transfer::begin_verify)).reads(),
    command(0x90, "PRE-FETCH(16)", FETCH16, Run(cache::begin_prefetch)).reads(),
    command(0x91, "SYNCHRONIZE CACHE(16)", CACHE16, Run(cache::begin_synchronize)).reads().long(),
    command(0x93, "WRITE SAME(16)", SAME16, Run(write_same::begin)).writes().long(),
    command(0x9e, "READ CAPACITY(16)", CAPACITY16, Data(Allocation::U32(10), capacity::data16))
        .action(0x10)
        .class(Class::Free)
        .medium(Medium::Loaded),
    command(0x9e, "GET LBA STATUS", STATUS16, Run(lba_status::begin)).action(0x12).reads(),
    command(
        0xa0,
        "REPORT LUNS",
        &[0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
        Data(Allocation::U32(6), report_luns::data),
    )
    .class(Class::Anywhere),
    command(
        0xa3,
        "REPORT TARGET PORT GROUPS",
        &[0xe0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
        Data(Allocation::U32(6), ports::data),
    )
    .action(0x0a)
    .class(Class::Free),
    command(
        0xa3,
        "REPORT SUPPORTED OPERATION CODES",
        &[0, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
        Data(Allocation::U32(6), report_opcodes::data),
    )
    .action(0x0c)
    .class(Class::Free),
    command(
        0xa3,
        "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
        REPORT12,
        Data(Allocation::U32(6), report_opcodes::tmf),
    )
    .action(0x0d)
    .class(Class::Free),
    command(0xa8, "READ(12)", IO12, Run(transfer::begin_read)).reads(),
    command(0xaa, "WRITE(12)", IO12, Run(transfer::begin_write)).writes(),
    command(0xae, "WRITE AND VERIFY(12)", VERIFY12, Run(transfer::begin_write_verify)).writes(),
    command(0xaf, "VERIFY(12)", VERIFY12, Run(transfer::begin_verify)).reads(),
];
