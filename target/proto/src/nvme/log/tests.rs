//! Log pages, byte for byte, and the questions that have no answer.

use crate::host::command::get_log_page;
use crate::nvme::controller::{ErrorEntry, NOWHERE, Notice};
use crate::nvme::identify::tests::{HOST, Rig, data, dump};
use crate::nvme::{Aim, Cid, Controller, Entry, Status};
use mainstay_base::path::{Access, GroupId};
use mainstay_base::unit::VolumeId;
use proptest::prelude::*;

fn ask(controller: &mut Controller, rig: &mut Rig, lid: u8, nsid: u32, len: u32) -> Result<Vec<u8>, Status> {
    data(controller, rig, &get_log_page(lid, nsid, 0, len, false))
}

fn page(rig: &mut Rig, lid: u8, len: u32) -> Vec<u8> {
    let mut controller = rig.io();
    ask(&mut controller, rig, lid, u32::MAX, len).unwrap()
}

fn with(entry: Entry, dword: usize, bits: u32) -> Entry {
    let mut entry = entry;
    entry.set_dword(dword, entry.dword(dword) | bits);
    entry
}

#[test]
fn supported_pages() {
    let mut rig = Rig::new();
    let at = |lid: u32| format!("{} 01", 4 * lid);
    let io = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x09, 0x0c, 0x12, 0x13, 0x80].map(at);
    assert_eq!(dump(&page(&mut rig, 0x00, 1024)), io);
    let mut controller = rig.controller(Aim::Discovery, HOST, 2);
    let mut discovery = [0x00, 0x01, 0x05, 0x12, 0x13, 0x70].map(at).to_vec();
    // Extended entries, and those of one port.
    discovery.push("450 03".into());
    assert_eq!(dump(&ask(&mut controller, &mut rig, 0x00, 0, 1024).unwrap()), discovery);
}

#[test]
fn what_is_told_as_supported_is() {
    let mut rig = Rig::new();
    for aim in [Aim::Subsystem(0), Aim::Discovery] {
        let mut controller = rig.controller(aim, HOST, 0);
        let told = ask(&mut controller, &mut rig, 0x00, 0, 1024).unwrap();
        for lid in 0..=u8::MAX {
            let entry = with(get_log_page(lid, 0, 0, 64, false), 11, 1 << 16);
            let found = data(&mut controller, &mut rig, &entry);
            let there = told[4 * usize::from(lid)] & 1 != 0;
            assert_eq!(found.is_ok(), there, "{lid:#x}: {found:?}");
            assert!(there || found == Err(Status::INVALID_LOG_PAGE), "{lid:#x}");
        }
    }
}

#[test]
fn errors_newest_first() {
    let mut rig = Rig::new();
    let mut controller = rig.io();
    let error = |cid, lba| ErrorEntry {
        count: 0,
        sqid: 2,
        cid: Cid(cid),
        status: Status::LBA_OUT_OF_RANGE,
        location: NOWHERE,
        lba,
        nsid: 1,
    };
    controller.log_error(error(0x77, 0x1234));
    controller.log_error(error(0x78, 0));
    assert_eq!(
        dump(&ask(&mut controller, &mut rig, 0x01, 0, 4096).unwrap()),
        [
            "0 02",
            "8 02",
            "10 78",
            "13 81ffff",
            "24 01",
            "29 03",
            "64 01",
            "72 02",
            "74 77",
            "77 81ffff3412",
            "88 01",
            "93 03"
        ]
    );
    for cid in 0..100 {
        controller.log_error(error(cid, 0));
    }
    let full = ask(&mut controller, &mut rig, 0x01, 0, 4096).unwrap();
    assert_eq!((full[0], full[63 * 64]), (102, 39));
}

