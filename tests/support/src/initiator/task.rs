//! SCSI tasks: any number in flight, R2Ts answered, data put together and checked for order.

use std::time::Instant;

use super::pdu::{self, Pdu, opcode};
use super::{Error, Result, Session};

/// Task attributes (RFC 7143 §11.3.1).
#[allow(missing_docs)]
pub mod attribute {
    pub const UNTAGGED: u8 = 0;
    pub const SIMPLE: u8 = 1;
    pub const ORDERED: u8 = 2;
    pub const HEAD_OF_QUEUE: u8 = 3;
}

/// One SCSI command to be.
#[derive(Clone, Debug)]
pub struct Command {
    /// Eight-byte logical unit number.
    pub lun: [u8; 8],
    /// At most 16 bytes here; longer ones go into an additional header.
    pub cdb: Vec<u8>,
    /// Bytes expected from the target.
    pub expect_in: u32,
    /// Bytes for the target.
    pub out: Vec<u8>,
    /// Expected length for the target, when it is not that of `out`.
    pub expect_out: Option<u32>,
    /// Task attribute.
    pub attribute: u8,
    /// Immediate delivery.
    pub immediate: bool,
    /// Bytes in the command PDU itself; as many as allowed when none.
    pub immediate_data: Option<usize>,
    /// Bytes in unsolicited Data-Out PDUs; as many as allowed when none.
    pub unsolicited: Option<usize>,
    /// Cuts Data-Out PDUs after this many bytes, if that is less than the target allows.
    pub piece: usize,
}

impl Command {
    /// A command without data for LUN `lun`.
    pub fn new(lun: u8, cdb: &[u8]) -> Command {
        Command {
            lun: [0, lun, 0, 0, 0, 0, 0, 0],
            cdb: cdb.to_vec(),
            expect_in: 0,
            out: Vec::new(),
            expect_out: None,
            attribute: attribute::SIMPLE,
            immediate: false,
            immediate_data: None,
            unsolicited: None,
            piece: usize::MAX,
        }
    }

    /// Expecting `bytes` from the target.
    pub fn reads(mut self, bytes: u32) -> Command {
        self.expect_in = bytes;
        self
    }

    /// Bringing `data` to the target.
    pub fn writes(mut self, data: &[u8]) -> Command {
        self.out = data.to_vec();
        self
    }
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// iSCSI response code (RFC 7143 §11.4.3): 0 completed, 1 target failure.
    pub response: u8,
    /// SCSI status.
    pub status: u8,
    /// Sense data without its length bytes.
    pub sense: Vec<u8>,
    /// Data-in, holes filled with zeros.
    pub data: Vec<u8>,
    /// Residual count.
    pub residual: u32,
    /// The O bit: more would have come.
    pub overflow: bool,
    /// The U bit: less came.
    pub underflow: bool,
    /// Data-In PDUs it took.
    pub data_pdus: u32,
    /// R2Ts it took.
    pub r2ts: u32,
    /// Status came with the last Data-In.
    pub phase_collapse: bool,
}

impl Outcome {
    /// The data of a command that ended well.
    pub fn good(self) -> Result<Vec<u8>> {
        if self.response == 0 && self.status == 0 {
            Ok(self.data)
        } else {
            Err(Error::Odd(format!("not GOOD: {self:?}")))
        }
    }

    /// Sense key, additional sense code and qualifier of a CHECK CONDITION, in either format (SPC-5 §4.4).
    pub fn sense(&self) -> Option<(u8, u8, u8)> {
        let at = |n: usize| self.sense.get(n).copied().unwrap_or(0);
        match self.sense.first()? & 0x7f {
            0x70 | 0x71 => Some((at(2) & 0x0f, at(12), at(13))),
            0x72 | 0x73 => Some((at(1) & 0x0f, at(2), at(3))),
            _ => None,
        }
    }
}

/// A command in flight.
#[derive(Debug)]
pub(super) struct Pending {
    command: Command,
    outcome: Outcome,
    next_data_sn: u32,
    next_r2t_sn: u32,
    done: bool,
}

impl Session {
    /// Sends a command with its immediate and unsolicited data; gives its tag.
    pub fn start(&mut self, command: &Command) -> Result<u32> {
        let pdu = self.command_pdu(command);
        self.start_with(command, pdu)
    }

