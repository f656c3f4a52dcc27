//! The login phase as the connection sees it: requests to the login machine, its responses out, and the change to full
//! feature phase.

use super::{Connection, Cx, Digests};
use crate::iscsi::event::Event;
use crate::iscsi::keys::{Digest, Negotiated};
use crate::iscsi::login::{self, Established, Kind, LoginStatus, Outcome, Refusal};
use crate::iscsi::pdu::{Bhs, Itt, LoginRequest, LoginResponse};
use crate::iscsi::session::Phase;

impl Connection {
    /// A Login Request is complete.
    pub(super) fn login_request(&mut self, cx: &Cx<'_>, bhs: &Bhs, data: &[u8]) {
        let request = LoginRequest::parse(bhs);
        let Some(mut login) = self.login.take() else { return };
        if !self.greeted {
            self.greeted = true;
            self.window.begin(request.cmd_sn);
        }
        let output = login.handle(&login::Cx { site: cx.site, portal: self.info.portal }, &request, data);
        self.info.initiator = login.initiator().unwrap_or_default().to_owned();
        self.info.isid = request.isid;
        self.info.cid = request.cid;
        self.login = Some(login);
        self.step(cx, output);
    }

    /// The verdict on a candidate: the session's TSIH, or why not.
    pub fn admit(&mut self, cx: &Cx<'_>, verdict: Result<u16, Refusal>) {
        if self.info.phase != Phase::Deciding {
            return;
        }
        self.timers.clock = cx.now;
        let Some(login) = &mut self.login else { return };
        let output = login.admit(verdict);
        self.step(cx, output);
        if self.info.phase == Phase::FullFeature {
            let pending = std::mem::take(&mut self.input.pending);
            self.parse(cx, &pending);
        }
    }

    fn step(&mut self, cx: &Cx<'_>, output: login::Output) {
        let login::Output { responses, outcome, rejected } = output;
        for violation in rejected {
            self.notice(&format!("{violation}; rejected"), Some("6.2"));
        }
        if let Outcome::Established(established) = &outcome {
            self.establish(cx, established);
        }
        for (response, data) in responses {
            self.login_response(response, &data);
        }
        match outcome {
            Outcome::Continue => {}
            Outcome::Candidate(candidate) => {
                self.info.phase = Phase::Deciding;
                self.info.initiator.clone_from(&candidate.initiator);
                self.info.target = target(candidate.kind);
                self.events.push_back(Event::Candidate(candidate));
            }
            Outcome::Established(established) => {
                self.info.phase = Phase::FullFeature;
                // They are in use from the first PDU after the login phase on (RFC 7143 §13.1).
                self.digests = digests(&established.negotiated);
                self.login = None;
            }
            Outcome::Failed(refusal) => {
                let step = refusal.status.step().to_owned();
                self.events.push_back(Event::Refused { step, why: refusal.to_string() });
                self.end();
            }
        }
    }

    /// Everything but the phase, so that the last login response already tells the size of the window.
    fn establish(&mut self, cx: &Cx<'_>, established: &Established) {
        let negotiated = &established.negotiated;
        self.info.negotiated = negotiated.clone();
        self.info.tsih = established.tsih;
        self.info.target = target(established.kind);
        self.info.target_name.clone_from(&established.target);
        self.info.initiator_alias.clone_from(&established.initiator_alias);
        self.info.auth_method = established.proof.to_string();
        let unsolicited = match established.kind {
            Kind::Discovery => 0,
            Kind::Normal { .. } => unsolicited_max(negotiated),
        };
        self.window.open(cx.arena, self.limits.window_max, unsolicited as usize);
    }

    fn login_response(&mut self, mut response: LoginResponse, data: &[u8]) {
        response.counters = self.count();
        self.output.push(Digests::default(), &response.emit(data.len()), data);
    }

    /// Anything but a Login Request in the login phase (RFC 7143 §6.3).
    pub(super) fn not_a_login(&mut self, bhs: &Bhs) {
        let opcode = crate::iscsi::pdu::opcode(bhs);
        if self.greeted {
            let request = LoginRequest::parse(bhs);
            let response = LoginResponse {
                isid: self.info.isid,
                itt: Itt(request.itt.0),
                status: LoginStatus::InvalidDuringLogin.code(),
                ..LoginResponse::default()
            };
            self.login_response(response, &[]);
        }
        self.fatal(&format!("sends opcode {opcode:#04x} where a login request belongs"), "6.3");
    }
}

fn target(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Discovery => None,
        Kind::Normal { target } => Some(target),
    }
}

fn digests(negotiated: &Negotiated) -> Digests {
    Digests { header: negotiated.header_digest == Digest::Crc32c, data: negotiated.data_digest == Digest::Crc32c }
}

/// The most bytes a command may bring unasked (RFC 7143 §13.10, §13.11, §13.14).
fn unsolicited_max(negotiated: &Negotiated) -> u32 {
    let first = negotiated.first_burst_length;
    match (negotiated.initial_r2t, negotiated.immediate_data) {
        (false, _) => first,
        (true, true) => first.min(negotiated.recv_data_segment_max),
        (true, false) => 0,
    }
}
