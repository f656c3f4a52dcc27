//! Data-out: immediate, unsolicited, asked for; and transfers that break.

use super::rig::*;
use crate::iscsi::Event;
use crate::iscsi::pdu::*;
use mainstay_base::sam::{Lun, Status};

const NO: Ttt = Ttt::RESERVED;

/// The commands of the four combinations: a write of 12 KiB with FirstBurstLength=8192, MaxBurstLength=8192.
fn write_all(rig: &mut Rig, initial_r2t: bool, immediate_data: bool) {
    let yes = |flag| if flag { "Yes" } else { "No" };
    rig.login(&format!(
        "InitialR2T={} ImmediateData={} FirstBurstLength=8192 MaxBurstLength=8192 MaxOutstandingR2T=1",
        yes(initial_r2t),
        yes(immediate_data)
    ));
    let data = pattern(12288);
    let command = ScsiCommand { last: initial_r2t, ..rig.command(0, 12288) };
    let itt = command.itt;
    let mut at = if immediate_data { 4096 } else { 0 };
    rig.deliver(&command, &data[..at]);
    // The nexus asks while unsolicited data is still coming.
    rig.collect(itt, 0, 12288);
    if !initial_r2t {
        rig.nothing();
        let half = at + (8192 - at) / 2;
        rig.data_out(itt, NO, 0, at as u32, false, &data[at..half]);
        rig.data_out(itt, NO, 1, half as u32, true, &data[half..8192]);
        at = 8192;
    }
    let mut sn = 0;
    while at < data.len() {
        let r2t = rig.expect_r2t(itt);
        rig.nothing();
        assert_eq!((r2t.r2t_sn, r2t.offset as usize, r2t.lun), (sn, at, LUN));
        assert_eq!(r2t.desired as usize, (data.len() - at).min(8192));
        sn += 1;
        let end = at + r2t.desired as usize;
        rig.data_out(itt, r2t.ttt, 0, at as u32, false, &data[at..at + 1000]);
        rig.data_out(itt, r2t.ttt, 1, at as u32 + 1000, true, &data[at + 1000..end]);
        at = end;
    }
    rig.expect_data(itt, 0, &data);
    rig.quiet();
    rig.good(itt, 12288);
    let response = rig.expect_status(itt);
    assert_eq!((response.status, response.exp_data_sn, response.residual), (0, 0, Residual::None));
    rig.quiet();
}

#[test]
fn initial_r2t_and_immediate_data() {
    both(|rig| write_all(rig, true, true));
}

#[test]
fn initial_r2t_without_immediate_data() {
    both(|rig| write_all(rig, true, false));
}

#[test]
fn no_initial_r2t_and_immediate_data() {
    both(|rig| write_all(rig, false, true));
}

#[test]
fn no_initial_r2t_without_immediate_data() {
    both(|rig| write_all(rig, false, false));
}

#[test]
fn a_small_write_is_not_copied() {
    both(|rig| {
        rig.login("");
        let command = rig.command(0, 4096);
        rig.deliver(&command, &pattern(4096));
        rig.collect(command.itt, 0, 4096);
        rig.expect_data(command.itt, 0, &pattern(4096));
        assert!(rig.held[0].place().promised, "the very buffer it came in");
        rig.good(command.itt, 4096);
        rig.expect_status(command.itt);
        rig.quiet();
    });
}

#[test]
fn several_r2ts_and_several_collects() {
    both(|rig| {
        rig.login("InitialR2T=Yes ImmediateData=No MaxBurstLength=4096 MaxOutstandingR2T=3");
        let data = pattern(20480);
        let command = rig.command(0, 20480);
        let itt = command.itt;
        rig.deliver(&command, &[]);
        rig.collect(itt, 0, 8192);
        rig.collect(itt, 8192, 12288);
        let mut asked: Vec<R2t> = (0..3).map(|_| rig.expect_r2t(itt)).collect();
        rig.nothing();
        for n in 0..5u32 {
            let r2t = asked.remove(0);
            assert_eq!((r2t.offset, r2t.desired, r2t.r2t_sn), (n * 4096, 4096, n));
            let at = r2t.offset as usize;
            rig.data_out(itt, r2t.ttt, 0, r2t.offset, true, &data[at..at + 4096]);
            if n < 2 {
                asked.push(rig.expect_r2t(itt));
            }
            if n == 1 {
                rig.expect_data(itt, 0, &data[..8192]);
            }
        }
        rig.expect_data(itt, 8192, &data[8192..]);
        rig.good(itt, 20480);
        rig.expect_status(itt);
        rig.quiet();
    });
}

