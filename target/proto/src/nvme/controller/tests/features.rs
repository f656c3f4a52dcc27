//! Get and Set Features.

use super::*;
use mainstay_base::unit::Protection;

#[track_caller]
fn data(rig: &mut Rig, entry: Entry, given: u32) -> Vec<u8> {
    match rig.send(entry, given) {
        Outcome::Data(data, Reply::OK) => data,
        other => panic!("{other:?}"),
    }
}

/// What each feature says of itself, as bits: saveable 1, of a namespace 2, changeable 4.
#[test]
fn golden_capabilities() {
    both(|rig| {
        let golden = [
            (0x01, 5),
            (0x02, 4),
            (0x04, 5),
            (0x05, 7),
            (0x06, 4),
            (0x07, 4),
            (0x0a, 5),
            (0x0b, 5),
            (0x0e, 4),
            (0x0f, 4),
            (0x16, 4),
            (0x19, 4),
            (0x81, 0),
            (0x84, 6),
        ];
        assert_eq!(feature::FEATURES.iter().map(|feature| feature.fid).collect::<Vec<_>>(), golden.map(|(fid, _)| fid));
        for fid in 0..=u8::MAX {
            let known = golden.iter().find(|known| known.0 == fid).map(|known| known.1);
            assert_eq!(rig.reply(get(fid, 3)).ok(), known, "{fid:#x}");
            if known.is_none() {
                assert_eq!(rig.reply(set(fid, 0)), Err(Status::INVALID_FIELD), "{fid:#x}");
            }
        }
    });
}

#[test]
fn current_default_and_saved_values_are_three_things() {
    both(|rig| {
        let told = |rig: &mut Rig| [0, 1, 2].map(|select| rig.reply(get(0x01, select)).unwrap());
        assert_eq!(told(rig), [0, 0, 0]);
        rig.reply(set(0x01, 0x0403_02ff)).unwrap();
        assert_eq!(told(rig), [0x0403_0207, 0, 0], "reserved bits are not kept");
        rig.reply(save(set(0x01, 5))).unwrap();
        assert_eq!(told(rig), [5, 0, 5]);
        rig.reply(set(0x01, 6)).unwrap();
        assert_eq!(told(rig), [6, 0, 5]);
        assert_eq!(rig.reply(get(0x01, 4)), Err(Status::INVALID_FIELD));
        let mut uuid = get(0x01, 0);
        uuid.set_dword(14, 1);
        assert_eq!(rig.reply(uuid), Err(Status::INVALID_FIELD));
    });
}

#[test]
fn what_cannot_be_saved_or_is_no_namespaces_is_refused() {
    both(|rig| {
        for fid in [0x02, 0x06, 0x07, 0x0e, 0x0f, 0x16, 0x19] {
            assert_eq!(rig.reply(save(set(fid, 0))), Err(Status::FEATURE_NOT_SAVEABLE), "{fid:#x}");
        }
        assert_eq!(rig.reply(save(of(set(0x84, 0), 1))), Err(Status::FEATURE_NOT_SAVEABLE));
        assert_eq!(rig.reply(of(set(0x01, 0), 1)), Err(Status::FEATURE_NOT_NAMESPACE_SPECIFIC));
        assert_eq!(rig.reply(of(set(0x01, 0), u32::MAX)), Ok(0));
        assert_eq!(rig.reply(set(0x02, 1)), Err(Status::INVALID_FIELD), "a second power state");
        assert_eq!(rig.reply(set(0x02, 0)), Ok(0));
        assert_eq!(rig.reply(set(0x19, 1)), Err(Status::INVALID_FIELD), "another combination of command sets");
        assert_eq!((rig.reply(set(0x19, 0)), rig.reply(get(0x19, 0))), (Ok(0), Ok(0)));
    });
}

#[test]
fn temperature_thresholds_are_two() {
    both(|rig| {
        let at = |mut entry: Entry, selector: u32| {
            entry.set_dword(11, entry.dword(11) | selector << 16);
            entry
        };
        assert_eq!(rig.reply(at(get(0x04, 0), 0)), Ok(0xffff));
        rig.reply(at(set(0x04, 350), 0)).unwrap();
        rig.reply(at(set(0x04, 280), 0x1f)).unwrap();
        assert_eq!((rig.reply(at(get(0x04, 0), 0)), rig.reply(at(get(0x04, 0), 0x10))), (Ok(350), Ok(280)));
        for selector in [1, 8, 0x20, 0x30] {
            assert_eq!(rig.reply(at(set(0x04, 1), selector)), Err(Status::INVALID_FIELD));
            assert_eq!(rig.reply(at(get(0x04, 0), selector)), Err(Status::INVALID_FIELD));
        }
    });
}

