//! Asynchronous events.

use super::*;

const REQUEST: u8 = 0x0c;

fn hold(rig: &mut Rig) -> Cid {
    assert_eq!(rig.send(admin(REQUEST), 0), Outcome::Held);
    Cid(rig.cid)
}

#[test]
fn a_namespace_that_changed_is_told_once_until_the_list_is_read() {
    both(|rig| {
        let first = hold(rig);
        assert_eq!(rig.event(), None);
        rig.notice(Notice::Volume(VolumeId(1)));
        assert_eq!(rig.event(), Some((first, Reply::with(0x04_0002))));
        rig.notice(Notice::Volume(VolumeId(0)));
        let second = hold(rig);
        assert_eq!(rig.event(), None, "masked");
        assert_eq!(rig.controller.changed_namespaces(), [1, 2]);
        rig.controller.log_read(0x04);
        assert!(rig.controller.changed_namespaces().is_empty());
        rig.notice(Notice::Namespace(3));
        assert_eq!(rig.event(), Some((second, Reply::with(0x04_0002))));
        assert_eq!(rig.controller.changed_namespaces(), [3]);
    });
}

/// Get Log Page with RAE keeps event and list, one that cannot be answered does too.
#[test]
fn reading_the_page_over_the_wire_clears_its_event() {
    both(|rig| {
        let page = |retain: u32| {
            let mut entry = admin(0x02);
            entry.set_dword(10, 0x04 | retain << 15 | 1023 << 16);
            entry
        };
        let read = |rig: &mut Rig, retain| match rig.send(page(retain), 4096) {
            Outcome::Data(data, Reply::OK) => u32::from_le_bytes(data[..4].try_into().unwrap()),
            other => panic!("{other:?}"),
        };
        rig.notice(Notice::Volume(VolumeId(1)));
        assert_eq!(rig.send(page(0), 4092), Outcome::Reply(Status::SGL_LENGTH_INVALID.into()));
        assert_eq!(read(rig, 1), 2);
        assert_eq!(read(rig, 0), 2);
        assert_eq!(read(rig, 0), 0);
        hold(rig);
        assert_eq!(rig.event(), None, "it was read before it was told");
    });
}

#[test]
fn an_event_waits_for_a_request_and_is_forgotten_when_its_page_is_read() {
    both(|rig| {
        rig.notice(Notice::Volume(VolumeId(1)));
        assert_eq!(rig.event(), None);
        let held = hold(rig);
        assert_eq!(rig.event(), Some((held, Reply::with(0x04_0002))));
        rig.controller.log_read(0x04);
        rig.notice(Notice::Volume(VolumeId(1)));
        rig.controller.log_read(0x04);
        hold(rig);
        assert_eq!(rig.event(), None);
    });
}

#[test]
fn namespaces_of_others_are_not_spoken_of() {
    both(|rig| {
        hold(rig);
        rig.notice(Notice::Volume(VolumeId(3)));
        rig.notice(Notice::Namespace(4));
        rig.notice(Notice::Namespace(99));
        rig.notice(Notice::Discovery);
        assert_eq!(rig.event(), None);
        assert!(rig.controller.changed_namespaces().is_empty());
    });
}

#[test]
fn more_changes_than_the_list_holds_are_one_word() {
    both(|rig| {
        let namespace = rig.site.subsystems[0].namespaces[0].clone();
        rig.site.subsystems[0].namespaces = (1..=1025).map(|nsid| Namespace { nsid, ..namespace.clone() }).collect();
        let (reborn, all) = (std::mem::take(&mut rig.reborn), Notice::Volume(VolumeId(0)));
        rig.notice(all);
        rig.reborn = reborn;
        rig.rebirth();
        assert_eq!(rig.controller.changed_namespaces(), [u32::MAX]);
        rig.site.subsystems[0].namespaces.truncate(1024);
        rig.controller.log_read(0x04);
        rig.notice(all);
        assert_eq!(rig.controller.changed_namespaces(), (1..=1024).collect::<Vec<_>>());
    });
}

#[test]
fn ways_are_told_when_they_change_here() {
    both(|rig| {
        let held = hold(rig);
        assert!(rig.paths.set(1, GroupId(1), Access::Inaccessible));
        rig.notice(Notice::Paths);
        assert_eq!((rig.event(), rig.publication()), (None, None), "of another portal");
        assert!(rig.paths.set(0, GroupId(2), Access::NonOptimized));
        rig.notice(Notice::Paths);
        assert_eq!(rig.event(), Some((held, Reply::with(0x0c_0302))));
        let before = rig.controller.view().generation;
        let view = rig.publication().unwrap();
        assert_eq!(view.generation, before + 1);
        assert_eq!(view.namespace(2).unwrap().access, Access::NonOptimized);
        assert_eq!(view.namespace(1).unwrap().access, Access::Optimized);
        assert_eq!(rig.publication(), None);
    });
}

