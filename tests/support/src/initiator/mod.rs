//! A scripted initiator: one TCP connection, every number in the script's hands.
//!
//! Three floors, each usable alone: [`Session::send`] and [`Session::receive`] move single PDUs; [`Session::start`] and
//! [`Session::wait`] run SCSI tasks, any number at once, answering R2Ts and pings; the methods of [`disk`] are whole
//! commands. The counters are public fields: a script that wants a wrong one writes it.

pub mod cdb;
pub mod chap;
pub mod disk;
pub mod login;
pub mod pdu;
pub mod task;

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub use chap::Chap;
pub use login::Login;
pub use pdu::{Pdu, opcode};
pub use task::{Command, Outcome};

/// Why a script's step did not go as wished.
#[derive(Debug)]
pub enum Error {
    /// The target closed the connection.
    Closed,
    /// Nothing came in time.
    Timeout,
    /// The socket said something else.
    Io(io::Error),
    /// A login response with this status class and detail (RFC 7143 §11.13.5).
    Login {
        /// 1 redirect, 2 initiator error, 3 target error.
        class: u8,
        /// Depends on the class.
        detail: u8,
    },
    /// A Reject PDU (RFC 7143 §11.17).
    Reject {
        /// Reason code.
        reason: u8,
        /// The whole PDU.
        pdu: Box<Pdu>,
    },
    /// The target broke the protocol, or did what the script did not expect.
    Odd(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Error::Closed,
            _ => Error::Io(error),
        }
    }
}

/// `Result` of a script's step.
pub type Result<T> = std::result::Result<T, Error>;

/// What was agreed at login, as far as sending depends on it.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Agreed {
    pub initial_r2t: bool,
    pub immediate_data: bool,
    pub first_burst: usize,
    pub max_burst: usize,
    /// What the target declared it can receive in one data segment.
    pub target_segment: usize,
    pub max_outstanding_r2t: usize,
}

impl Default for Agreed {
    /// RFC 7143 §13: the values when nothing was said.
    fn default() -> Agreed {
        Agreed {
            initial_r2t: true,
            immediate_data: true,
            first_burst: 65536,
            max_burst: 262_144,
            target_segment: 8192,
            max_outstanding_r2t: 1,
        }
    }
}

/// One connection of a scripted initiator; logged in, unless it came from [`Session::connect`].
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// How long a step waits for the target; 10 s at first.
    pub patience: Duration,
    /// Header digests are on, both ways.
    pub header_digest: bool,
    /// Data digests are on, both ways.
    pub data_digest: bool,
    /// The next command's number.
    pub cmd_sn: u32,
    /// The next status number expected of the target.
    pub exp_stat_sn: u32,
    /// The target's word of the last PDU.
    pub exp_cmd_sn: u32,
    /// The target's word of the last PDU.
    pub max_cmd_sn: u32,
    /// The next tag.
    pub next_itt: u32,
    /// Initiator session id.
    pub isid: [u8; 6],
    /// The target's session handle; 0 before the login is complete.
    pub tsih: u16,
    /// Everything the target said at login, last word of each key.
    pub keys: BTreeMap<String, String>,
    /// What follows from the keys.
    pub agreed: Agreed,
    /// Answers R2Ts by itself; else they wait in `r2ts`.
    pub answer_r2t: bool,
    /// Answers the target's pings by itself.
    pub answer_pings: bool,
    /// R2Ts that were not answered.
    pub r2ts: Vec<Pdu>,
    /// Pings of the target seen so far.
    pub pings: Vec<Pdu>,
    /// Rejects seen while waiting for something else.
    pub rejects: Vec<Pdu>,
    /// Asynchronous messages seen while waiting for something else.
    pub asyncs: Vec<Pdu>,
    tasks: BTreeMap<u32, task::Pending>,
}

