//! Whether a descriptor is still the one we think of.

use rustix::fs::FileType;
use rustix::net::sockopt;
use rustix::net::{SocketAddrAny, getpeername, getsockname};
use std::io;
use std::os::fd::BorrowedFd;

/// What makes an open file, or an open socket, that one and no other. Saved and restored as a protobuf message.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
#[allow(missing_docs)]
pub struct Fingerprint {
    #[prost(uint64, tag = "1")]
    pub device: u64,
    #[prost(uint64, tag = "2")]
    pub inode: u64,
    #[prost(uint32, tag = "3")]
    pub kind: u32,
    /// The kernel's own number of a socket, never used twice; 0: none. It says all that its addresses could.
    #[prost(uint64, tag = "4")]
    pub cookie: u64,
    /// Of a socket without such a number.
    #[prost(string, tag = "5")]
    pub local: String,
    /// Empty when there is none, or none any more.
    #[prost(string, tag = "6")]
    pub peer: String,
}

impl Fingerprint {
    /// The fingerprint of an open descriptor.
    ///
    /// # Errors
    /// What the system answers.
    pub fn of(fd: BorrowedFd<'_>) -> io::Result<Fingerprint> {
        let (device, inode, kind) = look(fd)?;
        #[allow(clippy::unnecessary_cast)] // the type differs by system
        let mut print = Fingerprint { device, inode, kind: kind.as_raw_mode() as u32, ..Fingerprint::default() };
        if kind == FileType::Socket {
            print.cookie = cookie(fd)?;
        }
        if kind == FileType::Socket && print.cookie == 0 {
            print.local = getsockname(fd).map(text)?;
            // Who has hung up has no address any more.
            print.peer = getpeername(fd).ok().flatten().map(text).unwrap_or_default();
        }
        Ok(print)
    }

    /// Whether `fd` is what this fingerprint was taken of. A peer may have hung up meanwhile: that is its right.
    ///
    /// # Errors
    /// What the system answers.
    pub fn is_of(&self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        // No other socket ever has its number, nor can its own end of the addresses change.
        if self.cookie != 0 {
            return Ok(cookie(fd).is_ok_and(|cookie| cookie == self.cookie));
        }
        let mut now = Fingerprint::of(fd)?;
        if now.peer.is_empty() {
            now.peer.clone_from(&self.peer);
        }
        Ok(now == *self)
    }
}

/// Device, inode and kind. A file system that cannot reach its disk or its server answers from what it knows.
#[cfg(target_os = "linux")]
fn look(fd: BorrowedFd<'_>) -> io::Result<(u64, u64, FileType)> {
    use rustix::fs::{AtFlags, StatxFlags, makedev, statx};
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = statx(fd, c"", flags, StatxFlags::TYPE | StatxFlags::INO)?;
    let device = makedev(stat.stx_dev_major, stat.stx_dev_minor);
    Ok((device, stat.stx_ino, FileType::from_raw_mode(stat.stx_mode.into())))
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_cast)] // the fields' types differ by system
fn look(fd: BorrowedFd<'_>) -> io::Result<(u64, u64, FileType)> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev as u64, stat.st_ino as u64, FileType::from_raw_mode(stat.st_mode as _)))
}

fn text(address: SocketAddrAny) -> String {
    format!("{address:?}")
}

#[cfg(target_os = "linux")]
fn cookie(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(sockopt::socket_cookie(fd)?)
}

#[cfg(not(target_os = "linux"))]
fn cookie(fd: BorrowedFd<'_>) -> io::Result<u64> {
    // There is no such number here; the descriptor must be a socket at least.
    sockopt::socket_type(fd)?;
    Ok(0)
}