#[test]
fn a_host_can_turn_notices_off() {
    both(|rig| {
        assert_eq!(rig.reply(get(0x0b, 0)), Ok(0x900));
        rig.reply(set(0x0b, ANA_NOTICES)).unwrap();
        hold(rig);
        rig.notice(Notice::Volume(VolumeId(1)));
        assert_eq!(rig.event(), None);
        assert_eq!(rig.controller.changed_namespaces(), [2]);
        assert_eq!(rig.reply(set(0x0b, 1 << 31)), Err(Status::INVALID_FIELD));
        assert_eq!(rig.reply(set(0x0b, 1 << 9)), Err(Status::INVALID_FIELD));
    });
}

#[test]
fn requests_are_counted() {
    both(|rig| {
        for _ in 0..=AERL {
            hold(rig);
        }
        assert_eq!(rig.reply(admin(REQUEST)), Err(Status::ASYNC_EVENT_LIMIT_EXCEEDED));
        assert_eq!(rig.controller.events_held(), 4);
    });
}

#[test]
fn warnings_are_events_when_they_come_and_are_wanted() {
    both(|rig| {
        let held = hold(rig);
        rig.notice(Notice::Health(0b100));
        assert_eq!(rig.event(), None, "not wanted");
        assert_eq!(rig.controller.warnings(), 0b100);
        rig.reply(set(0x0b, 0b1101)).unwrap();
        rig.notice(Notice::Health(0b100));
        assert_eq!(rig.event(), None, "not new");
        rig.notice(Notice::Health(0b1100));
        assert_eq!(rig.event(), Some((held, Reply::with(0x02_0001))), "reliability, by the read-only medium");
        rig.notice(Notice::Health(0));
        rig.controller.log_read(0x02);
        let held = hold(rig);
        rig.notice(Notice::Health(0b11));
        assert_eq!(rig.event(), Some((held, Reply::with(0x02_0201))), "spare; nobody asked for temperature");
    });
}

#[test]
fn our_own_faults_cannot_be_turned_off() {
    both(|rig| {
        rig.reply(set(0x0b, 0)).unwrap();
        let held = hold(rig);
        rig.notice(Notice::Internal { lasting: false });
        assert_eq!(rig.event(), Some((held, Reply::with(0x01_0400))));
        rig.controller.log_read(0x01);
        let held = hold(rig);
        rig.notice(Notice::Internal { lasting: true });
        assert_eq!(rig.event(), Some((held, Reply::with(0x01_0300))));
    });
}

#[test]
fn discovery_tells_of_its_log_and_nothing_else() {
    both_with(discovery(), |rig| {
        rig.notice(Notice::Discovery);
        rig.configure(ENABLED);
        let held = hold(rig);
        assert_eq!(rig.event(), None, "it was not enabled then");
        rig.notice(Notice::Volume(VolumeId(0)));
        rig.notice(Notice::Paths);
        assert_eq!(rig.event(), None);
        rig.notice(Notice::Discovery);
        assert_eq!(rig.event(), Some((held, Reply::with(0x70_f002))));
    });
}

#[test]
fn different_pages_do_not_hold_each_other_back() {
    both(|rig| {
        let (first, second) = (hold(rig), hold(rig));
        rig.notice(Notice::Volume(VolumeId(1)));
        rig.paths.set(0, GroupId(2), Access::Change);
        rig.notice(Notice::Paths);
        assert_eq!(rig.event(), Some((first, Reply::with(0x04_0002))));
        assert_eq!(rig.event(), Some((second, Reply::with(0x0c_0302))));
    });
}

#[test]
fn a_reset_ends_requests_and_forgets_events() {
    both(|rig| {
        rig.notice(Notice::Internal { lasting: true });
        rig.notice(Notice::Volume(VolumeId(1)));
        let told = hold(rig);
        let also = hold(rig);
        let held = hold(rig);
        rig.configure(0);
        assert_eq!(rig.event().unwrap().0, told);
        assert_eq!(rig.event().unwrap().0, also);
        assert_eq!(rig.event(), Some((held, Status::ABORTED_SQ_DELETION.into())));
        assert_eq!(rig.event(), None);
        assert!(rig.controller.changed_namespaces().is_empty());
        rig.enable();
        hold(rig);
        assert_eq!(rig.event(), None);
    });
}
