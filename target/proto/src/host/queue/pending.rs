//! A command that has not ended.

use crate::nvmetcp::pdu::{C2hData, Fault, Fes, R2t, field};

/// What is left of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Data for the controller that is not in the capsule.
    pub out: Vec<u8>,
    /// R2Ts were sent for so much of it.
    pub asked: u32,
    /// R2Ts that are not answered yet.
    pub r2ts: u32,
    /// Bytes the controller may send.
    pub wants: u32,
    /// What it has sent, in order.
    pub got: Vec<u8>,
    /// LAST_PDU was there.
    pub last: bool,
    /// A data digest was wrong.
    pub damaged: bool,
    /// Connect: entries of the queue when it has succeeded.
    pub connects: Option<u16>,
}

impl Pending {
    /// Takes note of an R2T.
    pub fn ready(&mut self, r2t: &R2t, max: u32) -> Result<(), Fault> {
        let range = |why| Err(Fault { fes: Fes::OUT_OF_RANGE, fei: field::DATAO, why });
        if r2t.len == 0 {
            return Err(Fault::field(field::DATAL, "an R2T for nothing"));
        }
        if u64::from(r2t.offset) + u64::from(r2t.len) > self.out.len() as u64 {
            return range("an R2T beyond the command's data");
        }
        // Data is asked for in order, and each byte once (tcp §3.3.2.2.2).
        if r2t.offset != self.asked {
            return range("an R2T out of order");
        }
        if self.r2ts >= max {
            return Err(Fault { fes: Fes::LIMIT_EXCEEDED, fei: 0, why: "more R2Ts than MAXR2T" });
        }
        self.asked += r2t.len;
        self.r2ts += 1;
        Ok(())
    }

    /// Takes in data; `damaged`: its digest is wrong.
    pub fn take(&mut self, head: &C2hData, data: &[u8], damaged: bool) -> Result<(), Fault> {
        let range = |why| Err(Fault { fes: Fes::OUT_OF_RANGE, fei: field::DATAO, why });
        if self.last {
            return range("data after the last of a command");
        }
        if u64::from(head.offset) + u64::from(head.len) > u64::from(self.wants) {
            return range("data beyond what a command asked for");
        }
        if head.offset as usize != self.got.len() {
            return range("data out of order");
        }
        self.got.extend_from_slice(data);
        self.last = head.last;
        self.damaged |= damaged;
        Ok(())
    }
}
