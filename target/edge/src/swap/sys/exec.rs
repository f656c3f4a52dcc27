//! Becoming another program.

use super::signal::set_mask;
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsString, c_char};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;

/// An executable by descriptor, with our arguments and environment: everything an exec needs, made beforehand, so that a
/// signal handler can do it.
pub struct Program {
    image: RawFd,
    by_path: CString,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    // What the pointers point to.
    _texts: Vec<CString>,
}

// SAFETY: the pointers lead to texts that the value owns, and nobody changes any of it.
unsafe impl Send for Program {}
// SAFETY: as above.
unsafe impl Sync for Program {}

/// What a supervisor said to the program it started, about sockets it has taken long ago.
const SAID_ONCE: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

impl Program {
    /// With the arguments and the environment of this program.
    pub fn new(image: RawFd) -> Program {
        let text = |text: OsString| CString::new(text.into_vec()).unwrap_or_default();
        let arguments: Vec<CString> = std::env::args_os().map(text).collect();
        let variables = std::env::vars_os().filter(|(key, _)| !SAID_ONCE.iter().any(|said| key == said));
        let variables: Vec<CString> = variables
            .map(|(mut key, value)| {
                key.push("=");
                key.push(value);
                text(key)
            })
            .collect();
        let pointers = |texts: &[CString]| -> Vec<*const c_char> {
            texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
        };
        Program {
            image,
            by_path: CString::new(format!("/proc/self/fd/{image}")).unwrap_or_default(),
            argv: pointers(&arguments),
            envp: pointers(&variables),
            _texts: arguments.into_iter().chain(variables).collect(),
        }
    }

    /// Becomes it, or says why not. `mask`: the signals that stay blocked. Safe inside a signal handler.
    pub fn exec(&self, mask: Option<u64>) -> Errno {
        if let Some(mask) = mask {
            set_mask(mask);
        }
        let (argv, envp) = (self.argv.as_ptr(), self.envp.as_ptr());
        let nothing: &CStr = c"";
        // SAFETY: both arrays end in a null pointer, and every other one leads to a text that ends in a zero; all of it
        // lives as long as `self`. When the call succeeds, nothing of this program is left that could go wrong.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                libc::c_long::from(self.image),
                nothing.as_ptr(),
                argv,
                envp,
                libc::c_long::from(libc::AT_EMPTY_PATH),
            );
        }
        let errno = last();
        if errno != Errno::NOSYS {
            return errno;
        }
        // A filter of system calls may not know the newer one.
        // SAFETY: as above.
        unsafe { libc::execve(self.by_path.as_ptr(), argv, envp) };
        last()
    }
}

pub(super) fn last() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// This thread gets a table of descriptors of its own: a copy, which the others can close nothing of.
pub fn own_table() -> Result<(), Errno> {
    // SAFETY: it changes what descriptors mean to this thread only, which has none of its own and only execs.
    match unsafe { libc::unshare(libc::CLONE_FILES) } {
        0 => Ok(()),
        _ => Err(last()),
    }
}

/// Closes every descriptor of this thread's own table (see [`own_table`]).
pub fn close_all() {
    // SAFETY: nobody else uses this table, and this thread uses no descriptor any more.
    unsafe { libc::syscall(libc::SYS_close_range, 0u32, u32::MAX, 0u32) };
}

/// Waits for an end from outside. Safe inside a signal handler.
pub fn park() -> ! {
    loop {
        // SAFETY: it only waits.
        unsafe { libc::pause() };
    }
}

/// A crash that no handler of ours sees. Safe inside a signal handler.
pub fn die() -> ! {
    // SAFETY: the default for this signal needs no handler; both calls are allowed in a signal handler.
    unsafe {
        libc::signal(libc::SIGABRT, libc::SIG_DFL);
        libc::abort()
    }
}
