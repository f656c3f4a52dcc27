//! Device Identification, 83h (SPC-4 §7.8.6): who the unit, the port and the target are.

use crate::scsi::inquiry::ascii;
use crate::scsi::unit::{LogicalUnit, PortInfo};

/// Protocol identifier of the ports this device server is reached through (SPC-4 table 477): iSCSI.
const PROTOCOL: u8 = 0x5;

#[derive(Clone, Copy)]
#[repr(u8)]
enum CodeSet {
    Binary = 1,
    Ascii = 2,
    Utf8 = 3,
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Association {
    Unit = 0,
    Port = 1,
    Device = 2,
}

/// The designators.
pub fn body(unit: &LogicalUnit, port: &PortInfo) -> Vec<u8> {
    let identity = &unit.disk.identity;
    let mut out = Vec::with_capacity(256);
    // What by-id names are made of comes first: NAA, then UUID (SPC-5 §7.7.6.11), then T10 vendor identification.
    if identity.naa != [0; 8] {
        put(&mut out, CodeSet::Binary, Association::Unit, 3, &identity.naa);
    }
    let mut uuid = vec![0x10, 0];
    uuid.extend(identity.uuid);
    put(&mut out, CodeSet::Binary, Association::Unit, 0xa, &uuid);
    let mut t10: Vec<u8> = ascii(&identity.vendor, 8).collect();
    t10.extend(ascii(&identity.serial, identity.serial.len().min(64)));
    put(&mut out, CodeSet::Ascii, Association::Unit, 1, &t10);
    if identity.naa != [0; 8] {
        let hex: String = identity.naa.iter().map(|b| format!("{b:02X}")).collect();
        put_name(&mut out, Association::Unit, &format!("naa.{hex}"));
    }
    let [high, low] = port.relative_port.to_be_bytes();
    put(&mut out, CodeSet::Binary, Association::Port, 4, &[0, 0, high, low]);
    let [high, low] = port.group.to_be_bytes();
    put(&mut out, CodeSet::Binary, Association::Port, 5, &[0, 0, high, low]);
    // RFC 7143 §3.4.6: the port's name is the target's, ",t,0x" and the portal group tag.
    put_name(&mut out, Association::Port, &format!("{},t,0x{:04x}", port.target, port.relative_port));
    put_name(&mut out, Association::Device, &port.target);
    out
}

fn put(out: &mut Vec<u8>, code_set: CodeSet, association: Association, kind: u8, designator: &[u8]) {
    // The protocol is only told where it belongs to what is named (PIV).
    let (protocol, piv) = match association {
        Association::Unit => (0, 0),
        Association::Port | Association::Device => (PROTOCOL, 0x80),
    };
    out.push(protocol << 4 | code_set as u8);
    out.push(piv | (association as u8) << 4 | kind);
    out.extend([0, designator.len() as u8]);
    out.extend(designator);
}

/// A SCSI name string: null-terminated and padded to four bytes, at most 252 (SPC-4 §7.8.6.11).
fn put_name(out: &mut Vec<u8>, association: Association, name: &str) {
    let mut name = name.as_bytes()[..name.len().min(251)].to_vec();
    name.resize(name.len() / 4 * 4 + 4, 0);
    put(out, CodeSet::Utf8, association, 8, &name);
}
