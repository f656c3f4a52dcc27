//! How queues begin and end.

use super::super::{Queue, State, Unreadable, outline};
use super::*;
use crate::nvme::{Controllers, Notice, Status};
use crate::nvmetcp::pdu::Digests;
use mainstay_base::path::{Access, GroupId};
use mainstay_base::snapshot::Section;
use mainstay_base::unit::VolumeId;
use std::time::Duration;

#[test]
fn a_host_connects_reads_writes_and_leaves() {
    both(|world| {
        let mut admin = Host::admin(world);
        let cap = admin.ask(world, property_get(0, true), &[]);
        assert_eq!(result(&cap) & 0xffff, 127);
        let csts = admin.ask(world, property_get(0x1c, false), &[]);
        assert_eq!(result(&csts), 1);
        let mut io = Host::io(world, &admin, 1);
        let data = pattern(4096, 1);
        let cqe = io.ask(world, rw(1, 1, 8, 8), &data);
        assert_eq!(status(&cqe), Status::SUCCESS);
        let (read, cqe) = io.fetch(world, rw(2, 1, 8, 8), 4096);
        assert_eq!((status(&cqe), read == data), (Status::SUCCESS, true));
        assert!(world.media[0][4096..8192] == data[..]);
        // A long one, by R2T.
        let data = pattern(256 * 1024, 2);
        io.command(world, rw(1, 2, 0, 512), &[]);
        let pdus = io.feed(world, &data, 32 * 1024);
        assert_eq!(statuses(&pdus), [(io.cid, Status::SUCCESS)]);
        assert!(world.media[1][..data.len()] == data[..]);
        assert_eq!(status(&io.ask(world, flush(1), &[])), Status::SUCCESS);
        assert_eq!(world.queue(io.index).info().state, State::Ready);
        // Disconnect, then the shutdown of the controller.
        let cqe = io.ask(world, fabrics(0x08), &[]);
        assert_eq!(status(&cqe), Status::SUCCESS);
        assert!(world.is_gone(io.index));
        admin.ask(world, property_set(0x14, 0x0046_4001), &[]);
        world.call(admin.index, |queue, cx| queue.disconnected(cx));
        assert!(world.is_gone(admin.index));
        assert_eq!(world.arena.usage().2, 0, "all memory comes back");
        assert_eq!(world.notices, [format!("{} left", io.index), format!("{} left", admin.index)]);
    });
}

#[test]
fn golden_bytes_of_responses() {
    let mut world = World::new(true);
    let mut admin = Host::open(&mut world, Digests::default());
    let connect = crate::nvme::Connect { cattr: 4, ..connect(0, 0xffff) };
    admin.command(&mut world, connect.entry(), &connect.data());
    // CapsuleResp, CNTLID 1, SQHD FFFFh, CID 1.
    let header = [5, 0, 24, 0, 24, 0, 0, 0];
    assert_eq!(
        world.wire[admin.index],
        [&header[..], &[1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0]].concat()
    );
    world.wire[admin.index].clear();
    // CSTS is not ready; an identifier of two bytes; no SQHD.
    admin.cid = 0x1233;
    admin.command(&mut world, self::admin(0x06), &[]);
    assert_eq!(
        world.wire[admin.index],
        [&header[..], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12, 0x18, 0x80]].concat()
    );
}

#[test]
fn what_is_no_saved_queue_is_refused() {
    let mut world = World::new(false);
    let admin = Host::admin(&mut world);
    let section = world.queue(admin.index).save();
    let arena = mainstay_base::arena::Arena::heap(1 << 20);
    for cut in 1..section.payload.len() {
        let payload = section.payload.slice(..cut);
        // It may be whole by chance, but never panics.
        let _ = Queue::restore(&Section { payload, ..section.clone() }, &arena);
    }
    for (kind, version) in [("nexus", 1), ("queue", 2)] {
        let other = Section { kind: kind.into(), version, ..section.clone() };
        assert!(matches!(Queue::restore(&other, &arena), Err(Unreadable::Section { .. })));
        assert!(matches!(outline(&other), Err(Unreadable::Section { .. })));
    }
    let queue = Queue::restore(&section, &arena).unwrap();
    assert!(queue.fits(&world.site, 2).is_ok() && queue.fits(&world.site, 1).is_err());
    assert!(queue.fits(&crate::nvme::Site::default(), 2).is_err());
}

