//! Signals in words.

/// What a signal is called.
pub fn name(number: i32) -> String {
    let (name, meaning) = match number {
        libc::SIGABRT => ("SIGABRT", "abort"),
        libc::SIGBUS => ("SIGBUS", "bus error"),
        libc::SIGFPE => ("SIGFPE", "arithmetic error"),
        libc::SIGHUP => ("SIGHUP", "hangup"),
        libc::SIGILL => ("SIGILL", "illegal instruction"),
        libc::SIGINT => ("SIGINT", "interrupt"),
        libc::SIGKILL => ("SIGKILL", "kill, perhaps for want of memory"),
        libc::SIGPIPE => ("SIGPIPE", "nobody reads"),
        libc::SIGSEGV => ("SIGSEGV", "segmentation fault"),
        libc::SIGSYS => ("SIGSYS", "forbidden system call"),
        libc::SIGTERM => ("SIGTERM", "termination"),
        libc::SIGTRAP => ("SIGTRAP", "trap"),
        libc::SIGXCPU => ("SIGXCPU", "too much time on the processor"),
        libc::SIGXFSZ => ("SIGXFSZ", "too large a file"),
        _ => return format!("signal {number}"),
    };
    format!("{name} ({meaning})")
}
