//! Fused pairs, aborts, what the transport refuses, and scarce memory.

use super::*;
use crate::nvme::{Entry, Status};
use crate::nvmetcp::pdu::Digests;

fn fuse(mut entry: Entry, fuse: u8) -> Entry {
    entry.0[1] |= fuse;
    entry
}

fn first(lba: u64) -> Entry {
    fuse(rw(5, 1, lba, 1), 1)
}

fn second(lba: u64) -> Entry {
    fuse(rw(1, 1, lba, 1), 2)
}

#[test]
fn compare_and_write_is_a_pair_by_capsule_and_by_r2t() {
    both(|world| {
        let admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        let (old, new) = (vec![0; 512], pattern(512, 1));
        io.command(world, first(3), &old);
        assert_eq!(io.take(world), [], "it waits for the second");
        io.command(world, second(3), &new);
        let cid = io.cid;
        assert_eq!(statuses(&io.take(world)), [(cid - 1, Status::SUCCESS), (cid, Status::SUCCESS)]);
        assert!(world.media[0][3 * 512..4 * 512] == new[..]);
        // The same again does not compare; both in one segment.
        let (mut bytes, _) = io.capsule(first(3), &old);
        bytes.extend(io.capsule(second(3), &new).0);
        world.deliver(io.index, &bytes);
        let told = statuses(&io.take(world));
        assert_eq!(told, [(cid + 1, Status::COMPARE_FAILURE), (cid + 2, Status::ABORTED_FAILED_FUSED)]);
        // By R2T, each for its own command.
        io.command(world, first(3), &[]);
        io.command(world, second(3), &[]);
        let mut done = Vec::new();
        for _ in 0..4 {
            for pdu in io.take(world) {
                match pdu {
                    Pdu::R2t(r2t) if r2t.cid == cid + 3 => io.give(world, &r2t, &new, 512),
                    Pdu::R2t(r2t) => io.give(world, &r2t, &old, 512),
                    other => done.push(other),
                }
            }
        }
        assert_eq!(statuses(&done), [(cid + 3, Status::SUCCESS), (cid + 4, Status::SUCCESS)]);
        assert!(world.media[0][3 * 512..4 * 512] == old[..]);
    });
}

#[test]
fn halves_of_pairs_are_not_carried_out() {
    both(|world| {
        let mut admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        let data = pattern(512, 1);
        // A second alone.
        assert_eq!(status(&io.ask(world, second(0), &data)), Status::ABORTED_MISSING_FUSED);
        // A first followed by something else.
        io.command(world, first(0), &data);
        io.command(world, flush(1), &[]);
        let cid = io.cid;
        assert_eq!(statuses(&io.take(world)), [(cid - 1, Status::ABORTED_MISSING_FUSED), (cid, Status::SUCCESS)]);
        // Two firsts.
        io.command(world, first(0), &data);
        io.command(world, first(0), &vec![0; 512]);
        io.command(world, second(0), &data);
        let cid = io.cid;
        assert_eq!(
            statuses(&io.take(world)),
            [(cid - 2, Status::ABORTED_MISSING_FUSED), (cid - 1, Status::SUCCESS), (cid, Status::SUCCESS)]
        );
        // The transport does not take the data of one of them.
        let mut broken = first(0);
        broken.0[39] = 0x40;
        io.command(world, broken, &[]);
        io.command(world, second(0), &data);
        let cid = io.cid;
        assert_eq!(
            statuses(&io.take(world)),
            [(cid - 1, Status::SGL_TYPE_INVALID), (cid, Status::ABORTED_FAILED_FUSED)]
        );
        // Reserved, and on an admin queue.
        assert_eq!(status(&io.ask(world, fuse(flush(1), 3), &[])), Status::INVALID_FIELD);
        assert_eq!(status(&admin.ask(world, fuse(self::admin(0x18), 1), &[])), Status::INVALID_FIELD);
        // One that waits is aborted by name.
        io.command(world, first(0), &data);
        let half = io.cid;
        assert_eq!(result(&admin.ask(world, abort(1, half), &[])), 0);
        assert_eq!(statuses(&io.take(world)), [(half, Status::ABORT_REQUESTED)]);
        assert_eq!(status(&io.ask(world, second(0), &data)), Status::ABORTED_MISSING_FUSED);
        assert_eq!(world.arena.usage().2, 0);
    });
}

