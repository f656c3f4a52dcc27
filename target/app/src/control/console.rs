//! Who is told what the daemon does, besides subscribers of the control socket: the terminal of `serve`.

use super::words::{Event, Served};

/// A listener inside the program, called on the daemon's own thread: it must not block for long.
pub trait Console {
    /// Everything is open and bound.
    fn ready(&mut self, served: &Served);
    /// Something happened.
    fn event(&mut self, event: &Event);
}
