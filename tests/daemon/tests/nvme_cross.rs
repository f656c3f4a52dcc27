//! A SCSI initiator and an NVMe host on one volume: what one does, the other sees.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::host::Status;
use mainstay_testkit::initiator::{Command, Session, cdb};

use super::bytes;

/// COMPARE AND WRITE of one block: old, then new.
fn compare_and_write(lba: u64, old: &[u8], new: &[u8]) -> Command {
    let mut words = vec![0; 16];
    words[0] = 0x89;
    words[2..10].copy_from_slice(&lba.to_be_bytes());
    words[13] = 1;
    Command::new(0, &words).writes(&[old, new].concat())
}

fn block(value: u64) -> Vec<u8> {
    let mut block = bytes(512, value);
    block[..8].copy_from_slice(&value.to_le_bytes());
    block
}

fn value(block: &[u8]) -> u64 {
    u64::from_le_bytes(block[..8].try_into().unwrap())
}

#[test]
fn data_goes_both_ways() {
    let daemon = Daemon::memory();
    let (mut session, mut controller) = (daemon.session(), daemon.controller());
    let (one, two) = (bytes(65536, 1), bytes(65536, 2));
    session.write10(0, 100, &one, 512).unwrap().good().unwrap();
    assert!(controller.read(1, 100, 128, 512).unwrap() == one);
    controller.write(1, 100, &two, 512).unwrap();
    assert!(session.read10(0, 100, 128, 512).unwrap().good().unwrap() == two);
}

