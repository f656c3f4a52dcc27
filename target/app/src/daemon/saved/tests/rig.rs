//! A world without a runtime: its initiators are scripts, its sockets parked ends of pairs.

use super::super::super::{Options, world};
use crate::config::{Config, ServeOptions, Voice};
use crate::control::machine::Machine;
use crate::daemon::control::{Control, ControlId};
use crate::daemon::saved::handed::Silent;
use crate::daemon::site;
use crate::daemon::world::{Setup, Socket, World};
use mainstay_base::sam::{Lun, NexusId};
use mainstay_base::time::Instant;
use mainstay_edge::clock;
use mainstay_edge::portal::Machine as _;
use mainstay_edge::state::StateDir;
use mainstay_proto::host;
use mainstay_proto::host::command::Connect;
use mainstay_proto::host::queue::{Data, Queue};
use mainstay_proto::iscsi::keys::Offers;
use mainstay_proto::iscsi::pdu::{self, CmdSn, Itt, LoginRequest, Request as Pdu, ScsiCommand, Stage};
use mainstay_proto::iscsi::{self, Isid, Limits};
use mainstay_proto::mdns::{Link, LinkId};
use mainstay_proto::nvme::Entry;
use mainstay_proto::{nvmetcp, queue};
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
        let mut config = Config::from_paths(&[dir.path().join("disk.img")], &ServeOptions::default()).unwrap();
        config.nvme.discovery.announce = true;
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
        let nvme = config.nvme.clone();
        let portals = site.portals.len() + nvme.portals.len();
        let listeners = (0..portals).map(|at| Some(listener(dir.path(), &format!("portal {at}")))).collect();
        let control = listener(dir.path(), "control.sock");
        let world = world(config, options, (site, exports, nvme), state, listeners, control).unwrap();
        Rig { world, _dir: dir }
    }

    /// A connection that has not said anything.
    pub fn connect(&mut self) -> NexusId {
        self.connect_at(clock::now())
    }

    /// One that came at this time.
    pub fn connect_at(&mut self, now: Instant) -> NexusId {
        let port = 40_000 + (self.world.nexus_next % 20_000) as u16;
        let setup = iscsi::Setup {
            local: "127.0.0.1:3260".parse().unwrap(),
            peer: format!("127.0.0.1:{port}").parse().unwrap(),
            portal: 0,
            limits: Limits::default(),
            seed: [port as u8; 32],
            offers: Offers::default(),
            now,
        };
        self.world.begin_connection(Socket::Parked(socket()), Setup::Iscsi(setup))
    }

    /// Discovery is announced on one link: once so far, and once more in a second.
    pub fn announce(&mut self) {
        self.world.begin_announcing();
        let announcing = self.world.announcing.as_mut().unwrap();
        let id = LinkId { interface: 2, ipv6: false };
        let (addresses, now) = (vec![("192.0.2.7".parse().unwrap(), 24)], clock::now());
        announcing.machine.set_links(vec![Link { id, addresses, port: 8009 }], now);
        announcing.sockets.insert(id, Socket::Parked(socket()));
        assert_eq!(announcing.machine.tick(now).len(), 1);
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

/// A host of NVMe, with its end of a queue.
pub struct Host {
    pub id: NexusId,
    pub queue: Queue,
}

impl Host {
    /// A command; what it needs is sent, but not data that is asked for.
    pub fn ask(&mut self, rig: &mut Rig, entry: Entry, data: Data) {
        self.queue.submit(entry, data).unwrap();
        self.talk(rig);
    }

    /// Both sides speak until neither has more to say.
    pub fn talk(&mut self, rig: &mut Rig) -> Vec<u8> {
        let mut heard = Vec::new();
        loop {
            let said = self.queue.output().to_vec();
            self.queue.sent(said.len());
            rig.world.hear(self.id, &said);
            let taken = rig.world.taken(self.id);
            self.queue.receive(&taken);
            heard.extend_from_slice(&taken);
            if said.is_empty() && taken.is_empty() {
                return heard;
            }
        }
    }
}

impl Rig {
    /// A connection of NVMe that has not said anything.
    pub fn connect_nvme(&mut self) -> NexusId {
        let port = 40_000 + (self.world.nexus_next % 20_000) as u16;
        let transport = nvmetcp::Setup {
            local: "127.0.0.1:4420".parse().unwrap(),
            peer: format!("127.0.0.1:{port}").parse().unwrap(),
            portal: 0,
            limits: nvmetcp::Limits::default(),
            now: clock::now(),
        };
        let setup = queue::Setup { transport, seed: [port as u8; 32] };
        self.world.begin_connection(Socket::Parked(socket()), Setup::Nvme(setup))
    }

    /// A controller that is enabled, and one I/O queue of it.
    pub fn controller(&mut self, host: &str) -> (Host, Host) {
        let nqn = self.world.nvme.site.subsystems[0].nqn.clone();
        let connect = Connect::admin(host, [7; 16], &nqn);
        let mut admin = self.host();
        admin.queue.connect(&connect).unwrap();
        admin.talk(self);
        // CC: enabled, entries of 64 and 16 bytes.
        admin.ask(self, host::command::property_set(0x14, 0x0046_0001), Data::Nothing);
        let cntlid = self.world.connections[&admin.id].machine.queue().unwrap().info().cntlid;
        let mut io = self.host();
        io.queue.connect(&connect.io(cntlid, 1, 16)).unwrap();
        io.talk(self);
        assert_eq!(self.world.connections[&io.id].machine.queue().unwrap().info().admin, Some(admin.id));
        (admin, io)
    }

    /// A host whose transport is open, and no more.
    pub fn host(&mut self) -> Host {
        let id = self.connect_nvme();
        let mut host = Host { id, queue: Queue::new(host::queue::Setup { hold_r2ts: true, ..Default::default() }) };
        host.talk(self);
        host
    }
}

impl World {
    /// Bytes of an initiator, with or without a socket.
    pub fn hear(&mut self, id: NexusId, bytes: &[u8]) {
        self.call(id, |pump| pump.receive(bytes));
        self.settle();
    }

    /// All that is to be sent to an initiator, which takes it.
    pub fn taken(&mut self, id: NexusId) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let Some(connection) = self.connections.get(&id) else { return all };
            let (before, mut slices) = (all.len(), Vec::new());
            connection.machine.output(&mut slices);
            slices.iter().for_each(|slice| all.extend_from_slice(slice));
            let n = all.len() - before;
            if n == 0 {
                return all;
            }
            self.call(id, |pump| pump.sent(n));
            self.settle();
        }
    }
}
