//! Who logs in, and to what: the naming keys of the first request (RFC 7143 §6.3.1).

use super::{Cx, Kind, LoginStatus, Refusal};
use crate::iscsi::keys::{NOT_UNDERSTOOD, Rule, Senders, Stage, lookup};
use crate::iscsi::site::{Auth, Target, check_initiator_name, same_name};
use crate::iscsi::text::shown;

/// The names of one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub initiator: String,
    pub initiator_alias: Option<String>,
    /// The target of a normal session.
    pub target: Option<String>,
    /// Where in the site the target was when it was last looked for.
    pub index: Option<usize>,
}

impl Identity {
    /// Reads the names and checks that such a login can exist.
    pub fn read(cx: &Cx<'_>, pairs: &[(&str, &str)]) -> Result<Identity, Refusal> {
        check_naming(pairs)?;
        let value = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let missing =
            |what: &str| Refusal::new(LoginStatus::MissingParameter, format!("the first login request has no {what}"));
        let initiator = value("InitiatorName").ok_or_else(|| missing("InitiatorName"))?;
        check_initiator_name(initiator).map_err(|why| Refusal::initiator(format!("InitiatorName {why}")))?;
        let target = match value("SessionType") {
            None | Some("Normal") => Some(value("TargetName").ok_or_else(|| missing("TargetName"))?.to_owned()),
            Some("Discovery") => None,
            Some(other) => {
                let reason = format!("SessionType \"{}\" is neither Normal nor Discovery", shown(other));
                return Err(Refusal::new(LoginStatus::SessionTypeNotSupported, reason));
            }
        };
        let initiator_alias = value("InitiatorAlias").map(str::to_owned);
        // In lower case, so that one name is one session whatever the initiator writes (RFC 3722).
        let mut identity = Identity { initiator: initiator.to_ascii_lowercase(), initiator_alias, target, index: None };
        if let Some((index, target)) = identity.target(cx)? {
            (identity.index, identity.target) = (Some(index), Some(target.name.clone()));
        }
        identity.auth(cx)?;
        Ok(identity)
    }

    /// Later texts may say the same again, nothing else.
    pub fn check_repeated(&self, pairs: &[(&str, &str)]) -> Result<(), Refusal> {
        check_naming(pairs)?;
        let session = if self.target.is_some() { "Normal" } else { "Discovery" };
        for (key, value) in pairs {
            let same = match *key {
                "InitiatorName" => same_name(value, &self.initiator),
                "TargetName" => self.target.as_ref().is_none_or(|name| same_name(value, name)),
                "SessionType" => *value == session,
                _ => true,
            };
            if !same {
                return Err(Refusal::initiator(format!("{key} changed during the login")));
            }
        }
        Ok(())
    }

    /// The target of a normal session and its index, as the site has it now.
    pub fn target<'a>(&self, cx: &Cx<'a>) -> Result<Option<(usize, &'a Target)>, Refusal> {
        let Some(name) = &self.target else { return Ok(None) };
        let not_found =
            |why: &str| Err(Refusal::new(LoginStatus::NotFound, format!("target \"{}\" {why}", shown(name))));
        match cx.site.target(name) {
            None => not_found("does not exist here"),
            Some((_, target)) if !target.portals.contains(&cx.portal) => not_found("is not served at this portal"),
            found => Ok(found),
        }
    }

    /// The proof this initiator has to give, as the site has it now.
    pub fn auth<'a>(&self, cx: &Cx<'a>) -> Result<&'a Auth, Refusal> {
        let Some((_, target)) = self.target(cx)? else { return Ok(&cx.site.discovery) };
        target.auth_for(&self.initiator).ok_or_else(|| {
            let reason = format!(
                "initiator \"{}\" is not in the access list of target \"{}\"",
                shown(&self.initiator),
                shown(&target.name)
            );
            Refusal::new(LoginStatus::AuthorizationFailure, reason)
        })
    }

    /// What it wants to be connected to.
    pub fn kind(&self) -> Kind {
        self.index.map_or(Kind::Discovery, |target| Kind::Normal { target })
    }

    /// The refusal of a login that has not said its names.
    pub fn missing() -> Refusal {
        Refusal::new(LoginStatus::MissingParameter, "the initiator has not said who it is")
    }
}

/// Naming keys come from their side and with a bounded value.
fn check_naming(pairs: &[(&str, &str)]) -> Result<(), Refusal> {
    for (key, value) in pairs {
        let Some(entry) = lookup(key).filter(|entry| entry.stage == Stage::Any) else { continue };
        if entry.senders == Senders::Target {
            // Not an offer, but what some initiators say to a key of ours.
            if *value == NOT_UNDERSTOOD {
                continue;
            }
            return Err(Refusal::initiator(format!("{key} is for targets to send")));
        }
        if let Rule::Text { max } = entry.rule
            && value.len() > max
        {
            return Err(Refusal::initiator(format!("{key} is longer than {max} bytes")));
        }
    }
    Ok(())
}
