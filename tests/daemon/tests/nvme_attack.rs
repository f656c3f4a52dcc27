//! Bytes over NVMe/TCP from people who do not mean well: a C2HTermReq or the end, a bounded wait, and nobody else notices.
//! Tests that are named for a CVE show what other targets fell for.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::host::pdu::{Pdu, fatal, kind, reseal};
use mainstay_testkit::host::{Cid, Connection, Data, Entry, Error, Host, Raw, Setup, Sgl, Status, command};
use mainstay_testkit::process;

use super::nvme_connect::{configured, refused};
use super::nvme_data::works;
use super::{SOON, bytes};

/// An admin queue that is connected, PDU by PDU.
fn admin(daemon: &Daemon, digests: bool) -> Raw {
    let host = daemon.host().named("nqn.2026-11.internal.mainstay.test:attacker");
    Raw::connected(daemon.namespace().portal, digests, &host.connect).unwrap().0
}

/// An I/O queue of a controller that is ready, PDU by PDU; the admin queue must live as long.
fn io(daemon: &Daemon, digests: bool) -> (Connection, Raw) {
    let host = daemon.host().named("nqn.2026-11.internal.mainstay.test:attacker").digests(digests, digests);
    let mut controller = daemon.controller_of(&host);
    (controller.admin, controller.io.remove(0).into_raw())
}

/// A command capsule without data inside.
fn capsule(entry: Entry, cid: u16, len: u32) -> Pdu {
    let mut entry = entry;
    entry.0[2..4].copy_from_slice(&cid.to_le_bytes());
    entry.set_sgl(Sgl::Transport { len });
    Pdu::capsule(&entry.0, &[])
}

/// The connection ends for this reason; a field of none stands for any.
#[track_caller]
fn ends(raw: &mut Raw, what: &str, status: u16, info: Option<u32>) {
    match raw.refused(SOON) {
        Ok(Some((told, field))) if told == status && info.is_none_or(|info| info == field) => {}
        other => panic!("{what}: {other:?} where C2HTermReq {status} {info:?} is due"),
    }
}

#[test]
fn garbage_before_anything_else() {
    let mut daemon = Daemon::memory();
    let portal = daemon.namespace().portal;
    let mut bystander = daemon.controller();
    let mut cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: storage\r\n\r\n".to_vec(),
        vec![0; 128],
        vec![0xff; 128],
        vec![0xff; 100_000],
        // An iSCSI login.
        [&[0x43, 0x87][..], &[0; 46]].concat(),
    ];
    cases.extend((0..20).map(|seed| bytes(128 + seed as usize * 97, seed + 500)));
    // Each type first, with the lengths of ICReq and with its own.
    for first in 1..=20u8 {
        let mut pdu = Pdu::ic_req(0, 0, 0, 1).encode(false, false, 0);
        pdu[0] = first;
        cases.push(pdu);
        cases.push(Pdu::new(first, &[0; 16]).encode(false, false, 0));
    }
    for (n, case) in cases.iter().enumerate() {
        let mut raw = Raw::connect(portal).unwrap();
        let _ = raw.send_bytes(case);
        raw.refused(SOON).unwrap_or_else(|why| panic!("case {n}: {why}"));
    }
    works(&mut bystander);
    daemon.assert_alive();
}

