//! Every CDB survives emit and parse: the layouts are written down from the standards, by field, apart from the table.

use crate::scsi::cdb::{Cdb, Extent};
use crate::scsi::sense::Sense;
use crate::scsi::table::{Allocation, Begin, COMMANDS, Command, find};
use proptest::prelude::*;

/// SPC-4 §6 and SBC-3 §5, one line for each command: opcode, service action, bytes, name; then its fields, each with
/// its first byte, the highest bit in that byte, and how many bits it has.
const LAYOUTS: &str = "
00 -  6  TEST UNIT READY
03 -  6  REQUEST SENSE: DESC 1.0+1 ALLOCATION 4.7+8
08 -  6  READ(6): LBA 1.4+21 LENGTH 4.7+8
0a -  6  WRITE(6): LBA 1.4+21 LENGTH 4.7+8
12 -  6  INQUIRY: EVPD 1.0+1 PAGE 2.7+8 ALLOCATION 3.7+16
15 -  6  MODE SELECT(6): PF 1.4+1 SP 1.0+1 LIST 4.7+8
16 -  6  RESERVE(6)
17 -  6  RELEASE(6)
1a -  6  MODE SENSE(6): DBD 1.3+1 PC 2.7+2 PAGE 2.5+6 SUBPAGE 3.7+8 ALLOCATION 4.7+8
1b -  6  START STOP UNIT: IMMED 1.0+1 MODIFIER 3.3+4 POWER 4.7+4 NO_FLUSH 4.2+1 LOEJ 4.1+1 START 4.0+1
1e -  6  PREVENT ALLOW MEDIUM REMOVAL: PREVENT 4.1+2
25 -  10 READ CAPACITY(10)
28 -  10 READ(10): PROTECT 1.7+3 DPO 1.4+1 FUA 1.3+1 FUA_NV 1.1+1 LBA 2.7+32 GROUP 6.5+6 LENGTH 7.7+16
2a -  10 WRITE(10): PROTECT 1.7+3 DPO 1.4+1 FUA 1.3+1 FUA_NV 1.1+1 LBA 2.7+32 GROUP 6.5+6 LENGTH 7.7+16
2e -  10 WRITE AND VERIFY(10): PROTECT 1.7+3 DPO 1.4+1 BYTCHK 1.2+2 LBA 2.7+32 GROUP 6.5+6 LENGTH 7.7+16
2f -  10 VERIFY(10): PROTECT 1.7+3 DPO 1.4+1 BYTCHK 1.2+2 LBA 2.7+32 GROUP 6.5+6 LENGTH 7.7+16
34 -  10 PRE-FETCH(10): IMMED 1.1+1 LBA 2.7+32 GROUP 6.5+6 LENGTH 7.7+16
35 -  10 SYNCHRONIZE CACHE(10): SYNC_NV 1.2+1 IMMED 1.1+1 LBA 2.7+32 GROUP 6.5+6 LENGTH 7.7+16
41 -  10 WRITE SAME(10): PROTECT 1.7+3 ANCHOR 1.4+1 UNMAP 1.3+1 LBA 2.7+32 GROUP 6.5+6 LENGTH 7.7+16
42 -  10 UNMAP: ANCHOR 1.0+1 GROUP 6.5+6 LIST 7.7+16
55 -  10 MODE SELECT(10): PF 1.4+1 SP 1.0+1 LIST 7.7+16
56 -  10 RESERVE(10)
57 -  10 RELEASE(10)
5a -  10 MODE SENSE(10): LLBAA 1.4+1 DBD 1.3+1 PC 2.7+2 PAGE 2.5+6 SUBPAGE 3.7+8 ALLOCATION 7.7+16
88 -  16 READ(16): PROTECT 1.7+3 DPO 1.4+1 FUA 1.3+1 FUA_NV 1.1+1 LBA 2.7+64 LENGTH 10.7+32 GROUP 14.5+6
89 -  16 COMPARE AND WRITE: PROTECT 1.7+3 DPO 1.4+1 FUA 1.3+1 FUA_NV 1.1+1 LBA 2.7+64 LENGTH 13.7+8 GROUP 14.5+6
8a -  16 WRITE(16): PROTECT 1.7+3 DPO 1.4+1 FUA 1.3+1 FUA_NV 1.1+1 LBA 2.7+64 LENGTH 10.7+32 GROUP 14.5+6
8e -  16 WRITE AND VERIFY(16): PROTECT 1.7+3 DPO 1.4+1 BYTCHK 1.2+2 LBA 2.7+64 LENGTH 10.7+32 GROUP 14.5+6
8f -  16 VERIFY(16): PROTECT 1.7+3 DPO 1.4+1 BYTCHK 1.2+2 LBA 2.7+64 LENGTH 10.7+32 GROUP 14.5+6
90 -  16 PRE-FETCH(16): IMMED 1.1+1 LBA 2.7+64 LENGTH 10.7+32 GROUP 14.5+6
91 -  16 SYNCHRONIZE CACHE(16): SYNC_NV 1.2+1 IMMED 1.1+1 LBA 2.7+64 LENGTH 10.7+32 GROUP 14.5+6
93 -  16 WRITE SAME(16): PROTECT 1.7+3 ANCHOR 1.4+1 UNMAP 1.3+1 NDOB 1.0+1 LBA 2.7+64 LENGTH 10.7+32 GROUP 14.5+6
9e 10 16 READ CAPACITY(16): ALLOCATION 10.7+32
9e 12 16 GET LBA STATUS: LBA 2.7+64 ALLOCATION 10.7+32
a0 -  12 REPORT LUNS: SELECT 2.7+8 ALLOCATION 6.7+32
a3 0a 12 REPORT TARGET PORT GROUPS: FORMAT 1.7+3 ALLOCATION 6.7+32
a3 0c 12 REPORT SUPPORTED OPERATION CODES: RCTD 2.7+1 OPTIONS 2.2+3 OPCODE 3.7+8 ACTION 4.7+16 ALLOCATION 6.7+32
a3 0d 12 REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS: ALLOCATION 6.7+32
a8 -  12 READ(12): PROTECT 1.7+3 DPO 1.4+1 FUA 1.3+1 FUA_NV 1.1+1 LBA 2.7+32 LENGTH 6.7+32 GROUP 10.5+6
aa -  12 WRITE(12): PROTECT 1.7+3 DPO 1.4+1 FUA 1.3+1 FUA_NV 1.1+1 LBA 2.7+32 LENGTH 6.7+32 GROUP 10.5+6
ae -  12 WRITE AND VERIFY(12): PROTECT 1.7+3 DPO 1.4+1 BYTCHK 1.2+2 LBA 2.7+32 LENGTH 6.7+32 GROUP 10.5+6
af -  12 VERIFY(12): PROTECT 1.7+3 DPO 1.4+1 BYTCHK 1.2+2 LBA 2.7+32 LENGTH 6.7+32 GROUP 10.5+6
";

