//! The clocks of the machine, in our own words.

use mainstay_base::time::Instant;
use rustix::time::{ClockId, clock_gettime};

/// Now, by the monotonic clock.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    Instant(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Which life of this machine it is: [`now`] of another one means nothing here. Empty where the system does not say.
pub fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
