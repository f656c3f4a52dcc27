//! From bytes to commands: what each PDU is, and where its data goes.

use super::{Connection, Cx, FABRICS_IN_CAPSULE};
use crate::nvme::entry::Direction;
use crate::nvme::{Entry, Sgl, Status};
use crate::nvmetcp::event::{Event, Given, Tag};
use crate::nvmetcp::info::Phase;
use crate::nvmetcp::input::{Body, Broken, Sink, Store};
use crate::nvmetcp::pdu::{
    CapsuleCmd, Ch, DIGEST_BYTES, Digests, Fault, Fes, Framing, HEADER_MAX, IcReq, IcResp, PFV_1_0, Segment, TermReq,
    field, kind,
};
use mainstay_base::time::Instant;
use std::time::Duration;

/// How long a capsule waits for memory for its data: others of its connection wait behind it, and what they hold may be what
/// is missing.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(2);

/// What becomes of a PDU once its data is complete.
#[derive(Debug)]
pub(in crate::nvmetcp) enum What {
    /// A command; `given` when its data did not go into a buffer.
    Command { entry: Entry, given: Given },
    /// Data of a command, from this byte of it.
    Data { tag: Tag, offset: u32 },
}

/// A PDU whose data is coming.
#[derive(Debug)]
pub(in crate::nvmetcp) struct Incoming {
    pub what: What,
    pub body: Body,
}

/// A capsule whose data there is no memory for.
#[derive(Debug)]
pub(in crate::nvmetcp) struct Waiting {
    pub entry: Entry,
    pub segment: Segment,
    /// Which bytes of the capsule's data are the command's.
    pub from: u32,
    pub len: u32,
    /// When the data is swallowed instead.
    pub until: Instant,
}

/// Where the data of a command is.
enum Place {
    /// In the capsule: first byte and length.
    InCapsule(u32, u32),
    Elsewhere(Given),
}

/// The data of a command in whose capsule `carried` bytes came (base §4.1.2, tcp §3.4).
fn place(entry: &Entry, carried: u32) -> Place {
    let sgl = match entry.sgl() {
        Ok(sgl) => sgl,
        // A descriptor of no bytes is of no type that matters.
        Err(status) if status == Status::SGL_TYPE_INVALID && entry.dword(8) == 0 => Sgl::Transport { len: 0 },
        Err(status) => return Place::Elsewhere(Given::Refused(status)),
    };
    Place::Elsewhere(match sgl {
        Sgl::InCapsule { len: 0, .. } | Sgl::Transport { len: 0 } => Given::Nothing,
        Sgl::Transport { len } => Given::Transport { len },
        Sgl::InCapsule { .. } if entry.direction() != Direction::ToController => Given::Refused(Status::INVALID_FIELD),
        Sgl::InCapsule { offset, len } => match u32::try_from(offset) {
            Ok(from) if from < carried && len <= carried - from => return Place::InCapsule(from, len),
            Ok(from) if from < carried => Given::Refused(Status::SGL_LENGTH_INVALID),
            _ => Given::Refused(Status::SGL_OFFSET_INVALID),
        },
    })
}

impl Connection {
    /// Take apart as much as there is.
    pub(super) fn parse(&mut self, cx: &Cx<'_>, mut bytes: &[u8]) {
        while !self.is_ended() {
            if self.waiting.is_some() {
                self.pending.extend_from_slice(bytes);
                if self.pending.len() > self.limits.output_high {
                    self.notice("sends on while it is not listened to; disconnected");
                    self.end();
                }
                return;
            }
            if let Some(incoming) = &mut self.incoming {
                if !incoming.body.take(&mut bytes) {
                    return self.watch_transfers(cx.now);
                }
                if let Some(incoming) = self.incoming.take() {
                    self.complete(cx, incoming);
                }
                continue;
            }
            let mut store: Store = [0; HEADER_MAX + DIGEST_BYTES];
            let open = self.info.phase == Phase::Serving;
            match self.input.head(&mut bytes, &mut store, &self.inward, open) {
                Ok(None) => return,
                Ok(Some((ch, head))) => {
                    self.info.traffic.received_pdus += 1;
                    if let Err(fault) = self.begin(cx, &ch, head) {
                        self.fatal(fault, head);
                    }
                }
                Err(Broken { fault, header }) => {
                    self.info.traffic.digest_errors += u64::from(fault.fes == Fes::HEADER_DIGEST);
                    self.fatal(fault, &header);
                }
            }
        }
    }

    /// A header is complete.
    fn begin(&mut self, cx: &Cx<'_>, ch: &Ch, head: &[u8]) -> Result<(), Fault> {
        let segment = self.inward.segment(ch)?;
        match ch.kind {
            kind::CAPSULE_CMD => self.capsule(cx, head, segment),
            kind::H2C_DATA => {
                let (what, sink) = self.place_h2c_data(cx, head, segment)?;
                self.expect(what, segment, sink);
                Ok(())
            }
            kind::IC_REQ => self.initialise(head),
            _ => {
                let Some(header) = head.first_chunk() else { return Ok(()) };
                let TermReq { fes, fei } = TermReq::parse(header);
                self.notice(&format!("terminates the connection with \"{fes}\", {fei:#x} (tcp §3.6.2.3)"));
                self.end();
                Ok(())
            }
        }
    }

