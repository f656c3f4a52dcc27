//! Initialising, commands with and without data in their capsules, reads, and how connections end.

use super::rig::*;
use crate::nvme::entry::FABRICS;
use crate::nvme::{Sgl, Status};
use crate::nvmetcp::pdu::*;
use crate::nvmetcp::{Event, Given, Limits, Phase, Tag};
use std::time::Duration;

fn in_capsule(len: usize) -> Sgl {
    Sgl::InCapsule { offset: 0, len: len as u32 }
}

#[test]
fn what_is_agreed_on_is_what_both_want() {
    let options = || Options {
        digests: BOTH,
        hpda: 7,
        maxr2t: 3,
        limits: Limits { data_digest: false, cpda: 1, h2c_data_max: 8192, ..Limits::default() },
        ..Options::default()
    };
    raw_with(options, |rig| {
        let request = IcReq { pfv: 0, hpda: 7, digests: BOTH, maxr2t: 3 };
        let bytes = request.emit();
        rig.bytes(&bytes[..50]);
        rig.quiet();
        rig.bytes(&bytes[50..]);
        assert!(matches!(rig.event(), Event::Opened));
        let got = rig.next();
        let digests = Digests { header: true, data: false };
        let response = IcResp { pfv: 0, cpda: 1, digests, maxh2cdata: 8192 };
        assert_eq!(IcResp::parse(got.header.first_chunk().unwrap()), response);
        let info = rig.connection().info();
        assert_eq!((info.phase, info.digests, info.hpda, info.maxr2t), (Phase::Serving, digests, 7, 3));
        assert_eq!((info.traffic.received_bytes, info.traffic.sent_bytes), (128, 128));
    });
}

#[test]
fn a_command_without_data() {
    for digests in [NONE, BOTH] {
        let options = || Options { digests, ..Options::default() };
        both_with(options, |rig| {
            let flush = entry(FLUSH, 7, Sgl::Transport { len: 0 });
            let (tag, given) = rig.deliver(flush, &[]);
            assert!(matches!((tag, given), (Tag(0), Given::Nothing)));
            rig.finish(tag, good(7));
            rig.expect_response(good(7));
            rig.quiet();
        });
    }
}

#[test]
fn a_write_in_its_capsule() {
    for (digests, cpda) in [(NONE, 0), (BOTH, 0), (BOTH, 31), (NONE, 7)] {
        let options = || Options { digests, limits: Limits { cpda, ..Limits::default() }, ..Options::default() };
        both_with(options, |rig| {
            let data = pattern(4096);
            let (tag, given) = rig.deliver(entry(WRITE, 1, in_capsule(4096)), &data);
            let Given::InCapsule(buf) = given else { panic!("{given:?}") };
            assert!(buf[..] == data);
            rig.held.push(buf);
            rig.finish(tag, good(1));
            rig.expect_response(good(1));
        });
    }
}

#[test]
fn an_offset_into_the_capsule() {
    both(|rig| {
        let data = pattern(1000);
        let (_, given) = rig.deliver(entry(WRITE, 1, Sgl::InCapsule { offset: 100, len: 512 }), &data);
        let Given::InCapsule(buf) = given else { panic!("{given:?}") };
        assert!(buf[..] == data[100..612]);
    });
}

#[test]
fn long_data_in_a_capsule_is_read_into_place() {
    both_with(
        || Options { digests: BOTH, ..Options::default() },
        |rig| {
            rig.call(|connection, _| connection.set_in_capsule(1 << 16));
            let data = pattern(50_000);
            let write = entry(WRITE, 1, Sgl::InCapsule { offset: 0, len: 40_000 });
            let wire = rig.wire(&CapsuleCmd { entry: write }.emit(&rig.to, 50_000), &data);
            rig.bytes(&wire[..100]);
            assert_eq!(rig.connection().payload_space().map(|space| space.len()), Some(40_000 - 24));
            rig.bytes(&wire[100..]);
            let (_, Given::InCapsule(buf)) = rig.expect_command(write) else { panic!("not in the capsule") };
            assert!(buf[..] == data[..40_000], "what is behind the command's data is nobody's");
        },
    );
}

