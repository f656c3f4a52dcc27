//! Bytes from elsewhere: transcripts computed by a Python program with hashlib, hmac and pow, which knows the standard's formulas and the
//! layouts of linux/nvme.h and nothing of this code; primes as OpenSSL prints them.

use super::*;
use sha2::{Digest, Sha256};

/// Hash, group, mutual; then the SHA-256 of all messages.
const TRANSCRIPTS: [(u8, u8, bool, &str); 36] = [
    (1, 0, false, "b6df9ab8367bb373508b218986306d59b09d3b3138c18502d33d4011e5c46ebf"),
    (1, 1, false, "63ea7e5e4ca40e6cb3affbc23bdca111f126b85fd50050ebf2dfd4508b02921d"),
    (1, 2, false, "65173a2ec8fc63896c87fae45a59964375ea25ff07188135ef0f3b44477e57aa"),
    (1, 3, false, "239593d36b58b57c55f0ab76a30321f9525a1526a1eded8943703a41e5a9550d"),
    (1, 4, false, "8eaf446a93994a68d2818db9706a7f85be6233adac6587aa90fcb856f1196891"),
    (1, 5, false, "33f230f83725e2d30eabebbf84e58a1bdee8c538bead9d7c6bc0b04a7f7b45e3"),
    (2, 0, false, "08a97a366eba601aa74d2e76ea678319a42b299f8a13fdf3e97612483f2b88a7"),
    (2, 1, false, "aaf53d7e5df23203d80498b4bc87103979558049cf1b37424634de7467b44fb1"),
    (2, 2, false, "1e1b1ff52126451406fb1d551138697a446772649d63e2b53aa653ba0bd59965"),
    (2, 3, false, "a372ba9ca04745197c1357534ceb907d341ea20f0e94036a6f6979e45213410b"),
    (2, 4, false, "39c55c1d482a4b39a01cf511453c1747396599360937fb580f84f54d45bf77b1"),
    (2, 5, false, "272cd8d587beca7c2d1b88d5879f318ac73e15f28e66933b44962f1b3583418d"),
    (3, 0, false, "8ea654b7577ce376ba7136993bc425a158b57622bd6c22a5c31ecc0e4c62c668"),
    (3, 1, false, "b83a00b718a69fc712d30f3b323d8ac0a19c3e199154c9a7dafa6d53aa54b330"),
    (3, 2, false, "448df42ae55854dd7aa424f934fe6013a33a6df9ace226a9510c9124701d4895"),
    (3, 3, false, "32bd52054a3d2bc1f9522269e22ab3ef1d6037905c7beec833c1a01a259ae8d8"),
    (3, 4, false, "16b280a1157120ee3b310aa4c550249d504f5f8b25f1a713f4026067fb3b0697"),
    (3, 5, false, "ea56d1a85238644beb2fe4a6f63c97403c9b17a5a732d0fe07f5a5ce773722ee"),
    (1, 0, true, "f1d9ff77dac302bd8d2b13b6ed9823ab4167ee1f9376d2e7a1e7d8eba9214efd"),
    (1, 1, true, "7cce58dec03d4625aa863ab0bf9e5ca468dad1d886502063825fecfe2ce50c8f"),
    (1, 2, true, "f97ecc5cf0d17373e1adff182bc4e01756fa66d2f3ecb19339ce5c591c866fdb"),
    (1, 3, true, "0cff4a379ddd460f25780d6846e9ec17a2108bcfc0b9043507f94eddcbf8a19c"),
    (1, 4, true, "bebf2d025bbc669e9513303f9755552f57151e964682f2bec7ce6f0bcabdd751"),
    (1, 5, true, "11677a1ea6620fe6598255180bd6484dd4cc53e0830f6bb1f922a339413a1a0a"),
    (2, 0, true, "ab63b9dbe2daaf65981689b5f1a72119a727f3168fdbc34aa199819e91c52dca"),
    (2, 1, true, "31ca40bd2fe0c296d87b5c39cff3998d31810daff30da40c4af02890d6ac47eb"),
    (2, 2, true, "29392946539dfbeeae9cca66e28428b36de01a24cabe062ff3cb470d59a45967"),
    (2, 3, true, "f04b56d512f69bf05a404f91bbbeded6324629e82ddf3460cc2b8da8b1dbd8a9"),
    (2, 4, true, "7917554c71c19f07be93a2eb539b7f904b94605846b14b022614c5ae136bce71"),
    (2, 5, true, "461d2de2bbd9595b924a53520c5c58d24e2e36da102b0a9f72c96be80d43e334"),
    (3, 0, true, "0cb818e0208be06623944da3f3e988196b54b8302e6292ed633ab738de96be96"),
    (3, 1, true, "87fc8fd20cf059d32a9383f4657239ceb3735cfbdf4d369646a8c9ded75ae99c"),
    (3, 2, true, "f7fc8eded505e32e6d5afd95f15121ab0cc3c576df732ef246c727ece0a3af51"),
    (3, 3, true, "fa5c0d100d1220391fb1efc49a41a17ba32088d014a94cf7a2a1bd475e8df922"),
    (3, 4, true, "efcc9d5055f2a9f258bd71b2ae02d013decd22b01edd9bb002a84439bf9ef620"),
    (3, 5, true, "f0a1ef1e6371c9cf779d2652bc5f9bc4a762ec0e0fe8fa10aaba3f968fa0b2f0"),
];

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_hash_and_group_one_and_two_way() {
    for (hash, group, mutual, wanted) in TRANSCRIPTS {
        let keys = keys(mutual, &[hash], &[group]);
        let course = run(&mut Responder::new([7; 32]), &keys, &keys, false);
        let proof = Proof { hash: Hash::from_id(hash).unwrap(), group: Group::from_id(group).unwrap(), mutual };
        assert_eq!((&course.host, &course.controller), (&Ok(proof), &Some(Ok(proof))));
        assert_eq!(digest(&course.transcript.concat()), wanted, "{proof}");
        assert_eq!(run(&mut Responder::new([7; 32]), &keys, &keys, true), course, "saved and restored at every step");
    }
}

