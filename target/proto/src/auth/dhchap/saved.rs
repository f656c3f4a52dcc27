//! The saved forms of both machines. They hold entropy and exponents, but no key.

use super::initiator::{Asked, Expected, Phase as HostPhase};
use super::power::EXPONENT_BYTES;
use super::proof::Agreed;
use super::responder::{Answer, Exchange, Phase};
use super::seed::Seed;
use super::{Failure, Group, Hash, Initiator, Proof, Reason, Responder, Stage};
use zeroize::{Zeroize, Zeroizing};

/// What in a saved form cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} of an authentication makes no sense")]
pub struct BadSaved(pub &'static str);

/// [`Responder`], first version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
#[allow(missing_docs)]
pub struct ResponderV1 {
    #[prost(message, optional, tag = "1")]
    pub seed: Option<SeedV1>,
    #[prost(uint32, tag = "2")]
    pub serial: u32,
    #[prost(uint32, tag = "3")]
    pub begun: u32,
    #[prost(message, optional, tag = "4")]
    pub proof: Option<ProofV1>,
    /// 0 idle, 1 raising, 2 ready, 3 challenged, 4 sharing, 5 verified, 6 proven, 7 failing, 8 over.
    #[prost(uint32, tag = "5")]
    pub phase: u32,
    /// Of phases 1 to 6.
    #[prost(message, optional, tag = "6")]
    pub agreed: Option<AgreedV1>,
    /// Of phases 1 to 4.
    #[prost(message, optional, tag = "7")]
    pub asked: Option<AskedV1>,
    /// Of phase 4.
    #[prost(message, optional, tag = "8")]
    pub answer: Option<AnswerV1>,
    /// R2, of phase 5.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub response: Option<Vec<u8>>,
    /// Of phase 7.
    #[prost(uint32, tag = "10")]
    pub transaction: u32,
    /// Of phase 7.
    #[prost(message, optional, tag = "11")]
    pub failure: Option<FailureV1>,
}

/// [`Initiator`], first version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
#[allow(missing_docs)]
pub struct InitiatorV1 {
    #[prost(message, optional, tag = "1")]
    pub seed: Option<SeedV1>,
    #[prost(uint32, tag = "2")]
    pub serial: u32,
    #[prost(uint32, tag = "3")]
    pub transaction: u32,
    /// 0 offered, 1 raising, 2 sharing, 3 replied, 4 done, 5 over.
    #[prost(uint32, tag = "4")]
    pub phase: u32,
    /// This is to be sent before the phase begins.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub message: Option<Vec<u8>>,
    /// Of phases 1 to 3.
    #[prost(message, optional, tag = "6")]
    pub agreed: Option<AgreedV1>,
    /// Of phases 1 and 2; the public value is the controller's.
    #[prost(message, optional, tag = "7")]
    pub asked: Option<AskedV1>,
    /// Ours, of phase 2.
    #[prost(bytes = "vec", tag = "8")]
    pub public: Vec<u8>,
    /// R2 as it should be, of phase 3.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub response: Option<Vec<u8>>,
    #[prost(message, optional, tag = "10")]
    pub proof: Option<ProofV1>,
    #[prost(message, optional, tag = "11")]
    pub failure: Option<FailureV1>,
}

/// Where what cannot be foreseen comes from.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
#[allow(missing_docs)]
pub struct SeedV1 {
    #[prost(bytes = "vec", tag = "1")]
    pub entropy: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub used: u64,
    #[prost(uint32, tag = "3")]
    pub sequence: u32,
}

/// [`Proof`], first version, by the protocol's numbers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct ProofV1 {
    #[prost(uint32, tag = "1")]
    pub hash: u32,
    #[prost(uint32, tag = "2")]
    pub group: u32,
    #[prost(bool, tag = "3")]
    pub mutual: bool,
}

/// What the two have agreed on.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct AgreedV1 {
    #[prost(uint32, tag = "1")]
    pub transaction: u32,
    #[prost(uint32, tag = "2")]
    pub hash: u32,
    #[prost(uint32, tag = "3")]
    pub group: u32,
}

/// A challenge, and our exponent.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
#[allow(missing_docs)]
pub struct AskedV1 {
    #[prost(uint32, tag = "1")]
    pub sequence: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub challenge: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub exponent: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub public: Vec<u8>,
}

/// A host's answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct AnswerV1 {
    #[prost(uint32, tag = "1")]
    pub sequence: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub response: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub challenge: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "4")]
    pub public: Vec<u8>,
}

/// [`Failure`], first version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct FailureV1 {
    #[prost(uint32, tag = "1")]
    pub reason: u32,
    /// 0 negotiation, 1 challenge, 2 reply, 3 confirmation.
    #[prost(uint32, tag = "2")]
    pub step: u32,
    #[prost(string, tag = "3")]
    pub why: String,
}

