//! Bytes as the standards' tables put them.

use super::*;
use crate::scsi::sense::{Key, Sense};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.chars().filter(|c| !c.is_whitespace()).collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

#[track_caller]
fn golden(found: &[u8], expected: &str) {
    assert_eq!(found, bytes(expected), "\nfound    {found:02x?}\nexpected {:02x?}", bytes(expected));
}

fn vpd(code: u8) -> [u8; 6] {
    [0x12, 1, code, 0xff, 0xff, 0]
}

#[test]
fn sense_data() {
    let out_of_range = Sense::LBA_OUT_OF_RANGE;
    golden(&out_of_range.encode(false), "70 00 05 00000000 0a 00000000 2100 00 000000");
    golden(&out_of_range.encode(true), "72 05 2100 000000 00");
    let field = Sense::invalid_cdb(1, 7);
    golden(&field.encode(false), "70 00 05 00000000 0a 00000000 2400 00 cf0001");
    golden(&field.encode(true), "72 05 2400 000000 08  02 06 0000 cf0001 00");
    golden(&Sense::invalid_list(0x102, None).encode(false), "70 00 05 00000000 0a 00000000 2600 00 800102");
    let miscompare = Sense::MISCOMPARE.with_information(0x1234);
    golden(&miscompare.encode(false), "f0 00 0e 00001234 0a 00000000 1d00 00 000000");
    golden(&miscompare.encode(true), "72 0e 1d00 000000 0c  00 0a 80 00 0000000000001234");
    let far = Sense::READ_ERROR.with_information(1 << 32);
    golden(&far.encode(false), "70 00 03 00000000 0a 00000000 1100 00 000000");
    assert_eq!(Key::from_number(0xd), None);
}

#[test]
fn standard_inquiry() {
    both(|rig| {
        let found = rig.ask(&[0x12, 0, 0, 0, 255, 0]).good();
        let names = hex("MAINSTAYdisk            0001");
        let expected =
            format!("00 00 06 12 5b 10 00 02 {names} {} 00a0 0460 04c0 0960 {}", "00".repeat(22), "00".repeat(30));
        golden(&found, &expected);
    });
    both_on(Behaviour { removable: true, ..behaviour() }, |rig| {
        assert_eq!(rig.ask(&[0x12, 0, 0, 0, 5, 0]).good(), [0, 0x80, 6, 0x12, 0x5b]);
    });
}

#[test]
fn vital_product_data() {
    both(|rig| {
        golden(&rig.ask(&vpd(0x00)).good(), "00 00 0007 00 80 83 86 b0 b1 b2");
        golden(&rig.ask(&vpd(0x80)).good(), &format!("00 80 000a {}", hex("0123456789")));
        golden(&rig.ask(&vpd(0x86)).good(), &format!("00 86 003c 00 07 01 {}", "00".repeat(57)));
        let limits = "00 b0 003c 00 ff 0008 00010000 00000000 00000000 00100000 00000100 00000008 80000000
            0000000000040000";
        golden(&rig.ask(&vpd(0xb0)).good(), &format!("{limits} {}", "00".repeat(20)));
        golden(&rig.ask(&vpd(0xb1)).good(), &format!("00 b1 003c 0001 {}", "00".repeat(58)));
        golden(&rig.ask(&vpd(0xb2)).good(), "00 b2 0004 00 e4 02 00");
        assert_eq!(rig.ask(&vpd(0xb3)).sense(), (5, 0x2400));
        assert_eq!(rig.ask(&[0x12, 0, 1, 0, 255, 0]).sense(), (5, 0x2400));
    });
    both_on(Behaviour::default(), |rig| {
        let limits = "00 b0 003c 00 ff 0008 00010000 00000000 00000000 00000000 00000000 00000000 00000000
            0000000000040000";
        golden(&rig.ask(&vpd(0xb0)).good(), &format!("{limits} {}", "00".repeat(20)));
        golden(&rig.ask(&vpd(0xb2)).good(), "00 b2 0004 00 00 00 00");
    });
}

#[test]
fn device_identification() {
    both(|rig| {
        let designators = [
            "01 03 00 08 3102030405060708".to_string(),
            format!("01 0a 00 12 1000 {}", hex("0123456789abcdef")),
            format!("02 01 00 12 {}", hex("MAINSTAY0123456789")),
            format!("03 08 00 18 {} 00000000", hex("naa.3102030405060708")),
            "51 94 00 04 00000001".to_string(),
            "51 95 00 04 00000001".to_string(),
            format!("53 98 00 2c {} 00", hex("iqn.2026-11.internal.mainstay:disk,t,0x0001")),
            format!("53 a8 00 24 {} 0000", hex("iqn.2026-11.internal.mainstay:disk")),
        ]
        .concat();
        let len = bytes(&designators).len();
        golden(&rig.ask(&vpd(0x83)).good(), &format!("00 83 {len:04x} {designators}"));
    });
}

#[test]
fn capacity() {
    both(|rig| {
        golden(&rig.ask(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]).good(), "000007ff 00000200");
        let found = rig.ask(&cdb16(0x9e, 0x10, 0, 32)).good();
        golden(&found, &format!("00000000000007ff 00000200 00 03 c000 {}", "00".repeat(16)));
        for len in 0..16 {
            assert_eq!(rig.ask(&cdb16(0x9e, 0x10, 0, len)).good(), found[..len as usize]);
        }
        let far = Geometry { blocks: 1 << 33, block_bytes: 512, physical_bytes: 512 };
        rig.unit().resized(far);
        assert_eq!(rig.ask(&[0; 6]).sense(), (6, 0x2a09));
        golden(&rig.ask(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]).good(), "ffffffff 00000200");
    });
}

