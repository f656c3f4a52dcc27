//! The table of keys.

use super::rule::{Rule, Senders, Stage, Use};
use crate::iscsi::site::NAME_BYTES_MAX;
use crate::iscsi::text::VALUE_BYTES_MAX;

/// A key we know. The numbers are part of saved states and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Key {
    InitiatorName = 0,
    InitiatorAlias = 1,
    TargetName = 2,
    TargetAlias = 3,
    TargetAddress = 4,
    TargetPortalGroupTag = 5,
    SessionType = 6,
    SendTargets = 7,
    AuthMethod = 8,
    ChapA = 9,
    ChapI = 10,
    ChapC = 11,
    ChapN = 12,
    ChapR = 13,
    HeaderDigest = 14,
    DataDigest = 15,
    MaxConnections = 16,
    InitialR2T = 17,
    ImmediateData = 18,
    MaxRecvDataSegmentLength = 19,
    MaxBurstLength = 20,
    FirstBurstLength = 21,
    DefaultTime2Wait = 22,
    DefaultTime2Retain = 23,
    MaxOutstandingR2T = 24,
    DataPduInOrder = 25,
    DataSequenceInOrder = 26,
    ErrorRecoveryLevel = 27,
    TaskReporting = 28,
    ProtocolLevel = 29,
    IfMarker = 30,
    OfMarker = 31,
    IfMarkInt = 32,
    OfMarkInt = 33,
    RdmaExtensions = 34,
    TargetRecvDataSegmentLength = 35,
    InitiatorRecvDataSegmentLength = 36,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which key.
    pub key: Key,
    /// Its name on the wire.
    pub name: &'static str,
    /// When it may be used.
    pub usage: Use,
    /// In which stage of login.
    pub stage: Stage,
    /// Who may send it.
    pub senders: Senders,
    /// Has no meaning in a discovery session.
    pub normal_only: bool,
    /// How its value comes about.
    pub rule: Rule,
}

/// The row of the key called `name`.
pub fn lookup(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name)
}

const fn row(key: Key, name: &'static str, usage: Use, stage: Stage, senders: Senders, rule: Rule) -> Entry {
    Entry { key, name, usage, stage, senders, normal_only: false, rule }
}

/// A row that is "irrelevant when SessionType=Discovery".
const fn normal(key: Key, name: &'static str, rule: Rule) -> Entry {
    let (usage, stage, senders) = (Use::Leading, Stage::Operational, Senders::Both);
    Entry { key, name, usage, stage, senders, normal_only: true, rule }
}

const LENGTH_MAX: u32 = (1 << 24) - 1;
const NAME: Rule = Rule::Text { max: NAME_BYTES_MAX };
const TEXT: Rule = Rule::Text { max: VALUE_BYTES_MAX };
const DIGEST: Rule = Rule::List { default: "None", values: &["None", "CRC32C"] };

use Senders::{Both, Initiator, Target};
use Stage::{Any, Operational, Security};
use Use::{All, FullFeature, Initialize, Leading};