#[test]
fn health_of_all_and_of_one() {
    let mut rig = Rig::new();
    for (n, traffic) in rig.traffic.iter_mut().enumerate() {
        let n = n as u64 + 1;
        (traffic.reads, traffic.writes, traffic.errors) = (0x10 * n, 0x20 * n, n);
        (traffic.read_bytes, traffic.written_bytes) = (512_000 * n, 512_000 * n + 1);
    }
    let mut controller = rig.io();
    controller.notice(&rig.cx(), Notice::Health(0x06));
    assert_eq!(
        dump(&ask(&mut controller, &mut rig, 0x02, u32::MAX, 512).unwrap()),
        ["0 06", "3 64", "6 04", "32 03", "48 04", "64 30", "80 60", "112 01", "128 02", "160 03"]
    );
    assert_eq!(
        dump(&ask(&mut controller, &mut rig, 0x02, 2, 512).unwrap()),
        ["0 06", "3 64", "6 04", "32 02", "48 03", "64 20", "80 40", "112 01", "128 02", "160 02"]
    );
    // Namespaces the host does not see.
    for nsid in [3, 9, 5000] {
        assert_eq!(ask(&mut controller, &mut rig, 0x02, nsid, 512), Err(Status::INVALID_NAMESPACE));
    }
    let group = |lsi: u32| with(get_log_page(0x09, 0, 0, 512, false), 11, lsi << 16);
    assert_eq!(
        dump(&data(&mut controller, &mut rig, &group(1)).unwrap()),
        ["0 04", "3 64", "48 01", "64 01", "96 30", "112 60", "128 03", "144 03", "163 24"]
    );
    for lsi in [0, 2] {
        assert_eq!(data(&mut controller, &mut rig, &group(lsi)), Err(Status::INVALID_FIELD));
    }
}

#[test]
fn firmware() {
    let mut rig = Rig::new();
    let page = page(&mut rig, 0x03, 512);
    assert_eq!((page[0], &page[8..16]), (1, format!("{:8}", env!("CARGO_PKG_VERSION")).as_bytes()));
    assert_eq!(dump(&page).len(), 2, "one slot");
}

#[test]
fn changed_namespaces_until_read() {
    let mut rig = Rig::new();
    let mut controller = rig.io();
    controller.notice(&rig.cx(), Notice::Volume(VolumeId(1)));
    controller.notice(&rig.cx(), Notice::Volume(VolumeId(0)));
    controller.notice(&rig.cx(), Notice::Volume(VolumeId(2)));
    let retained = get_log_page(0x04, u32::MAX, 0, 4096, true);
    for _ in 0..2 {
        assert_eq!(dump(&data(&mut controller, &mut rig, &retained).unwrap()), ["0 01", "4 02"]);
    }
    assert_eq!(dump(&ask(&mut controller, &mut rig, 0x04, u32::MAX, 4096).unwrap()), ["0 01", "4 02"]);
    assert_eq!(dump(&ask(&mut controller, &mut rig, 0x04, u32::MAX, 4096).unwrap()), [""; 0]);
}

#[test]
fn effects() {
    let mut rig = Rig::new();
    let commands = page(&mut rig, 0x05, 4096);
    let dword = |at: usize| u32::from_le_bytes(commands[at..at + 4].try_into().unwrap());
    for opcode in [0x02, 0x06, 0x08, 0x0a, 0x0c, 0x18, 0x7f] {
        assert_eq!(dword(4 * opcode), 0x0020_0001, "{opcode:#x}");
    }
    // Set Features may protect a namespace.
    assert_eq!(dword(4 * 0x09), 0x0020_0005);
    // Linux warns of every effect of I/O commands but a change of content.
    for opcode in 0..256 {
        assert_eq!(dword(1024 + 4 * opcode) & !3, 0, "{opcode:#x}");
    }
    assert_eq!([dword(1024), dword(1028), dword(1032)], [1, 3, 1], "Flush, Write, Read");

    let mut of_set = |csi: u32| {
        let ask = with(get_log_page(0x05, u32::MAX, 0, 4096, false), 14, csi << 24);
        let mut controller = rig.io();
        data(&mut controller, &mut rig, &ask)
    };
    // nvme-cli asks for it unless there are no I/O command sets to choose from, and gives up on all when it is refused.
    let zoned = of_set(2).unwrap();
    assert_eq!((&zoned[..1024], dump(&zoned[1024..2048])), (&commands[..1024], Vec::new()), "of zoned namespaces");
    assert_eq!(of_set(3), Err(Status::INVALID_FIELD), "of nothing");

    let features = page(&mut rig, 0x12, 1024);
    let dword = |fid: usize| u32::from_le_bytes(features[4 * fid..4 * fid + 4].try_into().unwrap());
    assert_eq!([dword(0x0b), dword(0x05), dword(0x84), dword(0x03)], [0x0020_0001, 0x0010_0001, 0x0010_0005, 0]);
    assert_eq!(dump(&page(&mut rig, 0x13, 4096)), [""; 0]);
}

