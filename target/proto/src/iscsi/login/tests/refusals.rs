//! Every way a login is refused, with status and sentence.

use super::*;

/// The last answer to a list of requests.
fn last(requests: &[(u8, Option<u8>, &str)]) -> String {
    both(|bench| {
        let said: Vec<String> = requests.iter().map(|(stage, next, text)| bench.send(*stage, *next, text)).collect();
        said.last().cloned().unwrap_or_default()
    })
}

#[test]
fn names_and_types() {
    let me = format!("InitiatorName={INITIATOR}|");
    for (text, said) in [
        (String::new(), "0207 the first login request has no InitiatorName".to_owned()),
        (format!("TargetName={OPEN}|"), "0207 the first login request has no InitiatorName".into()),
        (me.clone(), "0207 the first login request has no TargetName".into()),
        (format!("{me}SessionType=Normal|"), "0207 the first login request has no TargetName".into()),
        (
            format!("{me}SessionType=discovery|TargetName={OPEN}|"),
            "0209 SessionType \"discovery\" is neither Normal nor Discovery".into(),
        ),
        (format!("{me}TargetName=iqn.nobody|"), "0203 target \"iqn.nobody\" does not exist here".into()),
        (format!("{me}TargetName={ELSEWHERE}|"), format!("0203 target \"{ELSEWHERE}\" is not served at this portal")),
        (
            format!("InitiatorName=iqn.stranger|TargetName={LISTED}|"),
            format!("0202 initiator \"iqn.stranger\" is not in the access list of target \"{LISTED}\""),
        ),
        (format!("InitiatorName=|TargetName={OPEN}|"), "0200 InitiatorName is empty".into()),
        (
            format!("InitiatorName=a b|TargetName={OPEN}|"),
            "0200 InitiatorName contains ' ', which no iSCSI name can".into(),
        ),
        (
            format!("InitiatorName={}|TargetName={OPEN}|", "a".repeat(224)),
            "0200 InitiatorName is longer than 223 bytes".into(),
        ),
        (format!("{me}TargetName={}|", "a".repeat(224)), "0200 TargetName is longer than 223 bytes".into()),
        (
            format!("{me}TargetName={OPEN}|InitiatorAlias={}|", "a".repeat(256)),
            "0200 InitiatorAlias is longer than 255 bytes".into(),
        ),
        (
            format!("{me}TargetName={OPEN}|TargetPortalGroupTag=1|"),
            "0200 TargetPortalGroupTag is for targets to send".into(),
        ),
    ] {
        assert_eq!(last(&[(SECURITY, Some(OPERATIONAL), &text)]), said);
        assert_eq!(last(&[(OPERATIONAL, Some(FULL), &text)]), said);
    }
    for change in ["InitiatorName=iqn.other|", &format!("TargetName={GUARDED}|"), "SessionType=Discovery|"] {
        let key = change.split('=').next().unwrap();
        let said = last(&[(SECURITY, None, &names(OPEN)), (SECURITY, None, change)]);
        assert_eq!(said, format!("0200 {key} changed during the login"));
    }
}

#[test]
fn texts() {
    for (text, said) in [
        ("InitiatorName=a", "0200 the last pair does not end in a zero byte"),
        ("InitiatorName|", "0200 \"InitiatorName\" is no key=value pair"),
        ("A=1|A=1|", "0200 the key A is there twice"),
        ("A=\u{1}|", "0200 the text is not made of printable characters"),
    ] {
        assert_eq!(last(&[(SECURITY, None, text)]), said);
    }
    let long = "a".repeat(SEGMENT_BYTES_MAX + 1);
    assert_eq!(last(&[(SECURITY, None, &long)]), "0200 a login request with more than 8192 bytes of text");
    both(|bench| {
        for _ in 0..8 {
            assert_eq!(bench.send_part(SECURITY, &long[1..]), "");
        }
        assert_eq!(bench.send_part(SECURITY, "a"), "0200 the text is longer than 65536 bytes");
    });
    let said = both(|bench| {
        let header = LoginRequest { more: true, ..bench.header(SECURITY, Some(OPERATIONAL), false) };
        show(&bench.request(header, b""))
    });
    assert_eq!(said, "0200 T and C in one login request");
    // Answers five times as long as what was asked.
    let said = both(|bench| {
        bench.send(SECURITY, None, &names(OPEN));
        let keys: String = (0..6000).map(|n| format!("K{n}=|")).collect();
        let mut parts = keys.as_bytes().chunks(SEGMENT_BYTES_MAX).map(|part| std::str::from_utf8(part).unwrap());
        let end = parts.next_back().unwrap();
        parts.for_each(|part| assert_eq!(bench.send_part(SECURITY, part), ""));
        bench.send(SECURITY, None, end)
    });
    assert_eq!(said, "0200 so many keys that the answer would be too long");
}

