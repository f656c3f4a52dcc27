//! An initiator as small as RFC 7143 lets one be: one session, one command at a time, neither authentication nor digests.
//!
//! It shares the words of the protocol with the target (`pdu`), and nothing else. It never connects again: whatever a swap
//! must not do to a session ends the session here, with the reason.

use mainstay_base::sam::Lun;
use mainstay_proto::iscsi::pdu::{
    Attribute, BHS_BYTES, CmdSn, Counters, Isid, Itt, LoginRequest, NopOut, Response, ScsiCommand, Stage, StatSn, Ttt,
    data_bytes, padding,
};
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Our name.
pub const NAME: &str = "iqn.2026-11.internal.mainstay:demo";
/// Bytes of a logical block of the volume.
pub const BLOCK: usize = 512;
/// A target that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);
const GOOD: u8 = 0;

/// Why a session is at its end.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Lost {
    #[error("the target closed the connection")]
    Closed,
    #[error("no answer within {} s", SILENCE.as_secs())]
    Silent,
    #[error("connection: {0}")]
    Broken(io::Error),
    #[error("login refused, status {0:#04x}{1:02x}")]
    Refused(u8, u8),
    #[error("StatSN {0} where {1} was due")]
    Number(u32, u32),
    #[error("what nobody asked for: {0}")]
    Unexpected(String),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Lost {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Lost::Closed,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Lost::Silent,
            _ => Lost::Broken(error),
        }
    }
}

/// A command that was not answered with GOOD: its status and sense data.
#[derive(Debug, PartialEq, Eq)]
pub struct NotGood(pub u8, pub Vec<u8>);

/// A session in full feature phase.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<TcpStream>,
    cmd_sn: CmdSn,
    cmd_sn_max: CmdSn,
    exp_stat_sn: StatSn,
}

impl Session {
    /// Logs in to `target`; `number` tells our sessions apart.
    pub fn login(portal: SocketAddr, target: &str, number: u16) -> Result<Session, Lost> {
        let stream = TcpStream::connect(portal)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let (cmd_sn, exp_stat_sn) = (CmdSn(1), StatSn(0));
        let stream = BufReader::with_capacity(64 << 10, stream);
        let mut session = Session { stream, cmd_sn, cmd_sn_max: cmd_sn, exp_stat_sn };
        let keys = format!(
            "InitiatorName={NAME}\0TargetName={target}\0SessionType=Normal\0HeaderDigest=None\0DataDigest=None\0\
             InitialR2T=Yes\0ImmediateData=Yes\0MaxRecvDataSegmentLength=65536\0"
        );
        let [high, low] = number.to_be_bytes();
        let request = LoginRequest {
            transit: true,
            more: false,
            current: Stage::OperationalNegotiation,
            next: Stage::FullFeature,
            version_max: 0,
            version_min: 0,
            // Type random (RFC 7143 §11.12.5), our number as qualifier.
            isid: Isid([0x80, 0, 0, 0, high, low]),
            tsih: 0,
            itt: Itt(0),
            cid: 0,
            cmd_sn,
            exp_stat_sn,
        };
        session.send(&request.emit(keys.len()), keys.as_bytes())?;
        match session.receive()? {
            (Response::Login(answer), _) if answer.status != (0, 0) => {
                Err(Lost::Refused(answer.status.0, answer.status.1))
            }
            (Response::Login(answer), _) if answer.transit && answer.next == Stage::FullFeature => {
                session.exp_stat_sn = answer.counters.stat_sn.plus(1);
                session.cmd_sn_max = answer.counters.max_cmd_sn;
                session.ready()
            }
            (other, _) => Err(Lost::Unexpected(format!("{other:?}"))),
        }
    }

    /// TEST UNIT READY takes what a unit tells a new session first (SPC-4 §5.14).
    fn ready(mut self) -> Result<Session, Lost> {
        for _ in 0..8 {
            if self.command([0; 16], &[], &mut [])?.is_ok() {
                break;
            }
        }
        Ok(self)
    }

    /// READ(10): fills `into` with whole blocks from `lba` on.
    pub fn read(&mut self, lba: u32, into: &mut [u8]) -> Result<Result<(), NotGood>, Lost> {
        self.command(cdb(0x28, lba, into.len()), &[], into)
    }

    /// WRITE(10): writes whole blocks, as immediate data.
    pub fn write(&mut self, lba: u32, from: &[u8]) -> Result<Result<(), NotGood>, Lost> {
        self.command(cdb(0x2a, lba, from.len()), from, &mut [])
    }

