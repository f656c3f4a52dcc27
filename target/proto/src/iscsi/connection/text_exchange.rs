//! Text exchanges in full feature phase: one at a time, over as many PDUs as either side needs (RFC 7143 §11.10, §11.11).

use super::{Connection, Cx};
use crate::iscsi::discovery::Asker;
use crate::iscsi::exchange;
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

    /// A Text Request whose turn it is.
    pub(super) fn text_request(&mut self, cx: &Cx<'_>, bhs: &Bhs, data: &[u8]) {
        let request = TextRequest::parse(bhs);
        if request.last && request.more {
            return self.reject(bhs, RejectReason::InvalidField, "a text request with both F and C", "11.10.2");
        }
        let mut exchange = match self.text.take() {
            // A reserved tag begins anew, whatever there was (RFC 7143 §11.10.4).
            _ if request.ttt == Ttt::RESERVED => {
                Box::new(TextExchange { itt: request.itt, ttt: Ttt::RESERVED, inbox: Vec::new(), outbox: Vec::new() })
            }
            Some(exchange) if exchange.itt == request.itt && exchange.ttt == request.ttt => exchange,
            other => {
                self.text = other;
                let why = "a text request with a target transfer tag we did not give";
                return self.reject(bhs, RejectReason::InvalidField, why, "11.10.4");
            }
        };
        if !exchange.outbox.is_empty() {
            // It fetches the rest of our answer, and has nothing to say meanwhile (RFC 7143 §6.2).
            if !data.is_empty() {
                let why = "a text request with text before our own had ended";
                return self.reject(bhs, RejectReason::ProtocolError, why, "6.2");
            }
            return self.text_response(exchange, &request);
        }
        exchange.inbox.extend_from_slice(data);
        if exchange.inbox.len() > TEXT_BYTES_MAX {
            return self.fatal(&format!("sends a text of more than {TEXT_BYTES_MAX} bytes"), "6.1");
        }
        if request.more {
            return self.respond_with(exchange, false, false, &[]);
        }
        let inbox = std::mem::take(&mut exchange.inbox);
        let asker = Asker {
            site: cx.site,
            initiator: &self.info.initiator,
            portal: self.info.portal,
            local: self.info.local,
            target: self.info.target_name.as_deref(),
        };
        match exchange::answer(&asker, &mut self.info.negotiated, &inbox) {
            Ok(answer) => {
                exchange.outbox = answer;
                self.text_response(exchange, &request);
            }
            Err(violation) => {
                self.reject(bhs, RejectReason::ProtocolError, &format!("a text request: {violation}"), "6.2");
            }
        }
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
