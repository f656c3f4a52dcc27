//! Commands without data-out: order, data-in, status, residuals, task management.

use super::rig::*;
use crate::iscsi::Event;
use crate::iscsi::pdu::*;
use mainstay_base::sam::{Lun, Status, Tmf};

#[test]
fn a_small_read_has_its_status_on_the_data() {
    both(|rig| {
        rig.login("");
        let itt = rig.read(4096);
        rig.send(itt, 0, &pattern(4096));
        rig.good(itt, 4096);
        let Got { pdu: Response::DataIn(data_in), data } = rig.next() else { panic!() };
        assert_eq!(data, pattern(4096));
        assert!(data_in.last && data_in.data_sn == 0 && data_in.offset == 0);
        assert_eq!(data_in.status, Some(DataInStatus { status: 0, residual: Residual::None }));
        assert_eq!(data_in.counters.stat_sn, StatSn(2), "the login response was the first");
        assert_eq!(data_in.counters.exp_cmd_sn, rig.cmd_sn);
        rig.quiet();
    });
}

#[test]
fn data_in_is_split_by_segment_and_burst() {
    both(|rig| {
        rig.login("MaxRecvDataSegmentLength=1024 MaxBurstLength=2048");
        let itt = rig.read(5000);
        rig.send(itt, 0, &pattern(5000));
        rig.good(itt, 5000);
        let mut seen = Vec::new();
        let mut bytes = Vec::new();
        for sn in 0..5 {
            let Got { pdu: Response::DataIn(data_in), data } = rig.next() else { panic!() };
            assert_eq!((data_in.data_sn, data_in.offset as usize), (sn, bytes.len()));
            seen.push((data.len(), data_in.last, data_in.status.is_some()));
            bytes.extend(data);
        }
        let split = [(1024, false, false), (1024, true, false), (1024, false, false), (1024, true, false)];
        assert_eq!(seen[..4], split);
        assert_eq!(seen[4], (904, true, true));
        assert_eq!(bytes, pattern(5000));
        rig.quiet();
    });
}

#[test]
fn a_status_that_cannot_ride_comes_by_itself() {
    both(|rig| {
        rig.login("");
        let itt = rig.read(1024);
        rig.send(itt, 0, &pattern(1024));
        let Got { pdu: Response::DataIn(data_in), .. } = rig.next() else { panic!() };
        assert!(data_in.last && data_in.status.is_none());
        rig.good(itt, 1024);
        assert_eq!(rig.expect_status(itt).exp_data_sn, 1);
        // Another task's data in between, too.
        let (one, two) = (rig.read(512), rig.read(512));
        rig.send(one, 0, &pattern(512));
        rig.send(two, 0, &pattern(512));
        rig.good(one, 512);
        assert!(matches!(rig.next().pdu, Response::DataIn(DataIn { status: None, .. })));
        assert!(matches!(rig.next().pdu, Response::DataIn(DataIn { status: None, .. })));
        rig.expect_status(one);
        rig.good(two, 512);
        rig.expect_status(two);
        rig.quiet();
    });
}

#[test]
fn residuals() {
    both(|rig| {
        rig.login("");
        let cases = [
            (1024, 512, Residual::Underflow(512)),
            (512, 1024, Residual::Overflow(512)),
            (0, 512, Residual::Overflow(512)),
        ];
        for (expected, moved, residual) in cases {
            let itt = rig.read(expected);
            let sent = expected.min(moved);
            if sent > 0 {
                rig.send(itt, 0, &pattern(sent as usize));
            }
            rig.good(itt, moved);
            match rig.next().pdu {
                Response::DataIn(DataIn { status: Some(status), .. }) => assert_eq!(status.residual, residual),
                Response::ScsiResponse(response) => assert_eq!((response.residual, expected), (residual, 0)),
                other => panic!("{other:?}"),
            }
        }
        let itt = rig.read(512);
        rig.finish_with(itt, Status::CheckCondition, &[0x70, 0, 5], 0);
        let Got { pdu: Response::ScsiResponse(response), data } = rig.next() else { panic!() };
        assert_eq!((response.status, response.residual), (2, Residual::Underflow(512)));
        assert_eq!(split_sense(&data), [0x70, 0, 5]);
        rig.quiet();
    });
}

