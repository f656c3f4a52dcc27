//! Task attributes, aborts and resets.

use super::*;
use crate::iscsi::pdu::TmfResponse;

fn write(host: &mut Host, world: &mut World, attribute: Attribute, lba: u32, seed: u8) -> Itt {
    host.ordered(world, attribute, 0, &rw10(0x2a, lba, 1), 0, 512, &[seed; 512])
}

fn tmf_answers(pdus: &[(Response, Vec<u8>)]) -> Vec<(u32, TmfResponse)> {
    let answer = |(pdu, _): &(Response, Vec<u8>)| match pdu {
        Response::TaskResponse(response) => Some((response.itt.0, response.response)),
        _ => None,
    };
    pdus.iter().filter_map(answer).collect()
}

#[test]
fn ordered_waits_for_older_and_younger_wait_for_it() {
    both(|world| {
        let mut host = Host::login(world, 1, "");
        world.prompt = false;
        let a = write(&mut host, world, Attribute::Simple, 0, 1);
        let b = write(&mut host, world, Attribute::Ordered, 0, 2);
        let c = write(&mut host, world, Attribute::Simple, 0, 3);
        let d = write(&mut host, world, Attribute::HeadOfQueue, 1, 4);
        assert_eq!(world.held.len(), 2, "the first simple and the head of queue");
        world.answer_and_settle(1);
        assert_eq!(world.held.len(), 1, "the ordered one waits for the head of queue too");
        world.answer_and_settle(1);
        assert_eq!(world.held.len(), 1, "the ordered one alone");
        world.answer_and_settle(1);
        world.answer_and_settle(1);
        let done = statuses(&world.take(host.index));
        assert_eq!(done, [(a.0, 0), (d.0, 0), (b.0, 0), (c.0, 0)]);
        assert_eq!((world.media[0][0], world.media[0][512]), (3, 4));
    });
}

#[test]
fn abort_task_is_answered_when_the_store_has_let_go() {
    both(|world| {
        let mut host = Host::login(world, 1, "");
        world.prompt = false;
        let running = write(&mut host, world, Attribute::Simple, 0, 1);
        let abort = host.manage(world, 1, 0, running);
        assert_eq!(tmf_answers(&world.take(host.index)), [], "the write is still at the store");
        world.answer_and_settle(1);
        let pdus = world.take(host.index);
        assert_eq!(tmf_answers(&pdus), [(abort.0, TmfResponse::Complete)]);
        assert_eq!(statuses(&pdus), [], "an aborted command has no status");
        let again = host.manage(world, 1, 0, running);
        assert_eq!(tmf_answers(&world.take(host.index)), [(again.0, TmfResponse::NoSuchTask)]);
        let nowhere = host.manage(world, 5, 9, Itt::RESERVED);
        assert_eq!(tmf_answers(&world.take(host.index)), [(nowhere.0, TmfResponse::NoSuchUnit)]);
    });
}

#[test]
fn an_abort_that_is_repeated_waits_as_the_first_does() {
    both(|world| {
        let mut host = Host::login(world, 1, "");
        world.prompt = false;
        let running = write(&mut host, world, Attribute::Simple, 0, 1);
        let aborts = [
            host.manage(world, 1, 0, running),
            host.manage(world, 1, 0, running),
            host.manage(world, 2, 0, Itt::RESERVED),
        ];
        assert_eq!(tmf_answers(&world.take(host.index)), [], "the write is still at the store");
        world.answer_and_settle(1);
        let complete = aborts.map(|itt| (itt.0, TmfResponse::Complete));
        assert_eq!(tmf_answers(&world.take(host.index)), complete);
    });
}

#[test]
fn abort_task_set_ends_dormant_tasks_too_and_only_those_of_the_unit() {
    both(|world| {
        let mut host = Host::login(world, 1, "");
        world.prompt = false;
        write(&mut host, world, Attribute::Simple, 0, 1);
        write(&mut host, world, Attribute::Ordered, 1, 2);
        let other = host.command(world, 1, &rw10(0x2a, 0, 1), 0, 512, &[9; 512]);
        let abort = host.manage(world, 2, 0, Itt::RESERVED);
        world.answer_and_settle(2);
        let pdus = world.take(host.index);
        assert_eq!(tmf_answers(&pdus), [(abort.0, TmfResponse::Complete)]);
        assert_eq!(statuses(&pdus), [(other.0, 0)]);
        assert_eq!(world.media[0][512], 0, "the dormant write never began");
    });
}

