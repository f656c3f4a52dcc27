//! How many descriptors we may have, and what that means for the number of sessions.

use super::announcing::LINKS_MAX;
use crate::config::Config;
use crate::control::place::CONNECTIONS_MAX;
use rustix::process::{Resource, getrlimit, setrlimit};

/// For the volumes, each with its state and lock.
const EACH_VOLUME: usize = 4;
/// For everything else: listeners, the runtime, state files, the log, what the libraries open for a moment.
const OURSELVES: usize = 48;

/// I/O queues that hosts of NVMe may have for each session that there may be.
const QUEUES_EACH: usize = 8;

/// How many there may be at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Sessions of iSCSI, and controllers of NVMe.
    pub sessions: usize,
    /// I/O queues of all controllers.
    pub queues: usize,
}

/// Raise the limit as far as we are allowed to, and give what then fits: those of whom the descriptors would not last would
/// take them from the admins too. A program that takes over has the limit as it was raised.
pub(super) fn raise_for(config: &Config) -> Room {
    let wanted = config.limits.sessions_max;
    let others = OURSELVES
        + CONNECTIONS_MAX
        + EACH_VOLUME * config.volumes.len()
        + config.portals.len()
        + config.nvme.portals.len();
    let links = if config.nvme.discovery.announce { LINKS_MAX } else { 0 };
    // Those who log in, and discovery sessions.
    let others = others + links + 2 * config.limits.logins_max;
    let queues = if config.nvme.portals.is_empty() { 0 } else { QUEUES_EACH * wanted };
    let allowed = usize::try_from(raise((others + wanted + queues) as u64)).unwrap_or(usize::MAX);
    let fit = fitting(wanted, others, allowed);
    if fit < wanted {
        tracing::warn!(
            "only {fit} sessions at a time instead of {wanted}: the system allows this process {allowed} descriptors \
             (`ulimit -n`; systemd: LimitNOFILE=)"
        );
    }
    Room { sessions: fit, queues: fitting(queues, others + fit, allowed) }
}

fn fitting(wanted: usize, others: usize, allowed: usize) -> usize {
    // A few always, whatever else there is.
    wanted.min(allowed.saturating_sub(others).max(allowed / 4).max(1))
}

/// Raise the soft limit to `wanted` where that is more than it is. Gives what it is then.
fn raise(wanted: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let should = limit.maximum.unwrap_or(u64::MAX).min(wanted);
    let is = limit.current.unwrap_or(u64::MAX);
    if should <= is {
        return is;
    }
    limit.current = Some(should);
    if setrlimit(Resource::Nofile, limit).is_ok() { should } else { is }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_leave_room_for_the_others() {
        assert_eq!(fitting(1024, 400, 4096), 1024);
        assert_eq!(fitting(1024, 400, 1024), 624);
        assert_eq!(fitting(1024, 400, 300), 75);
        assert_eq!(fitting(1, 400, 0), 1);
        assert_eq!(fitting(0, 400, 4096), 0, "no queues where NVMe is not served");
    }
}