#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    /// Of the whole CDB as one number, counted from the first byte's highest.
    first_bit: usize,
    bits: usize,
}

impl Field {
    fn mask(&self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    fn put(&self, cdb: &mut [u8], value: u64) {
        for n in 0..self.bits {
            let at = self.first_bit + n;
            let bit = (value >> (self.bits - 1 - n) & 1) as u8;
            cdb[at / 8] |= bit << (7 - at % 8);
        }
    }

    fn get(&self, cdb: &[u8]) -> u64 {
        (self.first_bit..self.first_bit + self.bits)
            .fold(0, |value, at| value << 1 | u64::from(cdb[at / 8] >> (7 - at % 8) & 1))
    }
}

#[derive(Clone, Debug)]
struct Layout {
    opcode: u8,
    action: Option<u8>,
    len: usize,
    name: &'static str,
    fields: Vec<Field>,
}

impl Layout {
    fn emit(&self, values: &[u64]) -> Vec<u8> {
        let mut cdb = vec![0; self.len];
        (cdb[0], cdb[1]) = (self.opcode, self.action.unwrap_or(0));
        self.fields.iter().zip(values).for_each(|(field, value)| field.put(&mut cdb, *value));
        cdb
    }

    fn value(&self, name: &str, values: &[u64]) -> Option<u64> {
        self.fields.iter().zip(values).find(|(field, _)| field.name == name).map(|(_, value)| *value)
    }
}

fn layouts() -> Vec<Layout> {
    let layout = |line: &'static str| {
        let (head, fields) = line.split_once(": ").unwrap_or((line, ""));
        let (opcode, rest) = head.split_once(' ').unwrap();
        let (action, rest) = rest.split_once(' ').unwrap();
        let (len, name) = rest.trim_start().split_once(' ').unwrap();
        let words: Vec<&str> = fields.split_whitespace().collect();
        let field = |pair: &[&'static str]| {
            let (place, bits) = pair[1].split_once('+').unwrap();
            let (byte, bit) = place.split_once('.').unwrap();
            let first_bit = byte.parse::<usize>().unwrap() * 8 + 7 - bit.parse::<usize>().unwrap();
            Field { name: pair[0], first_bit, bits: bits.parse().unwrap() }
        };
        Layout {
            opcode: u8::from_str_radix(opcode, 16).unwrap(),
            action: u8::from_str_radix(action, 16).ok(),
            len: len.parse().unwrap(),
            name: name.trim_start(),
            fields: words.chunks(2).map(field).collect(),
        }
    };
    LAYOUTS.lines().filter(|line| !line.is_empty()).map(layout).collect()
}

