//! One connection of a host: one queue.
//!
//! ```text
//!  submit ──► capsule (data in it, or by R2T) ──► bytes for the controller
//!  bytes of the controller ──► completions with their data ──► poll_event
//! ```

mod input;
mod pending;
pub mod saved;
#[cfg(test)]
mod tests;

use super::command::Connect;
use super::completion::Completion;
use crate::nvme::entry::{Cid, Entry, Sgl};
use crate::nvmetcp::pdu::{CapsuleCmd, Digests, Fault, Framing, H2cData, IcReq, PFV_1_0, R2t, Role, TermReq, digest};
use pending::Pending;
use std::collections::{BTreeMap, VecDeque};

/// Bytes of data that every controller takes in the capsule of a Fabrics or admin command (tcp §3.3.2.2.1).
pub const IN_CAPSULE_MIN: u32 = 8192;
/// The shortest MAXH2CDATA (tcp §3.6.2.2).
const H2C_DATA_MIN: u32 = 4096;

/// What the host wants of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Digests to ask for.
    pub digests: Digests,
    /// HPDA: where data to us shall begin.
    pub hpda: u8,
    /// R2Ts that may be outstanding for one command, from 1 on.
    pub r2ts_max: u32,
    /// R2Ts are events, answered by [`Queue::answer`]; else the queue answers them by itself.
    pub hold_r2ts: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { digests: Digests::default(), hpda: 0, r2ts_max: 1, hold_r2ts: false }
    }
}

/// What a command brings along, or asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Neither.
    Nothing,
    /// These bytes, in the capsule if they fit there.
    ToController(Vec<u8>),
    /// So many bytes from the controller.
    ToHost(u32),
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection is open: Connect is next.
    Opened,
    /// A command has ended.
    Completed {
        /// How.
        completion: Completion,
        /// What the controller sent, in place; shorter than was asked for if it sent less.
        data: Vec<u8>,
        /// A data digest was wrong: the data is not to be trusted, whatever the status.
        damaged: bool,
    },
    /// Data is asked for (only with [`Setup::hold_r2ts`]).
    R2t(R2t),
}

/// Why the queue is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The controller broke the standard; it was told so.
    Fault(Fault),
    /// The controller says that we broke it (C2HTermReq).
    Terminated(TermReq),
    /// The connection is gone.
    Disconnected,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Fault(fault) => write!(f, "the controller sent {}: {} (at {:#x})", fault.why, fault.fes, fault.fei),
            End::Terminated(request) => {
                write!(f, "the controller complains of {} (at {:#x})", request.fes, request.fei)
            }
            End::Disconnected => f.write_str("the connection has ended"),
        }
    }
}

impl std::error::Error for End {}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The connection is not open yet, or no more.
    #[error("the connection is not open")]
    NotOpen,
    /// The submission queue, or the completion queue, has no room.
    #[error("the queue is full")]
    Full,
}

/// Positions in a submission queue with flow control (base §3.3.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flow {
    head: u16,
    tail: u16,
}

/// What was agreed when the connection opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Agreed {
    /// How our PDUs look.
    ours: Framing,
    /// MAXH2CDATA.
    h2c_data_max: u32,
}

/// A queue as its host sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    setup: Setup,
    agreed: Option<Agreed>,
    end: Option<End>,
    /// Entries of the submission queue; before Connect has succeeded there is room for it alone.
    entries: u16,
    flow: Option<Flow>,
    in_capsule: u32,
    pending: BTreeMap<u16, Pending>,
    next_cid: u16,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    sent: usize,
    events: VecDeque<Event>,
}

impl Queue {
    /// Over a new connection; its first bytes are there to be sent.
    pub fn new(setup: Setup) -> Queue {
        let setup = Setup { hpda: setup.hpda.min(31), r2ts_max: setup.r2ts_max.max(1), ..setup };
        let request =
            IcReq { pfv: PFV_1_0, hpda: setup.hpda, digests: setup.digests, maxr2t: setup.r2ts_max.saturating_sub(1) };
        Queue {
            setup,
            agreed: None,
            end: None,
            entries: 2,
            flow: None,
            in_capsule: IN_CAPSULE_MIN,
            pending: BTreeMap::new(),
            next_cid: 0,
            inbox: Vec::new(),
            outbox: request.emit().to_vec(),
            sent: 0,
            events: VecDeque::new(),
        }
    }

    /// Bytes to be sent.
    pub fn output(&self) -> &[u8] {
        &self.outbox[self.sent..]
    }

    /// So many of them were.
    pub fn sent(&mut self, bytes: usize) {
        self.sent = (self.sent + bytes).min(self.outbox.len());
        if self.sent == self.outbox.len() {
            self.outbox.clear();
            self.sent = 0;
        }
    }

    /// What has happened since the last time.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Why it is over, if it is.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The connection is gone: what is outstanding will never be answered.
    pub fn disconnected(&mut self) {
        self.end.get_or_insert(End::Disconnected);
    }

    /// Digests in use; none while the connection is not open.
    pub fn digests(&self) -> Option<Digests> {
        self.agreed.map(|agreed| agreed.ours.digests)
    }

    /// CPDA; none while the connection is not open.
    pub fn alignment(&self) -> Option<u8> {
        self.agreed.map(|agreed| agreed.ours.pda)
    }