#[test]
fn mode_pages() {
    const PAGES: &str = "01 0a c0 000000000000000000
        08 12 04 00000000000000000000000000000000 00
        0a 0a 20 10 00 00 000000000000
        1c 0a 08 000000000000000000";
    both(|rig| {
        let descriptor = "00000800 00000200";
        golden(&rig.ask(&[0x1a, 0, 0x3f, 0, 255, 0]).good(), &format!("43 00 10 08 {descriptor} {PAGES}"));
        golden(&rig.ask(&[0x1a, 8, 0xbf, 0xff, 255, 0]).good(), &format!("3b 00 10 00 {PAGES}"));
        let changeable = "08 12 04 0000000000000000000000000000000000";
        golden(&rig.ask(&[0x1a, 8, 0x48, 0, 255, 0]).good(), &format!("17 00 10 00 {changeable}"));
        golden(&rig.ask(&[0x1a, 8, 0x4a, 0, 255, 0]).good(), "0f 00 10 00 0a 0a 04 00 08 40 000000000000");
        let ten = |llbaa: u8| [0x5a, llbaa, 0x0a, 0, 0, 0, 0, 0, 255, 0];
        golden(&rig.ask(&ten(0)).good(), &format!("001a 00 10 00 00 0008 {descriptor} 0a0a20100000000000000000"));
        let long = "0000000000000800 00000000 00000200";
        golden(&rig.ask(&ten(0x10)).good(), &format!("0022 00 10 01 00 0010 {long} 0a0a20100000000000000000"));
        assert_eq!(rig.ask(&[0x1a, 0, 0xff, 0, 255, 0]).sense(), (5, 0x3900));
        assert_eq!(rig.ask(&[0x1a, 0, 0x02, 0, 255, 0]).sense(), (5, 0x2400));
        assert_eq!(rig.ask(&[0x1a, 0, 0x0a, 1, 255, 0]).sense(), (5, 0x2400));
        assert_eq!(rig.ask(&[0x1a, 0, 0x3f, 0, 4, 0]).good().len(), 4);
    });
}

#[test]
fn target_port_groups() {
    both(|rig| {
        let cdb = |format: u8| [0xa3, 0x0a | format << 5, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        golden(&rig.ask(&cdb(0)).good(), "0000000c 00 01 0001 00 00 00 01 0000 0001");
        golden(&rig.ask(&cdb(1)).good(), "00000010 10000000 00 01 0001 00 00 00 01 0000 0001");
        assert_eq!(rig.ask(&cdb(2)).sense(), (5, 0x2400));
    });
}

#[test]
fn operation_codes() {
    let cdb = |options: u8, opcode: u8, action: u8| [0xa3, 0x0c, options, opcode, 0, action, 0, 0, 0xff, 0xff, 0, 0];
    both(|rig| {
        let all = rig.ask(&cdb(0, 0, 0)).good();
        assert_eq!(all.len(), 4 + 8 * table::COMMANDS.len());
        golden(&all[4..12], "00 00 0000 00 00 0006");
        let timed = rig.ask(&cdb(0x80, 0, 0)).good();
        assert_eq!(timed.len(), 4 + 20 * table::COMMANDS.len());
        golden(&timed[4..24], "00 00 0000 00 02 0006 000a 0000 00000001 0000000a");
        golden(&rig.ask(&cdb(1, 0x28, 0)).good(), "00 03 000a 28 fa ffffffff 3f ffff 00");
        golden(&rig.ask(&cdb(2, 0x9e, 0x10)).good(), "00 03 0010 9e 10 0000000000000000 ffffffff 00 00");
        golden(&rig.ask(&cdb(0x83, 0x00, 0)).good(), "00 83 0006 00 00 00 00 00 00 000a 0000 00000001 0000000a");
        golden(&rig.ask(&cdb(3, 0x9e, 0x12)).good()[..4], "00 03 0010");
        golden(&rig.ask(&cdb(3, 0x9e, 0x13)).good(), "00 01 0000");
        golden(&rig.ask(&cdb(1, 0xff, 0)).good(), "00 01 0000");
        assert_eq!(rig.ask(&cdb(1, 0x9e, 0x10)).sense(), (5, 0x2400));
        assert_eq!(rig.ask(&cdb(2, 0x28, 0)).sense(), (5, 0x2400));
        assert_eq!(rig.ask(&cdb(4, 0x28, 0)).sense(), (5, 0x2400));
        golden(&rig.ask(&[0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0]).good(), "d8 00 00 00");
    });
    both_on(Behaviour::default(), |rig| {
        golden(&rig.ask(&cdb(1, 0x42, 0)).good(), "00 01 0000");
        assert_eq!(rig.tell(&[0x42, 0, 0, 0, 0, 0, 0, 0, 8, 0], &[0; 8]).sense(), (5, 0x2000));
    });
}

#[test]
fn luns() {
    both(|rig| {
        rig.luns.push((Lun::from_number(300), VolumeId(1)));
        let cdb = |select: u8, len: u8| [0xa0, 0, select, 0, 0, 0, 0, 0, 0, len, 0, 0];
        let all = "00000010 00000000 0000000000000000 412c000000000000";
        golden(&rig.ask(&cdb(0, 255)).good(), all);
        golden(&rig.ask(&cdb(2, 255)).good(), all);
        golden(&rig.ask(&cdb(1, 255)).good(), "00000000 00000000");
        assert_eq!(rig.ask(&cdb(0x10, 255)).sense(), (5, 0x2400));
        assert_eq!(rig.ask(&cdb(0, 15)).sense(), (5, 0x2400));
    });
}
