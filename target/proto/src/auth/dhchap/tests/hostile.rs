//! What a hostile or broken peer may send, each case by name.

use super::message::Message;
use super::*;

/// A responder, and what it is told in the order it came.
struct Rig {
    keys: Keys,
    responder: Responder,
}

impl Rig {
    fn new(group: u8) -> Rig {
        Rig { keys: keys(true, &[1], &[group]), responder: Responder::new([7; 32]) }
    }

    /// Saved and restored before everything.
    fn take(&mut self, message: &[u8]) -> Taken {
        self.responder = reborn(&self.responder);
        self.responder.take(&terms(&self.keys), message)
    }

    fn negotiate(&mut self) -> Taken {
        let (hashes, groups): (Vec<u8>, Vec<u8>) = (vec![1], self.keys.groups.iter().map(|group| group.id()).collect());
        let offer = Some(message::Offer { hashes: &hashes, groups: &groups });
        self.take(&Message::Negotiate { secure: 0, offer }.build(TRANSACTION))
    }

    fn give(&mut self) -> Given {
        self.responder = reborn(&self.responder);
        self.responder.give(MESSAGE_BYTES_MAX)
    }

    /// To where a reply is awaited.
    fn challenged(group: u8) -> Rig {
        let mut rig = Rig::new(group);
        if let Taken::Compute(work) = rig.negotiate() {
            assert_eq!(rig.give(), Given::Wait);
            rig.responder.computed(&terms(&rig.keys), &compute(&work));
        }
        assert!(matches!(rig.give(), Given::Message(_, Verdict::Open)));
        rig
    }

    fn reply(&mut self, public: &[u8]) -> Taken {
        self.take(
            &Message::Reply { sequence: 1, response: &[1; 32], challenge: Some(&[2; 32]), public }.build(TRANSACTION),
        )
    }

    /// AUTH_Failure1 with this reason is fetched, and then it is over.
    #[track_caller]
    fn refused(&mut self, reason: Reason) -> Failure {
        let Given::Message(message, Verdict::Failed(failure)) = self.give() else { panic!("not refused") };
        assert_eq!(message[..4], [0, 0xf1, 0, 0]);
        assert_eq!(message[6..], [1, reason.code()]);
        assert_eq!(failure.reason, reason);
        assert_eq!(self.responder.proof(), None);
        assert_eq!(self.give(), Given::Nothing);
        assert!(matches!(self.negotiate(), Taken::Failed(_)), "over is over");
        failure
    }
}

/// CVE-2024-50215: a second negotiation while the first one's Diffie-Hellman is under way.
#[test]
fn negotiating_twice() {
    let mut rig = Rig::new(1);
    let Taken::Compute(first) = rig.negotiate() else { panic!() };
    let Taken::Compute(second) = rig.negotiate() else { panic!() };
    assert_ne!(first, second);
    rig.responder.computed(&terms(&rig.keys), &compute(&first));
    assert_eq!(rig.give(), Given::Wait, "the answer to the first is of no use");
    let power = compute(&second);
    rig.responder.computed(&terms(&rig.keys), &power);
    assert!(matches!(rig.give(), Given::Message(..)));
    // The same answer once more, when nobody waits for it.
    let before = rig.responder.clone();
    rig.responder.computed(&terms(&rig.keys), &power);
    assert!(rig.responder == before);
}

/// Every exchange begun costs a power, so not without end.
#[test]
fn negotiating_for_ever() {
    let mut rig = Rig::new(1);
    for _ in 0..8 {
        assert!(matches!(rig.negotiate(), Taken::Compute(_)));
    }
    assert_eq!(rig.negotiate(), Taken::Go);
    assert!(rig.refused(Reason::Failed).why.contains("8 exchanges"));
}

#[test]
fn negotiations_that_cannot_be() {
    let good = Message::Negotiate { secure: 0, offer: Some(message::Offer { hashes: &[1], groups: &[0] }) }.build(1);
    let change = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let cases = [
        (change(6, 1), Reason::SecureChannelMismatch),
        (change(6, 0xff), Reason::SecureChannelMismatch),
        (change(7, 0), Reason::ProtocolUnusable),
        (change(8, 2), Reason::ProtocolUnusable),
        (change(7, 2), Reason::IncorrectPayload),
        (change(7, 0xff), Reason::IncorrectPayload),
        (change(10, 0), Reason::IncorrectPayload),
        (change(10, 31), Reason::IncorrectPayload),
        (change(11, 0), Reason::IncorrectPayload),
        (change(11, 0xff), Reason::IncorrectPayload),
        (change(12, 0), Reason::HashUnusable),
        (change(42, 9), Reason::GroupUnusable),
        (change(0, 2), Reason::IncorrectMessage),
        (change(1, 5), Reason::IncorrectMessage),
        (good[..71].to_vec(), Reason::IncorrectPayload),
        (good[..7].to_vec(), Reason::IncorrectPayload),
        (Vec::new(), Reason::IncorrectPayload),
    ];
    for (bytes, reason) in cases {
        let mut rig = Rig::new(0);
        assert_eq!(rig.take(&bytes), Taken::Go, "{bytes:x?}");
        rig.refused(reason);
    }
    // Other protocols before ours are passed over.
    let mut two = good[..8].to_vec();
    two[7] = 2;
    two.extend([7; 64]);
    two.extend(&good[8..]);
    let mut rig = Rig::new(0);
    assert_eq!(rig.take(&two), Taken::Go);
    assert!(matches!(rig.give(), Given::Message(_, Verdict::Open)));
}