#[test]
fn descriptors_that_break_a_rule_are_refused() {
    both(|rig| {
        let cases = [
            (WRITE, Sgl::InCapsule { offset: 0, len: 513 }, Status::SGL_LENGTH_INVALID),
            (WRITE, Sgl::InCapsule { offset: 1, len: 512 }, Status::SGL_LENGTH_INVALID),
            (WRITE, Sgl::InCapsule { offset: 512, len: 1 }, Status::SGL_OFFSET_INVALID),
            (WRITE, Sgl::InCapsule { offset: u64::MAX, len: 1 }, Status::SGL_OFFSET_INVALID),
            (WRITE, Sgl::InCapsule { offset: 8, len: u32::MAX }, Status::SGL_LENGTH_INVALID),
            (READ, in_capsule(512), Status::INVALID_FIELD),
        ];
        for (cid, (opcode, sgl, status)) in (1..).zip(cases) {
            let (tag, given) = rig.deliver(entry(opcode, cid, sgl), &pattern(512));
            assert!(matches!(given, Given::Refused(refused) if refused == status), "{sgl:?} {given:?}");
            rig.finish(tag, cqe(cid, status, 0));
            rig.expect_response(cqe(cid, status, 0));
        }
        let mut keyed = entry(WRITE, 90, in_capsule(512));
        keyed.0[39] = 0x40;
        assert!(matches!(rig.deliver(keyed, &[]).1, Given::Refused(Status::SGL_TYPE_INVALID)));
        keyed.set_dword(8, 0);
        assert!(matches!(rig.deliver(keyed, &[]).1, Given::Nothing), "a descriptor of nothing");
        let mut prp = entry(FLUSH, 91, Sgl::Transport { len: 0 });
        prp.0[1] = 0;
        assert!(matches!(rig.deliver(prp, &[]).1, Given::Refused(Status::INVALID_FIELD)));
        rig.quiet();
    });
}

#[test]
fn a_damaged_capsule_fails_its_command_alone() {
    both_with(
        || Options { digests: BOTH, ..Options::default() },
        |rig| {
            for sgl in [in_capsule(512), Sgl::Transport { len: 512 }] {
                let write = entry(WRITE, 1, sgl);
                let mut wire = rig.wire(&CapsuleCmd { entry: write }.emit(&rig.to, 512), &pattern(512));
                wire[200] ^= 1;
                rig.bytes(&wire);
                let (tag, given) = rig.expect_command(write);
                assert!(matches!(given, Given::Refused(Status::TRANSIENT_TRANSPORT_ERROR)), "{given:?}");
                rig.finish(tag, cqe(1, Status::TRANSIENT_TRANSPORT_ERROR, 0));
                rig.expect_response(cqe(1, Status::TRANSIENT_TRANSPORT_ERROR, 0));
            }
            assert_eq!(rig.connection().info().traffic.digest_errors, 2);
            rig.transport(READ, 2, 512);
        },
    );
}

#[test]
fn how_much_a_capsule_may_carry() {
    both(|rig| {
        rig.call(|connection, _| connection.set_in_capsule(4096));
        let given = rig.deliver(entry(WRITE, 1, in_capsule(4096)), &pattern(4096)).1;
        assert!(matches!(&given, Given::InCapsule(_)));
        drop(given);
        let mut property_set = entry(FABRICS, 2, in_capsule(8192));
        property_set.0[4] = 0;
        let (_, given) = rig.deliver(property_set, &pattern(8192));
        assert!(matches!(given, Given::Refused(_)), "it has no data");
        let mut connect = entry(FABRICS, 3, in_capsule(8192));
        connect.0[4] = 1;
        let given = rig.deliver(connect, &pattern(8192)).1;
        assert!(matches!(&given, Given::InCapsule(_)));
        drop(given);
        let long = CapsuleCmd { entry: entry(WRITE, 4, in_capsule(4097)) }.emit(&rig.to, 4097);
        rig.bytes(&long);
        rig.expect_terminated(Fes::INVALID_FIELD, field::PLEN, &long);
    });
}

#[test]
fn a_read() {
    for (digests, hpda) in [(NONE, 0), (BOTH, 0), (BOTH, 31), (NONE, 7)] {
        both_with(
            || Options { digests, hpda, ..Options::default() },
            |rig| {
                let tag = rig.transport(READ, 5, 4096);
                rig.send(tag, 0, &pattern(1000));
                rig.send(tag, 1000, &pattern(3096));
                rig.finish(tag, good(5));
                rig.expect_c2h(5, 0, &pattern(1000), false, false);
                rig.expect_c2h(5, 1000, &pattern(3096), true, false);
                rig.expect_response(good(5));
            },
        );
    }
}

