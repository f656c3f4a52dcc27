//! Masks and handlers.

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ffi::{c_int, c_void};
use std::mem::{MaybeUninit, zeroed};

/// The highest signal, and one more.
const SIGNALS: c_int = 65;
/// What ends a program that went wrong.
const FATAL: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGSYS];
/// Wide registers are saved on it, some KiB on newer processors.
const STACK: usize = 128 << 10;

fn set_of(mask: u64) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` makes it a set; the others only add to it, and refuse a number that is none.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in (1..SIGNALS).filter(|signal| mask >> (signal - 1) & 1 == 1) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// The signals blocked in this thread: bit 0 is signal 1.
pub fn mask() -> u64 {
    let mut set = set_of(0);
    // SAFETY: it writes the set, and nothing else is given.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut set) };
    let member = |signal: &c_int| {
        // SAFETY: it reads a set that is one.
        unsafe { libc::sigismember(&set, *signal) == 1 }
    };
    (1..SIGNALS).filter(member).fold(0, |mask, signal| mask | 1 << (signal - 1))
}

/// Blocks exactly these in this thread. Safe inside a signal handler.
pub fn set_mask(mask: u64) {
    let set = set_of(mask);
    // SAFETY: it reads the set, and nothing is written.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()) };
}

fn action(signal: c_int) -> Option<libc::sigaction> {
    // SAFETY: plain integers and pointers, for which zero is a value.
    let mut action: libc::sigaction = unsafe { zeroed() };
    // SAFETY: it writes the struct, and installs nothing.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
    (asked == 0).then_some(action)
}

/// Blocks every signal that has a handler, besides the fatal ones: without a handler it would end the next program before
/// that one has its own. Returns what was blocked before.
pub fn block_handled() -> u64 {
    let before = mask();
    let handled = |signal: &c_int| {
        let handler = action(*signal).map_or(libc::SIG_DFL, |action| action.sa_sigaction);
        !FATAL.contains(signal) && handler != libc::SIG_DFL && handler != libc::SIG_IGN
    };
    set_mask((1..SIGNALS).filter(handled).fold(before, |mask, signal| mask | 1 << (signal - 1)));
    before
}

/// Handlers for what ends a program that went wrong, on a stack of their own.
pub struct Fatal {
    before: Vec<(c_int, libc::sigaction)>,
    stack_before: libc::stack_t,
    stack: *mut c_void,
}

impl Fatal {
    /// For the whole process; the stack is this thread's. The handlers call [`super::super::guard::fatal`].
    pub fn install() -> Result<Fatal, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing that anyone holds.
        let stack = unsafe { mmap_anonymous(std::ptr::null_mut(), STACK, access, MapFlags::PRIVATE)? };
        let new = libc::stack_t { ss_sp: stack, ss_flags: 0, ss_size: STACK };
        // SAFETY: plain integers and a pointer, for which zero is a value.
        let mut stack_before: libc::stack_t = unsafe { zeroed() };
        // SAFETY: the new stack stays mapped until it is replaced again in `drop`.
        if unsafe { libc::sigaltstack(&new, &mut stack_before) } != 0 {
            // SAFETY: exactly the mapping made above, which nobody uses.
            let _ = unsafe { munmap(stack, STACK) };
            return Err(Errno::INVAL);
        }
        let mut installed = Fatal { before: Vec::new(), stack_before, stack };
        for signal in FATAL {
            // SAFETY: plain integers and pointers, for which zero is a value.
            let mut new: libc::sigaction = unsafe { zeroed() };
            new.sa_sigaction = handler as *const () as usize;
            new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            let Some(before) = action(signal) else { return Err(Errno::INVAL) };
            // SAFETY: the handler has the form that SA_SIGINFO asks for and only calls what is safe in a handler.
            if unsafe { libc::sigaction(signal, &new, std::ptr::null_mut()) } != 0 {
                return Err(Errno::INVAL);
            }
            installed.before.push((signal, before));
        }
        Ok(installed)
    }
}

impl Drop for Fatal {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: exactly what was installed before.
            unsafe { libc::sigaction(*signal, before, std::ptr::null_mut()) };
        }
        // SAFETY: exactly the stack that was in use before; only then ours is unmapped, and no handler runs on it.
        unsafe {
            libc::sigaltstack(&self.stack_before, std::ptr::null_mut());
            let _ = munmap(self.stack, STACK);
        }
    }
}

extern "C" fn handler(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel gives a valid pointer (SA_SIGINFO). What is no address, because somebody sent the signal, is only
    // a number; it is told apart by the code.
    let (address, code) = unsafe { ((*info).si_addr() as u64, (*info).si_code) };
    super::super::guard::fatal(signal, if code > 0 { address } else { 0 })
}