#[test]
fn a_long_segment_is_read_into_place() {
    both(|rig| {
        rig.login("InitialR2T=Yes ImmediateData=No DataDigest=CRC32C");
        let data = pattern(65536);
        let command = rig.command(0, 65536);
        rig.deliver(&command, &[]);
        rig.collect(command.itt, 0, 65536);
        let r2t = rig.expect_r2t(command.itt);
        let pdu = DataOut {
            last: true,
            lun: LUN,
            itt: command.itt,
            ttt: r2t.ttt,
            exp_stat_sn: StatSn(0),
            data_sn: 0,
            offset: 0,
        };
        let wire = rig.wire(&pdu.emit(65536), &[], &data);
        assert!(rig.connection().payload_space().is_none());
        rig.bytes(&wire[..148]);
        let mut at = 148;
        while let Some(space) = rig.connection().payload_space() {
            let n = space.len().min(10_000);
            space[..n].copy_from_slice(&wire[at..at + n]);
            at += n;
            rig.call(|connection, cx| connection.filled(cx, n));
        }
        assert!(at > 48 + 65536 - 8192 && at <= 48 + 65536);
        rig.bytes(&wire[at..]);
        rig.expect_data(command.itt, 0, &data);
        rig.good(command.itt, 65536);
        rig.expect_status(command.itt);
    });
}

#[test]
fn an_r2t_waits_for_memory() {
    both_with(
        || Options { budget: 256 * 1024, ..Options::default() },
        |rig| {
            rig.login("InitialR2T=Yes ImmediateData=No");
            let hog = rig.arena.alloc(200 * 1024).unwrap();
            rig.held.push(hog);
            let (one, two) = (rig.command(0, 65536), rig.command(0, 4096));
            rig.deliver(&one, &[]);
            rig.deliver(&two, &[]);
            rig.collect(one.itt, 0, 65536);
            rig.nothing();
            assert!(rig.connection().starved());
            rig.collect(two.itt, 0, 4096);
            let r2t = rig.expect_r2t(two.itt);
            assert_eq!(r2t.desired, 4096);
            rig.call(|connection, cx| connection.feed(cx));
            rig.nothing();
            assert!(rig.connection().starved(), "still");
            rig.held.clear();
            rig.call(|connection, cx| connection.feed(cx));
            assert_eq!(rig.expect_r2t(one.itt).desired, 65536);
            assert!(!rig.connection().starved());
        },
    );
}

#[test]
fn unsolicited_data_that_was_not_negotiated() {
    both(|rig| {
        rig.login("InitialR2T=Yes ImmediateData=No");
        let command = rig.command(0, 4096);
        rig.pdu(&command.emit(0, 4096), &pattern(4096));
        rig.expect_aborted(command.itt, 0x0c, 0x0c);
        // F=0 announces more; the answer waits for it.
        let command = ScsiCommand { last: false, ..rig.command(0, 4096) };
        rig.pdu(&command.emit(0, 0), &[]);
        rig.quiet();
        rig.data_out(command.itt, NO, 0, 0, false, &pattern(512));
        rig.nothing();
        rig.data_out(command.itt, NO, 1, 512, true, &pattern(512));
        rig.expect_aborted(command.itt, 0x0c, 0x0c);
        rig.noticed("4.2.4.2");
        // The numbers go on.
        let itt = rig.read(512);
        rig.good(itt, 0);
        rig.expect_status(itt);
        rig.quiet();
    });
}

#[test]
fn more_than_was_agreed() {
    both(|rig| {
        rig.login("FirstBurstLength=1024");
        let command = rig.command(0, 4096);
        rig.pdu(&command.emit(0, 2048), &pattern(2048));
        rig.expect_aborted(command.itt, 0x0c, 0x0d);
        let command = rig.command(0, 512);
        rig.pdu(&command.emit(0, 1024), &pattern(1024));
        rig.expect_aborted(command.itt, 0x0c, 0x0d);
        rig.quiet();
    });
}

/// RFC 7143 §11.4.7.2: who sends unsolicited PDUs of a long write fills the first burst with them.
#[test]
fn less_than_the_first_burst() {
    both(|rig| {
        rig.login("InitialR2T=No FirstBurstLength=4096");
        let command = ScsiCommand { last: false, ..rig.command(0, 8192) };
        rig.deliver(&command, &pattern(1024));
        rig.data_out(command.itt, NO, 0, 1024, true, &pattern(1024));
        failed(rig, command.itt, 0x0c, 0x0d);
        let command = ScsiCommand { last: false, ..rig.command(0, 8192) };
        rig.deliver(&command, &pattern(1024));
        rig.data_out(command.itt, NO, 0, 1024, false, &pattern(2048));
        rig.data_out(command.itt, NO, 1, 3072, true, &pattern(1024));
        rig.collect(command.itt, 0, 8192);
        let r2t = rig.expect_r2t(command.itt);
        assert_eq!((r2t.offset, r2t.desired), (4096, 4096));
        // Without unsolicited PDUs, immediate data may be as short as it likes.
        let command = rig.command(0, 8192);
        rig.deliver(&command, &pattern(1024));
        rig.collect(command.itt, 0, 8192);
        assert_eq!(rig.expect_r2t(command.itt).offset, 1024);
        rig.quiet();
    });
}

