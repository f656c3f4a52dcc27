//! Write protection that outlives a restart.

use super::super::*;
use super::adopted::{next_state, next_volume};
use super::file::file;
use super::memory::memory;
use super::state;
use mainstay_base::unit::{Done, Op};

fn protect(volume: &Volume, protected: bool) -> Result<Done, Fault> {
    volume.set_protected(protected);
    assert!(volume.quick(&mut Op::Protect).is_none(), "it waits for the state directory");
    volume.run(&mut Op::Protect)
}

/// The form of the only record of a volume.
fn form(state: &StateDir) -> u32 {
    let [name] = &state.names("volume-")[..] else { panic!("one volume") };
    state.read(name).unwrap().unwrap().version
}

#[test]
fn protection_survives_restarts_and_swaps() {
    let place = tempfile::tempdir().unwrap();
    for spec in
        [&|| file(&place.path().join("disk.img"), Some(1 << 20)), &|| memory("ram", 1 << 20)] as [&dyn Fn() -> Spec; 2]
    {
        let (_home, state) = state();
        let volume = Volume::open(spec(), &state).unwrap();
        assert!(!volume.is_protected() && form(&state) == 1);
        protect(&volume, true).unwrap();
        assert_eq!(form(&state), 2, "who does not know it will not serve it");
        protect(&volume, true).unwrap();
        let state = next_state(state);
        let volume = next_volume(volume, &state);
        assert!(volume.is_protected());
        drop(volume);
        let volume = Volume::open(spec(), &state).unwrap();
        assert!(volume.is_protected());
        // What is not asked to be kept is not kept.
        volume.set_protected(false);
        drop(volume);
        let volume = Volume::open(spec(), &state).unwrap();
        assert!(volume.is_protected());
        protect(&volume, false).unwrap();
        assert_eq!(form(&state), 1);
        drop(volume);
        assert!(!Volume::open(spec(), &state).unwrap().is_protected());
    }
}

/// Two that were asked for may be run in any order.
#[test]
fn the_last_word_counts() {
    let (_home, state) = state();
    let volume = Volume::open(memory("ram", 1 << 20), &state).unwrap();
    volume.set_protected(true);
    volume.set_protected(false);
    volume.run(&mut Op::Protect).unwrap();
    volume.run(&mut Op::Protect).unwrap();
    assert_eq!(form(&state), 1);
}

#[test]
fn nothing_is_protected_that_may_not_have_been_written() {
    let place = tempfile::tempdir().unwrap();
    let (_home, state) = state();
    let volume = Volume::open(file(&place.path().join("disk.img"), Some(1 << 20)), &state).unwrap();
    volume.broken.once();
    assert_eq!(protect(&volume, true), Err(Fault::MediumWrite { at: 0 }));
    drop(volume);
    let volume = Volume::open(file(&place.path().join("disk.img"), None), &state).unwrap();
    assert!(!volume.is_protected());
    volume.clear_poison().unwrap();
    protect(&volume, true).unwrap();
}
