//! Both machines against each other, each alone against what a hostile peer may send, and all against values computed by other means.

mod exchanges;
mod golden;
mod hostile;
mod keys;
mod properties;

use super::*;
use prost::Message as _;

pub(super) const HOST: &str = "nqn.2014-08.org.nvmexpress:uuid:6a2d0f8e-0d5c-4a3e-9f57-0f3f6b1c9a01";
pub(super) const SUBSYSTEM: &str = "nqn.2026-11.internal.mainstay:disk";
/// Bytes 0 to 31, and bytes 100 to 147.
pub(super) const HOST_KEY: &str = "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
pub(super) const CONTROLLER_KEY: &str =
    "DHHC-1:00:ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoOEhYaHiImKi4yNjo+QkZKTvGwQfg==:";
pub(super) const TRANSACTION: u16 = 0x1234;

pub(super) fn keys(mutual: bool, hashes: &[u8], groups: &[u8]) -> Keys {
    Keys::parse(HOST_KEY, mutual.then_some(CONTROLLER_KEY), hashes, groups).unwrap()
}

pub(super) fn terms(keys: &Keys) -> Terms<'_> {
    Terms { keys, host: HOST, subsystem: SUBSYSTEM }
}

/// Bytes written as digits; blanks do not count.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub(super) fn reborn(responder: &Responder) -> Responder {
    let saved = responder.save();
    let bytes = saved.encode_to_vec();
    let read = saved::ResponderV1::decode(bytes.as_slice()).unwrap();
    let restored = Responder::restore(&read).unwrap();
    assert!(restored == *responder);
    assert_eq!(restored.save().encode_to_vec(), bytes);
    restored
}

pub(super) fn reborn_host(initiator: &Initiator) -> Initiator {
    let bytes = initiator.save().encode_to_vec();
    let restored = Initiator::restore(&saved::InitiatorV1::decode(bytes.as_slice()).unwrap()).unwrap();
    assert!(restored == *initiator);
    assert_eq!(restored.save().encode_to_vec(), bytes);
    restored
}

/// How an exchange went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Course {
    /// Every message, one after the other.
    pub transcript: Vec<Vec<u8>>,
    /// What the controller came to, and the host.
    pub controller: Option<Result<Proof, Failure>>,
    pub host: Result<Proof, Failure>,
}

/// A whole exchange between a controller and a host with these keys.
pub(super) fn run(responder: &mut Responder, ours: &Keys, theirs: &Keys, saving: bool) -> Course {
    let mut host = Initiator::new([9; 32], TRANSACTION, &terms(theirs));
    let (mut transcript, mut controller, mut owed) = (Vec::new(), None, None);
    loop {
        if saving {
            *responder = reborn(responder);
            host = reborn_host(&host);
        }
        match host.step() {
            Step::Send(message) => {
                match responder.take(&terms(ours), &message) {
                    Taken::Go | Taken::OutOfSequence => {}
                    Taken::Compute(work) => owed = Some(work),
                    Taken::Authenticated(proof) => controller = Some(Ok(proof)),
                    Taken::Failed(failure) => controller = Some(Err(failure)),
                }
                transcript.push(message);
                host.sent();
            }
            Step::Receive => match responder.give(MESSAGE_BYTES_MAX) {
                Given::Message(message, verdict) => {
                    match verdict {
                        Verdict::Open => {}
                        Verdict::Authenticated(proof) => controller = Some(Ok(proof)),
                        Verdict::Failed(failure) => controller = Some(Err(failure)),
                    }
                    host.received(&terms(theirs), &message);
                    transcript.push(message);
                }
                Given::Wait => {
                    let work = owed.take().expect("something to wait for");
                    assert_eq!(responder.work(), Some(work.clone()));
                    responder.computed(&terms(ours), &compute(&work));
                }
                other => panic!("{other:?}"),
            },
            Step::Compute(work) => host.computed(&terms(theirs), &compute(&work)),
            Step::Done(proof) => return Course { transcript, controller, host: Ok(proof) },
            Step::Failed(failure) => return Course { transcript, controller, host: Err(failure) },
        }
    }
}
