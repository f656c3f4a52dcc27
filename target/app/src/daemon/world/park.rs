//! A world that comes out of nothing or out of a snapshot is parked: its sockets are plain descriptors. Then it awakes.

use super::{Hold, Socket, World};
use mainstay_edge::portal;
use std::io;

impl World {
    /// Register every socket with the runtime that is entered.
    pub fn unpark(&mut self) -> io::Result<()> {
        for connection in self.connections.values_mut() {
            connection.socket.unpark(portal::adopt_stream)?;
        }
        for control in self.controls.values_mut() {
            control.socket.unpark(|descriptor| {
                tokio::net::UnixStream::from_std(std::os::unix::net::UnixStream::from(descriptor))
            })?;
        }
        for listener in &mut self.listeners {
            listener.unpark(portal::adopt_listener)?;
        }
        self.control_listener
            .unpark(|descriptor| tokio::net::UnixListener::from_std(std::os::unix::net::UnixListener::from(descriptor)))
    }

    /// Go on: what was held goes to the stores, everything is looked at once.
    pub fn resume(&mut self) {
        self.release_held();
        self.resume_queues();
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.touch(id);
        }
        self.settle();
        self.controls.values().for_each(|control| control.changed.notify_one());
        self.timer.notify_one();
    }

    /// Whether the portal with this number is listened on.
    pub fn listens(&self, portal: usize) -> bool {
        self.listeners.get(portal).is_some_and(|listener| !matches!(listener, Socket::Lost))
    }

    /// Whether bytes are taken from initiators.
    pub(super) fn reads(&self) -> bool {
        !self.stopping && self.hold != Hold::All
    }

    /// Whether the daemon is told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }
}
