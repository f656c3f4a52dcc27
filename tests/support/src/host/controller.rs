//! A controller as its host has it: an admin queue, and queues for I/O.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use mainstay_proto::auth::dhchap::{Group, Hash, Keys};
use mainstay_proto::host::startup::{Startup, Step};
use mainstay_proto::host::{Completion, Connect};
use mainstay_proto::nvme::site::DISCOVERY_NQN;

use super::discovery::{self, Header, Record};
use super::{Connection, Credentials, Data, Digests, Done, Error, Result, Setup, command, identify};

/// The host name that scripts use when none matters.
pub const HOST_NQN: &str = "nqn.2026-11.internal.mainstay.test:host";

/// How to come to a controller.
#[derive(Clone, Debug)]
pub struct Host {
    /// What Connect says.
    pub connect: Connect,
    /// What is asked of each connection.
    pub setup: Setup,
    /// I/O queues to be made.
    pub io_queues: u16,
    /// Entries of each.
    pub io_entries: u16,
    /// Asks for as many I/O queues as there will ever be, if more than are made at once.
    pub io_queues_asked: u16,
    /// What we prove to know where it is asked for, and ask of the controller.
    pub keys: Option<Keys>,
}

/// Bits of dword 0 of Connect's completion that ask for authentication (AUTHREQ: ATR and ASCR, base §6.3).
const AUTHENTICATION_REQUIRED: u32 = 0x6_0000;

impl Host {
    /// A well-behaved host of one I/O queue.
    pub fn new(subsystem: &str) -> Host {
        Host {
            connect: Connect::admin(HOST_NQN, [0x17; 16], subsystem),
            setup: Setup { r2ts_max: 4, ..Setup::default() },
            io_queues: 1,
            io_entries: 128,
            io_queues_asked: 0,
            keys: None,
        }
    }

    /// Of the discovery service.
    pub fn discovery() -> Host {
        Host { io_queues: 0, ..Host::new(DISCOVERY_NQN) }
    }

    /// With this name; the identifier follows from it.
    pub fn named(mut self, nqn: &str) -> Host {
        nqn.clone_into(&mut self.connect.host_nqn);
        for (n, byte) in self.connect.host_id.iter_mut().enumerate() {
            *byte = crc32c::crc32c(&[nqn.as_bytes(), &[n as u8]].concat()) as u8;
        }
        self
    }

    /// With digests.
    pub fn digests(mut self, header: bool, data: bool) -> Host {
        self.setup.digests = Digests { header, data };
        self
    }

    /// With so many I/O queues of so many entries.
    pub fn queues(mut self, queues: u16, entries: u16) -> Host {
        (self.io_queues, self.io_entries) = (queues, entries);
        self
    }

    /// With a keep-alive timeout.
    pub fn keep_alive(mut self, timeout: Duration) -> Host {
        self.connect.keep_alive_ms = timeout.as_millis() as u32;
        self
    }

    /// With these keys, in the form of nvme-cli; a second one asks the controller to prove itself.
    pub fn keys(mut self, host: &str, controller: Option<&str>) -> Host {
        self.keys = Some(Keys::parse(host, controller, &[], &[]).expect("keys of tests are keys"));
        self
    }

    /// Offers no other hashes and groups.
    pub fn offering(mut self, hashes: &[Hash], groups: &[Group]) -> Host {
        if let Some(keys) = &mut self.keys {
            (keys.hashes, keys.groups) = (hashes.to_vec(), groups.to_vec());
        }
        self
    }

    /// Keys with our names.
    pub fn credentials(&self) -> Option<Credentials> {
        let (host, subsystem) = (self.connect.host_nqn.clone(), self.connect.subsystem_nqn.clone());
        self.keys.clone().map(|keys| Credentials { keys, host, subsystem })
    }

    /// R2Ts wait for the script.
    pub fn hold_r2ts(mut self) -> Host {
        self.setup.hold_r2ts = true;
        self
    }

    /// With submission queue flow control.
    pub fn flow_control(mut self) -> Host {
        self.connect.no_flow_control = false;
        self
    }

    /// The admin queue alone: connected, nothing more. And the controller's identifier.
    pub fn admin(&self, portal: SocketAddr) -> Result<(Connection, u16)> {
        let mut admin = Connection::open(portal, self.setup)?;
        let done = admin.connect(&self.connect)?;
        let cntlid = self.connected(&mut admin, done)?;
        Ok((admin, cntlid))
    }

    /// What follows on Connect's completion; gives the controller's identifier.
    pub fn connected(&self, admin: &mut Connection, done: Done) -> Result<u16> {
        let answer = done.completion.dword();
        done.good("Connect")?;
        self.prove(admin, answer)?;
        Ok(answer as u16)
    }

