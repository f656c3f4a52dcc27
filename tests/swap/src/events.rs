//! Somebody who listens to the daemon's events, over every swap.

use mainstay_testkit::daemon::Daemon;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// `mainstay events --json`, running.
#[derive(Debug)]
pub struct Events {
    child: Child,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Events {
    /// From now on.
    pub fn listen(daemon: &Daemon, with: &Path) -> Events {
        let mut command = Command::new(with);
        command.args(["events", "--follow", "--json", "--control"]).arg(daemon.control());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("mainstay can be run");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
        let hear = heard.clone();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                hear.lock().expect("nobody panics here").push(event);
            }
        });
        // Until it listens: nobody is told when that is.
        std::thread::sleep(Duration::from_millis(300));
        Events { child, heard }
    }

    /// Everything heard so far.
    pub fn heard(&self) -> Vec<Value> {
        self.heard.lock().expect("nobody panics here").clone()
    }

    /// How often an event was heard.
    pub fn count(&self, name: &str) -> usize {
        self.heard().iter().filter(|event| event["event"] == name).count()
    }

    /// Waits until `name` was heard `count` times; false when that does not happen.
    pub fn wait(&self, name: &str, count: usize, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.count(name) < count {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// What is none of `names`.
    pub fn others(&self, names: &[&str]) -> Vec<Value> {
        let is_other = |event: &Value| !names.iter().any(|name| event["event"] == *name);
        self.heard().into_iter().filter(is_other).collect()
    }

    /// Whether it has ended by itself: the connection was not carried.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
