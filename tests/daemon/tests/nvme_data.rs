//! Data over NVMe/TCP in every shape the protocol has for it, compared byte by byte.

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::host::{Controller, Data, Status, command};

use super::bytes;

#[test]
fn every_shape_of_data_with_and_without_digests() {
    let daemon = Daemon::memory();
    for (header, data) in [(false, false), (true, false), (false, true), (true, true)] {
        for (hpda, flow_control, in_capsule) in [(0, false, true), (3, true, true), (31, false, false)] {
            let name = format!("digests {header} {data}, HPDA {hpda}, flow control {flow_control}");
            let mut host = daemon.host().digests(header, data);
            host.setup.hpda = hpda;
            host.connect.no_flow_control = !flow_control;
            let mut controller = daemon.controller_of(&host);
            let digests = controller.io[0].queue.digests().unwrap();
            assert_eq!((digests.header, digests.data), (header, data), "{name}");
            if !in_capsule {
                controller.no_in_capsule();
            }
            for (n, len) in [512, 4096, 8192, 16384, 16896, 65536, 66048, 300_032].into_iter().enumerate() {
                let payload = bytes(len, n as u64 + 7);
                controller.write(1, 100, &payload, 512).unwrap_or_else(|e| panic!("{name} {len}: {e}"));
                let read = controller.read(1, 100, len as u32 / 512, 512);
                assert!(read.unwrap_or_else(|e| panic!("{name} {len}: {e}")) == payload, "{name}: {len} bytes differ");
            }
        }
    }
}

#[test]
fn data_is_asked_for_piece_by_piece_and_waited_for() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller_of(&daemon.host().hold_r2ts());
    let payload = bytes(1 << 20, 5);
    let io = &mut controller.io[0];
    let write = io.start(command::write(1, 64, 2048, false), Data::ToController(payload.clone())).unwrap();
    // While it waits, others go on.
    let first = io.next_r2t().unwrap();
    assert_eq!((first.cid, first.offset), (write.0, 0));
    let flush = io.run(command::flush(1), Data::Nothing).unwrap();
    assert!(flush.status().is_success());
    assert!(!io.is_done(write));
    io.answer(&first).unwrap();
    let mut asked = first.len;
    while asked < 1 << 20 {
        let next = io.next_r2t().unwrap();
        assert_eq!(next.offset, asked);
        asked += next.len;
        io.answer(&next).unwrap();
    }
    assert!(io.wait(write).unwrap().status().is_success());
    assert!(controller.read(1, 64, 2048, 512).unwrap() == payload);
}

#[test]
fn many_commands_in_flight_keep_their_data_apart() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller_of(&daemon.host().digests(true, true).queues(3, 64));
    for round in 0..10u64 {
        for reading in [false, true] {
            let mut started = Vec::new();
            for (queue, io) in controller.io.iter_mut().enumerate() {
                for n in 0..io.queue.room() as u64 {
                    let lba = (queue as u64 * 64 + n) * 16;
                    let payload = bytes(8192, round * 1000 + lba);
                    let cid = match reading {
                        false => io.start(command::write(1, lba, 16, false), Data::ToController(payload.clone())),
                        true => io.start(command::read(1, lba, 16), Data::ToHost(8192)),
                    };
                    started.push((queue, cid.unwrap(), payload));
                }
            }
            assert_eq!(started.len(), 3 * 63);
            for (queue, cid, payload) in started {
                let data = controller.io[queue].wait(cid).unwrap().good("I/O").unwrap();
                assert!(!reading || data == payload, "round {round}, queue {queue}");
            }
        }
    }
}

#[test]
fn a_slow_reader_gets_all_its_data() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller();
    let payload = bytes(1 << 20, 3);
    controller.write(1, 0, &payload, 512).unwrap();
    let io = &mut controller.io[0];
    let started: Vec<_> =
        (0..16).map(|_| io.start(command::read(1, 0, 2048), Data::ToHost(1 << 20)).unwrap()).collect();
    // Far more than a socket holds waits in the target meanwhile.
    std::thread::sleep(std::time::Duration::from_millis(300));
    for cid in started {
        assert!(io.wait(cid).unwrap().good("Read").unwrap() == payload);
    }
}

