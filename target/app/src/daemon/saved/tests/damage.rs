//! Snapshots that are none: an error that names what is wrong, and never a panic.

use super::whole::busy;
use crate::daemon::saved::handed::Nothing;
use crate::daemon::saved::{Forms, READS, Unreadable, digest};
use crate::daemon::world::World;
use mainstay_base::snapshot::Snapshot;

fn whole() -> Snapshot {
    let mut rig = busy();
    rig.world.live_begin(&Forms::own()).unwrap();
    let live = rig.world.live_finish().unwrap().unwrap();
    let mut saved = rig.world.save(&Forms::own()).unwrap();
    // One with every kind there is.
    let live = live.sections.into_iter().find(|section| &*section.kind == "live");
    saved.sections.insert(1, live.unwrap());
    saved
}

fn refused(snapshot: &Snapshot) -> Unreadable {
    World::restore(snapshot, &mut Nothing).err().expect("it is not taken")
}

/// Kinds whose sections nobody but the one they are handed to reads.
const CIRCUMSTANCES: [&str; 2] = ["live", "descriptors"];

/// A snapshot may be without them.
const OPTIONAL: [&str; 1] = ["announcer"];

/// Known, but not in what this program saves: the handover is no section, and the next version only reads `sessions`.
const NOT_WRITTEN: &[&str] = if cfg!(feature = "next") { &["handover", "sessions"] } else { &["handover"] };

fn kinds() -> impl Iterator<Item = &'static str> {
    READS.iter().map(|&(kind, ..)| kind).filter(|kind| !NOT_WRITTEN.contains(kind))
}

#[test]
fn every_kind_is_there_and_missed() {
    let saved = whole();
    for kind in kinds().filter(|kind| !CIRCUMSTANCES.contains(kind)) {
        let mut less = saved.clone();
        less.sections.retain(|section| *section.kind != *kind);
        assert!(less.sections.len() < saved.sections.len(), "{kind} is in it");
        if OPTIONAL.contains(&kind) {
            World::restore(&less, &mut Nothing).unwrap();
            continue;
        }
        let why = refused(&less).to_string();
        assert!(why.contains(&format!("{kind:?}")) || ["nexus", "queue"].contains(&kind), "{kind}: {why}");
    }
}

#[test]
fn every_kind_is_wanted_once_in_its_place_and_in_a_known_version() {
    let saved = whole();
    for kind in kinds() {
        let at = saved.sections.iter().position(|section| *section.kind == *kind).unwrap();
        let one = saved.sections[at].clone();
        let mut strange = saved.clone();
        strange.sections[at].version = 99;
        assert!(
            matches!(refused(&strange), Unreadable::Version { kind: named, version: 99, .. } if named == kind),
            "{kind}"
        );
        strange.sections[at].version = 0;
        assert!(matches!(refused(&strange), Unreadable::Version { .. }), "{kind}");
        let mut late = saved.clone();
        late.sections.push(one.clone());
        if kind != "descriptors" {
            assert!(matches!(refused(&late), Unreadable::Order(named) if named == kind), "{kind}");
        }
        if !["volume", "nexus", "queue", "connection", "live", "descriptors"].contains(&kind) {
            let mut twice = saved.clone();
            twice.sections.insert(at, one);
            assert!(matches!(refused(&twice), Unreadable::Order(named) if named == kind), "{kind}");
        }
    }
    let mut unknown = saved.clone();
    unknown.sections[3].kind = "something".into();
    assert!(matches!(refused(&unknown), Unreadable::Unknown(named) if named == "something"));
    unknown.sections[3].kind = "handover".into();
    assert!(matches!(refused(&unknown), Unreadable::Unknown(_)));
}

#[test]
fn a_section_that_is_cut_or_garbled_is_named() {
    let saved = whole();
    for kind in kinds().filter(|kind| !CIRCUMSTANCES.contains(kind)) {
        let at = saved.sections.iter().rposition(|section| *section.kind == *kind).unwrap();
        for garble in [|bytes: &mut Vec<u8>| bytes.fill(0xff), |bytes: &mut Vec<u8>| bytes.push(0x08)] {
            let mut bad = saved.clone();
            let mut payload = bad.sections[at].payload.to_vec();
            // Of some kinds the last one is empty.
            payload.push(0);
            garble(&mut payload);
            bad.sections[at].payload = payload.into();
            let why = refused(&bad).to_string();
            assert!(why.contains(kind), "{kind}: {why}");
        }
        let len = saved.sections[at].payload.len();
        if len > 0 {
            let mut cut = saved.clone();
            cut.sections[at].payload.truncate(len - 1);
            let why = refused(&cut).to_string();
            assert!(why.contains(kind), "{kind}: {why}");
        }
    }
}

/// Bytes are flipped everywhere, as if somebody had made a digest for them. Whatever is taken nevertheless can be saved.
#[test]
fn whatever_stands_in_a_section_nothing_panics() {
    let saved = whole();
    let (mut taken, mut differs) = (0, 0);
    let original = digest(&saved);
    for (at, section) in saved.sections.iter().enumerate() {
        let step = (section.payload.len() / 60).max(1);
        for byte in (0..section.payload.len()).step_by(step) {
            for flip in [1, 0x80] {
                let mut bad = saved.clone();
                let mut payload = section.payload.to_vec();
                payload[byte] ^= flip;
                bad.sections[at].payload = payload.into();
                if let Ok(world) = World::restore(&bad, &mut Nothing) {
                    taken += 1;
                    let again = world.save(&Forms::of(&saved)).unwrap();
                    differs += usize::from(digest(&again) != original);
                }
            }
        }
    }
    // A circumstance, or a value that is as good: then it is carried, and seen in the digest.
    assert!(differs > 100 && differs > taken / 2, "{differs} of {taken}");
}

#[test]
fn what_is_left_behind_is_noticed() {
    let rig = busy();
    let saved = rig.world.save(&Forms::own()).unwrap();
    let forms = Forms::of(&saved);
    let changed = |change: &dyn Fn(&mut World)| {
        let mut world = World::restore(&saved, &mut Nothing).unwrap();
        change(&mut world);
        digest(&world.save(&forms).unwrap()) != digest(&saved)
    };
    assert!(!changed(&|_| ()));
    assert!(changed(&|world| world.nexus_next += 1));
    assert!(changed(&|world| world.announced = !world.announced));
    assert!(changed(&|world| world.traffic[0].reads += 1));
    assert!(changed(&|world| world.sessions.tsih_last += 1));
    assert!(changed(&|world| world.sessions.waiting.clear()));
    assert!(changed(&|world| world.controls.clear()));
    assert!(changed(&|world| world.announcing = None));
    assert!(changed(&|world| world.announcing.as_mut().unwrap().looks.0 += 1));
    assert!(changed(&|world| world.refusals.0.push_back(super::whole::refusal())));
    assert!(changed(&|world| world.connections.values_mut().for_each(|c| c.held.clear())));
    assert!(changed(&|world| world.connections.values_mut().for_each(|c| c.told = false)));
    assert!(changed(&|world| world.config.limits.window_max += 1));
}
