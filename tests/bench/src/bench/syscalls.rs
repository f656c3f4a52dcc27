//! System calls of a process while something runs: by `perf stat` on the raw tracepoint, else by `strace -c`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

enum Tool {
    Perf,
    Strace,
}

/// A tool that is counting.
pub struct Counter {
    child: Child,
    tool: Tool,
    output: tempfile::NamedTempFile,
}

impl Counter {
    /// Starts to count for process `pid` and all its threads; none when neither tool works here.
    pub fn start(pid: u32) -> Option<Counter> {
        let perf_works = Command::new("perf")
            .args(["stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"])
            .output()
            .is_ok_and(|output| output.status.success() && !output.stderr.starts_with(b"<not"));
        let tool = if perf_works { Tool::Perf } else { Tool::Strace };
        let output = tempfile::NamedTempFile::new().ok()?;
        let mut command = match tool {
            Tool::Perf => Command::new("perf"),
            Tool::Strace => Command::new("strace"),
        };
        match tool {
            Tool::Perf => command.args(["stat", "-x,", "-e", "raw_syscalls:sys_enter"]),
            Tool::Strace => command.args(["-c", "-f"]),
        };
        command.args(["-p", &pid.to_string(), "-o"]).arg(output.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        // Neither says when it has attached.
        thread::sleep(Duration::from_millis(400));
        Some(Counter { child, tool, output })
    }

    /// Stops; the number of calls.
    pub fn stop(mut self) -> Option<u64> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)?;
        kill_process(pid, Signal::INT).ok()?;
        self.child.wait().ok()?;
        read(&self.tool, self.output.path())
    }
}

fn read(tool: &Tool, path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    match tool {
        // value,unit,event,…
        Tool::Perf => text.lines().find(|line| line.contains("sys_enter"))?.split(',').next()?.parse().ok(),
        // % time, seconds, usecs/call, calls, …, total
        Tool::Strace => {
            text.lines().find(|line| line.trim_end().ends_with("total"))?.split_whitespace().nth(3)?.parse().ok()
        }
    }
}
