//! What a connection tells the nexus, and what the nexus may say about it.

use super::login::Candidate;
use super::pdu::{Itt, TmfResponse};
use mainstay_base::arena::Buf;
use mainstay_base::sam::{Lun, Reply, TaskAttribute, Tmf};

/// What happened on a connection, in order.
#[derive(Debug)]
pub enum Event {
    /// A login has finished negotiating and waits for `Connection::admit`.
    Candidate(Candidate),
    /// A SCSI command, in CmdSN order.
    Command(Command),
    /// The answer to one `Connection::collect`.
    Data {
        /// The command's tag.
        itt: Itt,
        /// As it was collected.
        offset: u32,
        /// Exactly as long as it was collected.
        data: Buf,
    },
    /// Data-out of a command that was collected will not come: the peer broke the transfer. The task has to be ended;
    /// once nothing of it is at a store, `Connection::finish` takes this reply.
    Failed {
        /// The command's tag.
        itt: Itt,
        /// What the standard has us answer.
        reply: Reply,
    },
    /// A task management function; `Connection::finish_tmf` answers it.
    TaskManagement(TaskManagement),
    /// The initiator logged out; the connection ends.
    LoggedOut,
    /// The login was refused; the connection ends.
    Refused {
        /// What it got as far as.
        step: String,
        /// For people: why, never a secret.
        why: String,
    },
    /// Something to log.
    Notice(Notice),
}

/// A SCSI command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its tag.
    pub itt: Itt,
    /// Which unit.
    pub lun: Lun,
    /// How it is ordered in its task set.
    pub attribute: TaskAttribute,
    /// The first 16 bytes of the CDB.
    pub short_cdb: [u8; 16],
    /// All of the CDB when it has more than 16 bytes; else empty.
    pub long_cdb: Vec<u8>,
    /// Bytes the initiator has room for.
    pub in_bytes: u32,
    /// Bytes the initiator is ready to send.
    pub out_bytes: u32,
}

impl Command {
    /// The CDB, 16 bytes or more.
    pub fn cdb(&self) -> &[u8] {
        if self.long_cdb.is_empty() { &self.short_cdb } else { &self.long_cdb }
    }
}

/// A task management function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskManagement {
    /// Its own tag.
    pub itt: Itt,
    /// What to do.
    pub function: Tmf,
    /// On which unit.
    pub lun: Lun,
    /// The task to abort.
    pub referenced: Itt,
    /// What to answer should no such task exist (RFC 7143 §11.6.1).
    pub if_unknown: TmfResponse,
}

impl TaskManagement {
    /// What to answer should the referenced task not exist.
    pub fn response_if_unknown(&self) -> TmfResponse {
        self.if_unknown
    }
}

/// A line for the log; never holds secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(pub String);

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why we end a connection that did nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// An admin wants it gone: the initiator is asked to log out, and dropped if it does not.
    Kicked,
    /// The daemon ends: the initiator is told that its session is dropped.
    Shutdown,
    /// The initiator logged in again under the same name (RFC 7143 §6.3.5): the old connection ends without a word.
    Reinstated,
    /// TARGET COLD RESET: what is queued still goes out.
    TargetReset,
    /// There are too many like it, and others want to come in.
    Crowded,
}