    /// MAXH2CDATA; none while the connection is not open.
    pub fn h2c_data_max(&self) -> Option<u32> {
        self.agreed.map(|agreed| agreed.h2c_data_max)
    }

    /// Bytes of data that may go into a capsule, as Identify Controller tells for I/O queues (IOCCSZ).
    pub fn set_in_capsule(&mut self, bytes: u32) {
        self.in_capsule = bytes;
    }

    /// Commands that have not ended.
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// Commands that may be submitted now.
    pub fn room(&self) -> usize {
        if self.agreed.is_none() || self.end.is_some() {
            return 0;
        }
        // One entry of a ring stays free, of the completion queue too (base §3.3.1.2), and the completion queue is as long.
        let room = usize::from(self.entries - 1).saturating_sub(self.pending.len());
        match self.flow {
            None => room,
            Some(Flow { head, tail }) => {
                let used = (u32::from(tail) + u32::from(self.entries) - u32::from(head)) % u32::from(self.entries);
                room.min((u32::from(self.entries) - 1 - used) as usize)
            }
        }
    }

    /// Connect: it is the first command of a queue. When it succeeds, the queue is as large as it says.
    ///
    /// # Errors
    /// It was not taken.
    pub fn connect(&mut self, connect: &Connect) -> Result<Cid, NotTaken> {
        let cid = self.submit(connect.entry(), Data::ToController(connect.data()))?;
        if let Some(pending) = self.pending.get_mut(&cid.0) {
            pending.connects = Some(connect.entries.max(2));
        }
        Ok(cid)
    }

    /// Submits a command. Its CID and SGL are filled in here.
    ///
    /// # Errors
    /// It was not taken.
    pub fn submit(&mut self, mut entry: Entry, data: Data) -> Result<Cid, NotTaken> {
        let agreed = self.agreed.filter(|_| self.end.is_none()).ok_or(NotTaken::NotOpen)?;
        if self.room() == 0 {
            return Err(NotTaken::Full);
        }
        while self.pending.contains_key(&self.next_cid) {
            self.next_cid = self.next_cid.wrapping_add(1);
        }
        let cid = self.next_cid;
        // FFFFh is what error log entries call no command.
        self.next_cid = if cid >= 0xfffe { 0 } else { cid + 1 };
        entry.0[2..4].copy_from_slice(&cid.to_le_bytes());
        let mut pending = Pending::default();
        let (sgl, inside) = match data {
            Data::Nothing => (Sgl::Transport { len: 0 }, Vec::new()),
            Data::ToHost(len) => {
                pending.wants = len;
                (Sgl::Transport { len }, Vec::new())
            }
            Data::ToController(bytes) => {
                let len = bytes.len() as u32;
                if len <= self.in_capsule {
                    (Sgl::InCapsule { offset: 0, len }, bytes)
                } else {
                    pending.out = bytes;
                    (Sgl::Transport { len }, Vec::new())
                }
            }
        };
        entry.set_sgl(sgl);
        let header = CapsuleCmd { entry }.emit(&agreed.ours, inside.len() as u32);
        self.emit(&agreed.ours, &header, &inside);
        self.pending.insert(cid, pending);
        if let Some(flow) = &mut self.flow {
            flow.tail = (flow.tail + 1) % self.entries;
        }
        Ok(Cid(cid))
    }

    /// Sends what a held R2T asks for.
    pub fn answer(&mut self, r2t: &R2t) {
        let Some(agreed) = self.agreed.filter(|_| self.end.is_none()) else { return };
        // The command may have ended with an error meanwhile.
        let Some(pending) = self.pending.get_mut(&r2t.cid) else { return };
        let (from, to) = (r2t.offset as usize, r2t.offset as usize + r2t.len as usize);
        if to > pending.out.len() || pending.r2ts == 0 {
            return;
        }
        pending.r2ts -= 1;
        let out = std::mem::take(&mut pending.out);
        let mut offset = r2t.offset;
        for piece in out[from..to].chunks(agreed.h2c_data_max as usize) {
            let len = piece.len() as u32;
            let last = offset + len == r2t.offset + r2t.len;
            let header = H2cData { last, cid: r2t.cid, ttag: r2t.ttag, offset, len }.emit(&agreed.ours);
            self.emit(&agreed.ours, &header, piece);
            offset += len;
        }
        if let Some(pending) = self.pending.get_mut(&r2t.cid) {
            pending.out = out;
        }
    }

    fn emit(&mut self, framing: &Framing, header: &[u8], data: &[u8]) {
        let start = self.outbox.len();
        self.outbox.extend_from_slice(header);
        if framing.digests.header {
            self.outbox.extend_from_slice(&digest(header));
        }
        if !data.is_empty() {
            // PDO, of at most 128.
            self.outbox.resize(start + usize::from(header[3]), 0);
            self.outbox.extend_from_slice(data);
            if framing.digests.data {
                self.outbox.extend_from_slice(&digest(data));
            }
        }
    }

    /// The controller broke a rule with the PDU that `offender` begins: it is told, and nothing else is said any more.
    fn fail(&mut self, fault: Fault, offender: &[u8]) {
        let request = TermReq { fes: fault.fes, fei: fault.fei };
        self.outbox.extend_from_slice(&request.emit(Role::Host, offender));
        self.end = Some(End::Fault(fault));
    }
}