    /// The command PDU for `command`, with its immediate data.
    pub fn command_pdu(&mut self, command: &Command) -> Pdu {
        let mut pdu = self.request(opcode::SCSI_COMMAND, command.immediate);
        let expect_out = command.expect_out.unwrap_or(command.out.len() as u32);
        let room = if self.agreed.immediate_data { self.agreed.target_segment.min(self.agreed.first_burst) } else { 0 };
        let now = command.immediate_data.unwrap_or(room).min(command.out.len());
        let later = if self.agreed.initial_r2t { 0 } else { self.agreed.first_burst.saturating_sub(now) };
        let later = command.unsolicited.unwrap_or(later).min(command.out.len() - now);
        pdu.bhs[1] = command.attribute;
        if later == 0 {
            pdu.bhs[1] |= pdu::FINAL;
        }
        if command.expect_in > 0 {
            pdu.bhs[1] |= 0x40;
        }
        if expect_out > 0 {
            pdu.bhs[1] |= 0x20;
        }
        pdu.bhs[8..16].copy_from_slice(&command.lun);
        let (head, rest) = command.cdb.split_at(command.cdb.len().min(16));
        pdu.bhs[32..32 + head.len()].copy_from_slice(head);
        if !rest.is_empty() {
            pdu.ahs.extend_from_slice(&(rest.len() as u16 + 1).to_be_bytes());
            pdu.ahs.extend_from_slice(&[1, 0]);
            pdu.ahs.extend_from_slice(rest);
            pdu.ahs.resize(pdu.ahs.len().next_multiple_of(4), 0);
        }
        if command.expect_in > 0 && expect_out > 0 {
            // Both ways: the header has the write length, an additional one the read length (RFC 7143 §11.2.2.4).
            pdu.set_u32(20, expect_out);
            pdu.ahs.extend_from_slice(&[0, 5, 2, 0]);
            pdu.ahs.extend_from_slice(&command.expect_in.to_be_bytes());
        } else {
            pdu.set_u32(20, expect_out.max(command.expect_in));
        }
        pdu.data = command.out[..now].to_vec();
        pdu
    }

    /// Sends `pdu` for `command`, and the unsolicited Data-Out that its F bit promises.
    pub fn start_with(&mut self, command: &Command, pdu: Pdu) -> Result<u32> {
        let itt = pdu.itt();
        let now = pdu.data.len();
        let more = pdu.flags() & pdu::FINAL == 0;
        self.send(&pdu)?;
        self.expect(itt, command);
        if more {
            let later = command.unsolicited.unwrap_or(self.agreed.first_burst.saturating_sub(now));
            let end = (now + later).min(command.out.len());
            self.data_out(itt, pdu::NO_TAG, command, now, end)?;
        }
        Ok(itt)
    }

    /// Counts the answers to tag `itt` as those to `command`, which the script sends by itself.
    pub fn expect(&mut self, itt: u32, command: &Command) {
        let pending = Pending {
            command: command.clone(),
            outcome: Outcome::default(),
            next_data_sn: 0,
            next_r2t_sn: 0,
            done: false,
        };
        self.tasks.insert(itt, pending);
    }

    /// Data-Out PDUs for bytes `from..to` of the command's data, DataSN from 0, the last with F.
    pub fn data_out(&mut self, itt: u32, ttt: u32, command: &Command, from: usize, to: usize) -> Result<()> {
        let piece = self.agreed.target_segment.min(command.piece).max(1);
        let (mut at, mut sn) = (from, 0);
        loop {
            let end = (at + piece).min(to);
            let pdu = self.data_out_pdu(itt, ttt, command, sn, at, end, end == to);
            self.send(&pdu)?;
            (at, sn) = (end, sn + 1);
            if at >= to {
                return Ok(());
            }
        }
    }

    /// One Data-Out PDU (RFC 7143 §11.7).
    pub fn data_out_pdu(
        &self,
        itt: u32,
        ttt: u32,
        command: &Command,
        data_sn: u32,
        from: usize,
        to: usize,
        last: bool,
    ) -> Pdu {
        let mut pdu = Pdu::new(opcode::DATA_OUT);
        pdu.bhs[1] = if last { pdu::FINAL } else { 0 };
        pdu.bhs[8..16].copy_from_slice(&command.lun);
        pdu.set_u32(16, itt).set_u32(20, ttt).set_u32(28, self.exp_stat_sn);
        pdu.set_u32(36, data_sn).set_u32(40, from as u32);
        pdu.data = command.out[from.min(command.out.len())..to.min(command.out.len())].to_vec();
        pdu.data.resize(to - from, 0);
        pdu
    }