#[test]
fn nothing_goes_before_connect() {
    both(|world| {
        let mut host = Host::open(world, Digests::default());
        for entry in [property_get(0, true), admin(0x06), rw(2, 1, 0, 1), fabrics(0x05), fabrics(0x06), fabrics(0x08)] {
            assert_eq!(status(&host.ask(world, entry, &[])), Status::COMMAND_SEQUENCE_ERROR);
        }
        // It may still connect, but only once.
        let connect = connect(0, 0xffff);
        let cqe = host.ask(world, connect.entry(), &connect.data());
        assert_eq!((status(&cqe), result(&cqe)), (Status::SUCCESS, 1));
        let cqe = host.ask(world, connect.entry(), &connect.data());
        assert_eq!(status(&cqe), Status::COMMAND_SEQUENCE_ERROR);
    });
}

#[test]
fn a_connect_that_asks_too_much_is_refused_and_may_be_corrected() {
    both(|world| {
        let mut host = Host::open(world, Digests::default());
        let good = connect(0, 0xffff);
        let bad = [
            (crate::nvme::Connect { subnqn: "nqn.2026-11.internal.mainstay:none".into(), ..good.clone() }, 0x1_0100),
            (crate::nvme::Connect { sqsize: 0, ..good.clone() }, 44),
            (crate::nvme::Connect { sqsize: 128, ..good.clone() }, 44),
            (crate::nvme::Connect { cntlid: 1, ..good.clone() }, 0x1_0010),
            (crate::nvme::Connect { qid: 1, cntlid: 9, ..good.clone() }, 0x1_0010),
        ];
        for (connect, place) in bad {
            let cqe = host.ask(world, connect.entry(), &connect.data());
            let status = status(&cqe);
            assert_eq!((status.kind, status.code, result(&cqe)), (1, 0x82, place), "{connect:?}");
            assert_eq!(world.queue(host.index).info().state, State::Connecting);
        }
        assert_eq!(status(&host.ask(world, good.entry(), &[0; 512])), Status::SGL_LENGTH_INVALID);
        assert_eq!(status(&host.ask(world, good.entry(), &[])), Status::SGL_LENGTH_INVALID);
        assert_eq!(status(&host.ask(world, good.entry(), &good.data())), Status::SUCCESS);
        // Not for ever.
        let mut host = Host::open(world, Digests::default());
        let busy = crate::nvme::Connect { cntlid: 1, ..good };
        for _ in 0..8 {
            assert!(!world.is_gone(host.index));
            host.ask(world, busy.entry(), &busy.data());
        }
        assert!(world.is_gone(host.index));
        world.notices.clone()
    });
}

#[test]
fn an_io_queue_needs_a_controller_that_is_ready_and_its_own() {
    both(|world| {
        let mut admin = Host::connected(world, &connect(0, 0xffff));
        let try_one = |world: &mut World, connect: &crate::nvme::Connect| {
            let (host, pdus) = Host::connecting(world, connect);
            let status = statuses(&pdus)[0].1;
            world.call(host.index, |queue, cx| queue.disconnected(cx));
            (status.kind, status.code)
        };
        assert_eq!(try_one(world, &connect(1, admin.cntlid)), (0, 0x0c), "not enabled");
        admin.enable(world);
        let other = crate::nvme::Connect { hostnqn: "nqn.2026-11.com.example:else".into(), ..connect(1, admin.cntlid) };
        assert_eq!(try_one(world, &other), (1, 0x82), "another host");
        let other = crate::nvme::Connect { hostid: [1; 16], ..connect(1, admin.cntlid) };
        assert_eq!(try_one(world, &other), (1, 0x82), "another host identifier");
        assert_eq!(try_one(world, &connect(65, admin.cntlid)), (1, 0x82), "too high a number");
        let io = Host::io(world, &admin, 1);
        assert_eq!(try_one(world, &connect(1, admin.cntlid)), (0, 0x0c), "there is one already");
        // Once that has gone, there may be another.
        world.call(io.index, |queue, cx| queue.disconnected(cx));
        Host::io(world, &admin, 1);
    });
}

#[test]
fn who_does_not_connect_in_time_is_dropped() {
    both(|world| {
        let host = Host::open(world, Digests::default());
        world.pass(Duration::from_secs(14));
        assert!(!world.is_gone(host.index));
        world.pass(Duration::from_secs(1));
        assert!(world.is_gone(host.index));
        assert_eq!(world.notices, ["Connect: the host did not go on in time"]);
    });
}

