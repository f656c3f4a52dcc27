//! The table against the standard's text, and each rule at work.

use std::collections::BTreeSet;

use prost::Message as _;

use super::saved::NegotiationV1;
use super::*;

/// RFC 7143 §13 (and RFC 7144 §7.1 for the last one), one line for each key that is negotiated or declared: name; use;
/// result function; default; range or values; X when irrelevant in discovery sessions.
const STANDARD: &str = "
HeaderDigest             IO   list  None     None,CRC32C              -
DataDigest               IO   list  None     None,CRC32C              -
MaxConnections           LO   min   1        1..65535                 X
InitialR2T               LO   or    Yes      -                        X
ImmediateData            LO   and   Yes      -                        X
MaxRecvDataSegmentLength ALL  each  8192     512..16777215            -
MaxBurstLength           LO   min   262144   512..16777215            X
FirstBurstLength         LO   min   65536    512..16777215            X
DefaultTime2Wait         LO   max   2        0..3600                  -
DefaultTime2Retain       LO   min   20       0..3600                  -
MaxOutstandingR2T        LO   min   1        1..65535                 X
DataPDUInOrder           LO   or    Yes      -                        X
DataSequenceInOrder      LO   or    Yes      -                        X
ErrorRecoveryLevel       LO   min   0        0..2                     -
TaskReporting            LO   list  RFC3720  RFC3720,ResponseFence    X
iSCSIProtocolLevel       LO   min   1        0..31                    X
";

/// Who may send what when, of the others (RFC 7143 §12.1, §13).
const OTHERS: &str = "
InitiatorName            IO   Initiator  Any
InitiatorAlias           ALL  Initiator  Any
TargetName               IO   Initiator  Any
TargetAlias              ALL  Target     Any
TargetAddress            ALL  Target     Any
TargetPortalGroupTag     IO   Target     Any
SessionType              LO   Initiator  Any
SendTargets              FFPO Initiator  Operational
AuthMethod               IO   Both       Security
CHAP_A                   IO   Both       Security
CHAP_I                   IO   Both       Security
CHAP_C                   IO   Both       Security
CHAP_N                   IO   Both       Security
CHAP_R                   IO   Both       Security
";

fn usage(entry: &Entry) -> &'static str {
    match entry.usage {
        Use::Initialize => "IO",
        Use::Leading => "LO",
        Use::FullFeature => "FFPO",
        Use::All => "ALL",
    }
}

fn lines(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.is_empty()).map(|line| line.split_whitespace().collect())
}

#[test]
fn the_table_is_the_standards() {
    for line in lines(STANDARD) {
        let entry = lookup(line[0]).unwrap_or_else(|| panic!("{}", line[0]));
        let yes_no = |value: &bool| if *value { "Yes" } else { "No" }.to_owned();
        let (function, default, range) = match &entry.rule {
            Rule::List { default, values } => ("list", (*default).to_owned(), values.join(",")),
            Rule::Declare { default, range } => {
                ("each", default.to_string(), format!("{range:?}").replace("..=", ".."))
            }
            Rule::Min { default, range } => ("min", default.to_string(), format!("{range:?}").replace("..=", "..")),
            Rule::Max { default, range } => ("max", default.to_string(), format!("{range:?}").replace("..=", "..")),
            Rule::And { default } => ("and", yes_no(default), "-".to_owned()),
            Rule::Or { default } => ("or", yes_no(default), "-".to_owned()),
            other => panic!("{other:?}"),
        };
        let irrelevant = if entry.normal_only { "X" } else { "-" };
        assert_eq!(vec![entry.name, usage(entry), function, &default, &range, irrelevant], line);
        assert_eq!((entry.senders, entry.stage), (Senders::Both, Stage::Operational));
        // In force until negotiated.
        let rows = Negotiated::default().rows();
        for (_, value) in rows.iter().filter(|(name, _)| name.starts_with(entry.name)) {
            assert_eq!(*value, default, "{}", entry.name);
        }
        assert!(rows.iter().any(|(name, _)| name.starts_with(entry.name)));
    }
    for line in lines(OTHERS) {
        let entry = lookup(line[0]).unwrap_or_else(|| panic!("{}", line[0]));
        assert_eq!(
            vec![entry.name, usage(entry), &format!("{:?}", entry.senders), &format!("{:?}", entry.stage)],
            line
        );
        assert!(matches!(entry.rule, Rule::Text { .. } | Rule::Step));
    }
    let named: BTreeSet<&str> = lines(STANDARD).chain(lines(OTHERS)).map(|line| line[0]).collect();
    for entry in TABLE.iter().filter(|entry| !named.contains(entry.name)) {
        assert!(matches!(entry.rule, Rule::Never(_)), "{}", entry.name);
    }
    let numbers: BTreeSet<u8> = TABLE.iter().map(|entry| entry.key as u8).collect();
    assert!(numbers.len() == TABLE.len() && numbers.iter().all(|number| *number < 64));
}

