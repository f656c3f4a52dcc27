//! The login phase of one connection (RFC 7143 §6.3, §11.12, §11.13): security negotiation, operational negotiation,
//! and at the end the owner's verdict.
//!
//! ```text
//!              T to 1                      T to 3
//!  security ───────────▶ operational ───────────────▶ deciding ──admit──▶ established
//!      │                                                ▲  │
//!      └──────────────────── T to 3 ────────────────────┘  └──admit──▶ refused
//! ```
//!
//! Non-goals: no timer (the connection has one for the whole phase), no sequence numbers (it fills in the counters of
//! each response), no knowledge of other sessions (reinstatement and limits are the owner's verdict).
//!
//! I1. A candidate has given every proof its target asks for. I2. A login ends after at most [`REQUESTS_MAX`] requests
//! and holds at most two texts of [`TEXT_BYTES_MAX`]. I3. No secret is part of its state, and what it says about a
//! refusal contains none. I4. It keeps names, not references: a site may change under it, and what is gone is refused.

mod identity;
mod refusal;
pub mod saved;
mod security;

use self::identity::Identity;
pub use self::refusal::{LoginStatus, Refusal};
pub use self::security::Proof;
use self::security::Security;
use super::keys::{Negotiated, Negotiation, Offers, Violation};
use super::pdu::{Isid, Itt, LoginRequest, LoginResponse, Stage};
use super::site::Site;
use super::text::{self, TEXT_BYTES_MAX};
use crate::auth::Seed;

/// The most requests of one login. A CHAP login takes four or five; a longest text both ways some twenty.
pub const REQUESTS_MAX: u32 = 64;
/// The longest data segment during login, either way (RFC 7143 §13.12: the default of MaxRecvDataSegmentLength).
pub const SEGMENT_BYTES_MAX: usize = 8192;

/// What a login is told with each request.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    /// What we serve.
    pub site: &'a Site,
    /// The portal the connection came in by, an index into [`Site::portals`].
    pub portal: usize,
}

/// What an initiator wants to be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To be told about targets.
    Discovery,
    /// To use one.
    Normal {
        /// An index into [`Site::targets`].
        target: usize,
    },
}

/// A login that has negotiated everything and waits for the owner's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The initiator's name.
    pub initiator: String,
    /// The initiator's part of the session's name.
    pub isid: Isid,
    /// Zero for a new session; otherwise the session the connection wants to join.
    pub tsih: u16,
    /// Names the connection within its session.
    pub cid: u16,
    /// What it wants.
    pub kind: Kind,
}

/// A login that has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Established {
    /// The initiator's name.
    pub initiator: String,
    /// What it calls itself for people.
    pub initiator_alias: Option<String>,
    /// The initiator's part of the session's name.
    pub isid: Isid,
    /// Our part.
    pub tsih: u16,
    /// Names the connection within its session.
    pub cid: u16,
    /// What it is connected to.
    pub kind: Kind,
    /// The name of the target of a normal session.
    pub target: Option<String>,
    /// The proofs that were given.
    pub proof: Proof,
    /// What was agreed on.
    pub negotiated: Negotiated,
}

/// What one step of a login gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Responses with their text, in order; their counters are left to the connection.
    pub responses: Vec<(LoginResponse, Vec<u8>)>,
    /// How it goes on.
    pub outcome: Outcome,
    /// Values of the initiator that were answered with Reject, for people.
    pub rejected: Vec<Violation>,
}

impl Output {
    fn new(responses: Vec<(LoginResponse, Vec<u8>)>, outcome: Outcome) -> Output {
        Output { responses, outcome, rejected: Vec::new() }
    }
}

/// How a login goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With the next request.
    Continue,
    /// With [`Login::admit`].
    Candidate(Candidate),
    /// In full feature phase, once the responses are sent.
    Established(Box<Established>),
    /// Not at all: the connection is closed once the responses are sent.
    Failed(Refusal),
}

/// Where a login stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Requests are expected.
    Open,
    /// The owner's verdict is expected.
    Deciding,
    /// Nothing is expected.
    Over,
}

/// What stays the same in all requests of a login (RFC 7143 §11.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Constant {
    isid: Isid,
    tsih: u16,
    itt: Itt,
    cid: u16,
}

/// The login phase of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    phase: Phase,
    stage: Stage,
    requests: u32,
    constant: Option<Constant>,
    /// Text of requests with C set.
    inbox: Vec<u8>,
    /// Text of responses not sent yet.
    outbox: Vec<u8>,
    /// A response with C set was the last.
    sending: bool,
    /// Nothing more to agree on in this stage.
    may_transit: bool,
    /// TargetPortalGroupTag and TargetAlias have been told.
    told: bool,
    identity: Option<Identity>,
    security: Security,
    seed: Seed,
    negotiation: Negotiation,
}

