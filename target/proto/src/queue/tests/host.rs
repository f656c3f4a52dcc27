//! The host's side of one queue, as a script writes it.

use super::kit::{SUBSYSTEM, World};
use crate::nvme::{Connect, Entry, Sgl, Status};
use crate::nvmetcp::pdu::{self, C2hData, CapsuleCmd, Ch, Digests, Framing, H2cData, IcReq, R2t, kind};

/// What a controller sends.
#[derive(Clone, Debug, PartialEq)]
pub enum Pdu {
    Opened,
    /// A completion queue entry.
    Done([u8; 16]),
    Data(C2hData, Vec<u8>),
    R2t(R2t),
    Terminated,
}

/// Reads of a completion queue entry.
pub fn status(cqe: &[u8; 16]) -> Status {
    Status::of_field(u16::from_le_bytes([cqe[14], cqe[15]]))
}

pub fn result(cqe: &[u8; 16]) -> u64 {
    u64::from_le_bytes(cqe[..8].try_into().unwrap())
}

pub fn cid(cqe: &[u8; 16]) -> u16 {
    u16::from_le_bytes([cqe[12], cqe[13]])
}

pub fn head(cqe: &[u8; 16]) -> u16 {
    u16::from_le_bytes([cqe[8], cqe[9]])
}

#[derive(Clone, Debug)]
pub struct Host {
    pub index: usize,
    pub cid: u16,
    pub framing: Framing,
    pub cntlid: u16,
}

pub fn connect(qid: u16, cntlid: u16) -> Connect {
    Connect {
        recfmt: 0,
        qid,
        sqsize: 31,
        cattr: 0,
        kato_ms: 0,
        hostid: [7; 16],
        cntlid,
        subnqn: SUBSYSTEM.into(),
        hostnqn: "nqn.2026-11.com.example:host".into(),
    }
}

impl Host {
    /// A connection with these digests.
    pub fn open(world: &mut World, digests: Digests) -> Host {
        let index = world.accept();
        let request = IcReq { pfv: 0, hpda: 0, digests, maxr2t: 0 };
        world.deliver(index, &request.emit());
        let mut host = Host { index, cid: 0, framing: Framing::default(), cntlid: 0xffff };
        assert_eq!(host.take(world), [Pdu::Opened]);
        host.framing.digests = digests;
        host
    }

    /// A queue that has sent this Connect; its answer.
    pub fn connecting(world: &mut World, connect: &Connect) -> (Host, Vec<Pdu>) {
        let mut host = Host::open(world, Digests::default());
        host.command(world, connect.entry(), &connect.data());
        let pdus = host.take(world);
        (host, pdus)
    }

    /// A queue whose Connect went well.
    pub fn connected(world: &mut World, connect: &Connect) -> Host {
        let (mut host, pdus) = Host::connecting(world, connect);
        let [Pdu::Done(cqe)] = pdus[..] else { panic!("{pdus:?} {:?}", world.notices) };
        assert_eq!(status(&cqe), Status::SUCCESS, "{:?} {:x}", world.notices, result(&cqe));
        host.cntlid = result(&cqe) as u16;
        host
    }

    /// The admin queue of a controller that is enabled.
    pub fn admin(world: &mut World) -> Host {
        Host::admin_as(world, &connect(0, 0xffff))
    }

    pub fn admin_as(world: &mut World, connect: &Connect) -> Host {
        let mut host = Host::connected(world, connect);
        host.enable(world);
        host
    }

    pub fn enable(&mut self, world: &mut World) {
        let cqe = self.ask(world, property_set(0x14, 0x0046_0001), &[]);
        assert_eq!(status(&cqe), Status::SUCCESS);
    }

    /// An I/O queue of the controller behind `admin`.
    pub fn io(world: &mut World, admin: &Host, qid: u16) -> Host {
        Host::connected(world, &connect(qid, admin.cntlid))
    }

    /// Send a command with `data` in the capsule; its identifier.
    pub fn command(&mut self, world: &mut World, entry: Entry, data: &[u8]) -> u16 {
        let (bytes, cid) = self.capsule(entry, data);
        world.deliver(self.index, &bytes);
        cid
    }

    /// The bytes of a command.
    pub fn capsule(&mut self, mut entry: Entry, data: &[u8]) -> (Vec<u8>, u16) {
        self.cid = self.cid.wrapping_add(1);
        entry.0[2..4].copy_from_slice(&self.cid.to_le_bytes());
        if entry.0[1] >> 6 == 0 || !data.is_empty() {
            let len = data.len() as u32;
            entry.set_sgl(if data.is_empty() { Sgl::Transport { len } } else { Sgl::InCapsule { offset: 0, len } });
        }
        (self.wire(&CapsuleCmd { entry }.emit(&self.framing, data.len() as u32), data), self.cid)
    }

    fn wire(&self, header: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = header.to_vec();
        if self.framing.digests.header {
            bytes.extend(pdu::digest(header));
        }
        if !data.is_empty() {
            bytes.extend(data);
            if self.framing.digests.data {
                bytes.extend(pdu::digest(data));
            }
        }
        bytes
    }

    /// A command that is answered with nothing but its completion.
    pub fn ask(&mut self, world: &mut World, entry: Entry, data: &[u8]) -> [u8; 16] {
        let cid = self.command(world, entry, data);
        let pdus = self.take(world);
        let [Pdu::Done(cqe)] = pdus[..] else { panic!("{pdus:?} {:?}", world.notices) };
        assert_eq!(self::cid(&cqe), cid);
        cqe
    }

