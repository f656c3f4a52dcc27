//! Each mode page as bytes, and back.

use super::Settings;

/// Codes of the pages there are, in the order they are returned.
pub const CODES: [u8; 4] = [0x01, 0x08, 0x0a, 0x1c];

/// Page `code` under `settings`; none for a page we have not.
pub fn emit(code: u8, settings: &Settings) -> Option<Vec<u8>> {
    let bit = |on: bool, bit: u8| if on { bit } else { 0 };
    let body: &[u8] = match code {
        // Read-write error recovery: AWRE and ARRE (the store relocates as it likes), no retries of our own.
        0x01 => &[0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // Caching.
        0x08 => &[bit(settings.write_cache, 0x04), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // Control: task sets per nexus (TST 001b), unrestricted reordering, QERR 00b.
        0x0a => &[
            0x20 | bit(settings.control.descriptor_sense, 0x04),
            0x10,
            bit(settings.control.software_protect, 0x08),
            bit(settings.control.task_aborted, 0x40),
            0,
            0,
            0,
            0,
            0,
            0,
        ],
        // Informational exceptions: disabled (DEXCPT), never reported (MRIE 0).
        0x1c => &[0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        _ => return None,
    };
    let mut page = vec![code, body.len() as u8];
    page.extend(body);
    Some(page)
}

/// Page `code` with a one in every bit that MODE SELECT may change.
pub fn changeable(code: u8) -> Option<Vec<u8>> {
    let mut page = emit(code, &Settings::ON)?;
    let off = emit(code, &Settings::default())?;
    page.iter_mut().zip(off).skip(2).for_each(|(on, off)| *on ^= off);
    Some(page)
}

/// Take over what `page` says; it has been checked against [`changeable`].
pub fn apply(page: &[u8], settings: &mut Settings) {
    let has = |byte: usize, bits: u8| page.get(byte).is_some_and(|b| b & bits != 0);
    match page.first().map(|code| code & 0x3f) {
        Some(0x08) => settings.write_cache = has(2, 0x04),
        Some(0x0a) => {
            settings.control.descriptor_sense = has(2, 0x04);
            settings.control.software_protect = has(4, 0x08);
            settings.control.task_aborted = has(5, 0x40);
        }
        _ => {}
    }
}
