//! CHAP: all algorithms one way and both, and everything that must not get through.

use proptest::prelude::*;

use super::*;

/// As far as our challenge.
fn challenged(bench: &mut Bench, target: &str, algorithms: &str) {
    bench.send(SECURITY, Some(OPERATIONAL), &format!("{}AuthMethod=CHAP|", names(target)));
    bench.send(SECURITY, None, &format!("CHAP_A={algorithms}|"));
}

fn respond(bench: &mut Bench, text: &str) -> String {
    bench.send(SECURITY, Some(OPERATIONAL), text)
}

#[test]
fn every_algorithm_both_ways() {
    for hash in Hash::ALL {
        both(|bench| {
            challenged(bench, MUTUAL, &hash.number().to_string());
            let right = answer(bench, SECRET);
            // Their challenge in base64, identifier in hexadecimal.
            let said = respond(bench, &format!("CHAP_N=user|CHAP_R={right}|CHAP_I=0xff|CHAP_C=0bAQIDBAUGBwg=|"));
            let proof = crate::auth::response(hash, 255, &Secret::new(OUR_SECRET), &[1, 2, 3, 4, 5, 6, 7, 8]);
            let proof = crate::auth::encode(&proof);
            assert_eq!(said, format!("to OperationalNegotiation CHAP_N=us|CHAP_R={proof}|"));
        });
        // An initiator need not ask us.
        both(|bench| {
            challenged(bench, MUTUAL, &hash.number().to_string());
            let right = answer(bench, SECRET);
            assert_eq!(respond(bench, &format!("CHAP_N=user|CHAP_R={right}|")), "to OperationalNegotiation ");
        });
    }
}

#[test]
fn the_initiators_preference_counts() {
    for (offered, chosen) in [("5", "5"), ("8,7,5", "7"), ("5,7", "5"), ("6,99,x,,300,7", "7"), ("261,5", "5")] {
        both(|bench| {
            challenged(bench, GUARDED, offered);
            assert_eq!(bench.told("CHAP_A"), chosen, "{offered}");
        });
    }
    let refused = both(|bench| {
        bench.send(SECURITY, None, &format!("{}AuthMethod=CHAP|", names(GUARDED)));
        bench.send(SECURITY, None, "CHAP_A=6,8|")
    });
    assert_eq!(refused, "0201 CHAP: the initiator offers algorithms 6,8, the target takes 5 (MD5), 7 (SHA-256)");
}

#[test]
fn wrong_answers() {
    let refused = |target: &str, text: &dyn Fn(&Bench) -> String| {
        both(|bench| {
            challenged(bench, target, "5");
            let text = text(bench);
            respond(bench, &text)
        })
    };
    let right = |bench: &Bench| answer(bench, SECRET);
    let said = refused(GUARDED, &|bench| format!("CHAP_N=user|CHAP_R={}|", answer(bench, "guessed")));
    assert_eq!(said, "0201 CHAP: wrong secret for user \"user\"");
    let said = refused(GUARDED, &|bench| format!("CHAP_N=x\u{e4}|CHAP_R={}|", right(bench)));
    assert_eq!(said, "0201 CHAP: the initiator answered as user \"xä\", which this target does not know");
    let said = refused(GUARDED, &|bench| format!("CHAP_N={}|CHAP_R={}|", "u".repeat(256), right(bench)));
    assert_eq!(said, "0201 CHAP: CHAP_N is longer than 255 bytes");
    let said = refused(GUARDED, &|bench| format!("CHAP_R={}|", right(bench)));
    assert_eq!(said, "0201 CHAP: the initiator sent no CHAP_N");
    assert_eq!(refused(GUARDED, &|_| "CHAP_N=user|".into()), "0201 CHAP: the initiator sent no CHAP_R");
    assert_eq!(refused(GUARDED, &|_| String::new()), "0201 CHAP: the initiator sent no CHAP_N");
    for (value, why) in [
        ("", "begins with neither 0x nor 0b"),
        ("1234", "begins with neither 0x nor 0b"),
        ("0x", "is empty"),
        ("0xzz", "is not well formed"),
        ("0b!!!!", "is not well formed"),
        (&format!("0x{}", "ab".repeat(1025)), "is longer than 1024 bytes"),
    ] {
        let said = refused(GUARDED, &|_| format!("CHAP_N=user|CHAP_R={value}|"));
        assert_eq!(said, format!("0201 CHAP: CHAP_R {why}"));
    }
    // The right answer, cut or with something behind it.
    for change in [|text: &str| text[..32].to_owned(), |text: &str| format!("{text}00")] {
        let said = refused(GUARDED, &|bench| format!("CHAP_N=user|CHAP_R={}|", change(&right(bench))));
        assert_eq!(said, "0201 CHAP: wrong secret for user \"user\"");
    }
}

