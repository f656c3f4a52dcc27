//! A controller driven by hand. Every test runs twice (see [`both`]): plainly, and with the controller saved, dropped and
//! restored after every call; both must look the same from outside.

mod any;
mod events;
mod features;
mod life;

use super::saved::ControllerV1;
use super::*;
use crate::nvme::site::{DISCOVERY_NQN, Portal};
use crate::nvme::{Entry, Namespace, Site, Subsystem};
use mainstay_base::path::{GroupId, Paths};
use mainstay_base::unit::{Behaviour, Disk, Geometry, Identity};
use prost::Message;

const NQN: &str = "nqn.2026-11.internal.mainstay:disk";
const HOST: &str = "nqn.host";
/// CC as Linux enables a controller: IOCQES 4, IOSQES 6, CSS 110b, EN.
const ENABLED: u32 = 0x0046_0061;

struct Rig {
    reborn: bool,
    now: u64,
    site: Site,
    disks: Vec<Disk>,
    paths: Paths,
    controller: Controller,
    cid: u16,
    transcript: Vec<String>,
}

/// Run `test` both ways, with an I/O controller that is enabled.
fn both(test: impl Fn(&mut Rig)) {
    both_with(connect(), |rig| {
        rig.enable();
        test(rig);
    });
}

/// The same with a new controller for `connect`.
fn both_with(connect: Connect, test: impl Fn(&mut Rig)) {
    let transcript = |reborn| {
        let mut rig = Rig::new(reborn, &connect);
        test(&mut rig);
        rig.transcript
    };
    assert_eq!(transcript(false), transcript(true));
}

fn connect() -> Connect {
    Connect {
        sqsize: 31,
        kato_ms: 10_000,
        hostid: *b"0123456789abcdef",
        cntlid: 0xffff,
        subnqn: NQN.into(),
        hostnqn: HOST.into(),
        ..Connect::default()
    }
}

fn discovery() -> Connect {
    Connect { subnqn: DISCOVERY_NQN.into(), ..connect() }
}

fn disk(volume: u32) -> Disk {
    let geometry = Geometry { blocks: 2048, block_bytes: 512, physical_bytes: 4096 };
    let identity = Identity {
        uuid: [volume as u8; 16],
        serial: "0".into(),
        naa: [0; 8],
        vendor: "MAINSTAY".into(),
        product: "disk".into(),
    };
    Disk::new(VolumeId(volume), geometry, identity, Behaviour { write_cache: true, ..Behaviour::default() })
}

/// Volumes 0 to 3 are namespaces 1 to 4; the third is read-only, the fourth another host's. The second is in a group of its
/// own.
fn site() -> Site {
    let namespace = |nsid: u32| Namespace {
        nsid,
        volume: VolumeId(nsid - 1),
        read_only: nsid == 3,
        group: GroupId(if nsid == 2 { 2 } else { 1 }),
        hosts: (nsid == 4).then(|| vec!["nqn.other".into()]),
    };
    let portal = |id: u16| Portal {
        name: id.to_string(),
        bind: ([127, 0, 0, 1], 4420 + id).into(),
        optional: false,
        advertise: None,
        id,
        discovery_only: false,
    };
    let subsystem = Subsystem {
        nqn: NQN.into(),
        serial: "1".into(),
        model: "m".into(),
        portals: vec![0, 1],
        namespaces: (1..=4).map(namespace).collect(),
        hosts: None,
        keys: None,
        controllers: Default::default(),
    };
    Site { portals: vec![portal(0), portal(1)], subsystems: vec![subsystem], ..Site::default() }
}

/// `f` with the world of these parts.
macro_rules! with_cx {
    ($rig:expr, |$cx:ident| $body:expr) => {{
        let discovery = DiscoveryState::default();
        let $cx = &mut AdminCx {
            now: Instant($rig.now),
            unix_ms: 1_800_000_000_000,
            started_ms: 0,
            site: &$rig.site,
            disks: &mut $rig.disks,
            paths: &$rig.paths,
            traffic: &[],
            discovery: &discovery,
            controllers: &[],
        };
        $body
    }};
}

fn birth(connect: &Connect, retained: Option<Features>) -> Birth {
    let aim = if connect.subnqn == NQN { Aim::Subsystem(0) } else { Aim::Discovery };
    Birth { cntlid: 7, aim, portal: 0, local: ([127, 0, 0, 1], 4420).into(), retained }
}

impl Rig {
    fn new(reborn: bool, connect: &Connect) -> Rig {
        Rig::again(reborn, connect, None)
    }

    fn again(reborn: bool, connect: &Connect, retained: Option<Features>) -> Rig {
        struct World {
            now: u64,
            site: Site,
            disks: Vec<Disk>,
            paths: Paths,
        }
        let mut world = World { now: 0, site: site(), disks: (0..4).map(disk).collect(), paths: Paths::default() };
        let controller = with_cx!(world, |cx| Controller::new(birth(connect, retained), connect, cx));
        let World { now, site, disks, paths } = world;
        let mut rig = Rig { reborn, now, site, disks, paths, controller, cid: 0, transcript: Vec::new() };
        rig.rebirth();
        rig
    }

