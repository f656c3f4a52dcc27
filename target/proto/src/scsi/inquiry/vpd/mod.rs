//! Vital product data pages (SPC-4 §7.8, SBC-3 §6.6).

mod block;
mod identification;

use super::DISK;
use crate::scsi::unit::{LogicalUnit, PortInfo};

/// Page codes, ascending.
const CODES: [u8; 7] = [0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2];

/// VPD page `code`; none for a page we have not.
pub fn page(code: u8, unit: &LogicalUnit, port: &PortInfo) -> Option<Vec<u8>> {
    let body = match code {
        0x00 => CODES.to_vec(),
        0x80 => unit.disk.identity.serial.as_bytes().to_vec(),
        0x83 => identification::body(unit, port),
        0x86 => extended(unit),
        0xb0 => block::limits(unit),
        0xb1 => block::characteristics(unit),
        0xb2 => block::provisioning(unit),
        _ => return None,
    };
    let mut out = vec![DISK, code];
    out.extend((body.len() as u16).to_be_bytes());
    out.extend(body);
    Some(out)
}

/// Extended INQUIRY data (SPC-4 §7.8.7): simple, ordered and head-of-queue tasks; a volatile cache.
fn extended(unit: &LogicalUnit) -> Vec<u8> {
    let mut out = vec![0; 60];
    out[1] = 0x07;
    out[2] = if unit.disk.write_cache { 0x01 } else { 0 };
    out
}
