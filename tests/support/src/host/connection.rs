//! One queue over a socket.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mainstay_proto::host::queue::{End, Event, Queue};
use mainstay_proto::host::{Completion, Connect};
use mainstay_proto::nvme::{Cid, Entry, Status};
use mainstay_proto::nvmetcp::pdu::R2t;

use super::raw::{Raw, fill};
use super::{Data, Error, Result, Setup};

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its completion.
    pub completion: Completion,
    /// What the controller sent.
    pub data: Vec<u8>,
    /// A data digest was wrong.
    pub damaged: bool,
}

impl Done {
    /// Its status.
    pub fn status(&self) -> Status {
        self.completion.status
    }

    /// The data, of a command that must have succeeded.
    pub fn good(self, what: &'static str) -> Result<Vec<u8>> {
        let (status, result) = (self.completion.status, self.completion.result);
        match (status.is_success(), self.damaged) {
            (true, false) => Ok(self.data),
            (true, true) => Err(Error::Odd(format!("{what}: a data digest was wrong"))),
            (false, _) => Err(Error::Status { what, status, result }),
        }
    }
}

/// A queue, and what its socket has brought.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// The machine. What it has to say is sent by [`Connection::flush`].
    pub queue: Queue,
    /// How long a step waits; 10 s at first.
    pub patience: Duration,
    /// R2Ts that wait for [`Connection::answer`] (only with `hold_r2ts`).
    pub r2ts: Vec<R2t>,
    opened: bool,
    done: BTreeMap<u16, Done>,
}

impl Connection {
    /// A TCP connection with ICReq and ICResp exchanged.
    pub fn open(portal: SocketAddr, setup: Setup) -> Result<Connection> {
        let mut connection = Connection::begin(portal, setup)?;
        connection.opened()?;
        Ok(connection)
    }

    /// A TCP connection on which nothing was said: ICReq is there to be sent.
    pub fn begin(portal: SocketAddr, setup: Setup) -> Result<Connection> {
        let Raw { stream, patience, .. } = Raw::connect(portal)?;
        let queue = Queue::new(setup);
        Ok(Connection { stream, queue, patience, r2ts: Vec::new(), opened: false, done: BTreeMap::new() })
    }

    /// Sends what is left of ICReq, and waits for ICResp.
    pub fn opened(&mut self) -> Result<()> {
        self.flush()?;
        let deadline = Instant::now() + self.patience;
        while !self.opened {
            self.step(deadline)?;
        }
        Ok(())
    }

    /// The socket, for scripts that cut, stall or read it themselves.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The socket alone, for a driver of another kind. Nothing may be under way.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.queue.outstanding() == 0 && self.queue.output().is_empty(), "nothing may be under way");
        self.stream
    }

    /// The socket for PDUs that the script makes; the machine is gone.
    pub fn into_raw(self) -> Raw {
        let digests = self.queue.digests().unwrap_or_default();
        Raw {
            stream: self.stream,
            inbox: Vec::new(),
            patience: self.patience,
            header_digest: digests.header,
            data_digest: digests.data,
            alignment: self.queue.alignment().unwrap_or_default(),
        }
    }

    /// Our own address.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Where the controller is.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer_addr().expect("a connected socket has a peer")
    }

    /// Sends what the machine has to say.
    pub fn flush(&mut self) -> Result<()> {
        let bytes = self.queue.output().len();
        self.flush_part(bytes)
    }

    /// Sends at most `bytes` of it; the rest goes with the next flush.
    pub fn flush_part(&mut self, bytes: usize) -> Result<()> {
        let bytes = bytes.min(self.queue.output().len());
        self.stream.write_all(&self.queue.output()[..bytes])?;
        self.queue.sent(bytes);
        Ok(())
    }

    /// Reads once, and sends what follows from it. An error when the connection has ended.
    pub fn step(&mut self, deadline: Instant) -> Result<()> {
        let mut bytes = Vec::new();
        let filled = fill(&mut self.stream, &mut bytes, deadline);
        self.queue.receive(&bytes);
        if matches!(filled, Err(Error::Closed)) {
            self.queue.disconnected();
        }
        while let Some(event) = self.queue.poll_event() {
            match event {
                Event::Opened => self.opened = true,
                Event::Completed { completion, data, damaged } => {
                    self.done.insert(completion.cid.0, Done { completion, data, damaged });
                }
                Event::R2t(r2t) => self.r2ts.push(r2t),
            }
        }
        let flushed = self.flush();
        match self.queue.end() {
            None => flushed.and(filled),
            Some(End::Disconnected) => Err(Error::Closed),
            Some(end) => Err(Error::Ended(*end)),
        }
    }

    /// Takes in what comes within `span`, if anything does.
    pub fn settle(&mut self, span: Duration) -> Result<()> {
        let deadline = Instant::now() + span;
        loop {
            match self.step(deadline) {
                Ok(()) => {}
                Err(Error::Timeout) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Submits a command.
    pub fn start(&mut self, entry: Entry, data: Data) -> Result<Cid> {
        let cid = self.queue.submit(entry, data)?;
        self.flush()?;
        Ok(cid)
    }

    /// Submits a command and sends no more than the first `bytes` of it.
    pub fn start_part(&mut self, entry: Entry, data: Data, bytes: usize) -> Result<Cid> {
        self.flush()?;
        let cid = self.queue.submit(entry, data)?;
        self.flush_part(bytes)?;
        Ok(cid)
    }

    /// Sends the data of a held R2T.
    pub fn answer(&mut self, r2t: &R2t) -> Result<()> {
        self.queue.answer(r2t);
        self.flush()
    }

    /// Waits for an R2T that is held.
    pub fn next_r2t(&mut self) -> Result<R2t> {
        let deadline = Instant::now() + self.patience;
        while self.r2ts.is_empty() {
            self.step(deadline)?;
        }
        Ok(self.r2ts.remove(0))
    }

    /// Whether a command has ended, as far as PDUs were taken in.
    pub fn is_done(&self, cid: Cid) -> bool {
        self.done.contains_key(&cid.0)
    }

    /// Waits until a command has ended.
    pub fn wait(&mut self, cid: Cid) -> Result<Done> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(done) = self.done.remove(&cid.0) {
                return Ok(done);
            }
            self.step(deadline)?;
        }
    }

    /// One command from start to end.
    pub fn run(&mut self, entry: Entry, data: Data) -> Result<Done> {
        let cid = self.start(entry, data)?;
        self.wait(cid)
    }

    /// Connect; the answer, whatever it is.
    pub fn connect(&mut self, connect: &Connect) -> Result<Done> {
        let cid = self.queue.connect(connect)?;
        self.flush()?;
        self.wait(cid)
    }

    /// The controller must close the connection; how that came, if a PDU said so.
    pub fn read_to_close(&mut self, patience: Duration) -> Result<Option<Error>> {
        let deadline = Instant::now() + patience;
        loop {
            match self.step(deadline) {
                Ok(()) => {}
                Err(Error::Closed) => return Ok(None),
                Err(error @ Error::Ended(_)) => return Ok(Some(error)),
                Err(error) => return Err(error),
            }
        }
    }
}