/// The first of the two-way transcripts in full.
#[test]
fn messages() {
    let keys = keys(true, &[1], &[0]);
    let course = run(&mut Responder::new([7; 32]), &keys, &keys, false);
    let wanted = [
        "00 00 0000 3412 00 01  01 00 01 01
         01 00000000000000000000000000000000000000000000000000000000 00
         00 00000000000000000000000000000000000000000000000000000000 00",
        "01 01 0000 3412 20 00 01 00 0000 412215ce 6d0d02b9c56b7ee7c1301a2ace1e1a14bdfedcfacb2a6007a8d50569c0772d91",
        "01 02 0000 3412 20 00 01 00 0000 94a506af b2db478f02d12e6596e4556c576949f6d158a4048285be1b27aa19984f875048
         cb773896d41dc41b9438470ce59d90c7fd96d0fa0ce177fa1d89d85989bef504",
        "01 03 0000 3412 20 00 01 00000000000000 80d39579b986280c4e39a23c6f02cb4ab48e885db84d76ae71b75d61d0ac5e63",
        "01 04 0000 3412 00000000000000000000",
    ];
    assert_eq!(course.transcript, wanted.map(hex));
}

#[test]
fn failures() {
    assert_eq!(message::Message::Failure1(6).build(0x0102), hex("00 f1 0000 0201 01 06"));
    assert_eq!(message::Message::Failure2(1).build(0x0102), hex("00 f0 0000 0201 01 01"));
}

/// SHA-256 of the primes in `openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdheN`.
#[test]
fn primes() {
    let wanted = [
        "9cd3b7f336872f46c09428d1bbc19877a4d440512cda8d1c1cf0cd6e33698966",
        "0eaf67db3a839156d5013494a5318a772b5697d270d721f37f092efc69ea5a17",
        "4648414224ac881b3d0dc59b466f96d06a558278776807797ecf1f66ff397b3e",
        "227ac9066b3ddd9e193670cda2388fa884f65ba0cf98b742d1fe77a6687c79c7",
        "770b14efaf6f049929c523113b3fa99a8d11dab1b18af3609590122075d19833",
    ];
    for (group, wanted) in Group::ALL.into_iter().skip(1).zip(wanted) {
        let prime = group.prime();
        assert_eq!(prime.len(), group.bytes());
        assert_eq!(digest(&prime), wanted, "{}", group.name());
    }
    assert_eq!(Group::Null.prime(), []);
}

/// Byte 41 on of a command, as linux/nvme.h has them: spsp0, spsp1, secp, tl.
#[test]
fn fields_of_the_commands() {
    let mut entry = [0; 64];
    (entry[0], entry[4]) = (0x7f, AUTH_SEND);
    entry[41..48].copy_from_slice(&hex("01 01 e9 48000000"));
    assert_eq!(Transfer::parse(&entry), Ok(Transfer { bytes: 72 }));
    let mut written = [0; 64];
    (written[0], written[4]) = (0x7f, AUTH_SEND);
    Transfer::write(72, &mut written);
    assert_eq!(written, entry);
    for (at, value, name) in [(41, 0, "SPSP0"), (42, 2, "SPSP1"), (43, 0, "SECP"), (44, 0, "TL"), (46, 1, "TL")] {
        let mut other = entry;
        other[at] = value;
        let bad = Transfer::parse(&other).unwrap_err();
        assert_eq!((bad.name, usize::from(bad.offset)), (name, at.min(44)));
    }
    // A host may make as much room as it likes.
    entry[4] = AUTH_RECEIVE;
    entry[44..48].fill(0xff);
    assert_eq!(Transfer::parse(&entry), Ok(Transfer { bytes: u32::MAX }));
    entry[44..48].fill(0);
    assert_eq!(Transfer::parse(&entry).unwrap_err().name, "AL");
}