#[test]
fn wrong_questions() {
    let refused = |target: &str, question: &dyn Fn(&Bench) -> String| {
        both(|bench| {
            challenged(bench, target, "5");
            let text = format!("CHAP_N=user|CHAP_R={}|{}", answer(bench, SECRET), question(bench));
            respond(bench, &text)
        })
    };
    let said = refused(GUARDED, &|_| "CHAP_I=1|CHAP_C=0x01|".into());
    assert!(said.starts_with("0201 mutual CHAP: the initiator wants the target to prove itself"), "{said}");
    for half in ["CHAP_I=1|", "CHAP_C=0x01|"] {
        assert_eq!(refused(MUTUAL, &|_| half.into()), "0201 CHAP: only one of CHAP_I and CHAP_C");
    }
    for id in ["256", "-1", "+1", "", "0x100", "0x+1", "a"] {
        let said = refused(MUTUAL, &|_| format!("CHAP_I={id}|CHAP_C=0x01|"));
        assert_eq!(said, format!("0201 CHAP: CHAP_I \"{id}\" is no number to 255"));
    }
    for (challenge, why) in [
        ("0x".to_owned(), "is empty"),
        (format!("0x{}", "00".repeat(1025)), "is longer than 1024 bytes"),
        (format!("0b{}", "AAAA".repeat(342)), "is longer than 1024 bytes"),
    ] {
        let said = refused(MUTUAL, &|_| format!("CHAP_I=1|CHAP_C={challenge}|"));
        assert_eq!(said, format!("0201 CHAP: CHAP_C {why}"));
    }
    // The longest that is allowed, in a text of two requests.
    let said = both(|bench| {
        challenged(bench, MUTUAL, "5");
        bench.send_part(SECURITY, &format!("CHAP_N=user|CHAP_R={}|CHAP_I=1|CHAP_C=0x", answer(bench, SECRET)));
        respond(bench, &format!("{}|", "5a".repeat(1024)))
    });
    assert!(said.starts_with("to OperationalNegotiation CHAP_N=us|"), "{said}");
}

#[test]
fn reflection() {
    // Our own challenge sent back, so that we would answer it for the initiator.
    let said = both(|bench| {
        challenged(bench, MUTUAL, "5");
        let (right, ours) = (answer(bench, SECRET), bench.told("CHAP_C"));
        respond(
            bench,
            &format!("CHAP_N=user|CHAP_R={right}|CHAP_I=1|CHAP_C={}|", ours.to_uppercase().replace("0X", "0x")),
        )
    });
    assert_eq!(said, "0201 mutual CHAP: the initiator sent our own challenge back");
    // The answer we would give ourselves, got from another connection of ours.
    let said = both(|bench| {
        challenged(bench, MUTUAL, "5");
        let ours = answer(bench, OUR_SECRET);
        respond(bench, &format!("CHAP_N=us|CHAP_R={ours}|"))
    });
    assert_eq!(said, "0201 CHAP: the initiator answered with the secret that is ours to prove");
    // One secret for both directions in the configuration.
    let said = both(|bench| {
        bench.site.targets[2].auth = chap(&[Hash::Md5], Some(credential("us", SECRET)));
        challenged(bench, MUTUAL, "5");
        let right = answer(bench, SECRET);
        respond(bench, &format!("CHAP_N=user|CHAP_R={right}|"))
    });
    assert!(said.starts_with("0201 CHAP: "), "{said}");
}

#[test]
fn out_of_turn() {
    for (text, key) in [("CHAP_A=5|", "CHAP_A"), ("CHAP_N=a|CHAP_R=0x00|", "CHAP_N"), ("CHAP_C=0x00|", "CHAP_C")] {
        let said = both(|bench| bench.send(SECURITY, None, &format!("{}{text}", names(GUARDED))));
        assert_eq!(said, format!("0200 {key} out of turn"));
    }
    let said = both(|bench| {
        bench.send(SECURITY, None, &format!("{}AuthMethod=CHAP|", names(GUARDED)));
        bench.send(SECURITY, None, "CHAP_N=user|CHAP_R=0x00|")
    });
    assert_eq!(said, "0200 CHAP_N out of turn");
    let said = both(|bench| {
        bench.send(SECURITY, None, &format!("{}AuthMethod=CHAP|", names(GUARDED)));
        bench.send(SECURITY, None, "AuthMethod=None|")
    });
    assert_eq!(said, "0200 AuthMethod out of turn");
    let said = both(|bench| {
        challenged(bench, GUARDED, "5");
        bench.send(SECURITY, None, "CHAP_A=7|")
    });
    assert_eq!(said, "0200 CHAP_A out of turn");
    let said = both(|bench| {
        bench.send(SECURITY, None, &format!("{}AuthMethod=CHAP|", names(GUARDED)));
        bench.send(SECURITY, None, "")
    });
    assert_eq!(said, "0201 CHAP: the initiator sent no CHAP_A");
    // After passing, nothing of it comes again.
    let said = both(|bench| {
        challenged(bench, GUARDED, "5");
        let right = answer(bench, SECRET);
        assert_eq!(bench.send(SECURITY, None, &format!("CHAP_N=user|CHAP_R={right}|")), "");
        bench.send(SECURITY, None, "CHAP_A=5|")
    });
    assert_eq!(said, "0200 CHAP_A out of turn");
}