/// The numbers are written into saved states.
#[test]
fn numbers_stay() {
    let numbers: Vec<u8> =
        ["InitiatorName", "CHAP_R", "HeaderDigest", "iSCSIProtocolLevel", "InitiatorRecvDataSegmentLength"]
            .iter()
            .map(|name| lookup(name).unwrap().key as u8)
            .collect();
    assert_eq!(numbers, [0, 13, 14, 29, 36]);
}

/// One text of a login; answers without our declaration, or what was violated.
fn negotiate(offers: &Offers, discovery: bool, text: &str) -> Result<(String, Negotiated), String> {
    let pairs: Vec<_> = text.split('|').filter_map(|pair| pair.split_once('=')).collect();
    let mut negotiation = Negotiation::new(offers.clone());
    let mut answer = Vec::new();
    negotiation.answer(&pairs, discovery, &mut answer).map_err(|violation| violation.to_string())?;
    let saved = negotiation.save();
    let restored = Negotiation::restore(&NegotiationV1::decode(&*saved.encode_to_vec()).unwrap()).unwrap();
    assert_eq!((restored.save(), &restored), (saved, &negotiation));
    let answer = String::from_utf8(answer).unwrap().replace('\0', "|");
    let declared = format!("MaxRecvDataSegmentLength={}|", offers.max_recv_data_segment_length);
    let answer = answer.strip_suffix(&*declared).unwrap_or_else(|| panic!("{answer}"));
    Ok((answer.to_owned(), negotiation.values().clone()))
}

/// Offer, and what is answered to it in a session of our usual offers.
const ANSWERS: &[(&str, &str)] = &[
    ("HeaderDigest=None", "None"),
    ("HeaderDigest=CRC32C", "CRC32C"),
    ("HeaderDigest=CRC32C,None", "CRC32C"),
    ("HeaderDigest=None,CRC32C", "None"),
    ("DataDigest=X-ours,CRC32C,None", "CRC32C"),
    ("MaxConnections=1", "1"),
    ("MaxConnections=65535", "1"),
    ("InitialR2T=Yes", "Yes"),
    ("InitialR2T=No", "No"),
    ("ImmediateData=Yes", "Yes"),
    ("ImmediateData=No", "No"),
    ("MaxBurstLength=512", "512"),
    ("MaxBurstLength=1048576", "1048576"),
    ("MaxBurstLength=1048577", "1048576"),
    ("MaxBurstLength=16777215", "1048576"),
    ("MaxBurstLength=0x10000", "65536"),
    ("FirstBurstLength=512", "512"),
    ("FirstBurstLength=65537", "65536"),
    ("FirstBurstLength=16777215", "65536"),
    ("DefaultTime2Wait=0", "0"),
    ("DefaultTime2Wait=3600", "3600"),
    ("DefaultTime2Retain=20", "0"),
    ("MaxOutstandingR2T=1", "1"),
    ("MaxOutstandingR2T=8", "8"),
    ("MaxOutstandingR2T=65535", "8"),
    ("DataPDUInOrder=Yes", "Yes"),
    ("DataPDUInOrder=No", "Yes"),
    ("DataSequenceInOrder=Yes", "Yes"),
    ("DataSequenceInOrder=No", "Yes"),
    ("ErrorRecoveryLevel=0", "0"),
    ("ErrorRecoveryLevel=2", "0"),
    ("TaskReporting=RFC3720", "RFC3720"),
    ("TaskReporting=ResponseFence,RFC3720", "ResponseFence"),
    ("TaskReporting=FastAbort,RFC3720", "RFC3720"),
    ("iSCSIProtocolLevel=0", "0"),
    ("iSCSIProtocolLevel=2", "1"),
    // RFC 7143 §13.25: the intervals MUST be rejected, the markers may be answered with No; never NotUnderstood.
    ("IFMarker=Yes", "No"),
    ("OFMarker=No", "No"),
    ("IFMarkInt=2048~65535", "Reject"),
    ("OFMarkInt=1", "Reject"),
    // RFC 7145, over plain TCP.
    ("RDMAExtensions=Yes", "No"),
    ("TargetRecvDataSegmentLength=8192", "Irrelevant"),
    ("InitiatorRecvDataSegmentLength=8192", "Irrelevant"),
    // RFC 7143 §6.2: unknown, private and public extension keys.
    ("iSERHelloRequired=Yes", "NotUnderstood"),
    ("X-com.example.key=1", "NotUnderstood"),
    ("X#Node-Architecture=1", "NotUnderstood"),
    ("headerdigest=None", "NotUnderstood"),
];

