//! One control connection without I/O: bytes in, requests out; answers and events in, bytes out.
//!
//! Lines are parsed only when the daemon asks for the next request, so what waits is raw bytes, and a peer that sends
//! faster than it is served simply is not read ([`Machine::wants_input`]).
//!
//! I1 Each request taken gets one answer, unless it is a notification (JSON-RPC 2.0 §4.1), which gets none.
//! I2 At most [`OUTSTANDING_MAX`] requests are open; no line is parsed while more than [`OUTPUT_HIGH`] bytes wait.
//! I3 A subscriber that lets [`EVENTS_HIGH`] bytes pile up loses its subscription and is told so.
//!
//! Documents: JSON-RPC 2.0 Specification (2013-01-04).

mod request;
#[cfg(test)]
mod tests;

use super::error::{Code, Error};
use super::saved::{MachineV1, OpenV1};
use super::words::{Call, Event};
pub use request::Id;
use request::Parsed;
use serde::Serialize;
use std::collections::BTreeMap;

/// The longest request line in bytes, without its line feed.
pub const LINE_MAX: usize = 64 * 1024;
/// Requests taken and not answered.
pub const OUTSTANDING_MAX: usize = 16;
/// Above this many bytes of unsent output no further request is parsed.
pub const OUTPUT_HIGH: usize = 256 * 1024;
/// Above this many bytes of unsent output a subscriber counts as too slow.
pub const EVENTS_HIGH: usize = 256 * 1024;

/// Names a request of this connection until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What the peer wants; answer it with [`Machine::respond`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Goes back with the answer.
    pub ticket: Ticket,
    /// What to do.
    pub call: Call,
}

/// A saved machine that this program cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a saved control connection is damaged")]
pub struct Damaged;

/// One control connection.
#[derive(Debug, Default)]
pub struct Machine {
    input: Vec<u8>,
    /// Up to here `input` was parsed.
    parsed: usize,
    /// From `parsed` up to here there is no line feed.
    scanned: usize,
    /// Within a line that was too long: everything up to its end is dropped.
    skipping: bool,
    /// The peer sends nothing more.
    ended: bool,
    output: Vec<u8>,
    /// How much of `output` is gone.
    sent: usize,
    /// Requests taken and not answered; none: a notification, whose answer is swallowed.
    open: BTreeMap<Ticket, Option<Id>>,
    tickets: u64,
    subscribed: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Error>,
}

#[derive(Serialize)]
struct Notification<T> {
    jsonrpc: &'static str,
    method: &'static str,
    params: T,
}

#[derive(Serialize)]
struct Ended {
    why: &'static str,
}

impl Machine {
    /// A fresh connection.
    pub fn new() -> Machine {
        Machine::default()
    }

    /// Takes bytes of the peer, cut anywhere. Give it no more than some 64 KiB at a time, and only while
    /// [`Machine::wants_input`].
    pub fn receive(&mut self, bytes: &[u8]) {
        if !self.ended {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The peer closed its sending side. What it has asked is still answered; its subscription ends.
    pub fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            self.subscribed = false;
            // A last line without a line feed is a line.
            if self.parsed < self.input.len() {
                self.input.push(b'\n');
            }
        }
    }

    /// The next request. To be called after each [`Machine::receive`], [`Machine::respond`] and [`Machine::sent`] until
    /// there is none; lines that are no request are answered on the way.
    pub fn poll_request(&mut self) -> Option<Request> {
        while self.open.len() < OUTSTANDING_MAX && self.output().len() <= OUTPUT_HIGH {
            let line = self.next_line()?;
            if line.len() > LINE_MAX {
                self.too_long();
                continue;
            }
            let (id, call) = match request::parse(&line) {
                Parsed::Blank => continue,
                Parsed::Wrong(error) => {
                    self.answer(None, Err(&error));
                    continue;
                }
                Parsed::Request { id, call } => (Some(id), call),
                Parsed::Notification(call) => (None, call),
            };
            match (id, call) {
                (Some(id), Err(error)) => self.answer(Some(&id), Err(&error)),
                (None, Err(_)) => {}
                (id, Ok(call)) => {
                    let ticket = Ticket(self.tickets);
                    self.tickets += 1;
                    self.open.insert(ticket, id);
                    return Some(Request { ticket, call });
                }
            }
        }
        None
    }

    /// The answer to a request; an unknown ticket is ignored.
    pub fn respond<T: Serialize>(&mut self, ticket: Ticket, result: Result<T, Error>) {
        let Some(id) = self.open.remove(&ticket) else { return };
        let result = result.and_then(|value| {
            serde_json::to_value(value)
                .map_err(|error| Error::new(Code::Internal, format!("the answer is lost: {error}")))
        });
        if let Some(id) = id {
            self.answer(Some(&id), result.as_ref());
        }
    }

    /// From now on [`Machine::notify`] reaches the peer: call it when answering [`Call::Events`].
    pub fn subscribe(&mut self) {
        self.subscribed = !self.ended;
    }

