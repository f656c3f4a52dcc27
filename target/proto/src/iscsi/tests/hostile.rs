//! Peers that break rules, by mistake or on purpose.

use super::rig::*;
use crate::iscsi::Event;
use crate::iscsi::pdu::*;
use mainstay_base::sam::{Reply, Status};
use proptest::prelude::*;

/// Streams tried in each run.
const CASES: u32 = 200;

#[test]
fn garbage_before_login() {
    both(|rig| {
        rig.bytes(b"GET / HTTP/1.1\r\nHost: example\r\nUser-Agent: something long enough\r\n\r\n");
        rig.nothing();
        assert!(rig.is_closed());
        rig.noticed("where a login request belongs");
        assert!(rig.notices[0].contains("127.0.0.1:40000") && rig.notices[0].contains("RFC 7143 §6.3"));
    });
}

#[test]
fn anything_else_during_login() {
    both(|rig| {
        let request = LoginRequest { transit: false, more: true, ..rig.login_request() };
        rig.pdu(&request.emit(4), b"Init");
        rig.next();
        let command = rig.command(512, 0);
        rig.pdu(&command.emit(0, 0), &[]);
        let Got { pdu: Response::Login(response), .. } = rig.next() else { panic!() };
        assert_eq!(response.status, (2, 0x0b));
        assert!(rig.is_closed());
    });
}

#[test]
fn oversized_segments() {
    both(|rig| {
        let request = rig.login_request();
        rig.bytes(&request.emit(8193));
        assert!(rig.is_closed());
        rig.noticed("13.12");
    });
    both(|rig| {
        rig.login("");
        let command = rig.command(0, 1 << 20);
        rig.bytes(&command.emit(0, 262_145));
        assert!(rig.is_closed());
        rig.noticed("13.12");
    });
}

#[test]
fn a_bad_header_digest_ends_the_connection() {
    both(|rig| {
        rig.login("HeaderDigest=CRC32C");
        let command = rig.command(512, 0);
        let mut wire = rig.wire(&command.emit(0, 0), &[], &[]);
        wire[20] ^= 1;
        rig.bytes(&wire);
        rig.quiet();
        assert!(rig.is_closed());
        rig.noticed("7.7");
    });
}

#[test]
fn what_is_refused_by_name() {
    both(|rig| {
        rig.login("");
        let snack = Snack {
            kind: SnackType::Status,
            lun: LUN,
            itt: Itt::RESERVED,
            ttt: Ttt::RESERVED,
            exp_stat_sn: StatSn(0),
            first: 0,
            count: 0,
        };
        rig.pdu(&snack.emit(), &[]);
        rig.expect_reject(RejectReason::Snack, &snack.emit());
        let mut unknown = snack.emit();
        unknown[0] = 0x1d;
        rig.pdu(&unknown, &[]);
        rig.expect_reject(RejectReason::CommandNotSupported, &unknown);
        let command = ScsiCommand { attribute: Attribute::Reserved(6), ..rig.command(512, 0) };
        rig.pdu(&command.emit(0, 0), &[]);
        rig.expect_reject(RejectReason::InvalidField, &command.emit(0, 0));
        let command = ScsiCommand { itt: Itt::RESERVED, attribute: Attribute::Simple, ..command };
        rig.pdu(&command.emit(0, 0), &[]);
        rig.expect_reject(RejectReason::InvalidField, &command.emit(0, 0));
        let command = ScsiCommand { itt: Itt(5), last: false, ..command };
        rig.pdu(&command.emit(0, 0), &[]);
        rig.expect_reject(RejectReason::InvalidField, &command.emit(0, 0));
        // None of them took its number.
        let command = ScsiCommand { last: true, ..command };
        rig.deliver(&command, &[]);
        let request = rig.login_request();
        rig.pdu(&request.emit(0), &[]);
        rig.expect_reject(RejectReason::ProtocolError, &request.emit(0));
        assert!(rig.is_closed());
    });
}