#[test]
fn answers() {
    for (offer, answer) in ANSWERS {
        let key = offer.split('=').next().unwrap();
        let (said, values) = negotiate(&Offers::default(), false, offer).unwrap();
        assert_eq!(said, format!("{key}={answer}|"), "{offer}");
        // What was answered is what holds.
        for (_, value) in values.rows().iter().filter(|(name, _)| *name == key) {
            assert_eq!(value, answer, "{offer}");
        }
        let in_discovery = lookup(key).is_some_and(|entry| entry.normal_only);
        let (said, values) = negotiate(&Offers::default(), true, offer).unwrap();
        assert_eq!(said, format!("{key}={}|", if in_discovery { IRRELEVANT } else { answer }), "{offer}");
        if in_discovery {
            let untouched = Negotiated { recv_data_segment_max: 262_144, ..Negotiated::default() };
            assert_eq!(values, untouched);
        }
    }
    // Each key of the standard is among them.
    for line in lines(STANDARD).filter(|line| line[2] != "each") {
        assert!(ANSWERS.iter().any(|(offer, _)| offer.starts_with(line[0])), "{}", line[0]);
    }
}

#[test]
fn declared() {
    let (said, values) = negotiate(&Offers::default(), false, "MaxRecvDataSegmentLength=65536").unwrap();
    assert_eq!(said, "");
    assert_eq!((values.send_data_segment_max, values.recv_data_segment_max), (65_536, 262_144));
}

#[test]
fn other_offers() {
    let offers = Offers {
        max_recv_data_segment_length: 4096,
        initial_r2t: true,
        immediate_data: false,
        default_time2wait: 5,
        default_time2retain: 30,
        protocol_level: 2,
        ..Offers::default()
    };
    for (offer, answer) in [
        ("InitialR2T=No", "Yes"),
        ("ImmediateData=Yes", "No"),
        ("DefaultTime2Wait=2", "5"),
        ("DefaultTime2Retain=60", "30"),
        ("DefaultTime2Retain=10", "10"),
        ("iSCSIProtocolLevel=31", "2"),
    ] {
        let key = offer.split('=').next().unwrap();
        assert_eq!(negotiate(&offers, false, offer).unwrap().0, format!("{key}={answer}|"));
    }
}

