//! Whole logins, word for word: libiscsi as recorded from Debian's 1.19, the others as their sources and traces have
//! them send their keys.

use super::*;
use crate::iscsi::keys::{Digest, TaskReporting};

fn established(output: &Output) -> &Established {
    match &output.outcome {
        Outcome::Established(established) => established,
        other => panic!("{other:?}"),
    }
}

/// The keys of libiscsi in its operational stage.
const LIBISCSI: &str = "DataDigest=None|InitialR2T=No|ImmediateData=Yes|MaxBurstLength=262144|FirstBurstLength=262144|\
    DefaultTime2Wait=2|DefaultTime2Retain=0|MaxOutstandingR2T=1|ErrorRecoveryLevel=0|IFMarker=No|OFMarker=No|\
    MaxConnections=1|MaxRecvDataSegmentLength=262144|DataPDUInOrder=Yes|DataSequenceInOrder=Yes|";
const LIBISCSI_ANSWER: &str = "DataDigest=None|InitialR2T=No|ImmediateData=Yes|MaxBurstLength=262144|\
    FirstBurstLength=65536|DefaultTime2Wait=2|DefaultTime2Retain=0|MaxOutstandingR2T=1|ErrorRecoveryLevel=0|\
    IFMarker=No|OFMarker=No|MaxConnections=1|DataPDUInOrder=Yes|DataSequenceInOrder=Yes|\
    MaxRecvDataSegmentLength=262144|";

#[test]
fn libiscsi() {
    let login = both(|bench| {
        let said = bench.send(
            OPERATIONAL,
            Some(FULL),
            &format!(
                "InitiatorName=iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-inq|TargetName={OPEN}|\
                 SessionType=Normal|HeaderDigest=None,CRC32C|{LIBISCSI}"
            ),
        );
        assert_eq!(said, "candidate iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-inq Normal { target: 0 }",);
        let output = bench.verdict(Ok(9));
        assert_eq!(
            show(&output),
            format!(
                "to FullFeature TargetAlias=the open one|TargetPortalGroupTag=7|HeaderDigest=None|{LIBISCSI_ANSWER} \
                 tsih 9"
            )
        );
        output
    });
    let (response, _) = &login.responses[0];
    assert_eq!(response.tsih, 9);
    let established = established(&login);
    assert_eq!(established.target.as_deref(), Some(OPEN));
    assert_eq!((established.tsih, established.cid, established.proof), (9, 1, Proof::None));
    assert_eq!(
        established.negotiated,
        Negotiated {
            recv_data_segment_max: 262_144,
            send_data_segment_max: 262_144,
            initial_r2t: false,
            first_burst_length: 65_536,
            default_time2retain: 0,
            ..Negotiated::default()
        }
    );
}

#[test]
fn libiscsi_discovery() {
    let login = both(|bench| {
        let said = bench.send(
            OPERATIONAL,
            Some(FULL),
            &format!(
                "InitiatorName=iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-ls|SessionType=Discovery|\
                 HeaderDigest=None|{LIBISCSI}"
            ),
        );
        assert_eq!(said, "candidate iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-ls Discovery");
        let output = bench.verdict(Ok(1));
        assert_eq!(
            show(&output),
            "to FullFeature HeaderDigest=None|DataDigest=None|InitialR2T=Irrelevant|ImmediateData=Irrelevant|\
             MaxBurstLength=Irrelevant|FirstBurstLength=Irrelevant|DefaultTime2Wait=2|DefaultTime2Retain=0|\
             MaxOutstandingR2T=Irrelevant|ErrorRecoveryLevel=0|IFMarker=No|OFMarker=No|MaxConnections=Irrelevant|\
             DataPDUInOrder=Irrelevant|DataSequenceInOrder=Irrelevant|MaxRecvDataSegmentLength=262144| tsih 1"
        );
        output
    });
    assert_eq!(established(&login).kind, Kind::Discovery);
    assert_eq!(established(&login).target, None);
}

#[test]
fn libiscsi_chap() {
    both(|bench| {
        let hello = format!("{}AuthMethod=CHAP,None|", names(GUARDED));
        assert_eq!(bench.send(SECURITY, Some(OPERATIONAL), &hello), "TargetPortalGroupTag=7|AuthMethod=CHAP|");
        let challenge = bench.send(SECURITY, None, "CHAP_A=5|");
        assert!(challenge.starts_with("CHAP_A=5|CHAP_I="), "{challenge}");
        // In capitals, as libiscsi writes them.
        let reply = answer(bench, SECRET).to_uppercase().replace("0X", "0x");
        let reply = format!("CHAP_N=user|CHAP_R={reply}|");
        assert_eq!(bench.send(SECURITY, Some(OPERATIONAL), &reply), "to OperationalNegotiation ");
        let keys = format!("HeaderDigest=None,CRC32C|{LIBISCSI}");
        assert!(bench.send(OPERATIONAL, Some(FULL), &keys).starts_with("candidate"));
        assert_eq!(bench.admit(Ok(2)), format!("to FullFeature HeaderDigest=None|{LIBISCSI_ANSWER} tsih 2"));
    });
}

