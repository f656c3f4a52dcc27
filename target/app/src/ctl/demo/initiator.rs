//! An initiator as small as RFC 7143 lets one be: one session, one command at a time, neither authentication nor digests.
//!
//! It shares the words of the protocol (`pdu`) with the target and nothing else. It never connects again: whatever a swap
//! must not do to a session ends it here, with the reason.

use super::load::Disk;
use mainstay_base::sam::Lun;
use mainstay_proto::iscsi::pdu::*;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes of a logical block of the volume.
pub const BLOCK: usize = 512;
/// A target that says nothing for so long is gone.
pub const SILENCE: Duration = Duration::from_secs(15);
const GOOD: u8 = 0;

/// What a swap must not bring about.
#[derive(Debug)]
pub enum Trouble {
    /// A command was answered with something else than GOOD; the session goes on.
    Failed(String),
    /// The session is at its end.
    Lost(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Lost(match error.kind() {
            io::ErrorKind::UnexpectedEof => "the target closed the connection".to_owned(),
            io::ErrorKind::WouldBlock => format!("no answer within {} s", SILENCE.as_secs()),
            _ => error.to_string(),
        })
    }
}

/// A session in full feature phase.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<TcpStream>,
    /// Data of a write goes with the command; else when the target asks for it.
    immediate: bool,
    cmd_sn: CmdSn,
    cmd_sn_max: CmdSn,
    exp_stat_sn: StatSn,
}

impl Session {
    /// Logs in to `target`; `number` tells our sessions apart.
    pub fn login(portal: SocketAddr, target: &str, number: u16) -> Result<Session, Trouble> {
        let stream = TcpStream::connect(portal)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let (cmd_sn, exp_stat_sn, immediate) = (CmdSn(1), StatSn(0), number.is_multiple_of(2));
        let stream = BufReader::with_capacity(64 << 10, stream);
        let mut session = Session { stream, immediate, cmd_sn, cmd_sn_max: cmd_sn, exp_stat_sn };
        let keys = format!(
            "InitiatorName=iqn.2026-11.internal.mainstay:demo\0TargetName={target}\0SessionType=Normal\0\
             HeaderDigest=None\0DataDigest=None\0InitialR2T=Yes\0ImmediateData={}\0",
            if immediate { "Yes" } else { "No" }
        );
        let [high, low] = number.to_be_bytes();
        let request = LoginRequest {
            transit: true,
            more: false,
            current: Stage::OperationalNegotiation,
            next: Stage::FullFeature,
            version_max: 0,
            version_min: 0,
            // Of the type "random" (RFC 7143 §11.12.5).
            isid: Isid([0x80, 0, 0, 0, high, low]),
            tsih: 0,
            itt: Itt(0),
            cid: 0,
            cmd_sn,
            exp_stat_sn,
        };
        session.send(&request.emit(keys.len()), keys.as_bytes())?;
        match session.receive()?.0 {
            Response::Login(answer) if answer.status == (0, 0) && answer.transit => {
                session.exp_stat_sn = answer.counters.stat_sn.plus(1);
                session.cmd_sn_max = answer.counters.max_cmd_sn;
            }
            other => return Err(Trouble::Lost(format!("not logged in: {other:?}"))),
        }
        // TEST UNIT READY takes what a unit tells a new session first (SPC-4 §5.14), whether there is something or not.
        match session.command([0; 16], &[], &mut []) {
            Err(Trouble::Lost(why)) => Err(Trouble::Lost(why)),
            _ => Ok(session),
        }
    }