/// Everybody counts one block up by comparing and writing; no count may be lost, and none may be torn.
#[test]
fn compare_and_write_races() {
    const ROUNDS: u64 = 150;
    let daemon = Daemon::memory();
    daemon.controller().write(1, 5, &block(0), 512).unwrap();
    let total: u64 = thread::scope(|scope| {
        let daemon = &daemon;
        let mut counting = Vec::new();
        for number in 1..=2 {
            counting.push(scope.spawn(move || {
                let mut session = daemon.session_of(&daemon.login().session(number)).unwrap();
                let mut won = 0;
                while won < ROUNDS {
                    let old = session.read10(0, 5, 1, 512).unwrap().good().unwrap();
                    assert!(old == block(value(&old)), "a torn block");
                    let outcome = session.run(&compare_and_write(5, &old, &block(value(&old) + 1))).unwrap();
                    match (outcome.status, outcome.sense()) {
                        (0, _) => won += 1,
                        // MISCOMPARE DURING VERIFY OPERATION.
                        (2, Some((0x0e, 0x1d, 0))) => {}
                        _ => panic!("{outcome:?}"),
                    }
                }
                won
            }));
            counting.push(scope.spawn(move || {
                let host = daemon.host().named(&format!("nqn.2026-11.internal.mainstay.test:racer-{number}"));
                let mut controller = daemon.controller_of(&host);
                let mut won = 0;
                while won < ROUNDS {
                    let old = controller.read(1, 5, 1, 512).unwrap();
                    assert!(old == block(value(&old)), "a torn block");
                    match controller.compare_and_write(1, 5, &old, &block(value(&old) + 1), 512).unwrap() {
                        (Status::SUCCESS, Status::SUCCESS) => won += 1,
                        (Status::COMPARE_FAILURE, Status::ABORTED_FAILED_FUSED) => {}
                        other => panic!("{other:?}"),
                    }
                }
                won
            }));
        }
        counting.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(total, 4 * ROUNDS);
    assert_eq!(value(&daemon.controller().read(1, 5, 1, 512).unwrap()), total);
}

/// Whole writes of either side are never mixed within a block that the other compares.
#[test]
fn writes_of_one_side_do_not_slip_between_compare_and_write_of_the_other() {
    let daemon = Daemon::memory();
    let over = AtomicBool::new(false);
    daemon.controller().write(1, 9, &block(0), 512).unwrap();
    thread::scope(|scope| {
        let (daemon, over) = (&daemon, &over);
        scope.spawn(move || {
            let mut session = daemon.session();
            for n in 0..400 {
                session.write10(0, 9, &block(n), 512).unwrap().good().unwrap();
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut controller = daemon.controller();
        while !over.load(Ordering::Relaxed) {
            let old = controller.read(1, 9, 1, 512).unwrap();
            assert!(old == block(value(&old)), "a torn block");
            controller.compare_and_write(1, 9, &old, &block(1 << 40), 512).unwrap();
        }
    });
}

#[test]
fn what_one_side_discards_the_other_reads_as_zeros() {
    let daemon = Daemon::memory();
    let (mut session, mut controller) = (daemon.session(), daemon.controller());
    let payload = bytes(65536, 3);
    session.write10(0, 0, &payload, 512).unwrap().good().unwrap();
    controller.deallocate(1, &[(0, 64)]).unwrap();
    let back = session.read10(0, 0, 128, 512).unwrap().good().unwrap();
    assert!(back[..32768] == [0; 32768] && back[32768..] == payload[32768..]);
    // UNMAP of the rest: a header of eight bytes and one descriptor of sixteen.
    let mut list = vec![0, 22, 0, 16, 0, 0, 0, 0];
    list.extend_from_slice(&64u64.to_be_bytes());
    list.extend_from_slice(&64u32.to_be_bytes());
    list.extend_from_slice(&[0; 4]);
    session.run(&Command::new(0, &cdb::ten(0x42, 0, 0, 24)).writes(&list)).unwrap().good().unwrap();
    assert!(controller.read(1, 0, 128, 512).unwrap() == [0; 65536]);
}

#[test]
fn a_new_size_is_seen_by_both() {
    let daemon = Daemon::builder().arg("--size").arg("8M").start();
    let (mut session, mut controller) = (daemon.session(), daemon.controller());
    controller.set_feature(0x0b, 1 << 8).unwrap();
    let request = controller.listen().unwrap();
    daemon.ctl_ok(&["resize", &daemon.volume().name, "16M"]);
    assert_eq!(controller.event(request).unwrap(), (2, 0, 4));
    let outcome = session.test_unit_ready(0).unwrap();
    assert_eq!(outcome.sense(), Some((6, 0x2a, 9)), "{outcome:?}");
    assert_eq!((session.capacity(0).unwrap().blocks, controller.namespace(1).unwrap().blocks), (32768, 32768));
    let payload = bytes(4096, 6);
    session.write10(0, 32760, &payload, 512).unwrap().good().unwrap();
    assert!(controller.read(1, 32760, 8, 512).unwrap() == payload);
}

/// WCE of the Caching mode page (SBC-3 §6.5.6).
fn cache_is_on(session: &mut Session) -> bool {
    let page = session.run(&Command::new(0, &cdb::mode_sense6(8, 64)).reads(64)).unwrap().good().unwrap();
    page[4 + usize::from(page[3]) + 2] & 0x04 != 0
}

#[test]
fn the_write_cache_is_one() {
    const VOLATILE_WRITE_CACHE: u8 = 0x06;
    let daemon = Daemon::file(8 << 20);
    let (mut session, mut controller) = (daemon.session(), daemon.controller());
    assert!(controller.identify.write_cache);
    assert!(cache_is_on(&mut session));
    assert_eq!(controller.feature(VOLATILE_WRITE_CACHE, 0).unwrap() & 1, 1);
    controller.set_feature(VOLATILE_WRITE_CACHE, 0).unwrap();
    let outcome = session.test_unit_ready(0).unwrap();
    assert_eq!(outcome.sense(), Some((6, 0x2a, 1)), "MODE PARAMETERS CHANGED: {outcome:?}");
    assert!(!cache_is_on(&mut session));
    controller.set_feature(VOLATILE_WRITE_CACHE, 1).unwrap();
    session.clear_attentions(0).unwrap();
    assert!(cache_is_on(&mut session));
}
