//! Why a volume cannot be opened or changed, in words for its owner.

use crate::state::StateError;
use rustix::io::Errno;
use std::path::PathBuf;

/// Why a volume cannot be opened. `what` is the path, or the name of a memory volume.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OpenError {
    #[error("{what}: a logical block has 512 or 4096 bytes, not {block}")]
    Block { what: String, block: u32 },
    #[error(
        "{what}: a physical block has a power of two of bytes, from the logical block's {block} to 1 MiB, not \
         {physical}"
    )]
    Physical { what: String, physical: u32, block: u32 },
    #[error("{what} has sectors of {sector} bytes: it cannot be served with blocks of {block}; use {sector}")]
    BlockBelowSector { what: String, block: u32, sector: u32 },
    #[error("{what} has no bytes: a volume has at least one block")]
    Empty { what: String },
    #[error(
        "{what} has {bytes} bytes, which is not a multiple of its block of {block}: `truncate -s %{block} FILE` rounds \
         it up"
    )]
    Ragged { what: String, bytes: u64, block: u32 },
    #[error("{what}: {key} {text:?} must be 1 to {max} printable ASCII characters")]
    Text { what: String, key: &'static str, text: String, max: usize },
    #[error("{what} does not exist, and no size to make it with was given")]
    Missing { what: String },
    #[error("{what} is {kind}, not a regular file{}", hint(kind))]
    NotAFile { what: String, kind: &'static str },
    #[error("{what} is {kind}, not a block device{}", hint(kind))]
    NotADevice { what: String, kind: &'static str },
    #[error("{what} is in use by {holder}: two writers would destroy it")]
    InUse { what: String, holder: String },
    #[error("{what} is the disk behind {loop_device}: detach that first (`losetup -d {loop_device}`)")]
    BehindLoop { what: String, loop_device: String },
    #[error("{what}: paths must be UTF-8")]
    PathText { what: String },
    #[error("cannot {doing} {what}: {errno}")]
    Io { what: String, doing: &'static str, errno: Errno },
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    State(#[from] StateError),
}

fn hint(kind: &str) -> &'static str {
    match kind {
        "a block device" => ": configure it as a device",
        "a regular file" => ": configure it as a file",
        _ => "",
    }
}

/// Why it cannot be said which volume this is. Two disks with one identity lose data under multipath.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum IdentityError {
    #[error(
        "{path} carries the identity {uuid} of {original}: it is a copy. To serve it as a volume of its own: \
         `mainstay identify --new {path}`. If it shall take the place of {original}: `mainstay identify --keep {path}`",
        path = path.display(), original = original.display()
    )]
    Copied { path: PathBuf, original: PathBuf, uuid: String },
    #[error(
        "{path} carries the identity {uuid}, last seen as {original}, which cannot be looked at now: a copy and a move \
         cannot be told apart. If it is a copy: `mainstay identify --new {path}`. If it was moved or restored: \
         `mainstay identify --keep {path}`",
        path = path.display(), original = original.display()
    )]
    CannotTell { path: PathBuf, original: PathBuf, uuid: String },
    #[error(
        "{path} was known as {known} and now carries the identity {carries}: something was copied over it. To believe \
         the file: `mainstay identify --keep {path}`. To make it a new volume: `mainstay identify --new {path}`",
        path = path.display()
    )]
    Contradiction { path: PathBuf, known: String, carries: String },
    #[error(
        "{path} is another file than the one that was served from there as {uuid}, and its file system keeps no \
         extended attributes. If it is the same volume restored: `mainstay identify --keep {path}`. If it is a new \
         one: `mainstay identify --new {path}`",
        path = path.display()
    )]
    Replaced { path: PathBuf, uuid: String },
    #[error(
        "the attribute user.mainstay.identity of {path} is not a UUID ({text:?}). `mainstay identify --new {path}` \
         gives it a new identity",
        path = path.display()
    )]
    Garbled { path: PathBuf, text: String },
    #[error("{path} has no identity to keep: `mainstay identify --new {path}` gives it one", path = path.display())]
    None { path: PathBuf },
    #[error("{what}: another volume of this daemon has the same {key} {value}; each must be its own")]
    Duplicate { what: String, key: &'static str, value: String },
    #[error("cannot make an identity for {what}: no randomness: {why}")]
    Random { what: String, why: String },
    #[error("cannot {doing} the identity of {what}: {errno}")]
    Io { what: String, doing: &'static str, errno: Errno },
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why a volume did not grow. It is as it was.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum GrowError {
    #[error("the volume has {now} bytes; it can only grow, not become {wanted}")]
    Smaller { now: u64, wanted: u64 },
    #[error("{wanted} bytes are not a multiple of the block of {block}")]
    Ragged { wanted: u64, block: u32 },
    #[error("the device has {has} bytes, not {wanted}: enlarge it first")]
    DeviceHas { has: u64, wanted: u64 },
    #[error("the volume is read-only")]
    ReadOnly,
    #[error("the backing file has only {has} of the volume's {now} bytes: it was cut underneath; restore it first")]
    Shrunk { has: u64, now: u64 },
    #[error("the volume is poisoned by a failed flush: clear that first")]
    Poisoned,
    #[error("cannot {doing} the store: {errno}")]
    Io { doing: &'static str, errno: Errno },
}
