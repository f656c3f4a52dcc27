//! Locks belong to an open file description, and a child has ours between its birth and its exec: what we have just
//! given up can look taken for a moment.

use rustix::io::Errno;
use std::time::Duration;

const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// Do `attempt` again for up to 100 ms as long as it says that somebody else has it.
pub(crate) fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..TRIES {
        match attempt() {
            Err(Errno::AGAIN | Errno::ACCESS | Errno::BUSY) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    attempt()
}