/// A command that has failed and only waits for data it is owed can be aborted: then no answer comes, and nobody waits
/// for the data any more (RFC 7143 §11.5.1).
#[test]
fn aborting_what_only_waits_for_owed_data() {
    for (function, lun, gone) in
        [(1, LUN, true), (1, Lun::default(), false), (2, LUN, true), (5, LUN, true), (6, Lun::default(), true)]
    {
        both(|rig| {
            rig.login("");
            let (itt, ttt) = asked(rig);
            rig.finish_with(itt, Status::CheckCondition, &[0x70, 0, 3], 0);
            rig.quiet();
            let request = TaskRequest {
                immediate: true,
                function,
                lun,
                itt: rig.itt(),
                referenced: itt,
                cmd_sn: rig.cmd_sn,
                exp_stat_sn: StatSn(0),
                ref_cmd_sn: rig.cmd_sn.plus(u32::MAX),
                exp_data_sn: 0,
            };
            rig.pdu(&request.emit(), &[]);
            let Event::TaskManagement(got) = rig.event() else { panic!() };
            if function == 1 {
                assert_eq!(got.if_unknown == TmfResponse::Complete, gone);
            }
            rig.call(|connection, cx| connection.finish_tmf(cx, request.itt, TmfResponse::Complete));
            assert!(matches!(rig.next().pdu, Response::TaskResponse(_)));
            rig.data_out(itt, ttt, 0, 0, true, &pattern(8192));
            if !gone {
                rig.expect_status(itt);
            }
            rig.quiet();
        });
    }
}

/// Late data of more commands than a window usually has.
#[test]
fn late_data_of_many_aborted_commands_is_swallowed() {
    both(|rig| {
        rig.login("InitialR2T=No FirstBurstLength=512");
        let mut itts = Vec::new();
        for _ in 0..120 {
            let command = ScsiCommand { last: false, ..rig.command(0, 512) };
            rig.deliver(&command, &[]);
            itts.push(command.itt);
        }
        for &itt in &itts {
            rig.call(|connection, _| connection.discard(itt));
        }
        for &itt in &itts {
            rig.data_out(itt, NO, 0, 0, true, &pattern(512));
        }
        while let Some(got) = rig.try_next() {
            assert!(matches!(got.pdu, Response::NopIn(_)), "{got:?}");
        }
    });
}

/// A write of 8 KiB that waits for the data of one R2T.
fn asked(rig: &mut Rig) -> (Itt, Ttt) {
    let command = rig.command(0, 8192);
    rig.deliver(&command, &[]);
    rig.collect(command.itt, 0, 8192);
    (command.itt, rig.expect_r2t(command.itt).ttt)
}

fn failed(rig: &mut Rig, itt: Itt, code: u8, qualifier: u8) {
    let Event::Failed { itt: tag, reply } = rig.event() else { panic!() };
    assert_eq!((tag, reply.status, reply.sense[12], reply.sense[13]), (itt, Status::CheckCondition, code, qualifier));
    rig.quiet();
    rig.call(|connection, cx| connection.finish(cx, itt, reply));
    rig.expect_aborted(itt, code, qualifier);
    rig.quiet();
}

#[test]
fn a_sequence_with_a_gap_fails_its_command() {
    both(|rig| {
        rig.login("");
        let (itt, ttt) = asked(rig);
        rig.data_out(itt, ttt, 1, 0, true, &pattern(8192));
        failed(rig, itt, 0x47, 0x05);
        let (itt, ttt) = asked(rig);
        rig.data_out(itt, ttt, 0, 0, false, &pattern(4096));
        rig.data_out(itt, ttt, 1, 4000, true, &pattern(4096));
        failed(rig, itt, 0x0c, 0x0d);
        let (itt, ttt) = asked(rig);
        rig.data_out(itt, ttt, 0, 0, true, &pattern(4096));
        failed(rig, itt, 0x0c, 0x0d);
        let (itt, ttt) = asked(rig);
        rig.data_out(itt, ttt, 0, 0, true, &pattern(8193));
        failed(rig, itt, 0x0c, 0x0d);
        let (itt, ttt) = asked(rig);
        rig.data_out(itt, NO, 0, 0, true, &pattern(8192));
        let Event::Failed { reply, .. } = rig.event() else { panic!() };
        rig.call(|connection, cx| connection.finish(cx, itt, reply));
        rig.nothing();
        // The answer waits for the data that was asked for.
        rig.data_out(itt, ttt, 0, 0, true, &pattern(8192));
        rig.expect_aborted(itt, 0x0c, 0x0c);
        rig.quiet();
    });
}