#[test]
fn the_head_of_the_submission_queue_is_told_unless_it_is_not_wanted() {
    both(|world| {
        let mut admin = Host::open(world, Digests::default());
        let connect = crate::nvme::Connect { sqsize: 3, ..connect(0, 0xffff) };
        assert_eq!(head(&admin.ask(world, connect.entry(), &connect.data())), 1);
        for expected in [2, 3, 0, 1, 2] {
            assert_eq!(head(&admin.ask(world, property_get(0, true), &[])), expected);
        }
        let mut free = Host::open(world, Digests::default());
        let connect = crate::nvme::Connect { cattr: 4, ..connect };
        assert_eq!(head(&free.ask(world, connect.entry(), &connect.data())), 0xffff);
        free.cntlid = 2;
        free.enable(world);
        assert_eq!(head(&free.ask(world, property_get(0, true), &[])), 0);
        let mut io = Host::open(world, Digests::default());
        let connect = crate::nvme::Connect { qid: 1, cntlid: 2, ..connect };
        io.ask(world, connect.entry(), &connect.data());
        // No response follows data that says it all.
        io.command(world, rw(2, 1, 0, 8), &[]);
        let pdus = io.take(world);
        assert!(matches!(&pdus[..], [Pdu::Data(header, data)] if header.success && data.len() == 4096), "{pdus:?}");
    });
}

#[test]
fn an_identifier_in_use_is_a_conflict_and_more_commands_than_entries_are_the_end() {
    both(|world| {
        let admin = Host::admin(world);
        let mut io = Host::open(world, Digests::default());
        let connect = crate::nvme::Connect { sqsize: 3, ..connect(1, admin.cntlid) };
        io.ask(world, connect.entry(), &connect.data());
        world.prompt = false;
        io.command(world, rw(2, 1, 0, 8), &[]);
        let used = io.cid;
        io.cid -= 1;
        assert_eq!(status(&io.ask(world, rw(2, 1, 8, 8), &[])), Status::CID_CONFLICT);
        assert_eq!(io.cid, used);
        for _ in 0..3 {
            io.command(world, rw(2, 1, 0, 8), &[]);
        }
        assert_eq!(io.take(world), []);
        io.command(world, rw(2, 1, 0, 8), &[]);
        assert_eq!(io.take(world), [Pdu::Terminated]);
        assert!(!world.is_gone(io.index), "reads are at the store");
        world.answer_and_settle(usize::MAX);
        assert!(world.is_gone(io.index));
        assert_eq!(world.arena.usage().2, 0);
    });
}

#[test]
fn a_controller_that_ends_takes_its_queues_along() {
    both(|world| {
        let mut admin = Host::admin(world);
        let mut queues = [Host::io(world, &admin, 1), Host::io(world, &admin, 2)];
        let other = Host::admin(world);
        let bystander = Host::io(world, &other, 1);
        assert_eq!(world.queue(admin.index).io_queues().count(), 2);
        world.prompt = false;
        queues[0].command(world, rw(2, 1, 0, 8), &[]);
        admin.command(world, admin_event(), &[]);
        world.call(admin.index, |queue, cx| queue.disconnected(cx));
        assert!(world.is_gone(admin.index) && world.is_gone(queues[1].index));
        assert!(!world.is_gone(queues[0].index), "a read is at the store");
        world.answer_and_settle(1);
        assert!(world.is_gone(queues[0].index));
        assert!(!world.is_gone(bystander.index));
        // The number is free again.
        world.prompt = true;
        assert_eq!(Host::admin(world).cntlid, 1);
    });
}

fn admin_event() -> crate::nvme::Entry {
    admin(0x0c)
}

