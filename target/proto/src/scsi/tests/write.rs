//! Commands that change the medium.

use super::*;
use mainstay_base::unit::Protection;

#[test]
fn what_is_written_is_read() {
    both(|rig| {
        let data = pattern(100);
        rig.tell(&cdb10(0x2a, 0, 7, 100), &data).good();
        assert_eq!(rig.ask(&cdb10(0x28, 0, 7, 100)).good(), data);
        rig.tell(&cdb12(0xaa, 0, 500, 3), &data[..3 * BLOCK]).good();
        assert_eq!(rig.ask(&cdb12(0xa8, 0, 500, 3)).good(), data[..3 * BLOCK]);
        rig.tell(&cdb16(0x8a, 0, BLOCKS - 1, 1), &data[..BLOCK]).good();
        assert_eq!(rig.ask(&cdb16(0x88, 0, BLOCKS - 1, 1)).good(), data[..BLOCK]);
        rig.tell(&[0x0a, 0, 1, 0, 2, 0], &data[..2 * BLOCK]).good();
        assert_eq!(rig.ask(&[0x08, 0, 1, 0, 2, 0]).good(), data[..2 * BLOCK]);
        // A length of 0 is 256 blocks in six bytes, and nothing elsewhere.
        assert_eq!(rig.ask(&[0x08, 0, 0, 0, 0, 0]).good().len(), 256 * BLOCK);
        assert_eq!(rig.ask(&cdb10(0x28, 0, 7, 0)).good(), []);
        rig.tell(&cdb10(0x2a, 0, 7, 0), &[]).good();
    });
}

