//! The happy path of RFC 7143.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use mainstay_testkit::initiator::{Login, opcode, pdu};

use super::super::pattern::Pattern;
use super::super::target::Place;
use super::wire::Wire;
use super::{Io, SEGMENT, Said, Wanted};

/// A session's numbers, and what it has agreed on.
pub struct Iscsi {
    lun: u8,
    cmd_sn: u32,
    max_cmd_sn: u32,
    exp_stat_sn: u32,
    segment: usize,
    first_burst: usize,
    immediate: bool,
    unsolicited: bool,
}

/// Logs in.
pub fn connect(place: &Place, depth: usize, inbox: usize, number: u16) -> Result<(Wire, Iscsi), String> {
    let login = Login::new("iqn.2026-11.internal.mainstay.test:bench", &place.target)
        .session(number + 1)
        .key("MaxRecvDataSegmentLength", &SEGMENT.to_string())
        .key("FirstBurstLength", &SEGMENT.to_string());
    let lun = place.number as u8;
    let mut session = login.connect(place.portal).map_err(|e| format!("login: {e}"))?;
    session.clear_attentions(lun).map_err(|e| format!("TEST UNIT READY: {e}"))?;
    let agreed = session.agreed.clone();
    let iscsi = Iscsi {
        lun,
        cmd_sn: session.cmd_sn,
        max_cmd_sn: session.max_cmd_sn,
        exp_stat_sn: session.exp_stat_sn,
        segment: agreed.target_segment.min(SEGMENT),
        first_burst: agreed.first_burst,
        immediate: agreed.immediate_data,
        unsolicited: !agreed.initial_r2t,
    };
    Ok((Wire::new(session.into_stream(), depth, inbox)?, iscsi))
}

impl Iscsi {
    /// The target's window has room.
    pub fn room(&self) -> bool {
        self.max_cmd_sn.wrapping_sub(self.cmd_sn) as i32 >= 0
    }

