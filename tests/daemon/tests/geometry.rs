//! Sizes and kinds of disks: 4 KiB blocks, read-only, growing under an initiator.

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::initiator::{Command, cdb};

use super::{assert_works, bytes};

#[test]
fn blocks_of_4096() {
    let daemon = Daemon::builder().arg("--block-size").arg("4096").arg("--size").arg("64M").start();
    let volume = daemon.volume();
    assert_eq!((volume.block_bytes, volume.size), (4096, 64 << 20));
    let mut session = daemon.session_of(&daemon.login().digests()).unwrap();
    let capacity = session.capacity(0).unwrap();
    assert_eq!((capacity.blocks, capacity.block_bytes, capacity.physical_exponent), (16384, 4096, 0));
    let payload = bytes(40 * 4096, 4);
    session.write10(0, 16384 - 40, &payload, 4096).unwrap().good().unwrap();
    assert!(session.read10(0, 16384 - 40, 40, 4096).unwrap().good().unwrap() == payload);
    let outcome = session.read10(0, 16384 - 39, 40, 4096).unwrap();
    assert_eq!(outcome.sense(), Some((5, 0x21, 0)), "{outcome:?}");
}

#[test]
fn read_only() {
    let daemon = Daemon::builder().arg("disk.img").arg("--size").arg("8M").start();
    let folder = daemon.folder().clone();
    daemon.session().write10(0, 0, &bytes(4096, 9), 512).unwrap().good().unwrap();
    drop(daemon);
    let daemon = Daemon::builder().folder(&folder).arg("disk.img").arg("--read-only").start();
    let mut session = daemon.session();
    assert_eq!(session.read10(0, 0, 8, 512).unwrap().good().unwrap(), bytes(4096, 9));
    for cdb in [cdb::write10(0, 8, false), cdb::write16(0, 8), cdb::ten(0x2e, 0, 0, 8)] {
        let outcome = session.run(&Command::new(0, &cdb).writes(&bytes(4096, 1))).unwrap();
        // Data protect, write protected.
        assert_eq!(outcome.sense(), Some((7, 0x27, 0)), "{cdb:02x?}: {outcome:?}");
    }
    let outcome = session.run(&Command::new(0, &cdb::write_same16(0x01, 0, 8))).unwrap();
    assert_eq!(outcome.sense(), Some((7, 0x27, 0)), "{outcome:?}");
    let mode = session.run(&Command::new(0, &cdb::mode_sense6(0x3f, 255)).reads(255)).unwrap().good().unwrap();
    assert_eq!(mode[2] & 0x80, 0x80, "WP: {mode:02x?}");
    assert_eq!(session.read10(0, 0, 8, 512).unwrap().good().unwrap(), bytes(4096, 9));
}

#[test]
fn growing_under_initiators() {
    for file in [false, true] {
        let mut builder = Daemon::builder().arg("--size").arg("8M");
        if file {
            builder = builder.arg("disk.img");
        }
        let daemon = builder.start();
        let name = daemon.volume().name;
        let mut session = daemon.session();
        let mut other = daemon.session_of(&daemon.login().session(2)).unwrap();
        assert_eq!(session.capacity(0).unwrap().blocks, 16384);
        daemon.ctl_ok(&["resize", &name, "16M"]);
        for session in [&mut session, &mut other] {
            // Capacity data has changed; once for each I_T nexus.
            let outcome = session.test_unit_ready(0).unwrap();
            assert_eq!(outcome.sense(), Some((6, 0x2a, 9)), "{outcome:?}");
            session.test_unit_ready(0).unwrap().good().unwrap();
            assert_eq!(session.capacity(0).unwrap().blocks, 32768);
        }
        let payload = bytes(4096, 6);
        session.write10(0, 32760, &payload, 512).unwrap().good().unwrap();
        assert_eq!(other.read10(0, 32760, 8, 512).unwrap().good().unwrap(), payload);
        let smaller = daemon.ctl(&["resize", &name, "4M"]);
        assert_eq!(smaller.status.code(), Some(1), "{smaller:?}");
        assert_eq!(session.capacity(0).unwrap().blocks, 32768);
        if file {
            assert_eq!(std::fs::metadata(daemon.folder().path().join("disk.img")).unwrap().len(), 16 << 20);
        }
        assert!(!daemon.ctl(&["resize", "nobody", "16M"]).status.success());
        assert_works(&mut session, 0);
    }
}

