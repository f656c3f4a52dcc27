//! REPORT TARGET PORT GROUPS (SPC-4 §6.37): one group, always active/optimized.

use super::cdb::Cdb;
use super::sense::Sense;
use super::task::Cx;
use std::collections::BTreeSet;

/// REPORT TARGET PORT GROUPS: the group of this nexus, with the ports through which the unit is in use.
pub fn data(cdb: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    let unit = cx.unit.as_deref().ok_or(Sense::NO_SUCH_UNIT)?;
    let group = cx.port.group;
    let mut ports: BTreeSet<u16> =
        unit.paths.values().filter(|path| path.group == group).map(|path| path.relative_port).collect();
    ports.insert(cx.port.relative_port);
    // The count is one byte.
    let ports: Vec<u16> = ports.into_iter().take(255).collect();
    let mut out = vec![0; 4];
    match cdb.0[1] >> 5 {
        0 => {}
        // Extended header: format 1, no implicit transition time.
        1 => out.extend([0x10, 0, 0, 0]),
        _ => return Err(Sense::invalid_cdb(1, 7)),
    }
    // State 0, active/optimized; only that state is supported; not the result of a transition.
    out.extend([0x00, 0x01]);
    out.extend(group.to_be_bytes());
    out.extend([0, 0, 0, ports.len() as u8]);
    for port in ports {
        out.extend([0, 0]);
        out.extend(port.to_be_bytes());
    }
    let len = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&len.to_be_bytes());
    Ok(out)
}