#[test]
fn more_than_there_is_room_for_is_not_sent() {
    both(|rig| {
        rig.login("");
        let itt = rig.read(512);
        rig.send(itt, 0, &pattern(2048));
        rig.good(itt, 2048);
        assert_eq!(rig.next().data, pattern(512));
        rig.quiet();
    });
}

#[test]
fn commands_are_delivered_in_order_once() {
    both(|rig| {
        rig.login("");
        let one = rig.command(512, 0);
        let two = rig.command(512, 0);
        let three = rig.command(512, 0);
        rig.pdu(&three.emit(0, 0), &[]);
        rig.pdu(&two.emit(0, 0), &[]);
        // Again, and beyond the window on both sides: all ignored.
        rig.pdu(&ScsiCommand { itt: Itt(5000), ..two.clone() }.emit(0, 0), &[]);
        rig.pdu(&ScsiCommand { itt: Itt(5001), cmd_sn: one.cmd_sn.plus(200), ..one.clone() }.emit(0, 0), &[]);
        rig.pdu(
            &ScsiCommand { itt: Itt(5002), cmd_sn: CmdSn(one.cmd_sn.0.wrapping_sub(1)), ..one.clone() }.emit(0, 0),
            &[],
        );
        rig.quiet();
        rig.deliver(&one, &[]);
        rig.expect_command(two.itt);
        rig.expect_command(three.itt);
        for command in [three, one, two] {
            rig.good(command.itt, 0);
            rig.expect_status(command.itt);
        }
        rig.quiet();
    });
}

#[test]
fn an_immediate_command_overtakes() {
    both(|rig| {
        rig.login("");
        let one = rig.command(512, 0);
        let two = rig.command(512, 0);
        rig.pdu(&two.emit(0, 0), &[]);
        let now = ScsiCommand { immediate: true, itt: Itt(7), cmd_sn: rig.cmd_sn, ..one.clone() };
        rig.deliver(&now, &[]);
        rig.good(Itt(7), 0);
        assert_eq!(rig.expect_status(Itt(7)).counters.exp_cmd_sn, one.cmd_sn);
        rig.deliver(&one, &[]);
        rig.expect_command(two.itt);
        for n in 0..8 {
            rig.deliver(&ScsiCommand { itt: Itt(10 + n), ..now.clone() }, &[]);
        }
        let refused = ScsiCommand { itt: Itt(30), ..now }.emit(0, 0);
        rig.pdu(&refused, &[]);
        rig.expect_reject(RejectReason::ImmediateTooMany, &refused);
    });
}

#[test]
fn the_window_opens_with_use_and_holds_the_initiator_back() {
    both(|rig| {
        rig.login("");
        let itts: Vec<Itt> = (0..4).map(|_| rig.read(512)).collect();
        rig.good(itts[0], 512);
        let max = rig.expect_status(itts[0]).counters.max_cmd_sn;
        assert_eq!(max.past(rig.cmd_sn) + 1, 13, "16 slots, three taken");
        let mut live = itts[1..].to_vec();
        while rig.cmd_sn.at_most(CmdSn(max.0)) {
            live.push(rig.read(512));
        }
        rig.good(live[0], 512);
        assert!(max.before(rig.expect_status(live[0]).counters.max_cmd_sn));
    });
}

#[test]
fn a_tag_in_use_is_rejected_and_its_number_not_taken() {
    both(|rig| {
        rig.login("");
        let itt = rig.read(512);
        let again = ScsiCommand { itt, ..rig.command(512, 0) };
        rig.pdu(&again.emit(0, 0), &[]);
        rig.expect_reject(RejectReason::TaskInProgress, &again.emit(0, 0));
        let fixed = ScsiCommand { itt: Itt(4), ..again };
        rig.deliver(&fixed, &[]);
        rig.good(Itt(4), 512);
        rig.expect_status(Itt(4));
        rig.good(itt, 512);
        rig.expect_status(itt);
        rig.quiet();
    });
}

