//! A target that does nothing: it answers every login with yes, every read with the pattern and every write with GOOD.
//!
//! It is the ceiling of the client on this machine: a row in which it is not far ahead of the others says nothing about
//! them.

use std::fs;
use std::io::{IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mainstay_testkit::initiator::{opcode, pdu};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::pattern::Pattern;
use super::target::pin;

/// The thread's handle.
#[derive(Debug)]
pub struct Null {
    /// Where it listens.
    pub portal: SocketAddr,
    thread: i32,
}

const SEGMENT: usize = 256 << 10;

struct Peer {
    stream: TcpStream,
    inbox: Vec<u8>,
    end: usize,
    stat_sn: u32,
    cmd_sn: u32,
}

impl Null {
    /// Starts on core 0; lives as long as the process.
    pub fn start(bytes: u64, cores: usize) -> Result<Null, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("bind: {e}"))?;
        let portal = listener.local_addr().map_err(|e| format!("address: {e}"))?;
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            if cores > 1 {
                pin(0);
            }
            let _ = send.send(rustix::thread::gettid().as_raw_nonzero().get());
            if let Err(error) = serve(&listener, bytes) {
                eprintln!("null target: {error}");
            }
        });
        let thread = receive.recv().map_err(|e| format!("thread: {e}"))?;
        Ok(Null { portal, thread })
    }

    /// CPU time of the thread.
    pub fn cpu(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.thread)).unwrap_or_default();
        Duration::from_nanos(text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0))
    }
}

fn serve(listener: &TcpListener, bytes: u64) -> std::io::Result<()> {
    let pattern = Pattern::new();
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 16];
    loop {
        let ready = epoll::wait(&poll, &mut events[..], None).unwrap_or(0);
        for event in &events[..ready] {
            let index = event.data.u64();
            if index == u64::MAX {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                epoll::add(&poll, &stream, EventData::new_u64(peers.len() as u64), EventFlags::IN)?;
                peers.push(Some(Peer { stream, inbox: vec![0; 4 << 20], end: 0, stat_sn: 1, cmd_sn: 1 }));
                continue;
            }
            let slot = &mut peers[index as usize];
            if let Some(peer) = slot
                && !peer.turn(&pattern, bytes).unwrap_or(false)
            {
                *slot = None;
            }
        }
    }
}

impl Peer {
    /// Reads once and answers all of it with one write. False: the peer is gone.
    fn turn(&mut self, pattern: &Pattern, bytes: u64) -> std::io::Result<bool> {
        let n = self.stream.read(&mut self.inbox[self.end..])?;
        if n == 0 {
            return Ok(false);
        }
        self.end += n;
        let mut heads: Vec<([u8; 48], Vec<u8>, Option<(usize, usize)>)> = Vec::new();
        let mut start = 0;
        while let Some(head) = self.inbox[start..self.end].first_chunk::<48>() {
            let segment = usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]);
            let total = 48 + segment.next_multiple_of(4);
            if self.end - start < total {
                break;
            }
            let head = *head;
            let text =
                if head[0] & 0x3f == opcode::LOGIN { self.inbox[start + 48..][..segment].to_vec() } else { vec![] };
            start += total;
            heads.extend(self.answer(&head, &text, bytes));
        }
        self.inbox.copy_within(start..self.end, 0);
        self.end -= start;
        let mut slices = Vec::with_capacity(heads.len() * 2);
        for (head, text, data) in &heads {
            slices.push(IoSlice::new(head));
            slices.push(IoSlice::new(text));
            if let Some((at, len)) = *data {
                slices.push(IoSlice::new(&pattern.bytes()[at..at + len]));
            }
        }
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let count = rest.len().min(512);
            let n = self.stream.write_vectored(&rest[..count])?;
            IoSlice::advance_slices(&mut rest, n);
        }
        Ok(true)
    }

    fn answer(
        &mut self,
        head: &[u8; 48],
        text: &[u8],
        bytes: u64,
    ) -> Option<([u8; 48], Vec<u8>, Option<(usize, usize)>)> {
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let mut out = [0; 48];
        out[16..20].copy_from_slice(&head[16..20]);
        let mut say = Vec::new();
        let mut data = None;
        match head[0] & 0x3f {
            opcode::LOGIN => {
                out[0] = opcode::LOGIN_RESPONSE;
                out[1] = head[1];
                out[8..14].copy_from_slice(&head[8..14]);
                if head[1] & 3 == 3 {
                    out[14..16].copy_from_slice(&[0, 1]);
                }
                for (key, value) in pdu::pairs(text).unwrap_or_default() {
                    let value = match key.as_str() {
                        "InitiatorName" | "TargetName" | "SessionType" => continue,
                        "MaxRecvDataSegmentLength" => SEGMENT.to_string(),
                        _ => value,
                    };
                    say.extend_from_slice(format!("{key}={value}\0").as_bytes());
                }
                out[5..8].copy_from_slice(&(say.len() as u32).to_be_bytes()[1..]);
                say.resize(say.len().next_multiple_of(4), 0);
            }
            opcode::SCSI_COMMAND if head[32] == 0x28 => {
                let at = u64::from(word(34)) * 512 % bytes;
                let len = word(20) as usize;
                out[0] = opcode::DATA_IN;
                out[1] = 0x81;
                out[5..8].copy_from_slice(&(len as u32).to_be_bytes()[1..]);
                out[20..24].copy_from_slice(&pdu::NO_TAG.to_be_bytes());
                data = Some((Pattern::offset(0, at), len));
            }
            opcode::SCSI_COMMAND => {
                out[0] = opcode::SCSI_RESPONSE;
                out[1] = 0x80;
            }
            _ => return None,
        }
        if head[0] & pdu::IMMEDIATE == 0 {
            self.cmd_sn = word(24).wrapping_add(1);
        } else {
            self.cmd_sn = word(24);
        }
        out[24..28].copy_from_slice(&self.stat_sn.to_be_bytes());
        out[28..32].copy_from_slice(&self.cmd_sn.to_be_bytes());
        out[32..36].copy_from_slice(&self.cmd_sn.wrapping_add(127).to_be_bytes());
        self.stat_sn = self.stat_sn.wrapping_add(1);
        Some((out, say, data))
    }
}
