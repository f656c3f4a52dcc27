//! INQUIRY (SPC-4 §6.6): the standard data, and the vital product data pages.

mod standard;
mod vpd;

use super::cdb::Cdb;
use super::sense::Sense;
use super::task::Cx;

/// Direct access block device, connected.
const DISK: u8 = 0x00;
/// No unit is possible at this LUN (peripheral qualifier 011b, type 1Fh).
const NOWHERE: u8 = 0x7f;

/// INQUIRY. It answers even where there is no unit.
pub fn data(cdb: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    let code = cdb.0[2];
    if cdb.has(1, 0x01) {
        let unit = cx.unit.as_deref().ok_or(Sense::invalid_cdb(1, 0))?;
        return vpd::page(code, unit, cx.port).ok_or(Sense::invalid_cdb(2, 7));
    }
    if code != 0 {
        return Err(Sense::invalid_cdb(2, 7));
    }
    Ok(standard::data(cx.unit.as_deref()))
}

/// `text` in `len` bytes, filled up with spaces; what could not be sent becomes a space.
fn ascii(text: &str, len: usize) -> impl Iterator<Item = u8> {
    let printable = text.bytes().map(|b| if (0x20..0x7f).contains(&b) { b } else { b' ' });
    printable.chain(std::iter::repeat(b' ')).take(len)
}
