//! Block Limits, Block Device Characteristics, Logical Block Provisioning (SBC-3 §6.6.3, §6.6.2, §6.6.4).

use crate::scsi::limits::{UNMAP_BLOCKS, UNMAP_DESCRIPTORS};
use crate::scsi::unit::LogicalUnit;

/// Block Limits, B0h.
pub fn limits(unit: &LogicalUnit) -> Vec<u8> {
    let thin = unit.disk.behaviour.thin;
    let if_thin = |value: u32| if thin { value } else { 0 };
    let mut out = Vec::with_capacity(60);
    // WSNZ 0: WRITE SAME of no blocks means all to the end.
    out.push(0);
    out.push(unit.compare_max());
    out.extend((unit.blocks_per_physical() as u16).to_be_bytes());
    out.extend(unit.transfer_max().to_be_bytes());
    // Optimal transfer length, maximum prefetch length: nothing to recommend, no limit.
    out.extend([0; 8]);
    out.extend(if_thin(UNMAP_BLOCKS).to_be_bytes());
    out.extend(if_thin(UNMAP_DESCRIPTORS).to_be_bytes());
    out.extend(if_thin(unit.unmap_granularity()).to_be_bytes());
    // UGAVALID: the granularity counts from block 0.
    out.extend(if_thin(0x8000_0000).to_be_bytes());
    out.extend(unit.same_max().to_be_bytes());
    // No atomic writes.
    out.resize(60, 0);
    out
}

/// Block Device Characteristics, B1h.
pub fn characteristics(unit: &LogicalUnit) -> Vec<u8> {
    let mut out = vec![0; 60];
    // MEDIUM ROTATION RATE: 1 does not rotate, 0 does not say.
    out[1] = u8::from(unit.disk.behaviour.solid_state);
    out
}

/// Logical Block Provisioning, B2h.
pub fn provisioning(unit: &LogicalUnit) -> Vec<u8> {
    if unit.disk.behaviour.thin {
        // LBPU, LBPWS, LBPWS10, LBPRZ 001b; thin provisioned.
        vec![0, 0xe4, 0x02, 0]
    } else {
        vec![0; 4]
    }
}
