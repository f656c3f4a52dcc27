//! The saved form of a host's queue. Data of commands is in it: who carries a queue over a swap has few commands of
//! its own making, and no buffers that are shared.

use super::pending::Pending;
use super::{Agreed, Digests, End, Event, Fault, Flow, Framing, Queue, R2t, Setup, TermReq};
use crate::host::completion::Completion;
use crate::nvme::Status;
use crate::nvme::entry::Cid;
use crate::nvmetcp::pdu::Fes;

/// What in a saved form cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} of a host's queue makes no sense")]
pub struct BadSaved(pub &'static str);

/// [`Queue`], first version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct QueueV1 {
    /// Of the setup: bit 0 header digests, 1 data digests, 2 R2Ts are held.
    #[prost(uint32, tag = "1")]
    pub wishes: u32,
    #[prost(uint32, tag = "2")]
    pub hpda: u32,
    #[prost(uint32, tag = "3")]
    pub r2ts_max: u32,
    #[prost(message, optional, tag = "4")]
    pub agreed: Option<AgreedV1>,
    #[prost(message, optional, tag = "5")]
    pub end: Option<EndV1>,
    #[prost(uint32, tag = "6")]
    pub entries: u32,
    /// Tail, then head, of a queue with flow control.
    #[prost(uint32, repeated, tag = "7")]
    pub flow: Vec<u32>,
    #[prost(uint32, tag = "8")]
    pub in_capsule: u32,
    /// By CID.
    #[prost(message, repeated, tag = "9")]
    pub pending: Vec<PendingV1>,
    #[prost(uint32, tag = "10")]
    pub next_cid: u32,
    #[prost(bytes = "vec", tag = "11")]
    pub inbox: Vec<u8>,
    /// What was not sent.
    #[prost(bytes = "vec", tag = "12")]
    pub outbox: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    pub events: Vec<EventV1>,
}

/// What was agreed when the connection opened.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct AgreedV1 {
    /// Bit 0 header digests, 1 data digests.
    #[prost(uint32, tag = "1")]
    pub digests: u32,
    #[prost(uint32, tag = "2")]
    pub cpda: u32,
    #[prost(uint32, tag = "3")]
    pub h2c_data_max: u32,
}

/// [`End`]; what it says to people is not kept.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct EndV1 {
    /// 0 a fault of the controller, 1 a complaint of it, 2 disconnected.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(uint32, tag = "2")]
    pub fes: u32,
    #[prost(uint32, tag = "3")]
    pub fei: u32,
}

/// A command that has not ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct PendingV1 {
    #[prost(uint32, tag = "1")]
    pub cid: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub out: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub asked: u32,
    #[prost(uint32, tag = "4")]
    pub r2ts: u32,
    #[prost(uint32, tag = "5")]
    pub wants: u32,
    #[prost(bytes = "vec", tag = "6")]
    pub got: Vec<u8>,
    #[prost(bool, tag = "7")]
    pub last: bool,
    #[prost(bool, tag = "8")]
    pub damaged: bool,
    #[prost(uint32, optional, tag = "9")]
    pub connects: Option<u32>,
}

/// [`Event`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct EventV1 {
    /// 0 opened, 1 completed, 2 an R2T.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(uint32, tag = "2")]
    pub cid: u32,
    #[prost(uint64, tag = "3")]
    pub result: u64,
    #[prost(uint32, tag = "4")]
    pub sq_head: u32,
    #[prost(uint32, tag = "5")]
    pub sq_id: u32,
    /// The status field of the completion.
    #[prost(uint32, tag = "6")]
    pub status: u32,
    #[prost(bytes = "vec", tag = "7")]
    pub data: Vec<u8>,
    #[prost(bool, tag = "8")]
    pub damaged: bool,
    /// Of an R2T.
    #[prost(uint32, tag = "9")]
    pub ttag: u32,
    #[prost(uint32, tag = "10")]
    pub offset: u32,
    #[prost(uint32, tag = "11")]
    pub len: u32,
}

fn bits(digests: Digests) -> u32 {
    u32::from(digests.header) | u32::from(digests.data) << 1
}

fn digests(bits: u32) -> Digests {
    Digests { header: bits & 1 != 0, data: bits & 2 != 0 }
}

fn narrow<T: TryFrom<u32>>(value: u32, what: &'static str) -> Result<T, BadSaved> {
    value.try_into().map_err(|_| BadSaved(what))
}

impl Queue {
    /// Its saved form.
    pub fn save(&self) -> QueueV1 {
        let Setup { digests, hpda, r2ts_max, hold_r2ts } = self.setup;
        let agreed = |agreed: Agreed| AgreedV1 {
            digests: bits(agreed.ours.digests),
            cpda: agreed.ours.pda.into(),
            h2c_data_max: agreed.h2c_data_max,
        };
        QueueV1 {
            wishes: bits(digests) | u32::from(hold_r2ts) << 2,
            hpda: hpda.into(),
            r2ts_max,
            agreed: self.agreed.map(agreed),
            end: self.end.map(EndV1::from),
            entries: self.entries.into(),
            flow: self.flow.map_or(Vec::new(), |flow| vec![flow.tail.into(), flow.head.into()]),
            in_capsule: self.in_capsule,
            pending: self.pending.iter().map(|(cid, pending)| pending.save(*cid)).collect(),
            next_cid: self.next_cid.into(),
            inbox: self.inbox.clone(),
            outbox: self.output().to_vec(),
            events: self.events.iter().map(EventV1::from).collect(),
        }
    }