#[test]
fn success_rides_on_the_last_data_where_that_is_allowed() {
    for digests in [NONE, BOTH] {
        both_with(
            || Options { digests, ..Options::default() },
            |rig| {
                rig.call(|connection, _| connection.set_success_flag(true));
                // All of it; a shorter answer than there is room for; a result; a failure; nothing; after the data has gone.
                let tag = rig.transport(READ, 5, 512);
                rig.send(tag, 0, &pattern(512));
                rig.finish(tag, good(5));
                // The same tag again, and nothing to ride on.
                let (tag, _) = rig.deliver(entry(FLUSH, 6, Sgl::Transport { len: 0 }), &[]);
                rig.finish(tag, good(6));
                let tag = rig.transport(READ, 7, 512);
                rig.send(tag, 0, &pattern(100));
                rig.finish(tag, good(7));
                let tag = rig.transport(READ, 8, 512);
                rig.send(tag, 0, &pattern(512));
                rig.finish(tag, cqe(8, Status::SUCCESS, 3));
                let tag = rig.transport(READ, 9, 512);
                rig.send(tag, 0, &pattern(512));
                rig.finish(tag, cqe(9, Status::UNRECOVERED_READ_ERROR, 0));
                rig.expect_c2h(5, 0, &pattern(512), true, true);
                rig.expect_response(good(6));
                rig.expect_c2h(7, 0, &pattern(100), true, true);
                rig.expect_c2h(8, 0, &pattern(512), true, false);
                rig.expect_response(cqe(8, Status::SUCCESS, 3));
                rig.expect_c2h(9, 0, &pattern(512), true, false);
                rig.expect_response(cqe(9, Status::UNRECOVERED_READ_ERROR, 0));
                let tag = rig.transport(READ, 10, 512);
                rig.send(tag, 0, &pattern(512));
                rig.expect_c2h(10, 0, &pattern(512), true, false);
                rig.finish(tag, good(10));
                rig.expect_response(good(10));
            },
        );
    }
}

#[test]
fn no_more_is_sent_than_the_host_has_room_for() {
    both(|rig| {
        let tag = rig.transport(READ, 5, 512);
        rig.send(tag, 0, &pattern(600));
        rig.send(tag, 512, &pattern(10));
        rig.expect_c2h(5, 0, &pattern(512), true, false);
        rig.quiet();
        rig.send(Tag(9), 0, &pattern(10));
        rig.finish(Tag(9), good(1));
        rig.quiet();
    });
}

#[test]
fn tags_are_given_again() {
    both(|rig| {
        let tags: Vec<Tag> = (0..3).map(|cid| rig.transport(READ, cid, 512)).collect();
        assert_eq!(tags, [Tag(0), Tag(1), Tag(2)]);
        rig.finish(Tag(0), good(0));
        rig.finish(Tag(2), good(2));
        assert_eq!([rig.transport(READ, 3, 512), rig.transport(READ, 4, 512)], [Tag(2), Tag(0)]);
        rig.finish(Tag(1), good(1));
    });
}

#[test]
fn a_capsule_waits_for_memory_and_what_follows_behind_it() {
    both_with(
        || Options { budget: 1 << 16, ..Options::default() },
        |rig| {
            let hog = rig.arena.alloc(1 << 16).unwrap();
            rig.held.push(hog);
            let first = entry(WRITE, 1, in_capsule(512));
            let second = entry(FLUSH, 2, Sgl::Transport { len: 0 });
            let mut wire = rig.wire(&CapsuleCmd { entry: first }.emit(&rig.to, 512), &pattern(512));
            wire.extend(rig.wire(&CapsuleCmd { entry: second }.emit(&rig.to, 0), &[]));
            rig.bytes(&wire);
            rig.quiet();
            assert!(rig.connection().starved() && !rig.connection().wants_input());
            rig.call(|connection, cx| connection.feed(cx));
            rig.quiet();
            rig.held.clear();
            rig.call(|connection, cx| connection.feed(cx));
            rig.poll();
            assert!(!rig.connection().starved() && rig.connection().wants_input());
            let (_, Given::InCapsule(buf)) = rig.expect_command(first) else { panic!("not in the capsule") };
            assert!(buf[..] == pattern(512));
            rig.held.push(buf);
            rig.expect_command(second);
        },
    );
}

