//! A socket with the runtime or without one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// A world that no runtime drives is plain data and descriptors: it is *parked*, and so are its sockets.
#[derive(Debug)]
pub(in crate::daemon) enum Socket<S> {
    /// Known to the runtime; its task has it too.
    Live(Rc<S>),
    /// Only a descriptor: nothing is read or written.
    Parked(OwnedFd),
    /// Not here yet, or lost on the way from one to the other.
    Lost,
}

impl<S> Socket<S> {
    /// The stream, when there is a runtime that knows it.
    pub fn live(&self) -> Option<&Rc<S>> {
        match self {
            Socket::Live(stream) => Some(stream),
            Socket::Parked(_) | Socket::Lost => None,
        }
    }

    /// Its descriptor, if it is here.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>>
    where
        S: AsFd,
    {
        match self {
            Socket::Live(stream) => Some(stream.as_fd()),
            Socket::Parked(descriptor) => Some(descriptor.as_fd()),
            Socket::Lost => None,
        }
    }

    /// To the runtime.
    pub fn unpark(&mut self, convert: impl FnOnce(OwnedFd) -> io::Result<S>) -> io::Result<()> {
        *self = match std::mem::replace(self, Socket::Lost) {
            Socket::Parked(descriptor) => Socket::Live(Rc::new(convert(descriptor)?)),
            other => other,
        };
        Ok(())
    }
}
