//! The benchmark: Mainstay and Debian's tgt in one run, round by round in turn, with one client.
//!
//! `cargo run --release -p mainstay-bench`; see `README.md` beside this crate for the method.

#[cfg(target_os = "linux")]
mod bench;

#[cfg(target_os = "linux")]
use bench::main as run;

/// Where there is no epoll, no pinning to cores and no `/proc` there is nothing to measure with.
#[cfg(not(target_os = "linux"))]
fn run() -> std::process::ExitCode {
    eprintln!("the benchmark runs on Linux only");
    std::process::ExitCode::FAILURE
}

fn main() -> std::process::ExitCode {
    run()
}
