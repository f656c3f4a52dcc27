//! Data in every shape the protocol has for it, compared byte by byte.

use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, cdb};

use super::{SOON, bytes};

#[test]
fn every_shape_of_data_with_and_without_digests() {
    let daemon = Daemon::memory();
    for initial_r2t in ["Yes", "No"] {
        for immediate in ["Yes", "No"] {
            for (header, data) in [("None", "None"), ("CRC32C", "None"), ("None", "CRC32C"), ("CRC32C", "CRC32C")] {
                let login = (daemon.login())
                    .key("InitialR2T", initial_r2t)
                    .key("ImmediateData", immediate)
                    .key("HeaderDigest", header)
                    .key("DataDigest", data)
                    .key("FirstBurstLength", "16384")
                    .key("MaxBurstLength", "65536")
                    .key("MaxRecvDataSegmentLength", "8192");
                let name = format!("InitialR2T={initial_r2t} ImmediateData={immediate} {header} {data}");
                let mut session = daemon.session_of(&login).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(session.agreed.initial_r2t, initial_r2t == "Yes", "{name}");
                assert_eq!(session.agreed.immediate_data, immediate == "Yes", "{name}");
                assert_eq!((session.header_digest, session.data_digest), (header != "None", data != "None"));
                assert_eq!((session.agreed.first_burst, session.agreed.max_burst), (16384, 65536), "{name}");
                for (n, len) in [512, 4096, 8192, 16384, 16896, 65536, 66048, 300_032].into_iter().enumerate() {
                    let payload = bytes(len, n as u64 + 7);
                    let written =
                        session.write10(0, 100, &payload, 512).unwrap_or_else(|e| panic!("{name} {len}: {e}"));
                    let solicited = written.r2ts > 0;
                    written.good().unwrap();
                    // What fits unsolicited needs no R2T; without InitialR2T=No only immediate data is unsolicited.
                    if initial_r2t == "No" && len <= 16384 {
                        assert!(!solicited, "{name}: an R2T for {len} bytes");
                    }
                    let read =
                        session.read10(0, 100, (len / 512) as u16, 512).unwrap_or_else(|e| panic!("{name} {len}: {e}"));
                    assert!(read.phase_collapse, "{name}: GOOD should ride on the last Data-In");
                    assert!(read.good().unwrap() == payload, "{name}: {len} bytes differ");
                }
                assert_eq!(session.logout().unwrap(), 0);
            }
        }
    }
}

#[test]
fn shapes_chosen_by_the_initiator() {
    let daemon = Daemon::memory();
    let mut session = daemon.session_of(&daemon.login().key("FirstBurstLength", "65536")).unwrap();
    // (immediate, unsolicited, bytes per Data-Out) of 128 KiB: the rest by R2T, pieces of any size.
    for (now, later, piece) in [
        (0, 0, usize::MAX),
        (512, 0, usize::MAX),
        (0, 65536, 4096),
        (1, 65535, 1000),
        (4096, 12288, 3),
        (65536, 0, usize::MAX),
        (511, 65025, 8192),
    ] {
        let payload = bytes(if piece < 10 { 16384 } else { 131_072 }, now as u64 ^ 99);
        let mut command = Command::new(0, &cdb::write10(3, (payload.len() / 512) as u16, false)).writes(&payload);
        command.immediate_data = Some(now);
        command.unsolicited = Some(later);
        command.piece = piece;
        session.run(&command).unwrap_or_else(|e| panic!("{now} {later} {piece}: {e}")).good().unwrap();
        let back = session.read10(0, 3, (payload.len() / 512) as u16, 512).unwrap().good().unwrap();
        assert!(back == payload, "{now} {later} {piece}");
    }
    // Unsolicited PDUs that do not fill the first burst are an incorrect amount of data (RFC 7143 §11.4.7.2).
    let payload = bytes(131_072, 5);
    let mut command = Command::new(0, &cdb::write10(3, 256, false)).writes(&payload);
    (command.immediate_data, command.unsolicited) = (Some(511), Some(2));
    let outcome = session.run(&command).unwrap();
    assert_eq!((outcome.status, outcome.sense[2], &outcome.sense[12..14]), (2, 0x0b, &[0x0c, 0x0d][..]), "{outcome:?}");
}

