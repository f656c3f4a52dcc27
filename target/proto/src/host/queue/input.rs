//! What the controller sends.

use super::{Agreed, End, Event, Flow, H2C_DATA_MIN, Queue};
use crate::host::completion::Completion;
use crate::nvme::entry::Cid;
use crate::nvmetcp::pdu::{
    C2hData, CH_BYTES, CapsuleResp, Ch, DIGEST_BYTES, Digests, Fault, Fes, Framing, IcResp, PFV_1_0, R2t, Role,
    TermReq, digest, field, kind,
};

/// SQHD in the completion of Connect: there is no flow control (base §6.3).
const NO_FLOW_CONTROL: u16 = 0xffff;

/// A header of a known type has the length that its type has.
fn header<const N: usize>(pdu: &[u8]) -> Result<&[u8; N], Fault> {
    pdu.first_chunk().ok_or_else(|| Fault::field(field::HLEN, "a header with a wrong length"))
}

impl Queue {
    /// Takes in what the controller has sent, cut anywhere. What is wrong ends the queue: see [`Queue::end`].
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.end.is_some() {
            return;
        }
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.extend_from_slice(bytes);
        let mut rest = &inbox[..];
        while self.end.is_none() {
            match self.framed(rest) {
                Ok(Some(len)) => {
                    let (pdu, behind) = rest.split_at(len);
                    if let Err(fault) = self.dispatch(pdu) {
                        self.fail(fault, pdu);
                    }
                    rest = behind;
                }
                Ok(None) => break,
                Err(fault) => self.fail(fault, rest),
            }
        }
        let taken = inbox.len() - rest.len();
        inbox.drain(..taken);
        if self.end.is_none() {
            self.inbox = inbox;
        }
    }

    /// How the controller's PDUs look.
    fn theirs(&self) -> Framing {
        let digests = self.agreed.map_or(Digests::default(), |agreed| agreed.ours.digests);
        Framing { digests, pda: self.setup.hpda }
    }

    /// Bytes of the PDU that `bytes` begins with, when all of it is there. What is announced is bounded by what commands
    /// have asked for before anything waits for it.
    fn framed(&self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let Some(common) = bytes.first_chunk::<CH_BYTES>() else { return Ok(None) };
        let (ch, theirs) = (Ch::parse(common), self.theirs());
        let head = theirs.expect(&ch, Role::Host, self.agreed.is_some())?;
        let segment = theirs.segment(&ch)?;
        if ch.kind == kind::C2H_DATA {
            let most = self.pending.values().map(|pending| pending.wants).max().unwrap_or(0);
            if segment.len == 0 || segment.len > most {
                return Err(Fault {
                    fes: Fes::OUT_OF_RANGE,
                    fei: field::DATAL,
                    why: "more data than any command asked for",
                });
            }
        }
        // A wrong header is known before the data that it announces is there.
        let Some(head) = bytes.get(..head) else { return Ok(None) };
        theirs.verify(&ch, head)?;
        Ok(Some(ch.plen as usize).filter(|len| bytes.len() >= *len))
    }

    fn dispatch(&mut self, pdu: &[u8]) -> Result<(), Fault> {
        match pdu[0] {
            kind::IC_RESP => self.opened(IcResp::parse(header(pdu)?)),
            kind::CAPSULE_RESP => self.completed(Completion::parse(&CapsuleResp::parse(header(pdu)?).entry)),
            kind::C2H_DATA => self.data(C2hData::parse(header(pdu)?), pdu),
            kind::R2T => self.ready(R2t::parse(header(pdu)?)),
            _ => {
                self.end = Some(End::Terminated(TermReq::parse(header(pdu)?)));
                Ok(())
            }
        }
    }

    fn opened(&mut self, response: IcResp) -> Result<(), Fault> {
        if response.pfv != PFV_1_0 {
            return Err(Fault::field(field::PFV, "an ICResp of another version"));
        }
        if response.cpda > 31 {
            return Err(Fault::field(field::PDA, "an ICResp with an alignment that there is not"));
        }
        let wished = self.setup.digests;
        if response.digests.header && !wished.header || response.digests.data && !wished.data {
            return Err(Fault::field(field::DGST, "an ICResp with digests that nobody asked for"));
        }
        if response.maxh2cdata < H2C_DATA_MIN || !response.maxh2cdata.is_multiple_of(4) {
            return Err(Fault::field(field::MAXH2CDATA, "an ICResp with a wrong MAXH2CDATA"));
        }
        let ours = Framing { digests: response.digests, pda: response.cpda };
        self.agreed = Some(Agreed { ours, h2c_data_max: response.maxh2cdata });
        self.events.push_back(Event::Opened);
        Ok(())
    }

    fn completed(&mut self, completion: Completion) -> Result<(), Fault> {
        let Some(pending) = self.pending.get(&completion.cid.0) else {
            return Err(Fault::field(field::CCCID, "the completion of no command"));
        };
        let connects = pending.connects.filter(|_| completion.status.is_success());
        if let Some(flow) = &mut self.flow {
            if completion.sq_head >= self.entries {
                return Err(Fault::field(field::CCCID, "a submission queue head beyond the queue"));
            }
            flow.head = completion.sq_head;
        }
        if let Some(entries) = connects {
            self.entries = entries;
            // Connect itself went through the queue's first entry.
            let tail = 1 % entries;
            self.flow =
                (completion.sq_head != NO_FLOW_CONTROL).then_some(Flow { head: completion.sq_head % entries, tail });
        }
        self.ended(completion);
        Ok(())
    }

    fn ended(&mut self, completion: Completion) {
        if let Some(pending) = self.pending.remove(&completion.cid.0) {
            let damaged = pending.damaged;
            self.events.push_back(Event::Completed { completion, data: pending.got, damaged });
        }
    }

    fn data(&mut self, head: C2hData, pdu: &[u8]) -> Result<(), Fault> {
        let digests = self.theirs().digests;
        let end = pdu.len() - if digests.data { DIGEST_BYTES } else { 0 };
        let (before, sent) = pdu.split_at(end);
        let data = before.get(usize::from(pdu[3])..).unwrap_or_default();
        if head.len as usize != data.len() {
            return Err(Fault::field(field::DATAL, "a length of data that is not what it carries"));
        }
        let damaged = digests.data && digest(data) != sent;
        let Some(pending) = self.pending.get_mut(&head.cid) else {
            return Err(Fault::field(field::CCCID, "data for no command"));
        };
        pending.take(&head, data, damaged)?;
        if head.success {
            // It stands for a completion, so nothing more may come, and nothing may depend on SQHD (tcp §3.6.2.8).
            if !head.last || self.flow.is_some() {
                return Err(Fault::field(field::FLAGS, "a SUCCESS flag where none may be"));
            }
            self.ended(Completion::success(Cid(head.cid), 0));
        }
        Ok(())
    }

    fn ready(&mut self, r2t: R2t) -> Result<(), Fault> {
        let max = self.setup.r2ts_max;
        let Some(pending) = self.pending.get_mut(&r2t.cid) else {
            return Err(Fault::field(field::CCCID, "an R2T for no command"));
        };
        pending.ready(&r2t, max)?;
        if self.setup.hold_r2ts {
            self.events.push_back(Event::R2t(r2t));
        } else {
            self.answer(&r2t);
        }
        Ok(())
    }
}
