//! A socket with the runtime or without one.

use std::os::fd::OwnedFd;
use std::rc::Rc;

/// A world that no runtime drives is plain data and descriptors: it is *parked*, and so are its sockets.
#[derive(Debug)]
pub(in crate::daemon) enum Socket<S> {
    /// Known to the runtime; its task has it too.
    Live(Rc<S>),
    /// Only a descriptor: nothing is read or written.
    Parked(OwnedFd),
}

impl<S> Socket<S> {
    /// The stream, when there is a runtime that knows it.
    pub fn live(&self) -> Option<&Rc<S>> {
        match self {
            Socket::Live(stream) => Some(stream),
            Socket::Parked(_) => None,
        }
    }
}
