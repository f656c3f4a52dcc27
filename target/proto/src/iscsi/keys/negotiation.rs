//! Negotiation: what the initiator offers, by the rule of each key, against what we can do.

use super::negotiated::{Digest, Negotiated, TaskReporting};
use super::rule::{Rule, Senders, Stage, Use, Violation, boolean, number, yes_no};
use super::table::{Entry, Key, lookup};
use super::{IRRELEVANT, NOT_UNDERSTOOD, REJECT};
use crate::iscsi::text::{TEXT_BYTES_MAX, VALUE_BYTES_MAX, push, shown};

/// What we can do. Lengths in bytes, times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Offers {
    pub max_recv_data_segment_length: u32,
    pub max_burst_length: u32,
    pub first_burst_length: u32,
    pub max_outstanding_r2t: u16,
    pub initial_r2t: bool,
    pub immediate_data: bool,
    pub default_time2wait: u16,
    /// 0: at error recovery level 0 nothing is kept for a connection that is gone.
    pub default_time2retain: u16,
    pub protocol_level: u8,
}

impl Default for Offers {
    fn default() -> Offers {
        Offers {
            max_recv_data_segment_length: 262_144,
            max_burst_length: 1_048_576,
            first_burst_length: 65_536,
            max_outstanding_r2t: 8,
            initial_r2t: false,
            immediate_data: true,
            default_time2wait: 0,
            default_time2retain: 0,
            protocol_level: 1,
        }
    }
}

/// The operational negotiation of one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiation {
    pub(super) offers: Offers,
    pub(super) values: Negotiated,
    /// One bit for each key that has been negotiated: a second time is an error (RFC 7143 §6.3).
    pub(super) seen: u64,
    pub(super) declared: bool,
}

impl Negotiation {
    /// Nothing negotiated yet.
    pub fn new(offers: Offers) -> Negotiation {
        Negotiation { offers, values: Negotiated::default(), seen: 0, declared: false }
    }

    /// The values in force.
    pub fn values(&self) -> &Negotiated {
        &self.values
    }

    /// Answers the operational keys among `pairs`; the keys of [`Stage::Any`] are left to the login. In the first
    /// answer we declare our own MaxRecvDataSegmentLength. The answers are appended to `text` in the order of the keys.
    ///
    /// Gives the values that were answered with Reject: a value that cannot be taken leaves its key as it was, and
    /// whether it can live with that is for the initiator to say (RFC 7143 §6.2).
    pub fn answer(
        &mut self,
        pairs: &[(&str, &str)],
        discovery: bool,
        text: &mut Vec<u8>,
    ) -> Result<Vec<Violation>, Violation> {
        let mut answers = vec![None; pairs.len()];
        let mut rejected = Vec::new();
        // FirstBurstLength depends on MaxBurstLength, in whichever order they come.
        let (first, then): (Vec<usize>, _) = (0..pairs.len()).partition(|&at| pairs[at].0 == "MaxBurstLength");
        for at in first.into_iter().chain(then) {
            let (name, value) = pairs[at];
            answers[at] = match lookup(name) {
                Some(entry) if entry.stage == Stage::Any => None,
                Some(entry) => self.key(entry, value, discovery, &mut rejected)?,
                None => Some(NOT_UNDERSTOOD.to_owned()),
            };
        }
        for ((name, _), answer) in pairs.iter().zip(answers) {
            if let Some(answer) = answer {
                push(text, name, &answer);
            }
        }
        if !self.declared {
            self.declared = true;
            self.values.recv_data_segment_max = self.offers.max_recv_data_segment_length;
            push(text, "MaxRecvDataSegmentLength", &self.offers.max_recv_data_segment_length.to_string());
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(Violation::new("text", "so many keys that the answer would be too long"));
        }
        Ok(rejected)
    }

    fn key(
        &mut self,
        entry: &Entry,
        value: &str,
        discovery: bool,
        rejected: &mut Vec<Violation>,
    ) -> Result<Option<String>, Violation> {
        let violation = |why: String| Violation::new(entry.name, why);
        if entry.stage == Stage::Security {
            return Err(violation("belongs to the security negotiation".into()));
        }
        if entry.usage == Use::FullFeature {
            return Err(violation("belongs to the full feature phase".into()));
        }
        if entry.senders == Senders::Target {
            return Err(violation("is for targets to send".into()));
        }
        let bit = 1u64 << entry.key as u8;
        if self.seen & bit != 0 {
            return Err(violation("negotiated a second time in one login".into()));
        }
        self.seen |= bit;
        if discovery && entry.normal_only {
            return Ok(Some(IRRELEVANT.into()));
        }
        match settle_one(&mut self.values, &self.offers, entry, value) {
            Ok(answer) => Ok(answer),
            // A declaration is not an offer: without it we would not know what the initiator can take.
            Err(why) if matches!(entry.rule, Rule::Declare { .. }) => Err(violation(why)),
            Err(why) => {
                rejected.push(violation(why));
                Ok(Some(REJECT.into()))
            }
        }
    }
}