#[test]
fn several_r2ts_at_a_time() {
    let daemon = Daemon::memory();
    let login = (daemon.login())
        .key("MaxOutstandingR2T", "4")
        .key("MaxBurstLength", "32768")
        .key("FirstBurstLength", "512")
        .key("ImmediateData", "No")
        .key("InitialR2T", "Yes");
    let mut session = daemon.session_of(&login).unwrap();
    assert!(session.agreed.max_outstanding_r2t > 1, "MaxOutstandingR2T is offered: {:?}", session.keys);
    let limit = session.agreed.max_outstanding_r2t;
    let payload = bytes(512 * 1024, 5);
    let command = Command::new(0, &cdb::write10(64, 1024, false)).writes(&payload);
    session.answer_r2t = false;
    let itt = session.start(&command).unwrap();
    let mut most = 0;
    let mut answered = 0;
    while !session.is_done(itt) {
        let wanted = if answered == 0 { 2 } else { 1 };
        while session.r2ts.len() < wanted && !session.is_done(itt) {
            assert!(session.step(Instant::now() + SOON).unwrap().is_none());
        }
        most = most.max(session.r2ts.len());
        assert!(session.r2ts.len() <= limit);
        if session.r2ts.is_empty() {
            break;
        }
        // Data answers the R2Ts in the order in which they came (DataSequenceInOrder=Yes).
        let r2t = session.r2ts.remove(0);
        session.answer(&r2t).unwrap();
        answered += 1;
    }
    session.wait(itt).unwrap().good().unwrap();
    assert!(most >= 2, "never more than one R2T outstanding");
    assert_eq!(answered, 16);
    assert!(session.read10(0, 64, 1024, 512).unwrap().good().unwrap() == payload);
}

#[test]
fn many_commands_in_flight_keep_their_data_apart() {
    let daemon = Daemon::memory();
    let mut session = daemon.session_of(&daemon.login().digests()).unwrap();
    for round in 0..20u64 {
        let room = session.window().min(64);
        assert!(room >= 1);
        let mut tags = Vec::new();
        for n in 0..room {
            let payload = bytes(8192, round * 1000 + u64::from(n));
            let command = Command::new(0, &cdb::write10(n * 16, 16, false)).writes(&payload);
            tags.push(session.start(&command).unwrap());
        }
        for tag in tags {
            session.wait(tag).unwrap().good().unwrap();
        }
        let mut tags = Vec::new();
        for n in 0..session.window().min(room) {
            let command = Command::new(0, &cdb::read10(n * 16, 16)).reads(8192);
            tags.push((n, session.start(&command).unwrap()));
        }
        for (n, tag) in tags {
            let data = session.wait(tag).unwrap().good().unwrap();
            assert!(data == bytes(8192, round * 1000 + u64::from(n)), "round {round}, command {n}");
        }
    }
    assert!(session.window() >= 32, "the window grows with use: {}", session.window());
}

#[test]
fn a_slow_reader_gets_all_its_data() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    let payload = bytes(1 << 20, 3);
    session.write10(0, 0, &payload, 512).unwrap().good().unwrap();
    let tags: Vec<u32> = (0..session.window().min(16))
        .map(|_| session.start(&Command::new(0, &cdb::read10(0, 2048)).reads(1 << 20)).unwrap())
        .collect();
    // Far more than a socket holds waits in the target meanwhile.
    std::thread::sleep(Duration::from_millis(300));
    for tag in tags {
        assert!(session.wait(tag).unwrap().good().unwrap() == payload);
    }
    assert_eq!(session.ping(&bytes(1000, 1)).unwrap(), bytes(1000, 1));
}
