//! Keys as people exchange them.

use super::*;

/// `nvme gen-dhchap-key -s <bytes 0 to n-1> -l n -m 0` of nvme-cli 2.3; its `check-dhchap-key` finds them valid.
const PLAIN: [&str; 3] = [
    "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
    "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:",
    "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:",
];

/// The same with `-m 1`, `2`, `3` and `-n HOST`: it ties the secret to the name before it writes it.
const TIED: [&str; 3] = [
    "DHHC-1:01:U6tXQsnoRSTw68Cg2C4m+cvA2cXVcKPosr0QLWvoX+LlMFFW:",
    "DHHC-1:02:8O/KdASBHxGriXTLHqG/xjdTSKPEHycdVTs/LEQh55Nj3Tkf76nhctjnMh8eeWw/MI9GHA==:",
    "DHHC-1:03:iO7CLE2UwN0qGu+IXcbpSerouITCg+Qhr+IybvBL+uETPLRxfs2aoCIVijGj1IKYBYjfijH4CLRijIUwVOQUMkFG80A=:",
];

#[test]
fn keys_of_nvme_cli() {
    for (hash, (plain, tied)) in Hash::ALL.into_iter().zip(PLAIN.into_iter().zip(TIED)) {
        let secret: Vec<u8> = (0..hash.bytes() as u8).collect();
        let key = Key::generate(&secret, None).unwrap();
        assert_eq!(*key.text(), plain);
        assert_eq!(Key::parse(plain), Ok(key.clone()));
        assert_eq!(*key.of(HOST), secret, "used as it is");
        let tying = Key::generate(&secret, Some(hash)).unwrap();
        assert_ne!(tying, key);
        let written = Key::generate(&tying.of(HOST), Some(hash)).unwrap();
        assert_eq!(*written.text(), tied);
        assert_eq!(Key::parse(tied), Ok(written));
    }
}

#[test]
fn what_is_no_key() {
    let cases = [
        ("", BadKey::Form),
        ("secret", BadKey::Form),
        ("DHHC-1:", BadKey::Form),
        ("DHHC-2:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", BadKey::Form),
        ("DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR", BadKey::Form),
        ("DHHC-1:04:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", BadKey::Hash),
        ("DHHC-1:1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", BadKey::Hash),
        ("DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR::", BadKey::Base64),
        ("DHHC-1:00:AAEC*wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", BadKey::Base64),
        ("DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaRé:", BadKey::Base64),
        ("DHHC-1:00::", BadKey::Length { bytes: 0 }),
        ("DHHC-1:00:AAEC:", BadKey::Length { bytes: 0 }),
        ("DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+K:", BadKey::Length { bytes: 29 }),
        (
            "DHHC-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
            BadKey::Mismatch { hash: Hash::Sha384, bytes: 32 },
        ),
        ("DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaS:", BadKey::CheckSum),
        ("DHHC-1:00:ABECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:", BadKey::CheckSum),
    ];
    for (text, bad) in cases {
        assert_eq!(Key::parse(text), Err(bad), "{text}");
    }
    let bad = BadKey::Mismatch { hash: Hash::Sha384, bytes: 32 };
    assert_eq!(
        BadKeys::Controller(bad).to_string(),
        "the key of the controller holds 32 bytes of secret, but one for SHA-384 has 48"
    );
    assert_eq!(Keys::parse(HOST_KEY, Some("x"), &[], &[]), Err(BadKeys::Controller(BadKey::Form)));
    assert_eq!(Keys::parse("x", None, &[], &[]), Err(BadKeys::Host(BadKey::Form)));
    assert_eq!(Keys::parse(HOST_KEY, None, &[1, 4], &[]), Err(BadKeys::Hash(4)));
    assert_eq!(Keys::parse(HOST_KEY, None, &[], &[0, 6]), Err(BadKeys::Group(6)));
    assert_eq!(Key::generate(&[0; 33], None), Err(BadKey::Length { bytes: 33 }));
    assert_eq!(Keys::parse(HOST_KEY, None, &[2, 1, 2], &[3; 99]), Ok(keys(false, &[2, 1], &[3])));
}

#[test]
fn secrets_are_not_printed() {
    let keys = keys(true, &[1], &[1]);
    let mut responder = Responder::new([0x41; 32]);
    let host = Initiator::new([0x41; 32], 1, &terms(&keys));
    let Step::Send(message) = host.step() else { panic!() };
    let Taken::Compute(work) = responder.take(&terms(&keys), &message) else { panic!() };
    let power = compute(&work);
    let printed =
        format!("{keys:?} {responder:?} {host:?} {work:?} {power:?} {:?} {:?}", responder.save(), host.save());
    assert_eq!(printed.matches('[').count(), 2, "the lists of hashes and groups only: {printed}");
}

/// What is written down is wiped when asked for, and holds no key to begin with.
#[test]
fn saved_forms_hold_no_key() {
    let keys = keys(true, &[1], &[0]);
    let mut responder = Responder::new([0x41; 32]);
    run(&mut responder, &keys, &keys, true);
    let host = Initiator::new([0x41; 32], 1, &terms(&keys));
    for bytes in [responder.save().encode_to_vec(), host.save().encode_to_vec()] {
        for key in [keys.host.of(""), keys.controller.as_ref().unwrap().of(""), Key::parse(PLAIN[0]).unwrap().of("")] {
            assert!(!bytes.windows(8).any(|window| window == &key[..8]));
        }
    }
    let mut saved = responder.save();
    saved.wipe();
    assert!(!saved.encode_to_vec().windows(8).any(|window| window == [0x41; 8]));
    assert!(Responder::restore(&saved).is_err());
}
