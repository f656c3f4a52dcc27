//! The life of a session: login, text, pings, logout, and how we end it.

use super::rig::*;
use crate::iscsi::pdu::*;
use crate::iscsi::{CloseReason, Event, Kind, LoginStatus, Phase, Refusal};

#[test]
fn a_refused_candidate() {
    both(|rig| {
        let text = format!("InitiatorName=iqn.test\0TargetName={TARGET}\0");
        let request = rig.login_request();
        rig.pdu(&request.emit(text.len()), text.as_bytes());
        let Event::Candidate(candidate) = rig.event() else { panic!() };
        assert_eq!((candidate.kind, candidate.cid), (Kind::Normal { target: 0 }, 9));
        assert!(!rig.connection().wants_input());
        let refusal = Refusal::new(LoginStatus::ServiceUnavailable, "the daemon ends");
        rig.call(|connection, cx| connection.admit(cx, Err(refusal)));
        let Got { pdu: Response::Login(response), .. } = rig.next() else { panic!() };
        assert_eq!(response.status, (3, 1));
        assert!(rig.is_closed());
    });
}

#[test]
fn what_comes_before_the_verdict_waits() {
    both(|rig| {
        let text = format!("InitiatorName=iqn.test\0TargetName={TARGET}\0");
        let request = rig.login_request();
        let command = rig.command(512, 0);
        let mut wire = rig.wire(&request.emit(text.len()), &[], text.as_bytes());
        wire.extend(command.emit(0, 0));
        rig.bytes(&wire[..wire.len() - 20]);
        rig.bytes(&wire[wire.len() - 20..]);
        assert!(matches!(rig.event(), Event::Candidate(_)));
        rig.quiet();
        rig.call(|connection, cx| connection.admit(cx, Ok(3)));
        rig.poll();
        let Got { pdu: Response::Login(response), .. } = rig.next() else { panic!() };
        assert_eq!(response.counters.max_cmd_sn.past(response.counters.exp_cmd_sn), 7);
        rig.expect_command(command.itt);
    });
}

#[test]
fn a_login_in_several_steps() {
    both(|rig| {
        let security = LoginRequest {
            transit: true,
            current: Stage::SecurityNegotiation,
            next: Stage::OperationalNegotiation,
            ..rig.login_request()
        };
        let text = format!("InitiatorName=iqn.test\0SessionType=Normal\0TargetName={TARGET}\0AuthMethod=None\0");
        let (first, rest) = text.split_at(40);
        let part = LoginRequest { transit: false, more: true, ..security.clone() };
        rig.pdu(&part.emit(first.len()), first.as_bytes());
        let Got { pdu: Response::Login(response), data } = rig.next() else { panic!() };
        assert!(!response.transit && data.is_empty());
        rig.pdu(&security.emit(rest.len()), rest.as_bytes());
        let Got { pdu: Response::Login(response), .. } = rig.next() else { panic!() };
        assert_eq!((response.transit, response.status), (true, (0, 0)), "{:?}", rig.notices);
        assert_eq!(response.counters.stat_sn, StatSn(2));
        let text = "HeaderDigest=CRC32C,None\0DataDigest=None\0MaxRecvDataSegmentLength=262144\0";
        let request = rig.login_request();
        rig.pdu(&request.emit(text.len()), text.as_bytes());
        assert!(matches!(rig.event(), Event::Candidate(_)));
        rig.call(|connection, cx| connection.admit(cx, Ok(3)));
        assert!(matches!(rig.next(), Got { pdu: Response::Login(_), .. }), "without a digest yet");
        rig.header_digest = true;
        let itt = rig.read(512);
        rig.good(itt, 0);
        rig.expect_status(itt);
        rig.quiet();
    });
}

fn text(rig: &mut Rig, itt: Itt, ttt: Ttt, last: bool, more: bool, text: &str) -> TextRequest {
    let cmd_sn = rig.take_cmd_sn();
    let pdu = TextRequest { immediate: false, last, more, lun: LUN, itt, ttt, cmd_sn, exp_stat_sn: StatSn(0) };
    rig.pdu(&pdu.emit(text.len()), text.as_bytes());
    pdu
}

fn text_response(rig: &mut Rig) -> (TextResponse, String) {
    match rig.next() {
        Got { pdu: Response::Text(response), data } => (response, String::from_utf8(data).unwrap()),
        other => panic!("{other:?} {:?}", rig.notices),
    }
}