impl Session {
    /// A TCP connection and nothing more.
    pub fn connect(portal: SocketAddr) -> Result<Session> {
        let stream = TcpStream::connect_timeout(&portal, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(20)))?;
        Ok(Session {
            stream,
            inbox: Vec::new(),
            patience: Duration::from_secs(10),
            header_digest: false,
            data_digest: false,
            cmd_sn: 1,
            exp_stat_sn: 0,
            exp_cmd_sn: 1,
            max_cmd_sn: 1,
            next_itt: 1,
            isid: [0x80, 0, 0, 0, 0, 1],
            tsih: 0,
            keys: BTreeMap::new(),
            agreed: Agreed::default(),
            answer_r2t: true,
            answer_pings: true,
            r2ts: Vec::new(),
            pings: Vec::new(),
            rejects: Vec::new(),
            asyncs: Vec::new(),
            tasks: BTreeMap::new(),
        })
    }

    /// The socket, for scripts that want to cut, stall or read it themselves.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The socket alone, for a driver of another kind; the counters stay behind with the caller.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.inbox.is_empty() && self.tasks.is_empty(), "nothing may be under way");
        self.stream
    }

    /// Our own address.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// The bytes of a PDU with this connection's digests.
    pub fn encode(&self, pdu: &Pdu) -> Vec<u8> {
        pdu.encode(self.header_digest, self.data_digest)
    }

    /// One PDU.
    pub fn send(&mut self, pdu: &Pdu) -> Result<()> {
        let bytes = self.encode(pdu);
        self.send_bytes(&bytes)
    }

    /// The first `at` bytes of a PDU (counted from the end when negative); returns the rest, to be sent when the script
    /// pleases.
    pub fn send_part(&mut self, pdu: &Pdu, at: isize) -> Result<Vec<u8>> {
        let mut bytes = self.encode(pdu);
        let at =
            if at < 0 { bytes.len().saturating_sub(at.unsigned_abs()) } else { at.unsigned_abs().min(bytes.len()) };
        let rest = bytes.split_off(at);
        self.send_bytes(&bytes)?;
        Ok(rest)
    }

    /// The next PDU, whatever it is; the counters follow it.
    pub fn receive(&mut self) -> Result<Pdu> {
        self.receive_within(self.patience)
    }

    /// As [`Session::receive`], waiting no longer than `patience`. Bytes of an unfinished PDU are kept.
    pub fn receive_within(&mut self, patience: Duration) -> Result<Pdu> {
        let deadline = Instant::now() + patience;
        loop {
            match Pdu::decode(&self.inbox, self.header_digest, self.data_digest).map_err(Error::Odd)? {
                Some((pdu, taken)) => {
                    self.inbox.drain(..taken);
                    self.follow(&pdu)?;
                    return Ok(pdu);
                }
                None => self.fill(deadline)?,
            }
        }
    }

    fn fill(&mut self, deadline: Instant) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 65536];
        let n = self.stream.read(&mut chunk)?;
        if n == 0 {
            return Err(Error::Closed);
        }
        self.inbox.extend_from_slice(&chunk[..n]);
        if Instant::now() > deadline { Err(Error::Timeout) } else { Ok(()) }
    }

    /// Reads until the target closes; gives what it said before. `Timeout` when it does not close in time.
    pub fn read_to_close(&mut self, patience: Duration) -> Result<Vec<Pdu>> {
        let deadline = Instant::now() + patience;
        let mut seen = Vec::new();
        loop {
            match self.receive_within(deadline.saturating_duration_since(Instant::now())) {
                Ok(pdu) => seen.push(pdu),
                Err(Error::Closed) => return Ok(seen),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sequence numbers of RFC 7143 §4.2.2; a target that skips or repeats a StatSN is odd.
    fn follow(&mut self, pdu: &Pdu) -> Result<()> {
        let carries_status = match pdu.opcode() {
            opcode::LOGIN_RESPONSE => {
                // The first login response starts the count.
                if self.exp_stat_sn == 0 && pdu.bhs[36] == 0 {
                    self.exp_stat_sn = pdu.stat_sn();
                }
                pdu.bhs[36] == 0
            }
            opcode::DATA_IN => pdu.flags() & 0x01 != 0,
            opcode::NOP_IN => pdu.itt() != pdu::NO_TAG,
            opcode::R2T => false,
            _ => true,
        };
        if carries_status {
            if pdu.stat_sn() != self.exp_stat_sn {
                return Err(Error::Odd(format!("StatSN {} where {} is due: {pdu:?}", pdu.stat_sn(), self.exp_stat_sn)));
            }
            self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
        }
        let (exp, max) = (pdu.u32(28), pdu.u32(32));
        // MaxCmdSN below ExpCmdSN - 1 is to be ignored, both; so is an older word (RFC 7143 §4.2.2.1).
        if max.wrapping_sub(exp).wrapping_add(1) as i32 >= 0 {
            if max.wrapping_sub(self.max_cmd_sn) as i32 > 0 {
                self.max_cmd_sn = max;
            }
            if exp.wrapping_sub(self.exp_cmd_sn) as i32 > 0 {
                self.exp_cmd_sn = exp;
            }
        }
        Ok(())
    }

    /// A new tag.
    pub fn tag(&mut self) -> u32 {
        let itt = self.next_itt;
        self.next_itt = self.next_itt.wrapping_add(1);
        if self.next_itt == pdu::NO_TAG {
            self.next_itt = 1;
        }
        itt
    }

    /// Takes the next command number for a PDU that is not immediate.
    pub fn take_cmd_sn(&mut self) -> u32 {
        let sn = self.cmd_sn;
        self.cmd_sn = sn.wrapping_add(1);
        sn
    }

    /// Commands that may be sent now.
    pub fn window(&self) -> u32 {
        let room = self.max_cmd_sn.wrapping_sub(self.cmd_sn).wrapping_add(1);
        if room as i32 > 0 { room } else { 0 }
    }

    /// An initiator's request with tag, command number and status acknowledgement in place. Immediate requests carry the
    /// number without using it up (RFC 7143 §4.2.2.1).
    pub fn request(&mut self, opcode: u8, immediate: bool) -> Pdu {
        let mut pdu = Pdu::new(opcode);
        let itt = self.tag();
        let sn = if immediate { self.cmd_sn } else { self.take_cmd_sn() };
        pdu.set_u32(16, itt).set_u32(24, sn).set_u32(28, self.exp_stat_sn);
        if immediate { pdu.immediate() } else { pdu }
    }

    /// A ping with data; gives the echo (RFC 7143 §11.18).
    pub fn ping(&mut self, data: &[u8]) -> Result<Vec<u8>> {
        let mut pdu = self.request(opcode::NOP_OUT, true);
        pdu.set_u32(20, pdu::NO_TAG);
        pdu.data = data.to_vec();
        self.send(&pdu)?;
        Ok(self.answer_to(pdu.itt(), opcode::NOP_IN)?.data)
    }

    /// Waits for the PDU of kind `opcode` with this tag; SCSI traffic in between goes on.
    pub fn answer_to(&mut self, itt: u32, opcode: u8) -> Result<Pdu> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(pdu) = self.step(deadline)? {
                if pdu.opcode() == opcode && pdu.itt() == itt {
                    return Ok(pdu);
                }
                return Err(Error::Odd(format!("waited for {opcode:#x} with tag {itt}, got {pdu:?}")));
            }
        }
    }

    /// One text negotiation; gives the target's pairs, put together from as many PDUs as it takes.
    pub fn text(&mut self, ask: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
        let mut bytes = Vec::new();
        let mut pdu = self.request(opcode::TEXT, false);
        pdu.set_u32(20, pdu::NO_TAG);
        pdu.data = pdu::text(ask);
        let itt = pdu.itt();
        loop {
            self.send(&pdu)?;
            let answer = self.answer_to(itt, opcode::TEXT_RESPONSE)?;
            bytes.extend_from_slice(&answer.data);
            if answer.flags() & pdu::FINAL != 0 {
                return pdu::pairs(&bytes).map_err(Error::Odd);
            }
            if answer.ttt() == pdu::NO_TAG {
                return Err(Error::Odd(format!("more text to come but no transfer tag: {answer:?}")));
            }
            pdu = self.request(opcode::TEXT, false);
            pdu.set_u32(16, itt).set_u32(20, answer.ttt());
        }
    }

    /// SendTargets; `what` is `All`, a target's name, or empty (RFC 7143 appendix C). Target names with their addresses.
    pub fn send_targets(&mut self, what: &str) -> Result<Vec<(String, Vec<String>)>> {
        let mut out: Vec<(String, Vec<String>)> = Vec::new();
        for (key, value) in self.text(&[("SendTargets", what)])? {
            match (key.as_str(), out.last_mut()) {
                ("TargetName", _) => out.push((value, Vec::new())),
                ("TargetAddress", Some((_, addresses))) => addresses.push(value),
                _ => return Err(Error::Odd(format!("{key}={value} in a SendTargets answer"))),
            }
        }
        Ok(out)
    }

    /// Closes the session as RFC 7143 §11.14 says; gives the response code. The target closes the connection.
    pub fn logout(mut self) -> Result<u8> {
        let mut pdu = self.request(opcode::LOGOUT, true);
        pdu.bhs[1] = pdu::FINAL;
        self.send(&pdu)?;
        let answer = self.answer_to(pdu.itt(), opcode::LOGOUT_RESPONSE)?;
        match self.read_to_close(Duration::from_secs(5))?.as_slice() {
            [] => Ok(answer.bhs[2]),
            more => Err(Error::Odd(format!("after the logout response came {more:?}"))),
        }
    }
}