/// All keys of RFC 7143 §12.1 and §13, §13.23 and RFC 7144 among them; the obsolete markers (§13.25); the keys of
/// RFC 7145 by which an initiator asks for RDMA.
pub const TABLE: &[Entry] = &[
    // Names.
    row(Key::InitiatorName, "InitiatorName", Initialize, Any, Initiator, NAME),
    row(Key::InitiatorAlias, "InitiatorAlias", All, Any, Initiator, TEXT),
    row(Key::TargetName, "TargetName", Initialize, Any, Initiator, NAME),
    row(Key::TargetAlias, "TargetAlias", All, Any, Target, TEXT),
    row(Key::TargetAddress, "TargetAddress", All, Any, Target, TEXT),
    row(Key::TargetPortalGroupTag, "TargetPortalGroupTag", Initialize, Any, Target, TEXT),
    row(Key::SessionType, "SessionType", Leading, Any, Initiator, TEXT),
    row(Key::SendTargets, "SendTargets", FullFeature, Operational, Initiator, Rule::Step),
    // Security.
    row(Key::AuthMethod, "AuthMethod", Initialize, Security, Both, Rule::Step),
    row(Key::ChapA, "CHAP_A", Initialize, Security, Both, Rule::Step),
    row(Key::ChapI, "CHAP_I", Initialize, Security, Both, Rule::Step),
    row(Key::ChapC, "CHAP_C", Initialize, Security, Both, Rule::Step),
    row(Key::ChapN, "CHAP_N", Initialize, Security, Both, Rule::Step),
    row(Key::ChapR, "CHAP_R", Initialize, Security, Both, Rule::Step),
    // Of a connection.
    row(Key::HeaderDigest, "HeaderDigest", Initialize, Operational, Both, DIGEST),
    row(Key::DataDigest, "DataDigest", Initialize, Operational, Both, DIGEST),
    row(
        Key::MaxRecvDataSegmentLength,
        "MaxRecvDataSegmentLength",
        All,
        Operational,
        Both,
        Rule::Declare { default: 8192, range: 512..=LENGTH_MAX },
    ),
    // Of a session.
    row(
        Key::DefaultTime2Wait,
        "DefaultTime2Wait",
        Leading,
        Operational,
        Both,
        Rule::Max { default: 2, range: 0..=3600 },
    ),
    row(
        Key::DefaultTime2Retain,
        "DefaultTime2Retain",
        Leading,
        Operational,
        Both,
        Rule::Min { default: 20, range: 0..=3600 },
    ),
    row(
        Key::ErrorRecoveryLevel,
        "ErrorRecoveryLevel",
        Leading,
        Operational,
        Both,
        Rule::Min { default: 0, range: 0..=2 },
    ),
    normal(Key::MaxConnections, "MaxConnections", Rule::Min { default: 1, range: 1..=65535 }),
    normal(Key::InitialR2T, "InitialR2T", Rule::Or { default: true }),
    normal(Key::ImmediateData, "ImmediateData", Rule::And { default: true }),
    normal(Key::MaxBurstLength, "MaxBurstLength", Rule::Min { default: 262_144, range: 512..=LENGTH_MAX }),
    normal(Key::FirstBurstLength, "FirstBurstLength", Rule::Min { default: 65_536, range: 512..=LENGTH_MAX }),
    normal(Key::MaxOutstandingR2T, "MaxOutstandingR2T", Rule::Min { default: 1, range: 1..=65535 }),
    normal(Key::DataPduInOrder, "DataPDUInOrder", Rule::Or { default: true }),
    normal(Key::DataSequenceInOrder, "DataSequenceInOrder", Rule::Or { default: true }),
    // Fences between responses hold by themselves on a single connection; FastAbort would need asynchronous
    // messages to third parties, which are not sent yet.
    normal(
        Key::TaskReporting,
        "TaskReporting",
        Rule::List { default: "RFC3720", values: &["RFC3720", "ResponseFence"] },
    ),
    normal(Key::ProtocolLevel, "iSCSIProtocolLevel", Rule::Min { default: 1, range: 0..=31 }),
    // Obsolete: to the first two the standard allows Reject or, as here, the No that leaves an old initiator content;
    // to the intervals it asks for Reject. It forbids NotUnderstood (RFC 7143 §13.25).
    row(Key::IfMarker, "IFMarker", Initialize, Operational, Both, Rule::Never("No")),
    row(Key::OfMarker, "OFMarker", Initialize, Operational, Both, Rule::Never("No")),
    row(Key::IfMarkInt, "IFMarkInt", Initialize, Operational, Both, Rule::Never(super::REJECT)),
    row(Key::OfMarkInt, "OFMarkInt", Initialize, Operational, Both, Rule::Never(super::REJECT)),
    // Without RDMA extensions the other two say nothing.
    row(Key::RdmaExtensions, "RDMAExtensions", Leading, Operational, Both, Rule::Never("No")),
    row(
        Key::TargetRecvDataSegmentLength,
        "TargetRecvDataSegmentLength",
        Initialize,
        Operational,
        Both,
        Rule::Never(super::IRRELEVANT),
    ),
    row(
        Key::InitiatorRecvDataSegmentLength,
        "InitiatorRecvDataSegmentLength",
        Initialize,
        Operational,
        Both,
        Rule::Never(super::IRRELEVANT),
    ),
];