#[test]
fn discovery_in_pieces_both_ways() {
    let options = || Options { targets: 40, ..Options::default() };
    both_with(options, |rig| {
        rig.discovery("MaxRecvDataSegmentLength=512");
        text(rig, Itt(50), Ttt::RESERVED, false, true, "SendTar");
        let (response, none) = text_response(rig);
        assert!(!response.last && !response.more && none.is_empty() && response.ttt != Ttt::RESERVED);
        text(rig, Itt(50), response.ttt, true, false, "gets=All\0");
        let mut all = String::new();
        let mut rounds = 0;
        loop {
            let (response, part) = text_response(rig);
            all += &part;
            rounds += 1;
            assert_eq!(response.itt, Itt(50));
            if response.last {
                assert!(!response.more && response.ttt == Ttt::RESERVED);
                break;
            }
            assert!(response.more && part.len() == 512);
            text(rig, Itt(50), response.ttt, true, false, "");
        }
        assert!(rounds > 5);
        assert_eq!(all.matches("TargetName=").count(), 40);
        assert_eq!(all.matches("TargetAddress=127.0.0.1:3260,1\0").count(), 40);
        // Nothing else is served here.
        let command = rig.command(512, 0);
        rig.pdu(&command.emit(0, 0), &[]);
        rig.expect_reject(RejectReason::ProtocolError, &command.emit(0, 0));
        rig.quiet();
        rig.advance(16);
        assert!(rig.is_closed(), "idle discovery sessions end");
    });
}

#[test]
fn text_that_breaks_the_rules() {
    both(|rig| {
        rig.login("");
        let pdu = text(rig, Itt(50), Ttt::RESERVED, true, true, "SendTargets=\0");
        rig.expect_reject(RejectReason::InvalidField, &pdu.emit(13));
        // What is rejected was not received: its number is still expected (RFC 7143 §7.3).
        let first = pdu.cmd_sn;
        rig.cmd_sn = first;
        let pdu = text(rig, Itt(50), Ttt(5), true, false, "SendTargets=\0");
        rig.expect_reject(RejectReason::InvalidField, &pdu.emit(13));
        rig.cmd_sn = first;
        let pdu = text(rig, Itt::RESERVED, Ttt::RESERVED, true, false, "SendTargets=\0");
        rig.expect_reject(RejectReason::InvalidField, &pdu.emit(13));
        rig.cmd_sn = first;
        let pdu = text(rig, Itt(50), Ttt::RESERVED, true, false, "no pair");
        rig.expect_reject(RejectReason::ProtocolError, &pdu.emit(7));
        // One that comes early is rejected when its turn comes.
        rig.cmd_sn = first.plus(1);
        let early = text(rig, Itt(51), Ttt::RESERVED, true, false, "no pair");
        rig.quiet();
        rig.cmd_sn = first;
        text(rig, Itt(50), Ttt::RESERVED, true, false, "SendTargets=\0X-foo=1\0");
        let (response, answer) = text_response(rig);
        assert!(response.last);
        assert!(answer.contains(TARGET) && answer.contains("X-foo=NotUnderstood"), "{answer}");
        rig.expect_reject(RejectReason::ProtocolError, &early.emit(7));
        rig.quiet();
        // A text that ends badly leaves what was agreed on before, and its exchange where it was.
        text(rig, Itt(50), Ttt::RESERVED, false, true, "X-a=1\0");
        let ttt = text_response(rig).0.ttt;
        let pdu = text(rig, Itt(50), ttt, true, false, "X-b");
        rig.expect_reject(RejectReason::ProtocolError, &pdu.emit(3));
        rig.cmd_sn = pdu.cmd_sn;
        text(rig, Itt(50), ttt, true, false, "X-c=1\0");
        assert_eq!(text_response(rig).1, "X-a=NotUnderstood\0X-c=NotUnderstood\0");
        // Without an end.
        let part = "x".repeat(8000);
        let mut ttt = Ttt::RESERVED;
        for _ in 0..8 {
            text(rig, Itt(50), ttt, false, true, &part);
            ttt = text_response(rig).0.ttt;
        }
        text(rig, Itt(50), ttt, false, true, &part);
        assert!(rig.is_closed());
        rig.noticed("text of more than");
    });
}

fn nop_out(rig: &mut Rig, immediate: bool, itt: Itt, ttt: Ttt) -> NopOut {
    let cmd_sn = if immediate { rig.cmd_sn } else { rig.take_cmd_sn() };
    NopOut { immediate, lun: LUN, itt, ttt, cmd_sn, exp_stat_sn: StatSn(0) }
}