/// Brings the initiator's MaxRecvDataSegmentLength up to date, in full feature phase.
pub(in crate::iscsi) fn redeclare(values: &mut Negotiated, value: &str) -> Result<(), Violation> {
    let name = "MaxRecvDataSegmentLength";
    let Some(Entry { rule: Rule::Declare { range, .. }, .. }) = lookup(name) else { return Ok(()) };
    values.send_data_segment_max = number(value, range).map_err(|why| Violation::new(name, why))?;
    Ok(())
}

/// Puts the outcome of one key into `values`; gives the answer if there is one.
fn settle_one(values: &mut Negotiated, ours: &Offers, entry: &Entry, value: &str) -> Result<Option<String>, String> {
    let numeric = |offered: u32| -> u32 {
        match entry.key {
            Key::MaxBurstLength => offered.min(ours.max_burst_length),
            Key::FirstBurstLength => offered.min(ours.first_burst_length).min(values.max_burst_length),
            Key::MaxOutstandingR2T => offered.min(u32::from(ours.max_outstanding_r2t)),
            Key::DefaultTime2Wait => offered.max(u32::from(ours.default_time2wait)),
            Key::DefaultTime2Retain => offered.min(u32::from(ours.default_time2retain)),
            Key::ProtocolLevel => offered.min(u32::from(ours.protocol_level)),
            // One connection for each session.
            Key::MaxConnections => 1,
            // Error recovery level 0.
            _ => 0,
        }
    };
    let answer = match &entry.rule {
        Rule::Min { range, .. } | Rule::Max { range, .. } => {
            let agreed = numeric(number(value, range)?);
            // The ranges of the table fit the fields.
            let short = agreed as u16;
            match entry.key {
                Key::MaxBurstLength => values.max_burst_length = agreed,
                Key::FirstBurstLength => values.first_burst_length = agreed,
                Key::MaxOutstandingR2T => values.max_outstanding_r2t = short,
                Key::DefaultTime2Wait => values.default_time2wait = short,
                Key::DefaultTime2Retain => values.default_time2retain = short,
                Key::ProtocolLevel => values.protocol_level = agreed as u8,
                Key::MaxConnections => values.max_connections = short,
                _ => values.error_recovery_level = agreed as u8,
            }
            agreed.to_string()
        }
        Rule::And { .. } => {
            // Only ImmediateData.
            values.immediate_data = boolean(value)? && ours.immediate_data;
            yes_no(values.immediate_data).to_owned()
        }
        Rule::Or { .. } => {
            let offered = boolean(value)?;
            let field = match entry.key {
                Key::InitialR2T => &mut values.initial_r2t,
                Key::DataPduInOrder => &mut values.data_pdu_in_order,
                _ => &mut values.data_sequence_in_order,
            };
            // Data arrives in order or not at all.
            *field = offered || if entry.key == Key::InitialR2T { ours.initial_r2t } else { true };
            yes_no(*field).to_owned()
        }
        Rule::List { values: can, .. } => {
            let chosen = choose(value, can)?;
            let digest = if chosen == "CRC32C" { Digest::Crc32c } else { Digest::None };
            match entry.key {
                Key::HeaderDigest => values.header_digest = digest,
                Key::DataDigest => values.data_digest = digest,
                _ if chosen == "RFC3720" => values.task_reporting = TaskReporting::Rfc3720,
                _ => values.task_reporting = TaskReporting::ResponseFence,
            }
            chosen.to_owned()
        }
        Rule::Declare { range, .. } => {
            values.send_data_segment_max = number(value, range)?;
            return Ok(None);
        }
        Rule::Text { .. } => return Ok(None),
        Rule::Step => REJECT.to_owned(),
        Rule::Never(answer) => (*answer).to_owned(),
    };
    Ok(Some(answer))
}

/// The first element of `list` that we can do.
pub(in crate::iscsi) fn choose<'a>(list: &str, can: &[&'a str]) -> Result<&'a str, String> {
    if list.split(',').any(|element| element.len() > VALUE_BYTES_MAX) {
        return Err(format!("an element of the list is longer than {VALUE_BYTES_MAX} bytes"));
    }
    list.split(',')
        .find_map(|element| can.iter().find(|value| **value == element))
        .copied()
        .ok_or_else(|| format!("of \"{}\" we can do nothing, only {}", shown(list), can.join(" or ")))
}
