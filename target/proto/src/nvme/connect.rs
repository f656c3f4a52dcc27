//! The Connect command (base §6.3): what a host says of itself, and whether that is good enough.

use super::{Controllers, Entry, Keys, Nqn, Reply, Site, Status};

/// Bytes of its data.
pub const CONNECT_BYTES: usize = 1024;
/// CNTLID: any controller, made for this association (dynamic controller model).
pub const ANY_DYNAMIC: u16 = 0xffff;
/// CNTLID: any controller that is free (static controller model).
pub const ANY_STATIC: u16 = 0xfffe;
/// An admin queue may have so many entries, however short I/O queues are to be (base §3.3.3.1).
const ADMIN_ENTRIES: u16 = 32;
/// Longest name (base §4.5).
const NQN_BYTES: usize = 223;

// Where the parameters are, for the response to a bad one: in the entry, and in the data.
const QID: u32 = 42;
const SQSIZE: u32 = 44;
const IN_DATA: u32 = 1 << 16;
const CNTLID: u32 = IN_DATA | 16;
const SUBNQN: u32 = IN_DATA | 256;
const HOSTNQN: u32 = IN_DATA | 512;

/// A Connect command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// RECFMT; only 0 is known.
    pub recfmt: u16,
    /// The queue: 0 for the admin queue.
    pub qid: u16,
    /// Entries of the submission queue, less one.
    pub sqsize: u16,
    /// CATTR.
    pub cattr: u8,
    /// Keep Alive Timeout in milliseconds; 0: none.
    pub kato_ms: u32,
    /// Host Identifier.
    pub hostid: [u8; 16],
    /// Which controller.
    pub cntlid: u16,
    /// Of which subsystem.
    pub subnqn: Nqn,
    /// Who asks.
    pub hostnqn: Nqn,
}

/// What a host asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// A discovery controller.
    Discovery,
    /// A controller of the subsystem with this index.
    Subsystem(usize),
}

/// A host may have a controller, if it proves what it must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Of what.
    pub aim: Aim,
    /// This one and no other (static controller model).
    pub cntlid: Option<u16>,
    /// What the host must prove.
    pub keys: Option<Keys>,
}

fn invalid(place: u32) -> Reply {
    Reply { status: Status::CONNECT_INVALID_PARAMETERS, result: place.into() }
}

/// A name: bytes up to a NUL, which must be there.
fn nqn(field: &[u8], place: u32) -> Result<Nqn, Reply> {
    let end = field.iter().position(|&byte| byte == 0).filter(|end| (1..=NQN_BYTES).contains(end));
    let name = end.and_then(|end| std::str::from_utf8(&field[..end]).ok());
    // No control characters: names go to logs and to people.
    name.filter(|name| !name.chars().any(char::is_control)).map(str::to_owned).ok_or(invalid(place))
}

impl Connect {
    /// A Connect command and its data.
    ///
    /// # Errors
    /// The response to one that cannot be understood. Its dword 0 says which parameter is bad: IPO in bits 15:0, and in
    /// bit 16 (IATTR) whether that counts in the data.
    pub fn parse(entry: &Entry, data: &[u8]) -> Result<Connect, Reply> {
        let half = |at: usize| u16::from_le_bytes([entry.0[at], entry.0[at + 1]]);
        let recfmt = half(40);
        if recfmt != 0 {
            return Err(Status::CONNECT_INCOMPATIBLE_FORMAT.into());
        }
        if data.len() != CONNECT_BYTES {
            return Err(Status::SGL_LENGTH_INVALID.into());
        }
        let mut hostid = [0; 16];
        hostid.copy_from_slice(&data[..16]);
        let connect = Connect {
            recfmt,
            qid: half(42),
            sqsize: half(44),
            cattr: entry.0[46],
            kato_ms: entry.dword(12),
            hostid,
            cntlid: u16::from_le_bytes([data[16], data[17]]),
            subnqn: nqn(&data[256..512], SUBNQN)?,
            hostnqn: nqn(&data[512..768], HOSTNQN)?,
        };
        // A queue of one entry can hold nothing (base §3.3.1.2).
        if connect.sqsize == 0 { Err(invalid(SQSIZE)) } else { Ok(connect) }
    }

    /// The data that goes with it: for hosts and tests.
    pub fn data(&self) -> Vec<u8> {
        let mut data = vec![0; CONNECT_BYTES];
        data[..16].copy_from_slice(&self.hostid);
        data[16..18].copy_from_slice(&self.cntlid.to_le_bytes());
        for (at, name) in [(256, &self.subnqn), (512, &self.hostnqn)] {
            let len = name.len().min(255);
            data[at..at + len].copy_from_slice(&name.as_bytes()[..len]);
        }
        data
    }

    /// Its entry, without command identifier and SGL: for hosts and tests.
    pub fn entry(&self) -> Entry {
        let mut entry = Entry::default();
        entry.0[0] = super::entry::FABRICS;
        entry.0[4] = 0x01;
        entry.0[40..42].copy_from_slice(&self.recfmt.to_le_bytes());
        entry.0[42..44].copy_from_slice(&self.qid.to_le_bytes());
        entry.0[44..46].copy_from_slice(&self.sqsize.to_le_bytes());
        entry.0[46] = self.cattr;
        entry.set_dword(12, self.kato_ms);
        entry
    }

    /// The host wants no submission queue flow control: no SQHD in responses (CATTR, bit 2).
    pub fn without_flow_control(&self) -> bool {
        self.cattr & 4 != 0
    }

