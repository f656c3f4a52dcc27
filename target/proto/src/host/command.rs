//! Submission queue entries, built. CID and data pointer are filled in by the queue that sends them.

use crate::nvme::Entry;
use crate::nvme::entry::FABRICS;

/// Opcodes of admin commands (base §5).
#[allow(missing_docs)]
pub mod admin {
    pub const GET_LOG_PAGE: u8 = 0x02;
    pub const IDENTIFY: u8 = 0x06;
    pub const ABORT: u8 = 0x08;
    pub const SET_FEATURES: u8 = 0x09;
    pub const GET_FEATURES: u8 = 0x0a;
    pub const ASYNC_EVENT_REQUEST: u8 = 0x0c;
    pub const KEEP_ALIVE: u8 = 0x18;
}

/// Opcodes of I/O commands (base §7, nvm §3).
#[allow(missing_docs)]
pub mod io {
    pub const FLUSH: u8 = 0x00;
    pub const WRITE: u8 = 0x01;
    pub const READ: u8 = 0x02;
    pub const WRITE_UNCORRECTABLE: u8 = 0x04;
    pub const COMPARE: u8 = 0x05;
    pub const WRITE_ZEROES: u8 = 0x08;
    pub const DATASET_MANAGEMENT: u8 = 0x09;
    pub const VERIFY: u8 = 0x0c;
    pub const COPY: u8 = 0x19;
}

/// Types of Fabrics commands (base §6).
#[allow(missing_docs)]
pub mod fabrics {
    pub const PROPERTY_SET: u8 = 0x00;
    pub const CONNECT: u8 = 0x01;
    pub const PROPERTY_GET: u8 = 0x04;
    pub const AUTHENTICATION_SEND: u8 = 0x05;
    pub const AUTHENTICATION_RECEIVE: u8 = 0x06;
    pub const DISCONNECT: u8 = 0x08;
}

/// Offsets of controller properties (base §3.1.3).
#[allow(missing_docs)]
pub mod property {
    pub const CAP: u32 = 0x00;
    pub const VS: u32 = 0x08;
    pub const CC: u32 = 0x14;
    pub const CSTS: u32 = 0x1c;
}

/// Bit 30 of command dword 12: force unit access.
const FUA: u32 = 1 << 30;
/// Bytes of Connect's data.
pub const CONNECT_BYTES: u32 = 1024;
/// Bytes of everything Identify returns.
pub const IDENTIFY_BYTES: u32 = 4096;

fn of(opcode: u8) -> Entry {
    let mut entry = Entry::default();
    // All data of fabrics commands is described by SGLs (base §4.1), also where there is none.
    (entry.0[0], entry.0[1]) = (opcode, 0x40);
    entry
}

fn fabrics(kind: u8) -> Entry {
    let mut entry = of(FABRICS);
    entry.0[4] = kind;
    entry
}

fn with(mut entry: Entry, dwords: &[(usize, u32)]) -> Entry {
    for &(n, value) in dwords {
        entry.set_dword(n, value);
    }
    entry
}