#[test]
fn a_reset_drops_the_io_queues_and_keeps_the_admin_queue() {
    both(|world| {
        let mut admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        let event = admin.command(world, admin_event(), &[]);
        world.prompt = false;
        io.command(world, rw(1, 1, 0, 64), &[]);
        let read = io.command(world, rw(2, 1, 0, 8), &[]);
        let abort = admin.command(world, abort(1, read), &[]);
        assert_eq!(admin.take(world), [], "the read is at the store");
        let reset = admin.command(world, property_set(0x14, 0x0046_0000), &[]);
        let told = statuses(&admin.take(world));
        assert!(told.contains(&(event, Status::ABORTED_SQ_DELETION)), "{told:?}");
        assert!(told.contains(&(abort, Status::SUCCESS)) && told.contains(&(reset, Status::SUCCESS)), "{told:?}");
        assert!(!world.is_gone(io.index));
        world.answer_and_settle(usize::MAX);
        assert!(world.is_gone(io.index));
        let cqe = admin.ask(world, admin_identify(), &[]);
        assert_eq!(status(&cqe), Status::COMMAND_SEQUENCE_ERROR, "not enabled");
        admin.enable(world);
        world.prompt = true;
        let mut io = Host::io(world, &admin, 1);
        assert_eq!(status(&io.ask(world, flush(1), &[])), Status::SUCCESS);
        assert_eq!(world.arena.usage().2, 0);
    });
}

fn admin_identify() -> crate::nvme::Entry {
    let mut entry = admin(0x06);
    entry.set_dword(10, 1);
    entry
}

#[test]
fn a_silent_host_loses_its_controller_and_io_is_a_sign_of_life() {
    both(|world| {
        let kato = crate::nvme::Connect { kato_ms: 5000, ..connect(0, 0xffff) };
        let mut admin = Host::admin_as(world, &kato);
        let mut io = Host::io(world, &admin, 1);
        for _ in 0..10 {
            world.pass(Duration::from_secs(4));
            io.ask(world, flush(1), &[]);
        }
        assert_eq!(status(&admin.ask(world, self::admin(0x18), &[])), Status::SUCCESS, "Keep Alive");
        for _ in 0..4 {
            world.pass(Duration::from_secs(5));
        }
        assert!(world.is_gone(admin.index) && world.is_gone(io.index));
        assert_eq!(world.notices, ["host at 127.0.0.1:40000: not heard within its keep alive timeout"]);
    });
}

#[test]
fn what_changes_is_told_to_the_host_and_its_io_queues() {
    both(|world| {
        let mut admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        let event = admin.command(world, admin_event(), &[]);
        assert_eq!(admin.take(world), []);
        world.paths.set(0, GroupId(1), Access::Inaccessible);
        world.notice(Notice::Paths);
        let pdus = admin.take(world);
        assert!(matches!(pdus[..], [Pdu::Done(cqe)] if cid(&cqe) == event && result(&cqe) == 0x000c_0302), "{pdus:?}");
        assert_eq!(status(&io.ask(world, rw(2, 1, 0, 8), &[])), Status::ANA_INACCESSIBLE);
        world.paths.set(0, GroupId(1), Access::Optimized);
        world.notice(Notice::Paths);
        assert_eq!(io.fetch(world, rw(2, 1, 0, 8), 4096).0.len(), 4096);
        // A resize, by another event.
        world.disks[1].geometry.blocks *= 2;
        world.notice(Notice::Volume(VolumeId(1)));
        let cqe = admin.ask(world, admin_event(), &[]);
        assert_eq!(result(&cqe), 0x0004_0002);
    });
}

#[test]
fn a_connect_may_wait_for_its_verdict_and_for_the_daemon_of_tomorrow() {
    both(|world| {
        world.verdicts = false;
        let (mut host, pdus) = Host::connecting(world, &connect(0, 0xffff));
        assert_eq!(pdus, []);
        assert_eq!(world.queue(host.index).info().state, State::Deciding);
        assert_eq!(status(&host.ask(world, property_get(0, true), &[])), Status::COMMAND_SEQUENCE_ERROR);
        // Nobody remembers what was asked; it is asked again, and a second verdict does nothing.
        let forgotten = std::mem::take(&mut world.asked);
        world.call(host.index, |queue, cx| queue.resume(cx));
        assert_eq!(world.asked.len(), 1);
        world.asked.extend(forgotten);
        world.decide();
        let pdus = host.take(world);
        assert_eq!(statuses(&pdus).len(), 1);
        host.cntlid = 1;
        host.enable(world);
        // An I/O queue that goes away while it is decided about leaves its place.
        world.verdicts = false;
        let (io, _) = Host::connecting(world, &connect(1, 1));
        world.call(io.index, |queue, cx| queue.disconnected(cx));
        world.decide();
        Host::io(world, &host, 1);
    });
}