/// RFC 7919 §5.1, and lengths.
#[test]
fn public_values_that_cannot_be() {
    let prime = Group::Ffdhe2048.prime();
    let less = |by: u8| {
        let mut value = prime.clone();
        *value.last_mut().unwrap() -= by;
        value
    };
    let small = |last: u8| [vec![0; 255], vec![last]].concat();
    let bad = [small(0), small(1), less(1), less(0), vec![0xff; 256], small(2)[1..].to_vec(), Vec::new(), vec![2; 257]];
    for public in bad {
        let mut rig = Rig::challenged(1);
        assert_eq!(rig.reply(&public), Taken::Go, "{public:x?}");
        let failure = rig.refused(Reason::IncorrectPayload);
        assert_eq!(failure.step, Stage::Reply);
        // A host does not take them either.
        let keys = keys(false, &[1], &[1]);
        let mut host = Initiator::new([9; 32], TRANSACTION, &terms(&keys));
        host.sent();
        let challenge = Message::Challenge { hash: 1, group: 1, sequence: 5, challenge: &[3; 32], public: &public };
        host.received(&terms(&keys), &challenge.build(TRANSACTION));
        let Step::Send(message) = host.step() else { panic!() };
        assert_eq!(message, Message::Failure2(6).build(TRANSACTION));
        host.sent();
        assert!(matches!(reborn_host(&host).step(), Step::Failed(_)));
    }
    for public in [small(2), less(2)] {
        assert!(matches!(Rig::challenged(1).reply(&public), Taken::Compute(_)));
    }
    let mut rig = Rig::challenged(0);
    assert_eq!(rig.reply(&[5; 256]), Taken::Go);
    assert!(rig.refused(Reason::IncorrectPayload).why.contains("no group"));
}

#[test]
fn replies_that_cannot_be() {
    let good =
        Message::Reply { sequence: 1, response: &[1; 32], challenge: Some(&[2; 32]), public: &[] }.build(TRANSACTION);
    let change = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let mut cases = vec![
        (change(4, 0), Reason::IncorrectPayload),
        (change(6, 0), Reason::IncorrectPayload),
        (change(6, 31), Reason::IncorrectPayload),
        (change(6, 33), Reason::IncorrectPayload),
        (change(6, 0xff), Reason::IncorrectPayload),
        (change(10, 1), Reason::IncorrectPayload),
        (change(11, 0xff), Reason::IncorrectPayload),
        (change(1, 1), Reason::IncorrectMessage),
        (change(1, 3), Reason::IncorrectMessage),
        (change(1, 4), Reason::IncorrectMessage),
        (change(0, 9), Reason::IncorrectMessage),
        (good.clone(), Reason::Failed),
    ];
    cases.extend((0..good.len()).map(|cut| (good[..cut].to_vec(), Reason::IncorrectPayload)));
    for (bytes, reason) in cases {
        let mut rig = Rig::challenged(0);
        assert_eq!(rig.take(&bytes), Taken::Go, "{bytes:x?}");
        rig.refused(reason);
    }
}

#[test]
fn our_own_challenge_comes_back() {
    let mut rig = Rig::new(0);
    rig.negotiate();
    let Given::Message(challenge, _) = rig.give() else { panic!() };
    let back = Message::Reply { sequence: 1, response: &[1; 32], challenge: Some(&challenge[16..48]), public: &[] };
    assert_eq!(rig.take(&back.build(TRANSACTION)), Taken::Go);
    assert!(rig.refused(Reason::Failed).why.contains("our own challenge"));
}

#[test]
fn out_of_turn() {
    let success = Message::Success2.build(TRANSACTION);
    // Before anything.
    let mut rig = Rig::new(0);
    assert_eq!(rig.give(), Given::Nothing);
    assert_eq!(rig.take(&success), Taken::OutOfSequence);
    // Before the challenge was fetched.
    let mut rig = Rig::new(0);
    rig.negotiate();
    assert_eq!(rig.reply(&[]), Taken::Go);
    rig.refused(Reason::IncorrectMessage);
    // While it is computed.
    let mut rig = Rig::new(1);
    rig.negotiate();
    assert_eq!(rig.reply(&[2; 256]), Taken::Go);
    rig.refused(Reason::IncorrectMessage);
    // Fetched twice.
    Rig::challenged(0).refused(Reason::IncorrectMessage);
    // Success2 instead of a reply: nobody is let in by it.
    let mut rig = Rig::challenged(0);
    assert_eq!(rig.take(&success), Taken::Go);
    rig.refused(Reason::IncorrectMessage);
    // A reply twice.
    let mut rig = Rig::challenged(1);
    assert!(matches!(rig.reply(&[2; 256]), Taken::Compute(_)));
    assert_eq!(rig.reply(&[2; 256]), Taken::Go);
    rig.refused(Reason::IncorrectMessage);
}