fn set_u16(entry: &mut Entry, at: usize, value: u16) {
    entry.0[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// What Connect says (base §6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The host's UUID.
    pub host_id: [u8; 16],
    /// The host's name.
    pub host_nqn: String,
    /// The subsystem's name.
    pub subsystem_nqn: String,
    /// The controller: FFFFh any, FFFEh any static one.
    pub cntlid: u16,
    /// 0 the admin queue.
    pub qid: u16,
    /// Entries of the submission queue, from 2 on (SQSIZE is one less).
    pub entries: u16,
    /// Without submission queue flow control (CATTR bit 2).
    pub no_flow_control: bool,
    /// Keep-alive timeout; 0 none. Of admin queues only.
    pub keep_alive_ms: u32,
}

impl Connect {
    /// An admin queue of 32 entries, to any controller, without keep alive.
    pub fn admin(host_nqn: &str, host_id: [u8; 16], subsystem_nqn: &str) -> Connect {
        Connect {
            host_id,
            host_nqn: host_nqn.to_owned(),
            subsystem_nqn: subsystem_nqn.to_owned(),
            cntlid: 0xffff,
            qid: 0,
            entries: 32,
            no_flow_control: true,
            keep_alive_ms: 0,
        }
    }

    /// I/O queue `qid` of the same controller.
    pub fn io(&self, cntlid: u16, qid: u16, entries: u16) -> Connect {
        Connect { cntlid, qid, entries, keep_alive_ms: 0, ..self.clone() }
    }

    /// The entry.
    pub fn entry(&self) -> Entry {
        let mut entry = fabrics(fabrics::CONNECT);
        set_u16(&mut entry, 42, self.qid);
        set_u16(&mut entry, 44, self.entries.saturating_sub(1));
        entry.0[46] = if self.no_flow_control { 0x04 } else { 0 };
        entry.set_dword(12, self.keep_alive_ms);
        entry
    }

    /// Its data. A name that is longer than its field is cut.
    pub fn data(&self) -> Vec<u8> {
        let mut data = vec![0; CONNECT_BYTES as usize];
        data[..16].copy_from_slice(&self.host_id);
        data[16..18].copy_from_slice(&self.cntlid.to_le_bytes());
        for (at, name) in [(256, &self.subsystem_nqn), (512, &self.host_nqn)] {
            let len = name.len().min(255);
            data[at..at + len].copy_from_slice(&name.as_bytes()[..len]);
        }
        data
    }
}

/// Property Get (base §6.5); CAP is the one of eight bytes.
pub fn property_get(offset: u32) -> Entry {
    with(fabrics(fabrics::PROPERTY_GET), &[(10, u32::from(offset == property::CAP)), (11, offset)])
}

/// Property Set of four bytes (base §6.6).
pub fn property_set(offset: u32, value: u32) -> Entry {
    with(fabrics(fabrics::PROPERTY_SET), &[(11, offset), (12, value)])
}

/// Disconnect (base §6.4).
pub fn disconnect() -> Entry {
    fabrics(fabrics::DISCONNECT)
}

/// Authentication Send or Receive (base §6.1, §6.2) of `len` bytes, by the protocol of in-band authentication.
fn authentication(kind: u8, len: u32) -> Entry {
    let mut entry = with(fabrics(kind), &[(11, len)]);
    (entry.0[41], entry.0[42], entry.0[43]) = (0x01, 0x01, 0xe9);
    entry
}

/// Authentication Send (base §6.2).
pub fn authentication_send(len: u32) -> Entry {
    authentication(fabrics::AUTHENTICATION_SEND, len)
}

/// Authentication Receive (base §6.1).
pub fn authentication_receive(len: u32) -> Entry {
    authentication(fabrics::AUTHENTICATION_RECEIVE, len)
}

/// Identify (base §5.17).
pub fn identify(cns: u8, nsid: u32) -> Entry {
    with(of(admin::IDENTIFY), &[(1, nsid), (10, u32::from(cns))])
}

/// Get Log Page (base §5.16) of `len` bytes from `offset` on; `retain` the event it belongs to.
pub fn get_log_page(page: u8, nsid: u32, offset: u64, len: u32, retain: bool) -> Entry {
    let dwords = (len / 4).saturating_sub(1);
    let low = u32::from(page) | u32::from(retain) << 15 | dwords << 16;
    with(
        of(admin::GET_LOG_PAGE),
        &[(1, nsid), (10, low), (11, dwords >> 16), (12, offset as u32), (13, (offset >> 32) as u32)],
    )
}

/// Get Features (base §5.15); `select` 0 current, 1 default, 2 saved, 3 capabilities.
pub fn get_features(feature: u8, select: u8, dword11: u32) -> Entry {
    with(of(admin::GET_FEATURES), &[(10, u32::from(feature) | u32::from(select & 7) << 8), (11, dword11)])
}

/// Set Features (base §5.27).
pub fn set_features(feature: u8, dword11: u32) -> Entry {
    with(of(admin::SET_FEATURES), &[(10, u32::from(feature)), (11, dword11)])
}

/// Abort (base §5.1).
pub fn abort(qid: u16, cid: u16) -> Entry {
    with(of(admin::ABORT), &[(10, u32::from(qid) | u32::from(cid) << 16)])
}

/// Asynchronous Event Request (base §5.2).
pub fn async_event_request() -> Entry {
    of(admin::ASYNC_EVENT_REQUEST)
}

/// Keep Alive (base §5.18).
pub fn keep_alive() -> Entry {
    of(admin::KEEP_ALIVE)
}

/// A command over `blocks` blocks (1 to 65,536) from `lba` on.
fn blocks(opcode: u8, nsid: u32, lba: u64, blocks: u32, flags: u32) -> Entry {
    let count = blocks.saturating_sub(1) & 0xffff;
    with(of(opcode), &[(1, nsid), (10, lba as u32), (11, (lba >> 32) as u32), (12, count | flags)])
}

/// Read (nvm §3.2.4).
pub fn read(nsid: u32, lba: u64, count: u32) -> Entry {
    blocks(io::READ, nsid, lba, count, 0)
}

/// Write (nvm §3.2.6), durable if `fua`.
pub fn write(nsid: u32, lba: u64, count: u32, fua: bool) -> Entry {
    blocks(io::WRITE, nsid, lba, count, if fua { FUA } else { 0 })
}

/// Compare (nvm §3.2.1).
pub fn compare(nsid: u32, lba: u64, count: u32) -> Entry {
    blocks(io::COMPARE, nsid, lba, count, 0)
}

/// Verify (nvm §3.2.5).
pub fn verify(nsid: u32, lba: u64, count: u32) -> Entry {
    blocks(io::VERIFY, nsid, lba, count, 0)
}

/// Write Uncorrectable (nvm §3.2.7).
pub fn write_uncorrectable(nsid: u32, lba: u64, count: u32) -> Entry {
    blocks(io::WRITE_UNCORRECTABLE, nsid, lba, count, 0)
}

/// Write Zeroes (nvm §3.2.8); `deallocate` sets DEAC.
pub fn write_zeroes(nsid: u32, lba: u64, count: u32, deallocate: bool) -> Entry {
    blocks(io::WRITE_ZEROES, nsid, lba, count, u32::from(deallocate) << 25)
}

/// Flush (base §7.1).
pub fn flush(nsid: u32) -> Entry {
    with(of(io::FLUSH), &[(1, nsid)])
}

/// Dataset Management with the deallocate attribute (nvm §3.2.3), and its data: a range for each `(lba, blocks)`.
pub fn deallocate(nsid: u32, ranges: &[(u64, u32)]) -> (Entry, Vec<u8>) {
    let mut data = Vec::with_capacity(ranges.len() * 16);
    for &(lba, count) in ranges {
        data.extend_from_slice(&[0; 4]);
        data.extend_from_slice(&count.to_le_bytes());
        data.extend_from_slice(&lba.to_le_bytes());
    }
    let count = (ranges.len() as u32).saturating_sub(1) & 0xff;
    (with(of(io::DATASET_MANAGEMENT), &[(1, nsid), (10, count), (11, 1 << 2)]), data)
}

/// Copy with descriptors of format 0 or 1 (nvm §3.2.2) to `to`, and its data: a descriptor for each `(lba, blocks)`.
pub fn copy(nsid: u32, to: u64, sources: &[(u64, u32)], format: u8) -> (Entry, Vec<u8>) {
    let bytes = if format == 0 { 32 } else { 40 };
    let mut data = vec![0; sources.len() * bytes];
    for (descriptor, &(lba, count)) in data.chunks_exact_mut(bytes).zip(sources) {
        descriptor[8..16].copy_from_slice(&lba.to_le_bytes());
        descriptor[16..18].copy_from_slice(&(count.saturating_sub(1) as u16).to_le_bytes());
    }
    let low = (sources.len() as u32).saturating_sub(1) & 0xff | u32::from(format & 0xf) << 8;
    (with(of(io::COPY), &[(1, nsid), (10, to as u32), (11, (to >> 32) as u32), (12, low)]), data)
}

/// Marks a pair as fused (base §4.1: FUSE), the first and the second.
pub fn fuse(mut first: Entry, mut second: Entry) -> (Entry, Entry) {
    first.0[1] = first.0[1] & !3 | 1;
    second.0[1] = second.0[1] & !3 | 2;
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvme::Fuse;
    use crate::nvme::entry::Direction;

    fn is(entry: &Entry, places: &[(usize, &[u8])]) {
        let mut expected = [0; 64];
        for (at, bytes) in places {
            expected[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        assert_eq!(entry.0, expected);
    }

    #[test]
    fn golden_fabrics_commands() {
        let mut connect = Connect::admin("nqn.host", [7; 16], "nqn.subsystem");
        connect.keep_alive_ms = 0x1_0203;
        is(&connect.entry(), &[(0, &[0x7f, 0x40]), (4, &[1]), (44, &[31, 0, 4]), (48, &[3, 2, 1])]);
        let data = connect.data();
        assert_eq!((data.len(), &data[..18]), (1024, &[[7u8; 16].as_slice(), &[0xff, 0xff]].concat()[..]));
        assert_eq!((&data[256..270], &data[512..521]), (&b"nqn.subsystem\0"[..], &b"nqn.host\0"[..]));
        let io = connect.io(5, 3, 128);
        is(&io.entry(), &[(0, &[0x7f, 0x40]), (4, &[1]), (42, &[3, 0, 127, 0, 4])]);
        assert_eq!(&io.data()[16..18], &[5, 0]);
        is(&property_get(property::CAP), &[(0, &[0x7f, 0x40]), (4, &[4]), (40, &[1])]);
        is(&property_get(property::CSTS), &[(0, &[0x7f, 0x40]), (4, &[4]), (44, &[0x1c])]);
        is(&property_set(property::CC, 0x46_0001), &[(0, &[0x7f, 0x40]), (44, &[0x14, 0, 0, 0, 1, 0, 0x46])]);
        is(&authentication_send(0x1234), &[(0, &[0x7f, 0x40]), (4, &[5]), (41, &[1, 1, 0xe9, 0x34, 0x12])]);
        assert_eq!(authentication_receive(8).direction(), Direction::ToHost);
        assert_eq!(connect.entry().direction(), Direction::ToController);
        assert_eq!(property_get(0).direction(), Direction::None);
    }

    #[test]
    fn golden_admin_commands() {
        is(&identify(2, 9), &[(0, &[6, 0x40]), (4, &[9]), (40, &[2])]);
        is(
            &get_log_page(0x70, 0, 0x1_0000_0002, 0x40000 + 4, true),
            &[(0, &[2, 0x40]), (40, &[0x70, 0x80, 0, 0, 1]), (48, &[2, 0, 0, 0, 1])],
        );
        is(&set_features(7, 0x3_0003), &[(0, &[9, 0x40]), (40, &[7, 0, 0, 0, 3, 0, 3])]);
        is(&get_features(0x0f, 3, 0), &[(0, &[0x0a, 0x40]), (40, &[0x0f, 3])]);
        is(&abort(2, 0x1234), &[(0, &[8, 0x40]), (40, &[2, 0, 0x34, 0x12])]);
        is(&keep_alive(), &[(0, &[0x18, 0x40])]);
        is(&async_event_request(), &[(0, &[0x0c, 0x40])]);
    }

    #[test]
    fn golden_io_commands() {
        is(&read(1, 0x1_0000_0007, 8), &[(0, &[2, 0x40]), (4, &[1]), (40, &[7, 0, 0, 0, 1, 0, 0, 0, 7])]);
        is(&write(1, 2, 65536, true), &[(0, &[1, 0x40]), (4, &[1]), (40, &[2]), (48, &[0xff, 0xff, 0, 0x40])]);
        is(&write_zeroes(1, 2, 1, true), &[(0, &[8, 0x40]), (4, &[1]), (40, &[2]), (51, &[2])]);
        is(&flush(0xffff_ffff), &[(0, &[0, 0x40]), (4, &[0xff; 4])]);
        let (entry, data) = deallocate(1, &[(5, 6), (1 << 33, 7)]);
        is(&entry, &[(0, &[9, 0x40]), (4, &[1]), (40, &[1]), (44, &[4])]);
        assert_eq!(data[..16], [0, 0, 0, 0, 6, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(data[16..], [0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
        let (entry, data) = copy(1, 100, &[(5, 6)], 1);
        is(&entry, &[(0, &[0x19, 0x40]), (4, &[1]), (40, &[100]), (49, &[1])]);
        assert_eq!((data.len(), &data[8..18]), (40, &[5, 0, 0, 0, 0, 0, 0, 0, 5, 0][..]));
        let (first, second) = fuse(compare(1, 0, 1), write(1, 0, 1, false));
        assert_eq!((first.fuse(), second.fuse()), (Fuse::First, Fuse::Second));
    }
}
