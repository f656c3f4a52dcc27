//! Text exchanges in full feature phase: one at a time, over as many PDUs as either side needs (RFC 7143 §11.10, §11.11).

use super::{Connection, Cx};
use crate::iscsi::discovery::Asker;
use crate::iscsi::exchange;
use crate::iscsi::keys::Violation;
use crate::iscsi::pdu::{Bhs, Itt, RejectReason, TextRequest, TextResponse, Ttt};
use crate::iscsi::text::TEXT_BYTES_MAX;
use mainstay_base::sam::Lun;

/// An exchange that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::iscsi) struct TextExchange {
    pub itt: Itt,
    /// What the next request has to bring along.
    pub ttt: Ttt,
    /// Text of requests with C set.
    pub inbox: Vec<u8>,
    /// What is still to be sent of our answer.
    pub outbox: Vec<u8>,
}

impl Connection {
    /// Bytes of text gathered so far.
    pub(super) fn text_bytes(&self) -> usize {
        self.text.as_ref().map_or(0, |exchange| exchange.inbox.len())
    }

    /// A Text Request whose turn it is. One that is rejected does not count as received, so a `numbered` one takes its
    /// number only here (RFC 7143 §7.3); false: it was rejected, and changes nothing.
    pub(super) fn text_request(&mut self, cx: &Cx<'_>, bhs: &Bhs, data: &[u8], numbered: bool) -> bool {
        let request = TextRequest::parse(bhs);
        if request.itt == Itt::RESERVED {
            return self.refuse_text(bhs, RejectReason::InvalidField, "a text request with a reserved tag", "11.2.1.8");
        }
        if request.last && request.more {
            return self.refuse_text(bhs, RejectReason::InvalidField, "a text request with both F and C", "11.10.2");
        }
        // A reserved tag begins anew, whatever there was (RFC 7143 §11.10.4).
        let begins = request.ttt == Ttt::RESERVED;
        let same = |exchange: &&TextExchange| exchange.itt == request.itt && exchange.ttt == request.ttt;
        let current = self.text.as_deref().filter(|_| !begins).filter(same);
        if !begins && current.is_none() {
            let why = "a text request with a target transfer tag we did not give";
            return self.refuse_text(bhs, RejectReason::InvalidField, why, "11.10.4");
        }
        // It fetches the rest of our answer, and has nothing to say meanwhile (RFC 7143 §6.2).
        let fetches = current.is_some_and(|exchange| !exchange.outbox.is_empty());
        if fetches && !data.is_empty() {
            let why = "a text request with text before our own had ended";
            return self.refuse_text(bhs, RejectReason::ProtocolError, why, "6.2");
        }
        let inbox = [current.map_or(&[][..], |exchange| &exchange.inbox), data].concat();
        if inbox.len() > TEXT_BYTES_MAX {
            self.fatal(&format!("sends a text of more than {TEXT_BYTES_MAX} bytes"), "6.1");
            return false;
        }
        let mut answer = None;
        if !fetches && !request.more {
            match self.ask(cx, &inbox) {
                Ok(text) => answer = Some(text),
                Err(violation) => {
                    let why = format!("a text request: {violation}");
                    return self.refuse_text(bhs, RejectReason::ProtocolError, &why, "6.2");
                }
            }
        }
        if numbered {
            self.window.advance(false);
        }
        let fresh = || TextExchange { itt: request.itt, ttt: Ttt::RESERVED, inbox: Vec::new(), outbox: Vec::new() };
        let mut exchange = self.text.take().filter(|_| !begins).unwrap_or_else(|| Box::new(fresh()));
        match answer {
            Some(text) => {
                exchange.inbox = Vec::new();
                exchange.outbox = text;
                self.text_response(exchange, &request);
            }
            None if fetches => self.text_response(exchange, &request),
            None => {
                exchange.inbox = inbox;
                self.respond_with(exchange, false, false, &[]);
            }
        }
        true
    }

    fn refuse_text(&mut self, bhs: &Bhs, reason: RejectReason, why: &str, clause: &str) -> bool {
        self.reject(bhs, reason, why, clause);
        false
    }

    /// What a complete text is answered with.
    fn ask(&mut self, cx: &Cx<'_>, text: &[u8]) -> Result<Vec<u8>, Violation> {
        let asker = Asker {
            site: cx.site,
            initiator: &self.info.initiator,
            portal: self.info.portal,
            local: self.info.local,
            target: self.info.target_name.as_deref(),
        };
        let answer = exchange::answer(&asker, &mut self.info.negotiated, text)?;
        if answer.left_out > 0 {
            let targets = answer.left_out;
            self.notice(&format!("is not told of {targets} targets: the answer to SendTargets is too long"), None);
        }
        Ok(answer.text)
    }

    fn text_response(&mut self, mut exchange: Box<TextExchange>, request: &TextRequest) {
        let max = self.info.negotiated.send_data_segment_max as usize;
        let rest = exchange.outbox.split_off(exchange.outbox.len().min(max));
        let part = std::mem::replace(&mut exchange.outbox, rest);
        let more = !exchange.outbox.is_empty();
        self.respond_with(exchange, request.last && !more, more, &part);
    }

    fn respond_with(&mut self, mut exchange: Box<TextExchange>, last: bool, more: bool, part: &[u8]) {
        exchange.ttt = if last { Ttt::RESERVED } else { self.ttt() };
        let pdu = TextResponse {
            last,
            more,
            lun: Lun::default(),
            itt: exchange.itt,
            ttt: exchange.ttt,
            counters: self.count(),
        };
        self.output.push(self.digests, &pdu.emit(part.len()), part);
        self.text = (!last).then_some(exchange);
    }
}
