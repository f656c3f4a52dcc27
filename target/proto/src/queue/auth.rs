//! In-band authentication of a queue (base §8.13): AUTH_Send and AUTH_Receive carry the messages of [`dhchap`].

use super::slots::Doing;
use super::{Cx, Effect, Queue, State};
use crate::auth::dhchap::{self, Failure, Given, Power, Proof, Taken, Terms, Transfer, Verdict};
use crate::nvme::{Reply, Site, Status};
use std::time::Duration;

/// Bytes an AUTH_Receive is filled up to, at most: hosts have room for a page.
const ANSWER_MAX: usize = 4096;
/// How long an exchange on a live queue may stand still (base §8.13.2, as without KATO: of that only the admin queue knows).
const STANDSTILL: Duration = Duration::from_secs(120);

impl Queue {
    /// What the host of this queue must prove, as the site says now.
    fn keys(&self, site: &Site) -> Option<dhchap::Keys> {
        let keys = match self.info.subsystem {
            None => site.discovery.keys.as_ref(),
            Some(subsystem) => site.subsystems.get(subsystem)?.keys_of(&self.info.host),
        }?;
        let controller = keys.controller.as_ref().map(|key| key.as_str());
        dhchap::Keys::parse(&keys.host, controller, &keys.hashes, &keys.groups).ok()
    }

    /// How many bytes an AUTH_Send or AUTH_Receive moves, if it is well-formed and authentication was asked for.
    pub(super) fn auth_bytes(&mut self, cx: &mut Cx<'_>, index: u16) -> Option<u32> {
        let slot = self.slots.at(index)?;
        let transfer = Transfer::parse(&slot.entry.0).ok().filter(|_| self.auth.is_some());
        let status = match transfer {
            Some(transfer) if transfer.bytes == slot.given => return Some(transfer.bytes),
            Some(_) => Status::SGL_LENGTH_INVALID,
            None => Status::INVALID_FIELD,
        };
        self.deny(cx, index, status);
        None
    }

    /// The message of an AUTH_Send is there.
    pub(super) fn auth_sent(&mut self, cx: &mut Cx<'_>, index: u16, message: &[u8]) {
        let keys = self.keys(cx.site);
        let (Some(auth), Some(keys)) = (&mut self.auth, &keys) else {
            return self.deny(cx, index, Status::INVALID_FIELD);
        };
        let terms = Terms { keys, host: &self.info.host, subsystem: &self.info.subnqn };
        let taken = auth.take(&terms, message);
        if taken == Taken::OutOfSequence {
            return self.deny(cx, index, Status::COMMAND_SEQUENCE_ERROR);
        }
        self.finish(cx, index, Reply::OK);
        self.auth_goes_on(cx);
        match taken {
            Taken::Go | Taken::OutOfSequence => {}
            Taken::Compute(work) => cx.effects.push(Effect::Compute(work)),
            Taken::Authenticated(proof) => self.proven(&proof),
            Taken::Failed(failure) => self.auth_failed(cx, &failure),
        }
    }

    /// An AUTH_Receive wants the next message.
    pub(super) fn auth_receive(&mut self, cx: &mut Cx<'_>, index: u16) {
        let Some(bytes) = self.slots.at(index).map(|slot| slot.given) else { return };
        let Some(auth) = &mut self.auth else { return };
        let given = auth.give(bytes);
        self.check_proof(cx);
        match given {
            Given::Wait => self.becomes(index, Doing::Proving),
            Given::Nothing => self.deny(cx, index, Status::COMMAND_SEQUENCE_ERROR),
            Given::Small { .. } => self.deny(cx, index, Status::INVALID_FIELD),
            Given::Message(mut message, verdict) => {
                // The host has room for so many bytes; what is behind the message is zero.
                message.resize(message.len().max((bytes as usize).min(ANSWER_MAX)), 0);
                let close = matches!(verdict, Verdict::Failed(_));
                self.auth_goes_on(cx);
                match &verdict {
                    Verdict::Open => {}
                    Verdict::Authenticated(proof) => self.proven(proof),
                    Verdict::Failed(failure) => self.auth_told(cx, failure),
                }
                self.becomes(index, Doing::Answer { data: message, at: 0, reply: Reply::OK, close });
                self.run(cx, index);
            }
        }
    }

    /// What [`Effect::Compute`] asked for.
    pub fn computed(&mut self, cx: &mut Cx<'_>, power: &Power) {
        let keys = self.keys(cx.site);
        if let (Some(auth), Some(keys)) = (&mut self.auth, &keys) {
            let terms = Terms { keys, host: &self.info.host, subsystem: &self.info.subnqn };
            auth.computed(&terms, power);
            self.check_proof(cx);
            self.answer_provers(cx);
        }
        self.settle(cx);
    }

    fn answer_provers(&mut self, cx: &mut Cx<'_>) {
        for index in self.slots.oldest_first(|slot| matches!(slot.doing, Doing::Proving)) {
            self.auth_receive(cx, index);
        }
    }

    /// Each message is a sign of life.
    fn auth_goes_on(&mut self, cx: &Cx<'_>) {
        self.check_proof(cx);
        match self.info.state {
            State::Authenticating => self.due = Some(cx.now + cx.site.limits.connect_timeout),
            State::Ready => {
                let under_way = self.auth.as_ref().is_some_and(|auth| auth.in_progress());
                self.due = under_way.then_some(cx.now + STANDSTILL);
            }
            _ => {}
        }
    }

    /// Who tries in vain to prove anew who it is has proven nothing any more.
    fn check_proof(&mut self, cx: &Cx<'_>) {
        let unproven = self.auth.as_ref().is_some_and(|auth| auth.proof().is_none());
        if unproven && self.info.state == State::Ready {
            self.info.state = State::Authenticating;
            self.due = Some(cx.now + cx.site.limits.connect_timeout);
        }
    }

    /// The host did not go on with proving anew who it is: what it has proven before stands.
    pub(super) fn auth_expires(&mut self, cx: &mut Cx<'_>) {
        if let Some(auth) = &mut self.auth {
            auth.expire();
        }
        self.answer_provers(cx);
    }

    fn proven(&mut self, proof: &Proof) {
        self.info.auth = proof.to_string();
        if self.info.state == State::Authenticating {
            self.info.state = State::Ready;
            self.due = None;
        }
    }

    fn auth_told(&mut self, cx: &mut Cx<'_>, failure: &Failure) {
        cx.effects.push(Effect::Refused {
            step: format!("authentication, {}", failure.step.name()),
            why: failure.why.clone(),
        });
    }

    fn auth_failed(&mut self, cx: &mut Cx<'_>, failure: &Failure) {
        self.auth_told(cx, failure);
        self.connection.close();
    }

    pub(super) fn unproven(&mut self, cx: &mut Cx<'_>, step: &str, why: &str) {
        cx.effects.push(Effect::Refused { step: step.to_owned(), why: why.to_owned() });
        self.connection.close();
    }
}