#[test]
fn stages() {
    for stage in [2, FULL] {
        let said = last(&[(stage, None, &names(OPEN))]);
        assert_eq!(said, "0200 the first login request is of no stage of login (CSG)");
    }
    for (stage, next) in [(SECURITY, SECURITY), (SECURITY, 2), (OPERATIONAL, SECURITY), (OPERATIONAL, OPERATIONAL)] {
        let said = last(&[(stage, Some(next), &names(OPEN))]);
        assert_eq!(said, "0200 a transition (NSG) that does not exist");
    }
    let changed = "0200 the stage (CSG) changed without our consent";
    assert_eq!(last(&[(SECURITY, None, &names(OPEN)), (OPERATIONAL, None, "")]), changed);
    assert_eq!(last(&[(SECURITY, Some(OPERATIONAL), &names(OPEN)), (SECURITY, None, "")]), changed);
    assert_eq!(last(&[(OPERATIONAL, None, &names(OPEN)), (SECURITY, None, "")]), changed);
    let after = "0200 a login request after the last one";
    assert_eq!(last(&[(OPERATIONAL, Some(FULL), &names(OPEN)), (OPERATIONAL, None, "")]), after);
    assert_eq!(last(&[(OPERATIONAL, None, ""), (OPERATIONAL, None, &names(OPEN))]), after);
}

#[test]
fn headers() {
    let said = both(|bench| {
        bench.version_min = 1;
        bench.send(SECURITY, None, &names(OPEN))
    });
    assert_eq!(said, "0205 version 1 or later; we speak 0");
    let changes: [fn(&mut Bench); 3] = [|bench| bench.tsih += 1, |bench| bench.cid += 1, |bench| bench.itt += 1];
    for change in changes {
        let said = both(|bench| {
            bench.send(SECURITY, None, &names(OPEN));
            change(bench);
            bench.send(SECURITY, None, "")
        });
        assert_eq!(said, "0200 ISID, TSIH, CID or task tag changed during the login");
    }
    let said = both(|bench| {
        bench.send(SECURITY, None, &names(OPEN));
        let header = LoginRequest { isid: Isid([0; 6]), ..bench.header(SECURITY, None, false) };
        show(&bench.request(header, b""))
    });
    assert_eq!(said, "0200 ISID, TSIH, CID or task tag changed during the login");
}

#[test]
fn endless() {
    let said = both(|bench| {
        bench.send(SECURITY, None, &names(OPEN));
        for _ in 1..REQUESTS_MAX {
            assert_eq!(bench.send(SECURITY, None, ""), "");
        }
        bench.send(SECURITY, None, "")
    });
    assert_eq!(said, "0200 more than 64 requests in one login");
}

#[test]
fn methods() {
    let said = last(&[(SECURITY, Some(OPERATIONAL), &format!("{}AuthMethod=CHAP,SRP|", names(OPEN)))]);
    assert_eq!(said, "0201 target has no credentials (AuthMethod None), the initiator offered only CHAP,SRP");
    let said = last(&[(SECURITY, Some(OPERATIONAL), &format!("{}HeaderDigest=None|", names(OPEN)))]);
    assert_eq!(said, "0200 HeaderDigest does not belong into the security negotiation");
    let said = last(&[(OPERATIONAL, Some(FULL), &format!("{}AuthMethod=None|", names(OPEN)))]);
    assert_eq!(said, "0200 AuthMethod: belongs to the security negotiation");
}

