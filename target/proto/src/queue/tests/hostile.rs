//! Bytes of any kind, in any pieces: no panic, no lasting memory, and never an answer to what nobody asked.

use super::*;
use crate::nvme::Entry;
use crate::nvmetcp::pdu::Digests;
use proptest::prelude::*;
use std::time::Duration;

/// Entries that look like something.
fn entry() -> impl Strategy<Value = Entry> {
    let opcode = prop_oneof![Just(0x7fu8), 0..0x20u8, 0x80..0x90u8, any::<u8>()];
    (opcode, any::<[u8; 63]>(), 0..9u8, any::<u8>()).prop_map(|(opcode, rest, fctype, shape)| {
        let mut entry = Entry::default();
        entry.0[0] = opcode;
        entry.0[1..].copy_from_slice(&rest);
        // Fields that are random all over would be refused at the door.
        entry.0[1] = if shape & 1 == 0 { 0x40 | rest[0] & 3 } else { rest[0] };
        if opcode == 0x7f && shape & 2 == 0 {
            entry.0[4] = fctype;
        } else if shape & 2 == 0 {
            entry.set_dword(1, u32::from(fctype));
        }
        if shape & 4 == 0 {
            entry.0[39] = 0x5a;
            entry.set_dword(8, u32::from(rest[1]) * 512);
        }
        if shape & 8 == 0 {
            entry.set_dword(10, u32::from(rest[2]));
            entry.set_dword(11, 0);
            entry.set_dword(12, u32::from(rest[3]));
        }
        entry
    })
}

fn drop_all(world: &mut World) {
    for index in 0..world.queues.len() {
        world.call(index, |queue, cx| queue.disconnected(cx));
        assert!(world.is_gone(index));
    }
    assert_eq!(world.arena.usage().2, 0, "all memory comes back");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_at_any_state_do_no_harm(state in 0..4u8, pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8)) {
        both(|world| {
            let index = match state {
                0 => world.accept(),
                1 => Host::open(world, Digests::default()).index,
                2 => Host::admin(world).index,
                _ => {
                    let admin = Host::admin(world);
                    Host::io(world, &admin, 1).index
                }
            };
            for piece in &pieces {
                world.deliver(index, piece);
            }
            world.pass(Duration::from_secs(20));
            drop_all(world);
        });
    }

    #[test]
    fn any_commands_on_any_queue_are_answered_once(queue in 0..3u8, entries in prop::collection::vec((entry(), 0..2000usize), 1..20)) {
        both(|world| {
            let mut admin = Host::admin(world);
            let mut host = match queue {
                0 => Host::open(world, Digests::default()),
                1 => admin.clone(),
                _ => Host::io(world, &admin, 1),
            };
            let mut answered = 0;
            for (entry, len) in &entries {
                let data = vec![0x5a; if entry.0[39] == 0x5a { 0 } else { *len }];
                // Not the shutdown: what is left would be boring.
                if entry.is_fabrics() && entry.fctype() == 0 {
                    continue;
                }
                host.command(world, *entry, &data);
                let pdus = host.feed(world, &vec![0; 1 << 20], 1 << 16);
                answered += statuses(&pdus).len();
                if world.is_gone(host.index) || pdus.contains(&Pdu::Terminated) {
                    break;
                }
                assert_eq!(answered + world.queue(host.index).tasks_live(), usize::from(host.cid) - start(queue, &admin));
            }
            admin.take(world);
            drop_all(world);
        });
    }

    #[test]
    fn a_stream_may_be_cut_anywhere(cuts in prop::collection::vec(1..300usize, 1..40)) {
        let bytes = |world: &mut World| {
            let admin = Host::admin(world);
            let mut io = Host::open(world, Digests { header: true, data: true });
            // Without SQHD, which tells how much came at once.
            let connect = crate::nvme::Connect { cattr: 4, ..connect(1, admin.cntlid) };
            io.ask(world, connect.entry(), &connect.data());
            let mut bytes = io.capsule(rw(1, 1, 0, 4), &pattern(2048, 1)).0;
            bytes.extend(io.capsule(rw(2, 1, 0, 4), &[]).0);
            bytes.extend(io.capsule(rw(0x05, 1, 0, 4), &pattern(2048, 1)).0);
            bytes.extend(io.capsule(flush(1), &[]).0);
            (io, bytes)
        };
        let mut whole = World::new(false);
        let (mut io, all) = bytes(&mut whole);
        whole.deliver(io.index, &all);
        let expected = io.take(&mut whole);
        assert_eq!(statuses(&expected).len(), 4);
        both(|world| {
            let (mut io, all) = bytes(world);
            let mut rest = &all[..];
            for &cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                world.deliver(io.index, piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            assert_eq!(io.take(world), expected);
        });
    }
}

/// Commands that were sent, and answered, before the test began.
fn start(queue: u8, admin: &Host) -> usize {
    match queue {
        0 => 0,
        1 => usize::from(admin.cid),
        _ => 1,
    }
}