#[test]
fn ana_groups() {
    let mut rig = Rig::new();
    rig.paths.set(0, GroupId(3), Access::NonOptimized);
    rig.paths.set(0, GroupId(3), Access::Change);
    // Neither another portal nor a group of which the host sees nothing.
    rig.paths.set(1, GroupId(3), Access::Inaccessible);
    rig.paths.set(0, GroupId(2), Access::PersistentLoss);
    assert_eq!(
        dump(&page(&mut rig, 0x0c, 4096)),
        ["0 02", "8 02", "16 01", "20 01", "32 01", "48 01", "52 03", "56 01", "60 02", "68 0f", "84 02"]
    );
    let mut controller = rig.io();
    let groups_only = with(get_log_page(0x0c, u32::MAX, 0, 4096, false), 10, 1 << 8);
    assert_eq!(
        dump(&data(&mut controller, &mut rig, &groups_only).unwrap()),
        ["0 02", "8 02", "16 01", "32 01", "48 03", "56 02", "64 0f"]
    );
}

#[test]
fn nothing_is_reserved() {
    assert_eq!(dump(&page(&mut Rig::new(), 0x80, 64)), [""; 0]);
}

#[test]
fn a_page_in_parts_is_the_page() {
    let mut rig = Rig::new();
    let whole = page(&mut rig, 0x0c, 88);
    let mut controller = rig.io();
    let mut part = |offset, len| data(&mut controller, &mut rig, &get_log_page(0x0c, u32::MAX, offset, len, false));
    let parts: Vec<u8> = (0..88).step_by(4).flat_map(|at| part(at, 4).unwrap()).collect();
    assert_eq!(parts, whole);
    // Up to its end, and zeroes behind.
    assert_eq!(part(84, 12).unwrap(), [&whole[84..], &[0; 8]].concat());
    assert_eq!(part(88, 4).unwrap(), [0; 4]);
}

#[test]
fn bad_questions() {
    let mut rig = Rig::new();
    let mut controller = rig.io();
    let good = get_log_page(0x0c, u32::MAX, 0, 64, false);
    let mut is = |entry: Entry| data(&mut controller, &mut rig, &entry).err();
    assert_eq!(is(good), None);
    for (entry, why) in [
        (with(good, 12, 1), "an offset that is no dword"),
        (with(good, 12, 92), "behind the end"),
        (with(good, 13, 1), "far behind the end"),
        (with(good, 13, u32::MAX), "farther"),
        (with(good, 14, 1 << 23), "by index"),
        (with(good, 10, 0x1000 << 16), "16 KiB and some, of a short page"),
        (with(good, 11, 4), "1 MiB and some"),
        (with(good, 11, 0xffff), "16 GiB"),
    ] {
        assert_eq!(is(entry), Some(Status::INVALID_FIELD), "{why}");
    }
    let mut one = good;
    one.set_dword(1, 1);
    assert_eq!(is(one), Some(Status::INVALID_FIELD), "of one namespace");
    // No room for what is asked for.
    let outcome = controller.command(&mut rig.cx(), &good, 60);
    assert_eq!(outcome, crate::nvme::Outcome::Reply(Status::SGL_LENGTH_INVALID.into()));
}

proptest! {
    #[test]
    fn any_question_is_answered_or_refused(lid: u8, dwords in proptest::collection::vec(any::<u32>(), 6), short: bool) {
        let mut rig = Rig::new();
        for aim in [Aim::Subsystem(0), Aim::Discovery] {
            let mut controller = rig.controller(aim, HOST, 0);
            let mut entry = Entry::default();
            entry.0[0] = 0x02;
            for (n, &dword) in dwords.iter().enumerate() {
                entry.set_dword(10 + n, if short && n > 0 { dword & 0x8000_ffff & !0xfffc } else { dword });
            }
            entry.0[40] = lid;
            if let Ok(page) = data(&mut controller, &mut rig, &entry) {
                prop_assert_eq!(page.len() as u32, ((entry.dword(10) >> 16 | entry.dword(11) << 16) + 1) * 4);
            }
            entry.0[0] = 0x06;
            if let Ok(page) = data(&mut controller, &mut rig, &entry) {
                prop_assert_eq!(page.len(), 4096);
            }
        }
    }
}