#[test]
fn operational() {
    for (text, said) in [
        ("MaxRecvDataSegmentLength=511|", "MaxRecvDataSegmentLength: \"511\" is no number from 512 to 16777215"),
        ("SendTargets=All|", "SendTargets: belongs to the full feature phase"),
        ("CHAP_A=5|", "CHAP_A: belongs to the security negotiation"),
    ] {
        let said = format!("0200 {said}");
        assert_eq!(last(&[(OPERATIONAL, Some(FULL), &format!("{}{text}", names(OPEN)))]), said);
    }
    let again = [
        (OPERATIONAL, None, &*format!("{}ImmediateData=Yes|", names(OPEN))),
        (OPERATIONAL, None, "ImmediateData=Yes|"),
    ];
    assert_eq!(last(&again), "0200 ImmediateData: negotiated a second time in one login");
}

/// The owner's verdict, with every status it may have.
#[test]
fn verdicts() {
    use LoginStatus::*;
    for (status, code) in [
        (InitiatorError, "0200"),
        (AuthenticationFailure, "0201"),
        (AuthorizationFailure, "0202"),
        (NotFound, "0203"),
        (TargetRemoved, "0204"),
        (UnsupportedVersion, "0205"),
        (TooManyConnections, "0206"),
        (MissingParameter, "0207"),
        (CannotInclude, "0208"),
        (SessionTypeNotSupported, "0209"),
        (SessionDoesNotExist, "020a"),
        (InvalidDuringLogin, "020b"),
        (TargetError, "0300"),
        (ServiceUnavailable, "0301"),
        (OutOfResources, "0302"),
    ] {
        let said = both(|bench| {
            bench.tsih = 4;
            bench.send(OPERATIONAL, Some(FULL), &names(OPEN));
            bench.admit(Err(Refusal::new(status, "because")))
        });
        assert_eq!(said, format!("{code} because"));
        let shown = Refusal::new(status, "because").to_string();
        assert_eq!(shown, format!("because (status {code}: {})", status.name()));
    }
    // Admitting what is no candidate does not let anyone in.
    let said = both(|bench| {
        bench.send(SECURITY, None, &names(OPEN));
        bench.admit(Ok(1))
    });
    assert_eq!(said, "0300 admitted without being a candidate");
    let said = both(|bench| {
        bench.send(OPERATIONAL, Some(FULL), &names(OPEN));
        bench.admit(Ok(1));
        bench.admit(Ok(1))
    });
    assert_eq!(said, "0300 admitted without being a candidate");
}

/// A text of ours longer than one response: C until the end, and no text of theirs in between.
#[test]
fn long_answers() {
    let keys: String = (0..1000).map(|n| format!("X-{n}=|")).collect();
    both(|bench| {
        bench.send(OPERATIONAL, None, &names(OPEN));
        let mut said = bench.send(OPERATIONAL, Some(FULL), &keys);
        let mut count = 1;
        while said.starts_with("more ") {
            said = bench.send(OPERATIONAL, Some(FULL), "");
            count += 1;
        }
        assert!(said.starts_with("candidate"), "{said}");
        bench.admit(Ok(1));
        assert_eq!(bench.heard.matches("=NotUnderstood\0").count(), 1000);
        assert_eq!(count, 3);
    });
    let said = both(|bench| {
        bench.send(OPERATIONAL, None, &names(OPEN));
        assert!(bench.send(OPERATIONAL, Some(FULL), &keys).starts_with("more "));
        bench.send(OPERATIONAL, None, "InitialR2T=No|")
    });
    assert_eq!(said, "0200 a login request with text before our own text had ended");
}
