//! The happy path of NVMe/TCP: a controller for each session, with one I/O queue without submission queue flow control.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use mainstay_testkit::host::pdu::{flag, kind};
use mainstay_testkit::host::{Connection, Data, Entry, Host, command};

use super::super::pattern::Pattern;
use super::super::target::Place;
use super::wire::Wire;
use super::{Io, Said, Wanted};

/// Bytes of the headers of a command capsule, and of everything else.
const CAPSULE: usize = 72;
const HEADER: usize = 24;
/// Entries of the shortest queue that is asked for.
const ENTRIES_MIN: usize = 32;

/// A controller's admin queue, which is silent, and what its I/O queue goes by.
pub struct Nvme {
    admin: Connection,
    nsid: u32,
    block: u64,
    in_capsule: usize,
    h2c_data_max: usize,
    alignment: usize,
}

/// Connects.
pub fn connect(place: &Place, depth: usize, inbox: usize, number: u16) -> Result<(Wire, Nvme), String> {
    let entries = (depth + 1).max(ENTRIES_MIN) as u16;
    let host = Host::new(&place.target).named(&format!("nqn.2026-11.internal.mainstay.test:bench-{number}"));
    let mut controller = host.queues(1, entries).connect(place.portal).map_err(|e| format!("connect: {e}"))?;
    let namespace = controller.namespace(place.number).map_err(|e| format!("namespace: {e}"))?;
    let io = controller.io.pop().ok_or("no I/O queue")?;
    let nvme = Nvme {
        nsid: place.number,
        block: namespace.block_bytes.into(),
        in_capsule: controller.identify.in_capsule as usize,
        h2c_data_max: io.queue.h2c_data_max().unwrap_or_default() as usize,
        alignment: 4 * (usize::from(io.queue.alignment().unwrap_or_default()) + 1),
        admin: controller.admin,
    };
    Ok((Wire::new(io.into_stream(), depth, inbox)?, nvme))
}

impl Nvme {
    /// A header with its lengths, for `len` bytes of data behind it.
    fn head<const N: usize>(&self, kind: u8, flags: u8, len: usize) -> ([u8; 128], usize) {
        let mut head = [0; 128];
        let pdo = N.next_multiple_of(self.alignment);
        let (place, total) = if len > 0 { (pdo, pdo + len) } else { (0, N) };
        head[..4].copy_from_slice(&[kind, flags, N as u8, place as u8]);
        head[4..8].copy_from_slice(&(total as u32).to_le_bytes());
        (head, if len > 0 { pdo } else { N })
    }

    pub fn start(&mut self, wire: &mut Wire, cid: u32, io: Io) {
        let Io { write, at, len, generation } = io;
        let inside = if write && len <= self.in_capsule { len } else { 0 };
        let (mut head, behind) = self.head::<CAPSULE>(kind::CAPSULE_CMD, 0, inside);
        let entry = &mut head[8..CAPSULE];
        entry[0] = if write { command::io::WRITE } else { command::io::READ };
        entry[1] = 0x40;
        entry[2..4].copy_from_slice(&(cid as u16).to_le_bytes());
        entry[4..8].copy_from_slice(&self.nsid.to_le_bytes());
        entry[32..36].copy_from_slice(&(len as u32).to_le_bytes());
        // SGL data block at an offset in the capsule, or transport data block.
        entry[39] = if inside > 0 { 0x01 } else { 0x5a };
        entry[40..48].copy_from_slice(&(at / self.block).to_le_bytes());
        entry[48..50].copy_from_slice(&((len as u64 / self.block - 1) as u16).to_le_bytes());
        wire.push(&head[..behind], Some((Pattern::offset(generation, at), inside)));
    }

    /// H2CData PDUs.
    pub fn send(&mut self, wire: &mut Wire, io: Io, wanted: Wanted) {
        let mut done = 0;
        while done < wanted.len {
            let piece = (wanted.len - done).min(self.h2c_data_max);
            let offset = wanted.offset + done;
            done += piece;
            let last = if done == wanted.len { flag::LAST } else { 0 };
            let (mut head, behind) = self.head::<HEADER>(kind::H2C_DATA, last, piece);
            head[8..10].copy_from_slice(&(wanted.slot as u16).to_le_bytes());
            head[10..12].copy_from_slice(&(wanted.tag as u16).to_le_bytes());
            head[12..16].copy_from_slice(&(offset as u32).to_le_bytes());
            head[16..20].copy_from_slice(&(piece as u32).to_le_bytes());
            wire.push(&head[..behind], Some((Pattern::offset(io.generation, io.at + offset as u64), piece)));
        }
    }

    /// The next PDU, if all of it is there.
    pub fn next(&mut self, wire: &mut Wire) -> Result<Option<Said>, String> {
        let Some(head) = wire.peek::<HEADER>() else { return Ok(None) };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let half = |at: usize| u32::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let plen = word(4) as usize;
        if plen < HEADER {
            return Err(format!("{head:02x?}"));
        }
        let Some(at) = wire.take(plen) else { return Ok(None) };
        Ok(Some(match head[0] {
            kind::C2H_DATA => {
                let (start, len) = (usize::from(head[3]), word(16) as usize);
                if start < HEADER || start + len != plen {
                    return Err(format!("{head:02x?}"));
                }
                let data = at + start..at + plen;
                let ended = head[1] & flag::SUCCESS != 0;
                Said::Data { slot: half(8), offset: word(12) as usize, data, ended }
            }
            kind::CAPSULE_RESP if half(22) == 0 => Said::Ended { slot: half(20) },
            kind::R2T => {
                Said::Wants(Wanted { slot: half(8), tag: half(10), offset: word(12) as usize, len: word(16) as usize })
            }
            _ => return Err(format!("{head:02x?}")),
        }))
    }

    /// Property Get on the admin queue and Flush on the I/O queue, with nothing under way, waiting for the answers.
    pub fn answers(&mut self, wire: &mut Wire) -> Result<(), String> {
        let question = command::property_get(command::property::CSTS);
        let done = self.admin.run(question, Data::Nothing).map_err(|e| format!("Property Get: {e}"))?;
        done.good("Property Get").map_err(|e| e.to_string())?;
        const CID: u16 = 0x7000;
        let io = |error: io::Error| error.to_string();
        wire.stream.set_nonblocking(false).map_err(io)?;
        wire.stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(io)?;
        let (mut head, _) = self.head::<CAPSULE>(kind::CAPSULE_CMD, 0, 0);
        let Entry(mut entry) = command::flush(self.nsid);
        entry[2..4].copy_from_slice(&CID.to_le_bytes());
        entry[39] = 0x5a;
        head[8..CAPSULE].copy_from_slice(&entry);
        wire.stream.write_all(&head[..CAPSULE]).map_err(io)?;
        let mut answer = [0; HEADER];
        wire.stream.read_exact(&mut answer).map_err(io)?;
        if answer[0] != kind::CAPSULE_RESP || answer[20..24] != [0x00, 0x70, 0, 0] {
            return Err(format!("{answer:02x?}, where a completion is due"));
        }
        wire.stream.set_nonblocking(true).map_err(io)
    }
}
