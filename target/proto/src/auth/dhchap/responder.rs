//! The controller's side. AUTH_Send is answered at once, whatever comes of it; AUTH_Receive fetches what there is to say and waits for a
//! computation if it must.
//!
//! ```text
//! Idle ─Negotiate─▸ Raising ─g^x─▸ Ready ─given─▸ Challenged ─Reply─▸ Sharing ─Y^x─▸ Verified ─given─▸ Idle, authenticated
//!                                                                                        └─mutual─▸ Proven ─Success2─▸ Idle, authenticated
//! ```
//! Without a group, Raising and Sharing are passed by. Whatever goes wrong leads to Failing, whose AUTH_Failure1 is fetched too, then to
//! Over. AUTH_Negotiate begins anew from anywhere but these two.

use super::message::{self, BadMessage, Message, Offer, check_length};
use super::power::{Exponent, Power, Work};
use super::proof::{Agreed, Proof, Terms};
use super::seed::Seed;
use super::{Failure, Group, Hash, Reason, Stage};
use crate::auth::same;

/// How often an exchange may begin before one must have succeeded: each costs a power.
const NEGOTIATIONS_MAX: u32 = 8;

/// The controller's side of one queue, as long as that lives: hosts authenticate again when they like.
#[derive(Clone, PartialEq, Eq)]
pub struct Responder {
    pub(super) seed: Seed,
    pub(super) phase: Phase,
    /// The last wish.
    pub(super) serial: u32,
    /// Exchanges begun since the last that succeeded.
    pub(super) begun: u32,
    pub(super) proof: Option<Proof>,
}

/// How far it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Raising(Exchange),
    Ready(Exchange, Vec<u8>),
    Challenged(Exchange),
    Sharing(Exchange, Answer),
    /// Success1 with R2, or without.
    Verified(Agreed, Option<Vec<u8>>),
    Proven(Agreed),
    Failing(u16, Failure),
    Over,
}

/// What we have asked, or are about to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Exchange {
    pub agreed: Agreed,
    /// S1.
    pub sequence: u32,
    /// C1.
    pub challenge: Vec<u8>,
    pub exponent: Exponent,
}

/// What the host has answered.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// S2.
    pub sequence: u32,
    /// R1.
    pub response: Vec<u8>,
    /// C2, if the host wants an answer to it.
    pub challenge: Option<Vec<u8>>,
    pub public: Vec<u8>,
}

/// What came of an AUTH_Send. The command itself is completed with success, unless it is out of sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nothing more to do.
    Go,
    /// No exchange is under way that it could belong to: Command Sequence Error (base §8.13.2).
    OutOfSequence,
    /// This is to be computed; an AUTH_Receive may have to wait for it.
    Compute(Work),
    /// The host is who it says, and so are we.
    Authenticated(Proof),
    /// It is over: the connection is to be closed after the response.
    Failed(Failure),
}

/// What an AUTH_Receive gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// This, and success.
    Message(Vec<u8>, Verdict),
    /// It waits for a computation: ask again after that.
    Wait,
    /// There is nothing to be fetched: Command Sequence Error.
    Nothing,
    /// The allocation length is too small; it is still there for the next: Invalid Field in Command.
    Small {
        /// As many bytes as are needed.
        need: u32,
    },
}