#[test]
fn durable_is_what_fua_and_the_cache_say() {
    let durable =
        |rig: &Rig| rig.transcript.iter().rfind(|line| line.contains("write ")).unwrap().contains("durable true");
    both(|rig| {
        rig.tell(&cdb10(0x2a, 0, 0, 1), &[1; BLOCK]).good();
        assert!(!durable(rig));
        rig.tell(&cdb10(0x2a, 0x08, 0, 1), &[1; BLOCK]).good();
        assert!(durable(rig));
        // FUA is no part of a six-byte CDB: those bits are the LBA's.
        rig.tell(&[0x0a, 0, 0, 8, 1, 0], &[1; BLOCK]).good();
        assert!(!durable(rig));
        let flushes = |rig: &Rig| rig.transcript.iter().filter(|line| line.contains("Flush")).count();
        rig.ask(&cdb10(0x28, 0x08, 0, 1)).good();
        assert_eq!(flushes(rig), 1);
        // Turning the cache off flushes it, and then every write is durable.
        let page = [0, 0, 0, 0, 0x08, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        rig.tell(&[0x15, 0x10, 0, 0, 24, 0], &page).good();
        assert_eq!(flushes(rig), 2);
        assert!(!rig.unit().disk.write_cache);
        rig.tell(&cdb10(0x2a, 0, 0, 1), &[1; BLOCK]).good();
        assert!(durable(rig));
        rig.ask(&cdb10(0x28, 0x08, 0, 1)).good();
        assert_eq!(flushes(rig), 2);
        rig.ask(&cdb10(0x35, 0, 0, 0)).good();
        assert_eq!(flushes(rig), 3);
    });
}

#[test]
fn what_the_initiator_expects_cuts() {
    both(|rig| {
        let data = pattern(2);
        rig.tell(&cdb10(0x2a, 0, 0, 2), &data).good();
        for (expects, gets) in [(0, 0), (200, 200), (BLOCK, BLOCK), (10_000, 2 * BLOCK)] {
            let outcome = rig.run(ONE, &cdb10(0x28, 0, 0, 2), &[], expects);
            assert_eq!(outcome.reply.moved as usize, 2 * BLOCK);
            assert_eq!(outcome.good(), data[..gets]);
        }
        // Whole blocks that are not given are not written, and the residual says so; a torn block is an error.
        let outcome = rig.tell(&cdb10(0x2a, 0, 0, 2), &[9; BLOCK]);
        assert_eq!(outcome.reply.moved as usize, 2 * BLOCK);
        outcome.good();
        assert_eq!(rig.medium[..BLOCK], [9; BLOCK]);
        assert_eq!(rig.medium[BLOCK..2 * BLOCK], data[BLOCK..]);
        let outcome = rig.tell(&cdb10(0x2a, 0, 0, 1), &[7; 200]);
        assert_eq!((outcome.sense(), outcome.reply.moved as usize), ((5, 0x0e03), BLOCK));
        assert_eq!(rig.medium[0], 9);
        let outcome = rig.tell(&cdb10(0x2a, 0, 0, 1), &[7; 2 * BLOCK]);
        assert_eq!(outcome.reply.moved as usize, BLOCK);
        outcome.good();
        assert_eq!(rig.medium[BLOCK..2 * BLOCK], data[BLOCK..]);
        // A read flagged as a write on the transport: nothing to send.
        assert_eq!(rig.tell(&cdb10(0x28, 0, 0, 1), &[0; BLOCK]).good(), []);
    });
}

#[test]
fn fields_are_checked() {
    both(|rig| {
        for opcode in [0x88, 0x8a, 0x8e, 0x8f, 0x90, 0x91, 0x93] {
            for (lba, blocks) in
                [(BLOCKS, 1), (BLOCKS + 1, 0), (BLOCKS - 1, 2), (u64::MAX, 0), (u64::MAX, 2), (1 << 63, 1)]
            {
                let outcome = rig.tell(&cdb16(opcode, 0, lba, blocks), &[]);
                assert_eq!(outcome.sense(), (5, 0x2100), "{opcode:#x} {lba} {blocks}");
            }
        }
        for (opcode, last) in [(0x28, true), (0x2a, true), (0x2e, true), (0x2f, true), (0x41, true), (0x34, false)] {
            for protect in 1..8 {
                let outcome = rig.tell(&cdb10(opcode, protect << 5, 0, 1), &[]);
                assert_eq!(outcome.sense(), (5, 0x2400));
                // Field pointer: byte 1 of the CDB.
                let bit = if last { 7 } else { 7 - (protect << 5).leading_zeros() as u8 };
                assert_eq!(outcome.reply.sense[15..], [0xc8 | bit, 0, 1]);
            }
        }
        // Group numbers and FUA_NV are taken; CONTROL must be zero.
        let mut cdb = cdb10(0x2a, 0x1a, 0, 1);
        cdb[6] = 0x1f;
        rig.tell(&cdb, &[0; BLOCK]).good();
        cdb[9] = 4;
        let outcome = rig.tell(&cdb, &[0; BLOCK]);
        assert_eq!((outcome.sense(), &outcome.reply.sense[15..]), ((5, 0x2400), &[0xca, 0, 9][..]));
        assert_eq!(rig.ask(&[0xff; 16]).sense(), (5, 0x2000));
        let outcome = rig.ask(&[0x9e, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0]);
        assert_eq!((outcome.sense(), &outcome.reply.sense[15..]), ((5, 0x2400), &[0xcc, 0, 1][..]));
        // Longer than Block Limits says.
        let mut far = Geometry { blocks: 1 << 40, ..rig.unit().disk.geometry };
        far.physical_bytes = 512;
        rig.unit().resized(far);
        rig.ask(&[0; 6]).sense();
        assert_eq!(rig.ask(&cdb16(0x88, 0, 0, 0x10001)).sense(), (5, 0x2400));
        assert_eq!(rig.tell(&cdb16(0x93, 0, 0, 0x40001), &[0; BLOCK]).sense(), (5, 0x2400));
        assert_eq!(rig.tell(&cdb16(0x93, 0, 0, 0), &[0; BLOCK]).sense(), (5, 0x2400));
    });
}

#[test]
fn write_same() {
    both(|rig| {
        rig.tell(&cdb16(0x93, 0, 10, 70), &pattern(1)).good();
        assert!((10..80).all(|i| rig.medium[i * BLOCK..][..BLOCK] == pattern(1)));
        assert_eq!(rig.medium[80 * BLOCK..81 * BLOCK], [0; BLOCK]);
        // Zeros take no payload; UNMAP gives the space back.
        rig.tell(&cdb10(0x41, 0x00, 10, 10), &[0; BLOCK]).good();
        assert!(rig.mapped[10..20].iter().all(|&m| m));
        rig.tell(&cdb10(0x41, 0x08, 10, 10), &[0; BLOCK]).good();
        assert!(!rig.mapped[10..20].iter().any(|&m| m));
        rig.tell(&cdb16(0x93, 0x08, 20, 10), &pattern(1)).good();
        assert!(rig.mapped[20..30].iter().all(|&m| m), "a pattern is written, unmap or not");
        // NDOB: no data-out. No number of blocks: to the end.
        let outcome = rig.tell(&cdb16(0x93, 0x09, 0, 0), &[]);
        assert_eq!(outcome.reply.moved, 0);
        outcome.good();
        assert!(!rig.mapped.iter().any(|&m| m) && rig.medium.iter().all(|&b| b == 0));
        assert_eq!(rig.tell(&cdb16(0x93, 0x18, 0, 1), &[0; BLOCK]).sense(), (5, 0x2400));
        assert_eq!(rig.tell(&cdb16(0x93, 0x10, 0, 1), &[0; BLOCK]).sense(), (5, 0x2400));
        assert_eq!(rig.tell(&cdb16(0x93, 0, 0, 1), &[0; 2 * BLOCK]).sense(), (5, 0x0e03));
        assert_eq!(rig.tell(&cdb16(0x93, 0, 0, 1), &[0; BLOCK / 2]).sense(), (5, 0x0e03));
    });
    both_on(Behaviour::default(), |rig| {
        assert_eq!(rig.tell(&cdb16(0x93, 0x08, 0, 1), &[0; BLOCK]).sense(), (5, 0x2400));
    });
}

fn unmap_list(extents: &[(u64, u32)]) -> Vec<u8> {
    let bytes = 16 * extents.len() as u16;
    let mut list = (bytes + 6).to_be_bytes().to_vec();
    list.extend(bytes.to_be_bytes());
    list.extend([0; 4]);
    for (lba, blocks) in extents {
        list.extend(lba.to_be_bytes());
        list.extend(blocks.to_be_bytes());
        list.extend([0; 4]);
    }
    list
}

fn unmap(rig: &mut Rig, extents: &[(u64, u32)]) -> Outcome {
    let list = unmap_list(extents);
    rig.tell(&cdb10(0x42, 0, 0, list.len() as u16), &list)
}

#[test]
fn unmap_and_status() {
    both(|rig| {
        rig.tell(&cdb10(0x2a, 0, 0, 100), &pattern(100)).good();
        unmap(rig, &[(10, 5), (20, 0), (30, 1), (BLOCKS, 0)]).good();
        assert!((0..100).all(|i| rig.mapped[i] != ((10..15).contains(&i) || i == 30)));
        let status = rig.ask(&cdb16(0x9e, 0x12, 12, 200)).good();
        let runs: Vec<(u64, u32, u8)> = status[8..]
            .chunks(16)
            .map(|d| {
                (
                    u64::from_be_bytes(d[..8].try_into().unwrap()),
                    u32::from_be_bytes(d[8..12].try_into().unwrap()),
                    d[12],
                )
            })
            .collect();
        assert_eq!(runs, [(12, 3, 1), (15, 15, 0), (30, 1, 1), (31, 69, 0), (100, 1948, 1)]);
        assert_eq!(status[..4], (status.len() as u32 - 4).to_be_bytes());
        assert_eq!(rig.ask(&cdb16(0x9e, 0x12, 12, 24)).good(), [&[0, 0, 0, 20][..], &status[4..24]].concat());
        assert_eq!(rig.ask(&cdb16(0x9e, 0x12, BLOCKS, 24)).sense(), (5, 0x2100));
        unmap(rig, &[]).good();
        rig.tell(&cdb10(0x42, 0, 0, 0), &[]).good();
        assert_eq!(rig.tell(&cdb10(0x42, 0, 0, 7), &[0; 7]).sense(), (5, 0x1a00));
        assert_eq!(rig.tell(&cdb10(0x42, 1, 0, 8), &[0; 8]).sense(), (5, 0x2400));
        // Nothing is done unless all of it can be.
        assert_eq!(unmap(rig, &[(0, 1), (BLOCKS, 1)]).sense(), (5, 0x2100));
        assert_eq!(unmap(rig, &[(0, 1), (u64::MAX, 2)]).sense(), (5, 0x2100));
        assert!(rig.mapped[0]);
        assert_eq!(unmap(rig, &[(0, 1); 257]).sense(), (5, 0x2600));
        unmap(rig, &[(0, 1); 256]).good();
        assert!(!rig.mapped[0]);
        // A torn last descriptor is not there; neither is what lies behind the length said.
        let mut list = unmap_list(&[(1, 1), (2, 1)]);
        list[3] = 31;
        rig.tell(&cdb10(0x42, 0, 0, 40), &list).good();
        assert!(!rig.mapped[1] && rig.mapped[2]);
    });
    both_on(Behaviour::default(), |rig| {
        let status = rig.ask(&cdb16(0x9e, 0x12, 5, 24)).good();
        assert_eq!(status[8..], [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 7, 251, 0, 0, 0, 0]);
    });
}

#[test]
fn faults_have_their_sense() {
    let information = |outcome: &Outcome| u32::from_be_bytes(outcome.reply.sense[3..7].try_into().unwrap());
    both(|rig| {
        rig.faults.push_back(Some(Fault::MediumRead { at: 3 * BLOCK as u64 }));
        let outcome = rig.ask(&cdb10(0x28, 0, 0, 8));
        assert_eq!((outcome.sense(), information(&outcome), outcome.reply.moved), ((3, 0x1100), 3, 0));
        rig.faults.extend([None, Some(Fault::MediumWrite { at: 40 * BLOCK as u64 })]);
        let outcome = rig.tell(&cdb10(0x2a, 0, 0, 64), &pattern(64));
        assert_eq!((outcome.sense(), information(&outcome)), ((3, 0x0c00), 40));
        for (fault, sense) in [
            (Fault::NoSpace, (7, 0x2707)),
            (Fault::ReadOnly, (7, 0x2700)),
            (Fault::Shrunk { at: 0 }, (3, 0x0c00)),
            (Fault::Poisoned, (4, 0x3e01)),
            (Fault::Other { errno: 5 }, (4, 0x4400)),
        ] {
            rig.faults.push_back(Some(fault));
            assert_eq!(rig.tell(&cdb10(0x2a, 0, 0, 1), &[0; BLOCK]).sense(), sense);
            rig.faults.push_back(Some(fault));
            assert_eq!(rig.tell(&cdb16(0x93, 0, 0, 1), &[0; BLOCK]).sense(), sense);
            rig.faults.push_back(Some(fault));
            assert_eq!(unmap(rig, &[(0, 1)]).sense(), sense);
            rig.faults.push_back(Some(fault));
            assert_eq!(rig.ask(&cdb10(0x35, 0, 0, 0)).sense(), sense);
        }
    });
}

#[test]
fn a_protected_medium_is_not_written() {
    let writes: &[&[u8]] = &[
        &[0x0a, 0, 0, 0, 1, 0],
        &cdb10(0x2a, 0, 0, 1),
        &cdb12(0xaa, 0, 0, 1),
        &cdb16(0x8a, 0, 0, 1),
        &cdb10(0x2e, 0, 0, 1),
        &cdb12(0xae, 0, 0, 1),
        &cdb16(0x8e, 0, 0, 1),
        &cdb10(0x41, 0, 0, 1),
        &cdb16(0x93, 0, 0, 1),
        &cdb10(0x42, 0, 0, 8),
        &[0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
    ];
    both_on(Behaviour { read_only: true, ..behaviour() }, |rig| {
        for cdb in writes {
            assert_eq!(rig.tell(cdb, &[0; BLOCK]).sense(), (7, 0x2700), "{cdb:02x?}");
        }
        rig.ask(&cdb10(0x28, 0x08, 0, 1)).good();
        rig.ask(&cdb10(0x35, 0, 0, 1)).good();
        assert_eq!(rig.ask(&[0x1a, 8, 0x0a, 0, 4, 0]).good()[2], 0x90);
        assert!(!rig.transcript.iter().any(|line| line.contains("Flush")));
    });
    // The unit is writable, but not for these initiators.
    both(|rig| {
        rig.read_only = true;
        for cdb in writes {
            assert_eq!(rig.tell(cdb, &[0; BLOCK]).sense(), (7, 0x2700), "{cdb:02x?}");
        }
        rig.ask(&cdb10(0x28, 0x08, 0, 1)).good();
        assert_eq!(rig.ask(&[0x1a, 8, 0x0a, 0, 4, 0]).good()[2], 0x90);
        rig.read_only = false;
        rig.tell(&cdb10(0x2a, 0, 0, 1), &[0; BLOCK]).good();
    });
    // An NVMe host has protected it.
    both(|rig| {
        rig.unit().disk.protection = Protection::Protected;
        for cdb in writes {
            assert_eq!(rig.tell(cdb, &[0; BLOCK]).sense(), (7, 0x2700), "{cdb:02x?}");
        }
        assert_eq!(rig.ask(&[0x1a, 8, 0x0a, 0, 4, 0]).good()[2], 0x90);
    });
    both(|rig| {
        let page = [0, 0, 0, 0, 0x0a, 0x0a, 0x20, 0x10, 0x08, 0, 0, 0, 0, 0, 0, 0];
        rig.tell(&[0x15, 0x10, 0, 0, 16, 0], &page).good();
        for cdb in writes {
            assert_eq!(rig.tell(cdb, &[0; BLOCK]).sense(), (7, 0x2702), "{cdb:02x?}");
        }
        assert_eq!(rig.ask(&[0x1a, 8, 0x0a, 0, 4, 0]).good()[2], 0x90);
    });
}
