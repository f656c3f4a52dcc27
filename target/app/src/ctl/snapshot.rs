//! `mainstay snapshot`.

use super::Ask;
use super::failure::{Failure, say};
use super::size;
use crate::control::words::{Call, Snapshotted};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Look at the state that a swap hands over
///
/// A snapshot is what the running daemon gives to its next version: sessions, commands under way, configuration, identities.
/// The data of volumes is not in it, but what initiators have just sent may be. It helps to find out why a swap was
/// refused.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay snapshot take state.snapshot\n  mainstay snapshot show state.snapshot | less"
)]
pub struct Snapshot {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print a snapshot as text, without its secrets
    #[command(after_help = "Example:\n  mainstay snapshot show state.snapshot | less")]
    Show {
        /// What `mainstay snapshot take` has written
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write a snapshot of the running daemon, which goes on serving
    ///
    /// The file holds the CHAP secrets: it is made with mode 0600. One that is there is never overwritten.
    #[command(after_help = "Example:\n  mainstay snapshot take state.snapshot")]
    Take {
        /// The file to make
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        ask: Ask,
    },
}

impl Snapshot {
    pub(super) fn run(self, show: fn(&[u8]) -> Result<String, String>) -> Result<(), Failure> {
        match self.verb {
            Verb::Show { file } => {
                let failed = |error: &dyn std::fmt::Display| Failure::problem(format!("{}: {error}", file.display()));
                let bytes = Zeroizing::new(std::fs::read(&file).map_err(|error| failed(&error))?);
                say(&show(&bytes).map_err(|error| failed(&error))?)
            }
            Verb::Take { file, ask } => {
                let taken: Snapshotted = ask.client()?.call(&Call::Snapshot)?;
                let text = Zeroizing::new(taken.base64);
                let bytes = STANDARD
                    .decode(&*text)
                    .map_err(|error| Failure::problem(format!("the snapshot is damaged: {error}")))?;
                let bytes = Zeroizing::new(bytes);
                make(&file, |out| out.write_all(&bytes))
                    .map_err(|error| Failure::problem(format!("{}: {error}", file.display())))?;
                let (size, file) = (size::bytes(bytes.len() as u64), file.display());
                say(&format!("{file}: {size}, secrets included (`mainstay snapshot show {file}` hides them)\n"))
            }
        }
    }
}

/// Makes `path` with what `fill` writes, on stable storage, for its owner alone; not over anything.
fn make(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file =
        File::options().write(true).create_new(true).mode(0o600).open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                io::Error::new(ErrorKind::AlreadyExists, "is there already; name another file, or remove it")
            }
            _ => error,
        })?;
    let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let written = fill(&mut file).and_then(|()| file.sync_all()).and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // Half a snapshot is none. It was made here, just now; that it stays is no worse than the error itself.
        let _ = std::fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
        make(path, |file| file.write_all(bytes))
    }

    #[test]
    fn a_snapshot_is_private_and_overwrites_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s");
        write(&path, b"secret").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write(&path, b"other").unwrap_err().to_string().contains("is there already"));
        assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path().join("elsewhere"), &link).unwrap();
        assert!(write(&link, b"other").is_err() && !home.path().join("elsewhere").exists());
        assert!(write(&home.path().join("none/s"), b"x").is_err());
    }

    #[test]
    fn half_a_snapshot_does_not_stay() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s");
        let full = |file: &mut File| file.write_all(b"half").and(Err(io::Error::from(ErrorKind::StorageFull)));
        assert_eq!(make(&path, full).unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(!path.exists());
    }

    #[test]
    fn show_says_which_file_is_wrong() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("s");
        let show = |bytes: &[u8]| if bytes == b"good" { Ok(String::new()) } else { Err("not a snapshot".to_owned()) };
        let run = |file: &Path| Snapshot { verb: Verb::Show { file: file.to_owned() } }.run(show);
        assert!(matches!(run(&file), Err(Failure::Problem(what)) if what.contains("/s: ")));
        std::fs::write(&file, "bad").unwrap();
        assert!(matches!(run(&file), Err(Failure::Problem(what)) if what.ends_with("/s: not a snapshot")));
        std::fs::write(&file, "good").unwrap();
        assert!(run(&file).is_ok());
    }
}