#[test]
fn an_abort_between_r2t_and_data_swallows_the_data() {
    both(|world| {
        let mut host = Host::login(world, 1, "ImmediateData=No\0");
        let itt = host.command(world, 0, &rw10(0x2a, 0, 8), 0, 4096, &[]);
        let (Response::R2t(r2t), _) = world.take_one(host.index) else { panic!("an R2T") };
        let abort = host.manage(world, 1, 0, itt);
        assert_eq!(tmf_answers(&world.take(host.index)), [(abort.0, TmfResponse::Complete)]);
        let (lun, ttt) = (r2t.lun, r2t.ttt);
        let out = DataOut { last: true, lun, itt, ttt, exp_stat_sn: StatSn(0), data_sn: 0, offset: 0 };
        world.send(host.index, &Pdu::DataOut(out), &[1; 4096]);
        host.ping(world);
        assert!(matches!(world.take_one(host.index).0, Response::NopIn(_)), "the session goes on");
        assert_eq!(world.media[0][0], 0);
    });
}

#[test]
fn aborts_give_back_the_window_and_the_memory() {
    both(|world| {
        let mut host = Host::login(world, 1, "ImmediateData=No\0");
        for _ in 0..300 {
            let itt = host.command(world, 0, &rw10(0x2a, 0, 8), 0, 4096, &[]);
            host.manage(world, 1, 0, itt);
        }
        assert_eq!(tmf_answers(&world.take(host.index)).len(), 300);
        assert_eq!(world.arena.usage().2, 0);
        let data = [5; 4096];
        let itt = host.command(world, 0, &rw10(0x2a, 0, 8), 0, 4096, &[]);
        assert_eq!(statuses(&host.feed(world, &data, 4096)), [(itt.0, 0)]);
    });
}

#[test]
fn a_unit_reset_ends_the_tasks_of_every_initiator() {
    both(|world| {
        let mut one = Host::login(world, 1, "");
        let mut two = Host::login(world, 2, "");
        world.prompt = false;
        write(&mut one, world, Attribute::Simple, 0, 1);
        let lost = write(&mut two, world, Attribute::Simple, 1, 2);
        let reset = one.manage(world, 5, 0, Itt::RESERVED);
        world.answer_and_settle(1);
        assert_eq!(tmf_answers(&world.take(one.index)), [], "the other's write is still at the store");
        world.answer_and_settle(1);
        assert_eq!(tmf_answers(&world.take(one.index)), [(reset.0, TmfResponse::Complete)]);
        assert_eq!(statuses(&world.take(two.index)), []);
        let itt = two.command(world, 0, &[0; 6], 0, 0, &[]);
        let pdus = world.take(two.index);
        assert_eq!(statuses(&pdus), [(itt.0, 2)]);
        assert_eq!(&pdus[0].1[2 + 12..2 + 14], &[0x29, 0x03], "BUS DEVICE RESET FUNCTION OCCURRED");
        assert!(lost.0 > 0);
    });
}

#[test]
fn a_reset_does_not_wait_for_a_nexus_that_has_gone() {
    both(|world| {
        let mut one = Host::login(world, 1, "");
        let mut two = Host::login(world, 2, "");
        world.prompt = false;
        write(&mut two, world, Attribute::Simple, 1, 2);
        let reset = one.manage(world, 6, 0, Itt::RESERVED);
        world.call(two.index, |nexus, cx| nexus.disconnected(cx));
        assert_eq!(tmf_answers(&world.take(one.index)), []);
        world.answer_and_settle(1);
        assert_eq!(tmf_answers(&world.take(one.index)), [(reset.0, TmfResponse::Complete)]);
    });
}

