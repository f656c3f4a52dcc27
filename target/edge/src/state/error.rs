//! What is wrong with a state directory, in words for its owner.

use rustix::io::Errno;
use std::path::PathBuf;

/// Why a state directory cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum StateError {
    #[error(
        "{path} is not a state directory of Mainstay (it holds {found:?}): name an empty or a new directory",
        path = path.display()
    )]
    NotOurs { path: PathBuf, found: String },
    #[error("{path} is not a directory: name a directory for the state", path = path.display())]
    NotADirectory { path: PathBuf },
    #[error(
        "the state directory {path} was written by a newer Mainstay (format {format}): run that version, or name \
         another directory",
        path = path.display()
    )]
    Newer { path: PathBuf, format: u32 },
    #[error(
        "the state directory {path} is in use by {}: stop it, or name another directory",
        match process { Some(process) => format!("process {process}"), None => "another daemon".to_string() },
        path = path.display()
    )]
    InUse { path: PathBuf, process: Option<u32> },
    #[error(
        "the state file {path} cannot be used: {why}. It is kept as it is. Restore it from a backup, or move it away \
         to go on without what it holds",
        path = path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error("cannot {doing} {path}: {errno}", path = path.display())]
    Io { path: PathBuf, doing: &'static str, errno: Errno },
    #[error("{name:?} cannot be the name of a state record")]
    Name { name: String },
}