    /// ICReq (tcp §3.1): we agree to what it asks, as far as we may.
    fn initialise(&mut self, head: &[u8]) -> Result<(), Fault> {
        let Some(header) = head.first_chunk() else { return Ok(()) };
        let request = IcReq::parse(header);
        let unsupported = |fei, why| Err(Fault { fes: Fes::UNSUPPORTED_PARAMETER, fei, why });
        if request.pfv != PFV_1_0 {
            return unsupported(field::PFV, "a PDU format that is not known here");
        }
        if request.hpda > 31 {
            return unsupported(field::PDA, "an alignment of data that there is not");
        }
        let digests = Digests {
            header: request.digests.header && self.limits.header_digest,
            data: request.digests.data && self.limits.data_digest,
        };
        (self.info.digests, self.info.hpda, self.info.maxr2t) = (digests, request.hpda, request.maxr2t);
        self.info.phase = Phase::Serving;
        self.inward = Framing { digests, pda: self.limits.cpda };
        self.outward = Framing { digests, pda: request.hpda };
        let answer = IcResp { pfv: PFV_1_0, cpda: self.limits.cpda, digests, maxh2cdata: self.limits.h2c_data_max };
        self.output.push_raw(&answer.emit());
        self.events.push_back(Event::Opened);
        Ok(())
    }

    /// A command, perhaps with data behind it.
    fn capsule(&mut self, cx: &Cx<'_>, head: &[u8], segment: Segment) -> Result<(), Fault> {
        let Some(header) = head.first_chunk() else { return Ok(()) };
        let CapsuleCmd { entry } = CapsuleCmd::parse(header);
        if self.commands.is_full() {
            return Err(Fault { fes: Fes::PDU_SEQUENCE, fei: 0, why: "more commands than its queue holds" });
        }
        let room = if entry.is_fabrics() { self.in_capsule.max(FABRICS_IN_CAPSULE) } else { self.in_capsule };
        if segment.len > room {
            return Err(Fault::field(field::PLEN, "more data in a capsule than there is room for"));
        }
        match place(&entry, segment.len) {
            Place::Elsewhere(given) if segment.len == 0 => self.deliver(entry, given),
            Place::Elsewhere(given) => self.expect(What::Command { entry, given }, segment, Sink::Skip),
            Place::InCapsule(from, len) => {
                let until = cx.now + MEMORY_TIMEOUT;
                self.reserve(cx, Waiting { entry, segment, from, len, until });
            }
        }
        Ok(())
    }

    /// Memory for the data of a capsule, or the wait for it.
    fn reserve(&mut self, cx: &Cx<'_>, capsule: Waiting) {
        let Some(buf) = cx.arena.alloc(capsule.len as usize) else {
            self.waiting = Some(Box::new(capsule));
            return;
        };
        let Waiting { entry, segment, from, len, .. } = capsule;
        let (from, len) = (from as usize, len as usize);
        let sink = Sink::Buf { buf, base: 0, from, to: from + len };
        self.expect(What::Command { entry, given: Given::Nothing }, segment, sink);
    }

    /// Some memory of the arena was freed: the capsule that waits for some.
    pub(super) fn feed_capsule(&mut self, cx: &Cx<'_>) {
        let Some(capsule) = self.waiting.take() else { return };
        self.reserve(cx, *capsule);
        self.resume(cx);
    }

    /// There was no memory for too long.
    pub(super) fn starve(&mut self, cx: &Cx<'_>) {
        let Some(capsule) = self.waiting.take() else { return };
        let what = What::Command { entry: capsule.entry, given: Given::Starved };
        self.expect(what, capsule.segment, Sink::Skip);
        self.resume(cx);
    }

    fn resume(&mut self, cx: &Cx<'_>) {
        if self.waiting.is_none() {
            let pending = std::mem::take(&mut self.pending);
            self.parse(cx, &pending);
        }
    }

    fn expect(&mut self, what: What, segment: Segment, sink: Sink) {
        self.incoming = Some(Incoming { what, body: Body::new(segment, self.inward.digests.data, sink) });
    }

    /// The data of a PDU is complete.
    fn complete(&mut self, cx: &Cx<'_>, incoming: Incoming) {
        let Incoming { what, body } = incoming;
        let intact = body.intact();
        if !intact {
            self.info.traffic.digest_errors += 1;
        }
        match (what, body.into_sink()) {
            // The command cannot do its work, the connection goes on (tcp §3.3.1.1).
            (What::Command { entry, .. }, _) if !intact => {
                self.notice(&format!("command {} fails: a data digest does not match", entry.cid().0));
                self.deliver(entry, Given::Refused(Status::TRANSIENT_TRANSPORT_ERROR));
            }
            (What::Command { entry, .. }, Sink::Buf { buf, .. }) => self.deliver(entry, Given::InCapsule(buf)),
            (What::Command { entry, given }, Sink::Skip) => self.deliver(entry, given),
            (What::Data { tag, offset }, sink) => self.h2c_data(cx, tag, offset, intact, sink),
        }
    }

    fn deliver(&mut self, entry: Entry, data: Given) {
        let len = if let Given::Transport { len } = data { len } else { 0 };
        let tag = self.commands.insert(entry.cid().0, len);
        self.info.traffic.commands += 1;
        self.events.push_back(Event::Command { tag, entry, data });
    }
}