fn found(cdb: &[u8]) -> (&'static Command, Cdb) {
    let cdb = Cdb::new(cdb);
    (find(&cdb).unwrap(), cdb)
}

/// The table has these commands and no others, and looks at these bits and no others.
#[test]
fn the_table_is_the_standards() {
    let layouts = layouts();
    assert_eq!(layouts.len(), COMMANDS.len());
    for layout in &layouts {
        let (command, _) = found(&layout.emit(&[]));
        assert_eq!(
            (command.opcode, command.action, command.len(), command.name),
            (layout.opcode, layout.action.map(u16::from), layout.len, layout.name)
        );
        let all = Layout { opcode: 0, action: None, ..layout.clone() }.emit(&[u64::MAX; 16]);
        assert_eq!(command.usage, &all[1..], "{}", layout.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn every_cdb_survives(
        which in any::<prop::sample::Index>(),
        values: [u64; 8],
        extremes: [Option<bool>; 8],
        strange in 8usize..128,
    ) {
        let layouts = layouts();
        let layout = which.get(&layouts);
        // Each field is anything, or nothing, or all it can be.
        let fill = |n: usize| extremes[n].map_or(values[n], |full| if full { u64::MAX } else { 0 });
        let values: Vec<u64> = layout.fields.iter().enumerate().map(|(n, field)| fill(n) & field.mask()).collect();
        let bytes = layout.emit(&values);
        let (command, cdb) = found(&bytes);
        prop_assert_eq!((command.name, command.check(&cdb)), (layout.name, Ok(())));
        // What was parsed says the same, field by field.
        let again: Vec<u64> = layout.fields.iter().map(|field| field.get(&cdb.0)).collect();
        prop_assert_eq!(&again, &values);
        prop_assert_eq!(&layout.emit(&again), &bytes);
        let value = |name| layout.value(name, &values);
        if let (Some(lba), Some(length)) = (value("LBA"), value("LENGTH")) {
            let blocks = if layout.len == 6 && length == 0 { 256 } else { length };
            prop_assert_eq!(Extent::of(&cdb), Extent { lba, blocks });
        }
        if let Some(lba) = value("LBA") {
            prop_assert_eq!(Extent::of(&cdb).lba, lba);
        }
        match command.begin {
            Begin::Data(Allocation::All, _) => prop_assert_eq!(value("ALLOCATION"), None),
            Begin::Data(allocation, _) => prop_assert_eq!(Some(u64::from(allocation.of(&cdb))), value("ALLOCATION")),
            Begin::Run(_) => {}
        }
        let cached = value("FUA").is_some() || value("BYTCHK").is_some() || value("ANCHOR").is_some();
        if cached && layout.name != "UNMAP" {
            prop_assert_eq!(u64::from(cdb.protect()), value("PROTECT").unwrap());
        }
        if let Some(fua) = value("FUA") {
            prop_assert_eq!(u64::from(cdb.fua()), fua);
        }
        // One bit that means nothing: it is named (SPC-4 §4.5.2.4.3).
        let all = layout.emit(&[u64::MAX; 8]);
        let (byte, bit) = (strange / 8, 7 - strange % 8);
        let of_action = byte == 1 && bit < 5 && layout.action.is_some();
        if byte < layout.len && all[byte] & 1 << bit == 0 && !of_action {
            let mut wrong = bytes.clone();
            wrong[byte] |= 1 << bit;
            let (command, cdb) = found(&wrong);
            prop_assert_eq!(command.check(&cdb), Err(Sense::invalid_cdb(byte as u16, bit as u8)));
        }
    }
}
