//! Who keeps the memory of this program a little longer than it runs.

use super::exec::last;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};
use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const STACK_BYTES: usize = 16 * 1024;
/// Those who are served go first.
const NICE: i32 = 19;

/// A child that shares our memory. An exec lets go of the memory of the program that leaves, which takes the longer the more
/// there is; while somebody else has it too, that happens later and is his work. The child ends when the next program closes
/// [`Keeper::voice`], and it hears of that by SIGCHLD; or when this is dropped.
pub struct Keeper {
    child: Pid,
    /// The child listens at the other end until this one is closed.
    voice: Option<OwnedFd>,
    _ear: OwnedFd,
    _pipe: Box<[RawFd; 2]>,
    _stack: Vec<u128>,
}

/// The child's life. It has our memory, our thread-local variables too, so it changes nothing but its own stack.
extern "C" fn keep(pipe: *mut c_void) -> c_int {
    // SAFETY: it is the array that `Keeper::new` made, which stays until the child has ended, and nobody writes to it.
    let [ear, voice] = unsafe { *pipe.cast::<[RawFd; 2]>() };
    // SAFETY: the number is one of the child's own table of descriptors, where nobody else has a use for it.
    unsafe { rustix::io::close(voice) };
    let _ = rustix::process::setpriority_process(None, NICE);
    // SAFETY: as above; it stays open until the child ends.
    let ear = unsafe { BorrowedFd::borrow_raw(ear) };
    let mut byte = [0];
    while rustix::io::read(ear, &mut byte) == Err(Errno::INTR) {}
    0
}

impl Keeper {
    /// To be made when no other thread is left. The child gets the signal mask of this moment.
    pub fn new() -> Result<Keeper, Errno> {
        let mut pipe = Box::new([-1; 2]);
        // SAFETY: the array has room for the two numbers the call writes.
        if unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return Err(last());
        }
        // SAFETY: both were just made, and belong to nobody else.
        let (ear, voice) = unsafe { (OwnedFd::from_raw_fd(pipe[0]), OwnedFd::from_raw_fd(pipe[1])) };
        debug_assert_eq!([ear.as_raw_fd(), voice.as_raw_fd()], *pipe);
        let mut stack = vec![0u128; STACK_BYTES / size_of::<u128>()];
        let flags = libc::CLONE_VM | libc::SIGCHLD;
        // SAFETY: the child runs `keep` on a stack of its own, from its upper end down; stack and argument live until it has
        // ended, since dropping a `Keeper` waits for that. What it shares with this thread it does not touch (see `keep`).
        let child = unsafe {
            let top = stack.as_mut_ptr_range().end.cast::<c_void>();
            libc::clone(keep, top, flags, pipe.as_mut_ptr().cast())
        };
        let child = Pid::from_raw(child).filter(|_| child > 0).ok_or_else(last)?;
        Ok(Keeper { child, voice: Some(voice), _ear: ear, _pipe: pipe, _stack: stack })
    }

    /// To be handed on.
    pub fn voice(&self) -> Option<BorrowedFd<'_>> {
        self.voice.as_ref().map(AsFd::as_fd)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.voice.take());
        // It has nothing more to do but to end.
        while matches!(waitpid(Some(self.child), WaitOptions::empty()), Err(Errno::INTR)) {}
    }
}