macro_rules! hidden {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

hidden!(ResponderV1, InitiatorV1, SeedV1, AskedV1);

fn wipe(seed: &mut Option<SeedV1>, asked: &mut Option<AskedV1>, response: &mut Option<Vec<u8>>) {
    if let Some(seed) = seed {
        seed.entropy.zeroize();
    }
    if let Some(asked) = asked {
        asked.exponent.zeroize();
    }
    response.zeroize();
}

impl ResponderV1 {
    /// Wipes what must not stay in memory once the form has been written or read.
    pub fn wipe(&mut self) {
        wipe(&mut self.seed, &mut self.asked, &mut self.response);
    }
}

impl InitiatorV1 {
    /// Wipes what must not stay in memory once the form has been written or read.
    pub fn wipe(&mut self) {
        wipe(&mut self.seed, &mut self.asked, &mut self.response);
    }
}

impl Responder {
    /// For [`Responder::restore`].
    pub fn save(&self) -> ResponderV1 {
        let mut saved = ResponderV1 {
            seed: Some(self.seed.save()),
            serial: self.serial,
            begun: self.begun,
            proof: self.proof.map(Proof::save),
            ..ResponderV1::default()
        };
        let mut exchange = |phase, exchange: &Exchange, public: &[u8]| {
            (saved.phase, saved.agreed) = (phase, Some(exchange.agreed.save()));
            saved.asked = Some(AskedV1 {
                sequence: exchange.sequence,
                challenge: exchange.challenge.clone(),
                exponent: exchange.exponent.to_vec(),
                public: public.to_vec(),
            });
        };
        match &self.phase {
            Phase::Idle => {}
            Phase::Raising(asked) => exchange(1, asked, &[]),
            Phase::Ready(asked, public) => exchange(2, asked, public),
            Phase::Challenged(asked) => exchange(3, asked, &[]),
            Phase::Sharing(asked, answer) => {
                exchange(4, asked, &[]);
                saved.answer = Some(answer.save());
            }
            Phase::Verified(agreed, response) => {
                (saved.phase, saved.agreed, saved.response) = (5, Some(agreed.save()), response.clone());
            }
            Phase::Proven(agreed) => (saved.phase, saved.agreed) = (6, Some(agreed.save())),
            Phase::Failing(transaction, failure) => {
                (saved.phase, saved.transaction) = (7, (*transaction).into());
                saved.failure = Some(failure.save());
            }
            Phase::Over => saved.phase = 8,
        }
        saved
    }

    /// The machine saved.
    ///
    /// # Errors
    /// For a form that was not saved by us.
    pub fn restore(saved: &ResponderV1) -> Result<Responder, BadSaved> {
        let agreed = || Agreed::restore(saved.agreed.as_ref());
        let exchange = || Exchange::restore(agreed()?, saved.asked.as_ref().ok_or(BadSaved("challenge"))?);
        let public = || saved.asked.as_ref().map(|asked| asked.public.clone()).unwrap_or_default();
        Ok(Responder {
            seed: Seed::restore(saved.seed.as_ref())?,
            serial: saved.serial,
            begun: saved.begun,
            proof: saved.proof.as_ref().map(Proof::restore).transpose()?,
            phase: match saved.phase {
                0 => Phase::Idle,
                1 => Phase::Raising(exchange()?),
                2 => Phase::Ready(exchange()?, public()),
                3 => Phase::Challenged(exchange()?),
                4 => Phase::Sharing(exchange()?, Answer::restore(saved.answer.as_ref().ok_or(BadSaved("answer"))?)),
                5 => Phase::Verified(agreed()?, saved.response.clone()),
                6 => Phase::Proven(agreed()?),
                7 => {
                    let transaction = saved.transaction.try_into().map_err(|_| BadSaved("transaction"))?;
                    Phase::Failing(transaction, Failure::restore(saved.failure.as_ref())?)
                }
                8 => Phase::Over,
                _ => return Err(BadSaved("phase")),
            },
        })
    }
}

impl Initiator {
    /// For [`Initiator::restore`].
    pub fn save(&self) -> InitiatorV1 {
        let mut saved = InitiatorV1 {
            seed: Some(self.seed.save()),
            serial: self.serial,
            transaction: self.transaction.into(),
            message: self.message.clone(),
            ..InitiatorV1::default()
        };
        let mut exchange = |phase, asked: &Asked, public: &[u8]| {
            (saved.phase, saved.agreed, saved.public) = (phase, Some(asked.agreed.save()), public.to_vec());
            saved.asked = Some(AskedV1 {
                sequence: asked.sequence,
                challenge: asked.challenge.clone(),
                exponent: asked.exponent.to_vec(),
                public: asked.public.clone(),
            });
        };
        match &self.phase {
            HostPhase::Offered => {}
            HostPhase::Raising(asked) => exchange(1, asked, &[]),
            HostPhase::Sharing(asked, public) => exchange(2, asked, public),
            HostPhase::Replied(expected) => {
                (saved.phase, saved.agreed) = (3, Some(expected.agreed.save()));
                saved.response = expected.response.as_ref().map(|response| response.to_vec());
            }
            HostPhase::Done(proof) => (saved.phase, saved.proof) = (4, Some(proof.save())),
            HostPhase::Over(failure) => (saved.phase, saved.failure) = (5, Some(failure.save())),
        }
        saved
    }

    /// The machine saved.
    ///
    /// # Errors
    /// For a form that was not saved by us.
    pub fn restore(saved: &InitiatorV1) -> Result<Initiator, BadSaved> {
        let agreed = || Agreed::restore(saved.agreed.as_ref());
        let asked = || {
            let asked = saved.asked.as_ref().ok_or(BadSaved("challenge"))?;
            let Exchange { agreed, sequence, challenge, exponent } = Exchange::restore(agreed()?, asked)?;
            Ok(Asked { agreed, sequence, challenge, exponent, public: asked.public.clone() })
        };
        Ok(Initiator {
            seed: Seed::restore(saved.seed.as_ref())?,
            transaction: saved.transaction.try_into().map_err(|_| BadSaved("transaction"))?,
            message: saved.message.clone(),
            phase: match saved.phase {
                0 => HostPhase::Offered,
                1 => HostPhase::Raising(asked()?),
                2 => HostPhase::Sharing(asked()?, saved.public.clone()),
                3 => {
                    let response = saved.response.clone().map(Zeroizing::new);
                    HostPhase::Replied(Expected { agreed: agreed()?, response })
                }
                4 => HostPhase::Done(Proof::restore(saved.proof.as_ref().ok_or(BadSaved("proof"))?)?),
                5 => HostPhase::Over(Failure::restore(saved.failure.as_ref())?),
                _ => return Err(BadSaved("phase")),
            },
            serial: saved.serial,
        })
    }
}

fn hash(id: u32) -> Result<Hash, BadSaved> {
    u8::try_from(id).ok().and_then(Hash::from_id).ok_or(BadSaved("hash"))
}

fn group(id: u32) -> Result<Group, BadSaved> {
    u8::try_from(id).ok().and_then(Group::from_id).ok_or(BadSaved("group"))
}

impl Seed {
    fn save(&self) -> SeedV1 {
        SeedV1 { entropy: self.entropy.to_vec(), used: self.used, sequence: self.sequence }
    }

    fn restore(saved: Option<&SeedV1>) -> Result<Seed, BadSaved> {
        let saved = saved.ok_or(BadSaved("seed"))?;
        let mut seed = Seed::new(saved.entropy.as_slice().try_into().map_err(|_| BadSaved("entropy"))?);
        (seed.used, seed.sequence) = (saved.used, saved.sequence);
        Ok(seed)
    }
}

impl Proof {
    /// For [`Proof::restore`].
    pub fn save(self) -> ProofV1 {
        ProofV1 { hash: self.hash.id().into(), group: self.group.id().into(), mutual: self.mutual }
    }

    /// The proof saved.
    ///
    /// # Errors
    /// For a form that was not saved by us.
    pub fn restore(saved: &ProofV1) -> Result<Proof, BadSaved> {
        Ok(Proof { hash: hash(saved.hash)?, group: group(saved.group)?, mutual: saved.mutual })
    }
}

impl Agreed {
    fn save(self) -> AgreedV1 {
        AgreedV1 { transaction: self.transaction.into(), hash: self.hash.id().into(), group: self.group.id().into() }
    }

    fn restore(saved: Option<&AgreedV1>) -> Result<Agreed, BadSaved> {
        let saved = saved.ok_or(BadSaved("agreement"))?;
        let transaction = saved.transaction.try_into().map_err(|_| BadSaved("transaction"))?;
        Ok(Agreed { transaction, hash: hash(saved.hash)?, group: group(saved.group)? })
    }
}

impl Exchange {
    fn restore(agreed: Agreed, saved: &AskedV1) -> Result<Exchange, BadSaved> {
        let mut exponent = Zeroizing::new([0; EXPONENT_BYTES]);
        if saved.exponent.len() != EXPONENT_BYTES {
            return Err(BadSaved("exponent"));
        }
        exponent.copy_from_slice(&saved.exponent);
        Ok(Exchange { agreed, sequence: saved.sequence, challenge: saved.challenge.clone(), exponent })
    }
}

impl Answer {
    fn save(&self) -> AnswerV1 {
        AnswerV1 {
            sequence: self.sequence,
            response: self.response.clone(),
            challenge: self.challenge.clone(),
            public: self.public.clone(),
        }
    }

    fn restore(saved: &AnswerV1) -> Answer {
        Answer {
            sequence: saved.sequence,
            response: saved.response.clone(),
            challenge: saved.challenge.clone(),
            public: saved.public.clone(),
        }
    }
}

impl Failure {
    fn save(&self) -> FailureV1 {
        FailureV1 { reason: self.reason.code().into(), step: self.step as u32, why: self.why.clone() }
    }

    fn restore(saved: Option<&FailureV1>) -> Result<Failure, BadSaved> {
        let saved = saved.ok_or(BadSaved("failure"))?;
        let reason = u8::try_from(saved.reason).ok().and_then(Reason::from_code).ok_or(BadSaved("reason"))?;
        let step = match saved.step {
            0 => Stage::Negotiation,
            1 => Stage::Challenge,
            2 => Stage::Reply,
            3 => Stage::Success,
            _ => return Err(BadSaved("step")),
        };
        Ok(Failure::new(reason, step, saved.why.clone()))
    }
}
