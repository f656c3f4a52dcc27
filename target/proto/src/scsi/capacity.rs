//! READ CAPACITY(10) and (16): SBC-3 §5.15, §5.16.

use super::cdb::Cdb;
use super::sense::Sense;
use super::task::Cx;

/// READ CAPACITY(10).
pub fn data10(_: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    let unit = cx.unit.as_deref().ok_or(Sense::NO_SUCH_UNIT)?;
    let last = unit.disk.geometry.blocks.saturating_sub(1);
    let mut out = u32::try_from(last).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend(unit.disk.geometry.block_bytes.to_be_bytes());
    Ok(out)
}

/// READ CAPACITY(16): no protection; the first block begins a physical block.
pub fn data16(_: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    let unit = cx.unit.as_deref().ok_or(Sense::NO_SUCH_UNIT)?;
    let mut out = unit.disk.geometry.blocks.saturating_sub(1).to_be_bytes().to_vec();
    out.extend(unit.disk.geometry.block_bytes.to_be_bytes());
    out.push(0);
    out.push(unit.blocks_per_physical().ilog2() as u8 & 0x0f);
    // LBPME and LBPRZ: deallocated blocks read as zero.
    out.push(if unit.disk.behaviour.thin { 0xc0 } else { 0 });
    out.resize(32, 0);
    Ok(out)
}
