mod adopted;
mod file;
mod gate;
mod identity;
mod marks;
mod memory;
#[cfg(target_os = "linux")]
mod mounted;
mod pool;
mod protection;

use crate::state::StateDir;
use rustix::io::Errno;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes syncs fail.
#[derive(Debug, Default)]
pub(super) struct Broken(AtomicBool);

impl Broken {
    pub fn sync(&self, real: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        if self.0.swap(false, Ordering::SeqCst) { Err(Errno::IO) } else { real() }
    }

    fn once(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A state directory of its own for a test.
fn state() -> (tempfile::TempDir, StateDir) {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(&home.path().join("state")).unwrap();
    (home, state)
}
