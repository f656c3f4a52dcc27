//! Which states the snapshots really had: a storm that never met a state has not tested it.
//!
//! Snapshots are read here by field numbers, without the target's own messages, and what they mean is written down again.

mod nvme;

use super::wire::Message;
use bytes::Bytes;
use mainstay_base::snapshot::Snapshot;
use std::collections::BTreeMap;

/// A connection as saved, with the state of its nexus around it.
struct Seen {
    nexus: Message,
    connection: Message,
    info: Message,
    login: Message,
}

/// Opcodes of requests (RFC 7143 §11.2.1.2).
const OPCODES: [(u8, &str); 8] = [
    (0x00, "NOP-Out"),
    (0x01, "SCSI command"),
    (0x02, "task management"),
    (0x03, "login"),
    (0x04, "text"),
    (0x05, "Data-Out"),
    (0x06, "logout"),
    (0x10, "SNACK"),
];

/// States a connection can be in: name, whether it must be met, and how it is known.
type Cell = (&'static str, fn(&Seen) -> bool);
const CELLS: &[Cell] = &[
    ("login: nothing said yet", |s| s.phase() == 0 && s.login.number(3) == 0 && s.connection.bytes(5).is_empty()),
    ("login: first request cut", |s| s.phase() == 0 && s.login.number(3) == 0 && s.is_cut()),
    ("login: CHAP agreed", |s| s.security() == 1),
    ("login: challenged", |s| s.security() == 2),
    ("login: text continues", |s| s.phase() == 0 && !s.login.bytes(5).is_empty()),
    ("login: operational", |s| s.phase() == 0 && s.login.number(2) == 1),
    ("login: last request cut", |s| s.phase() == 0 && s.login.number(2) == 1 && s.is_cut()),
    ("full feature, discovery", |s| s.phase() == 2 && !s.info.has(9)),
    ("full feature, normal", |s| s.phase() == 2 && s.info.has(9)),
    ("with digests", |s| s.connection.number(15) == 1 && s.connection.number(16) == 1),
    ("without digests", |s| s.phase() == 2 && s.connection.number(15) == 0 && s.connection.number(16) == 0),
    ("by CHAP", |s| s.phase() == 2 && s.info.bytes(14).starts_with(b"CHAP")),
    ("header cut", |s| (1..48).contains(&s.connection.bytes(5).len())),
    ("additional header or header digest cut", |s| s.connection.bytes(5).len() >= 48),
    ("data cut, into payload", |s| s.connection.message(6).has(7)),
    ("data cut, into memory of its own", |s| s.body() && s.connection.message(6).has(5)),
    ("data cut, before its first byte", |s| s.body() && s.connection.message(6).number(9) == 0),
    ("data cut, in its middle", |s| s.body() && s.connection.message(6).number(9) > 0),
    ("padding or data digest cut", |s| !s.connection.message(6).bytes(11).is_empty()),
    ("data cut, with its digest begun", |s| s.body() && s.connection.message(6).number(10) > 0),
    ("output unsent", |s| !s.connection.message(8).bytes(1).is_empty()),
    ("output unsent, of payload", |s| s.connection.message(8).messages(2).iter().any(|segment| segment.has(2))),
    ("window: commands behind a gap", |s| s.held().iter().any(|held| held.has(1))),
    ("window: others behind a gap", |s| s.held().iter().any(|held| !held.bytes(2).is_empty())),
    ("transfer: immediate data kept", |s| s.tasks().iter().any(|task| task.message(7).number(2) > 0)),
    ("transfer: unsolicited data open", |s| s.tasks().iter().any(|task| task.message(7).number(3) == 1)),
    ("transfer: R2T unanswered", |s| s.r2ts().iter().any(|r2t| r2t.number(4) == 0)),
    ("transfer: R2T half answered", |s| s.r2ts().iter().any(|r2t| r2t.number(4) > 0)),
    ("transfer: several R2Ts", |s| s.tasks().iter().any(|task| task.messages(9).len() > 1)),
    ("transfer: aborted, data swallowed", |s| s.connection.has(13)),
    ("text: asked in part", |s| !s.connection.message(14).bytes(3).is_empty()),
    ("text: answered in part", |s| !s.connection.message(14).bytes(4).is_empty()),
    ("ping of ours unanswered", |s| s.connection.message(22).has(4)),
    ("closing", |s| s.phase() == 3),
    ("task: waits behind another", |s| s.entries().iter().any(|entry| entry.number(7) == 0)),
    ("task: waits for input", |s| s.entries().iter().any(|entry| entry.number(7) == 1 && entry.number(8) == 0)),
    ("task: waits for output", |s| s.entries().iter().any(|entry| entry.number(7) == 1 && entry.number(8) == 1)),
    ("command: read", |s| s.scsi(12)),
    ("command: write", |s| s.scsi(13)),
    ("command: write and verify", |s| s.scsi(14)),
    ("command: write same", |s| s.scsi(15)),
    ("command: unmap", |s| s.scsi(16)),
    ("command: compare and write", |s| s.scsi(18)),
];

/// States of a unit (its saved form is field 2 of a section `volume`).
const UNIT_CELLS: &[(&str, fn(&Message) -> bool)] = &[
    ("unit: reserved", |unit| unit.has(16)),
    ("unit: attention untold", |unit| unit.messages(19).iter().any(|path| path.number(4) > 0)),
    ("unit: removal prevented", |unit| unit.messages(19).iter().any(|path| path.number(5) == 1)),
    ("unit: another sense format", |unit| unit.message(15).number(2) == 1),
    ("unit: blocks of 4096", |unit| unit.number(3) == 4096),
    ("unit: write through", |unit| unit.message(15).number(1) == 0),
];

impl Seen {
    fn phase(&self) -> u64 {
        self.info.number(1)
    }
    fn security(&self) -> u64 {
        if self.phase() == 0 { self.login.message(11).number(1) } else { 0 }
    }
    fn body(&self) -> bool {
        self.connection.has(6)
    }
    fn is_cut(&self) -> bool {
        self.body() || !self.connection.bytes(5).is_empty()
    }
    fn held(&self) -> Vec<Message> {
        self.connection.message(10).messages(8)
    }
    fn tasks(&self) -> Vec<Message> {
        self.connection.messages(11)
    }
    fn r2ts(&self) -> Vec<Message> {
        self.tasks().iter().flat_map(|task| task.messages(9)).collect()
    }
    fn entries(&self) -> Vec<Message> {
        self.nexus.messages(4)
    }
    /// A task whose state is that of field `tag`.
    fn scsi(&self, tag: u32) -> bool {
        self.entries().iter().any(|entry| entry.message(9).has(tag))
    }
    /// The request that is cut: its opcode.
    fn opcode(&self) -> Option<u8> {
        let body = self.connection.message(6);
        let header = if self.body() { body.bytes(1) } else { self.connection.bytes(5) };
        header.first().map(|byte| byte & 0x3f)
    }
}

/// How often each state was met.
#[derive(Debug)]
pub struct Found {
    cells: BTreeMap<String, u64>,
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Their bytes, smallest and largest.
    pub bytes: (usize, usize),
}

impl Default for Found {
    fn default() -> Found {
        let names = CELLS.iter().map(|cell| cell.0.to_owned());
        let units = UNIT_CELLS.iter().map(|cell| cell.0.to_owned());
        let cut = OPCODES.iter().map(|(_, name)| format!("cut: {name}"));
        let hosts = nvme::CELLS.iter().map(|cell| cell.0.to_owned());
        let kept = nvme::KEPT_CELLS.iter().chain(nvme::VOLUME_CELLS).map(|cell| cell.0.to_owned());
        let sessions = names.chain(units).chain(cut).chain(["control: subscribed".to_owned()]);
        let cells = sessions.chain(hosts).chain(kept);
        Found { cells: cells.map(|name| (name, 0)).collect(), snapshots: 0, bytes: (usize::MAX, 0) }
    }
}

impl Found {
    /// Looks into one more.
    pub fn look(&mut self, bytes: &[u8]) -> Result<(), String> {
        let snapshot = Snapshot::decode(&Bytes::copy_from_slice(bytes)).map_err(|error| error.to_string())?;
        self.snapshots += 1;
        self.bytes = (self.bytes.0.min(bytes.len()), self.bytes.1.max(bytes.len()));
        let mut hit = |name: &str| *self.cells.entry(name.to_owned()).or_default() += 1;
        let parse = |payload: &[u8]| Message::parse(payload).ok_or("a section does not parse");
        for section in &snapshot.sections {
            match &*section.kind {
                "nexus" => {
                    let nexus = parse(&section.payload)?;
                    let connection = nexus.message(2);
                    let (info, login) = (connection.message(1), connection.message(3));
                    let seen = Seen { nexus, connection, info, login };
                    CELLS.iter().filter(|cell| cell.1(&seen)).for_each(|cell| hit(cell.0));
                    let cut = OPCODES.iter().find(|(code, _)| seen.is_cut() && seen.opcode() == Some(*code));
                    if let Some((_, name)) = cut {
                        hit(&format!("cut: {name}"));
                    }
                }
                "volume" => {
                    let volume = parse(&section.payload)?;
                    let unit = volume.message(2);
                    UNIT_CELLS.iter().filter(|cell| cell.1(&unit)).for_each(|cell| hit(cell.0));
                    nvme::VOLUME_CELLS.iter().filter(|cell| cell.1(&volume)).for_each(|cell| hit(cell.0));
                }
                "queue" => {
                    let queue = nvme::Queue::parse(&section.payload).ok_or("a queue does not parse")?;
                    nvme::CELLS.iter().filter(|cell| cell.1(&queue)).for_each(|cell| hit(cell.0));
                }
                "associations" => {
                    let kept = parse(&section.payload)?;
                    nvme::KEPT_CELLS.iter().filter(|cell| cell.1(&kept)).for_each(|cell| hit(cell.0));
                }
                "controls" => {
                    let machines = parse(&section.payload)?.messages(1);
                    if machines.len() > 1 {
                        hit("control: subscribed");
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// States that were never met.
    pub fn empty(&self) -> Vec<&str> {
        self.cells.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name.as_str()).collect()
    }

    /// The table, in two columns of a line each.
    pub fn table(&self) -> String {
        let line = |(name, count): (&String, &u64)| format!("  {count:>6}  {name}\n");
        let (smallest, largest) = self.bytes;
        let head = format!(
            "states found in {} snapshots ({smallest} to {largest} bytes), in how many sections:\n",
            self.snapshots
        );
        head + &self.cells.iter().map(line).collect::<String>()
    }
}
