//! The keep alive timer (base §3.9), traffic based: any command of the association in an interval keeps it alive.

use mainstay_base::time::Instant;
use std::time::Duration;

/// Granularity of the timeout in units of 100 ms (Identify Controller, KAS).
pub const KAS: u16 = 10;
/// What a discovery controller without a timeout allows between commands (base §3.1.2.3.1).
const DISCOVERY_IDLE: Duration = Duration::from_secs(120);
/// The timer runs while the controller is enabled and ready (base §3.9). Before and after that a host sends nothing for the sake
/// of it, and may be computing for its authentication; but who never goes on shall not stay for ever.
const IDLE: Duration = Duration::from_secs(120);

/// Who looks at the clock so much later than at the end of an interval was asleep itself (a machine that was suspended, a swap
/// that went back), and cannot know whether the host was.
const ASLEEP: Duration = Duration::from_secs(1);

/// The timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeepAlive {
    /// KATO as it is in force, in milliseconds; 0: none.
    pub timeout_ms: u32,
    /// What is in force without one.
    pub without: Option<Duration>,
    /// End of the interval.
    pub until: Option<Instant>,
    /// A command came in this interval.
    pub heard: bool,
}

impl KeepAlive {
    pub fn new(kato_ms: u32, discovery: bool, now: Instant) -> KeepAlive {
        let without = discovery.then_some(DISCOVERY_IDLE);
        let mut timer = KeepAlive { timeout_ms: 0, without, until: None, heard: false };
        timer.set(kato_ms, false, now);
        timer
    }

    /// The host asks for another timeout; it is rounded up to what we can count.
    pub fn set(&mut self, kato_ms: u32, live: bool, now: Instant) {
        let unit = u32::from(KAS) * 100;
        self.timeout_ms = kato_ms.div_ceil(unit).saturating_mul(unit);
        self.restart(live, now);
    }

    /// A Keep Alive command, or the controller has become `live`, or is so no more.
    pub fn restart(&mut self, live: bool, now: Instant) {
        let interval = match Duration::from_millis(self.timeout_ms.into()) {
            Duration::ZERO => self.without,
            timeout if live => Some(timeout),
            timeout => Some(timeout.max(IDLE)),
        };
        self.until = interval.map(|interval| now + interval);
        self.heard = false;
    }

    /// True: the host has not been heard for a whole interval.
    pub fn expired(&mut self, live: bool, now: Instant) -> bool {
        let Some(until) = self.until.filter(|&until| now >= until) else { return false };
        if self.heard || now.since(until) > ASLEEP {
            self.restart(live, now);
            return false;
        }
        self.until = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    #[test]
    fn silence_for_an_interval_ends_it_and_traffic_does_not() {
        let mut timer = KeepAlive::new(4001, false, at(0));
        assert_eq!(timer.timeout_ms, 5000);
        timer.restart(true, at(0));
        assert_eq!(timer.until, Some(at(5000)));
        assert!(!timer.expired(true, at(4999)));
        timer.heard = true;
        assert!(!timer.expired(true, at(5000)));
        assert_eq!((timer.until, timer.heard), (Some(at(10_000)), false));
        timer.restart(true, at(6000));
        assert!(!timer.expired(true, at(10_999)));
        assert!(timer.expired(true, at(11_000)) && !timer.expired(true, at(99_000)), "told once");
    }

    /// A host that authenticates with a large group may be silent for longer than its keep alive timeout.
    #[test]
    fn before_it_is_enabled_a_controller_is_patient_but_not_for_ever() {
        let mut timer = KeepAlive::new(5000, false, at(0));
        timer.heard = true;
        assert!(!timer.expired(false, at(120_000)));
        assert!(!timer.expired(false, at(239_999)));
        assert!(timer.expired(false, at(240_000)));
        timer.set(150_000, false, at(0));
        assert_eq!(timer.until, Some(at(150_000)));
        assert_eq!(KeepAlive::new(0, false, at(0)).until, None);
    }

    #[test]
    fn who_was_asleep_does_not_blame_the_host() {
        let mut timer = KeepAlive::new(5000, false, at(0));
        timer.restart(true, at(0));
        assert!(!timer.expired(true, at(60_000)));
        assert_eq!(timer.until, Some(at(65_000)));
        assert!(timer.expired(true, at(65_900)));
    }

    #[test]
    fn without_a_timeout_only_discovery_has_an_end() {
        assert_eq!(KeepAlive::new(0, false, at(0)).until, None);
        let mut timer = KeepAlive::new(0, true, at(0));
        assert_eq!((timer.timeout_ms, timer.until), (0, Some(at(120_000))));
        timer.set(u32::MAX, true, at(1));
        assert!(timer.timeout_ms >= u32::MAX - 999);
    }
}
