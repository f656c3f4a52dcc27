//! Golden snapshots: what versions have saved, to be read by every later one.

use super::bytes::Random;
use super::events::Events;
use super::ground::{self, Ground};
use super::program;
use super::scene::{self, Stage};
use bytes::Bytes;
use mainstay_base::snapshot::{Section, Snapshot};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Where they are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden")
}

/// Makes one: a daemon with a scene of every kind, and somebody who listens.
pub fn make(file: &Path) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("golden").tempdir().map_err(|error| error.to_string())?;
    let program = program::install(&program::current(), &folder.path().join("mainstay"));
    let daemon = ground::builder(&program, "").folder(&Arc::new(folder)).start();
    let (ground, events) = (Ground::of(&daemon), Events::listen(&daemon, &program));
    let mut random = Random(1);
    let mut kinds: Vec<usize> = (0..scene::kinds()).collect();
    kinds.sort_by_key(|kind| scene::is_hasty(*kind));
    let mut scenes = Vec::new();
    for kind in kinds {
        let stage = &mut Stage { ground: &ground, number: kind as u16, random: &mut random };
        scenes.push(scene::set(kind, stage)?);
    }
    let file = std::path::absolute(file).map_err(|error| error.to_string())?;
    daemon.ctl_ok(&["snapshot", "take", file.to_str().ok_or("a path of UTF-8")?]);
    drop((scenes, events));
    Ok(())
}

/// Has `program` rehearse the snapshot `bytes`, as if this machine had not been started again since: what it says.
pub fn rehearse(program: &Path, bytes: &[u8]) -> Result<String, String> {
    let mut snapshot = Snapshot::decode(&Bytes::copy_from_slice(bytes)).map_err(|error| error.to_string())?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(|error| error.to_string())?;
    let daemon = snapshot.sections.iter_mut().find(|section| &*section.kind == "daemon").ok_or("no section daemon")?;
    put_boot(daemon, boot.trim())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("snapshot");
    fs::write(&path, snapshot.encode()).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("rehearse").stdin(fs::File::open(&path).map_err(|error| error.to_string())?).stdout(Stdio::piped());
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    // What was restored is all that was given; descriptors and the live snapshot's own remarks are not of the world.
    let digest = snapshot.digest(|section| !["descriptors", "live"].contains(&&*section.kind));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if said.contains(&digest) { Ok(said) } else { Err(format!("digest {digest} is due: {said}")) }
}

/// Field 1 of the section: the boot's name, a string of 36 bytes, which comes first.
fn put_boot(section: &mut Section, boot: &str) -> Result<(), String> {
    let mut payload = section.payload.to_vec();
    match payload.get_mut(..38) {
        Some([0x0a, 36, old @ ..]) if boot.len() == old.len() => old.copy_from_slice(boot.as_bytes()),
        _ => return Err("section daemon does not begin with the boot's name".to_owned()),
    }
    section.payload = payload.into();
    Ok(())
}
