//! The machine of a connection, of either protocol, and how the world calls it.

use mainstay_base::sam::NexusId;
use mainstay_base::time::Instant;
use mainstay_base::unit::Completion;
use mainstay_edge::portal;
use mainstay_proto::iscsi::{self, CloseReason};
use mainstay_proto::nexus::{self, Nexus};
use mainstay_proto::queue::{self, Queue};
use std::io::IoSlice;
use std::net::SocketAddr;

/// What is at our end of a connection.
#[derive(Debug)]
pub(in crate::daemon) enum Machine {
    Iscsi(Box<Nexus>),
    Nvme(Box<Queue>),
}

/// What one of them asks of the world.
#[derive(Debug)]
pub(super) enum Wish {
    Iscsi(nexus::Effect),
    Nvme(queue::Effect),
}

/// Who is at the other end, and what for.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Party {
    pub peer: SocketAddr,
    pub local: SocketAddr,
    /// Initiator or host, as far as it has said so.
    pub initiator: String,
    /// Target or subsystem; none: discovery, or not known yet.
    pub target: Option<String>,
}

impl Machine {
    pub fn nexus(&self) -> Option<&Nexus> {
        match self {
            Machine::Iscsi(nexus) => Some(nexus),
            Machine::Nvme(_) => None,
        }
    }

    pub fn queue(&self) -> Option<&Queue> {
        match self {
            Machine::Iscsi(_) => None,
            Machine::Nvme(queue) => Some(queue),
        }
    }

    pub fn id(&self) -> NexusId {
        match self {
            Machine::Iscsi(nexus) => nexus.id(),
            Machine::Nvme(queue) => queue.id(),
        }
    }

    pub fn peer(&self) -> SocketAddr {
        match self {
            Machine::Iscsi(nexus) => nexus.info().peer,
            Machine::Nvme(queue) => queue.info().peer,
        }
    }

    pub fn party(&self) -> Party {
        match self {
            Machine::Iscsi(nexus) => {
                let info = nexus.info();
                let (initiator, target) = (info.initiator.clone(), info.target_name.clone());
                Party { peer: info.peer, local: info.local, initiator, target }
            }
            Machine::Nvme(queue) => {
                let info = queue.info();
                let (initiator, target) = (info.host.clone(), Some(info.subnqn.clone()));
                let target = target.filter(|nqn| !nqn.is_empty() && !info.discovery);
                Party { peer: info.peer, local: info.local, initiator, target }
            }
        }
    }

    /// Commands it was ever given, and those of them that are open.
    pub fn commands(&self) -> (u64, usize) {
        match self {
            Machine::Iscsi(nexus) => (nexus.info().traffic.commands, nexus.tasks_live()),
            Machine::Nvme(queue) => (queue.transport().traffic.commands, queue.tasks_live()),
        }
    }

    /// A task management function waits for others.
    pub fn is_managing(&self) -> bool {
        self.nexus().is_some_and(Nexus::is_managing)
    }

    pub fn starved(&self) -> bool {
        match self {
            Machine::Iscsi(nexus) => nexus.starved(),
            Machine::Nvme(queue) => queue.starved(),
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Machine::Iscsi(nexus) => nexus.deadline(),
            Machine::Nvme(queue) => queue.deadline(),
        }
    }

    /// When the last byte came from an initiator; of a host, which speaks every few seconds, that is not kept: just now.
    pub fn last_heard(&self) -> Instant {
        match self {
            Machine::Iscsi(nexus) => nexus.last_heard(),
            Machine::Nvme(_) => Instant(u64::MAX),
        }
    }

    pub fn wants_input(&self) -> bool {
        match self {
            Machine::Iscsi(nexus) => nexus.wants_input(),
            Machine::Nvme(queue) => queue.wants_input(),
        }
    }

    #[cfg(test)]
    pub fn output<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        match self {
            Machine::Iscsi(nexus) => nexus.output(slices),
            Machine::Nvme(queue) => queue.output(slices),
        }
    }

    pub fn has_output(&self) -> bool {
        match self {
            Machine::Iscsi(nexus) => nexus.has_output(),
            Machine::Nvme(queue) => queue.has_output(),
        }
    }

    pub fn is_closed(&self) -> bool {
        match self {
            Machine::Iscsi(nexus) => nexus.is_closed(),
            Machine::Nvme(queue) => queue.is_closed(),
        }
    }

    pub fn has_ended(&self) -> bool {
        match self {
            Machine::Iscsi(nexus) => nexus.has_ended(),
            Machine::Nvme(queue) => queue.has_ended(),
        }
    }
}

/// A machine with the world around it: what the pump moves bytes for, and what the world calls.
pub(in crate::daemon) enum Pump<'a> {
    Iscsi(&'a mut Nexus, nexus::Cx<'a>),
    Nvme(&'a mut Queue, queue::Cx<'a>),
}

impl Pump<'_> {
    pub fn tick(&mut self) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.tick(cx),
            Pump::Nvme(queue, cx) => queue.tick(cx),
        }
    }

    pub fn feed(&mut self) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.feed(cx),
            Pump::Nvme(queue, cx) => queue.feed(cx),
        }
    }

    pub fn wake(&mut self) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.wake(cx),
            Pump::Nvme(queue, cx) => queue.wake(cx),
        }
    }

    pub fn complete(&mut self, completion: Completion) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.complete(cx, completion),
            Pump::Nvme(queue, cx) => queue.complete(cx, completion),
        }
    }

    pub fn disconnected(&mut self) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.disconnected(cx),
            Pump::Nvme(queue, cx) => queue.disconnected(cx),
        }
    }

    pub fn close(&mut self, reason: CloseReason) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.close(cx, reason),
            Pump::Nvme(queue, cx) => queue.close(cx),
        }
    }
}

impl portal::Machine for Pump<'_> {
    fn payload_space(&mut self) -> Option<&mut [u8]> {
        match self {
            Pump::Iscsi(nexus, _) => nexus.payload_space(),
            Pump::Nvme(queue, _) => queue.payload_space(),
        }
    }

    fn filled(&mut self, n: usize) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.filled(cx, n),
            Pump::Nvme(queue, cx) => queue.filled(cx, n),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.receive(cx, bytes),
            Pump::Nvme(queue, cx) => queue.receive(cx, bytes),
        }
    }

    fn wants_input(&self) -> bool {
        match self {
            Pump::Iscsi(nexus, _) => nexus.wants_input(),
            Pump::Nvme(queue, _) => queue.wants_input(),
        }
    }

    fn output<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        match self {
            Pump::Iscsi(nexus, _) => nexus.output(slices),
            Pump::Nvme(queue, _) => queue.output(slices),
        }
    }

    fn sent(&mut self, n: usize) {
        match self {
            Pump::Iscsi(nexus, cx) => nexus.sent(cx, n),
            Pump::Nvme(queue, cx) => queue.sent(cx, n),
        }
    }
}

/// How a connection begins.
pub(in crate::daemon) enum Setup {
    Iscsi(iscsi::Setup),
    Nvme(queue::Setup),
}
