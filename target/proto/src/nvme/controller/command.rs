//! Admin and Fabrics commands: which there are, and where each goes.

use super::error::{ErrorEntry, NOWHERE};
use super::property::{self, Property, Turn};
use super::{ACL, AdminCx, Controller, Outcome, cut, feature};
use crate::nvme::{Cid, Entry, Fuse, Reply, Status, identify, log};

const GET_LOG_PAGE: u8 = 0x02;
const IDENTIFY: u8 = 0x06;
const ABORT: u8 = 0x08;
const SET_FEATURES: u8 = 0x09;
const GET_FEATURES: u8 = 0x0a;
const ASYNC_EVENT_REQUEST: u8 = 0x0c;
const KEEP_ALIVE: u8 = 0x18;

const PROPERTY_SET: u8 = 0x00;
const PROPERTY_GET: u8 = 0x04;

/// An admin command that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminCommand {
    /// Its opcode.
    pub opcode: u8,
    /// Discovery controllers have it, too.
    pub discovery: bool,
}

const fn command(opcode: u8) -> AdminCommand {
    AdminCommand { opcode, discovery: true }
}

/// All of them, ascending. Queues are made by Connect, so the commands for that are none of fabrics (base §3.3).
pub const ADMIN_COMMANDS: &[AdminCommand] = &[
    command(GET_LOG_PAGE),
    command(IDENTIFY),
    AdminCommand { discovery: false, ..command(ABORT) },
    command(SET_FEATURES),
    command(GET_FEATURES),
    command(ASYNC_EVENT_REQUEST),
    command(KEEP_ALIVE),
];

impl Controller {
    /// A command of the admin queue, but for Connect, Disconnect and authentication, which are the queue's. `given`: bytes
    /// the host is ready to move.
    pub fn command(&mut self, cx: &mut AdminCx<'_>, entry: &Entry, given: u32) -> Outcome {
        self.heard();
        let outcome = self.dispatch(cx, entry, given);
        self.noted(entry, outcome)
    }

    /// The data that [`Outcome::Collect`] asked for.
    pub fn data(&mut self, cx: &mut AdminCx<'_>, entry: &Entry, data: &[u8]) -> Outcome {
        // It may have been reset while the data was on its way.
        let outcome = if !self.is_live() {
            Err(Status::COMMAND_SEQUENCE_ERROR)
        } else {
            feature::set_data(self, cx, entry, data)
        };
        self.noted(entry, outcome)
    }

    /// Bad ends go to the error log.
    fn noted(&mut self, entry: &Entry, outcome: Result<Outcome, Status>) -> Outcome {
        outcome.unwrap_or_else(|status| {
            self.errors.push(ErrorEntry {
                count: 0,
                sqid: 0,
                cid: entry.cid(),
                status,
                location: NOWHERE,
                lba: 0,
                nsid: if entry.is_fabrics() { 0 } else { entry.nsid() },
            });
            Outcome::Reply(status.into())
        })
    }

    fn dispatch(&mut self, cx: &mut AdminCx<'_>, entry: &Entry, given: u32) -> Result<Outcome, Status> {
        if entry.fuse() != Fuse::Alone {
            return Err(Status::INVALID_FIELD);
        }
        if entry.is_fabrics() {
            return match entry.fctype() {
                PROPERTY_GET => self.property_get(entry),
                PROPERTY_SET => self.property_set(cx, entry),
                _ => Err(Status::INVALID_OPCODE),
            };
        }
        let discovery = self.is_discovery();
        let known = |command: &&AdminCommand| command.opcode == entry.opcode() && (command.discovery || !discovery);
        let command = ADMIN_COMMANDS.iter().find(known).ok_or(Status::INVALID_OPCODE)?;
        if !self.is_live() {
            return Err(Status::COMMAND_SEQUENCE_ERROR);
        }
        match command.opcode {
            GET_LOG_PAGE => {
                let ask = log::Ask::parse(entry)?;
                let outcome = cut(log::page(self, cx, &ask)?, given)?;
                if !ask.retain {
                    self.log_read(ask.lid);
                }
                Ok(outcome)
            }
            IDENTIFY => cut(identify::identify(self, cx, entry)?, given),
            ABORT => self.abort(entry),
            SET_FEATURES => feature::set(self, cx, entry, given),
            GET_FEATURES => feature::get(self, cx, entry, given),
            ASYNC_EVENT_REQUEST => self.events.request(entry.cid()).map(|()| Outcome::Held),
            KEEP_ALIVE => self.keep_alive(cx),
            _ => Err(Status::INVALID_OPCODE),
        }
    }

