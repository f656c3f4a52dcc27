//! REPORT LUNS (SPC-4 §6.33).

use super::attention::Attention;
use super::cdb::Cdb;
use super::sense::Sense;
use super::task::Cx;
use mainstay_base::sam::Lun;

/// The REPORT LUNS well-known logical unit (SPC-4 §8.2).
const WELL_KNOWN: Lun = Lun([0xc1, 0x01, 0, 0, 0, 0, 0, 0]);

/// REPORT LUNS. It works at LUN 0 even where there is no unit.
pub fn data(cdb: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    if cx.unit.is_none() && cx.lun.number() != Some(0) && cx.lun != WELL_KNOWN {
        return Err(Sense::NO_SUCH_UNIT);
    }
    // Well-known units alone (01h) are none.
    let listed = match cdb.0[2] {
        0x00 | 0x02 => cx.luns,
        0x01 => &[],
        _ => return Err(Sense::invalid_cdb(2, 7)),
    };
    if cdb.u32(6) < 16 {
        return Err(Sense::invalid_cdb(6, 7));
    }
    if let Some(unit) = cx.unit.as_deref_mut() {
        unit.reported(cx.nexus, Attention::LunsChanged);
    }
    let mut out = Vec::with_capacity(8 + 8 * listed.len());
    out.extend(((8 * listed.len()) as u32).to_be_bytes());
    out.extend([0; 4]);
    listed.iter().for_each(|(lun, _)| out.extend(lun.0));
    Ok(out)
}
