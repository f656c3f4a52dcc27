//! START STOP UNIT (SBC-3 §5.22).

use super::attention::Attention;
use super::cache::{Flush, Then};
use super::sense::Sense;
use super::task::{Ending, Job, State};
use super::unit::LogicalUnit;

/// START STOP UNIT. IMMED makes no difference: nothing here takes long.
pub fn begin(job: &Job, unit: &mut LogicalUnit) -> Result<State, Ending> {
    let byte = job.cdb.0[4];
    // We have no power conditions, so every one of them is the one we are in; START and LOEJ do not count then.
    if byte >> 4 != 0 {
        return Ok(State::End(Ending::good(0)));
    }
    let (keep_cache, eject, start) = (byte & 0x04 != 0, byte & 0x02 != 0, byte & 0x01 != 0);
    if eject {
        if !unit.disk.behaviour.removable {
            return Err(Sense::invalid_cdb(4, 1).into());
        }
        unit.removal_allowed()?;
    }
    if start {
        unit.stopped = false;
        if eject && unit.ejected {
            unit.ejected = false;
            unit.attention_all(Some(job.key.nexus), Attention::MediumChanged);
        }
        return Ok(State::End(Ending::good(0)));
    }
    let then = match eject {
        true => Then::Eject,
        // A drive with a removable medium spins up by itself when it is next accessed.
        false if unit.disk.behaviour.removable => Then::Nothing,
        false => Then::Stop,
    };
    let flushed = (keep_cache && !eject) || unit.ejected || unit.disk.behaviour.read_only;
    Ok(State::Flush(Flush { then, flushed }))
}