#[test]
fn an_abort_ends_a_command_wherever_it_waits() {
    both(|world| {
        let mut admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        world.prompt = false;
        // At the store: the answers come when it is dry, the command's first.
        let read = io.command(world, rw(2, 1, 0, 8), &[]);
        let one = admin.command(world, abort(1, read), &[]);
        let two = admin.command(world, abort(1, read), &[]);
        assert!(io.take(world).is_empty() && admin.take(world).is_empty());
        world.answer_and_settle(1);
        assert_eq!(statuses(&io.take(world)), [(read, Status::ABORT_REQUESTED)]);
        let told = admin.take(world);
        assert_eq!(statuses(&told), [(one, Status::SUCCESS), (two, Status::SUCCESS)]);
        assert!(told.iter().all(|pdu| matches!(pdu, Pdu::Done(cqe) if result(cqe) == 0)));
        // Waiting for data: what was asked for still comes, and is swallowed.
        let write = io.command(world, rw(1, 1, 0, 64), &[]);
        let pdus = io.take(world);
        let [Pdu::R2t(r2t)] = &pdus[..] else { panic!("{pdus:?}") };
        let cid = admin.command(world, abort(1, write), &[]);
        io.give(world, r2t, &pattern(32768, 3), 8192);
        assert_eq!(statuses(&io.take(world)), [(write, Status::ABORT_REQUESTED)]);
        assert_eq!(statuses(&admin.take(world)), [(cid, Status::SUCCESS)]);
        assert!(world.media[0].iter().all(|&byte| byte == 0));
        // What is not there, or not to be aborted.
        for (sqid, cid) in [(1, 999), (2, write), (0, 999), (0xffff, 0)] {
            assert_eq!(result(&admin.ask(world, abort(sqid, cid), &[])), 1);
        }
        // A held event request.
        let event = admin.command(world, self::admin(0x0c), &[]);
        admin.command(world, abort(0, event), &[]);
        let mut told = statuses(&admin.take(world));
        told.sort_by_key(|&(cid, _)| cid);
        assert_eq!(told, [(event, Status::ABORT_REQUESTED), (event + 1, Status::SUCCESS)]);
        assert_eq!(world.arena.usage().2, 0);
    });
}

#[test]
fn aborts_are_limited_and_do_not_wait_for_a_queue_that_is_gone() {
    both(|world| {
        let mut admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        world.prompt = false;
        let read = io.command(world, rw(2, 1, 0, 8), &[]);
        let aborts: Vec<_> = (0..5).map(|_| admin.command(world, abort(1, read), &[])).collect();
        assert_eq!(statuses(&admin.take(world)), [(aborts[4], Status::ABORT_LIMIT_EXCEEDED)]);
        world.call(io.index, |queue, cx| queue.disconnected(cx));
        assert!(!world.is_gone(io.index));
        world.answer_and_settle(1);
        assert!(world.is_gone(io.index));
        assert_eq!(statuses(&admin.take(world)).len(), 4);
        assert_eq!(world.queue(admin.index).tasks_live(), 0);
    });
}

#[test]
fn what_the_transport_refuses_does_nothing() {
    both(|world| {
        let mut admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        let mut prp = rw(2, 1, 0, 8);
        prp.0[1] = 0;
        prp.0[39] = 0;
        io.cid += 1;
        prp.0[2..4].copy_from_slice(&io.cid.to_le_bytes());
        let bytes = crate::nvmetcp::pdu::CapsuleCmd { entry: prp }.emit(&io.framing, 0);
        world.deliver(io.index, &bytes);
        assert_eq!(statuses(&io.take(world)), [(io.cid, Status::INVALID_FIELD)]);
        let mut keyed = rw(2, 1, 0, 8);
        keyed.0[39] = 0x40;
        assert_eq!(status(&io.ask(world, keyed, &[])), Status::SGL_TYPE_INVALID);
        assert_eq!(status(&admin.ask(world, keyed, &[])), Status::SGL_TYPE_INVALID);
        // Fabrics commands that are not for this queue.
        assert_eq!(status(&io.ask(world, property_get(0, true), &[])), Status::INVALID_OPCODE);
        assert_eq!(status(&admin.ask(world, fabrics(0x08), &[])), Status::INVALID_QUEUE_TYPE);
        let mut disconnect = fabrics(0x08);
        disconnect.set_dword(10, 1);
        assert_eq!(status(&io.ask(world, disconnect, &[])), Status::CONNECT_INCOMPATIBLE_FORMAT);
        for host in [&mut io, &mut admin] {
            for fctype in [0x05, 0x06] {
                assert_eq!(status(&host.ask(world, fabrics(fctype), &[])), Status::INVALID_FIELD, "no keys");
            }
        }
        // They are in the error log.
        let mut log = self::admin(0x02);
        log.set_dword(1, u32::MAX);
        log.set_dword(10, 0x003f_0001);
        let (page, _) = admin.fetch(world, log, 256);
        assert_ne!(page[..8], [0; 8], "an error count");
    });
}

