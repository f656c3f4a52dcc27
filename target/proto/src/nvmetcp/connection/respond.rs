//! Data to the host, and how commands end.

use super::{Connection, Cx};
use crate::nvmetcp::event::Tag;
use crate::nvmetcp::pdu::{C2hData, CapsuleResp, flag};
use mainstay_base::arena::Buf;
use std::ops::Range;
use std::sync::Arc;

impl Connection {
    /// Data of a command from byte `offset`: `range` of `data`. In order, and no more than the host has room for.
    pub fn send(&mut self, tag: Tag, offset: u32, data: Arc<Buf>, range: Range<usize>) {
        let Some(command) = self.commands.get(tag).filter(|command| command.reply.is_none()) else { return };
        let len = (range.len() as u32).min(command.len.saturating_sub(offset));
        if len == 0 {
            return;
        }
        let last = offset + len == command.len;
        let pdu = C2hData { last, success: false, cid: command.cid, offset, len };
        let start = range.start as u32;
        let header = pdu.emit(&self.outward);
        self.output.push_payload(&self.outward, &header, tag.0, &data, start..start + len);
    }

    /// The command has ended: `cqe` is its completion queue entry. Data that was asked for is waited for first.
    pub fn finish(&mut self, _cx: &Cx<'_>, tag: Tag, cqe: [u8; 16]) {
        self.cancel(tag);
        let Some(command) = self.commands.get_mut(tag) else { return };
        if command.asked() > 0 {
            command.reply = Some(cqe);
        } else {
            self.answer(tag, cqe);
        }
    }

    pub(super) fn answer(&mut self, tag: Tag, cqe: [u8; 16]) {
        self.commands.remove(tag);
        // Success without a result says nothing that the flag does not (tcp §3.3.2.2).
        let plain = cqe[..8] == [0; 8] && cqe[14] & 0xfe == 0 && cqe[15] == 0;
        let success = self.success && plain;
        let flags = flag::LAST | if success { flag::SUCCESS } else { 0 };
        if self.output.amend(&self.outward, tag.0, flags) && success {
            return;
        }
        let pdu = CapsuleResp { entry: cqe };
        self.output.push(&self.outward, &pdu.emit(&self.outward));
    }
}