    /// Judge the Connect command of an admin queue that came in on `portal`. Whether a controller is free is another
    /// question ([`Connect::busy`]).
    ///
    /// # Errors
    /// The response to a host that gets none.
    pub fn admit(&self, site: &Site, portal: usize) -> Result<Admission, Reply> {
        self.check_size(site.limits.queue_size.max(ADMIN_ENTRIES))?;
        if site.is_discovery(&self.subnqn) {
            // Discovery controllers are dynamic (base §3.1.2.3); which of the two words for "any" is used does not matter.
            if self.cntlid < ANY_STATIC {
                return Err(invalid(CNTLID));
            }
            return Ok(Admission { aim: Aim::Discovery, cntlid: None, keys: site.discovery.keys.clone() });
        }
        let index = site.subsystem(&self.subnqn).ok_or(invalid(SUBNQN))?;
        let subsystem = &site.subsystems[index];
        let discovery_only = site.portals.get(portal).is_none_or(|portal| portal.discovery_only);
        if discovery_only || !subsystem.portals.contains(&portal) {
            return Err(invalid(SUBNQN));
        }
        if subsystem.admits(&self.hostnqn).is_none() {
            return Err(Reply { status: Status::CONNECT_INVALID_HOST, result: HOSTNQN.into() });
        }
        let cntlid = match (subsystem.controllers, self.cntlid) {
            (Controllers::Dynamic, ANY_DYNAMIC) => None,
            // Linux knows no other than the dynamic model. That a controller lives longer than the host thinks does no harm.
            (Controllers::Static(_), ANY_STATIC | ANY_DYNAMIC) => None,
            (Controllers::Static(number), cntlid) if (1..=number).contains(&cntlid) => Some(cntlid),
            _ => return Err(invalid(CNTLID)),
        };
        Ok(Admission { aim: Aim::Subsystem(index), cntlid, keys: subsystem.keys_of(&self.hostnqn).cloned() })
    }

    fn check_size(&self, entries: u16) -> Result<(), Reply> {
        if self.sqsize < entries { Ok(()) } else { Err(invalid(SQSIZE)) }
    }

    /// Judge the Connect command of an I/O queue against its controller.
    pub(super) fn matches(&self, site: &Site, controller: &super::Controller, portal: usize) -> Result<(), Reply> {
        self.check_size(controller.queue_size())?;
        // All queues of a controller are on one port (base §3.1.2).
        if self.cntlid != controller.cntlid || portal != controller.portal {
            return Err(invalid(CNTLID));
        }
        if self.subnqn != controller.subnqn {
            return Err(invalid(SUBNQN));
        }
        if self.hostnqn != controller.hostnqn {
            return Err(invalid(HOSTNQN));
        }
        // It may have been taken off the list since its admin queue came.
        let subsystem = controller.subsystem().and_then(|index| site.subsystems.get(index));
        if subsystem.is_some_and(|subsystem| subsystem.admits(&self.hostnqn).is_none()) {
            return Err(Reply { status: Status::CONNECT_INVALID_HOST, result: HOSTNQN.into() });
        }
        if self.hostid != controller.hostid {
            return Err(invalid(IN_DATA));
        }
        if self.qid == 0 || self.qid > controller.queues_max() {
            return Err(invalid(QID));
        }
        Ok(())
    }

    /// The response when no controller is free, or the one that was asked for is not. It may be tried again.
    pub fn busy() -> Reply {
        Status::CONNECT_CONTROLLER_BUSY.into()
    }

    /// What the response to a Connect command that was refused means, for people.
    pub fn why(reply: &Reply) -> String {
        let status = Status { final_: true, ..reply.status };
        let words = match (status, reply.result as u32) {
            (Status::CONNECT_INVALID_PARAMETERS, SUBNQN) => {
                "no subsystem of that name can be reached through this portal"
            }
            (Status::CONNECT_INVALID_PARAMETERS, CNTLID) => {
                "there is no such controller, or it cannot be reached through this portal"
            }
            (Status::CONNECT_INVALID_PARAMETERS, HOSTNQN) => {
                "the host's name is none, or another than that of its admin queue"
            }
            (Status::CONNECT_INVALID_PARAMETERS, IN_DATA) => {
                "the host's identifier is another than that of its admin queue"
            }
            (Status::CONNECT_INVALID_PARAMETERS, SQSIZE) => "the queue is too short or too long",
            (Status::CONNECT_INVALID_PARAMETERS, QID) => "the host has not been given so many I/O queues",
            (Status::CONNECT_INVALID_HOST, _) => "the host is not on the subsystem's list",
            (Status { kind: 1, code: 0x81, .. }, _) => {
                "every controller that may be is taken, or the one that was asked for"
            }
            (Status::CONNECT_INCOMPATIBLE_FORMAT, _) => "the command has a format that is not known",
            (Status::COMMAND_SEQUENCE_ERROR, _) => "the controller is not enabled, or has this queue already",
            _ => return format!("{:?}, parameter {:#x}", reply.status, reply.result),
        };
        words.to_owned()
    }

    /// The response to the Connect command of an I/O queue whose controller is not there. It may be tried again: a host that
    /// lost its controller a moment ago shall make a new one, not give up.
    pub fn gone() -> Reply {
        let Reply { status, result } = invalid(CNTLID);
        Reply { status: Status { final_: false, ..status }, result }
    }
}

#[cfg(test)]
mod tests;
