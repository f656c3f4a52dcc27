//! The control socket: asks for swaps, by one connection that is itself carried over each of them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A swap as the daemon tells of it, with when it was asked for and answered.
#[derive(Clone, Debug)]
pub struct Swapped {
    /// When the answer came; the pause was just before.
    pub answered: Instant,
    /// From question to answer.
    pub took: Duration,
    /// The daemon's report.
    pub report: Value,
}

impl Swapped {
    /// A part of the pause in µs, by its name in the report.
    pub fn part(&self, name: &str) -> f64 {
        self.report["pause"][name].as_f64().unwrap_or(f64::NAN)
    }

    /// A number of what was carried.
    pub fn carried(&self, name: &str) -> f64 {
        self.report["carried"][name].as_f64().unwrap_or(f64::NAN)
    }

    /// The pause in ms, without the time that went by in waiting for stores.
    pub fn pause_ms(&self) -> f64 {
        (self.part("total_us") - self.part("store_us")) / 1e3
    }
}

/// One connection.
#[derive(Debug)]
pub struct Control {
    stream: BufReader<UnixStream>,
    id: u64,
}

impl Control {
    /// To the daemon whose socket is `path`.
    pub fn connect(path: &Path) -> Result<Control, String> {
        let stream = UnixStream::connect(path).map_err(|e| format!("{}: {e}", path.display()))?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(|e| e.to_string())?;
        Ok(Control { stream: BufReader::new(stream), id: 0 })
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        self.id += 1;
        let line = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params }).to_string() + "\n";
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|e| format!("{method}: {e}"))?;
        let mut line = String::new();
        self.stream.read_line(&mut line).map_err(|e| format!("{method}: {e}"))?;
        let answer: Value = serde_json::from_str(&line).map_err(|e| format!("{method}: {e} in {line:?}"))?;
        match answer.get("result") {
            Some(result) if answer["id"] == self.id => Ok(result.clone()),
            _ => Err(format!("{method}: {answer}")),
        }
    }

    /// Swaps to the same program once more, which must work.
    pub fn swap(&mut self) -> Result<Swapped, String> {
        let swapped = self.swapped(false, "done")?;
        let parts = ["total_us", "store_us", "quiesce_us", "save_us", "exec_us", "adopt_us"];
        match parts.iter().find(|part| swapped.part(part).is_nan()) {
            None => Ok(swapped),
            Some(part) => Err(format!("no {part} in {}", swapped.report)),
        }
    }

    /// Stages and rehearses one, which must work.
    pub fn rehearse(&mut self) -> Result<Swapped, String> {
        self.swapped(true, "rehearsed")
    }

    fn swapped(&mut self, dry_run: bool, expected: &str) -> Result<Swapped, String> {
        let asked = Instant::now();
        let report = self.ask("swap", &json!({ "allow_same": true, "dry_run": dry_run }))?;
        let answered = Instant::now();
        if report["outcome"] != expected {
            return Err(format!("the swap should have ended as {expected}: {report}"));
        }
        Ok(Swapped { answered, took: answered - asked, report })
    }
}