/// CVE-2023-5178: a queue whose initialisation failed was freed twice.
#[test]
fn cve_2023_5178_initialisation_that_fails() {
    let mut daemon = Daemon::memory();
    let portal = daemon.namespace().portal;
    let good = Pdu::ic_req(0, 0, 3, 1);
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, Spoil); 9] = [
        ("HLEN", |pdu| pdu[2] = 127),
        ("HLEN of nothing", |pdu| pdu[2] = 0),
        ("PLEN", |pdu| pdu[4] = 129),
        ("PLEN of nothing", |pdu| pdu[4..8].fill(0)),
        ("PLEN of everything", |pdu| pdu[4..8].fill(0xff)),
        ("PFV", |pdu| pdu[8] = 9),
        ("HPDA", |pdu| pdu[10] = 32),
        ("flags of digests", |pdu| pdu[1] = 3),
        ("twice", |pdu| pdu.extend_from_within(..)),
    ];
    for _ in 0..5 {
        for (name, spoil) in &cases {
            let mut bytes = good.encode(false, false, 0);
            spoil(&mut bytes);
            let mut raw = Raw::connect(portal).unwrap();
            let _ = raw.send_bytes(&bytes);
            raw.refused(SOON).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
        // Cut in the middle.
        let mut raw = Raw::connect(portal).unwrap();
        raw.send_bytes(&good.encode(false, false, 0)[..77]).unwrap();
    }
    works(&mut daemon.controller());
    daemon.assert_alive();
}

/// CVE-2023-6536, CVE-2023-6535 and CVE-2023-6356: PDUs in an order that nobody had thought of, before anybody was known.
#[test]
fn cve_2023_6536_pdus_out_of_order() {
    let mut daemon = Daemon::memory();
    let portal = daemon.namespace().portal;
    // Before Connect: data for nothing, and every command but Connect.
    for pdu in [Pdu::h2c_data(0, 0, 0, &[1; 512]), Pdu::h2c_data(0xffff, 0xffff, u32::MAX, &[1; 4])] {
        for digests in [false, true] {
            let mut raw = Raw::open(portal, digests).unwrap();
            raw.send(&pdu).unwrap();
            assert!(raw.refused(SOON).unwrap().is_some(), "{pdu:?}");
        }
    }
    for entry in [command::identify(1, 0), command::read(1, 0, 1), command::property_get(0), command::keep_alive()] {
        let mut raw = Raw::open(portal, false).unwrap();
        raw.send(&capsule(entry, 1, 0)).unwrap();
        let answered = raw.receive();
        if let Ok(pdu) = answered {
            assert!(pdu.kind == kind::C2H_TERM_REQ || pdu.kind == kind::CAPSULE_RESP && pdu.u16(22) != 0, "{pdu:?}");
        }
    }
    // Connect whose data is not all there, and Connect twice.
    let connect = daemon.host().connect;
    let mut raw = Raw::open(portal, false).unwrap();
    let mut entry = connect.entry();
    entry.set_sgl(Sgl::InCapsule { offset: 0, len: 1024 });
    raw.send(&Pdu::capsule(&entry.0, &connect.data()[..1000])).unwrap();
    let answer = raw.receive();
    assert!(!matches!(&answer, Ok(pdu) if pdu.kind == kind::CAPSULE_RESP && pdu.u16(22) == 0), "{answer:?}");
    let mut raw = Raw::connected(portal, false, &connect).unwrap().0;
    let mut entry = connect.entry();
    entry.set_sgl(Sgl::InCapsule { offset: 0, len: 1024 });
    raw.send(&Pdu::capsule(&entry.0, &connect.data())).unwrap();
    let answer = raw.receive().unwrap();
    assert!(
        answer.kind == kind::CAPSULE_RESP && answer.u16(22) != 0,
        "Connect on a queue that is connected: {answer:?}"
    );
    // What a controller sends, from a host.
    for kind in [kind::IC_RESP, kind::C2H_TERM_REQ, kind::CAPSULE_RESP, kind::C2H_DATA, kind::R2T] {
        let mut raw = admin(&daemon, false);
        let head = if kind == kind::IC_RESP { 120 } else { 16 };
        raw.send(&Pdu::new(kind, &vec![0; head])).unwrap();
        assert!(raw.refused(SOON).unwrap().is_some(), "{kind:#x}");
    }
    let mut raw = admin(&daemon, false);
    raw.send(&Pdu::ic_req(0, 0, 0, 1)).unwrap();
    ends(&mut raw, "a second ICReq", fatal::SEQUENCE, None);
    let mut raw = admin(&daemon, false);
    raw.send(&Pdu::term_req(fatal::SEQUENCE, 0, &[5; 24])).unwrap();
    assert_eq!(raw.refused(SOON).unwrap(), None, "a TermReq is not answered by another");
    works(&mut daemon.controller());
    daemon.assert_alive();
}

