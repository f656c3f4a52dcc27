//! A scripted NVMe/TCP host over blocking sockets.
//!
//! Three floors, each usable alone: [`Raw`] moves single PDUs, which it builds and takes apart by itself, so that a script can
//! break any rule; [`Connection`] is one queue, driven by the host's machine of the protocol crate, with commands in any
//! number; [`Controller`] is what a host makes of a few of them, with whole commands. [`Host`] says how to come to one.

pub mod admin;
pub mod authentication;
pub mod connection;
pub mod controller;
pub mod disk;
pub mod pdu;
pub mod raw;

use std::io;

use mainstay_proto::auth::dhchap::Failure;
use mainstay_proto::host::queue::{End, NotTaken};

pub use authentication::Credentials;
pub use connection::{Connection, Done};
pub use controller::{Controller, Host};
pub use mainstay_proto::host::queue::{Data, Setup};
pub use mainstay_proto::host::{command, discovery, identify};
pub use mainstay_proto::nvme::{Cid, Entry, Sgl, Status};
pub use mainstay_proto::nvmetcp::pdu::Digests;
pub use pdu::Pdu;
pub use raw::Raw;

/// Why a script's step did not go as wished.
#[derive(Debug)]
pub enum Error {
    /// The controller closed the connection.
    Closed,
    /// Nothing came in time.
    Timeout,
    /// The socket said something else.
    Io(io::Error),
    /// A PDU ended the connection.
    Ended(End),
    /// A command failed.
    Status {
        /// Which.
        what: &'static str,
        /// How.
        status: Status,
        /// Dwords 0 and 1 of its completion.
        result: u64,
    },
    /// Authentication came to a bad end.
    Unproven(Failure),
    /// The queue did not take a command.
    NotTaken(NotTaken),
    /// The controller broke the protocol, or did what the script did not expect.
    Odd(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Ended(end) => write!(f, "{end}"),
            _ => write!(f, "{self:?}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Error::Closed,
            _ => Error::Io(error),
        }
    }
}

impl From<NotTaken> for Error {
    fn from(why: NotTaken) -> Error {
        Error::NotTaken(why)
    }
}

impl Error {
    /// The status of a command that failed.
    pub fn status(&self) -> Option<Status> {
        match self {
            Error::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// `Result` of a script's step.
pub type Result<T> = std::result::Result<T, Error>;
