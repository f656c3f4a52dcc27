//! `mainstay swap`, as an admin types it.

use mainstay_testkit::daemon::Daemon;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Exit statuses of `mainstay swap`.
#[allow(missing_docs)]
pub mod exit {
    pub const DONE: i32 = 0;
    pub const NOTHING_TO_DO: i32 = 3;
    pub const REFUSED: i32 = 4;
    pub const ROLLED_BACK: i32 = 5;
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Exit status; none: a signal.
    pub status: Option<i32>,
    /// The report, or null.
    pub report: Value,
    /// Everything it printed.
    pub said: String,
}

/// The words for a swap to `binary` with `more` options.
pub fn command(daemon: &Daemon, with: &Path, binary: Option<&Path>, more: &[&str]) -> Command {
    let mut command = Command::new(with);
    command.arg("swap");
    command.args(binary);
    command.args(more).args(["--json", "--control"]).arg(daemon.control()).stdin(std::process::Stdio::null());
    command
}

/// Asks for a swap to `binary` and waits for the answer; `with` is the program that asks.
pub fn swap(daemon: &Daemon, with: &Path, binary: Option<&Path>, more: &[&str]) -> Answer {
    let output = command(daemon, with, binary, more).output().expect("mainstay can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = text.lines().find_map(|line| serde_json::from_str(line).ok()).or(serde_json::from_str(&text).ok());
    let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Answer { status: output.status.code(), report: report.unwrap_or(Value::Null), said }
}

impl Answer {
    /// Fails unless it ended with `status`.
    #[track_caller]
    pub fn assert(&self, status: i32, daemon: &Daemon) -> &Answer {
        assert_eq!(self.status, Some(status), "{}\n{}", self.said, daemon.words());
        self
    }

    /// A word of the report.
    pub fn word(&self, key: &str) -> &str {
        self.report[key].as_str().unwrap_or_default()
    }

    /// The whole pause in microseconds.
    pub fn pause_us(&self) -> u64 {
        self.report["pause"]["total_us"].as_u64().unwrap_or(u64::MAX)
    }

    /// A number of what was carried.
    pub fn carried(&self, key: &str) -> u64 {
        self.report["carried"][key].as_u64().unwrap_or_default()
    }
}