#[test]
fn error_recovery_is_a_namespaces() {
    both(|rig| {
        rig.reply(of(set(0x05, 100), u32::MAX)).unwrap();
        rig.reply(save(of(set(0x05, 7), 2))).unwrap();
        assert_eq!([1, 2, 3].map(|nsid| rig.reply(of(get(0x05, 0), nsid)).unwrap()), [100, 7, 100]);
        assert_eq!([1, 2].map(|nsid| rig.reply(of(get(0x05, 2), nsid)).unwrap()), [0, 7]);
        for nsid in [0, 4, 5] {
            assert_eq!(rig.reply(of(set(0x05, 1), nsid)), Err(Status::INVALID_NAMESPACE));
            assert_eq!(rig.reply(of(get(0x05, 0), nsid)), Err(Status::INVALID_NAMESPACE));
        }
        assert_eq!(rig.reply(of(set(0x05, 1 << 16), 1)), Err(Status::INVALID_FIELD), "DULBE");
    });
}

#[test]
fn the_write_cache_is_the_volumes_and_is_flushed_when_it_is_turned_off() {
    both(|rig| {
        assert_eq!([0, 1, 2].map(|select| rig.reply(get(0x06, select)).unwrap()), [1, 1, 1]);
        rig.disks[1].write_cache = false; // By SCSI.
        assert_eq!(rig.reply(get(0x06, 0)), Ok(1), "there is another");
        assert_eq!(rig.send(set(0x06, 0), 0), Outcome::Flush(vec![VolumeId(0)], Reply::OK));
        assert_eq!(rig.changes(), [Change::Cache(VolumeId(0))]);
        assert_eq!(rig.reply(get(0x06, 0)), Ok(0));
        assert!(rig.disks[2].write_cache, "only to be read");
        assert!(rig.disks[3].write_cache, "another host's");
        assert_eq!(rig.reply(set(0x06, 0)), Ok(0));
        assert_eq!(rig.reply(set(0x06, 1)), Ok(0));
        assert!(rig.disks.iter().all(|disk| disk.write_cache));
    });
}

#[test]
fn queues_are_granted_before_there_are_any() {
    both(|rig| {
        assert_eq!(rig.reply(get(0x07, 0)), Ok(0x003f_003f));
        for bad in [0xffff, 0xffff_0000, u32::MAX] {
            assert_eq!(rig.reply(set(0x07, bad)), Err(Status::INVALID_FIELD));
        }
        assert_eq!(rig.reply(set(0x07, 0xfffe_fffe)), Ok(0x003f_003f));
        assert_eq!(rig.reply(set(0x07, 3 << 16 | 1)), Ok(0x0001_0001), "pairs");
        assert_eq!((rig.reply(get(0x07, 0)), rig.reply(get(0x07, 1))), (Ok(0x0001_0001), Ok(0x003f_003f)));
        let queue = |qid| Connect { qid, cntlid: 7, ..connect() };
        assert!(rig.join(&queue(3), 0).is_err() && rig.join(&queue(2), 0).is_ok());
        assert_eq!(rig.reply(set(0x07, 0)), Err(Status::COMMAND_SEQUENCE_ERROR));
    });
}

