//! Deadlines: login, liveness, standing transfers, output that nobody takes, the end.

use super::{Connection, Cx};
use crate::iscsi::pdu::{Itt, NopIn, Ttt};
use crate::iscsi::session::Phase;
use mainstay_base::sam::Lun;
use mainstay_base::time::Instant;
use std::time::Duration;

/// A connection's instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::iscsi) struct Timers {
    /// The latest instant it was told of.
    pub clock: Instant,
    pub opened: Instant,
    /// When the last byte came.
    pub heard: Instant,
    /// A ping that is not answered, and when it was sent.
    pub ping: Option<(Ttt, Instant)>,
    /// When an initiator that was asked to log out is dropped, or when what is still queued becomes useless.
    pub until: Option<Instant>,
    /// When to look for a transfer that stands still.
    pub transfers: Option<Instant>,
    /// Since when nothing of what is queued was taken; none while nothing is queued or nobody has looked.
    pub untaken: Option<Instant>,
}

impl Timers {
    pub fn new(now: Instant) -> Timers {
        Timers { clock: now, opened: now, heard: now, ping: None, until: None, transfers: None, untaken: None }
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
        self.ping = None;
        self.transfers = None;
        self.untaken = None;
        self.until = Some(self.clock + timeout);
    }
}

impl Connection {
    /// When [`Connection::tick`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.info.phase {
            Phase::Login | Phase::Deciding => Some(self.timers.opened + self.limits.login_timeout),
            Phase::FullFeature => {
                let all = [self.liveness(), self.timers.until, self.timers.transfers, self.patience()];
                all.into_iter().flatten().min()
            }
            Phase::Closing => self.timers.until,
            Phase::Closed => None,
        }
    }

    /// When silence calls for the next step: a ping, or the end. A peer that is not listened to is not silent.
    fn liveness(&self) -> Option<Instant> {
        self.wants_input().then(|| match self.timers.ping {
            Some((_, sent)) => self.timers.heard.max(sent) + self.limits.ping_timeout,
            None => self.timers.heard + self.limits.ping_interval,
        })
    }

    /// When a peer that takes nothing of the output has had time enough.
    fn patience(&self) -> Option<Instant> {
        let since = self.timers.untaken.unwrap_or(self.timers.clock);
        (self.output.len() > 0).then(|| since + self.limits.data_timeout)
    }

    /// Whether output is queued may have changed: from now on the peer has time to take it.
    pub(super) fn watch_output(&mut self, now: Instant) {
        if self.output.len() == 0 {
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
            Phase::Login | Phase::Deciding => {
                if due(self.deadline()) {
                    self.notice("did not finish its login in time; disconnected", None);
                    self.end();
                }
            }
            Phase::FullFeature => {
                if due(self.timers.until) {
                    self.notice("did not log out when asked to; dropped", Some("11.9.1"));
                    self.drop_session();
                } else if due(self.patience()) {
                    self.notice("takes nothing of what is sent to it; disconnected", None);
                    self.cut();
                } else if due(self.liveness()) {
                    self.silence(cx);
                } else if due(self.timers.transfers) {
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

    fn silence(&mut self, cx: &Cx<'_>) {
        if self.timers.ping.is_some() {
            self.notice("does not answer pings; disconnected", Some("11.19"));
            self.cut();
        } else if self.info.target.is_none() {
            self.notice("left its discovery session idle; disconnected", None);
            self.end();
        } else {
            self.shrink();
            let ttt = self.ttt();
            self.timers.ping = Some((ttt, cx.now));
            self.nop_in(ttt);
        }
    }

    /// A NOP-In of our own: a ping, or with a reserved tag only the news of the window.
    pub(super) fn nop_in(&mut self, ttt: Ttt) {
        let pdu = NopIn { lun: Lun::default(), itt: Itt::RESERVED, ttt, counters: self.counters() };
        self.output.push(self.digests, &pdu.emit(0), &[]);
    }

    /// An idle session keeps no spare memory.
    fn shrink(&mut self) {
        self.tasks.shrink();
        self.input.shrink();
        self.output.shrink();
        if self.events.is_empty() {
            self.events = Default::default();
        }
        if self.management.is_empty() {
            self.management = Vec::new();
        }
    }

    /// A transfer was asked for or has moved.
    pub(super) fn watch_transfers(&mut self, now: Instant) {
        self.timers.transfers.get_or_insert(now + self.limits.data_timeout);
    }

    fn look_for_standing_transfers(&mut self, cx: &Cx<'_>) {
        let oldest = self.tasks.iter().filter(|task| task.is_open()).map(|task| (task.progress, task.itt)).min();
        match oldest {
            Some((progress, itt)) if progress + self.limits.data_timeout <= cx.now => {
                self.fatal(&format!("owes data of command {itt} for too long"), "4.2.4.2");
            }
            Some((progress, _)) => self.timers.transfers = Some(progress + self.limits.data_timeout),
            None => self.timers.transfers = None,
        }
    }
}