#[test]
fn a_capsule_does_not_wait_for_memory_for_ever() {
    both_with(
        || Options { budget: 1 << 16, ..Options::default() },
        |rig| {
            let hog = rig.arena.alloc(1 << 16).unwrap();
            rig.held.push(hog);
            let first = entry(WRITE, 1, in_capsule(512));
            rig.command(first, &pattern(512));
            rig.advance(Duration::from_millis(1999));
            rig.quiet();
            let deadline = rig.connection().deadline().unwrap();
            rig.advance(Duration::from_millis(1));
            assert_eq!(rig.now, deadline);
            let (tag, given) = rig.expect_command(first);
            assert!(matches!(given, Given::Starved));
            rig.finish(tag, cqe(1, Status::COMMAND_INTERRUPTED, 0));
            rig.expect_response(cqe(1, Status::COMMAND_INTERRUPTED, 0));
            assert!(rig.connection().wants_input());
        },
    );
}

#[test]
fn whoever_does_not_initialise_in_time_is_dropped() {
    raw_with(Options::default, |rig| {
        rig.bytes(&IcReq { pfv: 0, hpda: 0, digests: NONE, maxr2t: 0 }.emit()[..127]);
        rig.advance(Duration::from_secs(14));
        assert!(!rig.connection().is_ended());
        rig.advance(Duration::from_secs(1));
        assert!(rig.connection().is_closed());
        rig.noticed("did not initialise");
    });
}

#[test]
fn a_host_that_takes_nothing_is_dropped() {
    both(|rig| {
        let tag = rig.transport(READ, 5, 512);
        rig.send(tag, 0, &pattern(512));
        rig.finish(tag, good(5));
        rig.advance(Duration::from_secs(1));
        rig.advance(Duration::from_secs(59));
        assert!(!rig.connection().is_closed());
        rig.advance(Duration::from_secs(1));
        assert!(rig.connection().is_closed());
        assert_eq!(rig.arena.usage().2, 0);
    });
}

#[test]
fn above_the_high_water_mark_no_input_is_wanted() {
    both_with(
        || Options { limits: Limits { output_high: 10_000, ..Limits::default() }, ..Options::default() },
        |rig| {
            let tag = rig.transport(READ, 5, 1 << 20);
            rig.send(tag, 0, &pattern(9_000));
            assert!(rig.connection().wants_input());
            rig.send(tag, 9_000, &pattern(1_000));
            assert!(!rig.connection().wants_input());
            rig.drain();
            assert!(rig.connection().wants_input());
        },
    );
}

#[test]
fn the_end_from_our_side_flushes_what_is_queued() {
    both(|rig| {
        let tag = rig.transport(READ, 5, 512);
        rig.send(tag, 0, &pattern(512));
        rig.finish(tag, good(5));
        rig.transport(WRITE, 6, 512);
        rig.call(|connection, _| connection.close());
        assert!(rig.connection().is_ended() && !rig.connection().is_closed());
        rig.expect_c2h(5, 0, &pattern(512), true, false);
        rig.expect_response(good(5));
        assert!(rig.connection().is_closed());
        rig.finish(Tag(0), good(6));
        rig.quiet();
    });
    both(|rig| {
        let tag = rig.transport(READ, 5, 512);
        rig.send(tag, 0, &pattern(512));
        rig.call(|connection, _| connection.close());
        rig.advance(Duration::from_secs(5));
        assert!(rig.connection().is_closed(), "nobody takes it");
    });
}

#[test]
fn a_host_that_goes_away_leaves_nothing() {
    both(|rig| {
        let tag = rig.transport(WRITE, 6, 20_000);
        rig.collect(tag, 0, 20_000);
        let tag = rig.transport(READ, 5, 512);
        rig.send(tag, 0, &pattern(512));
        rig.bytes(&[4; 3]);
        rig.call(|connection, _| connection.disconnected());
        rig.poll();
        rig.noticed("within a PDU");
        assert!(rig.connection().is_closed());
        assert_eq!(rig.arena.usage().2, 0);
    });
}

#[test]
fn a_request_to_terminate_is_taken() {
    both(|rig| {
        let offender = [9; 24];
        let request = TermReq { fes: Fes::LIMIT_EXCEEDED, fei: 0 }.emit(Role::Host, &offender);
        rig.bytes(&request);
        rig.quiet();
        assert!(rig.connection().is_closed());
        rig.noticed("limit exceeded");
    });
}