#[test]
fn the_clock_counts_from_what_it_was_set_to() {
    both(|rig| {
        rig.after(5);
        assert_eq!(data(rig, get(0x0e, 0), 8), [5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(rig.send_data(set(0x0e, 0), &[0, 0, 0, 0, 0, 1, 0, 0]), Ok(0));
        rig.after(2);
        assert_eq!(data(rig, get(0x0e, 0), 4096), [2, 0, 0, 0, 0, 1, 2, 0], "origin: Set Features");
        assert_eq!(data(rig, get(0x0e, 1), 8), [0; 8]);
        assert_eq!(rig.send(get(0x0e, 0), 7), Outcome::Reply(Status::SGL_LENGTH_INVALID.into()));
        assert_eq!(rig.send(set(0x0e, 0), 9), Outcome::Reply(Status::SGL_LENGTH_INVALID.into()));
    });
}

#[test]
fn a_host_says_how_it_behaves_and_its_queues_hear_of_it() {
    both(|rig| {
        let mut behavior = vec![0; 512];
        (behavior[0], behavior[2], behavior[4]) = (1, 1, 0b100);
        assert_eq!(rig.send_data(set(0x16, 0), &behavior), Ok(0));
        assert_eq!(data(rig, get(0x16, 0), 512), behavior);
        let view = rig.publication().unwrap();
        assert_eq!((view.retry_delays, view.copy_formats), (true, 0b100));
        for (at, bad) in [(0, 2), (1, 2), (2, 255), (4, 1), (5, 1)] {
            let mut behavior = vec![0; 512];
            behavior[at] = bad;
            assert_eq!(rig.send_data(set(0x16, 0), &behavior), Err(Status::INVALID_FIELD), "{at}");
        }
        assert_eq!(rig.send_data(set(0x16, 0), &behavior[1..]), Err(Status::SGL_LENGTH_INVALID));
    });
}

#[test]
fn data_that_comes_after_a_reset_sets_nothing() {
    both(|rig| {
        let entry = set(0x0e, 0);
        assert_eq!(rig.send(entry, 8), Outcome::Collect(8));
        rig.configure(0);
        let outcome = rig.give(&entry, &[1; 8]);
        assert_eq!(outcome, Outcome::Reply(Status::COMMAND_SEQUENCE_ERROR.into()));
        rig.enable();
        assert_eq!(data(rig, get(0x0e, 0), 8), [0; 8]);
    });
}

#[test]
fn who_the_host_is_was_said_by_connect() {
    both(|rig| {
        let mut entry = get(0x81, 0);
        assert_eq!(rig.send(entry, 16), Outcome::Reply(Status::HOST_ID_INCONSISTENT.into()), "the short one");
        entry.set_dword(11, 1);
        assert_eq!(data(rig, entry, 16), b"0123456789abcdef");
        assert_eq!(rig.reply(set(0x81, 1)), Err(Status::COMMAND_SEQUENCE_ERROR));
    });
}

#[test]
fn write_protection_is_the_volumes_which_keeps_it() {
    both(|rig| {
        let protect = |nsid, state| of(set(0x84, state), nsid);
        assert_eq!(rig.send(protect(1, 1), 0), Outcome::Protect(VolumeId(0)));
        assert_eq!(rig.changes(), [Change::Protection(VolumeId(0))]);
        assert_eq!(rig.send(protect(1, 1), 0), Outcome::Protect(VolumeId(0)), "it may not have been kept");
        assert_eq!(rig.changes(), []);
        assert_eq!(rig.disks[0].protection, Protection::Protected);
        let view = rig.publication().unwrap();
        assert!(view.namespace(1).unwrap().read_only && !view.namespace(2).unwrap().read_only);
        assert!(view.namespace(3).unwrap().read_only, "by configuration");
        assert_eq!((rig.reply(of(get(0x84, 0), 1)), rig.reply(of(get(0x84, 1), 1))), (Ok(1), Ok(0)));
        assert_eq!(rig.send(protect(1, 0), 0), Outcome::Protect(VolumeId(0)));
        assert!(!rig.publication().unwrap().namespace(1).unwrap().read_only);
        for (nsid, state) in [(1, 3), (1, 4), (1, 7)] {
            assert_eq!(rig.reply(protect(nsid, state)), Err(Status::INVALID_FIELD));
        }
        for nsid in [0, 4, u32::MAX] {
            assert_eq!(rig.reply(protect(nsid, 1)), Err(Status::INVALID_NAMESPACE));
        }
        assert_eq!(rig.reply(protect(3, 1)), Err(Status::FEATURE_NOT_CHANGEABLE), "only to be read");
        assert_eq!(rig.send(protect(2, 2), 0), Outcome::Protect(VolumeId(1)));
        assert_eq!(rig.reply(protect(2, 0)), Err(Status::FEATURE_NOT_CHANGEABLE));
        assert_eq!(rig.send(protect(2, 2), 0), Outcome::Protect(VolumeId(1)));
    });
}

#[test]
fn protection_by_another_host_reaches_this_ones_queues() {
    both(|rig| {
        rig.disks[1].protection = Protection::Protected;
        rig.notice(Notice::Volume(VolumeId(1)));
        assert!(rig.publication().unwrap().namespace(2).unwrap().read_only);
        assert_eq!(rig.controller.changed_namespaces(), [2]);
    });
}