#[test]
fn pings_of_the_initiator_are_answered_in_order() {
    both(|rig| {
        rig.login("MaxRecvDataSegmentLength=512");
        let ping = nop_out(rig, false, Itt(60), Ttt::RESERVED);
        rig.pdu(&ping.emit(5), b"hello");
        let Got { pdu: Response::NopIn(nop), data } = rig.next() else { panic!() };
        assert_eq!((nop.itt, nop.ttt, &data[..]), (Itt(60), Ttt::RESERVED, &b"hello"[..]));
        // No more comes back than the initiator takes.
        let ping = nop_out(rig, true, Itt(61), Ttt::RESERVED);
        rig.pdu(&ping.emit(1000), &pattern(1000));
        assert_eq!(rig.next().data, pattern(512));
        let early = rig.command(512, 0);
        let ping = nop_out(rig, false, Itt(62), Ttt::RESERVED);
        rig.pdu(&ping.emit(0), &[]);
        rig.quiet();
        rig.pdu(&early.emit(0, 0), &[]);
        assert!(matches!(rig.next().pdu, Response::NopIn(NopIn { itt: Itt(62), .. })));
        let odd = NopOut { itt: Itt::RESERVED, ..ping };
        rig.pdu(&odd.emit(0), &[]);
        rig.expect_reject(RejectReason::InvalidField, &odd.emit(0));
    });
}

#[test]
fn a_silent_initiator_is_pinged_and_then_dropped() {
    both(|rig| {
        rig.login("");
        rig.advance(14);
        rig.nothing();
        rig.advance(1);
        let Got { pdu: Response::NopIn(ping), .. } = rig.next() else { panic!() };
        assert_eq!(ping.itt, Itt::RESERVED);
        let stat_sn = ping.counters.stat_sn;
        let answer = nop_out(rig, true, Itt::RESERVED, ping.ttt);
        rig.pdu(&answer.emit(0), &[]);
        rig.quiet();
        rig.advance(15);
        let Got { pdu: Response::NopIn(again), .. } = rig.next() else { panic!() };
        assert!(again.ttt != ping.ttt && again.counters.stat_sn == stat_sn, "a ping of ours has no StatSN");
        rig.advance(29);
        assert!(!rig.is_closed());
        rig.advance(1);
        assert!(rig.is_closed());
        rig.noticed("does not answer pings");
    });
}

#[test]
fn a_login_has_to_end_in_time() {
    both(|rig| {
        rig.bytes(&[0x43]);
        rig.advance(14);
        assert!(!rig.is_closed());
        rig.advance(1);
        assert!(rig.is_closed());
    });
}