#[test]
fn a_damaged_data_digest_fails_its_command_alone() {
    both(|world| {
        let admin = Host::admin(world);
        let mut io = Host::open(world, Digests { header: true, data: true });
        let connect = connect(1, admin.cntlid);
        io.ask(world, connect.entry(), &connect.data());
        let (mut bytes, cid) = io.capsule(rw(1, 1, 0, 8), &pattern(4096, 1));
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        world.deliver(io.index, &bytes);
        assert_eq!(statuses(&io.take(world)), [(cid, Status::TRANSIENT_TRANSPORT_ERROR)]);
        // By R2T, while a second command goes on.
        let write = io.command(world, rw(1, 1, 0, 64), &[]);
        let pdus = io.take(world);
        let [Pdu::R2t(r2t)] = &pdus[..] else { panic!("{pdus:?}") };
        io.framing.digests.data = false;
        let pdu = crate::nvmetcp::pdu::H2cData { last: true, cid: r2t.cid, ttag: r2t.ttag, offset: 0, len: r2t.len };
        io.framing.digests.data = true;
        let header = pdu.emit(&io.framing);
        let mut bytes = [&header[..], &crate::nvmetcp::pdu::digest(&header)].concat();
        bytes.extend(pattern(r2t.len as usize, 2));
        bytes.extend([0; 4]);
        world.deliver(io.index, &bytes);
        assert_eq!(statuses(&io.take(world)), [(write, Status::TRANSIENT_TRANSPORT_ERROR)]);
        assert!(world.media[0].iter().all(|&byte| byte == 0));
        assert_eq!(io.fetch(world, rw(2, 1, 0, 8), 4096).0.len(), 4096);
        assert_eq!(world.arena.usage().2, 0);
    });
}

#[test]
fn without_memory_commands_wait_their_turn() {
    both(|world| {
        let mut admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        let mut hoard = Vec::new();
        // The restoring mode opens the arena anew, so what is hoarded must be known to a queue: reads at the store.
        world.prompt = false;
        for at in 0..30 {
            hoard.push(io.command(world, rw(2, 1, at * 8, 512), &[]));
        }
        assert!(world.queue(io.index).starved() || world.held.len() >= 30);
        let mut identify = self::admin(0x06);
        identify.set_dword(10, 1);
        identify.set_sgl(crate::nvme::Sgl::Transport { len: 4096 });
        let cid = admin.command(world, identify, &[]);
        world.prompt = true;
        world.settle();
        world.feed();
        world.settle();
        assert_eq!(statuses(&admin.take(world)), [(cid, Status::SUCCESS)]);
        assert_eq!(statuses(&io.take(world)).len(), hoard.len());
        assert_eq!(world.arena.usage().2, 0);
    });
}

#[test]
fn a_host_that_does_not_read_stops_itself() {
    both(|world| {
        let admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        world.socket = 0;
        for at in 0..20 {
            io.command(world, rw(2, 1, at, 1024), &[]);
        }
        let waiting = world.queue(io.index).tasks_live();
        assert!(waiting > 0, "not all reads are begun");
        assert!(world.arena.usage().2 < 4 << 20);
        world.socket = usize::MAX;
        world.settle();
        assert_eq!(statuses(&io.take(world)).len(), 20);
        assert_eq!(world.arena.usage().2, 0);
    });
}

#[test]
fn a_disconnect_ends_what_is_open_first() {
    both(|world| {
        let admin = Host::admin(world);
        let mut io = Host::io(world, &admin, 1);
        world.prompt = false;
        let read = io.command(world, rw(2, 1, 0, 8), &[]);
        let write = io.command(world, rw(1, 1, 0, 64), &[]);
        let half = io.command(world, first(0), &[]);
        let pdus = io.take(world);
        let [Pdu::R2t(r2t)] = &pdus[..] else { panic!("{pdus:?}") };
        let leave = io.command(world, fabrics(0x08), &[]);
        let again = io.command(world, fabrics(0x08), &[]);
        io.give(world, r2t, &pattern(32768, 1), 32768);
        let told = statuses(&io.take(world));
        assert_eq!(told, [(half, Status::ABORTED_SQ_DELETION), (write, Status::ABORTED_SQ_DELETION)]);
        world.answer_and_settle(1);
        let told = statuses(&io.take(world));
        assert_eq!(told, [(read, Status::ABORTED_SQ_DELETION), (leave, Status::SUCCESS), (again, Status::SUCCESS)]);
        assert!(world.is_gone(io.index));
        assert_eq!(world.notices, [format!("{} left", io.index)]);
        Host::io(world, &admin, 1);
    });
}

/// A host that takes nothing of what it reads keeps others from a range no longer than its disk does.
#[test]
fn who_holds_a_range_goes_on_although_its_host_does_not_listen() {
    both(|world| {
        let admin = Host::admin(world);
        let mut deaf = Host::io(world, &admin, 1);
        let mut other = Host::io(world, &admin, 2);
        (world.prompt, world.socket) = (false, 0);
        for lba in [0, 1024] {
            deaf.command(world, rw(2, 1, lba, 1024), &[]);
        }
        for lba in [0, 1024, 2048] {
            deaf.command(world, rw(2, 1, lba, 64), &[]);
        }
        let reads = world.held.len();
        deaf.command(world, first(3), &[0; 512]);
        deaf.command(world, second(3), &pattern(512, 1));
        other.command(world, rw(1, 1, 3, 1), &pattern(512, 2));
        assert_eq!(world.held.len(), reads + 1, "the write waits for the pair");
        let pair = world.held.pop_back().unwrap();
        world.answer_and_settle(reads);
        assert!(world.queue(deaf.index).connection.output_bytes() > 1 << 20);
        world.held.clear();
        world.held.push_back(pair);
        for _ in 0..3 {
            world.answer_and_settle(1);
        }
        assert!(world.media[0][3 * 512..4 * 512] == pattern(512, 2)[..]);
    });
}