fn abort(rig: &mut Rig, referenced: Itt, ref_cmd_sn: CmdSn) -> TaskRequest {
    TaskRequest {
        immediate: true,
        function: tmf_code(Tmf::AbortTask),
        lun: LUN,
        itt: rig.itt(),
        referenced,
        cmd_sn: rig.cmd_sn,
        exp_stat_sn: StatSn(0),
        ref_cmd_sn,
        exp_data_sn: 0,
    }
}

fn managed(rig: &mut Rig, request: &TaskRequest) -> TmfResponse {
    rig.pdu(&request.emit(), &[]);
    match rig.event() {
        Event::TaskManagement(got) => {
            assert_eq!((got.itt, got.referenced, got.lun), (request.itt, request.referenced, LUN));
            got.response_if_unknown()
        }
        other => panic!("{other:?}"),
    }
}

fn answer(rig: &mut Rig, itt: Itt, response: TmfResponse) {
    rig.call(|connection, cx| connection.finish_tmf(cx, itt, response));
    match rig.next().pdu {
        Response::TaskResponse(got) => assert_eq!((got.itt, got.response), (itt, response)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn aborting_a_command() {
    both(|rig| {
        rig.login("");
        let command = rig.command(512, 0);
        rig.deliver(&command, &[]);
        let request = abort(rig, command.itt, command.cmd_sn);
        assert_eq!(managed(rig, &request), TmfResponse::NoSuchTask, "its number is behind the window");
        rig.call(|connection, _| connection.discard(command.itt));
        rig.nothing();
        answer(rig, request.itt, TmfResponse::Complete);
        // The nexus may answer late; nothing comes of it.
        rig.good(command.itt, 512);
        rig.quiet();
    });
}

#[test]
fn aborting_what_never_came_plugs_the_gap() {
    both(|rig| {
        rig.login("");
        let (lost, early) = (rig.command(512, 0), rig.command(512, 0));
        rig.pdu(&early.emit(0, 0), &[]);
        rig.quiet();
        let request = abort(rig, lost.itt, lost.cmd_sn);
        rig.pdu(&request.emit(), &[]);
        rig.expect_command(early.itt);
        assert!(matches!(rig.event(), Event::TaskManagement(got) if got.if_unknown == TmfResponse::Complete));
        answer(rig, request.itt, TmfResponse::Complete);
        rig.pdu(&lost.emit(0, 0), &[]);
        rig.good(early.itt, 512);
        rig.expect_status(early.itt);
        rig.quiet();
    });
}

#[test]
fn aborting_what_waits_for_its_turn() {
    both(|rig| {
        rig.login("");
        let (one, two) = (rig.command(512, 0), rig.command(512, 0));
        rig.pdu(&two.emit(0, 0), &[]);
        let request = abort(rig, two.itt, two.cmd_sn);
        assert_eq!(managed(rig, &request), TmfResponse::Complete);
        answer(rig, request.itt, TmfResponse::Complete);
        rig.deliver(&one, &[]);
        rig.quiet();
        let three = rig.command(512, 0);
        rig.deliver(&three, &[]);
    });
}

#[test]
fn functions_nobody_knows_and_too_many_of_them() {
    both(|rig| {
        rig.login("");
        let request = TaskRequest { function: 77, immediate: false, ..abort(rig, Itt(1), CmdSn(0)) };
        rig.take_cmd_sn();
        rig.pdu(&request.emit(), &[]);
        match rig.next().pdu {
            Response::TaskResponse(got) => assert_eq!(got.response, TmfResponse::NotSupported),
            other => panic!("{other:?}"),
        }
        for _ in 0..16 {
            let request = TaskRequest { function: 5, ..abort(rig, Itt(1), CmdSn(0)) };
            managed(rig, &request);
        }
        let request = TaskRequest { function: 5, ..abort(rig, Itt(1), CmdSn(0)) };
        rig.pdu(&request.emit(), &[]);
        rig.expect_reject(RejectReason::ImmediateTooMany, &request.emit());
        rig.quiet();
    });
}

#[test]
fn a_long_cdb() {
    both(|rig| {
        rig.login("");
        let command = rig.command(0, 0);
        let ahs = Ahs { extended_cdb: vec![0x2a; 16], bidirectional_read: None }.emit();
        let wire = rig.wire(&command.emit(ahs.len(), 0), &ahs, &[]);
        rig.bytes(&wire);
        assert!(matches!(rig.event(), Event::Command(got) if got.cdb() == [0x2a; 32]));
        let command = rig.command(0, 0);
        let wire = rig.wire(&command.emit(4, 0), &[0, 9, 1, 0], &[]);
        rig.bytes(&wire);
        rig.expect_reject(RejectReason::InvalidField, &command.emit(4, 0));
    });
}

/// A command that waits for its turn is ended by a function for all tasks that was sent after it, not by one before it
/// and not by one for another unit (RFC 7143 §4.2.3.3).
#[test]
fn ending_all_tasks_ends_those_that_wait() {
    for (function, other_unit) in [(2, false), (4, false), (5, false), (6, true), (7, true)] {
        both(|rig| {
            rig.login("");
            let (first, two, three) = (rig.command(512, 0), rig.command(512, 0), rig.command(512, 0));
            let elsewhere = ScsiCommand { lun: Lun::default(), ..rig.command(512, 0) };
            let request = TaskRequest { function, ..abort(rig, Itt::RESERVED, CmdSn(0)) };
            let later = rig.command(512, 0);
            for command in [&two, &three, &elsewhere, &later] {
                rig.pdu(&command.emit(0, 0), &[]);
            }
            managed(rig, &request);
            answer(rig, request.itt, TmfResponse::Complete);
            rig.deliver(&first, &[]);
            if !other_unit {
                assert!(matches!(rig.event(), Event::Command(got) if got.itt == elsewhere.itt));
            }
            rig.expect_command(later.itt);
            rig.quiet();
            let next = rig.command(512, 0);
            rig.deliver(&next, &[]);
        });
    }
}

/// RFC 7143 §11.4.5, §4.2.2.4: two residuals, one numbering.
#[test]
fn a_command_with_data_both_ways() {
    both(|rig| {
        rig.login("");
        let both_ways = |rig: &mut Rig| {
            let command = ScsiCommand { read: true, ..rig.command(0, 1024) };
            let ahs = Ahs { extended_cdb: Vec::new(), bidirectional_read: Some(512) }.emit();
            let wire = rig.wire(&command.emit(ahs.len(), 0), &ahs, &[]);
            rig.bytes(&wire);
            match rig.event() {
                Event::Command(got) => assert_eq!((got.in_bytes, got.out_bytes), (512, 1024)),
                other => panic!("{other:?}"),
            }
            command.itt
        };
        // The usual end: refused before any data.
        let itt = both_ways(rig);
        rig.finish_with(itt, Status::CheckCondition, &[0x70, 0, 5], 0);
        let response = rig.expect_status(itt);
        assert_eq!(response.residual, Residual::Underflow(1024));
        assert_eq!(response.bidirectional_read, Residual::Underflow(512));
        let itt = both_ways(rig);
        rig.send(itt, 0, &pattern(256));
        rig.collect(itt, 0, 1024);
        assert!(matches!(rig.next().pdu, Response::DataIn(DataIn { data_sn: 0, .. })));
        let r2t = rig.expect_r2t(itt);
        assert_eq!(r2t.r2t_sn, 1);
        rig.data_out(itt, r2t.ttt, 0, 0, true, &pattern(1024));
        rig.expect_data(itt, 0, &pattern(1024));
        rig.send(itt, 256, &pattern(256));
        assert!(matches!(rig.next().pdu, Response::DataIn(DataIn { data_sn: 2, .. })));
        rig.good(itt, 512);
        let response = rig.expect_status(itt);
        assert_eq!((response.bidirectional_read, response.residual), (Residual::None, Residual::Underflow(1024)));
        assert_eq!(response.exp_data_sn, 3);
        rig.quiet();
    });
}
