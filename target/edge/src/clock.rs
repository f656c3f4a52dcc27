//! The clocks of the machine, in our own words.

use mainstay_base::time::Instant;
use rustix::time::{ClockId, clock_gettime};

/// Now, by the monotonic clock.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    Instant(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