    pub fn start(&mut self, wire: &mut Wire, itt: u32, io: Io) {
        let Io { write, at, len, generation } = io;
        let mut head = [0; 48];
        head[0] = opcode::SCSI_COMMAND;
        head[1] = if write { 0x21 } else { 0xc1 };
        head[9] = self.lun;
        head[16..20].copy_from_slice(&itt.to_be_bytes());
        head[20..24].copy_from_slice(&(len as u32).to_be_bytes());
        head[24..28].copy_from_slice(&self.cmd_sn.to_be_bytes());
        head[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
        head[32] = if write { 0x2a } else { 0x28 };
        head[34..38].copy_from_slice(&((at / 512) as u32).to_be_bytes());
        head[39..41].copy_from_slice(&((len / 512) as u16).to_be_bytes());
        self.cmd_sn = self.cmd_sn.wrapping_add(1);
        if !write {
            wire.push(&head, None);
            return;
        }
        let now = if self.immediate { len.min(self.segment).min(self.first_burst) } else { 0 };
        let later = if self.unsolicited { len.min(self.first_burst) - now } else { 0 };
        if later == 0 {
            head[1] |= 0x80;
        }
        head[5..8].copy_from_slice(&(now as u32).to_be_bytes()[1..]);
        wire.push(&head, Some((Pattern::offset(generation, at), now)));
        if later > 0 {
            self.send(wire, io, Wanted { slot: itt, tag: pdu::NO_TAG, offset: now, len: later });
        }
    }

    /// Data-Out PDUs.
    pub fn send(&mut self, wire: &mut Wire, io: Io, wanted: Wanted) {
        let (mut done, mut sn) = (0, 0u32);
        while done < wanted.len {
            let piece = (wanted.len - done).min(self.segment);
            let offset = wanted.offset + done;
            let mut head = [0; 48];
            head[0] = opcode::DATA_OUT;
            head[1] = if done + piece == wanted.len { 0x80 } else { 0 };
            head[5..8].copy_from_slice(&(piece as u32).to_be_bytes()[1..]);
            head[16..20].copy_from_slice(&wanted.slot.to_be_bytes());
            head[20..24].copy_from_slice(&wanted.tag.to_be_bytes());
            head[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
            head[36..40].copy_from_slice(&sn.to_be_bytes());
            head[40..44].copy_from_slice(&(offset as u32).to_be_bytes());
            wire.push(&head, Some((Pattern::offset(io.generation, io.at + offset as u64), piece)));
            (done, sn) = (done + piece, sn + 1);
        }
    }

    fn pong(&self, wire: &mut Wire, ping: &[u8; 48]) {
        let mut head = [0; 48];
        head[0] = opcode::NOP_OUT | pdu::IMMEDIATE;
        head[1] = pdu::FINAL;
        head[8..16].copy_from_slice(&ping[8..16]);
        head[16..20].copy_from_slice(&pdu::NO_TAG.to_be_bytes());
        head[20..24].copy_from_slice(&ping[20..24]);
        head[24..28].copy_from_slice(&self.cmd_sn.to_be_bytes());
        head[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
        wire.push(&head, None);
    }

    /// The next PDU, if all of it is there.
    pub fn next(&mut self, wire: &mut Wire) -> Result<Option<Said>, String> {
        let Some(head) = wire.peek::<48>() else { return Ok(None) };
        let segment = usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]);
        let Some(at) = wire.take(48 + segment.next_multiple_of(4)) else { return Ok(None) };
        let data = at + 48..at + 48 + segment;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let max = word(32);
        if max.wrapping_sub(self.max_cmd_sn) as i32 > 0 {
            self.max_cmd_sn = max;
        }
        let slot = word(16);
        let odd = || format!("{head:02x?}");
        Ok(Some(match head[0] {
            opcode::NOP_IN if slot == pdu::NO_TAG => {
                self.pong(wire, &head);
                Said::Nothing
            }
            opcode::DATA_IN => {
                let ended = head[1] & 0x01 != 0;
                if ended {
                    self.status(&head)?;
                }
                Said::Data { slot, offset: word(40) as usize, data, ended }
            }
            opcode::SCSI_RESPONSE => {
                if head[2] != 0 || head[3] != 0 {
                    return Err(format!("status {:#x}: {} {:02x?}", head[3], odd(), wire.taken(data)));
                }
                self.status(&head)?;
                Said::Ended { slot }
            }
            opcode::R2T => {
                Said::Wants(Wanted { slot, tag: word(20), offset: word(40) as usize, len: word(44) as usize })
            }
            _ => return Err(odd()),
        }))
    }

    /// A PDU with status: its number is due, all went well, and nothing is left over.
    fn status(&mut self, head: &[u8; 48]) -> Result<(), String> {
        let sn = u32::from_be_bytes([head[24], head[25], head[26], head[27]]);
        if sn != self.exp_stat_sn {
            return Err(format!("StatSN {sn} where {} is due", self.exp_stat_sn));
        }
        self.exp_stat_sn = sn.wrapping_add(1);
        if head[3] != 0 || head[1] & 0x06 != 0 { Err(format!("{head:02x?}")) } else { Ok(()) }
    }

    /// TEST UNIT READY on a connection with nothing under way, waiting for the answer.
    pub fn answers(&mut self, wire: &mut Wire) -> Result<(), String> {
        const TAG: u32 = 0x7000_0000;
        let io = |error: io::Error| error.to_string();
        wire.stream.set_nonblocking(false).map_err(io)?;
        wire.stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(io)?;
        let mut head = [0; 48];
        head[0] = opcode::SCSI_COMMAND;
        head[1] = 0x81;
        head[9] = self.lun;
        head[16..20].copy_from_slice(&TAG.to_be_bytes());
        head[24..28].copy_from_slice(&self.cmd_sn.to_be_bytes());
        head[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
        wire.stream.write_all(&head).map_err(io)?;
        self.cmd_sn = self.cmd_sn.wrapping_add(1);
        loop {
            wire.stream.read_exact(&mut head).map_err(io)?;
            let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            match head[0] {
                // A ping may wait here for us; it needs no answer so soon.
                opcode::NOP_IN if word(16) == pdu::NO_TAG => {}
                opcode::SCSI_RESPONSE if word(16) == TAG && head[2..4] == [0, 0] && word(24) == self.exp_stat_sn => {
                    self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
                    return wire.stream.set_nonblocking(true).map_err(io);
                }
                _ => return Err(format!("{head:02x?}, where StatSN {} is due", self.exp_stat_sn)),
            }
        }
    }
}
