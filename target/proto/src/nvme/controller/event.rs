//! Asynchronous events (base §5.2): what the host shall hear, and the requests it left with us to hear it by.

use crate::nvme::{Cid, Reply, Status};
use std::collections::{BTreeSet, VecDeque};

/// Asynchronous Event Requests a host may have outstanding, less one (Identify Controller, AERL).
pub const AERL: u8 = 3;
/// Entries of the Changed Namespace List (base §5.16.1.5).
const CHANGED_MAX: usize = 1024;

/// Asynchronous Event Configuration (base §5.27.1.8) and Identify Controller, OAES: a namespace has changed.
pub const NAMESPACE_NOTICES: u32 = 1 << 8;
/// The same: an ANA state has changed.
pub const ANA_NOTICES: u32 = 1 << 11;
/// The same: the discovery log has changed.
pub const DISCOVERY_NOTICES: u32 = 1 << 31;
/// The configuration alone: critical warnings, by their bits in the SMART log.
pub const WARNINGS: u32 = 0x3f;

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    LastingFault,
    PassingFault,
    Reliability,
    Temperature,
    Spare,
    Namespace,
    Ana,
    Discovery,
}

impl Event {
    pub const ALL: [Event; 8] = [
        Event::LastingFault,
        Event::PassingFault,
        Event::Reliability,
        Event::Temperature,
        Event::Spare,
        Event::Namespace,
        Event::Ana,
        Event::Discovery,
    ];

    /// Type, information, log page (base §5.2.1).
    fn code(self) -> (u8, u8, u8) {
        match self {
            Event::LastingFault => (0, 0x03, 0x01),
            Event::PassingFault => (0, 0x04, 0x01),
            Event::Reliability => (1, 0x00, 0x02),
            Event::Temperature => (1, 0x01, 0x02),
            Event::Spare => (1, 0x02, 0x02),
            Event::Namespace => (2, 0x00, 0x04),
            Event::Ana => (2, 0x03, 0x0c),
            Event::Discovery => (2, 0xf0, 0x70),
        }
    }

    pub fn page(self) -> u8 {
        self.code().2
    }

    /// Dword 0 of the answer that tells it.
    pub fn result(self) -> u64 {
        let (kind, information, page) = self.code();
        u64::from(kind) | u64::from(information) << 8 | u64::from(page) << 16
    }
}

/// Events and requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    /// Requests that wait, oldest first; at most [`AERL`] + 1.
    pub held: VecDeque<Cid>,
    /// Events that wait for a request, oldest first, each once.
    pub waiting: VecDeque<Event>,
    /// Log pages whose events have been told, or will be, and that were not read since: more of theirs say nothing new
    /// (base §5.2). Finer than by event type, so that none is ever held back by another log page.
    pub masked: BTreeSet<u8>,
    /// Requests that have their answer.
    pub answers: VecDeque<(Cid, Reply)>,
    /// Namespaces that changed since the host read the list; one more than it holds stands for "too many".
    pub changed: BTreeSet<u32>,
    /// Critical warnings as they were told last.
    pub warnings: u8,
}

impl Events {
    /// A request came.
    pub fn request(&mut self, cid: Cid) -> Result<(), Status> {
        if self.held.len() > usize::from(AERL) {
            return Err(Status::ASYNC_EVENT_LIMIT_EXCEEDED);
        }
        self.held.push_back(cid);
        self.pair();
        Ok(())
    }

    /// Something happened that the host wants to hear of.
    pub fn post(&mut self, event: Event) {
        if self.masked.insert(event.page()) {
            self.waiting.push_back(event);
            self.pair();
        }
    }

    fn pair(&mut self) {
        while let (Some(&cid), Some(&event)) = (self.held.front(), self.waiting.front()) {
            self.held.pop_front();
            self.waiting.pop_front();
            self.answers.push_back((cid, Reply::with(event.result())));
        }
    }

    /// The host has read a log page, and says that it has seen its event.
    pub fn read(&mut self, page: u8) {
        self.masked.remove(&page);
        self.waiting.retain(|event| event.page() != page);
        if page == Event::Namespace.page() {
            self.changed.clear();
        }
    }

    /// A namespace changed.
    pub fn changed(&mut self, nsid: u32) {
        if self.changed.len() <= CHANGED_MAX {
            self.changed.insert(nsid);
        }
    }

    /// The Changed Namespace List, without the zeroes behind it.
    pub fn changed_list(&self) -> Vec<u32> {
        if self.changed.len() > CHANGED_MAX { vec![u32::MAX] } else { self.changed.iter().copied().collect() }
    }

    /// A request is given up. False: no such request waits.
    pub fn abort(&mut self, cid: Cid, status: Status) -> bool {
        let Some(at) = self.held.iter().position(|&held| held == cid) else { return false };
        self.held.remove(at);
        self.answers.push_back((cid, status.into()));
        true
    }

    /// Controller reset: nothing is remembered, and nobody waits.
    pub fn reset(&mut self) {
        let aborted = self.held.drain(..).map(|cid| (cid, Status::ABORTED_SQ_DELETION.into()));
        let mut answers = std::mem::take(&mut self.answers);
        answers.extend(aborted);
        *self = Events { answers, warnings: self.warnings, ..Events::default() };
    }
}