/// open-iscsi, also the software initiator of ESXi, which descends from it.
#[test]
fn open_iscsi() {
    let login = both(|bench| {
        let hello = format!(
            "InitiatorName={INITIATOR}|InitiatorAlias=host|TargetName={OPEN}|SessionType=Normal|AuthMethod=None|"
        );
        assert_eq!(
            bench.send(SECURITY, Some(OPERATIONAL), &hello),
            "to OperationalNegotiation TargetAlias=the open one|TargetPortalGroupTag=7|AuthMethod=None|"
        );
        let keys = "HeaderDigest=CRC32C,None|DataDigest=CRC32C|DefaultTime2Wait=0|DefaultTime2Retain=0|IFMarker=No|\
            OFMarker=No|ErrorRecoveryLevel=0|InitialR2T=No|ImmediateData=Yes|MaxBurstLength=16776192|\
            FirstBurstLength=262144|MaxOutstandingR2T=1|MaxConnections=1|DataPDUInOrder=Yes|\
            DataSequenceInOrder=Yes|MaxRecvDataSegmentLength=131072|";
        assert!(bench.send(OPERATIONAL, Some(FULL), keys).starts_with("candidate"));
        let output = bench.verdict(Ok(1));
        assert_eq!(
            show(&output),
            "to FullFeature HeaderDigest=CRC32C|DataDigest=CRC32C|DefaultTime2Wait=0|DefaultTime2Retain=0|\
             IFMarker=No|OFMarker=No|ErrorRecoveryLevel=0|InitialR2T=No|ImmediateData=Yes|MaxBurstLength=1048576|\
             FirstBurstLength=65536|MaxOutstandingR2T=1|MaxConnections=1|DataPDUInOrder=Yes|\
             DataSequenceInOrder=Yes|MaxRecvDataSegmentLength=262144| tsih 1"
        );
        output
    });
    let established = established(&login);
    assert_eq!(established.initiator_alias.as_deref(), Some("host"));
    let negotiated = &established.negotiated;
    assert_eq!((negotiated.header_digest, negotiated.data_digest), (Digest::Crc32c, Digest::Crc32c));
    assert_eq!((negotiated.max_burst_length, negotiated.send_data_segment_max), (1_048_576, 131_072));
}

/// Windows asks for more than we have: recovery level 2, sixteen R2Ts.
#[test]
fn windows() {
    let login = both(|bench| {
        let hello = format!(
            "InitiatorName=iqn.1991-05.com.microsoft:host|SessionType=Normal|TargetName={OPEN}|AuthMethod=None,CHAP|"
        );
        let said = bench.send(SECURITY, Some(OPERATIONAL), &hello);
        assert!(said.ends_with("|AuthMethod=None|"), "{said}");
        let keys = "HeaderDigest=None,CRC32C|DataDigest=None,CRC32C|ErrorRecoveryLevel=2|InitialR2T=No|\
            ImmediateData=Yes|MaxRecvDataSegmentLength=65536|MaxBurstLength=262144|FirstBurstLength=65536|\
            MaxConnections=32|DataPDUInOrder=Yes|DataSequenceInOrder=Yes|DefaultTime2Wait=0|\
            DefaultTime2Retain=60|MaxOutstandingR2T=16|";
        assert!(bench.send(OPERATIONAL, Some(FULL), keys).starts_with("candidate"));
        let output = bench.verdict(Ok(1));
        assert_eq!(
            show(&output),
            "to FullFeature HeaderDigest=None|DataDigest=None|ErrorRecoveryLevel=0|InitialR2T=No|ImmediateData=Yes|\
             MaxBurstLength=262144|FirstBurstLength=65536|MaxConnections=1|DataPDUInOrder=Yes|\
             DataSequenceInOrder=Yes|DefaultTime2Wait=0|DefaultTime2Retain=0|MaxOutstandingR2T=8|\
             MaxRecvDataSegmentLength=262144| tsih 1"
        );
        output
    });
    assert_eq!(established(&login).negotiated.max_outstanding_r2t, 8);
}

