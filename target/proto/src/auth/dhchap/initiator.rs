//! The host's side. [`Initiator::step`] says what to do; the outcome goes back by `sent`, `received` or `computed`.

use zeroize::Zeroizing;

use super::message::{self, Message, Offer, check_length};
use super::power::{Exponent, Power, Work};
use super::proof::{Agreed, Proof, Terms};
use super::seed::Seed;
use super::{Failure, Group, Hash, Reason, Stage};
use crate::auth::same;

/// The host's side of one exchange on one queue.
#[derive(Clone, PartialEq, Eq)]
pub struct Initiator {
    pub(super) seed: Seed,
    pub(super) transaction: u16,
    /// This is to be sent before the phase begins.
    pub(super) message: Option<Vec<u8>>,
    pub(super) phase: Phase,
    pub(super) serial: u32,
}

/// How far it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// AUTH_Negotiate is out.
    Offered,
    /// Our public value is computed.
    Raising(Asked),
    /// Then the shared secret.
    Sharing(Asked, Vec<u8>),
    /// The reply is out.
    Replied(Expected),
    Done(Proof),
    Over(Failure),
}

/// What the controller has asked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub agreed: Agreed,
    /// S1.
    pub sequence: u32,
    /// C1.
    pub challenge: Vec<u8>,
    /// The controller's public value.
    pub public: Vec<u8>,
    pub exponent: Exponent,
}

/// What the controller has to answer.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub agreed: Agreed,
    /// R2, if we asked.
    pub response: Option<Zeroizing<Vec<u8>>>,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An Authentication Send of this; then [`Initiator::sent`].
    Send(Vec<u8>),
    /// An Authentication Receive of [`MESSAGE_BYTES_MAX`](super::MESSAGE_BYTES_MAX) bytes; then [`Initiator::received`].
    Receive,
    /// This computation; then [`Initiator::computed`].
    Compute(Work),
    /// Nothing: both are who they say.
    Done(Proof),
    /// Nothing: it failed, and the connection is of no use.
    Failed(Failure),
}

impl std::fmt::Debug for Initiator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Initiator").field("transaction", &self.transaction).finish_non_exhaustive()
    }
}

impl Initiator {
    /// An exchange named `transaction`, which no other of the same controller is at this time. `entropy` comes from the system's
    /// random source and is used for it alone.
    pub fn new(entropy: [u8; 32], transaction: u16, terms: &Terms<'_>) -> Initiator {
        let hashes: Vec<u8> = terms.keys.hashes.iter().map(|hash| hash.id()).collect();
        let groups: Vec<u8> = terms.keys.groups.iter().map(|group| group.id()).collect();
        let offer = Some(Offer { hashes: &hashes, groups: &groups });
        let message = Some(Message::Negotiate { secure: 0, offer }.build(transaction));
        Initiator { seed: Seed::new(entropy), transaction, message, phase: Phase::Offered, serial: 0 }
    }

    /// What is to be done now.
    pub fn step(&self) -> Step {
        let work = |asked: &Asked, base| Work {
            serial: self.serial,
            group: asked.agreed.group,
            base,
            exponent: asked.exponent.clone(),
        };
        if let Some(message) = &self.message {
            return Step::Send(message.clone());
        }
        match &self.phase {
            Phase::Offered | Phase::Replied(_) => Step::Receive,
            Phase::Raising(asked) => Step::Compute(work(asked, None)),
            Phase::Sharing(asked, _) => Step::Compute(work(asked, Some(asked.public.clone()))),
            Phase::Done(proof) => Step::Done(*proof),
            Phase::Over(failure) => Step::Failed(failure.clone()),
        }
    }

    /// The Authentication Send has succeeded.
    pub fn sent(&mut self) {
        self.message = None;
    }