    /// Sends a command, serves it, and waits for its status.
    fn command(&mut self, cdb: [u8; 16], out: &[u8], into: &mut [u8]) -> Result<(), Trouble> {
        while self.cmd_sn_max.before(self.cmd_sn) {
            self.step(out, into)?;
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
        let now = if self.immediate { out } else { &[] };
        self.send(&request.emit(0, now.len()), now)?;
        self.cmd_sn = self.cmd_sn.plus(1);
        while !self.step(out, into)? {}
        Ok(())
    }

    /// Takes one PDU and does what it asks for; whether it was the status GOOD of our command.
    fn step(&mut self, out: &[u8], into: &mut [u8]) -> Result<bool, Trouble> {
        let (pdu, data) = self.receive()?;
        let ours = Itt(self.cmd_sn.plus(u32::MAX).0);
        let unexpected = Err(Trouble::Lost(format!("a PDU that nobody asked for: {pdu:?}")));
        match pdu {
            Response::DataIn(part) if part.itt == ours => {
                let at = part.offset as usize;
                let Some(place) = into.get_mut(at..at + data.len()) else { return unexpected };
                place.copy_from_slice(&data);
                part.status.map_or(Ok(false), |status| self.status(part.counters, status.status, &[]))
            }
            Response::ScsiResponse(answer) if answer.itt == ours && answer.response == 0 => {
                self.status(answer.counters, answer.status, &data)
            }
            Response::R2t(R2t { itt, ttt, lun, offset, desired, .. }) if itt == ours => {
                let at = offset as usize;
                let Some(wanted) = out.get(at..at + desired as usize) else { return unexpected };
                let exp_stat_sn = self.exp_stat_sn;
                let header = DataOut { last: true, lun, itt, ttt, exp_stat_sn, data_sn: 0, offset };
                self.send(&header.emit(wanted.len()), wanted).map(|()| false)
            }
            Response::NopIn(NopIn { lun, ttt, counters, .. }) => {
                self.window(counters);
                let (cmd_sn, exp_stat_sn) = (self.cmd_sn, self.exp_stat_sn);
                let pong = NopOut { immediate: true, lun, itt: Itt::RESERVED, ttt, cmd_sn, exp_stat_sn };
                if ttt != Ttt::RESERVED {
                    self.send(&pong.emit(data.len()), &data)?;
                }
                Ok(false)
            }
            _ => unexpected,
        }
    }

    /// A status has the number that is due: none was lost, none comes twice.
    fn status(&mut self, counters: Counters, status: u8, sense: &[u8]) -> Result<bool, Trouble> {
        self.window(counters);
        let due = std::mem::replace(&mut self.exp_stat_sn, counters.stat_sn.plus(1));
        match (due == counters.stat_sn, status) {
            (false, _) => Err(Trouble::Lost(format!("{:?} where {due:?} was due", counters.stat_sn))),
            (true, GOOD) => Ok(true),
            (true, _) => Err(Trouble::Failed(format!("status {status:#04x}, sense data {sense:02x?}"))),
        }
    }

    fn window(&mut self, counters: Counters) {
        if self.cmd_sn_max.before(counters.max_cmd_sn) {
            self.cmd_sn_max = counters.max_cmd_sn;
        }
    }

    fn send(&mut self, header: &Bhs, data: &[u8]) -> Result<(), Trouble> {
        let pdu = [header, data, &[0; 3][..padding(data.len())]].concat();
        Ok(self.stream.get_mut().write_all(&pdu)?)
    }

    fn receive(&mut self) -> Result<(Response, Vec<u8>), Trouble> {
        let mut header = [0; BHS_BYTES];
        self.stream.read_exact(&mut header)?;
        let bytes = data_bytes(&header);
        let mut data = vec![0; bytes + padding(bytes)];
        self.stream.read_exact(&mut data)?;
        data.truncate(bytes);
        Ok((Response::parse(&header), data))
    }
}

impl Disk for Session {
    /// READ(10) (SBC-3 §5.11).
    fn read(&mut self, lba: u32, into: &mut [u8]) -> Result<(), Trouble> {
        self.command(cdb10(0x28, lba, into.len()), &[], into)
    }

    /// WRITE(10) (SBC-3 §5.32).
    fn write(&mut self, lba: u32, from: &[u8]) -> Result<(), Trouble> {
        self.command(cdb10(0x2a, lba, from.len()), from, &mut [])
    }
}

fn cdb10(code: u8, lba: u32, bytes: usize) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = code;
    cdb[2..6].copy_from_slice(&lba.to_be_bytes());
    cdb[7..9].copy_from_slice(&((bytes / BLOCK) as u16).to_be_bytes());
    cdb
}