    /// A command that is answered with data.
    pub fn fetch(&mut self, world: &mut World, mut entry: Entry, len: u32) -> (Vec<u8>, [u8; 16]) {
        entry.set_sgl(Sgl::Transport { len });
        self.command(world, entry, &[]);
        let mut bytes = Vec::new();
        let pdus = self.take(world);
        for pdu in &pdus {
            match pdu {
                Pdu::Data(header, data) => {
                    assert_eq!(header.offset as usize, bytes.len());
                    bytes.extend(data);
                    if header.success {
                        return (bytes, [0; 16]);
                    }
                }
                Pdu::Done(cqe) => return (bytes, *cqe),
                _ => panic!("{pdus:?}"),
            }
        }
        panic!("no end: {pdus:?}")
    }

    /// All PDUs that have come since the last time.
    pub fn take(&mut self, world: &mut World) -> Vec<Pdu> {
        let bytes = std::mem::take(&mut world.wire[self.index]);
        let mut rest = &bytes[..];
        let mut pdus = Vec::new();
        while let Some(first) = rest.first_chunk() {
            let ch = Ch::parse(first);
            if rest.len() < ch.plen as usize {
                break;
            }
            let (pdu, after) = rest.split_at(ch.plen as usize);
            rest = after;
            let trailer = if ch.flags & pdu::flag::DATA_DIGEST != 0 { 4 } else { 0 };
            pdus.push(match ch.kind {
                kind::IC_RESP => Pdu::Opened,
                kind::CAPSULE_RESP => Pdu::Done(pdu[8..24].try_into().unwrap()),
                kind::R2T => Pdu::R2t(R2t::parse(pdu[..24].try_into().unwrap())),
                kind::C2H_DATA => {
                    let data = pdu[usize::from(ch.pdo)..pdu.len() - trailer].to_vec();
                    Pdu::Data(C2hData::parse(pdu[..24].try_into().unwrap()), data)
                }
                kind::C2H_TERM_REQ => Pdu::Terminated,
                other => panic!("PDU of type {other}"),
            });
        }
        world.wire[self.index] = rest.to_vec();
        pdus
    }

    /// Answer an R2T with bytes of `data`, `chunk` bytes a PDU.
    pub fn give(&mut self, world: &mut World, r2t: &R2t, data: &[u8], chunk: usize) {
        let mut at = 0;
        while at < r2t.len as usize {
            let len = chunk.min(r2t.len as usize - at);
            let offset = r2t.offset as usize + at;
            let last = at + len == r2t.len as usize;
            let pdu = H2cData { last, cid: r2t.cid, ttag: r2t.ttag, offset: offset as u32, len: len as u32 };
            let bytes = self.wire(&pdu.emit(&self.framing), &data[offset..offset + len]);
            world.deliver(self.index, &bytes);
            at += len;
        }
    }

    /// Answer every R2T there is until none comes any more. Gives what else was sent.
    pub fn feed(&mut self, world: &mut World, data: &[u8], chunk: usize) -> Vec<Pdu> {
        let mut others = Vec::new();
        loop {
            let pdus = self.take(world);
            let (r2ts, rest): (Vec<_>, Vec<_>) = pdus.into_iter().partition(|pdu| matches!(pdu, Pdu::R2t(_)));
            others.extend(rest);
            if r2ts.is_empty() {
                return others;
            }
            for pdu in r2ts {
                if let Pdu::R2t(r2t) = pdu {
                    self.give(world, &r2t, data, chunk);
                }
            }
        }
    }
}

/// A completion's identifier and status, of all there are.
pub fn statuses(pdus: &[Pdu]) -> Vec<(u16, Status)> {
    let mut statuses = Vec::new();
    for pdu in pdus {
        match pdu {
            Pdu::Done(cqe) => statuses.push((cid(cqe), status(cqe))),
            Pdu::Data(header, _) if header.success => statuses.push((header.cid, Status::SUCCESS)),
            _ => {}
        }
    }
    statuses
}

pub fn fabrics(fctype: u8) -> Entry {
    let mut entry = Entry::default();
    entry.0[0] = 0x7f;
    entry.0[4] = fctype;
    entry.0[1] = 0x40;
    entry.0[39] = 0x5a;
    entry
}

pub fn property_set(offset: u32, value: u32) -> Entry {
    let mut entry = fabrics(0);
    entry.set_dword(11, offset);
    entry.set_dword(12, value);
    entry
}

pub fn property_get(offset: u32, eight: bool) -> Entry {
    let mut entry = fabrics(4);
    entry.0[40] = u8::from(eight);
    entry.set_dword(11, offset);
    entry
}

pub fn admin(opcode: u8) -> Entry {
    let mut entry = Entry::default();
    entry.0[0] = opcode;
    entry
}

pub fn abort(sqid: u16, cid: u16) -> Entry {
    let mut entry = admin(0x08);
    entry.set_dword(10, u32::from(cid) << 16 | u32::from(sqid));
    entry
}

/// Read (02h), Write (01h), Compare (05h) of `blocks` blocks from `lba` on; data outside the capsule.
pub fn rw(opcode: u8, nsid: u32, lba: u64, blocks: u32) -> Entry {
    let mut entry = admin(opcode);
    entry.set_dword(1, nsid);
    entry.set_dword(10, lba as u32);
    entry.set_dword(12, blocks - 1);
    entry.set_sgl(Sgl::Transport { len: blocks * 512 });
    entry
}

pub fn flush(nsid: u32) -> Entry {
    let mut entry = admin(0x00);
    entry.set_dword(1, nsid);
    entry
}
