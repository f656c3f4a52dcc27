//! The saved form of a login.

use super::{Constant, Established, Identity, Kind, Login, Phase, Proof, Security};
use crate::auth::{Challenge, Hash, Seed};
pub use crate::iscsi::keys::saved::{BadSaved, NegotiatedV1, NegotiationV1};
use crate::iscsi::keys::{Negotiated, Negotiation};
use crate::iscsi::pdu::{Isid, Itt, Stage};
use zeroize::Zeroize;

/// [`Login`], first version. The entropy its future challenges come from is in it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
#[allow(missing_docs)]
pub struct LoginV1 {
    /// 0 open, 1 deciding, 2 over.
    #[prost(uint32, tag = "1")]
    pub phase: u32,
    /// 0 security, 1 operational.
    #[prost(uint32, tag = "2")]
    pub stage: u32,
    #[prost(uint32, tag = "3")]
    pub requests: u32,
    #[prost(message, optional, tag = "4")]
    pub constant: Option<ConstantV1>,
    #[prost(bytes = "vec", tag = "5")]
    pub inbox: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub outbox: Vec<u8>,
    #[prost(bool, tag = "7")]
    pub sending: bool,
    #[prost(bool, tag = "8")]
    pub may_transit: bool,
    #[prost(bool, tag = "9")]
    pub told: bool,
    #[prost(message, optional, tag = "10")]
    pub identity: Option<IdentityV1>,
    #[prost(message, optional, tag = "11")]
    pub security: Option<SecurityV1>,
    #[prost(bytes = "vec", tag = "12")]
    pub entropy: Vec<u8>,
    #[prost(uint64, tag = "13")]
    pub challenges: u64,
    #[prost(message, optional, tag = "14")]
    pub negotiation: Option<NegotiationV1>,
}

/// [`Established`], first version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct EstablishedV1 {
    #[prost(message, optional, tag = "1")]
    pub constant: Option<ConstantV1>,
    #[prost(message, optional, tag = "2")]
    pub identity: Option<IdentityV1>,
    /// Passed.
    #[prost(message, optional, tag = "3")]
    pub security: Option<SecurityV1>,
    #[prost(message, optional, tag = "4")]
    pub negotiated: Option<NegotiatedV1>,
}

/// What stays the same during a login.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct ConstantV1 {
    #[prost(bytes = "vec", tag = "1")]
    pub isid: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub tsih: u32,
    #[prost(uint32, tag = "3")]
    pub itt: u32,
    #[prost(uint32, tag = "4")]
    pub cid: u32,
}

/// Who logs in to what.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct IdentityV1 {
    #[prost(string, tag = "1")]
    pub initiator: String,
    #[prost(string, optional, tag = "2")]
    pub initiator_alias: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub target: Option<String>,
    #[prost(uint32, optional, tag = "4")]
    pub index: Option<u32>,
}

/// How far the security negotiation is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct SecurityV1 {
    /// 0 start, 1 CHAP agreed on, 2 challenged, 3 passed without proof, 4 passed with CHAP.
    #[prost(uint32, tag = "1")]
    pub state: u32,
    /// The number in CHAP_A.
    #[prost(uint32, tag = "2")]
    pub hash: u32,
    #[prost(uint32, tag = "3")]
    pub id: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub challenge: Vec<u8>,
    #[prost(bool, tag = "5")]
    pub mutual: bool,
}

impl std::fmt::Debug for LoginV1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginV1").field("phase", &self.phase).field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl LoginV1 {
    /// Wipes what must not stay in memory once the form has been written or read.
    pub fn wipe(&mut self) {
        self.entropy.zeroize();
    }
}

impl Login {
    /// For [`Login::restore`].
    pub fn save(&self) -> LoginV1 {
        let (entropy, challenges) = self.seed.parts();
        LoginV1 {
            phase: match self.phase {
                Phase::Open => 0,
                Phase::Deciding => 1,
                Phase::Over => 2,
            },
            stage: u32::from(self.stage == Stage::OperationalNegotiation),
            requests: self.requests,
            constant: self.constant.map(Constant::save),
            inbox: self.inbox.clone(),
            outbox: self.outbox.clone(),
            sending: self.sending,
            may_transit: self.may_transit,
            told: self.told,
            identity: self.identity.as_ref().map(Identity::save),
            security: Some(self.security.save()),
            entropy: entropy.to_vec(),
            challenges,
            negotiation: Some(self.negotiation.save()),
        }
    }

