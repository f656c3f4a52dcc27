//! The scripted initiator against a target that is not ours, and against examples of the standards.

use mainstay_testkit::initiator::{Chap, Command, Error, Login, Pdu, cdb, chap, opcode, task::function};
use mainstay_testkit::tgt::{self, Tgt};

const INITIATOR: &str = "iqn.2026-11.internal.mainstay.test:script";

/// RFC 7143 appendix A.4 gives CRC32C of 32 zero bytes as AA 36 91 8A on the wire.
#[test]
fn digests_are_those_of_the_standard() {
    let mut pdu = Pdu::new(opcode::NOP_OUT);
    pdu.data = vec![0; 32];
    let bytes = pdu.encode(false, true);
    assert_eq!(bytes[80..], [0xaa, 0x36, 0x91, 0x8a]);
    pdu.data = (0..32).collect();
    let bytes = pdu.encode(true, true);
    assert_eq!(bytes[84..], [0x4e, 0x79, 0xdd, 0x46]);
    assert_eq!(Pdu::decode(&bytes, true, true).unwrap().unwrap().0.data, pdu.data);
    for at in [0, 20, 48, 60, 87] {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert!(Pdu::decode(&bad, true, true).is_err(), "byte {at}");
    }
}

/// Binary values in both forms are the same bytes.
#[test]
fn binary_values() {
    let bytes = [0, 1, 0x7f, 0xff, 0x10];
    for base64 in [false, true] {
        assert_eq!(chap::unbinary(&chap::binary(&bytes, base64)).unwrap(), bytes);
    }
    assert_eq!(chap::unbinary("0x123").unwrap(), [0x01, 0x23]);
}

fn blocks(count: usize, seed: u8) -> Vec<u8> {
    (0..count * 512).map(|n| (n as u8).wrapping_mul(31) ^ (n >> 9) as u8 ^ seed).collect()
}

#[test]
fn a_disk_of_tgt() {
    if !tgt::is_installed() {
        eprintln!("skipped: tgt is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk");
    std::fs::File::create(&file).unwrap().set_len(8 << 20).unwrap();
    let mut tgt = Tgt::start().unwrap();
    let target = tgt.serve(&file).unwrap();
    tgt.digests().unwrap();

    let mut discovery = Login::discovery(INITIATOR).connect(tgt.portal).unwrap();
    let found = discovery.send_targets("All").unwrap();
    assert_eq!(found[0].0, target);

    for (r2t, immediate) in [("Yes", "Yes"), ("Yes", "No"), ("No", "Yes"), ("No", "No")] {
        for digest in ["None", "CRC32C"] {
            let login = Login::new(INITIATOR, &target)
                .key("InitialR2T", r2t)
                .key("ImmediateData", immediate)
                .key("HeaderDigest", digest)
                .key("DataDigest", digest);
            let mut session = login.connect(tgt.portal).unwrap();
            assert_eq!(session.header_digest, digest == "CRC32C");
            session.clear_attentions(1).unwrap();
            let capacity = session.capacity(1).unwrap();
            assert_eq!((capacity.blocks, capacity.block_bytes), (16384, 512));
            for count in [1, 17, 200, 1000] {
                let data = blocks(count, count as u8);
                session.write10(1, 3, &data, 512).unwrap().good().unwrap();
                assert_eq!(session.read10(1, 3, count as u16, 512).unwrap().good().unwrap(), data);
            }
            // Several at once, ended in any order.
            let reads = (0..8).map(|n| Command::new(1, &cdb::read10(3 + n * 8, 8)).reads(4096));
            let tags: Vec<u32> = { reads }.map(|read| session.start(&read).unwrap()).collect();
            for (n, tag) in tags.into_iter().enumerate() {
                let data = session.wait(tag).unwrap().good().unwrap();
                assert_eq!(data, blocks(1000, 1000u32 as u8)[n * 4096..][..4096]);
            }
            assert_eq!(session.ping(b"are you there").unwrap(), b"are you there");
            assert_eq!(session.tmf(function::LOGICAL_UNIT_RESET, 1, u32::MAX, 0).unwrap(), 0);
            assert_eq!(session.logout().unwrap(), 0);
        }
    }
    let mut session = Login::new(INITIATOR, &target).connect(tgt.portal).unwrap();
    session.clear_attentions(1).unwrap();
    assert_eq!(session.read16(1, 16384, 1, 512).unwrap().sense(), Some((5, 0x21, 0)));

    tgt.chap("someone", "a secret of size").unwrap();
    let md5 = |secret| Chap::new("someone", secret).algorithms(&[chap::algorithm::MD5]);
    let login = Login::new(INITIATOR, &target);
    login.clone().chap(md5("a secret of size")).connect(tgt.portal).unwrap();
    let refused = login.clone().chap(md5("another secret")).connect(tgt.portal).unwrap_err();
    assert!(matches!(refused, Error::Login { class: 2, detail: 1 }), "{refused}");
    let refused = login.connect(tgt.portal).unwrap_err();
    assert!(matches!(refused, Error::Login { class: 2, .. } | Error::Odd(_)), "{refused}");
}
