//! Data-In, and the status of commands: on the last Data-In where it fits, else in a SCSI Response.

use super::{Connection, Cx};
use crate::iscsi::pdu::{Counters, DataIn, DataInStatus, Itt, Residual, ScsiResponse, Ttt};
use mainstay_base::arena::Buf;
use mainstay_base::sam::{Lun, Reply, Status};
use std::ops::Range;
use std::sync::Arc;

impl Connection {
    /// Data-in of a command from byte `offset`: `range` of `data`. In order, and no more than the initiator has room for.
    pub fn send(&mut self, itt: Itt, offset: u32, data: Arc<Buf>, range: Range<usize>) {
        let segment_max = self.info.negotiated.send_data_segment_max.max(1);
        let burst_max = self.info.negotiated.max_burst_length.max(1);
        let counters = Counters { stat_sn: Default::default(), ..self.counters() };
        let Some(task) = self.tasks.get_mut(itt) else { return };
        let start = range.start as u32;
        let room = task.in_bytes.saturating_sub(offset);
        let total = (range.len() as u32).min(room);
        let (mut at, mut burst) = (0, 0);
        while at < total {
            let len = segment_max.min(total - at).min(burst_max - burst);
            burst += len;
            // A sequence ends with its burst, or with what there is to send now (RFC 7143 §11.7.1).
            let last = burst == burst_max || at + len == total;
            if last {
                burst = 0;
            }
            let pdu = DataIn {
                last,
                acknowledge: false,
                status: None,
                lun: Lun::default(),
                itt,
                ttt: Ttt::RESERVED,
                counters,
                data_sn: task.data_number(),
                offset: offset + at,
            };
            task.data_sn += 1;
            let header = pdu.emit(len as usize);
            self.output.push_payload(self.digests, &header, itt, &data, start + at..start + at + len);
            at += len;
        }
    }

    /// The command has ended. Data the initiator still owes is drained first.
    pub fn finish(&mut self, _cx: &Cx<'_>, itt: Itt, reply: Reply) {
        let Some(task) = self.tasks.get_mut(itt) else { return };
        task.collects.clear();
        task.first.buf = None;
        task.reply = Some(reply);
        self.answer_if_drained(itt);
    }

    pub(super) fn answer_if_drained(&mut self, itt: Itt) {
        let Some(task) = self.tasks.get(itt) else { return };
        if task.is_open() || task.reply.is_none() || !task.delivered {
            return;
        }
        let Some(task) = self.tasks.remove(itt) else { return };
        let Some(reply) = &task.reply else { return };
        if !task.immediate {
            self.window.retired();
        }
        let counters = self.count();
        let (digests, bidirectional) = (self.digests, task.is_bidirectional());
        let expected = if task.out_bytes > 0 { task.out_bytes } else { task.in_bytes };
        let (residual, bidirectional_read) = match bidirectional {
            false => (Residual::of(expected, reply.moved), Residual::None),
            // No command of ours moves data both ways: what was moved, was moved one way.
            true if task.data_sn > 0 => (Residual::of(task.out_bytes, 0), Residual::of(task.in_bytes, reply.moved)),
            true => (Residual::of(task.out_bytes, reply.moved), Residual::of(task.in_bytes, 0)),
        };
        if reply.status == Status::Good && reply.sense.is_empty() && !bidirectional {
            let status = Some(DataInStatus { status: reply.status as u8, residual });
            let ride = |bhs: &_| {
                let len = crate::iscsi::pdu::data_bytes(bhs);
                DataIn { status, counters, ..DataIn::parse(bhs) }.emit(len)
            };
            if self.output.amend(digests, itt, ride) {
                return;
            }
        }
        let pdu = ScsiResponse {
            response: 0,
            status: reply.status as u8,
            itt,
            snack_tag: 0,
            counters,
            // R2Ts count only beside Data-In: without any it must be 0 (RFC 7143 §11.4.8).
            exp_data_sn: if task.data_sn > 0 { task.data_sn + task.r2t_sn } else { 0 },
            bidirectional_read,
            residual,
        };
        if reply.sense.is_empty() {
            self.output.push(digests, &pdu.emit(0), &[]);
        } else {
            // 252 bytes are the most sense data there is (SPC-5 §4.4.2).
            let sense = &reply.sense[..reply.sense.len().min(252)];
            let data = [&(sense.len() as u16).to_be_bytes()[..], sense].concat();
            self.output.push(digests, &pdu.emit(data.len()), &data);
        }
    }
}
