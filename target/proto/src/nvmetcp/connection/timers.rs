//! Deadlines: ICReq, memory for a capsule, standing transfers, output that nobody takes, the end.

use super::{Connection, Cx};
use crate::nvmetcp::info::Phase;
use mainstay_base::time::Instant;
use std::time::Duration;

/// A connection's instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nvmetcp) struct Timers {
    /// The latest instant it was told of.
    pub clock: Instant,
    pub opened: Instant,
    /// When the last byte came.
    pub heard: Instant,
    /// When what is still queued becomes useless.
    pub until: Option<Instant>,
    /// When to look for a transfer that stands still.
    pub transfers: Option<Instant>,
    /// Since when nothing of what is queued was taken; none while nothing is queued or nobody has looked.
    pub untaken: Option<Instant>,
}

impl Timers {
    pub fn new(now: Instant) -> Timers {
        Timers { clock: now, opened: now, heard: now, until: None, transfers: None, untaken: None }
    }

    pub fn heard(&mut self, now: Instant) {
        self.clock = now;
        self.heard = now;
    }

    /// The peer took some of the output; `more` is queued.
    pub fn taken(&mut self, now: Instant, more: bool) {
        self.clock = now;
        self.untaken = more.then_some(now);
    }

    pub fn end(&mut self, timeout: Duration) {
        self.transfers = None;
        self.untaken = None;
        self.until = Some(self.clock + timeout);
    }
}

impl Connection {
    /// When [`Connection::tick`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.info.phase {
            Phase::Opening => Some(self.timers.opened + self.limits.open_timeout),
            Phase::Serving => {
                let memory = self.waiting.as_ref().map(|waiting| waiting.until);
                [memory, self.timers.transfers, self.patience()].into_iter().flatten().min()
            }
            Phase::Closing => self.timers.until,
            Phase::Closed => None,
        }
    }

    /// When a peer that takes nothing of the output has had time enough.
    fn patience(&self) -> Option<Instant> {
        let since = self.timers.untaken.unwrap_or(self.timers.clock);
        (!self.output.is_empty()).then(|| since + self.limits.data_timeout)
    }

    /// Whether output is queued may have changed: from now on the peer has time to take it.
    pub(super) fn watch_output(&mut self, now: Instant) {
        if self.output.is_empty() {
            self.timers.untaken = None;
        } else {
            self.timers.untaken.get_or_insert(now);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, cx: &Cx<'_>) {
        self.timers.clock = cx.now;
        self.watch_output(cx.now);
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= cx.now);
        match self.info.phase {
            Phase::Opening => {
                if due(self.deadline()) {
                    self.notice("did not initialise its connection in time; disconnected");
                    self.end();
                }
            }
            Phase::Serving => {
                if due(self.patience()) {
                    self.notice("takes nothing of what is sent to it; disconnected");
                    return self.cut();
                }
                if due(self.waiting.as_ref().map(|waiting| waiting.until)) {
                    self.starve(cx);
                }
                if due(self.timers.transfers) {
                    self.look_for_standing_transfers(cx);
                }
            }
            Phase::Closing => {
                if due(self.timers.until) {
                    self.output.clear();
                    self.info.phase = Phase::Closed;
                }
            }
            Phase::Closed => {}
        }
    }

    /// Data was asked for or has begun to come.
    pub(super) fn watch_transfers(&mut self, now: Instant) {
        self.timers.transfers.get_or_insert(now + self.limits.data_timeout);
    }

    fn look_for_standing_transfers(&mut self, cx: &Cx<'_>) {
        if !self.wants_input() {
            // A peer that is not listened to cannot get on.
            self.timers.transfers = Some(cx.now + self.limits.data_timeout);
            return;
        }
        let owed = self.commands.iter().filter(|(_, command)| command.asked() > 0);
        let owed = owed.map(|(_, command)| command.progress);
        let Some(oldest) = owed.chain(self.incoming.as_ref().map(|_| self.timers.heard)).min() else {
            self.timers.transfers = None;
            return;
        };
        if oldest + self.limits.data_timeout > cx.now {
            self.timers.transfers = Some(oldest + self.limits.data_timeout);
            return;
        }
        self.notice("owes data for too long; disconnected");
        self.end();
    }
}