#[test]
fn an_early_end_drains_what_was_asked_for() {
    both(|rig| {
        rig.login("");
        let (itt, ttt) = asked(rig);
        rig.finish_with(itt, Status::CheckCondition, &[0x70, 0, 3], 0);
        rig.nothing();
        rig.data_out(itt, ttt, 0, 0, false, &pattern(4096));
        rig.nothing();
        rig.data_out(itt, ttt, 1, 4096, true, &pattern(4096));
        assert_eq!(rig.expect_status(itt).status, 2);
        rig.quiet();
    });
}

#[test]
fn late_data_of_an_aborted_command_is_swallowed() {
    both(|rig| {
        rig.login("");
        let (itt, ttt) = asked(rig);
        let wire = {
            let pdu = DataOut { last: true, lun: LUN, itt, ttt, exp_stat_sn: StatSn(0), data_sn: 0, offset: 0 };
            rig.wire(&pdu.emit(8192), &[], &pattern(8192))
        };
        // It is aborted while a PDU of its data is half read.
        rig.bytes(&wire[..100]);
        rig.call(|connection, _| connection.discard(itt));
        rig.bytes(&wire[100..]);
        rig.quiet();
        rig.bytes(&wire);
        rig.quiet();
        // A tag that never was is refused.
        rig.data_out(Itt(9999), Ttt(1), 0, 0, true, &pattern(16));
        assert!(matches!(rig.next().pdu, Response::Reject(_)));
        rig.quiet();
    });
}

#[test]
fn a_bad_data_digest_fails_the_command_after_a_reject() {
    both(|rig| {
        rig.login("HeaderDigest=CRC32C DataDigest=CRC32C");
        let (itt, ttt) = asked(rig);
        let pdu = DataOut { last: true, lun: LUN, itt, ttt, exp_stat_sn: StatSn(0), data_sn: 0, offset: 0 };
        let mut wire = rig.wire(&pdu.emit(8192), &[], &pattern(8192));
        wire[60] ^= 1;
        rig.bytes(&wire);
        rig.expect_reject(RejectReason::DataDigest, &pdu.emit(8192));
        failed(rig, itt, 0x47, 0x05);
        // A command with bad immediate data never was: it comes again with the same number.
        let command = rig.command(0, 512);
        let good = rig.wire(&command.emit(0, 512), &[], &pattern(512));
        let mut bad = good.clone();
        bad[60] ^= 1;
        rig.bytes(&bad);
        rig.expect_reject(RejectReason::DataDigest, &command.emit(0, 512));
        rig.quiet();
        rig.bytes(&good);
        rig.expect_command(command.itt);
        rig.collect(command.itt, 0, 512);
        rig.expect_data(command.itt, 0, &pattern(512));
        rig.good(command.itt, 512);
        rig.expect_status(command.itt);
        rig.quiet();
    });
}

#[test]
fn without_memory_a_command_is_told_so() {
    both_with(
        || Options { budget: 64 * 1024, ..Options::default() },
        |rig| {
            rig.login("InitialR2T=No");
            let hog = rig.arena.alloc(64 * 1024).unwrap();
            rig.held.push(hog);
            // No promise could be given, so this is the one slot there always is.
            let command = rig.command(0, 4096);
            rig.pdu(&command.emit(0, 4096), &pattern(4096));
            assert_eq!(rig.expect_status(command.itt).status, Status::TaskSetFull as u8);
            rig.held.clear();
            let command = ScsiCommand { last: false, ..rig.command(0, 4096) };
            rig.deliver(&command, &pattern(1024));
            rig.data_out(command.itt, NO, 0, 1024, true, &pattern(3072));
            rig.collect(command.itt, 0, 4096);
            assert!(matches!(rig.event(), Event::Data { .. }));
            rig.good(command.itt, 4096);
            rig.expect_status(command.itt);
        },
    );
}

#[test]
fn a_transfer_that_stands_still_ends_the_connection() {
    both(|rig| {
        rig.login("");
        let (itt, ttt) = asked(rig);
        for n in 0..3u32 {
            rig.advance(10);
            rig.data_out(itt, ttt, n, n * 1024, false, &pattern(1024));
        }
        for _ in 0..6 {
            // Alive, but not giving what was asked for.
            rig.advance(9);
            let nop =
                NopOut { immediate: true, lun: LUN, itt: NO_ITT, ttt: NO, cmd_sn: rig.cmd_sn, exp_stat_sn: StatSn(0) };
            rig.pdu(&nop.emit(0), &[]);
        }
        assert!(!rig.is_closed());
        rig.advance(9);
        assert!(rig.is_closed());
        rig.noticed("owes data");
    });
}

const NO_ITT: Itt = Itt::RESERVED;
