//! Writes whose data is asked for.

use super::rig::*;
use crate::nvme::Status;
use crate::nvmetcp::pdu::*;
use crate::nvmetcp::{Event, Limits, Tag};
use std::time::Duration;

fn h2c(tag: Tag, cid: u16, offset: usize, len: usize, last: bool) -> H2cData {
    H2cData { last, cid, ttag: tag.0, offset: offset as u32, len: len as u32 }
}

#[test]
fn a_write() {
    for (digests, cpda) in [(NONE, 0), (BOTH, 0), (BOTH, 31), (NONE, 7)] {
        let options = || Options { digests, limits: Limits { cpda, ..Limits::default() }, ..Options::default() };
        both_with(options, |rig| {
            let data = pattern(100_000);
            let tag = rig.transport(WRITE, 1, 100_000);
            rig.quiet();
            rig.collect(tag, 0, 100_000);
            rig.expect_r2t(1, tag, 0, 100_000);
            rig.h2c(h2c(tag, 1, 0, 60_001, false), &data[..60_001]);
            rig.quiet();
            rig.h2c(h2c(tag, 1, 60_001, 39_999, true), &data[60_001..]);
            rig.expect_data(tag, 0, &data);
            rig.finish(tag, good(1));
            rig.expect_response(good(1));
            rig.quiet();
        });
    }
}

#[test]
fn no_more_r2ts_than_the_host_allows() {
    for (maxr2t, allowed) in [(0, 1), (1, 2), (u32::MAX, 3)] {
        let options = || Options { maxr2t, ..Options::default() };
        both_with(options, |rig| {
            let data = pattern(30_000);
            let tag = rig.transport(WRITE, 1, 30_000);
            for n in 0..3 {
                rig.collect(tag, n * 10_000, 10_000);
            }
            for n in 0..allowed {
                rig.expect_r2t(1, tag, n * 10_000, 10_000);
            }
            rig.nothing();
            for n in 0..3 {
                let at = n as usize * 10_000;
                rig.h2c(h2c(tag, 1, at, 10_000, true), &data[at..at + 10_000]);
                rig.expect_data(tag, n * 10_000, &data[at..at + 10_000]);
                if n + allowed < 3 {
                    rig.expect_r2t(1, tag, (n + allowed) * 10_000, 10_000);
                }
                rig.nothing();
            }
            rig.finish(tag, good(1));
            rig.expect_response(good(1));
        });
    }
}

#[test]
fn r2ts_of_one_command_may_be_answered_in_turns() {
    let options = || Options { maxr2t: 1, ..Options::default() };
    both_with(options, |rig| {
        let data = pattern(4000);
        let tag = rig.transport(WRITE, 1, 4000);
        rig.collect(tag, 0, 2000);
        rig.collect(tag, 2000, 2000);
        rig.expect_r2t(1, tag, 0, 2000);
        rig.expect_r2t(1, tag, 2000, 2000);
        rig.h2c(h2c(tag, 1, 2000, 500, false), &data[2000..2500]);
        rig.h2c(h2c(tag, 1, 0, 500, false), &data[..500]);
        rig.h2c(h2c(tag, 1, 2500, 1500, true), &data[2500..]);
        rig.expect_data(tag, 2000, &data[2000..]);
        // LAST_PDU is not insisted on where the lengths say it.
        rig.h2c(h2c(tag, 1, 500, 1500, false), &data[500..2000]);
        rig.expect_data(tag, 0, &data[..2000]);
    });
}

#[test]
fn commands_take_turns() {
    both(|rig| {
        let data = pattern(20_000);
        let (first, second) = (rig.transport(WRITE, 1, 20_000), rig.transport(WRITE, 2, 20_000));
        for (cid, tag) in [(1, first), (2, second)] {
            rig.collect(tag, 0, 20_000);
            rig.expect_r2t(cid, tag, 0, 20_000);
        }
        rig.h2c(h2c(second, 2, 0, 10_000, false), &data[..10_000]);
        rig.h2c(h2c(first, 1, 0, 20_000, true), &data);
        rig.h2c(h2c(second, 2, 10_000, 10_000, true), &data[10_000..]);
        rig.expect_data(first, 0, &data);
        rig.expect_data(second, 0, &data);
    });
}

#[test]
fn an_r2t_waits_for_memory() {
    both_with(
        || Options { budget: 1 << 16, maxr2t: 1, ..Options::default() },
        |rig| {
            let hog = rig.arena.alloc(1 << 16).unwrap();
            rig.held.push(hog);
            let (first, second) = (rig.transport(WRITE, 1, 40_000), rig.transport(WRITE, 2, 512));
            rig.collect(first, 0, 20_000);
            rig.collect(first, 20_000, 20_000);
            rig.collect(second, 0, 512);
            rig.nothing();
            assert!(rig.connection().starved() && rig.connection().wants_input());
            rig.held.clear();
            rig.call(|connection, cx| connection.feed(cx));
            rig.expect_r2t(1, first, 0, 20_000);
            rig.expect_r2t(1, first, 20_000, 20_000);
            rig.expect_r2t(2, second, 0, 512);
            assert!(!rig.connection().starved());
        },
    );
}

