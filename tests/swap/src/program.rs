//! The two versions: the one of this tree, and the next, which exists for these tests alone (cargo feature `next`).

use mainstay_testkit::daemon;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the build of this tree is.
pub fn current() -> PathBuf {
    daemon::program()
}

/// Where the build of the next version is, built if need be. `MAINSTAY_NEXT_BIN` names one that is there.
pub fn next() -> PathBuf {
    static NEXT: OnceLock<PathBuf> = OnceLock::new();
    NEXT.get_or_init(|| std::env::var_os("MAINSTAY_NEXT_BIN").map_or_else(build_next, PathBuf::from)).clone()
}

fn build_next() -> PathBuf {
    let current = current();
    // Both builds end up under one name, so the next one is kept under another and the name given back.
    let folder = current.parent().expect("a program lies in a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = root.join("build/debug/mainstay");
    let kept = root.join("build/debug/mainstay-next");
    let cargo = |more: &[&str]| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "mainstay", "--bin", "mainstay"]).args(more).current_dir(&root);
        assert!(cargo.status().expect("cargo can be run").success(), "mainstay {more:?} does not build");
    };
    cargo(&["--features", "next"]);
    // A new file: the old one may be running.
    let fresh = folder.join(format!("mainstay-next.{}", std::process::id()));
    fs::copy(&built, &fresh).and_then(|_| fs::rename(&fresh, &kept)).expect("the build folder can be written");
    cargo(&[]);
    kept
}

/// A copy of `program` of one's own, as a package would install it: not writable by others.
pub fn install(program: &Path, to: &Path) -> PathBuf {
    let fresh = to.with_extension("new");
    // By another process: were it open for writing here while another test makes a child, it could not be run for a moment.
    let copied = Command::new("cp").arg(program).arg(&fresh).status().expect("cp can be run");
    assert!(copied.success(), "a program can be copied");
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).expect("our own file");
    fs::rename(&fresh, to).expect("our own folder");
    to.to_owned()
}