#[test]
fn the_log_is_not_flooded() {
    both(|rig| {
        rig.login("");
        for _ in 0..200 {
            let mut unknown = [0; BHS_BYTES];
            unknown[0] = 0x1d;
            rig.pdu(&unknown, &[]);
        }
        assert_eq!(rig.notices.len(), 32);
        rig.noticed("no more is said");
    });
}

#[test]
fn output_that_nobody_takes_stops_the_input() {
    both(|rig| {
        rig.login("MaxRecvDataSegmentLength=65536");
        let mut sent = 0;
        while rig.connection().wants_input() {
            let pdu = NopOut {
                immediate: true,
                lun: LUN,
                itt: Itt(1),
                ttt: Ttt::RESERVED,
                cmd_sn: rig.cmd_sn,
                exp_stat_sn: StatSn(0),
            };
            let wire = rig.wire(&pdu.emit(60_000), &[], &pattern(60_000));
            // Without the rig's own draining.
            rig.call(|connection, cx| connection.receive(cx, &wire));
            sent += 1;
        }
        assert_eq!(sent, 2);
    });
}

/// An immediate ping that is given to the target without taking any of its output.
fn ping_unread(rig: &mut Rig, itt: Itt, ttt: Ttt, bytes: usize) {
    let pdu = NopOut { immediate: true, lun: LUN, itt, ttt, cmd_sn: rig.cmd_sn, exp_stat_sn: StatSn(0) };
    let wire = rig.wire(&pdu.emit(bytes), &[], &pattern(bytes));
    rig.call(|connection, cx| connection.receive(cx, &wire));
}

#[test]
fn a_peer_that_never_reads_is_cut_off() {
    both(|rig| {
        rig.login("");
        let itt = rig.read(4096);
        rig.send(itt, 0, &pattern(4096));
        rig.good(itt, 4096);
        // It talks on, so it is not silent, and nothing it says calls for an answer.
        for _ in 0..5 {
            ping_unread(rig, Itt::RESERVED, Ttt::RESERVED, 0);
            rig.advance(10);
            assert!(!rig.connection().is_closed());
        }
        ping_unread(rig, Itt::RESERVED, Ttt::RESERVED, 0);
        rig.advance(10);
        assert!(rig.connection().is_closed(), "{:?}", rig.connection().deadline());
        rig.noticed("takes nothing of what is sent to it");
        assert_eq!(rig.arena.usage().2, 0, "and frees what was meant for it");
    });
}

#[test]
fn a_peer_that_reads_slowly_is_not_called_silent() {
    both(|rig| {
        rig.login("MaxRecvDataSegmentLength=65536");
        for _ in 0..2 {
            ping_unread(rig, Itt(1), Ttt::RESERVED, 60_000);
        }
        // Nothing is read of it any more, so it cannot answer; it takes a little now and then.
        for _ in 0..10 {
            assert!(!rig.connection().wants_input());
            rig.advance(50);
            rig.call(|connection, cx| connection.sent(cx, 1000));
        }
        assert!(!rig.connection().is_ended());
        rig.call(|connection, cx| connection.sent(cx, 100_000));
        assert!(rig.connection().wants_input());
        // Now it has as long as everybody else.
        rig.advance(14);
        assert!(!rig.connection().is_ended());
        rig.advance(1);
        rig.advance(29);
        assert!(!rig.connection().is_ended());
        rig.advance(1);
        assert!(rig.connection().is_closed());
    });
}

#[test]
fn text_and_pings_ahead_of_their_turn_are_bounded() {
    both(|rig| {
        rig.login("MaxRecvDataSegmentLength=65536");
        rig.take_cmd_sn();
        for n in 0..3 {
            let cmd_sn = rig.take_cmd_sn();
            let ttt = Ttt::RESERVED;
            let pdu = NopOut { immediate: false, lun: LUN, itt: Itt(n), ttt, cmd_sn, exp_stat_sn: StatSn(0) };
            assert!(!rig.is_closed());
            rig.pdu(&pdu.emit(30_000), &pattern(30_000));
        }
        assert!(rig.is_closed(), "{:?}", rig.notices);
        rig.noticed("ahead");
    });
}