/// CVE-2026-22998: H2CData for a command that had not been set up, with tags and offsets that were not checked.
#[test]
fn cve_2026_22998_data_that_nobody_asked_for() {
    let mut daemon = Daemon::memory();
    let mut bystander = daemon.controller();
    let before = bytes(65536, 1);
    bystander.write(1, 0, &before, 512).unwrap();
    type Make = fn(&Pdu) -> Vec<Pdu>;
    // From an R2T for the first bytes of a write: what comes instead of its data.
    let cases: [(&str, Make); 8] = [
        ("another tag", |r2t| vec![Pdu::h2c_data(r2t.u16(8), r2t.u16(10) ^ 0x5555, 0, &[7; 512])]),
        ("another command", |r2t| vec![Pdu::h2c_data(r2t.u16(8) ^ 0x5555, r2t.u16(10), 0, &[7; 512])]),
        ("an offset ahead", |r2t| vec![Pdu::h2c_data(r2t.u16(8), r2t.u16(10), 512, &[7; 512])]),
        ("an offset beyond", |r2t| vec![Pdu::h2c_data(r2t.u16(8), r2t.u16(10), u32::MAX - 3, &[7; 512])]),
        ("more than was asked for", |r2t| {
            let len = r2t.u32(16) as usize + 4;
            vec![Pdu::h2c_data(r2t.u16(8), r2t.u16(10), 0, &vec![7; len])]
        }),
        ("twice", |r2t| {
            let mut first = Pdu::h2c_data(r2t.u16(8), r2t.u16(10), 0, &[7; 512]);
            first.flags = 0;
            vec![first.clone(), first]
        }),
        ("the last too early", |r2t| vec![Pdu::h2c_data(r2t.u16(8), r2t.u16(10), 0, &[7; 512])]),
        ("a length that is another", |r2t| {
            let mut pdu = Pdu::h2c_data(r2t.u16(8), r2t.u16(10), 0, &[7; 512]);
            pdu.set_u32(16, 513);
            vec![pdu]
        }),
    ];
    for digests in [false, true] {
        for (name, make) in &cases {
            let (_admin, mut raw) = io(&daemon, digests);
            raw.send(&capsule(command::write(1, 0, 128, false), 5, 65536)).unwrap();
            let r2t = raw.receive().unwrap();
            assert_eq!((r2t.kind, r2t.u16(8)), (kind::R2T, 5), "{r2t:?}");
            for pdu in make(&r2t) {
                // It may hang up in between.
                let _ = raw.send(&pdu);
            }
            assert!(raw.refused(SOON).unwrap().is_some(), "{name}, digests {digests}");
        }
        // An idle tag, and that of a command that has ended.
        let (_admin, mut raw) = io(&daemon, digests);
        raw.send(&Pdu::h2c_data(0, 0, 0, &[7; 512])).unwrap();
        assert!(raw.refused(SOON).unwrap().is_some());
        let (_admin, mut raw) = io(&daemon, digests);
        raw.send(&capsule(command::write(1, 0, 128, false), 5, 65536)).unwrap();
        let mut last = raw.receive().unwrap();
        loop {
            let (offset, len) = (last.u32(12) as usize, last.u32(16) as usize);
            raw.send(&Pdu::h2c_data(5, last.u16(10), offset as u32, &before[offset..offset + len])).unwrap();
            let next = raw.receive().unwrap();
            if next.kind == kind::CAPSULE_RESP {
                break;
            }
            last = next;
        }
        raw.send(&Pdu::h2c_data(5, last.u16(10), last.u32(12), &[7; 512])).unwrap();
        assert!(raw.refused(SOON).unwrap().is_some(), "data after the end");
    }
    assert!(bystander.read(1, 0, 128, 512).unwrap() == before, "nothing of it was written");
    daemon.assert_alive();
}

