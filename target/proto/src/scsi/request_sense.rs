//! REQUEST SENSE (SPC-4 §6.39): the pending unit attention, or how the unit is.

use super::cdb::Cdb;
use super::sense::Sense;
use super::task::Cx;

/// REQUEST SENSE. DESC alone chooses the format.
pub fn data(cdb: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    let sense = match cx.unit.as_deref_mut() {
        None => Sense::NO_SUCH_UNIT,
        Some(unit) => match unit.pending(cx.nexus) {
            Some(attention) => {
                unit.reported(cx.nexus, attention);
                attention.sense()
            }
            None => unit.ready().err().unwrap_or(Sense::NONE),
        },
    };
    Ok(sense.encode(cdb.has(1, 0x01)))
}
