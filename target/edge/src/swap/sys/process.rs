//! What belongs to a process or a thread.

use rustix::fs::{Mode, OFlags};
use rustix::io::{DupFlags, Errno};
use rustix::process::DumpableBehavior;
use rustix::thread::futex;
use std::mem::forget;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// How many threads this process has.
pub fn threads() -> Result<usize, Errno> {
    let tasks = std::fs::read_dir("/proc/self/task");
    tasks.map(Iterator::count).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// The number of this thread. Safe inside a signal handler.
pub fn thread() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned()
}

/// What the system calls this thread.
pub fn name() -> Vec<u8> {
    rustix::thread::name().map(|name| name.into_bytes()).unwrap_or_default()
}

/// See [`name`].
pub fn set_name(name: &[u8]) {
    if let Ok(name) = std::ffi::CString::new(name) {
        // A name is a comfort.
        let _ = rustix::thread::set_name(&name);
    }
}

/// The signal this process gets when its parent dies; 0: none.
pub fn parent_death() -> i32 {
    rustix::process::parent_process_death_signal().ok().flatten().map_or(0, rustix::process::Signal::as_raw)
}

/// See [`parent_death`]. A thread that execs for the first one does not have it.
pub fn set_parent_death(number: i32) {
    let _ = rustix::process::set_parent_process_death_signal(rustix::process::Signal::from_named_raw(number));
}

/// Whether nobody may look into this process.
pub fn is_not_dumpable() -> bool {
    matches!(rustix::process::dumpable_behavior(), Ok(DumpableBehavior::NotDumpable))
}

/// See [`is_not_dumpable`]; an exec forgets it.
pub fn set_not_dumpable() {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Which run of the machine this is.
pub fn boot() -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let number =
        text.chars().filter_map(|digit| digit.to_digit(16)).fold(0, |sum: u128, digit| sum << 4 | u128::from(digit));
    [(number >> 64) as u64, number as u64]
}

/// Makes `number` a copy of `fd`, whatever it was before.
pub fn place(fd: impl AsFd, number: RawFd, close_on_exec: bool) -> Result<(), Errno> {
    let flags = if close_on_exec { DupFlags::CLOEXEC } else { DupFlags::empty() };
    // SAFETY: the caller gives away the number, so that nobody owns it. The value is forgotten: it must not be closed here.
    let mut at = unsafe { OwnedFd::from_raw_fd(number) };
    let placed = rustix::io::dup3(fd, &mut at, flags);
    forget(at);
    placed
}

/// What takes the place of a handover until there is one.
pub fn nothing() -> Result<OwnedFd, Errno> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

/// Sets close-on-exec on a range of numbers, both ends included.
pub fn close_on_exec(first: RawFd, last: RawFd) {
    // SAFETY: the flag changes what an exec closes, and closes nothing now.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
    if done != 0 {
        for number in first..=last {
            let _ = super::borrowed(number, |fd| rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC));
        }
    }
}

/// Waits until somebody wakes us, the word is another one, a signal comes or the time is over.
pub fn wait(word: &AtomicU32, while_it_is: u32, time: Duration) {
    let time = futex::Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    let _ = futex::wait(word, futex::Flags::empty(), while_it_is, Some(&time));
}

/// Safe inside a signal handler.
pub fn wake(word: &AtomicU32) {
    let _ = futex::wake(word, futex::Flags::empty(), i32::MAX.cast_unsigned());
}

/// What a thread that goes behind others is nicer than they.
const BEHIND: i32 = 5;

/// A thread, 0 for this one, gets about a third of what others get of a busy processor.
pub fn go_behind(thread: u32) {
    let nice = rustix::process::getpriority_process(None).unwrap_or_default();
    let thread = rustix::process::Pid::from_raw(thread.cast_signed());
    let _ = rustix::process::setpriority_process(thread, nice + BEHIND);
}

/// Bounds for another process: bytes of address space, seconds on a processor, and nothing is left when it crashes.
pub fn limit(process: u32, memory: u64, seconds: u64) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = Pid::from_raw(process.cast_signed());
    // The signal of the softer bound says what was wrong.
    for (which, soft, hard) in
        [(Resource::As, memory, memory), (Resource::Cpu, seconds, seconds + 1), (Resource::Core, 0, 0)]
    {
        let _ = pid.map(|pid| prlimit(Some(pid), which, Rlimit { current: Some(soft), maximum: Some(hard) }));
    }
}
