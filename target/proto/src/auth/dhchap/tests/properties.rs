//! Any bytes at any time.

use super::message::{Message, Offer};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    /// What is built is read, also with something behind it, and no part of it is.
    #[test]
    fn messages_survive(
        (hash, group) in (any::<u8>(), any::<u8>()), (secure, length) in (any::<u8>(), 1usize..64),
        (sequence, transaction) in any::<(u32, u16)>(), (a, b) in (vec(any::<u8>(), 64), vec(any::<u8>(), 64)),
        public in vec(any::<u8>(), 0..1025), (hashes, groups) in (vec(any::<u8>(), 1..31), vec(any::<u8>(), 1..31)),
        valid in any::<bool>(), cut in any::<prop::sample::Index>(),
    ) {
        let (a, b) = (&a[..length], &b[..length]);
        for message in [
            Message::Negotiate { secure, offer: Some(Offer { hashes: &hashes, groups: &groups }) },
            Message::Challenge { hash, group, sequence, challenge: a, public: &public },
            Message::Reply { sequence, response: a, challenge: valid.then_some(b), public: &public },
            Message::Success1 { length: length as u8, response: valid.then_some(a) },
            Message::Success2,
            Message::Failure1(hash),
            Message::Failure2(group),
        ] {
            let mut bytes = message.build(transaction);
            prop_assert!(bytes.len() <= MESSAGE_BYTES_MAX as usize);
            prop_assert_eq!(message::transaction(&bytes), transaction);
            prop_assert_eq!(Message::parse(&bytes), Ok(message.clone()));
            // An answer that is not valid may be left out.
            if !matches!(message, Message::Success1 { response: None, .. }) {
                prop_assert!(Message::parse(&bytes[..cut.index(bytes.len())]).is_err());
            }
            bytes.extend(&public);
            prop_assert_eq!(Message::parse(&bytes), Ok(message));
        }
    }

    /// Neither machine comes to anything by bytes made up, and both live through a save at any time.
    #[test]
    fn made_up_bytes_prove_nothing(
        script in vec((vec(any::<u8>(), 0..160), 0u8..2, 0u8..6, any::<bool>()), 1..12), group in 0u8..2,
    ) {
        let keys = keys(true, &[1], &[group]);
        let (mut plain, mut host) = (Responder::new([7; 32]), Initiator::new([9; 32], TRANSACTION, &terms(&keys)));
        let mut saving = plain.clone();
        for (mut bytes, kind, id, fetch) in script {
            // Make most of them look like something.
            for (byte, value) in bytes.iter_mut().zip([kind, id, 0, 0, 0x34, 0x12, 32]) {
                *byte = value;
            }
            let taken = plain.take(&terms(&keys), &bytes);
            prop_assert_eq!(saving.take(&terms(&keys), &bytes), taken.clone());
            prop_assert!(!matches!(taken, Taken::Authenticated(_)));
            saving = reborn(&saving);
            if fetch {
                let given = plain.give(MESSAGE_BYTES_MAX);
                prop_assert_eq!(saving.give(MESSAGE_BYTES_MAX), given.clone());
                prop_assert!(!matches!(given, Given::Message(_, Verdict::Authenticated(_))));
                saving = reborn(&saving);
            }
            host.sent();
            host.received(&terms(&keys), &bytes);
            host = reborn_host(&host);
            prop_assert!(!matches!(host.step(), Step::Done(_)));
        }
        prop_assert_eq!(plain.proof(), None);
    }

    #[test]
    fn keys_survive(secret in vec(any::<u8>(), 64), hash in proptest::option::of(1u8..4), size in 0usize..3, at in any::<prop::sample::Index>()) {
        let hash = hash.and_then(Hash::from_id);
        let key = Key::generate(&secret[..hash.unwrap_or(Hash::ALL[size]).bytes()], hash).unwrap();
        let text = key.text();
        prop_assert_eq!(Key::parse(&text), Ok(key));
        // No single character can be another.
        let mut other = text.as_bytes().to_vec();
        let at = at.index(other.len());
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        prop_assert!(Key::parse(&String::from_utf8(other).unwrap()).is_err());
    }

    #[test]
    fn any_text_as_a_key(text in any::<String>(), number in "0[0-4]") {
        let _ = Key::parse(&text);
        let _ = Key::parse(&format!("DHHC-1:{number}:{text}:"));
    }

    #[test]
    fn any_saved_form(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(saved) = saved::ResponderV1::decode(bytes.as_slice()) {
            let _ = Responder::restore(&saved);
        }
        if let Ok(saved) = saved::InitiatorV1::decode(bytes.as_slice()) {
            let _ = Initiator::restore(&saved);
        }
    }
}