/// ESXi with mutual CHAP announced from the start and its own order of keys.
#[test]
fn esxi() {
    both(|bench| {
        let hello = format!(
            "InitiatorName=iqn.1998-01.com.vmware:ESX_1-4f2a|InitiatorAlias=esx1|TargetName={MUTUAL}|\
             SessionType=Normal|AuthMethod=CHAP|"
        );
        assert_eq!(bench.send(SECURITY, Some(OPERATIONAL), &hello), "TargetPortalGroupTag=7|AuthMethod=CHAP|");
        bench.send(SECURITY, None, "CHAP_A=7,5|");
        assert_eq!(bench.told("CHAP_A"), "7");
        let reply = format!("CHAP_N=user|CHAP_R={}|CHAP_I=200|CHAP_C=0x0102030405060708|", answer(bench, SECRET));
        let said = bench.send(SECURITY, Some(OPERATIONAL), &reply);
        assert!(said.starts_with("to OperationalNegotiation CHAP_N=us|CHAP_R=0x"), "{said}");
        let keys = "HeaderDigest=None|DataDigest=None|DefaultTime2Wait=0|DefaultTime2Retain=0|IFMarker=No|\
            OFMarker=No|ErrorRecoveryLevel=0|InitialR2T=No|ImmediateData=Yes|MaxBurstLength=262144|\
            FirstBurstLength=262144|MaxOutstandingR2T=8|MaxConnections=1|DataPDUInOrder=Yes|\
            DataSequenceInOrder=Yes|MaxRecvDataSegmentLength=131072|TaskReporting=FastAbort,ResponseFence,RFC3720|";
        assert!(bench.send(OPERATIONAL, Some(FULL), keys).starts_with("candidate"));
        let output = bench.verdict(Ok(1));
        assert_eq!(established(&output).negotiated.task_reporting, TaskReporting::ResponseFence);
        assert_eq!(established(&output).proof, Proof::Chap { hash: Hash::Sha256, mutual: true });
    });
}

/// Security straight into full feature phase: nothing operational was said, so all defaults hold.
#[test]
fn shortest() {
    let login = both(|bench| {
        let hello = format!("{}AuthMethod=None|", names(LISTED));
        assert_eq!(bench.send(SECURITY, Some(FULL), &hello), format!("candidate {INITIATOR} Normal {{ target: 3 }}"));
        let output = bench.verdict(Ok(1));
        assert_eq!(show(&output), "to FullFeature TargetPortalGroupTag=7|AuthMethod=None| tsih 1");
        output
    });
    assert_eq!(established(&login).negotiated, Negotiated::default());
    // Not even the method.
    both(|bench| assert!(bench.send(SECURITY, Some(FULL), &names(LISTED)).starts_with("candidate")));
}

/// An initiator that takes its time: no T at first, names said again, keys in several texts.
#[test]
fn slow() {
    both(|bench| {
        let hello = names(OPEN);
        assert_eq!(bench.send(SECURITY, None, &hello), "TargetAlias=the open one|TargetPortalGroupTag=7|");
        assert_eq!(
            bench.send(SECURITY, None, "AuthMethod=KRB5,None|X-com.example.a=1|"),
            "X-com.example.a=NotUnderstood|AuthMethod=None|"
        );
        assert_eq!(bench.send(SECURITY, Some(OPERATIONAL), ""), "to OperationalNegotiation ");
        assert_eq!(bench.send(OPERATIONAL, None, &hello), "MaxRecvDataSegmentLength=262144|");
        assert_eq!(bench.send(OPERATIONAL, None, "TargetAlias=NotUnderstood|InitialR2T=No|"), "InitialR2T=No|");
        assert_eq!(bench.send(OPERATIONAL, None, "MaxBurstLength=4096|"), "MaxBurstLength=4096|");
        assert_eq!(bench.send(OPERATIONAL, None, "FirstBurstLength=8192|"), "FirstBurstLength=4096|");
        assert!(bench.send(OPERATIONAL, Some(FULL), "").starts_with("candidate"));
        assert_eq!(bench.admit(Ok(1)), "to FullFeature  tsih 1");
    });
}

/// Names are one whatever their case.
#[test]
fn capitals() {
    let login = both(|bench| {
        let hello = format!("InitiatorName={}|TargetName={}|", INITIATOR.to_uppercase(), LISTED.to_uppercase());
        let said = bench.send(OPERATIONAL, Some(FULL), &hello);
        assert_eq!(said, format!("candidate {INITIATOR} Normal {{ target: 3 }}"));
        bench.verdict(Ok(1))
    });
    assert_eq!(established(&login).target.as_deref(), Some(LISTED));
}