#[test]
fn lengths_and_offsets_of_headers() {
    let mut daemon = Daemon::memory();
    let mut bystander = daemon.controller();
    for digests in [false, true] {
        let mut entry = command::write(1, 0, 1, false);
        entry.set_sgl(Sgl::InCapsule { offset: 0, len: 512 });
        let good = Pdu::capsule(&entry.0, &[7; 512]);
        for (at, values) in [(2usize, &[0u8, 8, 71, 73, 255][..]), (3, &[1, 71, 73, 75, 255]), (1, &[0x55, 0x02])] {
            for value in values {
                let (_admin, mut raw) = io(&daemon, digests);
                let mut bytes = raw.encode(&good);
                if bytes[at] == *value {
                    continue;
                }
                bytes[at] = *value;
                if at == 3 {
                    reseal(&mut bytes);
                }
                let _ = raw.send_bytes(&bytes);
                assert!(raw.refused(SOON).unwrap().is_some(), "byte {at} is {value}, digests {digests}");
            }
        }
        let before = process::resident_bytes(daemon.pid());
        for plen in [0u32, 7, 71, 72 + 16384 + 512, 1 << 24, u32::MAX] {
            let (_admin, mut raw) = io(&daemon, digests);
            let mut bytes = raw.encode(&good);
            bytes[4..8].copy_from_slice(&plen.to_le_bytes());
            reseal(&mut bytes);
            let _ = raw.send_bytes(&bytes);
            let _ = raw.send_bytes(&[7; 20_000]);
            assert!(raw.refused(SOON).unwrap().is_some(), "PLEN {plen}, digests {digests}");
        }
        let after = process::resident_bytes(daemon.pid());
        assert!(after < before + (16 << 20), "{before} bytes became {after}");
    }
    works(&mut bystander);
    daemon.assert_alive();
}

#[test]
fn sgls_that_break_the_rules() {
    let mut daemon = Daemon::memory();
    let (_admin, mut raw) = io(&daemon, false);
    type Spoil = fn(&mut Entry);
    let cases: [(&str, Spoil); 7] = [
        ("PRPs", |entry| entry.0[1] = 0),
        ("a keyed data block", |entry| entry.0[39] = 0x40),
        ("a segment", |entry| entry.0[39] = 0x20),
        ("more than the capsule has", |entry| entry.set_sgl(Sgl::InCapsule { offset: 0, len: 1024 })),
        ("an offset", |entry| entry.set_sgl(Sgl::InCapsule { offset: 4096, len: 512 })),
        ("an offset without end", |entry| entry.set_sgl(Sgl::InCapsule { offset: u64::MAX - 511, len: 512 })),
        ("data inside of a read", |entry| entry.0[0] = command::io::READ),
    ];
    for (n, (name, spoil)) in cases.iter().enumerate() {
        let mut entry = command::write(1, 0, 1, false);
        entry.set_sgl(Sgl::InCapsule { offset: 0, len: 512 });
        spoil(&mut entry);
        entry.0[2] = n as u8;
        raw.send(&Pdu::capsule(&entry.0, &[7; 512])).unwrap();
        let answer = raw.receive().unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(answer.kind, kind::CAPSULE_RESP, "{name}: {answer:?}");
        assert!(answer.u16(20) == n as u16 && answer.u16(22) >> 1 != 0, "{name}: {answer:?}");
    }
    // More blocks than bytes, and fewer.
    for (blocks, len) in [(2, 512), (1, 1024), (65536, 512)] {
        let mut entry = command::write(1, 0, blocks, false);
        entry.set_sgl(Sgl::InCapsule { offset: 0, len });
        raw.send(&Pdu::capsule(&entry.0, &vec![7; len as usize])).unwrap();
        let answer = raw.receive().unwrap();
        assert!(answer.kind == kind::CAPSULE_RESP && answer.u16(22) >> 1 != 0, "{blocks} {len}: {answer:?}");
    }
    daemon.assert_alive();
}