    /// The login saved.
    pub fn restore(saved: &LoginV1) -> Result<Login, BadSaved> {
        Ok(Login {
            phase: match saved.phase {
                0 => Phase::Open,
                1 => Phase::Deciding,
                2 => Phase::Over,
                _ => return Err(BadSaved("phase")),
            },
            stage: match saved.stage {
                0 => Stage::SecurityNegotiation,
                1 => Stage::OperationalNegotiation,
                _ => return Err(BadSaved("stage")),
            },
            requests: saved.requests,
            constant: saved.constant.as_ref().map(Constant::restore).transpose()?,
            inbox: saved.inbox.clone(),
            outbox: saved.outbox.clone(),
            sending: saved.sending,
            may_transit: saved.may_transit,
            told: saved.told,
            identity: saved.identity.as_ref().map(Identity::restore),
            security: Security::restore(saved.security.as_ref().ok_or(BadSaved("security negotiation"))?)?,
            seed: Seed::resume(saved.entropy.as_slice().try_into().map_err(|_| BadSaved("entropy"))?, saved.challenges),
            negotiation: Negotiation::restore(saved.negotiation.as_ref().ok_or(BadSaved("negotiation"))?)?,
        })
    }
}

impl Established {
    /// For [`Established::restore`].
    pub fn save(&self) -> EstablishedV1 {
        let constant = Constant { isid: self.isid, tsih: self.tsih, itt: Itt(0), cid: self.cid };
        let index = match self.kind {
            Kind::Discovery => None,
            Kind::Normal { target } => Some(target),
        };
        let identity = Identity {
            initiator: self.initiator.clone(),
            initiator_alias: self.initiator_alias.clone(),
            target: self.target.clone(),
            index,
        };
        EstablishedV1 {
            constant: Some(constant.save()),
            identity: Some(identity.save()),
            security: Some(Security::Passed(self.proof).save()),
            negotiated: Some(self.negotiated.save()),
        }
    }

    /// The outcome saved.
    pub fn restore(saved: &EstablishedV1) -> Result<Established, BadSaved> {
        let constant = Constant::restore(saved.constant.as_ref().ok_or(BadSaved("session"))?)?;
        let identity = Identity::restore(saved.identity.as_ref().ok_or(BadSaved("names"))?);
        let security = Security::restore(saved.security.as_ref().ok_or(BadSaved("proof"))?)?;
        Ok(Established {
            kind: identity.kind(),
            initiator: identity.initiator,
            initiator_alias: identity.initiator_alias,
            isid: constant.isid,
            tsih: constant.tsih,
            cid: constant.cid,
            target: identity.target,
            proof: security.proof().ok_or(BadSaved("proof"))?,
            negotiated: Negotiated::restore(saved.negotiated.as_ref().ok_or(BadSaved("negotiated keys"))?)?,
        })
    }
}

impl Constant {
    fn save(self) -> ConstantV1 {
        ConstantV1 { isid: self.isid.0.to_vec(), tsih: self.tsih.into(), itt: self.itt.0, cid: self.cid.into() }
    }

    fn restore(saved: &ConstantV1) -> Result<Constant, BadSaved> {
        Ok(Constant {
            isid: Isid(saved.isid.as_slice().try_into().map_err(|_| BadSaved("ISID"))?),
            tsih: saved.tsih.try_into().map_err(|_| BadSaved("TSIH"))?,
            itt: Itt(saved.itt),
            cid: saved.cid.try_into().map_err(|_| BadSaved("CID"))?,
        })
    }
}

impl Identity {
    fn save(&self) -> IdentityV1 {
        IdentityV1 {
            initiator: self.initiator.clone(),
            initiator_alias: self.initiator_alias.clone(),
            target: self.target.clone(),
            index: self.index.map(|index| index as u32),
        }
    }

    fn restore(saved: &IdentityV1) -> Identity {
        Identity {
            initiator: saved.initiator.clone(),
            initiator_alias: saved.initiator_alias.clone(),
            target: saved.target.clone(),
            index: saved.index.map(|index| index as usize),
        }
    }
}

impl Security {
    fn save(&self) -> SecurityV1 {
        let number = |hash: &Hash| hash.number().into();
        match self {
            Security::Start => SecurityV1::default(),
            Security::Method => SecurityV1 { state: 1, ..SecurityV1::default() },
            Security::Challenged { hash, challenge } => SecurityV1 {
                state: 2,
                hash: number(hash),
                id: challenge.id.into(),
                challenge: challenge.bytes.clone(),
                mutual: false,
            },
            Security::Passed(Proof::None) => SecurityV1 { state: 3, ..SecurityV1::default() },
            Security::Passed(Proof::Chap { hash, mutual }) => {
                SecurityV1 { state: 4, hash: number(hash), mutual: *mutual, ..SecurityV1::default() }
            }
        }
    }

    fn restore(saved: &SecurityV1) -> Result<Security, BadSaved> {
        let hash = || Hash::from_number(saved.hash).ok_or(BadSaved("CHAP_A"));
        Ok(match saved.state {
            0 => Security::Start,
            1 => Security::Method,
            2 => Security::Challenged {
                hash: hash()?,
                challenge: Challenge {
                    id: saved.id.try_into().map_err(|_| BadSaved("CHAP_I"))?,
                    bytes: saved.challenge.clone(),
                },
            },
            3 => Security::Passed(Proof::None),
            4 => Security::Passed(Proof::Chap { hash: hash()?, mutual: saved.mutual }),
            _ => return Err(BadSaved("security negotiation")),
        })
    }
}