/// Base §8.13.2: an exchange nobody goes on with is forgotten, and what comes for it later is out of sequence; the proof of an earlier one stands.
#[test]
fn going_on_too_late() {
    let keys = keys(false, &[1], &[0]);
    let mut rig = Rig::new(1);
    rig.responder = Responder::new([7; 32]);
    run(&mut rig.responder, &keys, &keys, true);
    assert!(!rig.responder.in_progress());
    let proof = rig.responder.proof();
    let Taken::Compute(work) = rig.negotiate() else { panic!() };
    assert!(rig.responder.in_progress());
    rig.responder.expire();
    rig.responder.computed(&terms(&rig.keys), &compute(&work));
    assert_eq!(rig.give(), Given::Nothing);
    assert_eq!(rig.reply(&[2; 256]), Taken::OutOfSequence);
    assert!(proof.is_some() && rig.responder.proof() == proof && !rig.responder.in_progress());
    // What has been refused is not forgotten so.
    let mut rig = Rig::challenged(0);
    assert_eq!(rig.reply(&[]), Taken::Go);
    rig.responder.expire();
    rig.refused(Reason::Failed);
    rig.responder.expire();
    assert!(matches!(rig.negotiate(), Taken::Failed(_)));
}

/// A refusal that is not fetched stands, whatever follows.
#[test]
fn going_on_after_a_refusal() {
    let mut rig = Rig::challenged(0);
    assert_eq!(rig.reply(&[]), Taken::Go);
    assert_eq!(rig.negotiate(), Taken::Go);
    assert_eq!(rig.reply(&[]), Taken::Go);
    rig.refused(Reason::Failed);
}

#[test]
fn the_host_gives_up() {
    for rig in [Rig::new(0), Rig::challenged(0)] {
        let mut rig = rig;
        let Taken::Failed(failure) = rig.take(&Message::Failure2(0x55).build(TRANSACTION)) else { panic!() };
        assert_eq!(failure.why, "the host refused: for a reason of its own (code 55h)");
        assert_eq!(rig.give(), Given::Nothing);
    }
}

#[test]
fn an_allocation_length_too_small() {
    let mut rig = Rig::new(0);
    rig.negotiate();
    assert_eq!(rig.responder.give(0), Given::Small { need: 48 });
    assert_eq!(rig.responder.give(47), Given::Small { need: 48 });
    assert!(matches!(rig.responder.give(48), Given::Message(message, Verdict::Open) if message.len() == 48));
}

/// What a controller may do to a host.
#[test]
fn controllers_that_lie() {
    let keys = keys(true, &[1], &[0]);
    let challenge = Message::Challenge { hash: 1, group: 0, sequence: 5, challenge: &[3; 32], public: &[] };
    let good = challenge.build(TRANSACTION);
    let host = |message: &[u8]| {
        let mut host = Initiator::new([9; 32], TRANSACTION, &terms(&keys));
        host.received(&terms(&keys), message);
        assert!(matches!(host.step(), Step::Send(_)), "not before it has asked");
        host.sent();
        host.received(&terms(&keys), message);
        host
    };
    let told = |host: &Initiator| match host.step() {
        Step::Send(message) if message[1] == 0xf0 => Reason::from_code(message[7]),
        _ => None,
    };
    for (at, value, reason) in [
        (4, 0, Reason::IncorrectPayload),
        (6, 31, Reason::IncorrectPayload),
        (6, 33, Reason::IncorrectPayload),
        (8, 2, Reason::HashUnusable),
        (8, 9, Reason::HashUnusable),
        (9, 1, Reason::GroupUnusable),
        (9, 9, Reason::GroupUnusable),
        (10, 1, Reason::IncorrectPayload),
        (1, 4, Reason::IncorrectMessage),
        (0, 9, Reason::IncorrectMessage),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(told(&host(&bytes)), Some(reason), "byte {at} is {value}");
    }
    for cut in 0..good.len() {
        assert_eq!(told(&host(&good[..cut])), Some(Reason::IncorrectPayload), "cut at {cut}");
    }
    // Padding of the buffer does no harm.
    let mut replied = host(&[good.as_slice(), &[0; 99]].concat());
    assert!(matches!(replied.step(), Step::Send(message) if message[1] == 2));
    replied.sent();
    for (message, why) in [
        (Message::Success1 { length: 32, response: None }, "did not prove itself"),
        (Message::Success1 { length: 32, response: Some(&[4; 32]) }, "wrong key: the controller"),
        (Message::Success1 { length: 31, response: Some(&[4; 31]) }, "not as long"),
        (challenge, "out of turn"),
    ] {
        let mut host = reborn_host(&replied);
        host.received(&terms(&keys), &message.build(TRANSACTION));
        host.sent();
        assert!(matches!(host.step(), Step::Failed(failure) if failure.why.contains(why)), "{why}");
    }
}