#[test]
fn compare_and_write_excludes_writes_of_others_and_wakes_them() {
    both(|world| {
        let mut one = Host::login(world, 1, "");
        let mut two = Host::login(world, 2, "");
        world.prompt = false;
        let mut caw = [0u8; 16];
        caw[0] = 0x89;
        caw[13] = 1;
        let mut both_halves = vec![0; 512];
        both_halves.extend([5; 512]);
        let first = one.command(world, 0, &caw, 0, 1024, &both_halves);
        let second = two.command(world, 0, &rw10(0x2a, 0, 1), 0, 512, &[6; 512]);
        assert_eq!(world.held.len(), 1, "the write waits for the compare and write");
        for _ in 0..3 {
            world.answer_and_settle(1);
        }
        assert_eq!(statuses(&world.take(one.index)), [(first.0, 0)]);
        assert_eq!(statuses(&world.take(two.index)), [(second.0, 0)]);
        assert_eq!(world.media[0][0], 6);
    });
}

/// An initiator that takes nothing of what it reads keeps others from a range no longer than its disk does.
#[test]
fn who_holds_a_range_goes_on_although_its_initiator_does_not_listen() {
    both(|world| {
        let mut deaf = Host::login(world, 1, "");
        let mut other = Host::login(world, 2, "");
        (world.prompt, world.socket) = (false, 0);
        for _ in 0..2 {
            deaf.command(world, 0, &rw10(0x28, 0, 1024), 1024 * 512, 0, &[]);
        }
        for _ in 0..2 {
            deaf.command(world, 0, &rw10(0x28, 0, 128), 128 * 512, 0, &[]);
        }
        let reads = world.held.len();
        let mut caw = [0u8; 16];
        (caw[0], caw[13]) = (0x89, 1);
        deaf.command(world, 0, &caw, 0, 1024, &[[0; 512], [5; 512]].concat());
        other.command(world, 0, &rw10(0x2a, 0, 1), 0, 512, &[6; 512]);
        assert_eq!(world.held.len(), reads + 1, "the write waits for the compare and write");
        let compare = world.held.pop_back().unwrap();
        world.answer_and_settle(reads);
        world.held.clear();
        world.held.push_back(compare);
        for _ in 0..3 {
            world.answer_and_settle(1);
        }
        assert_eq!(world.media[0][0], 6);
    });
}

/// A command whose transfer broke, with a part of it at the store and data still owed, is aborted: it is not answered
/// afterwards (RFC 7143 §11.5.1).
#[test]
fn aborting_a_command_that_is_failing() {
    both(|world| {
        let mut host = Host::login(world, 1, "MaxOutstandingR2T=8\0MaxBurstLength=131072\0");
        world.prompt = false;
        let itt = host.command(world, 0, &rw10(0x2a, 0, 1024), 0, 1024 * 512, &[]);
        let mut asked = Vec::new();
        for (pdu, _) in world.take(host.index) {
            if let Response::R2t(r2t) = pdu {
                asked.push(r2t);
            }
        }
        assert_eq!(asked.len(), 4);
        let data = pattern(131_072, 3);
        let index = host.index;
        let give = |world: &mut World, n: usize, data_sn: u32| {
            let (lun, ttt, offset) = (asked[n].lun, asked[n].ttt, asked[n].offset);
            let out = DataOut { last: true, lun, itt, ttt, exp_stat_sn: StatSn(0), data_sn, offset };
            world.send(index, &Pdu::DataOut(out), &data);
        };
        give(world, 0, 0);
        give(world, 1, 0);
        assert_eq!(world.held.len(), 1, "half of it is at the store");
        give(world, 2, 7);
        let tmf = host.manage(world, 1, 0, itt);
        assert!(world.take(host.index).is_empty(), "it waits for the store");
        world.answer_and_settle(1);
        let pdus = world.take(host.index);
        assert!(matches!(&pdus[..], [(Response::TaskResponse(response), _)] if response.itt == tmf), "{pdus:?}");
        give(world, 3, 0);
        host.ping(world);
        let pdus = world.take(host.index);
        assert!(matches!(&pdus[..], [(Response::NopIn(_), _)]), "{pdus:?}");
    });
}