    /// The queue of this form.
    ///
    /// # Errors
    /// Something in it cannot be.
    pub fn restore(saved: QueueV1) -> Result<Queue, BadSaved> {
        let agreed = |agreed: AgreedV1| {
            let pda = narrow(agreed.cpda, "alignment")?;
            if pda > 31 || agreed.h2c_data_max < super::H2C_DATA_MIN {
                return Err(BadSaved("agreement"));
            }
            let ours = Framing { digests: digests(agreed.digests), pda };
            Ok(Agreed { ours, h2c_data_max: agreed.h2c_data_max })
        };
        let entries: u16 = narrow(saved.entries, "size")?;
        if entries < 2 {
            return Err(BadSaved("size"));
        }
        let position = |at: u32| {
            narrow(at, "position").and_then(|at| if at < entries { Ok(at) } else { Err(BadSaved("position")) })
        };
        let flow = match saved.flow[..] {
            [] => None,
            [tail, head] => Some(Flow { tail: position(tail)?, head: position(head)? }),
            _ => return Err(BadSaved("position")),
        };
        let hpda = narrow(saved.hpda, "alignment")?;
        if hpda > 31 || saved.r2ts_max == 0 {
            return Err(BadSaved("setup"));
        }
        let hold_r2ts = saved.wishes & 4 != 0;
        Ok(Queue {
            setup: Setup { digests: digests(saved.wishes), hpda, r2ts_max: saved.r2ts_max, hold_r2ts },
            agreed: saved.agreed.map(agreed).transpose()?,
            end: saved.end.map(End::try_from).transpose()?,
            entries,
            flow,
            in_capsule: saved.in_capsule,
            pending: saved.pending.into_iter().map(Pending::restore).collect::<Result<_, _>>()?,
            next_cid: narrow(saved.next_cid, "next CID")?,
            inbox: saved.inbox,
            outbox: saved.outbox,
            sent: 0,
            events: saved.events.into_iter().map(Event::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl Pending {
    fn save(&self, cid: u16) -> PendingV1 {
        PendingV1 {
            cid: cid.into(),
            out: self.out.clone(),
            asked: self.asked,
            r2ts: self.r2ts,
            wants: self.wants,
            got: self.got.clone(),
            last: self.last,
            damaged: self.damaged,
            connects: self.connects.map(u32::from),
        }
    }

    fn restore(saved: PendingV1) -> Result<(u16, Pending), BadSaved> {
        if saved.asked as usize > saved.out.len() || saved.got.len() > saved.wants as usize {
            return Err(BadSaved("data"));
        }
        let connects = saved.connects.map(|entries| narrow(entries, "size")).transpose()?;
        if connects.is_some_and(|entries: u16| entries < 2) {
            return Err(BadSaved("size"));
        }
        let pending = Pending {
            out: saved.out,
            asked: saved.asked,
            r2ts: saved.r2ts,
            wants: saved.wants,
            got: saved.got,
            last: saved.last,
            damaged: saved.damaged,
            connects,
        };
        Ok((narrow(saved.cid, "CID")?, pending))
    }
}

impl From<End> for EndV1 {
    fn from(end: End) -> EndV1 {
        match end {
            End::Fault(fault) => EndV1 { kind: 0, fes: fault.fes.0.into(), fei: fault.fei },
            End::Terminated(request) => EndV1 { kind: 1, fes: request.fes.0.into(), fei: request.fei },
            End::Disconnected => EndV1 { kind: 2, fes: 0, fei: 0 },
        }
    }
}

impl TryFrom<EndV1> for End {
    type Error = BadSaved;

    fn try_from(saved: EndV1) -> Result<End, BadSaved> {
        let (fes, fei) = (Fes(narrow(saved.fes, "end")?), saved.fei);
        match saved.kind {
            0 => Ok(End::Fault(Fault { fes, fei, why: "what broke a rule" })),
            1 => Ok(End::Terminated(TermReq { fes, fei })),
            2 => Ok(End::Disconnected),
            _ => Err(BadSaved("end")),
        }
    }
}

impl From<&Event> for EventV1 {
    fn from(event: &Event) -> EventV1 {
        match event {
            Event::Opened => EventV1::default(),
            Event::Completed { completion, data, damaged } => EventV1 {
                kind: 1,
                cid: completion.cid.0.into(),
                result: completion.result,
                sq_head: completion.sq_head.into(),
                sq_id: completion.sq_id.into(),
                status: completion.status.field(completion.more).into(),
                data: data.clone(),
                damaged: *damaged,
                ..EventV1::default()
            },
            Event::R2t(r2t) => EventV1 {
                kind: 2,
                cid: r2t.cid.into(),
                ttag: r2t.ttag.into(),
                offset: r2t.offset,
                len: r2t.len,
                ..EventV1::default()
            },
        }
    }
}

impl TryFrom<EventV1> for Event {
    type Error = BadSaved;

    fn try_from(saved: EventV1) -> Result<Event, BadSaved> {
        let cid = narrow(saved.cid, "CID")?;
        Ok(match saved.kind {
            0 => Event::Opened,
            1 => {
                let field: u16 = narrow(saved.status, "status")?;
                let completion = Completion {
                    result: saved.result,
                    sq_head: narrow(saved.sq_head, "position")?,
                    sq_id: narrow(saved.sq_id, "position")?,
                    cid: Cid(cid),
                    status: Status::of_field(field),
                    more: field & 0x4000 != 0,
                };
                Event::Completed { completion, data: saved.data, damaged: saved.damaged }
            }
            2 => Event::R2t(R2t { cid, ttag: narrow(saved.ttag, "tag")?, offset: saved.offset, len: saved.len }),
            _ => return Err(BadSaved("event")),
        })
    }
}
