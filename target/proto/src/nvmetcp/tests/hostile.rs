//! Hosts that break the rules: each is told which rule it was, with the header that broke it, and nothing else happens.

use super::rig::*;
use crate::nvme::Sgl;
use crate::nvmetcp::pdu::*;
use crate::nvmetcp::{Given, Limits, Tag};
use proptest::prelude::*;

fn h2c(tag: Tag, cid: u16, offset: u32, len: u32, last: bool) -> H2cData {
    H2cData { last, cid, ttag: tag.0, offset, len }
}

/// A write of 20000 bytes with CID 7 whose R2T is out, then `pdu` made from it: refused so.
fn refused(change: impl Fn(&mut H2cData), fes: Fes, fei: u32) {
    both(|rig| {
        let tag = rig.transport(WRITE, 7, 40_000);
        rig.collect(tag, 10_000, 20_000);
        rig.expect_r2t(7, tag, 10_000, 20_000);
        let mut pdu = h2c(tag, 7, 10_000, 4096, false);
        change(&mut pdu);
        let header = pdu.emit(&rig.to);
        rig.h2c(pdu, &pattern(pdu.len as usize));
        rig.expect_terminated(fes, fei, &header);
        assert!(rig.events.is_empty(), "{:?}", rig.events);
    });
}

#[test]
fn cve_2026_22998_data_for_a_tag_that_is_nobodys() {
    refused(|pdu| pdu.ttag = 1, Fes::INVALID_FIELD, field::TTAG);
    refused(|pdu| pdu.ttag = u16::MAX, Fes::INVALID_FIELD, field::TTAG);
    both(|rig| {
        let pdu = h2c(Tag(0), 1, 0, 512, true);
        rig.h2c(pdu, &pattern(512));
        rig.expect_terminated(Fes::INVALID_FIELD, field::TTAG, &pdu.emit(&rig.to));
    });
}

#[test]
fn cve_2026_22998_data_before_anything_was_asked_for() {
    for opcode in [READ, WRITE] {
        both(|rig| {
            let tag = rig.transport(opcode, 1, 512);
            let pdu = h2c(tag, 1, 0, 512, true);
            rig.h2c(pdu, &pattern(512));
            rig.expect_terminated(Fes::INVALID_FIELD, field::TTAG, &pdu.emit(&rig.to));
        });
    }
    // Asked for, but the R2T still waits for memory.
    both_with(
        || Options { budget: 1 << 16, ..Options::default() },
        |rig| {
            let hog = rig.arena.alloc(1 << 16).unwrap();
            rig.held.push(hog);
            let tag = rig.transport(WRITE, 1, 512);
            rig.collect(tag, 0, 512);
            let pdu = h2c(tag, 1, 0, 512, true);
            rig.h2c(pdu, &pattern(512));
            rig.expect_terminated(Fes::INVALID_FIELD, field::TTAG, &pdu.emit(&rig.to));
        },
    );
}

#[test]
fn cve_2026_22998_data_at_a_wrong_offset() {
    refused(|pdu| pdu.offset = 0, Fes::OUT_OF_RANGE, 0);
    refused(|pdu| pdu.offset = 10_004, Fes::OUT_OF_RANGE, 0);
    refused(|pdu| pdu.offset = 30_000, Fes::OUT_OF_RANGE, 0);
    refused(|pdu| pdu.offset = u32::MAX, Fes::OUT_OF_RANGE, 0);
}

#[test]
fn cve_2026_22998_data_beyond_what_was_asked_for() {
    refused(|pdu| pdu.len = 20_001, Fes::OUT_OF_RANGE, 0);
    both(|rig| {
        let tag = rig.transport(WRITE, 7, 40_000);
        rig.collect(tag, 0, 20_000);
        rig.expect_r2t(7, tag, 0, 20_000);
        rig.h2c(h2c(tag, 7, 0, 19_999, false), &pattern(19_999));
        let pdu = h2c(tag, 7, 19_999, 2, true);
        rig.h2c(pdu, &pattern(2));
        rig.expect_terminated(Fes::OUT_OF_RANGE, 0, &pdu.emit(&rig.to));
    });
}