#[test]
fn every_opcode_and_flag_without_data() {
    for opcode in 0..=u8::MAX {
        for flags in [0x00, 0x20, 0x40, 0x60, 0x80, 0x87, 0xa1, 0xc0, 0xe0, 0xff] {
            for fill in [0x00, 0xff] {
                for logged_in in [false, true] {
                    let mut rig = Rig::new(false, Options::default());
                    if logged_in {
                        rig.login("InitialR2T=No");
                    }
                    let mut bhs = [fill; BHS_BYTES];
                    (bhs[0], bhs[1]) = (opcode, flags);
                    bhs[4..8].copy_from_slice(&[0; 4]);
                    bhs[24..28].copy_from_slice(&rig.cmd_sn.0.to_be_bytes());
                    rig.pdu(&bhs, &[]);
                    rig.pdu(&bhs, &[]);
                    while rig.try_next().is_some() {}
                }
            }
        }
    }
}

#[test]
fn sessions_that_claim_all_they_were_promised() {
    let arena = mainstay_base::arena::Arena::heap(8 << 20);
    let mut rigs = Vec::new();
    for _ in 0..200 {
        let mut rig = Rig::new(false, Options { budget: 4096, ..Options::default() });
        rig.arena = arena.clone();
        rig.login("");
        rigs.push(rig);
    }
    let (budget, promised, _) = arena.usage();
    assert!(promised <= budget / 2);
    // Each sends all its window allows, and never the rest of it.
    for rig in &mut rigs {
        for _ in 0..8 {
            let command = ScsiCommand { last: false, ..rig.command(0, 65536) };
            rig.pdu(&command.emit(0, 1024), &pattern(1024));
        }
    }
    let (budget, promised, used) = arena.usage();
    assert!(used <= budget && promised <= budget, "{used} of {budget}");
    // Whoever comes now is still answered.
    let mut rig = Rig::new(false, Options { budget: 4096, ..Options::default() });
    rig.arena = arena.clone();
    rig.login("");
    let command = rig.command(0, 4096);
    rig.pdu(&command.emit(0, 4096), &pattern(4096));
    match rig.events.pop_front() {
        Some(Event::Command(_)) => {}
        _ => assert_eq!(rig.expect_status(command.itt).status, Status::TaskSetFull as u8),
    }
    drop((rig, rigs));
    assert_eq!(arena.usage(), (budget, 0, 0));
}

/// A nexus that answers everything at once.
fn serve(rig: &mut Rig) {
    rig.poll();
    while let Some(event) = rig.events.pop_front() {
        match event {
            Event::Candidate(_) => rig.call(|connection, cx| connection.admit(cx, Ok(1))),
            Event::Command(command) if command.out_bytes > 0 => {
                let len = command.out_bytes.min(1 << 18);
                rig.call(|connection, cx| connection.collect(cx, command.itt, 0, len));
            }
            Event::Command(command) => rig.good(command.itt, command.in_bytes),
            Event::Data { itt, data, .. } => {
                let moved = data.len() as u32;
                drop(data);
                rig.good(itt, moved);
            }
            Event::Failed { itt, reply } => rig.call(|connection, cx| connection.finish(cx, itt, reply)),
            Event::TaskManagement(request) => {
                rig.call(|connection, _| connection.discard(request.referenced));
                rig.call(|connection, cx| connection.finish_tmf(cx, request.itt, TmfResponse::Complete));
            }
            Event::LoggedOut | Event::Refused { .. } | Event::Notice(_) => {}
        }
        rig.poll();
    }
    if rig.connection().starved() {
        let reply = Reply { status: Status::Busy, sense: Vec::new(), moved: 0 };
        rig.call(|connection, cx| connection.finish(cx, Itt(1), reply));
        rig.call(|connection, cx| connection.feed(cx));
    }
    rig.drain();
}