/// Whatever is asked for: T before the proof gets no transition.
#[test]
fn no_way_around() {
    both(|bench| {
        let hello = format!("{}AuthMethod=CHAP|", names(GUARDED));
        assert!(!bench.send(SECURITY, Some(FULL), &hello).contains("to "));
        assert!(!bench.send(SECURITY, Some(FULL), "CHAP_A=5|").contains("to "));
        assert!(bench.send(OPERATIONAL, Some(FULL), "").starts_with("0200 the stage (CSG) changed"));
    });
    for (stage, text, why) in [
        (SECURITY, "AuthMethod=None|", "target requires CHAP, the initiator offered only None"),
        (SECURITY, "", "target requires CHAP, the initiator offered nothing"),
        (OPERATIONAL, "", "target requires CHAP, the initiator went past the security negotiation"),
    ] {
        let said = both(|bench| bench.send(stage, Some(FULL), &format!("{}{text}", names(GUARDED))));
        assert_eq!(said, format!("0201 {why}"));
    }
}

/// What the access list says of an initiator counts before what the target says; discovery has its own proof.
#[test]
fn whose_proof() {
    both(|bench| {
        let hello = format!("InitiatorName=iqn.GUARDED|TargetName={LISTED}|AuthMethod=CHAP,None|");
        assert_eq!(bench.send(SECURITY, Some(OPERATIONAL), &hello), "TargetPortalGroupTag=7|AuthMethod=CHAP|");
    });
    both(|bench| {
        bench.site.discovery = chap(&[Hash::Md5], None);
        let hello = format!("InitiatorName={INITIATOR}|SessionType=Discovery|AuthMethod=CHAP,None|");
        assert_eq!(bench.send(SECURITY, Some(OPERATIONAL), &hello), "AuthMethod=CHAP|");
        bench.send(SECURITY, None, "CHAP_A=5|");
        let right = answer(bench, SECRET);
        let said = respond(bench, &format!("CHAP_N=user|CHAP_R={right}|"));
        assert_eq!(said, "to OperationalNegotiation ");
    });
}

#[test]
fn a_site_that_changes() {
    // A proof that was enough at the start is not at the end.
    let said = both(|bench| {
        bench.send(SECURITY, Some(OPERATIONAL), &format!("{}AuthMethod=None|", names(OPEN)));
        bench.site.targets[0].auth = chap(&[Hash::Md5], None);
        bench.send(OPERATIONAL, Some(FULL), "")
    });
    assert_eq!(said, "0201 the target now asks for a proof that was not given");
    let said = both(|bench| {
        challenged(bench, GUARDED, "5");
        let right = answer(bench, SECRET);
        bench.site.targets[1].auth = Auth::None;
        respond(bench, &format!("CHAP_N=user|CHAP_R={right}|"))
    });
    assert_eq!(said, "0201 CHAP: the target has lost its credentials");
    let said = both(|bench| {
        bench.send(SECURITY, Some(OPERATIONAL), &format!("{}AuthMethod=None|", names(OPEN)));
        bench.site.targets.remove(0);
        bench.send(OPERATIONAL, Some(FULL), "")
    });
    assert_eq!(said, format!("0203 target \"{OPEN}\" does not exist here"));
    // It moved: the index follows the name.
    let said = both(|bench| {
        bench.send(SECURITY, Some(OPERATIONAL), &format!("{}AuthMethod=None|", names(LISTED)));
        bench.site.targets.remove(0);
        bench.send(OPERATIONAL, Some(FULL), "")
    });
    assert_eq!(said, format!("candidate {INITIATOR} Normal {{ target: 2 }}"));
}

proptest! {
    #[test]
    fn nothing_but_the_right_answer(
        name in "[ -{}~]{0,300}",
        given in prop_oneof!["0x[0-9a-f]{0,70}", "0b[A-Za-z0-9+/]{0,60}={0,2}", "[ -{}~]{0,40}", "0x[0-9a-f]{2040,2060}"],
        id in prop_oneof!["", "CHAP_I=[0-9]{0,4}\\|", "CHAP_I=[ -{}~]{0,4}\\|CHAP_C=0x[0-9a-f]{0,40}\\|"],
    ) {
        let said = both(|bench| {
            challenged(bench, MUTUAL, "7");
            respond(bench, &format!("CHAP_N={name}|CHAP_R={given}|{id}"))
        });
        prop_assert!(said.starts_with("0201 ") || said.starts_with("0200 "), "{}", said);
    }
}