#[test]
fn cve_2026_22998_data_twice() {
    both(|rig| {
        let tag = rig.transport(WRITE, 7, 40_000);
        rig.collect(tag, 0, 20_000);
        rig.expect_r2t(7, tag, 0, 20_000);
        let pdu = h2c(tag, 7, 0, 1000, false);
        rig.h2c(pdu, &pattern(1000));
        rig.h2c(pdu, &pattern(1000));
        rig.expect_terminated(Fes::OUT_OF_RANGE, 0, &pdu.emit(&rig.to));
    });
    // All of an R2T, and once more while the command lives on.
    both(|rig| {
        let tag = rig.transport(WRITE, 7, 512);
        rig.collect(tag, 0, 512);
        rig.expect_r2t(7, tag, 0, 512);
        let pdu = h2c(tag, 7, 0, 512, true);
        rig.h2c(pdu, &pattern(512));
        rig.expect_data(tag, 0, &pattern(512));
        rig.h2c(pdu, &pattern(512));
        rig.expect_terminated(Fes::INVALID_FIELD, field::TTAG, &pdu.emit(&rig.to));
    });
}

#[test]
fn cve_2026_22998_data_after_completion() {
    both(|rig| {
        let tag = rig.transport(WRITE, 7, 512);
        rig.collect(tag, 0, 512);
        rig.expect_r2t(7, tag, 0, 512);
        let pdu = h2c(tag, 7, 0, 512, true);
        rig.h2c(pdu, &pattern(512));
        rig.expect_data(tag, 0, &pattern(512));
        rig.finish(tag, good(7));
        rig.expect_response(good(7));
        rig.h2c(pdu, &pattern(512));
        rig.expect_terminated(Fes::INVALID_FIELD, field::TTAG, &pdu.emit(&rig.to));
    });
    // Its tag is another's by now.
    both(|rig| {
        let tag = rig.transport(WRITE, 7, 512);
        rig.finish(tag, good(7));
        rig.expect_response(good(7));
        assert_eq!(rig.transport(WRITE, 8, 512), tag);
        rig.collect(tag, 0, 512);
        rig.expect_r2t(8, tag, 0, 512);
        let pdu = h2c(tag, 7, 0, 512, true);
        rig.h2c(pdu, &pattern(512));
        rig.expect_terminated(Fes::INVALID_FIELD, field::CCCID, &pdu.emit(&rig.to));
    });
}

#[test]
fn data_of_another_command() {
    refused(|pdu| pdu.cid = 8, Fes::INVALID_FIELD, field::CCCID);
}

#[test]
fn data_of_no_bytes_or_of_others_than_it_says() {
    both(|rig| {
        let tag = rig.transport(WRITE, 7, 512);
        rig.collect(tag, 0, 512);
        rig.expect_r2t(7, tag, 0, 512);
        // A header alone, whose lengths are those of no data.
        let header = h2c(tag, 7, 0, 0, true).emit(&rig.to);
        rig.bytes(&header);
        rig.expect_terminated(Fes::INVALID_FIELD, field::PDO, &header);
    });
    for len in [0u32, 511, 513, u32::MAX] {
        both(|rig| {
            let tag = rig.transport(WRITE, 7, 512);
            rig.collect(tag, 0, 512);
            rig.expect_r2t(7, tag, 0, 512);
            let mut header = h2c(tag, 7, 0, 512, true).emit(&rig.to);
            header[16..20].copy_from_slice(&len.to_le_bytes());
            rig.pdu(&header, &pattern(512));
            rig.expect_terminated(Fes::INVALID_FIELD, field::DATAL, &header);
        });
    }
}

#[test]
fn the_last_data_that_is_not_all_of_it() {
    refused(|pdu| pdu.last = true, Fes::INVALID_FIELD, field::FLAGS);
}

#[test]
fn more_data_in_a_pdu_than_maxh2cdata() {
    both_with(
        || Options { limits: Limits { h2c_data_max: 4096, ..Limits::default() }, ..Options::default() },
        |rig| {
            let tag = rig.transport(WRITE, 7, 40_000);
            rig.collect(tag, 0, 40_000);
            rig.expect_r2t(7, tag, 0, 40_000);
            rig.h2c(h2c(tag, 7, 0, 4096, false), &pattern(4096));
            let pdu = h2c(tag, 7, 4096, 4100, false);
            rig.h2c(pdu, &pattern(4100));
            rig.expect_terminated(Fes::LIMIT_EXCEEDED, 0, &pdu.emit(&rig.to));
        },
    );
}