    fn rebirth(&mut self) {
        if self.reborn {
            let bytes = self.controller.save().encode_to_vec();
            let back = Controller::restore(&ControllerV1::decode(&bytes[..]).unwrap()).unwrap();
            assert_eq!(back, self.controller);
            assert_eq!(back.save().encode_to_vec(), bytes);
            self.controller = back;
        }
    }

    fn note(&mut self, what: impl std::fmt::Debug) {
        self.transcript.push(format!("{what:?}"));
        self.rebirth();
    }

    fn after(&mut self, ms: u64) {
        self.now += ms * 1_000_000;
    }

    fn send(&mut self, mut entry: Entry, given: u32) -> Outcome {
        self.cid += 1;
        entry.0[2..4].copy_from_slice(&self.cid.to_le_bytes());
        let outcome = with_cx!(self, |cx| self.controller.command(cx, &entry, given));
        self.note(&outcome);
        outcome
    }

    /// The reply to a command that ends at once.
    #[track_caller]
    fn reply(&mut self, entry: Entry) -> Result<u64, Status> {
        match self.send(entry, 0) {
            Outcome::Reply(reply) if reply.status.is_success() => Ok(reply.result),
            Outcome::Reply(reply) => Err(reply.status),
            other => panic!("{other:?}"),
        }
    }

    /// A command and its data.
    fn send_data(&mut self, entry: Entry, data: &[u8]) -> Result<u64, Status> {
        match self.send(entry, data.len() as u32) {
            Outcome::Collect(len) => assert_eq!(len as usize, data.len()),
            Outcome::Reply(reply) => return Err(reply.status),
            other => panic!("{other:?}"),
        }
        match self.give(&entry, data) {
            Outcome::Reply(reply) if reply.status.is_success() => Ok(reply.result),
            Outcome::Reply(reply) => Err(reply.status),
            other => panic!("{other:?}"),
        }
    }

    /// The data that was asked for.
    fn give(&mut self, entry: &Entry, data: &[u8]) -> Outcome {
        let outcome = with_cx!(self, |cx| self.controller.data(cx, entry, data));
        self.note(&outcome);
        outcome
    }

    fn property(&mut self, offset: u32, eight: bool) -> Result<u64, Status> {
        let mut entry = fabrics(0x04, offset);
        entry.0[40] = eight.into();
        self.reply(entry)
    }

    fn csts(&mut self) -> u64 {
        self.property(0x1c, false).unwrap()
    }

    fn configure(&mut self, cc: u32) {
        let mut entry = fabrics(0x00, 0x14);
        entry.set_dword(12, cc);
        assert_eq!(self.reply(entry), Ok(0));
    }

    fn enable(&mut self) {
        self.configure(ENABLED);
        assert!(self.controller.is_live());
        self.publication();
    }

    fn join(&mut self, connect: &Connect, portal: usize) -> Result<Arc<View>, Reply> {
        let joined = with_cx!(self, |cx| self.controller.join(cx, connect, portal));
        self.note(&joined);
        joined
    }

    fn notice(&mut self, notice: Notice) {
        with_cx!(self, |cx| self.controller.notice(cx, notice));
        self.rebirth();
    }

    fn publication(&mut self) -> Option<Arc<View>> {
        let view = with_cx!(self, |cx| self.controller.take_publication(cx));
        self.note(&view);
        view
    }

    fn event(&mut self) -> Option<(Cid, Reply)> {
        let event = self.controller.take_event();
        self.note(event);
        event
    }

    fn changes(&mut self) -> Vec<Change> {
        let changes = self.controller.take_changes();
        self.note(&changes);
        changes
    }

    fn tick(&mut self) -> bool {
        let over = self.controller.tick(Instant(self.now));
        self.note(over);
        over
    }
}

fn fabrics(fctype: u8, offset: u32) -> Entry {
    let mut entry = admin(0x7f);
    entry.0[4] = fctype;
    entry.set_dword(11, offset);
    entry
}

fn admin(opcode: u8) -> Entry {
    let mut entry = Entry::default();
    entry.0[..2].copy_from_slice(&[opcode, 0x40]);
    entry
}

fn get(fid: u8, select: u32) -> Entry {
    let mut entry = admin(0x0a);
    entry.set_dword(10, u32::from(fid) | select << 8);
    entry
}

fn set(fid: u8, value: u32) -> Entry {
    let mut entry = admin(0x09);
    entry.set_dword(10, fid.into());
    entry.set_dword(11, value);
    entry
}

fn save(mut entry: Entry) -> Entry {
    entry.set_dword(10, entry.dword(10) | 1 << 31);
    entry
}

fn of(mut entry: Entry, nsid: u32) -> Entry {
    entry.set_dword(1, nsid);
    entry
}
