//! Why an executable does not become the running program, in words for its owner.

use rustix::io::Errno;
use std::path::PathBuf;

/// Why an executable cannot be taken.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Refusal {
    #[error("{path} does not exist")]
    Missing { path: PathBuf },
    #[error("cannot {doing} {path}: {errno}")]
    Io { path: PathBuf, doing: &'static str, errno: Errno },
    #[error("{path} is {kind}, not a regular file: name the executable itself")]
    NotAFile { path: PathBuf, kind: &'static str },
    #[error("{path} belongs to user {owner}: it must belong to root{}", or_us(*us))]
    Owner { path: PathBuf, owner: u32, us: u32 },
    #[error("{path} can be written by {who} (mode {mode:04o}): `chmod go-w` it, and look who could have changed it")]
    Writable { path: PathBuf, who: &'static str, mode: u32 },
    #[error("{path} is not executable (mode {mode:04o}): `chmod +x` it")]
    NotExecutable { path: PathBuf, mode: u32 },
    #[error("{path} is empty: was its copy interrupted?")]
    Empty { path: PathBuf },
    #[error("{path} has {size} bytes, which no build of Mainstay has")]
    Large { path: PathBuf, size: u64 },
    #[error("{path}: {why}")]
    Contents { path: PathBuf, why: Box<Refusal> },
    #[error("this is not an executable of this kind of system, or only a part of one")]
    NotExecutableFormat,
    #[error("this is an executable, but not of Mainstay (no note {} in it)", super::SECTION)]
    NotOurs,
    #[error("what the executable says of itself is damaged: was its copy interrupted?")]
    NoteDamaged,
    #[error("{path} was changed since it was checked: swap again when it stays as it is")]
    Changed { path: PathBuf },
    #[error("replacing the running program is not there on this system yet")]
    NotHere,
}

impl Refusal {
    /// Why the system did not execute a file, for people.
    pub(super) fn of_exec(errno: Errno) -> String {
        match errno {
            Errno::NOENT => "the interpreter (dynamic loader) it names does not exist here".into(),
            Errno::NOEXEC => "this kernel cannot run a program of this form".into(),
            Errno::TXTBSY => "somebody still has it open for writing".into(),
            Errno::ACCESS => "the system does not allow it (no permission, or a file system mounted noexec)".into(),
            errno => errno.to_string(),
        }
    }
}

fn or_us(us: u32) -> String {
    if us == 0 { String::new() } else { format!(" or to us (user {us})") }
}
