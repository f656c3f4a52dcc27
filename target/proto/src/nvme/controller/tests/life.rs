//! Properties, enabling and its end, I/O queues, keep alive.

use super::*;

#[test]
fn properties_are_those_of_fabrics_and_say_their_size() {
    both_with(connect(), |rig| {
        assert_eq!(rig.property(0, true), Ok(0x0800_0820_0f01_007f));
        assert_eq!(rig.property(8, false), Ok(0x0002_0000));
        assert_eq!(rig.property(0x14, false), Ok(0));
        assert_eq!(rig.property(0x1c, false), Ok(0));
        assert_eq!(rig.property(0x68, false), Ok(15));
        for (offset, eight) in
            [(0, false), (4, false), (8, true), (0x20, false), (0x24, false), (0x28, true), (0x1d, false)]
        {
            assert_eq!(rig.property(offset, eight), Err(Status::INVALID_FIELD), "{offset:#x}");
        }
        for offset in [0, 8, 0x1c, 0x20, 0x68, u32::MAX] {
            assert_eq!(rig.reply(fabrics(0, offset)), Err(Status::INVALID_FIELD), "set {offset:#x}");
        }
        let mut odd = fabrics(4, 0x1c);
        odd.0[40] = 2;
        assert_eq!(rig.reply(odd), Err(Status::INVALID_FIELD));
        assert_eq!(rig.reply(fabrics(0x0c, 0)), Err(Status::INVALID_OPCODE));
    });
}

#[test]
fn before_it_is_enabled_and_after_its_shutdown_only_properties_are_answered() {
    let refused = |rig: &mut Rig| {
        for opcode in [0x02, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18] {
            assert_eq!(rig.reply(admin(opcode)), Err(Status::COMMAND_SEQUENCE_ERROR), "{opcode:#x}");
        }
        assert_eq!(rig.reply(admin(0x80)), Err(Status::INVALID_OPCODE));
    };
    both_with(connect(), |rig| {
        refused(rig);
        assert!(!rig.controller.view().ready);
        rig.enable();
        assert!(rig.controller.view().ready);
        assert_eq!(rig.reply(admin(0x18)), Ok(0));
        rig.configure(ENABLED | 1 << 14);
        assert_eq!(rig.csts(), 1 | 2 << 2);
        assert!(!rig.publication().unwrap().ready);
        refused(rig);
        rig.configure(0);
        rig.enable();
        assert_eq!(rig.csts(), 1);
    });
}

#[test]
fn a_bad_configuration_is_fatal_until_the_host_takes_it_back() {
    both_with(connect(), |rig| {
        rig.configure(1);
        assert_eq!(rig.csts(), 2);
        assert!(rig.controller.is_fatal());
        rig.configure(0);
        rig.enable();
    });
    both_with(discovery(), |rig| rig.configure(1));
}

#[test]
fn what_makes_queues_in_memory_is_no_command_of_fabrics() {
    both(|rig| {
        for opcode in
            [0x00, 0x01, 0x04, 0x05, 0x0d, 0x10, 0x11, 0x14, 0x15, 0x19, 0x1c, 0x7c, 0x80, 0x81, 0x82, 0x84, 0xc0]
        {
            assert_eq!(rig.reply(admin(opcode)), Err(Status::INVALID_OPCODE), "{opcode:#x}");
        }
        let mut fused = admin(0x18);
        fused.0[1] |= 1;
        assert_eq!(rig.reply(fused), Err(Status::INVALID_FIELD));
    });
}

