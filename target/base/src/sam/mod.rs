//! SCSI architecture nouns (SAM-5) that both the transport and the device server use.

/// An eight-byte logical unit number as it stands on the wire (SAM-5 §4.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lun(pub [u8; 8]);

impl Lun {
    /// The single-level form of unit `number`: peripheral addressing below 256, flat space above (SAM-5 §4.7.5, §4.7.6).
    pub fn from_number(number: u16) -> Lun {
        let head = if number < 256 { number } else { 0x4000 | (number & 0x3fff) };
        let [a, b] = head.to_be_bytes();
        Lun([a, b, 0, 0, 0, 0, 0, 0])
    }

    /// The unit number of a single-level address in either form; none for anything else.
    pub fn number(self) -> Option<u16> {
        let [a, b, rest @ ..] = self.0;
        let head = u16::from_be_bytes([a, b]);
        if rest != [0; 6] {
            return None;
        }
        match head >> 14 {
            0 if head < 256 => Some(head),
            1 => Some(head & 0x3fff),
            _ => None,
        }
    }
}

/// How a command is ordered in its task set (SAM-5 §8.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskAttribute {
    /// In any order among simple tasks.
    #[default]
    Simple,
    /// After all older tasks, before all younger ones.
    Ordered,
    /// At once, before all others.
    HeadOfQueue,
    /// Auto contingent allegiance; we never establish one.
    Aca,
}

/// The status of a completed command (SAM-5 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Status {
    Good = 0x00,
    CheckCondition = 0x02,
    ConditionMet = 0x04,
    Busy = 0x08,
    ReservationConflict = 0x18,
    TaskSetFull = 0x28,
    AcaActive = 0x30,
    TaskAborted = 0x40,
}

impl Status {
    const ALL: [Status; 8] = [
        Status::Good,
        Status::CheckCondition,
        Status::ConditionMet,
        Status::Busy,
        Status::ReservationConflict,
        Status::TaskSetFull,
        Status::AcaActive,
        Status::TaskAborted,
    ];

    /// The status with this code; none for codes that are obsolete or have no meaning.
    pub fn from_code(code: u32) -> Option<Status> {
        Status::ALL.into_iter().find(|&status| status as u32 == code)
    }
}

/// A task management function (SAM-5 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Tmf {
    AbortTask,
    AbortTaskSet,
    ClearAca,
    ClearTaskSet,
    LogicalUnitReset,
    TargetWarmReset,
    TargetColdReset,
    TaskReassign,
    QueryTask,
    QueryTaskSet,
    ITNexusReset,
    QueryAsynchronousEvent,
}

/// The name of one initiator's path to one target, unique while the daemon lives, also over swaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NexusId(pub u64);

/// How a command ended, in the device server's words; the transport adds residuals from what its initiator expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: Status,
    /// Sense data, fixed or descriptor format; empty when there is none.
    pub sense: Vec<u8>,
    /// Bytes the command moves by its own words, whatever the initiator expected.
    pub moved: u32,
}

/// Names a command while it lives: its nexus and the tag its initiator gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// Whose.
    pub nexus: NexusId,
    /// The initiator's tag (iSCSI: initiator task tag).
    pub tag: u32,
}
