//! A world that comes out of nothing or out of a snapshot is parked: its sockets are plain descriptors. Then it awakes.

use super::{Hold, Socket, World};
use crate::daemon::saved::{Role, Streams};
use mainstay_base::sam::NexusId;
use mainstay_edge::portal;
use std::io;
use std::rc::Rc;

impl World {
    /// Register every socket with the runtime that is entered. Those of connections are so already: each gets its own.
    pub fn unpark(&mut self, streams: Streams) -> io::Result<()> {
        for (id, stream) in streams {
            let connection =
                self.connections.get_mut(&id).filter(|connection| matches!(connection.socket, Socket::Lost));
            let connection = connection.ok_or_else(|| strange(id, "no connection waits for its socket"))?;
            connection.socket = Socket::Live(Rc::new(stream));
        }
        if let Some((id, _)) = self.connections.iter().find(|(_, connection)| matches!(connection.socket, Socket::Lost))
        {
            return Err(strange(*id, "the snapshot names no socket for it"));
        }
        for control in self.controls.values_mut() {
            control.socket.unpark(|descriptor| {
                tokio::net::UnixStream::from_std(std::os::unix::net::UnixStream::from(descriptor))
            })?;
        }
        for socket in self.announcing.iter_mut().flat_map(|announcing| announcing.sockets.values_mut()) {
            socket.unpark(portal::multicast::adopt)?;
        }
        for listener in &mut self.listeners {
            listener.unpark(portal::adopt_listener)?;
        }
        self.control_listener
            .unpark(|descriptor| tokio::net::UnixListener::from_std(std::os::unix::net::UnixListener::from(descriptor)))
    }

    /// All connections, those that spoke last first: they will be the next to speak, and hear of a pause most.
    pub fn by_recency(&self) -> Vec<NexusId> {
        let heard = self.connections.iter().map(|(id, connection)| (connection.machine.last_heard(), *id));
        let mut heard: Vec<_> = heard.collect();
        heard.sort_unstable_by(|one, other| other.cmp(one));
        heard.into_iter().map(|(_, id)| id).collect()
    }

    /// Go on: what was held goes to the stores, and whoever does not just wait is looked at once.
    pub fn resume(&mut self) {
        self.release_held();
        self.resume_queues();
        let restless = self
            .connections
            .iter()
            .filter(|(_, connection)| !connection.is_quiet() || connection.machine.queue().is_some());
        for id in restless.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.touch(id);
        }
        self.settle();
        self.controls.values().for_each(|control| control.changed.notify_one());
        self.go_on_announcing();
        self.timer.notify_one();
    }

    /// Whether the portal with this number is listened on.
    pub fn listens(&self, portal: usize) -> bool {
        self.listeners.get(portal).is_some_and(|listener| !matches!(listener, Socket::Lost))
    }

    /// Whether bytes are taken from initiators.
    pub fn reads(&self) -> bool {
        !self.stopping && self.hold != Hold::All
    }

    /// Whether the daemon is told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }
}

fn strange(id: NexusId, why: &str) -> io::Error {
    io::Error::other(format!("{}: {why}", Role::Connection(id.0)))
}