impl Login {
    /// A login that has seen nothing. `entropy` comes from the system's random source, for this connection only.
    pub fn new(entropy: [u8; 32], offers: Offers) -> Login {
        Login {
            phase: Phase::Open,
            stage: Stage::SecurityNegotiation,
            requests: 0,
            constant: None,
            inbox: Vec::new(),
            outbox: Vec::new(),
            sending: false,
            may_transit: false,
            told: false,
            identity: None,
            security: Security::Start,
            seed: Seed::new(entropy),
            negotiation: Negotiation::new(offers),
        }
    }

    /// Who is logging in, as far as it has said.
    pub fn initiator(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.initiator.as_str())
    }

    /// A request with its text.
    pub fn handle(&mut self, cx: &Cx<'_>, request: &LoginRequest, data: &[u8]) -> Output {
        self.step(cx, request, data).unwrap_or_else(|refusal| {
            let constant = Constant { isid: request.isid, tsih: request.tsih, itt: request.itt, cid: request.cid };
            self.refuse(constant, request.current, refusal)
        })
    }

    /// The owner's verdict on a candidate: the new session's TSIH, which is not zero, or why not.
    pub fn admit(&mut self, verdict: Result<u16, Refusal>) -> Output {
        let (constant, stage) = (self.constant.unwrap_or_default(), self.stage);
        match verdict.and_then(|tsih| self.establish(constant, tsih)) {
            Ok(output) => output,
            Err(refusal) => self.refuse(constant, stage, refusal),
        }
    }

    fn step(&mut self, cx: &Cx<'_>, request: &LoginRequest, data: &[u8]) -> Result<Output, Refusal> {
        self.check_header(request)?;
        if data.len() > SEGMENT_BYTES_MAX {
            return Err(Refusal::initiator(format!(
                "a login request with more than {SEGMENT_BYTES_MAX} bytes of text"
            )));
        }
        if self.sending {
            if request.more || !data.is_empty() {
                return Err(Refusal::initiator("a login request with text before our own text had ended"));
            }
            return self.respond(cx, request);
        }
        if self.inbox.len() + data.len() > TEXT_BYTES_MAX {
            return Err(Refusal::initiator(text::BadText::Long.to_string()));
        }
        self.inbox.extend_from_slice(data);
        if request.more {
            return Ok(Output::new(vec![(answer_to(request), Vec::new())], Outcome::Continue));
        }
        let inbox = std::mem::take(&mut self.inbox);
        let pairs = text::parse(&inbox).map_err(|bad| Refusal::initiator(bad.to_string()))?;
        let mut text = Vec::new();
        self.identify(cx, &pairs)?;
        self.tell(cx, &mut text)?;
        let rejected = self.negotiate(cx, request, &pairs, &mut text)?;
        self.outbox = text;
        Ok(Output { rejected, ..self.respond(cx, request)? })
    }

    fn check_header(&mut self, request: &LoginRequest) -> Result<(), Refusal> {
        if self.phase != Phase::Open {
            return Err(Refusal::initiator("a login request after the last one"));
        }
        self.requests += 1;
        if self.requests > REQUESTS_MAX {
            return Err(Refusal::initiator(format!("more than {REQUESTS_MAX} requests in one login")));
        }
        if request.version_min > 0 {
            let status = LoginStatus::UnsupportedVersion;
            return Err(Refusal::new(status, format!("version {} or later; we speak 0", request.version_min)));
        }
        let constant = Constant { isid: request.isid, tsih: request.tsih, itt: request.itt, cid: request.cid };
        match self.constant {
            None if !matches!(request.current, Stage::SecurityNegotiation | Stage::OperationalNegotiation) => {
                return Err(Refusal::initiator("the first login request is of no stage of login (CSG)"));
            }
            None => {
                self.constant = Some(constant);
                self.stage = request.current;
            }
            Some(before) if before != constant => {
                return Err(Refusal::initiator("ISID, TSIH, CID or task tag changed during the login"));
            }
            Some(_) if request.current != self.stage => {
                return Err(Refusal::initiator("the stage (CSG) changed without our consent"));
            }
            Some(_) => {}
        }
        if request.transit && request.more {
            return Err(Refusal::initiator("T and C in one login request"));
        }
        let forward = match request.next {
            Stage::OperationalNegotiation => self.stage == Stage::SecurityNegotiation,
            Stage::FullFeature => true,
            Stage::SecurityNegotiation | Stage::Reserved => false,
        };
        if request.transit && !forward {
            return Err(Refusal::initiator("a transition (NSG) that does not exist"));
        }
        Ok(())
    }

    /// Takes the names of the first complete text; later ones may only repeat them, as libiscsi does.
    fn identify(&mut self, cx: &Cx<'_>, pairs: &[(&str, &str)]) -> Result<(), Refusal> {
        match &self.identity {
            Some(identity) => identity.check_repeated(pairs),
            None => {
                self.identity = Some(Identity::read(cx, pairs)?);
                Ok(())
            }
        }
    }

    /// The first response names the portal group, and the target for people (RFC 7143 §13.9, §13.5).
    fn tell(&mut self, cx: &Cx<'_>, text: &mut Vec<u8>) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.told, true) {
            return Ok(());
        }
        if let Some((_, target)) = self.who()?.target(cx)? {
            if let Some(alias) = &target.alias {
                text::push(text, "TargetAlias", alias);
            }
            let tag = cx.site.portals.get(cx.portal).map_or(1, |portal| portal.tag);
            text::push(text, "TargetPortalGroupTag", &tag.to_string());
        }
        Ok(())
    }

    fn negotiate(
        &mut self,
        cx: &Cx<'_>,
        request: &LoginRequest,
        pairs: &[(&str, &str)],
        text: &mut Vec<u8>,
    ) -> Result<Vec<Violation>, Refusal> {
        let auth = self.who()?.auth(cx)?;
        if self.stage == Stage::SecurityNegotiation {
            self.security.step(auth, &mut self.seed, pairs, request.transit, text)?;
            self.may_transit = self.security.proof().is_some();
            return Ok(Vec::new());
        }
        self.security.skip(auth)?;
        let discovery = self.who()?.target.is_none();
        let broken = |broken: Violation| Refusal::initiator(broken.to_string());
        let rejected = self.negotiation.answer(pairs, discovery, text).map_err(broken)?;
        self.may_transit = true;
        Ok(rejected)
    }

    /// Sends what of the outbox fits one response; the transition rides on the last.
    fn respond(&mut self, cx: &Cx<'_>, request: &LoginRequest) -> Result<Output, Refusal> {
        let mut response = answer_to(request);
        self.sending = self.outbox.len() > SEGMENT_BYTES_MAX;
        let transit = request.transit && self.may_transit && !self.sending;
        if transit && request.next == Stage::FullFeature {
            let candidate = self.candidate(cx)?;
            self.phase = Phase::Deciding;
            return Ok(Output::new(Vec::new(), Outcome::Candidate(candidate)));
        }
        let rest = if self.sending { self.outbox.split_off(SEGMENT_BYTES_MAX) } else { Vec::new() };
        let text = std::mem::replace(&mut self.outbox, rest);
        response.more = self.sending;
        if transit {
            response.transit = true;
            response.next = request.next;
            self.stage = request.next;
        }
        Ok(Output::new(vec![(response, text)], Outcome::Continue))
    }

    fn candidate(&mut self, cx: &Cx<'_>) -> Result<Candidate, Refusal> {
        let constant = self.constant.unwrap_or_default();
        let identity = self.identity.as_mut().ok_or_else(Identity::missing)?;
        // What was asked for at the start may not be served any more, or ask for more proof than it did.
        identity.index = identity.target(cx)?.map(|(index, _)| index);
        let auth = identity.auth(cx)?;
        if self.security.proof().is_none_or(|proof| !proof.satisfies(auth)) {
            return Err(Refusal::authentication("the target now asks for a proof that was not given"));
        }
        Ok(Candidate {
            initiator: identity.initiator.clone(),
            isid: constant.isid,
            tsih: constant.tsih,
            cid: constant.cid,
            kind: identity.kind(),
        })
    }

    fn establish(&mut self, constant: Constant, tsih: u16) -> Result<Output, Refusal> {
        let (Phase::Deciding, Some(proof)) = (self.phase, self.security.proof()) else {
            return Err(Refusal::new(LoginStatus::TargetError, "admitted without being a candidate"));
        };
        self.phase = Phase::Over;
        let identity = self.who()?.clone();
        let mut negotiated = self.negotiation.values().clone();
        negotiated.settle();
        let response = LoginResponse {
            transit: true,
            current: self.stage,
            next: Stage::FullFeature,
            isid: constant.isid,
            tsih,
            itt: constant.itt,
            ..LoginResponse::default()
        };
        let established = Established {
            kind: identity.kind(),
            initiator: identity.initiator,
            initiator_alias: identity.initiator_alias,
            isid: constant.isid,
            tsih,
            cid: constant.cid,
            target: identity.target,
            proof,
            negotiated,
        };
        let responses = vec![(response, std::mem::take(&mut self.outbox))];
        Ok(Output::new(responses, Outcome::Established(Box::new(established))))
    }

    fn refuse(&mut self, constant: Constant, current: Stage, refusal: Refusal) -> Output {
        self.phase = Phase::Over;
        (self.inbox, self.outbox, self.sending) = (Vec::new(), Vec::new(), false);
        let response = LoginResponse {
            current,
            isid: constant.isid,
            tsih: constant.tsih,
            itt: constant.itt,
            status: refusal.status.code(),
            ..LoginResponse::default()
        };
        Output::new(vec![(response, Vec::new())], Outcome::Failed(refusal))
    }

    fn who(&self) -> Result<&Identity, Refusal> {
        self.identity.as_ref().ok_or_else(Identity::missing)
    }
}

impl Default for Constant {
    fn default() -> Constant {
        Constant { isid: Isid::default(), tsih: 0, itt: Itt(0), cid: 0 }
    }
}

/// A response to `request` without a transition.
fn answer_to(request: &LoginRequest) -> LoginResponse {
    LoginResponse {
        current: request.current,
        isid: request.isid,
        tsih: request.tsih,
        itt: request.itt,
        ..LoginResponse::default()
    }
}

#[cfg(test)]
mod tests;
