//! The side that asks: blocking, for the command line.

use super::error::Error;
use super::words::Call;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take: calls_waiting a volume waits for its store.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The longest line we take from the daemon: a snapshot of some 50 000 sessions.
const LINE_MAX: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ClientError {
    #[error("no mainstay is running here: nobody listens on {}\n(start one with `mainstay serve`, or name its socket with --control PATH or MAINSTAY_CONTROL)", .0.display())]
    NobodyThere(PathBuf),
    #[error("{} belongs to another user: only its owner and root may talk to this mainstay", .0.display())]
    NotAllowed(PathBuf),
    #[error("control socket {}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("mainstay did not answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("mainstay closed the connection before it answered")]
    Closed,
    #[error("the answer cannot be read: {0}")]
    Garbled(String),
    /// The daemon said no.
    #[error("{0}")]
    Refused(Error),
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    id: u64,
    /// How long an answer may take.
    within: Duration,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Value,
    method: Option<String>,
    params: Option<Value>,
    /// Told apart from an absent one even if it is null.
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<Error>,
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// An event, as it came (see [`super::words::Event`]).
    Event(Value),
    /// The subscription ended, and why.
    Ended(String),
}

impl Client {
    /// Connects to the daemon whose socket is `path`.
    pub fn connect(path: &Path) -> Result<Client, ClientError> {
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NobodyThere(path.to_owned()),
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed(path.to_owned()),
            _ => ClientError::Io { path: path.to_owned(), error },
        })?;
        let client = Client { path: path.to_owned(), stream: BufReader::new(stream), id: 0, within: ANSWER_WITHIN };
        Ok(client)
    }

    /// Asks and waits for the answer.
    pub fn call<T: DeserializeOwned>(&mut self, call: &Call) -> Result<T, ClientError> {
        let value = self.call_raw(call)?;
        serde_json::from_value(value).map_err(|error| ClientError::Garbled(error.to_string()))
    }

    /// The same, with the answer as it came, also what this program has no word for.
    pub fn call_raw(&mut self, call: &Call) -> Result<Value, ClientError> {
        self.patience(Some(self.within))?;
        self.id += 1;
        let request = serde_json::json!({
            "jsonrpc": "2.0", "id": self.id, "method": call.method(), "params": call.params(),
        });
        let sent = self.stream.get_mut().write_all(format!("{request}\n").as_bytes());
        sent.map_err(|error| self.failed(error))?;
        loop {
            let line = self.line()?.ok_or(ClientError::Closed)?;
            match line {
                Line { error: Some(error), id, .. } if id == self.id || id.is_null() => {
                    return Err(ClientError::Refused(error));
                }
                Line { result: Some(result), id, .. } if id == self.id => return Ok(result),
                // An event of a subscription, or an answer nobody waits for.
                _ => {}
            }
        }
    }

    /// The same, with an answer that may take as long as `within`.
    pub fn call_within(&mut self, call: &Call, within: Duration) -> Result<Value, ClientError> {
        self.within = within;
        let answer = self.call_raw(call);
        self.within = ANSWER_WITHIN;
        answer
    }

    /// Waits for the next thing a subscriber hears ([`Call::Events`] first); none when the daemon is gone.
    pub fn hear(&mut self) -> Result<Option<Heard>, ClientError> {
        self.patience(None)?;
        while let Some(line) = self.line()? {
            let params = line.params.unwrap_or_default();
            match line.method.as_deref() {
                Some("event") => return Ok(Some(Heard::Event(params))),
                Some("events-ended") => {
                    let why = params["why"].as_str().unwrap_or("no reason given").to_owned();
                    return Ok(Some(Heard::Ended(why)));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn patience(&self, limit: Option<Duration>) -> Result<(), ClientError> {
        self.stream.get_ref().set_read_timeout(limit).map_err(|error| self.failed(error))
    }

    fn line(&mut self) -> Result<Option<Line>, ClientError> {
        let mut bytes = Vec::new();
        let read = (&mut self.stream).take(LINE_MAX).read_until(b'\n', &mut bytes);
        match read {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(ClientError::Late(self.within));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(self.failed(error)),
            Ok(_) if bytes.is_empty() => return Ok(None),
            Ok(_) if !bytes.ends_with(b"\n") => return Err(ClientError::Closed),
            Ok(_) => {}
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| ClientError::Garbled(error.to_string()))
    }

    fn failed(&self, error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => ClientError::Closed,
            _ => ClientError::Io { path: self.path.clone(), error },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::Machine;
    use super::super::words::{Event, Kick, Kicked, Status, What};
    use super::super::{bind, error::Code};
    use super::*;

    /// A daemon for one connection that knows session 1 only.
    fn daemon(path: &Path) -> std::thread::JoinHandle<()> {
        let listener = bind(path).unwrap();
        listener.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut machine = Machine::new();
            let mut buffer = [0; 33];
            while !machine.is_closed() {
                match stream.read(&mut buffer).unwrap() {
                    0 => machine.end(),
                    count => machine.receive(&buffer[..count]),
                }
                while let Some(request) = machine.poll_request() {
                    let result = match &request.call {
                        Call::Status => Ok(serde_json::json!(Status::default())),
                        Call::Kick(Kick { session: 1 }) => {
                            Ok(serde_json::json!(Kicked { session: 1, initiator: "iqn.a".into() }))
                        }
                        Call::Kick(kick) => Err(Error::no_session(kick.session)),
                        _ => {
                            machine.subscribe();
                            Ok(Value::Null)
                        }
                    };
                    machine.respond(request.ticket, result);
                    let what = What::Stopping { why: "SIGTERM".into() };
                    machine.notify(&Event { time_ms: 1, what });
                }
                stream.write_all(machine.output()).unwrap();
                machine.sent(usize::MAX);
            }
        })
    }

    #[test]
    fn calls_events_and_refusals() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("control.sock");
        let thread = daemon(&path);
        let mut client = Client::connect(&path).unwrap();
        assert_eq!(client.call::<Status>(&Call::Status).unwrap(), Status::default());
        assert_eq!(client.call::<Kicked>(&Call::Kick(Kick { session: 1 })).unwrap().initiator, "iqn.a");
        match client.call::<Kicked>(&Call::Kick(Kick { session: 2 })) {
            Err(ClientError::Refused(error)) => assert_eq!(error.code, Code::NoSuchSession as i64),
            other => panic!("{other:?}"),
        }
        client.call_raw(&Call::Events).unwrap();
        let Some(Heard::Event(event)) = client.hear().unwrap() else { panic!("no event") };
        assert_eq!(event, serde_json::json!({"time_ms": 1, "event": "stopping", "why": "SIGTERM"}));
        drop(client);
        thread.join().unwrap();
        assert!(matches!(Client::connect(&path), Err(ClientError::NobodyThere(_))));
    }
}