    /// Authenticates if `answer`, dword 0 of Connect's completion, asks for it and we have keys.
    fn prove(&self, queue: &mut Connection, answer: u32) -> Result<()> {
        match self.credentials() {
            Some(credentials) if answer & AUTHENTICATION_REQUIRED != 0 => queue.authenticate(&credentials, 1).map(drop),
            _ => Ok(()),
        }
    }

    /// A controller that is enabled, with its I/O queues.
    pub fn connect(&self, portal: SocketAddr) -> Result<Controller> {
        let (admin, cntlid) = self.admin(portal)?;
        self.start(portal, admin, cntlid)
    }

    /// The rest of [`Host::connect`], on a queue that is connected.
    pub fn start(&self, portal: SocketAddr, mut admin: Connection, cntlid: u16) -> Result<Controller> {
        let mut startup = Startup::new(self.io_queues.max(self.io_queues_asked));
        let deadline = Instant::now() + admin.patience;
        let identify = loop {
            match startup.step() {
                Step::Ready(identify) => break *identify,
                Step::Ask { entry, bytes, again } => {
                    if again {
                        if Instant::now() > deadline {
                            return Err(Error::Timeout);
                        }
                        thread::sleep(Duration::from_millis(10));
                    }
                    let data = if bytes == 0 { Data::Nothing } else { Data::ToHost(bytes) };
                    let done = admin.run(entry, data)?;
                    startup.answered(&done.completion, &done.data).map_err(|why| Error::Odd(why.to_string()))?;
                }
            }
        };
        let host = self.clone();
        let mut controller = Controller { admin, io: Vec::new(), portal, cntlid, identify, startup, host };
        for qid in 1..=self.io_queues {
            let io = controller.io_queue(qid)?;
            controller.io.push(io);
        }
        Ok(controller)
    }

    /// The discovery log of a portal.
    pub fn discover(&self, portal: SocketAddr) -> Result<(Header, Vec<Record>)> {
        self.connect(portal)?.discovery_log()
    }
}

/// A controller in use.
#[derive(Debug)]
pub struct Controller {
    /// Its admin queue.
    pub admin: Connection,
    /// Its I/O queues, by number from 1 on.
    pub io: Vec<Connection>,
    /// Where it is.
    pub portal: SocketAddr,
    /// Its identifier.
    pub cntlid: u16,
    /// What it says of itself.
    pub identify: identify::Controller,
    /// Capabilities, and I/O queues given.
    pub startup: Startup,
    /// Who we are to it.
    pub host: Host,
}

impl Controller {
    /// A connection that asks to be I/O queue `qid`; the answer, whatever it is.
    pub fn try_io_queue(&mut self, qid: u16) -> Result<(Connection, Completion)> {
        let mut io = Connection::open(self.portal, self.host.setup)?;
        let done = io.connect(&self.host.connect.io(self.cntlid, qid, self.host.io_entries))?;
        io.queue.set_in_capsule(self.identify.in_capsule);
        if done.status().is_success() {
            self.host.prove(&mut io, done.completion.dword())?;
        }
        Ok((io, done.completion))
    }

    /// I/O queue `qid`.
    pub fn io_queue(&mut self, qid: u16) -> Result<Connection> {
        let (mut io, completion) = self.try_io_queue(qid)?;
        let Completion { status, result, .. } = completion;
        if !status.is_success() {
            return Err(Error::Status { what: "Connect of an I/O queue", status, result });
        }
        self.host.prove(&mut io, completion.dword())?;
        Ok(io)
    }

    /// Nothing more than R2Ts for data that is sent from now on.
    pub fn no_in_capsule(&mut self) {
        for io in &mut self.io {
            io.queue.set_in_capsule(0);
        }
    }

    /// The discovery log, read until header and records belong together.
    pub fn discovery_log(&mut self) -> Result<(Header, Vec<Record>)> {
        let unusable = |why: discovery::Unusable| Error::Odd(why.to_string());
        for _ in 0..8 {
            let head = self.log(discovery::PAGE, 0, 0, discovery::RECORD_BYTES as u32)?;
            let header = Header::parse(&head).map_err(unusable)?;
            let page = self.log(discovery::PAGE, 0, 0, header.page_bytes() as u32)?;
            let read = discovery::parse(&page).map_err(unusable)?;
            if read.0 == header {
                return Ok(read);
            }
        }
        Err(Error::Odd("the discovery log never stands still".to_owned()))
    }

    /// Shuts the controller down (CC.SHN) and waits until it says that it is done.
    pub fn shut_down(&mut self) -> Result<()> {
        self.set_property(command::property::CC, mainstay_proto::host::startup::CC_ENABLE | 1 << 14)?;
        let deadline = Instant::now() + self.admin.patience;
        while self.property(command::property::CSTS)? & 0xc != 0x8 {
            if Instant::now() > deadline {
                return Err(Error::Timeout);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