    /// The Authentication Receive has brought `bytes`.
    pub fn received(&mut self, terms: &Terms<'_>, bytes: &[u8]) {
        let step = match (&self.message, &self.phase) {
            (None, Phase::Offered) => Stage::Challenge,
            (None, Phase::Replied(_)) => Stage::Success,
            _ => return,
        };
        let phase = match Message::parse(bytes) {
            // The controller knows already.
            Ok(Message::Failure1(code)) => Ok(Phase::Over(Failure::told("controller", code, step))),
            Ok(message) if message::transaction(bytes) == self.transaction => self.proceed(terms, message, step),
            Ok(_) => Err(Failure::new(Reason::IncorrectPayload, step, "a message of another transaction")),
            Err(bad) => Err(bad.at(step)),
        };
        self.phase = phase.unwrap_or_else(|failure| {
            self.message = Some(Message::Failure2(failure.reason.code()).build(self.transaction));
            Phase::Over(failure)
        });
        self.serial = self.serial.wrapping_add(1);
    }

    /// A computation has come to `power`. What nobody waits for any more is passed over.
    pub fn computed(&mut self, terms: &Terms<'_>, power: &Power) {
        if power.serial != self.serial {
            return;
        }
        self.phase = match std::mem::replace(&mut self.phase, Phase::Offered) {
            Phase::Raising(asked) => Phase::Sharing(asked, power.value.to_vec()),
            Phase::Sharing(asked, public) => self.reply(terms, &asked, &public, &power.value),
            other => other,
        };
        self.serial = self.serial.wrapping_add(1);
    }

    fn proceed(&mut self, terms: &Terms<'_>, message: Message<'_>, step: Stage) -> Result<Phase, Failure> {
        let fail = |reason, why: &str| Err(Failure::new(reason, step, why));
        match (&self.phase, message) {
            (Phase::Offered, Message::Challenge { hash, group, sequence, challenge, public }) => {
                let Some(hash) = Hash::from_id(hash).filter(|hash| terms.keys.hashes.contains(hash)) else {
                    return fail(Reason::HashUnusable, "the controller chose a hash that was not offered");
                };
                let Some(group) = Group::from_id(group).filter(|group| terms.keys.groups.contains(group)) else {
                    return fail(Reason::GroupUnusable, "the controller chose a group that was not offered");
                };
                check_length(hash, challenge.len()).map_err(|bad| bad.at(step))?;
                let asked = Asked {
                    agreed: Agreed { transaction: self.transaction, hash, group },
                    sequence,
                    challenge: challenge.to_vec(),
                    public: public.to_vec(),
                    exponent: self.seed.exponent(),
                };
                match group {
                    Group::Null if public.is_empty() => Ok(self.reply(terms, &asked, &[], &[])),
                    Group::Null => fail(Reason::IncorrectPayload, "a public value although there is no group"),
                    group if group.admits(public) => Ok(Phase::Raising(asked)),
                    _ => fail(Reason::IncorrectPayload, "a public value that is not of the group"),
                }
            }
            (Phase::Replied(expected), Message::Success1 { length, response }) => {
                check_length(expected.agreed.hash, length.into()).map_err(|bad| bad.at(step))?;
                match (&expected.response, response) {
                    (None, _) => Ok(Phase::Done(expected.agreed.proof(false))),
                    (Some(right), Some(given)) if same(right, given) => {
                        let proof = expected.agreed.proof(true);
                        self.message = Some(Message::Success2.build(self.transaction));
                        Ok(Phase::Done(proof))
                    }
                    (Some(_), Some(_)) => {
                        fail(Reason::Failed, "wrong key: the controller did not answer as its configured key would")
                    }
                    (Some(_), None) => {
                        fail(Reason::Failed, "the controller did not prove itself although it was asked to")
                    }
                }
            }
            _ => fail(Reason::IncorrectMessage, "a message out of turn"),
        }
    }

    /// The reply to what was asked.
    fn reply(&mut self, terms: &Terms<'_>, asked: &Asked, public: &[u8], shared: &[u8]) -> Phase {
        let agreed = asked.agreed;
        let answer = agreed.host_response(terms, &asked.challenge, asked.sequence, shared);
        // Never 0, which would speak of a secure channel, even if nothing is asked (§8.13.5.4).
        let sequence = self.seed.sequence();
        let challenge = terms.keys.controller.as_ref().map(|_| self.seed.challenge(agreed.hash));
        let response = challenge.as_ref().and_then(|c2| agreed.controller_response(terms, c2, sequence, shared));
        let message = Message::Reply { sequence, response: &answer, challenge: challenge.as_deref(), public };
        self.message = Some(message.build(self.transaction));
        Phase::Replied(Expected { agreed, response })
    }
}
