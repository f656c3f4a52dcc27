//! Known answers (computed apart from this code), both text forms, and the properties a challenge must have.

use proptest::prelude::*;

use super::*;

/// Answers by Python's hashlib: identifier 7, secret "secretsecret1", challenge 00112233…ff.
#[test]
fn known_answers() {
    let challenge = decode("0x00112233445566778899aabbccddeeff", 1024).unwrap();
    let secret = Secret::new(*b"secretsecret1");
    let answers = [
        // Also what libiscsi 1.19 sends.
        (Hash::Md5, "0xb4f9a0ccb5a3b0f7c38714f1baa7542f"),
        (Hash::Sha1, "0x8d7ea38c0d5fc6dbf4f7d1e76fe119ad1a07c121"),
        (Hash::Sha256, "0xb8fc0729f29779d8d7654ed5618a7695ed8ba5fff5776769aacf3fd0fc28aed0"),
        (Hash::Sha3_256, "0x6703f729c7467c168dae58c3ad9c1c6c8c876b013b89e66e5f98260742152b57"),
    ];
    for (hash, answer) in answers {
        assert_eq!(encode(&response(hash, 7, &secret, &challenge)), answer, "{}", hash.name());
        let given = decode(answer, 1024).unwrap();
        assert_eq!(given.len(), hash.bytes());
        assert!(verify(hash, 7, &secret, &challenge, &given));
        assert!(!verify(hash, 8, &secret, &challenge, &given));
        assert!(!verify(hash, 7, &secret, &challenge, &given[1..]));
        assert!(!verify(hash, 7, &secret, &challenge, &[]));
        assert!(!verify(hash, 7, &Secret::new(*b"secretsecret2"), &challenge, &given));
    }
}

#[test]
fn numbers() {
    assert_eq!(Hash::ALL.map(Hash::number), [5, 6, 7, 8]);
    for hash in Hash::ALL {
        assert_eq!(Hash::from_number(u32::from(hash.number())), Some(hash));
    }
    assert_eq!([0, 4, 9, 261].map(Hash::from_number), [None; 4]);
}

#[test]
fn binary_forms() {
    assert_eq!(decode("0x0A0b", 2), Ok(vec![10, 11]));
    assert_eq!(decode("0Xabc", 2), Ok(vec![0xa, 0xbc]));
    assert_eq!(decode("0bAQID", 3), Ok(vec![1, 2, 3]));
    assert_eq!(decode("0BAQI=", 3), Ok(vec![1, 2]));
    assert_eq!(decode("0bAQI", 2), Ok(vec![1, 2]));
    for (text, error) in [
        ("", BadBinary::Prefix),
        ("0", BadBinary::Prefix),
        ("1234", BadBinary::Prefix),
        ("ä1", BadBinary::Prefix),
        ("0x", BadBinary::Empty),
        ("0b", BadBinary::Empty),
        ("0b====", BadBinary::Digits),
        ("0x1g", BadBinary::Digits),
        ("0x+1", BadBinary::Digits),
        ("0xä", BadBinary::Digits),
        ("0bA", BadBinary::Digits),
        ("0bA*==", BadBinary::Digits),
        ("0x010203", BadBinary::Long { max: 2 }),
        ("0bAQID", BadBinary::Long { max: 2 }),
    ] {
        assert_eq!(decode(text, 2), Err(error), "{text}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let credential = Credential { name: "user".into(), secret: Secret::new(*b"hush") };
    let printed = format!("{credential:?} {:?}", Seed::new([0x41; 32]));
    assert!(printed.contains("user") && !printed.contains("hush") && !printed.contains("65"), "{printed}");
}

#[test]
fn challenges_never_repeat() {
    let mut seen = std::collections::BTreeSet::new();
    for entropy in 0..20 {
        let mut seed = Seed::new([entropy; 32]);
        for hash in Hash::ALL.into_iter().cycle().take(40) {
            let (entropy, used) = seed.parts();
            let mut restored = Seed::resume(*entropy, used);
            let challenge = seed.next(hash);
            assert_eq!(restored.next(hash), challenge);
            assert_eq!(challenge.bytes.len(), hash.bytes());
            assert!(seen.insert(challenge.bytes));
        }
    }
}

proptest! {
    #[test]
    fn binary_survives(bytes in proptest::collection::vec(any::<u8>(), 1..1025)) {
        prop_assert_eq!(decode(&encode(&bytes), 1024), Ok(bytes.clone()));
        prop_assert_eq!(decode(&encode(&bytes).to_uppercase(), 1024), Ok(bytes.clone()));
        let text = format!("0b{}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &bytes));
        prop_assert_eq!(decode(&text, 1024), Ok(bytes.clone()));
        prop_assert_eq!(decode(&text, bytes.len() - 1).is_ok(), false);
    }

    #[test]
    fn decode_takes_anything(text in any::<String>(), prefix in "(0x|0b|0X|0B)?", max in 0usize..70) {
        if let Ok(bytes) = decode(&format!("{prefix}{text}"), max) {
            prop_assert!((1..=max).contains(&bytes.len()));
        }
    }
}
