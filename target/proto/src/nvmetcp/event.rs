//! What a connection tells its queue.

use crate::nvme::{Entry, Status};
use mainstay_base::arena::Buf;

/// Our own name of a command while it lives: a small number, which is also the TTAG of its R2Ts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16);

/// What happened on a connection, in order.
#[derive(Debug)]
pub enum Event {
    /// Both ends have agreed; commands may come.
    Opened,
    /// A command; `Connection::finish` ends it.
    Command {
        /// Its name.
        tag: Tag,
        /// The submission queue entry.
        entry: Entry,
        /// Its data.
        data: Given,
    },
    /// The answer to one `Connection::collect`.
    Data {
        /// The command.
        tag: Tag,
        /// As it was collected.
        offset: u32,
        /// Exactly as long as it was collected.
        data: Buf,
    },
    /// Data that was collected will not come. The command has to be ended; `Connection::finish` then takes this status.
    Failed {
        /// The command.
        tag: Tag,
        /// What to answer.
        status: Status,
    },
    /// Something to log.
    Notice(Notice),
}

/// The data of a command as its SGL descriptor says.
#[derive(Debug)]
pub enum Given {
    /// There is none.
    Nothing,
    /// All of it came in the capsule.
    InCapsule(Buf),
    /// The transport moves so many bytes: `Connection::collect` asks for them, or the host has room for them.
    Transport {
        /// Bytes.
        len: u32,
    },
    /// It breaks a rule, or came damaged: the command is answered with this and does nothing.
    Refused(Status),
    /// There was no memory for the data in the capsule.
    Starved,
}

/// A line for the log; never holds secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(pub String);

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
