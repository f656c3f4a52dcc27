//! Standard INQUIRY data (SPC-4 §6.6.2).

use super::{DISK, NOWHERE, ascii};
use crate::scsi::unit::LogicalUnit;

/// Length of the data in bytes.
const LEN: usize = 96;
/// PRODUCT REVISION LEVEL. It is no product version: initiators take a change for another device.
const REVISION: &str = "0001";

/// Version descriptors (SPC-4 table 142), no version claimed: SAM-5, SPC-4, SBC-3, iSCSI. What we take from newer
/// editions contradicts none of these, and initiators look for them.
const VERSIONS: [u16; 4] = [0x00a0, 0x0460, 0x04c0, 0x0960];

/// The data of a unit, or of a place where there is none.
pub fn data(unit: Option<&LogicalUnit>) -> Vec<u8> {
    let removable = unit.is_some_and(|unit| unit.disk.behaviour.removable);
    let (vendor, product) =
        unit.map_or(("", ""), |unit| (unit.disk.identity.vendor.as_str(), unit.disk.identity.product.as_str()));
    let mut out = Vec::with_capacity(LEN);
    out.push(if unit.is_some() { DISK } else { NOWHERE });
    out.push(if removable { 0x80 } else { 0 });
    // VERSION 6: SPC-4.
    out.push(0x06);
    // HISUP, RESPONSE DATA FORMAT 2; no ACA.
    out.push(0x12);
    out.push((LEN - 5) as u8);
    // TPGS 01b: REPORT TARGET PORT GROUPS, states that only we change. No third-party copy, no protection.
    out.push(0x10);
    out.push(0);
    // CMDQUE.
    out.push(0x02);
    out.extend(ascii(vendor, 8));
    out.extend(ascii(product, 16));
    out.extend(ascii(REVISION, 4));
    out.resize(58, 0);
    VERSIONS.iter().for_each(|version| out.extend(version.to_be_bytes()));
    out.resize(LEN, 0);
    out
}