    /// Whether the peer listens to events.
    pub fn is_subscribed(&self) -> bool {
        self.subscribed
    }

    /// Tells a subscriber of an event; nothing for others.
    pub fn notify(&mut self, event: &Event) {
        if !self.subscribed {
            return;
        }
        if self.output().len() > EVENTS_HIGH {
            self.subscribed = false;
            let why = "this connection was too slow: events are lost from here on; subscribe again";
            self.line(&Notification { jsonrpc: "2.0", method: "events-ended", params: Ended { why } });
            return;
        }
        self.line(&Notification { jsonrpc: "2.0", method: "event", params: event });
    }

    /// Bytes for the peer.
    pub fn output(&self) -> &[u8] {
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// The first `count` bytes of [`Machine::output`] went out.
    pub fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.output.len());
        if self.sent == self.output.len() {
            // An idle connection holds no buffer.
            self.output = Vec::new();
            self.sent = 0;
        } else if self.sent > OUTPUT_HIGH.max(self.output.len() / 2) {
            // Not sooner: the rest is moved, and one answer may be a whole snapshot.
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Whether more bytes should be read: false while a whole line waits, or the beginning of one that is too long, or the
    /// peer does not read its answers.
    pub fn wants_input(&self) -> bool {
        let waits = self.input.len() - self.parsed > LINE_MAX || self.input[self.scanned..].contains(&b'\n');
        !self.ended && self.output().len() <= OUTPUT_HIGH && !waits
    }

    /// Everything asked was answered and sent, and nothing more can come.
    pub fn is_closed(&self) -> bool {
        self.ended && self.parsed == self.input.len() && self.open.is_empty() && self.output().is_empty()
    }

    /// The saved form, with requests still open: the program after the swap answers them by the same tickets.
    pub fn save(&self) -> MachineV1 {
        MachineV1 {
            input: self.input[self.parsed..].to_vec(),
            skipping: self.skipping,
            ended: self.ended,
            output: self.output().to_vec(),
            open: self
                .open
                .iter()
                .map(|(ticket, id)| OpenV1 { ticket: ticket.0, id: id.as_ref().map(Id::save) })
                .collect(),
            tickets: self.tickets,
            subscribed: self.subscribed,
        }
    }

    /// From the saved form.
    pub fn restore(saved: MachineV1) -> Result<Machine, Damaged> {
        let mut open = BTreeMap::new();
        for OpenV1 { ticket, id } in saved.open {
            let id = id.map(|id| Id::restore(&id).ok_or(Damaged)).transpose()?;
            if ticket >= saved.tickets || open.insert(Ticket(ticket), id).is_some() {
                return Err(Damaged);
            }
        }
        if open.len() > OUTSTANDING_MAX || (saved.subscribed && saved.ended) {
            return Err(Damaged);
        }
        Ok(Machine {
            input: saved.input,
            parsed: 0,
            scanned: 0,
            skipping: saved.skipping,
            ended: saved.ended,
            output: saved.output,
            sent: 0,
            open,
            tickets: saved.tickets,
            subscribed: saved.subscribed,
        })
    }

    /// The next line without its line feed; one byte more than [`LINE_MAX`] stands for any line that is too long.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        loop {
            let start = self.parsed;
            match self.input[self.scanned..].iter().position(|byte| *byte == b'\n') {
                Some(at) => {
                    let end = self.scanned + at;
                    (self.parsed, self.scanned) = (end + 1, end + 1);
                    if !std::mem::take(&mut self.skipping) {
                        return Some(self.input[start..end.min(start + LINE_MAX + 1)].to_vec());
                    }
                }
                None => {
                    // What was parsed goes at once, so an idle connection holds no buffer.
                    self.input = self.input.split_off(start);
                    (self.parsed, self.scanned) = (0, self.input.len());
                    let too_long = !self.skipping && self.input.len() > LINE_MAX;
                    if self.skipping || too_long {
                        self.input = Vec::new();
                        self.scanned = 0;
                        self.skipping = true;
                    }
                    return too_long.then(|| vec![b' '; LINE_MAX + 1]);
                }
            }
        }
    }

    fn too_long(&mut self) {
        let error =
            Error::new(Code::LineTooLong, format!("a request line has at most {LINE_MAX} bytes; this one was skipped"));
        self.answer(None, Err(&error));
    }

    fn answer(&mut self, id: Option<&Id>, result: Result<&serde_json::Value, &Error>) {
        self.line(&Answer { jsonrpc: "2.0", id, result: result.ok(), error: result.err() });
    }

    fn line(&mut self, value: &impl Serialize) {
        let start = self.output.len();
        match serde_json::to_writer(&mut self.output, value) {
            Ok(()) => self.output.push(b'\n'),
            // Only a map with keys that are no strings could fail; we have none.
            Err(_) => self.output.truncate(start),
        }
    }
}
