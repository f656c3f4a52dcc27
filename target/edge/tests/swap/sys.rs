//! Ways to go wrong, and what else needs `unsafe`.
#![allow(unsafe_code)]

use mainstay_edge::swap::{FORM, Section, encode};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

#[used]
#[unsafe(link_section = ".note.mainstay")]
static NOTE: Section<4096> = encode("9.8.7", &[("config", 1, 2), FORM]);

pub static SEEN: AtomicU32 = AtomicU32::new(0);

extern "C" fn seen(_: libc::c_int) {
    SEEN.fetch_add(1, SeqCst);
}

/// A handler that counts.
pub fn handle(signal: i32) {
    let handler = seen as extern "C" fn(libc::c_int);
    // SAFETY: the handler only adds to an atomic.
    unsafe { libc::signal(signal, handler as usize) };
}

pub fn raise(signal: i32) {
    // SAFETY: it has no argument that could be wrong.
    unsafe { libc::raise(signal) };
}

pub fn write_nowhere() {
    // SAFETY: there is none: this is what a program with a bug does.
    unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
}

#[allow(unconditional_recursion)] // that is the point
pub fn overflow(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 512]);
    overflow(depth + 1).wrapping_add(room[(depth % 512) as usize])
}

/// From now on nobody here gets a table of descriptors of its own.
pub fn forbid_unshare() {
    let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(0x20, 0, 0, 0),
        step(0x15, libc::SYS_unshare as u32, 0, 1),
        step(0x06, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
        step(0x06, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
    // SAFETY: the filter and its steps live until the kernel has copied them.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

pub fn default(signal: i32) {
    // SAFETY: the default needs no handler.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

pub fn close(number: i32) {
    // SAFETY: only for standard streams, which nobody uses any more.
    unsafe { libc::close(number) };
}

/// What others have left open for our children is closed for them.
pub fn only_standard() {
    // SAFETY: the flag closes nothing in this program.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}