#[test]
fn bad_digests() {
    let mut daemon = Daemon::memory();
    let mut bystander = daemon.controller();
    let good = bytes(512, 1);
    bystander.write(1, 0, &good, 512).unwrap();
    // Data of a capsule spoilt on the way: the command fails and may be tried again, the connection stays.
    let (_admin, mut raw) = io(&daemon, true);
    let mut entry = command::write(1, 0, 1, false);
    entry.set_sgl(Sgl::InCapsule { offset: 0, len: 512 });
    let mut spoilt = raw.encode(&Pdu::capsule(&entry.0, &bytes(512, 2)));
    let at = spoilt.len() - 100;
    spoilt[at] ^= 4;
    raw.send_bytes(&spoilt).unwrap();
    let answer = raw.receive().unwrap();
    assert_eq!(answer.kind, kind::CAPSULE_RESP);
    let status = Status::of_field(answer.u16(22));
    assert_eq!((status.kind, status.code), (0, 0x22), "Transient Transport Error: {status:?}");
    // So it is with data that was asked for.
    raw.send(&capsule(command::write(1, 0, 128, false), 6, 65536)).unwrap();
    let mut r2t = raw.receive().unwrap();
    let ended = loop {
        let mut bytes = raw.encode(&Pdu::h2c_data(6, r2t.u16(10), r2t.u32(12), &vec![7; r2t.u32(16) as usize]));
        let at = bytes.len() - 8;
        bytes[at] ^= 1;
        raw.send_bytes(&bytes).unwrap();
        let next = raw.receive().unwrap();
        if next.kind == kind::CAPSULE_RESP {
            break Status::of_field(next.u16(22));
        }
        r2t = next;
    };
    assert_eq!((ended.kind, ended.code), (0, 0x22), "{ended:?}");
    assert_eq!(bystander.read(1, 0, 1, 512).unwrap(), good, "nothing of it was written");
    // A header that cannot be trusted ends the connection.
    let mut spoilt = raw.encode(&capsule(command::flush(1), 7, 0));
    spoilt[20] ^= 1;
    raw.send_bytes(&spoilt).unwrap();
    ends(&mut raw, "a header digest", fatal::HEADER_DIGEST, None);
    works(&mut bystander);
    daemon.assert_alive();
}

/// CVE-2023-53116 and CVE-2022-48697: what ended and was aborted at the same time was used after it was freed.
#[test]
fn cve_2023_53116_aborts_race_completions() {
    let mut daemon = Daemon::memory();
    let mut controller = daemon.controller_of(&daemon.host().digests(true, true));
    let payload = bytes(65536, 3);
    for round in 0..60u64 {
        let io = &mut controller.io[0];
        let cids: Vec<Cid> = (0..16)
            .map(|n| match (round + n) % 3 {
                0 => io.start(command::read(1, n * 128, 128), Data::ToHost(65536)),
                1 => io.start(command::write(1, n * 128, 128, false), Data::ToController(payload.clone())),
                _ => io.start(command::flush(1), Data::Nothing),
            })
            .map(Result::unwrap)
            .collect();
        for cid in &cids {
            controller.abort(1, *cid).unwrap();
        }
        for cid in cids {
            let status = controller.io[0].wait(cid).unwrap().status();
            assert!(status.is_success() || status == Status::ABORT_REQUESTED, "{status:?}");
        }
        if round % 10 == 9 {
            // The queue goes in the middle of it.
            for n in 0..16 {
                let data = Data::ToController(payload.clone());
                controller.io[0].start(command::write(1, n * 128, 128, false), data).unwrap();
            }
            drop(controller);
            controller = daemon.controller_of(&daemon.host().digests(true, true));
        }
    }
    works(&mut controller);
    daemon.assert_alive();
}

