//! A host of NVMe/TCP as small as one can be: a controller with one I/O queue, one command at a time, neither
//! authentication nor digests.
//!
//! The machine is the one of the protocol crate; sockets and waiting are here. It never connects again.

use super::initiator::{BLOCK, SILENCE, Trouble};
use super::load::Disk;
use mainstay_proto::host::queue::{Data, Event, Queue, Setup};
use mainstay_proto::host::startup::{Startup, Step};
use mainstay_proto::host::{Completion, Connect, command};
use mainstay_proto::nvme::Entry;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The namespace that is read and written.
const NSID: u32 = 1;
/// Entries of the I/O queue.
const ENTRIES: u16 = 8;

/// A controller that is ready, and its queue.
#[derive(Debug)]
pub struct Host {
    /// A controller lives as long as its admin queue.
    _admin: Line,
    io: Line,
}

/// One connection.
#[derive(Debug)]
struct Line {
    stream: TcpStream,
    queue: Queue,
}

impl Host {
    /// Connects to `subsystem`; `number` tells our hosts apart.
    pub fn connect(portal: SocketAddr, subsystem: &str, number: u16) -> Result<Host, Trouble> {
        let name = format!("nqn.2026-11.internal.mainstay:demo-{number}");
        let [high, low] = number.to_be_bytes();
        let mut id = *b"mainstay demo \0\0";
        (id[14], id[15]) = (high, low);
        let connect = Connect::admin(&name, id, subsystem);
        let mut admin = Line::open(portal, &connect)?;
        let cntlid = admin.cntlid;
        let mut startup = Startup::new(1);
        loop {
            match startup.step() {
                Step::Ready(_) => break,
                Step::Ask { entry, bytes, again } => {
                    if again {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                    let data = if bytes == 0 { Data::Nothing } else { Data::ToHost(bytes) };
                    let (completion, data) = admin.line.run(entry, data)?;
                    startup.answered(&completion, &data).map_err(|why| Trouble::Lost(why.to_string()))?;
                }
            }
        }
        let io = Line::open(portal, &connect.io(cntlid, 1, ENTRIES))?;
        Ok(Host { _admin: admin.line, io: io.line })
    }
}

/// A connection on which Connect has succeeded.
struct Connected {
    line: Line,
    cntlid: u16,
}

impl Line {
    fn open(portal: SocketAddr, connect: &Connect) -> Result<Connected, Trouble> {
        let stream = TcpStream::connect(portal)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let mut line = Line { stream, queue: Queue::new(Setup::default()) };
        line.wait(|event| matches!(event, Event::Opened))?;
        line.queue.connect(connect).map_err(|why| Trouble::Lost(why.to_string()))?;
        match line.completed()? {
            (completion, _) if completion.status.is_success() => {
                Ok(Connected { line, cntlid: completion.dword() as u16 })
            }
            (completion, _) => Err(Trouble::Lost(format!("not connected: {:?}", completion.status))),
        }
    }

    /// Sends a command and waits for its end.
    fn run(&mut self, entry: Entry, data: Data) -> Result<(Completion, Vec<u8>), Trouble> {
        self.queue.submit(entry, data).map_err(|why| Trouble::Lost(why.to_string()))?;
        self.completed()
    }

    /// The end of the only command there is.
    fn completed(&mut self) -> Result<(Completion, Vec<u8>), Trouble> {
        match self.wait(|event| matches!(event, Event::Completed { .. }))? {
            Event::Completed { completion, data, damaged: false } => Ok((completion, data)),
            _ => Err(Trouble::Lost("a data digest was wrong".to_owned())),
        }
    }

    /// Sends what is to be sent and waits for an event of this kind; any other is one that nobody asked for.
    fn wait(&mut self, due: impl Fn(&Event) -> bool) -> Result<Event, Trouble> {
        let mut chunk = [0; 64 << 10];
        loop {
            let output = self.queue.output();
            self.stream.write_all(output)?;
            let sent = output.len();
            self.queue.sent(sent);
            match self.queue.poll_event() {
                Some(event) if due(&event) => return Ok(event),
                Some(event) => return Err(Trouble::Lost(format!("nobody asked for {event:?}"))),
                None => {}
            }
            if let Some(end) = self.queue.end() {
                return Err(Trouble::Lost(end.to_string()));
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.queue.receive(&chunk[..count]),
            }
        }
    }

    fn good(&mut self, entry: Entry, data: Data) -> Result<Vec<u8>, Trouble> {
        match self.run(entry, data)? {
            (completion, data) if completion.status.is_success() => Ok(data),
            (completion, _) => Err(Trouble::Failed(format!("{:?}", completion.status))),
        }
    }
}

impl From<ErrorKind> for Trouble {
    fn from(kind: ErrorKind) -> Trouble {
        std::io::Error::from(kind).into()
    }
}

impl Disk for Host {
    fn read(&mut self, lba: u32, into: &mut [u8]) -> Result<(), Trouble> {
        let entry = command::read(NSID, lba.into(), (into.len() / BLOCK) as u32);
        let data = self.io.good(entry, Data::ToHost(into.len() as u32))?;
        if data.len() != into.len() {
            return Err(Trouble::Failed(format!("{} bytes of {}", data.len(), into.len())));
        }
        into.copy_from_slice(&data);
        Ok(())
    }

    fn write(&mut self, lba: u32, from: &[u8]) -> Result<(), Trouble> {
        let entry = command::write(NSID, lba.into(), (from.len() / BLOCK) as u32, false);
        self.io.good(entry, Data::ToController(from.to_vec())).map(drop)
    }
}