#[test]
fn a_capsule_may_come_byte_by_byte() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller_of(&daemon.host().digests(true, true));
    let payload = bytes(512, 9);
    let io = &mut controller.io[0];
    let cid = io.start_part(command::write(1, 7, 1, false), Data::ToController(payload.clone()), 1).unwrap();
    while !io.queue.output().is_empty() {
        io.flush_part(if io.queue.output().len() > 500 { 1 } else { 100 }).unwrap();
    }
    assert!(io.wait(cid).unwrap().status().is_success());
    assert_eq!(controller.read(1, 7, 1, 512).unwrap(), payload);
}

fn fails<T: std::fmt::Debug>(result: Result<T, mainstay_testkit::host::Error>) -> Status {
    result.expect_err("it should fail").status().expect("with a status")
}

#[test]
fn commands_other_than_read_and_write() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller();
    assert!(controller.identify.fused, "Compare and Write is told");
    let (old, new) = (bytes(4096, 1), bytes(4096, 2));
    controller.write(1, 8, &old, 512).unwrap();
    controller.flush(1).unwrap();
    controller.flush(0xffff_ffff).unwrap();
    controller.verify(1, 8, 8).unwrap();
    controller.compare(1, 8, &old, 512).unwrap();
    assert_eq!(fails(controller.compare(1, 8, &new, 512)), Status::COMPARE_FAILURE);
    let refused = controller.compare_and_write(1, 8, &new, &new, 512).unwrap();
    assert_eq!(refused, (Status::COMPARE_FAILURE, Status::ABORTED_FAILED_FUSED));
    assert!(controller.read(1, 8, 8, 512).unwrap() == old);
    let done = controller.compare_and_write(1, 8, &old, &new, 512).unwrap();
    assert_eq!(done, (Status::SUCCESS, Status::SUCCESS));
    assert!(controller.read(1, 8, 8, 512).unwrap() == new);
    for format in [0, 1] {
        controller.copy(1, 100, &[(8, 4), (12, 4)], format).unwrap();
        assert!(controller.read(1, 100, 8, 512).unwrap() == new, "format {format}");
        controller.write_zeroes(1, 100, 8, true).unwrap();
        assert!(controller.read(1, 100, 8, 512).unwrap() == [0; 4096]);
    }
    controller.deallocate(1, &[(8, 8), (0, 1)]).unwrap();
    assert!(controller.read(1, 8, 8, 512).unwrap() == [0; 4096]);
    controller.write_uncorrectable(1, 8, 8).unwrap();
    assert_eq!(fails(controller.read(1, 8, 8, 512)), Status::UNRECOVERED_READ_ERROR);
    controller.write(1, 8, &new, 512).unwrap();
    assert!(controller.read(1, 8, 8, 512).unwrap() == new, "what was written again is readable");
    works(&mut controller);
}

#[test]
fn places_that_there_are_not() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller();
    let blocks = controller.namespace(1).unwrap().blocks;
    for lba in [blocks, blocks - 1, u64::MAX, u64::MAX - 1] {
        assert_eq!(fails(controller.read(1, lba, 2, 512)), Status::LBA_OUT_OF_RANGE, "{lba}");
        assert_eq!(fails(controller.write(1, lba, &[0; 1024], 512)), Status::LBA_OUT_OF_RANGE);
        assert_eq!(fails(controller.verify(1, lba, 2)), Status::LBA_OUT_OF_RANGE);
        assert_eq!(fails(controller.write_zeroes(1, lba, 2, false)), Status::LBA_OUT_OF_RANGE);
        assert_eq!(fails(controller.copy(1, lba, &[(0, 2)], 0)), Status::LBA_OUT_OF_RANGE);
    }
    for nsid in [0, 2, 0xffff_fffe] {
        assert_eq!(fails(controller.read(nsid, 0, 1, 512)), Status::INVALID_NAMESPACE, "{nsid}");
    }
    works(&mut controller);
}

/// Reads and writes a little: the controller works.
#[track_caller]
pub fn works(controller: &mut Controller) {
    let data = bytes(4096, u64::from(controller.cntlid) + 40);
    controller.write(1, 8, &data, 512).expect("Write");
    assert!(controller.read(1, 8, 8, 512).expect("Read") == data, "what was read is not what was written");
    controller.identify(1, 0).expect("Identify");
}
