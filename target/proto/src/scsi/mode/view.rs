//! MODE SENSE(6) and (10): SPC-4 §6.11, §6.12.

use super::{Settings, page};
use crate::scsi::cdb::Cdb;
use crate::scsi::sense::Sense;
use crate::scsi::task::Cx;
use crate::scsi::unit::LogicalUnit;

/// Page code for all pages.
const ALL: u8 = 0x3f;

/// MODE SENSE(6).
pub fn sense6(cdb: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    let unit = cx.unit.as_deref().ok_or(Sense::NO_SUCH_UNIT)?;
    let pages = pages(cdb, unit)?;
    let blocks = if cdb.has(1, 0x08) { Vec::new() } else { descriptor(unit, false) };
    let mut out = vec![0, 0, device_specific(unit, cx.read_only), blocks.len() as u8];
    out.extend(blocks);
    out.extend(pages);
    out[0] = (out.len() - 1) as u8;
    Ok(out)
}

/// MODE SENSE(10).
pub fn sense10(cdb: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    let unit = cx.unit.as_deref().ok_or(Sense::NO_SUCH_UNIT)?;
    let pages = pages(cdb, unit)?;
    let long = cdb.has(1, 0x10);
    let blocks = if cdb.has(1, 0x08) { Vec::new() } else { descriptor(unit, long) };
    let mut out = vec![
        0,
        0,
        0,
        device_specific(unit, cx.read_only),
        u8::from(long && !blocks.is_empty()),
        0,
        0,
        blocks.len() as u8,
    ];
    out.extend(blocks);
    out.extend(pages);
    let len = (out.len() - 2) as u16;
    out[..2].copy_from_slice(&len.to_be_bytes());
    Ok(out)
}

/// The pages the CDB asks for.
fn pages(cdb: &Cdb, unit: &LogicalUnit) -> Result<Vec<u8>, Sense> {
    let (code, subpage) = (cdb.0[2] & 0x3f, cdb.0[3]);
    let emit = |code: u8| match cdb.0[2] >> 6 {
        0 => page::emit(code, &unit.settings()),
        1 => page::changeable(code),
        _ => page::emit(code, &Settings::of(&unit.disk.behaviour)),
    };
    if cdb.0[2] >> 6 == 3 {
        return Err(Sense::NO_SAVING);
    }
    // We have no subpages, so "page and all its subpages" is the page.
    if subpage != 0 && subpage != 0xff {
        return Err(Sense::invalid_cdb(3, 7));
    }
    match code {
        ALL => Ok(page::CODES.into_iter().filter_map(emit).flatten().collect()),
        _ => emit(code).ok_or(Sense::invalid_cdb(2, 5)),
    }
}

/// WP and DPOFUA (SBC-3 §6.5.1).
fn device_specific(unit: &LogicalUnit, read_only: bool) -> u8 {
    let protected = if unit.writable(read_only).is_err() { 0x80 } else { 0 };
    protected | 0x10
}

/// The mode parameter block descriptor (SBC-3 §6.5.2); without a medium there are no blocks.
pub(super) fn descriptor(unit: &LogicalUnit, long: bool) -> Vec<u8> {
    let blocks = if unit.ejected { 0 } else { unit.disk.geometry.blocks };
    let mut out = Vec::with_capacity(16);
    if long {
        out.extend(blocks.to_be_bytes());
        out.extend([0; 4]);
    } else {
        out.extend(u32::try_from(blocks).unwrap_or(u32::MAX).to_be_bytes());
    }
    out.extend(unit.disk.geometry.block_bytes.to_be_bytes());
    out
}
