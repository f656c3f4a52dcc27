//! A world without a runtime: its initiators are scripts, its sockets parked ends of pairs.

use super::super::super::{Options, world};
use crate::config::{Config, ServeOptions, Voice};
use crate::control::machine::Machine;
use crate::daemon::control::{Control, ControlId};
use crate::daemon::saved::handed::Silent;
use crate::daemon::site;
use crate::daemon::world::{Socket, World};
use mainstay_base::sam::{Lun, NexusId};
use mainstay_base::time::Instant;
use mainstay_edge::clock;
use mainstay_edge::state::StateDir;
use mainstay_proto::iscsi::keys::Offers;
use mainstay_proto::iscsi::pdu::{self, CmdSn, Itt, LoginRequest, Request as Pdu, ScsiCommand, Stage};
use mainstay_proto::iscsi::{Isid, Limits, Setup};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use tempfile::TempDir;

pub struct Rig {
    pub world: World,
    /// Lives as long.
    pub _dir: TempDir,
}

fn socket() -> OwnedFd {
    UnixStream::pair().unwrap().0.into()
}

impl Rig {
    pub fn new() -> Rig {
        let dir = TempDir::new().unwrap();
        let config = Config::from_paths(&[dir.path().join("disk.img")], &ServeOptions::default()).unwrap();
        Rig::of(dir, config)
    }

    pub fn of(dir: TempDir, config: Config) -> Rig {
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let (site, exports) = site::site(&config);
        let options = Options {
            state_dir: dir.path().join("state"),
            control: dir.path().join("control.sock"),
            console: Box::new(Silent),
            voice: Voice::default(),
        };
        let listeners = site.portals.iter().map(|_| listener(dir.path(), "portal")).collect();
        let control = listener(dir.path(), "control.sock");
        let world = world(config, options, site, exports, state, listeners, control).unwrap();
        Rig { world, _dir: dir }
    }

    /// A connection that has not said anything.
    pub fn connect(&mut self) -> NexusId {
        self.connect_at(clock::now())
    }

    /// One that came at this time.
    pub fn connect_at(&mut self, now: Instant) -> NexusId {
        let port = 40_000 + (self.world.nexus_next % 20_000) as u16;
        let setup = Setup {
            local: "127.0.0.1:3260".parse().unwrap(),
            peer: format!("127.0.0.1:{port}").parse().unwrap(),
            portal: 0,
            limits: Limits::default(),
            seed: [port as u8; 32],
            offers: Offers::default(),
            now,
        };
        self.world.begin_connection(Socket::Parked(socket()), setup)
    }

    pub fn control(&mut self, said: &[u8]) -> ControlId {
        let id = ControlId(self.world.control_next);
        self.world.control_next += 1;
        let mut machine = Machine::new();
        machine.receive(said);
        while machine.poll_request().is_some() {}
        machine.subscribe();
        self.world
            .controls
            .insert(id, Control { machine, socket: Socket::Parked(socket()), changed: Default::default() });
        id
    }

    pub fn send(&mut self, id: NexusId, pdu: &Pdu, data: &[u8]) {
        self.world.hear(id, &wire(pdu, data));
    }

    /// Up to the full feature phase, as the `n`th initiator.
    pub fn log_in(&mut self, n: u32) -> NexusId {
        let id = self.connect();
        self.log_in_on(id, n);
        self.world.taken(id);
        id
    }

    pub fn log_in_on(&mut self, id: NexusId, n: u32) {
        let target = &self.world.site.targets[0].name;
        let keys = format!(
            "InitiatorName=iqn.2026-11.internal:host{n}\0TargetName={target}\0SessionType=Normal\0\
             InitialR2T=No\0ImmediateData=Yes\0MaxRecvDataSegmentLength=262144\0"
        );
        self.send(id, &login(Stage::OperationalNegotiation, Stage::FullFeature), keys.as_bytes());
    }

    /// A disk command with data going one way.
    pub fn command(&mut self, id: NexusId, n: u32, cdb: &[u8], read: u32, write: u32, immediate: &[u8]) {
        self.send(id, &command(n, cdb, read, write), immediate);
    }
}

fn listener(dir: &Path, name: &str) -> OwnedFd {
    UnixListener::bind(dir.join(name)).unwrap().into()
}

pub fn login(current: Stage, next: Stage) -> Pdu {
    Pdu::Login(LoginRequest {
        transit: true,
        current,
        next,
        isid: Isid([0x80, 1, 2, 3, 4, 5]),
        itt: Itt(7),
        cmd_sn: CmdSn(1),
        ..LoginRequest::parse(&[0; 48])
    })
}

/// The `n`th command of a session, from 1.
pub fn command(n: u32, cdb: &[u8], read: u32, write: u32) -> Pdu {
    let mut bytes = [0; 16];
    bytes[..cdb.len()].copy_from_slice(cdb);
    Pdu::ScsiCommand(ScsiCommand {
        last: true,
        read: read > 0,
        write: write > 0,
        lun: Lun::from_number(0),
        itt: Itt(n),
        expected: read + write,
        cmd_sn: CmdSn(n),
        cdb: bytes,
        ..ScsiCommand::parse(&[0; 48])
    })
}

/// READ(10) or WRITE(10).
pub fn cdb10(opcode: u8, lba: u32, blocks: u16) -> [u8; 10] {
    let mut cdb = [0; 10];
    cdb[0] = opcode;
    cdb[2..6].copy_from_slice(&lba.to_be_bytes());
    cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

pub fn wire(pdu: &Pdu, data: &[u8]) -> Vec<u8> {
    let mut bytes = pdu.emit(0, data.len()).to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len() + pdu::padding(data.len()), 0);
    bytes
}

impl World {
    /// Bytes of an initiator, with or without a socket.
    pub fn hear(&mut self, id: NexusId, bytes: &[u8]) {
        self.call(id, |nexus, cx| nexus.receive(cx, bytes));
        self.settle();
    }

    /// All that is to be sent to an initiator, which takes it.
    pub fn taken(&mut self, id: NexusId) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let Some(connection) = self.connections.get(&id) else { return all };
            let (before, mut slices) = (all.len(), Vec::new());
            connection.nexus.output(&mut slices);
            slices.iter().for_each(|slice| all.extend_from_slice(slice));
            let n = all.len() - before;
            if n == 0 {
                return all;
            }
            self.call(id, |nexus, cx| nexus.sent(cx, n));
            self.settle();
        }
    }
}