/// What a message fetched means for the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Open,
    /// The host is who it says.
    Authenticated(Proof),
    /// It is over: the connection is to be closed after the response.
    Failed(Failure),
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("proof", &self.proof).field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Responder {
    /// The side of a controller on a new connection. `entropy` comes from the system's random source and is used for it alone.
    pub fn new(entropy: [u8; 32]) -> Responder {
        Responder { seed: Seed::new(entropy), phase: Phase::Idle, serial: 0, begun: 0, proof: None }
    }

    /// How the host has proved itself. Stays while it does so again, and ends when that fails.
    pub fn proof(&self) -> Option<Proof> {
        self.proof
    }

    /// The computation it waits for. After a swap nobody remembers it, so it is asked for again.
    pub fn work(&self) -> Option<Work> {
        let (exchange, base) = match &self.phase {
            Phase::Raising(exchange) => (exchange, None),
            Phase::Sharing(exchange, answer) => (exchange, Some(answer.public.clone())),
            _ => return None,
        };
        Some(Work { serial: self.serial, group: exchange.agreed.group, base, exponent: exchange.exponent.clone() })
    }

    /// The data of an Authentication Send.
    pub fn take(&mut self, terms: &Terms<'_>, bytes: &[u8]) -> Taken {
        let step = self.step();
        if self.phase == Phase::Over {
            return Taken::Failed(Failure::new(
                Reason::IncorrectMessage,
                step,
                "a message after the exchange has failed",
            ));
        }
        let transaction = message::transaction(bytes);
        match Message::parse(bytes) {
            Ok(Message::Failure2(code)) => {
                (self.phase, self.proof) = (Phase::Over, None);
                return Taken::Failed(Failure::told("host", code, step));
            }
            // What the host has not fetched yet stands.
            _ if matches!(self.phase, Phase::Failing(..)) => {}
            // As after an exchange has expired.
            Ok(message) if self.phase == Phase::Idle && !matches!(message, Message::Negotiate { .. }) => {
                return Taken::OutOfSequence;
            }
            Ok(Message::Negotiate { secure, offer }) => match self.negotiate(terms, transaction, secure, offer) {
                Ok(phase) => return self.wish(phase),
                Err(failure) => self.fail(transaction, failure),
            },
            Ok(message) => match self.proceed(terms, transaction, message) {
                Ok(taken) => return taken,
                Err(failure) => self.fail(transaction, failure),
            },
            Err(bad) => self.fail(transaction, bad.at(step)),
        }
        Taken::Go
    }

    /// An Authentication Receive with this allocation length.
    pub fn give(&mut self, allocation: u32) -> Given {
        if let Phase::Challenged(Exchange { agreed, .. }) | Phase::Proven(agreed) = &self.phase {
            let why = "Authentication Receive although it is the host's turn";
            self.fail(agreed.transaction, Failure::new(Reason::IncorrectMessage, self.step(), why));
        }
        let (transaction, message) = match &self.phase {
            Phase::Raising(_) | Phase::Sharing(..) => return Given::Wait,
            Phase::Ready(exchange, public) => (exchange.agreed.transaction, exchange.message(public)),
            Phase::Verified(agreed, response) => {
                let length = agreed.hash.bytes() as u8;
                (agreed.transaction, Message::Success1 { length, response: response.as_deref() })
            }
            Phase::Failing(transaction, failure) => (*transaction, Message::Failure1(failure.reason.code())),
            Phase::Idle | Phase::Challenged(_) | Phase::Proven(_) | Phase::Over => return Given::Nothing,
        };
        let bytes = message.build(transaction);
        let need = bytes.len() as u32;
        if allocation < need {
            return Given::Small { need };
        }
        Given::Message(bytes, self.given())
    }

    /// A computation has come to `power`. What nobody waits for any more is passed over.
    pub fn computed(&mut self, terms: &Terms<'_>, power: &Power) {
        if power.serial != self.serial {
            return;
        }
        self.phase = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Raising(exchange) => Phase::Ready(exchange, power.value.to_vec()),
            Phase::Sharing(exchange, answer) => self.verify(terms, &exchange, answer, &power.value),
            other => other,
        };
    }

    /// An exchange is under way.
    pub fn in_progress(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Over)
    }

    /// An exchange has failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.phase, Phase::Over | Phase::Failing(..))
    }

    /// Forgets an exchange that the host has not gone on with for KATO, or two minutes without one (base §8.13.2). An earlier proof stands;
    /// without one the owner closes the connection.
    pub fn expire(&mut self) {
        if !self.has_failed() {
            self.phase = Phase::Idle;
        }
    }

    fn step(&self) -> Stage {
        match &self.phase {
            Phase::Idle | Phase::Over => Stage::Negotiation,
            Phase::Raising(_) | Phase::Ready(..) => Stage::Challenge,
            Phase::Challenged(_) | Phase::Sharing(..) => Stage::Reply,
            Phase::Verified(..) | Phase::Proven(_) => Stage::Success,
            Phase::Failing(_, failure) => failure.step,
        }
    }

    fn fail(&mut self, transaction: u16, failure: Failure) {
        (self.phase, self.proof) = (Phase::Failing(transaction, failure), None);
    }

    /// Goes to `phase`, and says what is to be computed for it.
    fn wish(&mut self, phase: Phase) -> Taken {
        self.phase = phase;
        self.serial = self.serial.wrapping_add(1);
        self.work().map_or(Taken::Go, Taken::Compute)
    }

    /// AUTH_Negotiate: the first of our lists that the host takes too.
    fn negotiate(
        &mut self,
        terms: &Terms<'_>,
        transaction: u16,
        secure: u8,
        offer: Option<Offer<'_>>,
    ) -> Result<Phase, Failure> {
        let fail = |reason, why: String| Err(Failure::new(reason, Stage::Negotiation, why));
        self.begun += 1;
        if self.begun > NEGOTIATIONS_MAX {
            return fail(Reason::Failed, format!("{NEGOTIATIONS_MAX} exchanges begun and none finished"));
        }
        if secure != 0 {
            return fail(
                Reason::SecureChannelMismatch,
                format!(
                    "the host wants a secure channel from the exchange (SC_C {secure:02x}h), which is not offered here"
                ),
            );
        }
        let Some(Offer { hashes, groups }) = offer else {
            return fail(Reason::ProtocolUnusable, "the host does not offer DH-HMAC-CHAP".to_owned());
        };
        let Some(hash) = terms.keys.hashes.iter().copied().find(|hash| hashes.contains(&hash.id())) else {
            let ours: Vec<_> = terms.keys.hashes.iter().map(|hash| hash.name()).collect();
            let why = format!("the host offers hashes {hashes:?}, the subsystem takes {}", ours.join(", "));
            return fail(Reason::HashUnusable, why);
        };
        let Some(group) = terms.keys.groups.iter().copied().find(|group| groups.contains(&group.id())) else {
            let ours: Vec<_> = terms.keys.groups.iter().map(|group| group.name()).collect();
            let why = format!("the host offers groups {groups:?}, the subsystem takes {}", ours.join(", "));
            return fail(Reason::GroupUnusable, why);
        };
        let exchange = Exchange {
            agreed: Agreed { transaction, hash, group },
            sequence: self.seed.sequence(),
            challenge: self.seed.challenge(hash),
            exponent: self.seed.exponent(),
        };
        Ok(match group {
            Group::Null => Phase::Ready(exchange, Vec::new()),
            _ => Phase::Raising(exchange),
        })
    }

    /// Any message but AUTH_Negotiate and AUTH_Failure2.
    fn proceed(&mut self, terms: &Terms<'_>, transaction: u16, message: Message<'_>) -> Result<Taken, Failure> {
        let step = self.step();
        let check = |agreed: &Agreed| match agreed.transaction == transaction {
            true => Ok(()),
            false => {
                let why = format!("transaction {transaction}, but {} is under way", agreed.transaction);
                Err(Failure::new(Reason::IncorrectPayload, step, why))
            }
        };
        match (&self.phase, message) {
            (Phase::Challenged(exchange), Message::Reply { sequence, response, challenge, public }) => {
                check(&exchange.agreed)?;
                let answer = Answer {
                    sequence,
                    response: response.to_vec(),
                    // S2 of 0: C2 is there for the keys of a secure channel only, and none was negotiated.
                    challenge: challenge.filter(|_| sequence != 0).map(<[u8]>::to_vec),
                    public: public.to_vec(),
                };
                answer.check(exchange)?;
                let exchange = exchange.clone();
                let phase = match exchange.agreed.group {
                    Group::Null => self.verify(terms, &exchange, answer, &[]),
                    _ => Phase::Sharing(exchange, answer),
                };
                Ok(self.wish(phase))
            }
            (Phase::Proven(agreed), Message::Success2) => {
                check(agreed)?;
                let proof = agreed.proof(true);
                self.succeed(proof);
                Ok(Taken::Authenticated(proof))
            }
            _ => Err(Failure::new(Reason::IncorrectMessage, step, "a message out of turn")),
        }
    }

    /// The host's answer against what it should be, and ours if it wants one.
    fn verify(&mut self, terms: &Terms<'_>, exchange: &Exchange, answer: Answer, shared: &[u8]) -> Phase {
        let agreed = exchange.agreed;
        let right = agreed.host_response(terms, &exchange.challenge, exchange.sequence, shared);
        let failure = if !same(&right, &answer.response) {
            "wrong key: the host did not answer as its configured key would"
        } else if let Some(challenge) = answer.challenge {
            match agreed.controller_response(terms, &challenge, answer.sequence, shared) {
                Some(response) => return Phase::Verified(agreed, Some(response.to_vec())),
                None => "the host wants the controller to prove itself, but there is no controller key for it",
            }
        } else {
            return Phase::Verified(agreed, None);
        };
        self.proof = None;
        Phase::Failing(agreed.transaction, Failure::new(Reason::Failed, Stage::Reply, failure))
    }

    /// Where it stands after its message has been fetched.
    fn given(&mut self) -> Verdict {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Ready(exchange, _) => self.phase = Phase::Challenged(exchange),
            Phase::Verified(agreed, Some(_)) => self.phase = Phase::Proven(agreed),
            Phase::Verified(agreed, None) => {
                let proof = agreed.proof(false);
                self.succeed(proof);
                return Verdict::Authenticated(proof);
            }
            Phase::Failing(_, failure) => {
                self.phase = Phase::Over;
                return Verdict::Failed(failure);
            }
            other => self.phase = other,
        }
        Verdict::Open
    }

    fn succeed(&mut self, proof: Proof) {
        (self.phase, self.begun, self.proof) = (Phase::Idle, 0, Some(proof));
    }
}

impl Exchange {
    fn message<'a>(&'a self, public: &'a [u8]) -> Message<'a> {
        let (hash, group): (Hash, Group) = (self.agreed.hash, self.agreed.group);
        Message::Challenge {
            hash: hash.id(),
            group: group.id(),
            sequence: self.sequence,
            challenge: &self.challenge,
            public,
        }
    }
}

impl Answer {
    /// Whether its values are possible at all.
    fn check(&self, exchange: &Exchange) -> Result<(), Failure> {
        let fail = |reason, why: &str| Err(Failure::new(reason, Stage::Reply, why));
        check_length(exchange.agreed.hash, self.response.len()).map_err(|bad: BadMessage| bad.at(Stage::Reply))?;
        match exchange.agreed.group {
            Group::Null if self.public.is_empty() => {}
            Group::Null => return fail(Reason::IncorrectPayload, "a public value although there is no group"),
            group if group.admits(&self.public) => {}
            _ => return fail(Reason::IncorrectPayload, "a public value that is not of the group"),
        }
        if self.challenge.as_ref().is_some_and(|challenge| same(challenge, &exchange.challenge)) {
            return fail(Reason::Failed, "the host sent our own challenge back");
        }
        Ok(())
    }
}