#[test]
fn discovery_is_asked_without_io_queues() {
    both(|world| {
        let discovery = crate::nvme::Connect { subnqn: crate::nvme::site::DISCOVERY_NQN.into(), ..connect(0, 0xffff) };
        let mut host = Host::admin_as(world, &discovery);
        assert!(world.queue(host.index).info().discovery);
        let (identity, _) = host.fetch(world, admin_identify(), 4096);
        assert_eq!(identity[111], 2, "a discovery controller");
        let io = crate::nvme::Connect { qid: 1, cntlid: host.cntlid, ..discovery };
        let (_, pdus) = Host::connecting(world, &io);
        assert_eq!(statuses(&pdus)[0].1.kind, 1);
        // Its log changes.
        world.discovery.generation += 1;
        let mut configuration = admin(0x09);
        configuration.set_dword(10, 0x0b);
        configuration.set_dword(11, 1 << 31);
        assert_eq!(status(&host.ask(world, configuration, &[])), Status::SUCCESS);
        let event = host.command(world, admin_event(), &[]);
        world.notice(Notice::Discovery);
        assert_eq!(statuses(&host.take(world)), [(event, Status::SUCCESS)]);
    });
}

#[test]
fn a_static_controller_keeps_what_was_set() {
    both(|world| {
        world.site.subsystems[0].controllers = Controllers::Static(4);
        let first = connect(0, 3);
        let host = Host::admin_as(world, &first);
        assert_eq!(host.cntlid, 3);
        let (_, pdus) = Host::connecting(world, &first);
        assert_eq!(statuses(&pdus)[0].1, Status::CONNECT_CONTROLLER_BUSY);
        world.call(host.index, |queue, cx| queue.disconnected(cx));
        assert_eq!(world.retained.len(), 1);
        Host::admin_as(world, &first);
        assert_eq!(world.retained.len(), 0);
    });
}

#[test]
fn turning_the_write_cache_off_flushes_first() {
    both(|world| {
        let mut admin = Host::admin(world);
        world.prompt = false;
        let mut off = self::admin(0x09);
        off.set_dword(10, 0x06);
        let cid = admin.command(world, off, &[]);
        assert_eq!(admin.take(world), []);
        assert_eq!(world.held.len(), 1);
        world.answer_and_settle(1);
        assert_eq!(world.held.len(), 1, "the second volume");
        world.answer_and_settle(1);
        assert_eq!(statuses(&admin.take(world)), [(cid, Status::SUCCESS)]);
        // A flush that fails, and a host that does not wait.
        let mut on = off;
        on.set_dword(11, 1);
        world.prompt = true;
        admin.ask(world, on, &[]);
        world.fault = Some(mainstay_base::unit::Fault::Poisoned);
        assert_eq!(status(&admin.ask(world, off, &[])), Status::INTERNAL_ERROR);
        world.prompt = false;
        admin.ask(world, on, &[]);
        admin.command(world, off, &[]);
        world.call(admin.index, |queue, cx| queue.disconnected(cx));
        assert!(!world.is_gone(admin.index));
        world.answer_and_settle(1);
        assert!(world.is_gone(admin.index) && world.held.is_empty());
        world.notices.clone()
    });
}

#[test]
fn write_protection_is_answered_when_the_volume_has_it() {
    both(|world| {
        let mut admin = Host::admin(world);
        world.prompt = false;
        let mut protect = self::admin(0x09);
        protect.set_dword(1, 1);
        protect.set_dword(10, 0x84);
        protect.set_dword(11, 1);
        let cid = admin.command(world, protect, &[]);
        assert_eq!(admin.take(world), []);
        assert!(matches!(world.held[0].1.op, mainstay_base::unit::Op::Protect), "{:?}", world.held);
        world.answer_and_settle(1);
        assert_eq!(statuses(&admin.take(world)), [(cid, Status::SUCCESS)]);
        assert!(world.held.is_empty());
        // A volume that cannot keep it, and one that can the next time.
        world.prompt = true;
        protect.set_dword(11, 0);
        world.fault = Some(mainstay_base::unit::Fault::Poisoned);
        assert_eq!(status(&admin.ask(world, protect, &[])), Status::INTERNAL_ERROR);
        world.fault = None;
        assert_eq!(status(&admin.ask(world, protect, &[])), Status::SUCCESS);
        world.notices.clone()
    });
}
