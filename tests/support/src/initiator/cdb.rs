//! Command descriptor blocks (SPC-5, SBC-4), as few as the scripts need.

/// TEST UNIT READY.
pub fn test_unit_ready() -> Vec<u8> {
    vec![0; 6]
}

/// INQUIRY, of vital product data page `page` if any.
pub fn inquiry(page: Option<u8>, len: u16) -> Vec<u8> {
    let [a, b] = len.to_be_bytes();
    vec![0x12, u8::from(page.is_some()), page.unwrap_or(0), a, b, 0]
}

/// READ(10).
pub fn read10(lba: u32, blocks: u16) -> Vec<u8> {
    ten(0x28, 0, lba, blocks)
}

/// WRITE(10); `fua` forces unit access.
pub fn write10(lba: u32, blocks: u16, fua: bool) -> Vec<u8> {
    ten(0x2a, if fua { 0x08 } else { 0 }, lba, blocks)
}

/// READ(16).
pub fn read16(lba: u64, blocks: u32) -> Vec<u8> {
    sixteen(0x88, 0, lba, blocks)
}

/// WRITE(16).
pub fn write16(lba: u64, blocks: u32) -> Vec<u8> {
    sixteen(0x8a, 0, lba, blocks)
}

/// SYNCHRONIZE CACHE(10) of everything.
pub fn synchronize_cache10() -> Vec<u8> {
    ten(0x35, 0, 0, 0)
}

/// READ CAPACITY(10).
pub fn read_capacity10() -> Vec<u8> {
    ten(0x25, 0, 0, 0)
}

/// READ CAPACITY(16).
pub fn read_capacity16() -> Vec<u8> {
    let mut cdb = sixteen(0x9e, 0x10, 0, 0);
    cdb[13] = 32;
    cdb
}

/// REPORT LUNS.
pub fn report_luns(len: u32) -> Vec<u8> {
    let mut cdb = vec![0; 12];
    cdb[0] = 0xa0;
    cdb[6..10].copy_from_slice(&len.to_be_bytes());
    cdb
}

/// MODE SENSE(6).
pub fn mode_sense6(page: u8, len: u8) -> Vec<u8> {
    vec![0x1a, 0, page, 0, len, 0]
}

/// WRITE SAME(16); flags as in byte 1 (UNMAP 0x08, NDOB 0x01).
pub fn write_same16(flags: u8, lba: u64, blocks: u32) -> Vec<u8> {
    sixteen(0x93, flags, lba, blocks)
}

/// The shape of READ(10) and its like.
pub fn ten(opcode: u8, flags: u8, lba: u32, blocks: u16) -> Vec<u8> {
    let mut cdb = vec![opcode, flags, 0, 0, 0, 0, 0, 0, 0, 0];
    cdb[2..6].copy_from_slice(&lba.to_be_bytes());
    cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// The shape of READ(16) and its like.
pub fn sixteen(opcode: u8, flags: u8, lba: u64, blocks: u32) -> Vec<u8> {
    let mut cdb = vec![0; 16];
    cdb[0] = opcode;
    cdb[1] = flags;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}
