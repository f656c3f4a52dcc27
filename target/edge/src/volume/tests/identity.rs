use super::super::*;
use super::file::file;
use super::state;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A file that has been served once.
fn served(state: &StateDir, place: &Path, name: &str) -> (PathBuf, Identity) {
    let path = place.join(name);
    let volume = Volume::open(file(&path, Some(8192)), state).unwrap();
    (path, volume.identity().clone())
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

fn keeps_attributes(path: &Path) -> bool {
    let mut text = [0; 64];
    let kept = rustix::fs::getxattr(path, "user.mainstay.identity", &mut text[..]).is_ok();
    if !kept {
        eprintln!("skipped: {} keeps no extended attributes", path.display());
    }
    kept
}

fn identity_of(path: &Path, state: &StateDir) -> Result<Identity, OpenError> {
    Volume::open(file(path, None), state).map(|volume| volume.identity().clone())
}

fn refusal(path: &Path, state: &StateDir) -> IdentityError {
    match identity_of(path, state) {
        Err(OpenError::Identity(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_copy_is_refused_with_both_names_and_the_way_out() {
    let (home, state) = state();
    let (path, identity) = served(&state, home.path(), "disk.img");
    if !keeps_attributes(&path) {
        return;
    }
    let twin = home.path().join("copy.img");
    copy(&path, &twin);
    let error = refusal(&twin, &state);
    assert!(matches!(error, IdentityError::Copied { .. }), "{error}");
    let text = error.to_string();
    let command = format!("mainstay identify --new {}", twin.display());
    assert!(text.contains(path.to_str().unwrap()) && text.contains(&command), "{text}");

    let uuid = identify_new(&twin, &state).unwrap();
    let renewed = identity_of(&twin, &state).unwrap();
    assert_eq!(Uuid::from_bytes(renewed.uuid).to_string(), uuid);
    assert_ne!(renewed, identity);
    assert_eq!(identity_of(&path, &state).unwrap(), identity, "the original is what it was");
}

#[test]
fn a_copy_is_refused_while_the_original_is_served() {
    let (home, state) = state();
    let path = home.path().join("disk.img");
    let _volume = Volume::open(file(&path, Some(8192)), &state).unwrap();
    if !keeps_attributes(&path) {
        return;
    }
    let twin = home.path().join("copy.img");
    copy(&path, &twin);
    assert!(matches!(refusal(&twin, &state), IdentityError::Copied { .. }));
    assert!(matches!(identify_new(&path, &state), Err(OpenError::InUse { .. })), "not under its initiators");
}

#[test]
fn a_moved_file_is_the_same_volume() {
    let (home, state) = state();
    let (path, identity) = served(&state, home.path(), "disk.img");
    let moved = home.path().join("moved.img");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(identity_of(&moved, &state).unwrap(), identity);
    // Away and copied back: the record's file is gone, so this is it.
    if keeps_attributes(&moved) {
        copy(&moved, &path);
        fs::remove_file(&moved).unwrap();
        assert_eq!(identity_of(&path, &state).unwrap(), identity);
    }
}

#[test]
fn links_lead_to_the_same_volume() {
    let (home, state) = state();
    let (path, identity) = served(&state, home.path(), "disk.img");
    let link = home.path().join("link.img");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(identity_of(&link, &state).unwrap(), identity);
    assert_eq!(identity_of(&path, &state).unwrap(), identity);
}

#[test]
fn the_identity_travels_with_the_file_and_stays_with_the_state() {
    let ((home, here), (_there_home, there)) = (state(), state());
    let (path, identity) = served(&here, home.path(), "disk.img");
    if !keeps_attributes(&path) {
        return;
    }
    assert_eq!(identity_of(&path, &there).unwrap(), identity, "without the first state directory");
    rustix::fs::removexattr(&path, "user.mainstay.identity").unwrap();
    assert_eq!(identity_of(&path, &here).unwrap(), identity, "without the attribute");
    assert!(keeps_attributes(&path), "and it is written again");
}

#[test]
fn a_new_file_in_the_old_place_is_a_new_volume() {
    let (home, state) = state();
    let (path, identity) = served(&state, home.path(), "disk.img");
    fs::remove_file(&path).unwrap();
    let (_, second) = served(&state, home.path(), "disk.img");
    assert_ne!(identity, second, "made by us");
    fs::remove_file(&path).unwrap();
    fs::write(&path, [0; 4096]).unwrap();
    let third = identity_of(&path, &state).unwrap();
    assert_ne!(second, third, "made by others");
}

#[test]
fn a_file_that_was_copied_over_is_not_believed_unasked() {
    let ((home, here), (other_home, other)) = (state(), state());
    let (path, mine) = served(&here, home.path(), "disk.img");
    let (foreign, theirs) = served(&other, other_home.path(), "other.img");
    if !keeps_attributes(&path) {
        return;
    }
    let overwrite = Command::new("cp").args(["--preserve=xattr"]).args([&foreign, &path]).status().unwrap();
    assert!(overwrite.success());
    assert!(matches!(refusal(&path, &here), IdentityError::Contradiction { .. }));
    identify_keep(&path, &here).unwrap();
    assert_eq!(identity_of(&path, &here).unwrap(), theirs);
    assert_ne!(mine, theirs);
}

#[test]
fn what_cannot_be_looked_at_is_asked_about() {
    let (home, state) = state();
    fs::create_dir(home.path().join("volumes")).unwrap();
    let (path, identity) = served(&state, &home.path().join("volumes"), "disk.img");
    if !keeps_attributes(&path) {
        return;
    }
    let twin = home.path().join("copy.img");
    copy(&path, &twin);
    // As a file system that is not mounted.
    fs::rename(home.path().join("volumes"), home.path().join("away")).unwrap();
    let error = refusal(&twin, &state);
    assert!(matches!(error, IdentityError::CannotTell { .. }), "{error}");
    assert!(error.to_string().contains("mainstay identify --keep"));
    identify_keep(&twin, &state).unwrap();
    assert_eq!(identity_of(&twin, &state).unwrap(), identity);
    let error = refusal(&home.path().join("away/disk.img"), &state);
    assert!(matches!(error, IdentityError::Copied { .. }), "only one of them can have it: {error}");
}

#[test]
fn an_attribute_of_nonsense_is_refused() {
    let (home, state) = state();
    let (path, _) = served(&state, home.path(), "disk.img");
    if !keeps_attributes(&path) {
        return;
    }
    for text in ["", "not a uuid", &"x".repeat(500)] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&path, "user.mainstay.identity", text.as_bytes(), flags).unwrap();
        assert!(matches!(refusal(&path, &state), IdentityError::Garbled { .. }));
    }
    identify_new(&path, &state).unwrap();
    identity_of(&path, &state).unwrap();
}

#[test]
fn a_torn_record_refuses_its_volume_and_is_kept() {
    let (home, state) = state();
    let (path, identity) = served(&state, home.path(), "disk.img");
    let (other, other_identity) = served(&state, home.path(), "other.img");
    drop(state);
    let torn = home.path().join(format!("state/volume-{}", Uuid::from_bytes(identity.uuid)));
    fs::write(&torn, "mainstay-st").unwrap();
    let state = StateDir::open(&home.path().join("state")).unwrap();
    let error = identity_of(&path, &state).unwrap_err();
    assert!(error.to_string().contains("is torn") && error.to_string().contains("move it away"), "{error}");
    assert_eq!(identity_of(&other, &state).unwrap(), other_identity, "others go on");
    // A volume that is not on record could be the one whose record is torn.
    let memory = Spec::new("ram", Backing::Memory { size: 4096 });
    assert!(Volume::open(memory, &state).is_err());
    assert_eq!(fs::read(&torn).unwrap(), b"mainstay-st");
    fs::remove_file(&torn).unwrap();
    drop(state);
    let state = StateDir::open(&home.path().join("state")).unwrap();
    if keeps_attributes(&path) {
        assert_eq!(identity_of(&path, &state).unwrap(), identity, "the file still knows");
    }
}

#[test]
fn a_record_of_a_newer_form_is_kept() {
    let (home, state) = state();
    let (path, identity) = served(&state, home.path(), "disk.img");
    let name = format!("volume-{}", Uuid::from_bytes(identity.uuid));
    let record = crate::state::Record { version: 9, text: "{}".into() };
    state.write(&name, record.clone()).unwrap();
    let error = identity_of(&path, &state).unwrap_err();
    if keeps_attributes(&path) {
        assert!(error.to_string().contains("newer version"), "{error}");
    }
    assert!(identify_new(&path, &state).is_ok(), "which leaves that record alone");
    assert_eq!(state.read(&name), Ok(Some(record)));
}