    /// Answers an R2T with what it asks for.
    pub fn answer(&mut self, r2t: &Pdu) -> Result<()> {
        let command = match self.tasks.get(&r2t.itt()) {
            Some(pending) => pending.command.clone(),
            None => return Err(Error::Odd(format!("an R2T for no task: {r2t:?}"))),
        };
        let (from, len) = (r2t.u32(40) as usize, r2t.u32(44) as usize);
        self.data_out(r2t.itt(), r2t.ttt(), &command, from, from + len)
    }

    /// Takes one PDU in and lets tasks, pings and notices go on; a PDU of any other kind is handed out.
    pub fn step(&mut self, deadline: Instant) -> Result<Option<Pdu>> {
        let pdu = self.receive_within(deadline.saturating_duration_since(Instant::now()))?;
        match pdu.opcode() {
            opcode::DATA_IN => self.data_in(&pdu)?,
            opcode::SCSI_RESPONSE => self.response(&pdu)?,
            opcode::R2T => {
                let Some(pending) = self.tasks.get_mut(&pdu.itt()) else {
                    return Err(Error::Odd(format!("an R2T for no task: {pdu:?}")));
                };
                let (sn, from, len) = (pdu.u32(36), pdu.u32(40) as usize, pdu.u32(44) as usize);
                let wants = pending.command.expect_out.map_or(pending.command.out.len(), |n| n as usize);
                if sn != pending.next_r2t_sn || len == 0 || from + len > wants || len > self.agreed.max_burst {
                    return Err(Error::Odd(format!("R2T {} was due, of {wants} bytes: {pdu:?}", pending.next_r2t_sn)));
                }
                pending.next_r2t_sn += 1;
                pending.outcome.r2ts += 1;
                if self.answer_r2t { self.answer(&pdu)? } else { self.r2ts.push(pdu) }
            }
            opcode::NOP_IN if pdu.itt() == pdu::NO_TAG => {
                if self.answer_pings && pdu.ttt() != pdu::NO_TAG {
                    let mut pong = Pdu::new(opcode::NOP_OUT).immediate();
                    pong.bhs[8..16].copy_from_slice(&pdu.bhs[8..16]);
                    pong.set_u32(16, pdu::NO_TAG).set_u32(20, pdu.ttt());
                    pong.set_u32(24, self.cmd_sn).set_u32(28, self.exp_stat_sn);
                    pong.data.clone_from(&pdu.data);
                    self.send(&pong)?;
                }
                self.pings.push(pdu);
            }
            opcode::ASYNC_MESSAGE => self.asyncs.push(pdu),
            opcode::REJECT => self.rejects.push(pdu),
            _ => return Ok(Some(pdu)),
        }
        Ok(None)
    }

    fn data_in(&mut self, pdu: &Pdu) -> Result<()> {
        let Some(pending) = self.tasks.get_mut(&pdu.itt()).filter(|pending| !pending.done) else {
            return Err(Error::Odd(format!("data for no task: {pdu:?}")));
        };
        if pdu.u32(36) != pending.next_data_sn {
            return Err(Error::Odd(format!("DataSN {} was due: {pdu:?}", pending.next_data_sn)));
        }
        pending.next_data_sn += 1;
        let (at, outcome) = (pdu.u32(40) as usize, &mut pending.outcome);
        // DataPDUInOrder and DataSequenceInOrder are always Yes here.
        if at != outcome.data.len() || at + pdu.data.len() > pending.command.expect_in as usize {
            return Err(Error::Odd(format!("data at {at} after {} bytes: {pdu:?}", outcome.data.len())));
        }
        outcome.data.extend_from_slice(&pdu.data);
        outcome.data_pdus += 1;
        if pdu.flags() & 0x01 != 0 {
            outcome.phase_collapse = true;
            outcome.status = pdu.bhs[3];
            outcome.residual = pdu.u32(44);
            outcome.overflow = pdu.flags() & 0x04 != 0;
            outcome.underflow = pdu.flags() & 0x02 != 0;
            pending.done = true;
        }
        Ok(())
    }

