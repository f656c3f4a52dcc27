//! Systems without exec by descriptor. Here is never a handover, and a departure says at once that there is none.

use super::super::page::Page;
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// There are none.
pub enum Mapped {}

impl Mapped {
    pub fn new(_: BorrowedFd<'_>) -> Result<Mapped, Errno> {
        Err(Errno::NOSYS)
    }
    pub fn leak(self) -> &'static Page {
        match self {}
    }
}

impl std::ops::Deref for Mapped {
    type Target = Page;
    fn deref(&self) -> &Page {
        match *self {}
    }
}

pub struct Program;

impl Program {
    pub fn new(_: RawFd) -> Program {
        Program
    }
    pub fn exec(&self, _: Option<u64>) -> Errno {
        Errno::NOSYS
    }
}

pub struct Keeper;

impl Keeper {
    pub fn new() -> Result<Keeper, Errno> {
        Err(Errno::NOSYS)
    }
    pub fn voice(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

pub struct Fatal;

impl Fatal {
    pub fn install() -> Result<Fatal, Errno> {
        Err(Errno::NOSYS)
    }
}

pub fn nameless(_: &str) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

pub fn seal(_: BorrowedFd<'_>, _: bool) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[derive(Debug)]
pub enum Sealed {}

impl Sealed {
    pub fn new(_: BorrowedFd<'_>) -> Result<Sealed, Errno> {
        Err(Errno::NOSYS)
    }
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        match *self {}
    }
}

pub fn threads() -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}

pub fn thread() -> u32 {
    0
}

pub fn name() -> Vec<u8> {
    Vec::new()
}

pub fn set_name(_: &[u8]) {}

pub fn parent_death() -> i32 {
    0
}

pub fn set_parent_death(_: i32) {}

pub fn is_not_dumpable() -> bool {
    false
}

pub fn set_not_dumpable() {}

pub fn boot() -> [u64; 2] {
    [0; 2]
}

pub fn place(_: impl AsFd, _: RawFd, _: bool) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

pub fn nothing() -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

pub fn close_on_exec(_: RawFd, _: RawFd) {}

pub fn wait(_: &AtomicU32, _: u32, time: Duration) {
    std::thread::sleep(time);
}

pub fn wake(_: &AtomicU32) {}

pub fn own_table() -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

pub fn close_all() {}

pub fn park() -> ! {
    loop {
        std::thread::park();
    }
}

pub fn die() -> ! {
    std::process::abort()
}

pub fn mask() -> u64 {
    0
}

pub fn set_mask(_: u64) {}

pub fn block_handled() -> u64 {
    0
}

pub fn go_behind(_: u32) {}

pub fn limit(_: u32, _: u64, _: u64) {}
