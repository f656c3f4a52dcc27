//! The pause as the daemon reports it: from the last byte that the old image took to the first that the new one took.

use std::time::Duration;

use super::control::Swapped;
use super::stage::{Stage, jitter};

/// Before the first swap, so that command windows have grown.
const WARM_UP: Duration = Duration::from_millis(400);
/// Between two swaps, at least.
const REST: Duration = Duration::from_millis(10);

/// `swaps` swaps, one after the other.
pub fn measure(stage: &mut Stage<'_>, swaps: usize) -> Result<Vec<Swapped>, String> {
    let (swapped, _) = stage.run(|asker| {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        asker.wait(WARM_UP)?;
        let mut swapped = Vec::with_capacity(swaps);
        for _ in 0..swaps {
            swapped.push(asker.control.swap()?);
            asker.wait(jitter(REST, &mut seed))?;
        }
        Ok(swapped)
    })?;
    Ok(swapped)
}