    fn response(&mut self, pdu: &Pdu) -> Result<()> {
        let Some(pending) = self.tasks.get_mut(&pdu.itt()).filter(|pending| !pending.done) else {
            return Err(Error::Odd(format!("a response to no task: {pdu:?}")));
        };
        let outcome = &mut pending.outcome;
        outcome.response = pdu.bhs[2];
        outcome.status = pdu.bhs[3];
        outcome.residual = pdu.u32(44);
        outcome.overflow = pdu.flags() & 0x04 != 0;
        outcome.underflow = pdu.flags() & 0x02 != 0;
        if let [a, b, rest @ ..] = pdu.data.as_slice() {
            let len = usize::from(u16::from_be_bytes([*a, *b]));
            outcome.sense = rest.get(..len).ok_or_else(|| Error::Odd(format!("sense length: {pdu:?}")))?.to_vec();
        }
        // Data-In and R2T PDUs; 0 where there was no Data-In, and for a target failure (RFC 7143 §11.4.8).
        let counted = outcome.data_pdus > 0 && pdu.bhs[2] == 0;
        let due = if counted { outcome.data_pdus + outcome.r2ts } else { 0 };
        if pdu.u32(36) != due {
            return Err(Error::Odd(format!("ExpDataSN {} where {due} is due: {pdu:?}", pdu.u32(36))));
        }
        pending.done = true;
        Ok(())
    }

    /// Waits until the task is done. A Reject on the way is an error.
    pub fn wait(&mut self, itt: u32) -> Result<Outcome> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.tasks.get(&itt) {
                None => return Err(Error::Odd(format!("no task {itt}"))),
                Some(pending) if pending.done => {
                    return Ok(self.tasks.remove(&itt).expect("it was there").outcome);
                }
                Some(_) => {}
            }
            if let Some(pdu) = self.step(deadline)? {
                return Err(Error::Odd(format!("while waiting for task {itt} came {pdu:?}")));
            }
            if let Some(pdu) = self.rejects.pop() {
                return Err(Error::Reject { reason: pdu.bhs[2], pdu: Box::new(pdu) });
            }
        }
    }

    /// Whether the task has ended already, as far as PDUs were taken in.
    pub fn is_done(&self, itt: u32) -> bool {
        self.tasks.get(&itt).is_some_and(|pending| pending.done)
    }

    /// Forgets a task: it was aborted.
    pub fn forget(&mut self, itt: u32) {
        self.tasks.remove(&itt);
    }

    /// One command from start to end.
    pub fn run(&mut self, command: &Command) -> Result<Outcome> {
        let itt = self.start(command)?;
        self.wait(itt)
    }

    /// A task management request (RFC 7143 §11.5), not yet sent.
    pub fn tmf_pdu(&mut self, function: u8, lun: u8, referenced: u32, ref_cmd_sn: u32) -> Pdu {
        let mut pdu = self.request(opcode::TASK_MANAGEMENT, true);
        pdu.bhs[1] = pdu::FINAL | function;
        pdu.bhs[9] = lun;
        pdu.set_u32(20, referenced).set_u32(32, ref_cmd_sn);
        pdu
    }

    /// A task management function; gives the response code (RFC 7143 §11.6.1).
    pub fn tmf(&mut self, function: u8, lun: u8, referenced: u32, ref_cmd_sn: u32) -> Result<u8> {
        let pdu = self.tmf_pdu(function, lun, referenced, ref_cmd_sn);
        self.send(&pdu)?;
        Ok(self.answer_to(pdu.itt(), opcode::TASK_MANAGEMENT_RESPONSE)?.bhs[2])
    }
}

/// Task management functions (RFC 7143 §11.5.1).
#[allow(missing_docs)]
pub mod function {
    pub const ABORT_TASK: u8 = 1;
    pub const ABORT_TASK_SET: u8 = 2;
    pub const CLEAR_ACA: u8 = 3;
    pub const CLEAR_TASK_SET: u8 = 4;
    pub const LOGICAL_UNIT_RESET: u8 = 5;
    pub const TARGET_WARM_RESET: u8 = 6;
    pub const TARGET_COLD_RESET: u8 = 7;
    pub const TASK_REASSIGN: u8 = 8;
}
