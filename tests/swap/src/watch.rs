//! What a swap must leave as it was, looked at from outside.

use super::person::Person;
use super::socket::{self, Socket};
use mainstay_testkit::daemon::Daemon;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is said of a session that stays.
const SESSION: &[&str] =
    &["id", "initiator", "target", "peer", "local", "isid", "tsih", "state", "since_ms", "negotiated"];
/// What is said of a volume that stays.
const VOLUME: &[&str] = &[
    "name",
    "kind",
    "path",
    "size",
    "block_bytes",
    "physical_bytes",
    "read_only",
    "write_cache",
    "thin",
    "uuid",
    "serial",
    "naa",
    "poisoned",
];
/// What is said of a controller that stays.
const CONTROLLER: &[&str] =
    &["id", "host", "host_id", "subsystem", "cntlid", "state", "auth", "keep_alive_ms", "since_ms", "queues"];
/// What is said of a queue that stays.
const QUEUE: &[&str] = &["id", "qid", "size", "peer", "local", "header_digest", "data_digest"];
/// What is said of the daemon that stays.
const DAEMON: &[&str] = &["pid", "started_ms", "state_dir", "control", "config"];

/// One look.
#[derive(Clone, Debug)]
pub struct Look {
    /// By the peer's address.
    pub sockets: BTreeMap<String, Socket>,
    person: Person,
    status: Value,
}

fn part(of: &Value, keys: &[&str]) -> Value {
    Value::Object(keys.iter().map(|key| ((*key).to_owned(), of[*key].clone())).collect::<Map<_, _>>())
}

/// Of the queues of a controller what stays; as it is when it has none.
fn queues(mut of: Value) -> Value {
    for queue in of.get_mut("queues").and_then(Value::as_array_mut).into_iter().flatten() {
        *queue = part(queue, QUEUE);
    }
    of
}

impl Look {
    /// At a daemon, now. The sockets of whoever asks for the status are not among those that are looked at.
    pub fn at(daemon: &Daemon) -> Look {
        Look { sockets: socket::established(daemon.pid()), person: Person::of(daemon.pid()), status: daemon.status() }
    }

    /// The whole status.
    pub fn status(&self) -> &Value {
        &self.status
    }

    /// In what `later` differs that must not, a line for each.
    pub fn difference(&self, later: &Look) -> Vec<String> {
        let mut lines = self.person.difference(&later.person);
        let mut compare = |what: &str, was: &Value, is: &Value| {
            if was != is {
                lines.push(format!("{what}: was {was}, is {is}"));
            }
        };
        compare("daemon", &part(&self.status["daemon"], DAEMON), &part(&later.status["daemon"], DAEMON));
        compare("refused logins", &self.status["refused_logins"], &later.status["refused_logins"]);
        for key in ["portals", "targets"] {
            compare(key, &self.status[key], &later.status[key]);
        }
        for key in ["portals", "subsystems", "paths"] {
            compare(&format!("NVMe {key}"), &self.status["nvme"][key], &later.status["nvme"][key]);
        }
        for (key, kept, id) in
            [("/sessions", SESSION, "id"), ("/volumes", VOLUME, "name"), ("/nvme/controllers", CONTROLLER, "id")]
        {
            let list = |status: &Value| -> BTreeMap<String, Value> {
                let all = status.pointer(key).and_then(Value::as_array).cloned().unwrap_or_default();
                { all }.into_iter().map(|one| (one[id].to_string(), queues(part(&one, kept)))).collect()
            };
            let (was, is) = (list(&self.status), list(&later.status));
            for name in was.keys().chain(is.keys().filter(|name| !was.contains_key(*name))) {
                let none = Value::Null;
                compare(&format!("{key} {name}"), was.get(name).unwrap_or(&none), is.get(name).unwrap_or(&none));
            }
        }
        for (peer, socket) in &self.sockets {
            if later.sockets.get(peer) != Some(socket) {
                lines.push(format!("socket: was {socket:?}, is {:?}", later.sockets.get(peer)));
            }
        }
        for peer in later.sockets.keys().filter(|peer| !self.sockets.contains_key(*peer)) {
            lines.push(format!("socket: a new connection from {peer}"));
        }
        lines
    }
}