fn logout(rig: &mut Rig, reason: LogoutReason, cid: u16) -> LogoutResponse {
    let cmd_sn = rig.take_cmd_sn();
    let pdu = LogoutRequest { immediate: false, reason, itt: Itt(70), cid, cmd_sn, exp_stat_sn: StatSn(0) };
    rig.pdu(&pdu.emit(), &[]);
    match rig.next().pdu {
        Response::Logout(response) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn logging_out() {
    both(|rig| {
        rig.login("");
        let cmd_sn = rig.cmd_sn;
        let reason = LogoutReason::Other(3);
        let pdu = LogoutRequest { immediate: false, reason, itt: Itt(70), cid: 9, cmd_sn, exp_stat_sn: StatSn(0) };
        rig.pdu(&pdu.emit(), &[]);
        rig.expect_reject(RejectReason::InvalidField, &pdu.emit());
        let result = logout(rig, LogoutReason::RemoveForRecovery, 9).result;
        assert_eq!(result, LogoutResult::RecoveryNotSupported);
        assert_eq!(logout(rig, LogoutReason::CloseConnection, 8).result, LogoutResult::NoSuchConnection);
        rig.quiet();
        let itt = rig.read(512);
        assert_eq!(logout(rig, LogoutReason::CloseConnection, 9).result, LogoutResult::Closed);
        assert!(matches!(rig.event(), Event::LoggedOut));
        assert!(rig.connection().is_ended() && rig.is_closed());
        // Whatever comes now, nothing comes of it.
        rig.good(itt, 512);
        let command = rig.command(512, 0);
        rig.pdu(&command.emit(0, 0), &[]);
        rig.quiet();
    });
    both(|rig| {
        rig.discovery("");
        assert_eq!(logout(rig, LogoutReason::CloseSession, 0).result, LogoutResult::Closed);
        assert!(rig.is_closed());
    });
}

#[test]
fn a_kicked_initiator_is_asked_first() {
    both(|rig| {
        rig.login("DefaultTime2Wait=2 DefaultTime2Retain=0");
        rig.call(|connection, _| connection.close(CloseReason::Kicked));
        let Got { pdu: Response::AsyncMessage(message), .. } = rig.next() else { panic!() };
        assert_eq!((message.event, message.parameters), (AsyncEvent::LogoutRequest, [0, 0, 5]));
        assert!(!rig.is_closed());
        rig.advance(5);
        let Got { pdu: Response::AsyncMessage(message), .. } = rig.next() else { panic!() };
        assert_eq!((message.event, message.parameters), (AsyncEvent::SessionDropped, [0, 2, 0]));
        assert!(rig.is_closed());
    });
    both(|rig| {
        rig.login("");
        rig.call(|connection, _| connection.close(CloseReason::Kicked));
        rig.next();
        rig.call(|connection, _| connection.close(CloseReason::Kicked));
        rig.nothing();
        assert_eq!(logout(rig, LogoutReason::CloseSession, 0).result, LogoutResult::Closed);
        assert!(rig.is_closed());
    });
}

#[test]
fn other_ends() {
    both(|rig| {
        rig.login("");
        rig.call(|connection, _| connection.close(CloseReason::Shutdown));
        assert!(!rig.connection().is_closed() && rig.connection().is_ended(), "the last word goes out first");
        assert!(matches!(rig.next().pdu, Response::AsyncMessage(_)));
        assert!(rig.is_closed());
    });
    both(|rig| {
        rig.login("");
        let itt = rig.read(512);
        rig.call(|connection, _| connection.close(CloseReason::Reinstated));
        assert!(rig.connection().is_closed());
        rig.good(itt, 512);
        rig.quiet();
    });
    both(|rig| {
        rig.login("");
        let command = rig.command(0, 8192);
        rig.deliver(&command, &pattern(4096));
        let wire = rig.command(0, 4096).emit(0, 4096);
        rig.bytes(&wire);
        rig.call(|connection, _| connection.disconnected());
        rig.poll();
        assert!(rig.connection().is_closed());
        rig.noticed("within a PDU");
        rig.collect(command.itt, 0, 8192);
        rig.quiet();
    });
    both(|rig| {
        rig.login("");
        rig.call(|connection, _| connection.close(CloseReason::Shutdown));
        // A peer that does not take the last word does not keep us.
        rig.advance(5);
        assert_eq!(rig.connection().info().phase, Phase::Closed);
        rig.nothing();
    });
}

#[test]
fn an_idle_session_is_small() {
    let mut rig = Rig::new(false, Options::default());
    rig.login("");
    for _ in 0..100 {
        let itt = rig.read(4096);
        rig.send(itt, 0, &pattern(4096));
        rig.good(itt, 4096);
        rig.next();
    }
    assert_eq!(rig.arena.usage().2, 0, "no payload");
    assert!(std::mem::size_of::<crate::iscsi::Connection>() < 2048);
}

/// RFC 7143 §6.2: a value that cannot be taken is rejected and the login goes on with what was in force.
#[test]
fn a_rejected_value_does_not_end_a_login() {
    both(|rig| {
        let keys = "HeaderDigest=SHA256 MaxBurstLength=511 TaskReporting=FastAbort OFMarkInt=2048";
        let request = rig.login_request();
        let text = format!("InitiatorName=iqn.test TargetName={TARGET} {keys} ").replace(' ', "\0");
        rig.pdu(&request.emit(text.len()), text.as_bytes());
        rig.event();
        rig.call(|connection, cx| connection.admit(cx, Ok(5)));
        let Got { pdu: Response::Login(_), data } = rig.next() else { panic!() };
        let said = String::from_utf8(data).unwrap().replace('\0', " ");
        let answers = "HeaderDigest=Reject MaxBurstLength=Reject TaskReporting=Reject OFMarkInt=Reject";
        assert!(said.contains(answers), "{said}");
        let negotiated = &rig.connection().info().negotiated;
        assert_eq!((negotiated.header_digest.name(), negotiated.max_burst_length), ("None", 262_144));
        rig.noticed("HeaderDigest: of \"SHA256\" we can do nothing, only None or CRC32C; rejected (RFC 7143 §6.2)");
    });
}

/// What an initiator is not told is told to the people who run the target.
#[test]
fn more_targets_than_an_answer_holds() {
    let options = || Options { targets: 15_000, ..Options::default() };
    both_with(options, |rig| {
        rig.discovery("MaxRecvDataSegmentLength=16777215");
        text(rig, Itt(50), Ttt::RESERVED, true, false, "SendTargets=All\0");
        let (response, answer) = text_response(rig);
        assert!(response.last);
        let named = answer.matches("TargetName=").count();
        assert!((10_000..15_000).contains(&named));
        rig.noticed(&format!("is not told of {} targets", 15_000 - named));
    });
}