/// Headers that are nearly right: small tags, numbers near the window, lengths near the limits.
fn nearly() -> impl Strategy<Value = (Bhs, usize)> {
    let opcodes = prop::sample::select(vec![0x00, 0x01, 0x01, 0x02, 0x03, 0x04, 0x05, 0x05, 0x06, 0x10, 0x1f, 0x21]);
    let len = prop_oneof![Just(0usize), 0usize..600, Just(8192)];
    let numbers = (0u32..6, 0u32..12, 0u32..5, prop::sample::select(vec![0u32, 512, 1024, 8192, u32::MAX]));
    (opcodes, any::<bool>(), any::<u8>(), len, numbers, 0u32..4, 0u8..2).prop_map(
        |(opcode, immediate, flags, len, (tag, sn, ttt, offset), data_sn, ahs)| {
            let mut bhs = [0; BHS_BYTES];
            bhs[0] = opcode | u8::from(immediate) << 6;
            bhs[1] = flags;
            bhs[4] = ahs;
            bhs[5..8].copy_from_slice(&(len as u32).to_be_bytes()[1..]);
            bhs[16..20].copy_from_slice(&tag.to_be_bytes());
            let ttt = if ttt == 0 { u32::MAX } else { ttt };
            let word = if opcode == 1 { offset } else { ttt };
            bhs[20..24].copy_from_slice(&word.to_be_bytes());
            bhs[24..28].copy_from_slice(&u32::MAX.wrapping_add(sn).to_be_bytes());
            bhs[36..40].copy_from_slice(&data_sn.to_be_bytes());
            bhs[40..44].copy_from_slice(&offset.to_be_bytes());
            (bhs, len)
        },
    )
}

fn torment(rig: &mut Rig, pdus: &[(Bhs, usize)], r2t: bool, digests: bool, seconds: &[u64]) {
    let yes = if r2t { "Yes" } else { "No" };
    let digest = if digests { "CRC32C" } else { "None" };
    rig.login(&format!(
        "InitialR2T={yes} ImmediateData={yes} HeaderDigest={digest} DataDigest={digest} FirstBurstLength=8192"
    ));
    for (n, (bhs, len)) in pdus.iter().enumerate() {
        let ahs = vec![0; ahs_bytes(bhs)];
        let mut wire = rig.wire(bhs, &ahs, &pattern(*len));
        if n % 17 == 16 {
            let at = n % wire.len();
            wire[at] ^= 0x40;
        }
        rig.bytes(&wire);
        if n % 3 != 0 {
            serve(rig);
        }
    }
    serve(rig);
    for &by in seconds {
        rig.advance(by);
        serve(rig);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]
    #[test]
    fn nothing_panics_no_memory_is_lost_and_no_swap_shows(
        pdus in prop::collection::vec(nearly(), 1..60),
        r2t: bool,
        digests: bool,
        seconds in prop::collection::vec(0u64..40, 1..4),
    ) {
        let run = |swap| {
            let mut rig = Rig::new(swap, Options { budget: 512 * 1024, ..Options::default() });
            torment(&mut rig, &pdus, r2t, digests, &seconds);
            let (arena, transcript) = (rig.arena.clone(), std::mem::take(&mut rig.transcript));
            drop(rig);
            let (_, promised, used) = arena.usage();
            assert_eq!((promised, used), (0, 0));
            transcript
        };
        prop_assert_eq!(run(false), run(true));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), logged_in: bool) {
        let mut rig = Rig::new(false, Options::default());
        if logged_in {
            rig.login("");
        }
        rig.bytes(&bytes);
        serve(&mut rig);
    }
}