#[test]
fn damaged_data_fails_its_command_alone() {
    both_with(
        || Options { digests: BOTH, maxr2t: 1, ..Options::default() },
        |rig| {
            let data = pattern(40_000);
            let tag = rig.transport(WRITE, 1, 40_000);
            rig.collect(tag, 0, 20_000);
            rig.collect(tag, 20_000, 20_000);
            rig.expect_r2t(1, tag, 0, 20_000);
            rig.expect_r2t(1, tag, 20_000, 20_000);
            let mut wire = rig.wire(&h2c(tag, 1, 0, 10_000, false).emit(&rig.to), &data[..10_000]);
            let end = wire.len();
            wire[end - 1] ^= 1;
            rig.bytes(&wire);
            match rig.event() {
                Event::Failed { tag: failed, status } => {
                    assert_eq!((failed, status), (tag, Status::TRANSIENT_TRANSPORT_ERROR));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(rig.arena.usage().2, 0, "nobody wants the data any more");
            rig.noticed("data digest");
            let failed = cqe(1, Status::TRANSIENT_TRANSPORT_ERROR, 0);
            rig.finish(tag, failed);
            // The host is still sending: it is answered when its data is over.
            rig.nothing();
            wire = rig.wire(&h2c(tag, 1, 20_000, 20_000, true).emit(&rig.to), &data[20_000..]);
            wire[100] ^= 1;
            rig.bytes(&wire);
            rig.nothing();
            rig.h2c(h2c(tag, 1, 10_000, 10_000, true), &data[10_000..20_000]);
            rig.expect_response(failed);
            rig.quiet();
            rig.transport(WRITE, 2, 512);
        },
    );
}

#[test]
fn an_aborted_write_is_answered_when_its_data_is_over() {
    both(|rig| {
        let data = pattern(20_000);
        let tag = rig.transport(WRITE, 1, 40_000);
        rig.collect(tag, 0, 20_000);
        rig.collect(tag, 20_000, 20_000);
        rig.expect_r2t(1, tag, 0, 20_000);
        let wire = rig.wire(&h2c(tag, 1, 0, 20_000, true).emit(&rig.to), &data);
        rig.bytes(&wire[..7_000]);
        rig.call(|connection, _| connection.cancel(tag));
        let aborted = cqe(1, Status::ABORT_REQUESTED, 0);
        rig.finish(tag, aborted);
        rig.collect(tag, 0, 512);
        rig.quiet();
        rig.bytes(&wire[7_000..]);
        rig.expect_response(aborted);
        rig.quiet();
        assert_eq!(rig.arena.usage().2, 0);
    });
}

#[test]
fn an_aborted_write_that_waits_for_memory_waits_no_more() {
    both_with(
        || Options { budget: 1 << 16, ..Options::default() },
        |rig| {
            let hog = rig.arena.alloc(1 << 16).unwrap();
            rig.held.push(hog);
            let tag = rig.transport(WRITE, 1, 20_000);
            rig.collect(tag, 0, 20_000);
            assert!(rig.connection().starved());
            rig.call(|connection, _| connection.cancel(tag));
            assert!(!rig.connection().starved());
            rig.finish(tag, cqe(1, Status::ABORT_REQUESTED, 0));
            rig.expect_response(cqe(1, Status::ABORT_REQUESTED, 0));
        },
    );
}

#[test]
fn data_that_was_asked_for_and_does_not_come_ends_the_connection() {
    both(|rig| {
        let tag = rig.transport(WRITE, 1, 20_000);
        rig.collect(tag, 0, 20_000);
        rig.expect_r2t(1, tag, 0, 20_000);
        rig.advance(Duration::from_secs(40));
        rig.h2c(h2c(tag, 1, 0, 1000, false), &pattern(1000));
        rig.advance(Duration::from_secs(20));
        assert!(!rig.connection().is_ended(), "it has moved meanwhile");
        // Other commands do not count.
        rig.advance(Duration::from_secs(39));
        let other = rig.transport(READ, 2, 512);
        rig.finish(other, good(2));
        rig.expect_response(good(2));
        rig.advance(Duration::from_secs(1));
        assert!(rig.connection().is_closed());
        rig.noticed("owes data");
        assert_eq!(rig.arena.usage().2, 0);
    });
}

#[test]
fn a_capsule_that_stops_half_way_ends_the_connection() {
    both(|rig| {
        let sgl = crate::nvme::Sgl::InCapsule { offset: 0, len: 512 };
        let wire = rig.wire(&CapsuleCmd { entry: entry(WRITE, 1, sgl) }.emit(&rig.to, 512), &pattern(512));
        rig.bytes(&wire[..100]);
        rig.advance(Duration::from_secs(60));
        assert!(rig.connection().is_closed());
        assert_eq!(rig.arena.usage().2, 0);
    });
    both(|rig| {
        let sgl = crate::nvme::Sgl::InCapsule { offset: 0, len: 512 };
        let write = entry(WRITE, 1, sgl);
        let wire = rig.wire(&CapsuleCmd { entry: write }.emit(&rig.to, 512), &pattern(512));
        rig.bytes(&wire[..100]);
        rig.bytes(&wire[100..]);
        rig.expect_command(write);
        rig.advance(Duration::from_secs(60));
        assert_eq!(rig.connection().deadline(), None, "nothing is owed");
    });
}