/// RFC 7143 §6.2: what cannot be taken is answered with Reject, and its key stays as it was.
#[test]
fn rejected() {
    for (text, why) in [
        ("InitialR2T=", "\"\" is neither Yes nor No"),
        ("ImmediateData=YES", "\"YES\" is neither Yes nor No"),
        ("InitialR2T=?", "\"?\" is neither Yes nor No"),
        ("DataPDUInOrder=Irrelevant", "is neither Yes nor No"),
        ("MaxBurstLength=", "\"\" is no number from 512 to 16777215"),
        ("MaxBurstLength=511", "no number from 512"),
        ("MaxBurstLength=16777216", "no number from 512"),
        ("MaxBurstLength=99999999999999999999", "no number from 512"),
        ("MaxBurstLength=+1024", "no number from 512"),
        ("MaxBurstLength=-1024", "no number from 512"),
        ("MaxBurstLength= 1024", "no number from 512"),
        ("MaxBurstLength=0x", "no number from 512"),
        ("MaxBurstLength=0x+400", "no number from 512"),
        ("MaxBurstLength=Reject", "no number from 512"),
        ("DefaultTime2Wait=3601", "no number from 0 to 3600"),
        ("DefaultTime2Retain=3601", "no number from 0 to 3600"),
        ("ErrorRecoveryLevel=3", "no number from 0 to 2"),
        ("MaxOutstandingR2T=0", "no number from 1 to 65535"),
        ("MaxConnections=65536", "no number from 1 to 65535"),
        ("iSCSIProtocolLevel=32", "no number from 0 to 31"),
        ("HeaderDigest=", "we can do nothing, only None or CRC32C"),
        ("DataDigest=crc32c", "we can do nothing, only None or CRC32C"),
        ("TaskReporting=FastAbort", "we can do nothing, only RFC3720 or ResponseFence"),
    ] {
        let (key, value) = text.split_once('=').unwrap();
        let mut negotiation = Negotiation::new(Offers::default());
        let told = negotiation.answer(&[(key, value)], false, &mut Vec::new()).unwrap();
        let [told] = &told[..] else { panic!("{told:?}") };
        assert!(told.key == key && told.why.contains(why), "{text}: {told}");
        let (said, values) = negotiate(&Offers::default(), false, text).unwrap();
        assert_eq!(said, format!("{key}=Reject|"));
        assert_eq!(values, Negotiated { recv_data_segment_max: 262_144, ..Negotiated::default() });
        assert!(negotiation.answer(&[(key, value)], false, &mut Vec::new()).is_err(), "not a second time");
    }
    let long = format!("HeaderDigest=None,{}", "a".repeat(256));
    assert_eq!(negotiate(&Offers::default(), false, &long).unwrap().0, "HeaderDigest=Reject|");
    // 1000 short elements are a long value, but a legal one.
    let many = format!("HeaderDigest={}None", "abc,".repeat(1000));
    assert_eq!(negotiate(&Offers::default(), false, &many).unwrap().0, "HeaderDigest=None|");
}

#[test]
fn violations() {
    for (text, why) in [
        ("MaxRecvDataSegmentLength=511", "no number from 512 to 16777215"),
        ("AuthMethod=None", "belongs to the security negotiation"),
        ("SendTargets=All", "belongs to the full feature phase"),
    ] {
        let said = negotiate(&Offers::default(), false, text).unwrap_err();
        let key = text.split('=').next().unwrap();
        assert!(said.starts_with(key) && said.contains(why), "{text}: {said}");
    }
}

#[test]
fn bursts_depend_on_each_other() {
    for text in ["MaxBurstLength=4096|FirstBurstLength=65536", "FirstBurstLength=65536|MaxBurstLength=4096"] {
        let (said, values) = negotiate(&Offers::default(), false, text).unwrap();
        // Answered in the order they came.
        assert_eq!(said, format!("{}|", text.replace("65536", "4096")));
        assert_eq!((values.max_burst_length, values.first_burst_length), (4096, 4096));
    }
    // Only one of them said: the default of the other follows at the end.
    let (_, mut values) = negotiate(&Offers::default(), false, "MaxBurstLength=4096").unwrap();
    values.settle();
    assert_eq!(values.first_burst_length, 4096);
}