    /// Sends a command with its data and waits for its status; what comes in goes to `into`.
    fn command(&mut self, cdb: [u8; 16], out: &[u8], into: &mut [u8]) -> Result<Result<(), NotGood>, Lost> {
        while self.cmd_sn_max.before(self.cmd_sn) {
            self.step(&mut [])?;
        }
        let request = ScsiCommand {
            immediate: false,
            last: true,
            read: !into.is_empty(),
            write: !out.is_empty(),
            attribute: Attribute::Simple,
            lun: Lun::from_number(0),
            itt: Itt(self.cmd_sn.0),
            expected: out.len().max(into.len()) as u32,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            cdb,
        };
        self.send(&request.emit(0, out.len()), out)?;
        self.cmd_sn = self.cmd_sn.plus(1);
        loop {
            if let Some(done) = self.step(into)? {
                return Ok(done);
            }
        }
    }

    /// Takes one PDU; the outcome, when it ends the command.
    fn step(&mut self, into: &mut [u8]) -> Result<Option<Result<(), NotGood>>, Lost> {
        let (pdu, data) = self.receive()?;
        let ours = Itt(self.cmd_sn.plus(u32::MAX).0);
        match pdu {
            Response::DataIn(part) if part.itt == ours => {
                let at = part.offset as usize;
                let Some(place) = into.get_mut(at..at + data.len()) else {
                    return Err(Lost::Unexpected(format!("{part:?}")));
                };
                place.copy_from_slice(&data);
                self.window(part.counters);
                let Some(status) = part.status else { return Ok(None) };
                self.numbered(part.counters)?;
                Ok(Some(if status.status == GOOD { Ok(()) } else { Err(NotGood(status.status, Vec::new())) }))
            }
            Response::ScsiResponse(answer) if answer.itt == ours => {
                self.numbered(answer.counters)?;
                let good = answer.response == 0 && answer.status == GOOD;
                Ok(Some(if good { Ok(()) } else { Err(NotGood(answer.status, data)) }))
            }
            Response::NopIn(ping) => {
                self.window(ping.counters);
                if ping.ttt != Ttt::RESERVED {
                    let (cmd_sn, exp_stat_sn) = (self.cmd_sn, self.exp_stat_sn);
                    let (lun, itt, ttt) = (ping.lun, Itt::RESERVED, ping.ttt);
                    let pong = NopOut { immediate: true, lun, itt, ttt, cmd_sn, exp_stat_sn };
                    self.send(&pong.emit(data.len()), &data)?;
                }
                Ok(None)
            }
            other => Err(Lost::Unexpected(format!("{other:?}"))),
        }
    }

    fn window(&mut self, counters: Counters) {
        if self.cmd_sn_max.before(counters.max_cmd_sn) {
            self.cmd_sn_max = counters.max_cmd_sn;
        }
    }

    /// A status has the next number: none is lost, none comes twice.
    fn numbered(&mut self, counters: Counters) -> Result<(), Lost> {
        self.window(counters);
        if counters.stat_sn != self.exp_stat_sn {
            return Err(Lost::Number(counters.stat_sn.0, self.exp_stat_sn.0));
        }
        self.exp_stat_sn = self.exp_stat_sn.plus(1);
        Ok(())
    }

    fn send(&mut self, header: &[u8; BHS_BYTES], data: &[u8]) -> Result<(), Lost> {
        let mut pdu = Vec::with_capacity(BHS_BYTES + data.len() + 3);
        pdu.extend(header);
        pdu.extend(data);
        pdu.resize(pdu.len() + padding(data.len()), 0);
        Ok(self.stream.get_mut().write_all(&pdu)?)
    }

    fn receive(&mut self) -> Result<(Response, Vec<u8>), Lost> {
        let mut header = [0; BHS_BYTES];
        self.stream.read_exact(&mut header)?;
        let bytes = data_bytes(&header);
        let mut data = vec![0; bytes + padding(bytes)];
        self.stream.read_exact(&mut data)?;
        data.truncate(bytes);
        Ok((Response::parse(&header), data))
    }
}

/// READ(10) or WRITE(10) (SBC-3 §5.11, §5.32).
fn cdb(code: u8, lba: u32, bytes: usize) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = code;
    cdb[2..6].copy_from_slice(&lba.to_be_bytes());
    cdb[7..9].copy_from_slice(&((bytes / BLOCK) as u16).to_be_bytes());
    cdb
}