/// The class of CVE-2020-28374 and CVE-2021-3139: a copy reached volumes that its sender could not see.
#[test]
fn cve_2020_28374_copy_stays_among_what_the_host_sees() {
    let daemon = configured("", "", "hosts = [\"nqn.2026-11.internal.mainstay.test:friend\"]").start();
    let mut friend = daemon.controller_of(&daemon.host().named("nqn.2026-11.internal.mainstay.test:friend"));
    let secret = bytes(4096, 1);
    friend.write(1, 0, &secret, 512).unwrap();
    let mut other = daemon.controller();
    for format in 0..4 {
        refused(other.copy(1, 8, &[(0, 8)], format), Status::INVALID_NAMESPACE);
    }
    assert!(friend.read(1, 8, 8, 512).unwrap() == [0; 4096]);
}

/// The class of CVE-2014-4027: memory that nobody had cleared was given away.
#[test]
fn cve_2014_4027_nothing_of_others_is_in_what_is_read() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller();
    let secret = [0xa7; 65536];
    controller.write(1, 0, &secret, 512).unwrap();
    let marks = |data: &[u8]| data.windows(8).filter(|window| *window == [0xa7; 8]).count();
    assert_eq!(marks(&controller.read(1, 4096, 128, 512).unwrap()), 0, "what was never written is zero");
    for cns in 0..=0x20u8 {
        for nsid in [0, 1, 0xffff_ffff] {
            let data = controller.admin.run(command::identify(cns, nsid), Data::ToHost(4096)).unwrap().data;
            assert_eq!(marks(&data), 0, "CNS {cns:#x}");
        }
    }
    for page in 0..=0xffu8 {
        let entry = command::get_log_page(page, 0xffff_ffff, 0, 16384, false);
        let data = controller.admin.run(entry, Data::ToHost(16384)).unwrap().data;
        assert_eq!(marks(&data), 0, "log page {page:#x}");
    }
    works(&mut controller);
}

#[test]
fn every_opcode_and_every_feature_is_answered() {
    let mut daemon = Daemon::memory();
    let mut controller = daemon.controller();
    for opcode in 0..=0xffu8 {
        for dwords in [[0; 6], [u32::MAX; 6], [1, 0, 0x8000_0000, 7, 0, 1]] {
            let mut entry = command::flush(1);
            entry.0[0] = opcode;
            for (n, value) in dwords.into_iter().enumerate() {
                entry.set_dword(10 + n, value);
            }
            let data = || match opcode & 3 {
                1 => Data::ToController(vec![0x5a; 4096]),
                2 => Data::ToHost(4096),
                _ => Data::Nothing,
            };
            // An asynchronous event request is answered when there is an event; a Fabrics command may end the controller.
            if opcode != 0x0c && opcode != 0x7f {
                controller.admin.run(entry, data()).unwrap_or_else(|why| panic!("admin {opcode:#x}: {why}"));
            }
            if opcode != 0x7f {
                controller.io[0].run(entry, data()).unwrap_or_else(|why| panic!("I/O {opcode:#x}: {why}"));
            }
        }
    }
    for feature in 0..=0xffu8 {
        for select in 0..8 {
            let entry = command::get_features(feature, select, u32::MAX);
            controller.admin.run(entry, Data::ToHost(4096)).unwrap_or_else(|why| panic!("feature {feature:#x}: {why}"));
        }
    }
    daemon.assert_alive();
    works(&mut daemon.controller_of(&daemon.host().named("nqn.2026-11.internal.mainstay.test:after")));
}

