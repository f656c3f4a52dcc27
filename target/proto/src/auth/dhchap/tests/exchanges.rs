//! Exchanges that go well, and keys that do not fit.

use super::*;

const OTHER_KEY: &str = "DHHC-1:01:YnNP+5JNOGFzjQkRekr73YAjjVLnaoxsEkjetJBhESw40Cw5:";

/// Everything a host of Linux offers, and everything we take.
#[test]
fn the_strongest_hash_and_a_group_as_strong() {
    let keys = keys(true, &[], &[]);
    let course = run(&mut Responder::new([7; 32]), &keys, &keys, true);
    let proof = Proof { hash: Hash::Sha512, group: Group::Ffdhe3072, mutual: true };
    assert_eq!((course.host, course.controller), (Ok(proof), Some(Ok(proof))));
    assert_eq!(proof.to_string(), "DH-HMAC-CHAP (SHA-512, ffdhe3072, mutual)");
}

/// The order is the subsystem's.
#[test]
fn what_both_take() {
    let (ours, theirs) = (keys(false, &[3, 1, 2], &[1, 0]), keys(false, &[1, 2], &[0, 1, 2]));
    let course = run(&mut Responder::new([7; 32]), &ours, &theirs, true);
    let proof = Proof { hash: Hash::Sha256, group: Group::Ffdhe2048, mutual: false };
    assert_eq!((course.host, course.controller), (Ok(proof), Some(Ok(proof))));
}

/// A queue that lives on proves itself again, with other challenges, and more often than exchanges may fail.
#[test]
fn again_on_a_live_queue() {
    let keys = keys(true, &[2], &[0]);
    let mut responder = Responder::new([7; 32]);
    let mut seen = std::collections::BTreeSet::new();
    let proof = Proof { hash: Hash::Sha384, group: Group::Null, mutual: true };
    for _ in 0..20 {
        let course = run(&mut responder, &keys, &keys, true);
        assert_eq!(course.controller, Some(Ok(proof)));
        assert_eq!(responder.proof(), Some(proof));
        assert!(seen.insert(course.transcript[1].clone()), "a challenge twice");
    }
    // It stays authenticated while the next exchange is under way, and until that fails.
    let next = Initiator::new([1; 32], 2, &terms(&keys));
    let Step::Send(negotiate) = next.step() else { panic!() };
    assert_eq!(responder.take(&terms(&keys), &negotiate), Taken::Go);
    assert_eq!(responder.proof(), Some(proof));
    responder.take(&terms(&keys), &[]);
    assert_eq!(responder.proof(), None);
}

fn wrong(ours: (&str, Option<&str>), theirs: (&str, Option<&str>), group: u8) -> Course {
    let ours = Keys::parse(ours.0, ours.1, &[1], &[group]).unwrap();
    let theirs = Keys::parse(theirs.0, theirs.1, &[1], &[group]).unwrap();
    let course = run(&mut Responder::new([7; 32]), &ours, &theirs, false);
    assert_eq!(run(&mut Responder::new([7; 32]), &ours, &theirs, true), course);
    course
}

#[test]
fn the_hosts_key_is_wrong() {
    for group in [0, 1] {
        let course = wrong((HOST_KEY, None), (OTHER_KEY, None), group);
        let failure = course.controller.unwrap().unwrap_err();
        assert_eq!((failure.reason, failure.step), (Reason::Failed, Stage::Reply));
        assert!(failure.why.starts_with("wrong key"), "{failure}");
        let told = course.host.unwrap_err();
        assert_eq!(
            told.to_string(),
            "DH-HMAC-CHAP confirmation: the controller refused: authentication failed (code 01h) (authentication failed)"
        );
    }
}

#[test]
fn the_controllers_key_is_wrong() {
    let course = wrong((HOST_KEY, Some(OTHER_KEY)), (HOST_KEY, Some(CONTROLLER_KEY)), 1);
    let failure = course.host.unwrap_err();
    assert_eq!((failure.reason, failure.step), (Reason::Failed, Stage::Success));
    assert!(failure.why.starts_with("wrong key: the controller"), "{failure}");
    let told = course.controller.unwrap().unwrap_err();
    assert_eq!((told.reason, told.step), (Reason::Failed, Stage::Success));
    assert!(told.why.starts_with("the host refused"), "{told}");
}

#[test]
fn the_controller_has_no_key() {
    let course = wrong((HOST_KEY, None), (HOST_KEY, Some(CONTROLLER_KEY)), 0);
    let failure = course.controller.unwrap().unwrap_err();
    assert_eq!(failure.reason, Reason::Failed);
    assert!(failure.why.contains("there is no controller key"), "{failure}");
    assert_eq!(course.host.unwrap_err().reason, Reason::Failed);
    // The other way round the host simply does not ask.
    let course = wrong((HOST_KEY, Some(CONTROLLER_KEY)), (HOST_KEY, None), 0);
    assert!(!course.host.unwrap().mutual);
}

#[test]
fn a_key_is_tied_to_the_name() {
    let keys = keys(false, &[1], &[0]);
    let mut responder = Responder::new([7; 32]);
    let (here, there) = (terms(&keys), Terms { host: "nqn.2014-08.org.nvmexpress:uuid:another", ..terms(&keys) });
    let mut host = Initiator::new([9; 32], 1, &there);
    for _ in 0..2 {
        let Step::Send(message) = host.step() else { panic!() };
        assert_eq!(responder.take(&here, &message), Taken::Go);
        host.sent();
        let Given::Message(message, _) = responder.give(4096) else { panic!() };
        host.received(&there, &message);
    }
    assert!(matches!(host.step(), Step::Failed(failure) if failure.reason == Reason::Failed));
}

#[test]
fn nothing_in_common() {
    let hashes = run(&mut Responder::new([7; 32]), &keys(false, &[1], &[]), &keys(false, &[2, 3], &[]), true);
    let failure = hashes.controller.unwrap().unwrap_err();
    assert_eq!(failure.reason, Reason::HashUnusable);
    assert_eq!(failure.why, "the host offers hashes [2, 3], the subsystem takes SHA-256");
    assert_eq!(hashes.host.unwrap_err().reason, Reason::HashUnusable);
    let groups = run(&mut Responder::new([7; 32]), &keys(false, &[], &[1, 2]), &keys(false, &[], &[0]), true);
    let failure = groups.controller.unwrap().unwrap_err();
    assert_eq!(failure.reason, Reason::GroupUnusable);
    assert_eq!(failure.why, "the host offers groups [0], the subsystem takes ffdhe2048, ffdhe3072");
}