#[test]
fn beyond_the_end_of_the_medium() {
    let daemon = Daemon::builder().arg("--size").arg("8M").start();
    let mut session = daemon.session();
    let last = 16383u32;
    let out_of_range = Some((5, 0x21, 0));
    let block = bytes(512, 2);
    let two = bytes(1024, 3);
    session.write10(0, last, &block, 512).unwrap().good().unwrap();
    for (lba, blocks) in [(last, 2), (last + 1, 1), (u32::MAX, 1), (u32::MAX, u16::MAX)] {
        let bytes = u32::from(blocks.min(64)) * 512;
        for opcode in [0x28, 0x2f, 0x34, 0x35] {
            let mut command = Command::new(0, &cdb::ten(opcode, 0, lba, blocks));
            if opcode == 0x28 {
                command = command.reads(bytes);
            }
            let outcome = session.run(&command).unwrap();
            assert_eq!(outcome.sense(), out_of_range, "{opcode:#x} {lba} {blocks}: {outcome:?}");
        }
    }
    for (lba, blocks) in [(16384, 1), (16383, 2), (u64::MAX, 1), (u64::MAX - 1, u32::MAX), (1 << 63, 1 << 31)] {
        let outcome = session.run(&Command::new(0, &cdb::read16(lba, blocks)).reads(512)).unwrap();
        // More than MAXIMUM TRANSFER LENGTH may be told first (SBC-4 §5.3).
        let told = outcome.sense();
        assert!(told == out_of_range || blocks > 1000 && told == Some((5, 0x24, 0)), "{lba} {blocks}: {outcome:?}");
        for cdb in [cdb::write16(lba, blocks), cdb::sixteen(0x8e, 0, lba, blocks), cdb::write_same16(0, lba, blocks)] {
            let outcome = session.run(&Command::new(0, &cdb).writes(&two)).unwrap();
            let told = outcome.sense();
            assert!(told == out_of_range || blocks > 1000 && told == Some((5, 0x24, 0)), "{cdb:02x?}: {outcome:?}");
        }
    }
    // UNMAP of a block that is not there.
    let mut list = vec![0, 22, 0, 16, 0, 0, 0, 0];
    list.extend_from_slice(&16380u64.to_be_bytes());
    list.extend_from_slice(&[0, 0, 0, 5, 0, 0, 0, 0]);
    let mut cdb = vec![0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0];
    cdb[8] = list.len() as u8;
    let outcome = session.run(&Command::new(0, &cdb).writes(&list)).unwrap();
    assert_eq!(outcome.sense(), out_of_range, "{outcome:?}");
    assert_eq!(session.read10(0, last, 1, 512).unwrap().good().unwrap(), block);
    assert_eq!(session.report_luns(0).unwrap(), [[0; 8]]);
    assert_works(&mut session, 0);
}

#[test]
fn units_that_are_not_there() {
    let daemon = Daemon::memory();
    let mut session = daemon.session();
    for lun in [1, 7, 255] {
        let outcome = session.run(&Command::new(lun, &cdb::inquiry(None, 36)).reads(36)).unwrap();
        // Peripheral qualifier 3, type 1Fh (SPC-5 §6.7.2).
        assert_eq!(outcome.good().unwrap()[0], 0x7f);
        for cdb in [cdb::test_unit_ready(), cdb::read10(0, 1), cdb::read_capacity10()] {
            let outcome = session.run(&Command::new(lun, &cdb).reads(512)).unwrap();
            assert_eq!(outcome.sense(), Some((5, 0x25, 0)), "{cdb:02x?}: {outcome:?}");
        }
        let outcome = session.run(&Command::new(lun, &cdb::write10(0, 1, false)).writes(&bytes(512, 1))).unwrap();
        assert_eq!(outcome.sense(), Some((5, 0x25, 0)), "{outcome:?}");
    }
    // Addresses of several levels, of no known method, and well-known units.
    for lun in [[0, 0, 0, 1, 0, 0, 0, 0], [0x80, 0, 0, 0, 0, 0, 0, 0], [0xc1, 2, 0, 0, 0, 0, 0, 0], [0xff; 8]] {
        let mut command = Command::new(0, &cdb::test_unit_ready());
        command.lun = lun;
        let outcome = session.run(&command).unwrap();
        assert_eq!(outcome.sense(), Some((5, 0x25, 0)), "{lun:02x?}: {outcome:?}");
    }
    assert_eq!(session.report_luns(0).unwrap(), [[0; 8]]);
    assert_works(&mut session, 0);
}