#[test]
fn cve_2023_6536_pdus_in_any_order() {
    // Before ICReq.
    let framing = Framing::default();
    let command = CapsuleCmd { entry: entry(READ, 1, Sgl::Transport { len: 512 }) }.emit(&framing, 0);
    let data = h2c(Tag(0), 1, 0, 512, true).emit(&framing);
    for header in [&command[..], &data] {
        raw_with(Options::default, |rig| {
            rig.bytes(header);
            let got = rig.next();
            assert_eq!(got.ch.kind, kind::C2H_TERM_REQ);
            let request = TermReq::parse(got.header.first_chunk().unwrap());
            assert_eq!((request.fes, &got.data[..]), (Fes::PDU_SEQUENCE, header));
            assert!(rig.connection().is_closed() && rig.events.is_empty());
        });
    }
    // What only controllers send, and what nobody does.
    for kind in [kind::IC_RESP, kind::C2H_TERM_REQ, kind::CAPSULE_RESP, kind::C2H_DATA, kind::R2T, 8, 10, 255] {
        both(|rig| {
            let bytes = Ch { kind, flags: 0, hlen: 24, pdo: 0, plen: 24 }.emit();
            rig.bytes(&bytes);
            rig.expect_terminated(Fes::INVALID_FIELD, field::KIND, &bytes);
        });
    }
}

#[test]
fn cve_2023_5178_initialising_that_fails() {
    let good = IcReq { pfv: 0, hpda: 0, digests: NONE, maxr2t: 0 };
    let refused = |request: [u8; 128], fes, fei, copied: usize| {
        raw_with(Options::default, |rig| {
            rig.bytes(&request);
            let got = rig.next();
            let term = TermReq::parse(got.header.first_chunk().unwrap());
            assert_eq!((got.ch.kind, term.fes, term.fei), (kind::C2H_TERM_REQ, fes, fei));
            assert_eq!(got.data, request[..copied]);
            assert!(rig.connection().is_closed() && rig.events.is_empty());
            // And again, to nobody.
            rig.bytes(&request);
            rig.quiet();
        });
    };
    refused(IcReq { pfv: 1, ..good }.emit(), Fes::UNSUPPORTED_PARAMETER, field::PFV, 128);
    refused(IcReq { hpda: 32, ..good }.emit(), Fes::UNSUPPORTED_PARAMETER, field::PDA, 128);
    let with = |at: usize, value: u8| {
        let mut bytes = good.emit();
        bytes[at] = value;
        bytes
    };
    refused(with(1, flag::HEADER_DIGEST), Fes::INVALID_FIELD, field::FLAGS, 128);
    refused(with(2, 127), Fes::INVALID_FIELD, field::HLEN, 128);
    refused(with(4, 129), Fes::INVALID_FIELD, field::PLEN, 128);
    refused(with(4, 127), Fes::INVALID_FIELD, field::PLEN, 128);
    both(|rig| {
        let again = good.emit();
        rig.bytes(&again);
        rig.expect_terminated(Fes::PDU_SEQUENCE, 0, &again);
    });
}

#[test]
fn cve_2022_48686_and_48789_header_digests_and_lengths() {
    let digests = || Options { digests: BOTH, ..Options::default() };
    both_with(digests, |rig| {
        let command = CapsuleCmd { entry: entry(READ, 1, Sgl::Transport { len: 512 }) }.emit(&rig.to, 0);
        let mut wire = rig.wire(&command, &[]);
        wire[75] ^= 0x80;
        let sent = u32::from_le_bytes(*wire.last_chunk().unwrap());
        rig.bytes(&wire);
        rig.expect_terminated(Fes::HEADER_DIGEST, sent, &command);
        assert_eq!(rig.connection().info().traffic.digest_errors, 1);
    });
    for (at, value, fei) in
        [(1, 0, field::FLAGS), (2, 76, field::HLEN), (2, 0, field::HLEN), (4, 75, field::PLEN), (4, 0, field::PLEN)]
    {
        both_with(digests, |rig| {
            let mut command = CapsuleCmd { entry: entry(READ, 1, Sgl::Transport { len: 512 }) }.emit(&rig.to, 0);
            command[at] = value;
            rig.bytes(&command);
            rig.expect_terminated(Fes::INVALID_FIELD, fei, &command);
        });
    }
    // With a digest over it all the same.
    let sgl = Sgl::InCapsule { offset: 0, len: 512 };
    for (at, value, fei) in [
        (3, 72, field::PDO),
        (3, 0, field::PDO),
        (3, 78, field::PDO),
        (3, 255, field::PDO),
        (1, flag::HEADER_DIGEST, field::FLAGS),
        (5, 0, field::PLEN),
        (7, 255, field::PLEN),
    ] {
        both_with(digests, |rig| {
            let mut command = CapsuleCmd { entry: entry(WRITE, 1, sgl) }.emit(&rig.to, 512);
            command[at] = value;
            let sum = digest(&command);
            rig.bytes(&command);
            rig.bytes(&sum);
            rig.expect_terminated(Fes::INVALID_FIELD, fei, &command);
        });
    }
}

