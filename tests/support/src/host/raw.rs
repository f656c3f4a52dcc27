//! A connection whose every byte is the script's.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::pdu::{Pdu, kind};
use super::{Error, Result, command};

/// A socket, and what came of it.
#[derive(Debug)]
pub struct Raw {
    pub(super) stream: TcpStream,
    pub(super) inbox: Vec<u8>,
    /// How long a step waits; 10 s at first.
    pub patience: Duration,
    /// PDUs are sent with header digests.
    pub header_digest: bool,
    /// PDUs with data are sent with data digests.
    pub data_digest: bool,
    /// CPDA.
    pub alignment: u8,
}

impl Raw {
    /// A TCP connection and nothing more.
    pub fn connect(portal: SocketAddr) -> Result<Raw> {
        let stream = TcpStream::connect_timeout(&portal, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(20)))?;
        Ok(Raw {
            stream,
            inbox: Vec::new(),
            patience: Duration::from_secs(10),
            header_digest: false,
            data_digest: false,
            alignment: 0,
        })
    }

    /// With ICReq and ICResp exchanged; digests as asked for, all of them.
    pub fn open(portal: SocketAddr, digests: bool) -> Result<Raw> {
        let mut raw = Raw::connect(portal)?;
        raw.send(&Pdu::ic_req(0, 0, if digests { 3 } else { 0 }, 1))?;
        let response = raw.receive()?;
        if response.kind != kind::IC_RESP {
            return Err(Error::Odd(format!("{response:?} where ICResp is due")));
        }
        (raw.header_digest, raw.data_digest) = (response.head[3] & 1 != 0, response.head[3] & 2 != 0);
        raw.alignment = response.head[2];
        Ok(raw)
    }

    /// As [`Raw::open`], and connected; gives the controller's identifier.
    pub fn connected(portal: SocketAddr, digests: bool, connect: &command::Connect) -> Result<(Raw, u16)> {
        let mut raw = Raw::open(portal, digests)?;
        let mut entry = connect.entry();
        entry.set_sgl(mainstay_proto::nvme::Sgl::InCapsule { offset: 0, len: command::CONNECT_BYTES });
        raw.send(&Pdu::capsule(&entry.0, &connect.data()))?;
        let response = raw.receive()?;
        if response.kind != kind::CAPSULE_RESP || response.head[14..16] != [0, 0] {
            return Err(Error::Odd(format!("{response:?} where a good completion of Connect is due")));
        }
        Ok((raw, response.u16(8)))
    }

    /// The socket, for scripts that cut, stall or read it themselves.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// The bytes of a PDU with what was agreed.
    pub fn encode(&self, pdu: &Pdu) -> Vec<u8> {
        // What opens a connection, and what ends it, has no digests.
        let bare = pdu.kind < kind::CAPSULE_CMD;
        pdu.encode(self.header_digest && !bare, self.data_digest && !bare, self.alignment)
    }

    /// One PDU.
    pub fn send(&mut self, pdu: &Pdu) -> Result<()> {
        let bytes = self.encode(pdu);
        self.send_bytes(&bytes)
    }

    /// The next PDU.
    pub fn receive(&mut self) -> Result<Pdu> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some((pdu, taken)) = Pdu::decode(&self.inbox).map_err(Error::Odd)? {
                self.inbox.drain(..taken);
                return Ok(pdu);
            }
            fill(&mut self.stream, &mut self.inbox, deadline)?;
        }
    }

    /// Reads until the controller closes; gives what it said before. `Timeout` when it does not close in time.
    pub fn read_to_close(&mut self, patience: Duration) -> Result<Vec<Pdu>> {
        let deadline = Instant::now() + patience;
        let mut seen = Vec::new();
        loop {
            match Pdu::decode(&self.inbox).map_err(Error::Odd)? {
                Some((pdu, taken)) => {
                    self.inbox.drain(..taken);
                    seen.push(pdu);
                }
                None => match fill(&mut self.stream, &mut self.inbox, deadline) {
                    Ok(()) => {}
                    Err(Error::Closed) => return Ok(seen),
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// The connection must end; gives status and information of its C2HTermReq, if there was one.
    pub fn refused(&mut self, patience: Duration) -> Result<Option<(u16, u32)>> {
        let seen = self.read_to_close(patience)?;
        Ok(seen.iter().find(|pdu| pdu.kind == kind::C2H_TERM_REQ).map(Pdu::term))
    }
}

/// One read.
pub(super) fn fill(stream: &mut TcpStream, inbox: &mut Vec<u8>, deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    let mut chunk = [0; 65536];
    match stream.read(&mut chunk)? {
        0 => Err(Error::Closed),
        n => {
            inbox.extend_from_slice(&chunk[..n]);
            if Instant::now() > deadline { Err(Error::Timeout) } else { Ok(()) }
        }
    }
}