#[test]
fn half_open_connections_are_few_and_short() {
    let daemon = configured("", "", "[limits]\nlogins = 8\nlogin_timeout = \"1 s\"").start();
    let portal = daemon.namespace().portal;
    let mut bystander = daemon.controller();
    let before = process::descriptors(daemon.pid());
    let half = Pdu::ic_req(0, 0, 0, 1).encode(false, false, 0);
    let mut open: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(portal).unwrap()).collect();
    for (n, stream) in open.iter_mut().enumerate() {
        let _ = stream.write_all(&half[..[0, 7, 100, 128][n % 4]]);
    }
    works(&mut bystander);
    let now = process::descriptors(daemon.pid());
    assert!(now <= before + 8 + 4, "{now} descriptors, {before} before");
    works(&mut daemon.controller_of(&daemon.host().named("nqn.2026-11.internal.mainstay.test:another")));
    drop(open);
}

#[test]
fn more_commands_than_the_queue_has() {
    let mut daemon = Daemon::memory();
    let (_admin, mut raw) = io(&daemon, false);
    // Writes whose data never comes, far more than 128.
    let mut flood = Vec::new();
    for cid in 0..400u16 {
        flood.extend(raw.encode(&capsule(command::write(1, 0, 128, false), cid, 65536)));
    }
    let _ = raw.send_bytes(&flood);
    let seen = raw.read_to_close(SOON).expect("it is not listened to for ever");
    assert!(seen.iter().filter(|pdu| pdu.kind == kind::R2T).count() <= 128, "{}", seen.len());
    // The same identifier twice.
    let (_admin, mut raw) = io(&daemon, false);
    for _ in 0..2 {
        raw.send(&capsule(command::write(1, 0, 128, false), 3, 65536)).unwrap();
    }
    let mut answers = Vec::new();
    raw.patience = Duration::from_secs(2);
    while let Ok(pdu) = raw.receive() {
        answers.push(pdu);
        if answers.iter().any(|pdu| pdu.kind != kind::R2T) {
            break;
        }
    }
    let conflict =
        answers.iter().any(|pdu| pdu.kind == kind::C2H_TERM_REQ || pdu.kind == kind::CAPSULE_RESP && pdu.u16(22) != 0);
    assert!(conflict, "{answers:?}");
    works(&mut daemon.controller());
    daemon.assert_alive();
}

/// Everybody collects what was promised and gives nothing back.
#[test]
fn hoarders_leave_room_for_others() {
    let mut daemon = configured("", "", "[limits]\nmemory = \"64 MiB\"").start();
    let mut hoarders = Vec::new();
    for n in 0..16 {
        let host = daemon.host().named(&format!("nqn.2026-11.internal.mainstay.test:hoarder-{n}")).hold_r2ts();
        let mut controller = daemon.controller_of(&host);
        for command in 0..64 {
            let data = Data::ToController(vec![n as u8; 1 << 20]);
            controller.io[0].start(command::write(1, command * 8, 2048, false), data).unwrap();
        }
        hoarders.push(controller);
    }
    works(&mut daemon.controller());
    assert!(process::resident_bytes(daemon.pid()) < 400 << 20);
    drop(hoarders);
    works(&mut daemon.controller());
    daemon.assert_alive();
}

/// What the daemon says of itself is that of a host that was refused.
#[test]
fn a_refusal_is_in_the_log() {
    let daemon = Daemon::memory();
    let portal: SocketAddr = daemon.namespace().portal;
    match Host::new("nqn.2026-11.internal.mainstay:nobody").connect(portal) {
        Err(Error::Status { .. }) => {}
        other => panic!("{:?}", other.map(|_| "a controller")),
    }
    daemon.wait_line(&["nobody"], SOON);
    let mut connection = Connection::open(portal, Setup::default()).unwrap();
    connection.stream().write_all(&[0xff; 100]).unwrap();
    daemon.wait_line(&["127.0.0.1:"], SOON);
}