#[test]
fn more_commands_than_the_queue_holds() {
    both(|rig| {
        rig.call(|connection, _| connection.set_commands_max(2));
        rig.transport(READ, 1, 512);
        rig.transport(READ, 2, 512);
        rig.finish(Tag(0), good(1));
        rig.expect_response(good(1));
        rig.transport(READ, 3, 512);
        let command = CapsuleCmd { entry: entry(READ, 4, Sgl::Transport { len: 512 }) };
        rig.command(command.entry, &[]);
        rig.expect_terminated(Fes::PDU_SEQUENCE, 0, &command.emit(&rig.to, 0));
    });
}

#[test]
fn a_host_that_sends_on_unheard_is_cut_off() {
    both_with(
        || Options {
            budget: 1 << 16,
            limits: Limits { output_high: 10_000, ..Limits::default() },
            ..Options::default()
        },
        |rig| {
            let hog = rig.arena.alloc(1 << 16).unwrap();
            rig.held.push(hog);
            rig.command(entry(WRITE, 1, Sgl::InCapsule { offset: 0, len: 512 }), &pattern(512));
            rig.bytes(&[0; 9_000]);
            assert!(!rig.connection().is_ended());
            rig.bytes(&[0; 9_000]);
            assert!(rig.connection().is_closed());
        },
    );
}

#[test]
fn the_log_does_not_fill() {
    both_with(
        || Options { digests: BOTH, ..Options::default() },
        |rig| {
            let write = entry(WRITE, 1, Sgl::InCapsule { offset: 0, len: 512 });
            let mut wire = rig.wire(&CapsuleCmd { entry: write }.emit(&rig.to, 512), &pattern(512));
            wire[100] ^= 1;
            for _ in 0..100 {
                rig.bytes(&wire);
                let (tag, Given::Refused(_)) = rig.expect_command(write) else { panic!("not refused") };
                rig.finish(tag, good(1));
            }
            assert_eq!(rig.notices.len(), 32);
            rig.noticed("no more is said");
        },
    );
}

/// PDUs of a host that is out of its mind, more or less.
fn nonsense() -> impl Strategy<Value = Vec<u8>> {
    let command = (any::<[u8; 64]>(), 0u32..600, 0u8..3).prop_map(|(bytes, len, sgl)| {
        let mut entry = crate::nvme::Entry(bytes);
        match sgl {
            0 => entry.set_sgl(Sgl::Transport { len: len * 10 }),
            1 => entry.set_sgl(Sgl::InCapsule { offset: u64::from(bytes[9]), len: u32::from(bytes[10]) * 4 }),
            _ => {}
        }
        let mut wire = CapsuleCmd { entry }.emit(&Framing::default(), len).to_vec();
        wire.resize(72 + len as usize, 7);
        wire
    });
    let data = (any::<bool>(), 0u16..4, 0u16..4, 0u32..8, 1u32..9).prop_map(|(last, cid, ttag, offset, len)| {
        let pdu = H2cData { last, cid, ttag, offset: offset * 512, len: len * 512 };
        let mut wire = pdu.emit(&Framing::default()).to_vec();
        wire.resize(24 + pdu.len as usize, 7);
        wire
    });
    prop_oneof![5 => command, 5 => data, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn whatever_a_host_sends_nothing_breaks(
        pdus in prop::collection::vec(nonsense(), 1..30), answers in prop::collection::vec(0u8..6, 1..60), swap: bool
    ) {
        let mut rig = Rig::new(swap, Options { budget: 1 << 16, maxr2t: 1, ..Options::default() });
        rig.open();
        let mut answers = answers.into_iter().cycle();
        for pdu in pdus {
            rig.bytes(&pdu);
            while let Some(event) = rig.events.pop_front() {
                let crate::nvmetcp::Event::Command { tag, data, .. } = event else { continue };
                let len = if let Given::Transport { len } = &data { *len } else { 0 };
                drop(data);
                match answers.next() {
                    Some(0 | 1) if len > 0 => rig.collect(tag, 0, len),
                    Some(2) if len > 0 => rig.collect(tag, len / 2, len - len / 2),
                    Some(3) => {}
                    _ => rig.finish(tag, good(1)),
                }
            }
            if answers.next() == Some(0) {
                let tag = Tag(u16::from(answers.next().unwrap_or(0)));
                rig.finish(tag, good(1));
            }
            rig.call(|connection, cx| connection.feed(cx));
            rig.poll();
            rig.drain();
        }
        rig.end();
    }
}