#[test]
fn discovery_has_few_commands() {
    both_with(discovery(), |rig| {
        rig.configure(ENABLED);
        assert_eq!(rig.reply(admin(0x08)), Err(Status::INVALID_OPCODE));
        assert_eq!(rig.reply(admin(0x18)), Ok(0));
        for fid in [0x01, 0x06, 0x07, 0x81, 0x84] {
            assert_eq!(rig.reply(get(fid, 0)), Err(Status::INVALID_FIELD), "{fid:#x}");
        }
        assert_eq!(rig.reply(get(0x0b, 0)), Ok(1 << 31));
        assert_eq!(rig.reply(set(0x0b, NAMESPACE_NOTICES)), Err(Status::INVALID_FIELD));
        assert_eq!(rig.reply(set(0x0b, 1)), Err(Status::INVALID_FIELD));
        let queue = Connect { qid: 1, ..discovery() };
        let cntlid = rig.controller.cntlid;
        let refusal = rig.join(&Connect { cntlid, ..queue }, 0).unwrap_err();
        assert_eq!(refusal, Reply { status: Status::CONNECT_INVALID_PARAMETERS, result: 42 });
    });
}

#[test]
fn io_queues_join_their_own_controller_once() {
    both_with(connect(), |rig| {
        let good = Connect { qid: 1, cntlid: 7, ..connect() };
        let early = rig.join(&good, 0).unwrap_err().status;
        assert_eq!(early, Status { final_: false, ..Status::COMMAND_SEQUENCE_ERROR }, "not enabled");
        rig.enable();
        let invalid = |result| Err(Reply { status: Status::CONNECT_INVALID_PARAMETERS, result });
        let other = |change: fn(&mut Connect)| {
            let mut other = good.clone();
            change(&mut other);
            other
        };
        assert_eq!(rig.join(&other(|it| it.cntlid = 8), 0), invalid(0x1_0010));
        assert_eq!(rig.join(&good, 1), invalid(0x1_0010), "another port");
        assert_eq!(rig.join(&other(|it| it.hostid[0] = 0), 0), invalid(0x1_0000));
        assert_eq!(rig.join(&other(|it| it.subnqn = "nqn.x".into()), 0), invalid(0x1_0100));
        assert_eq!(rig.join(&other(|it| it.hostnqn = "nqn.x".into()), 0), invalid(0x1_0200));
        rig.site.subsystems[0].hosts = Some(Vec::new());
        let off = Reply { status: Status::CONNECT_INVALID_HOST, result: 0x1_0200 };
        assert_eq!(rig.join(&good, 0), Err(off), "taken off the list");
        rig.site.subsystems[0].hosts = None;
        assert_eq!(rig.join(&other(|it| it.qid = 65), 0), invalid(42));
        assert_eq!(rig.join(&other(|it| it.sqsize = 128), 0), invalid(44));
        let view = rig.join(&good, 0).unwrap();
        assert_eq!(view.namespaces.iter().map(|namespace| namespace.nsid).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(rig.join(&good, 0), Err(Status::COMMAND_SEQUENCE_ERROR.into()), "twice");
        assert!(rig.join(&other(|it| it.qid = 64), 0).is_ok());
        rig.controller.left(1);
        assert!(rig.join(&good, 0).is_ok());
        assert_eq!(rig.controller.queues().collect::<Vec<_>>(), [1, 64]);
    });
}

#[test]
fn a_reset_drops_io_queues_and_what_was_not_saved() {
    both(|rig| {
        rig.join(&Connect { qid: 1, cntlid: 7, ..connect() }, 0).unwrap();
        rig.reply(set(0x01, 3)).unwrap();
        rig.reply(save(set(0x0a, 1))).unwrap();
        rig.configure(0);
        assert!(rig.controller.take_reset() && !rig.controller.take_reset());
        assert_eq!(rig.controller.queues().count(), 0);
        assert!(!rig.publication().unwrap().ready);
        rig.enable();
        assert!(!rig.controller.take_reset());
        assert_eq!((rig.reply(get(0x01, 0)), rig.reply(get(0x0a, 0))), (Ok(0), Ok(1)));
        rig.configure(0);
        assert!(!rig.controller.take_reset(), "there was none");
    });
}

#[test]
fn what_a_host_has_set_stays_with_a_static_controller() {
    both(|rig| {
        rig.reply(set(0x01, 3)).unwrap();
        rig.reply(set(0x07, 3 << 16 | 3)).unwrap();
        let bytes = rig.controller.retain().save().encode_to_vec();
        let retained = Features::restore(&saved::FeaturesV1::decode(&bytes[..]).unwrap()).unwrap();
        assert_eq!(retained, rig.controller.retain());
        let mut next = Rig::again(rig.reborn, &connect(), Some(retained));
        next.enable();
        assert_eq!(next.reply(get(0x01, 0)), Ok(3));
        assert_eq!(next.reply(get(0x07, 0)), Ok(63 << 16 | 63), "queues are the association's");
    });
}

#[test]
fn silence_ends_the_association_and_any_traffic_prevents_it() {
    both(|rig| {
        assert_eq!(rig.controller.deadline(), Some(Instant(10_000_000_000)));
        rig.controller.heard();
        rig.after(10_000);
        assert!(!rig.tick(), "it was heard in that time");
        rig.after(9_999);
        assert!(!rig.tick());
        rig.controller.heard();
        rig.after(1);
        assert!(!rig.tick());
        rig.after(5000);
        assert_eq!(rig.reply(admin(0x18)), Ok(0));
        assert_eq!(rig.controller.deadline(), Some(Instant(35_000_000_000)));
        rig.after(10_000);
        assert!(rig.tick());
        assert!(!rig.publication().unwrap().ready);
        assert_eq!(rig.csts(), 2);
        assert_eq!(rig.controller.deadline(), None);
        assert_eq!(rig.reply(admin(0x18)), Err(Status::COMMAND_SEQUENCE_ERROR));
    });
}

#[test]
fn the_timer_can_be_set_anew_and_turned_off() {
    both(|rig| {
        assert_eq!(rig.reply(set(0x0f, 15_001)), Ok(0));
        assert_eq!((rig.reply(get(0x0f, 0)), rig.reply(get(0x0f, 1))), (Ok(16_000), Ok(0)));
        assert_eq!(rig.controller.deadline(), Some(Instant(16_000_000_000)));
        assert_eq!(rig.controller.kato_ms(), 16_000);
        rig.reply(set(0x0f, 0)).unwrap();
        assert_eq!(rig.controller.deadline(), None);
        assert_eq!(rig.reply(admin(0x18)), Err(Status::KEEP_ALIVE_TIMEOUT_INVALID));
    });
}

#[test]
fn an_abort_finds_held_requests_and_leaves_the_rest_to_their_queues() {
    both(|rig| {
        let abort = |sqid: u32, cid: u16| {
            let mut entry = admin(0x08);
            entry.set_dword(10, sqid | u32::from(cid) << 16);
            entry
        };
        assert_eq!(rig.send(admin(0x0c), 0), Outcome::Held);
        let held = Cid(rig.cid);
        assert_eq!(rig.reply(abort(0, held.0)), Ok(0));
        assert_eq!(rig.event(), Some((held, Status::ABORT_REQUESTED.into())));
        assert_eq!(rig.controller.events_held(), 0);
        assert_eq!(rig.reply(abort(1, 5)), Ok(1), "no such queue");
        rig.join(&Connect { qid: 1, cntlid: 7, ..connect() }, 0).unwrap();
        for _ in 0..=ACL {
            assert_eq!(rig.send(abort(1, 5), 0), Outcome::Abort { sqid: 1, cid: Cid(5) });
        }
        assert_eq!(rig.reply(abort(1, 5)), Err(Status::ABORT_LIMIT_EXCEEDED));
        rig.controller.abort_ended();
        assert_eq!(rig.send(abort(0, held.0), 0), Outcome::Abort { sqid: 0, cid: held });
    });
}

#[test]
fn errors_are_kept_newest_first_and_not_without_end() {
    both(|rig| {
        for _ in 0..100 {
            let _ = rig.reply(of(admin(0xee), 9));
        }
        let errors = &rig.controller.errors;
        assert_eq!((errors.count(), errors.newest_first().count()), (100, 64));
        let newest = *errors.newest_first().next().unwrap();
        let told = (newest.count, newest.cid, newest.status, newest.nsid, newest.location);
        assert_eq!(told, (100, Cid(rig.cid), Status::INVALID_OPCODE, 9, NOWHERE));
    });
}