    /// Property Get (base §6.4).
    fn property_get(&self, entry: &Entry) -> Result<Outcome, Status> {
        let value = match addressed(entry)? {
            Property::Capabilities => property::capabilities(self.queue_size),
            Property::Version => property::VS.into(),
            Property::Configuration => self.properties.configuration.into(),
            Property::Status => self.properties.status().into(),
            Property::ReadyTimeouts => property::ready_timeouts().into(),
        };
        Ok(Outcome::Reply(Reply::with(value)))
    }

    /// Property Set (base §6.5): CC is the only one that can be.
    fn property_set(&mut self, cx: &AdminCx<'_>, entry: &Entry) -> Result<Outcome, Status> {
        if addressed(entry)? != Property::Configuration {
            return Err(Status::INVALID_FIELD);
        }
        let was_live = self.is_live();
        match self.properties.configure(entry.dword(12), !self.is_discovery()) {
            Turn::Nothing => {}
            Turn::Started | Turn::Refused | Turn::ShutDown => self.stale = true,
            Turn::Reset => self.start_over(cx),
        }
        if self.is_live() != was_live {
            self.keep_alive.restart(!was_live, cx.now);
        }
        Ok(Outcome::Reply(Reply::OK))
    }

    /// Controller reset (base §3.7.2). The admin queue stays, and so does what was saved.
    fn start_over(&mut self, cx: &AdminCx<'_>) {
        self.features.reset(cx.now);
        self.events.reset();
        self.reset |= !self.queues.is_empty();
        self.queues.clear();
        self.stale = true;
    }

    /// Abort (base §5.1). Requests for events are ours to abort, all else is at its queue.
    fn abort(&mut self, entry: &Entry) -> Result<Outcome, Status> {
        if self.aborts > ACL {
            return Err(Status::ABORT_LIMIT_EXCEEDED);
        }
        let sqid = entry.dword(10) as u16;
        let cid = Cid((entry.dword(10) >> 16) as u16);
        if sqid == 0 && self.events.abort(cid, Status::ABORT_REQUESTED) {
            return Ok(Outcome::Reply(Reply::OK));
        }
        if sqid != 0 && !self.queues.contains(&sqid) {
            return Ok(Outcome::Reply(Reply::with(1)));
        }
        self.aborts += 1;
        Ok(Outcome::Abort { sqid, cid })
    }

    /// Keep Alive (base §5.18).
    fn keep_alive(&mut self, cx: &AdminCx<'_>) -> Result<Outcome, Status> {
        if self.keep_alive.timeout_ms == 0 {
            return Err(Status::KEEP_ALIVE_TIMEOUT_INVALID);
        }
        self.keep_alive.restart(self.is_live(), cx.now);
        Ok(Outcome::Reply(Reply::OK))
    }
}

/// The property that a Fabrics command is about; it must say its size.
fn addressed(entry: &Entry) -> Result<Property, Status> {
    let (property, bytes) = Property::at(entry.dword(11)).ok_or(Status::INVALID_FIELD)?;
    let said = match entry.0[40] & 7 {
        0 => 4,
        1 => 8,
        _ => 0,
    };
    if said == bytes { Ok(property) } else { Err(Status::INVALID_FIELD) }
}
