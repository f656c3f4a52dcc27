//! What a unit remembers of and between its nexuses.

use super::*;

const READY: [u8; 6] = [0; 6];

#[test]
fn attentions_come_once_the_gravest_first() {
    both(|rig| {
        rig.unit().attention(ONE, Attention::LunsChanged);
        rig.unit().attention(ONE, Attention::CapacityChanged);
        rig.unit().reset();
        // Neither INQUIRY nor REPORT LUNS take it away.
        rig.ask(&[0x12, 0, 0, 0, 96, 0]).good();
        assert_eq!(rig.ask(&[0x1a, 0, 0x3f, 0, 255, 0]).sense(), (6, 0x2903));
        assert_eq!(rig.ask(&READY).sense(), (6, 0x2a09));
        rig.ask(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]).good();
        rig.ask(&READY).good();
        assert_eq!(rig.run(TWO, &READY, &[], 0).sense(), (6, 0x2903));
        // REQUEST SENSE reports and clears, in the format it is asked for.
        rig.unit().nexus_lost(ONE);
        let sense = rig.ask(&[3, 1, 0, 0, 252, 0]).good();
        assert_eq!(sense, [0x72, 6, 0x29, 7, 0, 0, 0, 0]);
        let sense = rig.ask(&[3, 0, 0, 0, 252, 0]).good();
        assert_eq!((sense[0], sense[2], sense[12], sense.len()), (0x70, 0, 0, 18));
        assert_eq!(rig.ask(&[3, 0, 0, 0, 4, 0]).good().len(), 4);
        rig.ask(&READY).good();
        // Even a command that we do not know gets to hear it.
        rig.unit().attention(ONE, Attention::CapacityChanged);
        assert_eq!(rig.ask(&[0xff; 6]).sense(), (6, 0x2a09));
        assert_eq!(rig.ask(&[0xff; 6]).sense(), (5, 0x2000));
    });
}

#[test]
fn where_there_is_no_unit() {
    both(|rig| {
        let unit = rig.unit.take();
        assert_eq!(rig.ask(&[0x12, 0, 0, 0, 255, 0]).good()[0], 0x7f);
        assert_eq!(rig.ask(&[0x12, 1, 0, 0, 255, 0]).sense(), (5, 0x2400));
        assert_eq!(rig.ask(&[3, 0, 0, 0, 252, 0]).good()[12..14], [0x25, 0]);
        assert_eq!(rig.ask(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]).good().len(), 16);
        rig.lun = Lun::from_number(1);
        assert_eq!(rig.ask(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]).sense(), (5, 0x2500));
        for cdb in [&READY[..], &[0xff; 6], &cdb10(0x28, 0, 0, 1)] {
            assert_eq!(rig.ask(cdb).sense(), (5, 0x2500));
        }
        rig.unit = unit;
    });
}

#[test]
fn reservations_keep_others_out() {
    let (reserve, release): ([&[u8]; 2], [&[u8]; 2]) = (
        [&[0x16, 0, 0, 0, 0, 0], &[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
        [&[0x17, 0, 0, 0, 0, 0], &[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    );
    both(|rig| {
        for i in 0..2 {
            rig.tell(reserve[i], &[]).good();
            rig.tell(reserve[i], &[]).good();
            let free = [0x12, 0x03, 0xa0, 0x17, 0x57, 0x25];
            for command in table::COMMANDS {
                let mut cdb = [0; 16];
                cdb[0] = command.opcode;
                cdb[1] = command.action.unwrap_or(0) as u8;
                cdb[9] = 16;
                let outcome = rig.run(TWO, &cdb, &[], 1000);
                let conflict = outcome.reply.status == Status::ReservationConflict;
                let is_free = free.contains(&command.opcode) || command.opcode == 0xa3 || cdb[..2] == [0x9e, 0x10];
                assert_eq!(conflict, !is_free && command.opcode != 0x1e, "{}", command.name);
            }
            assert_eq!(rig.run(TWO, &[0x1e, 0, 0, 0, 1, 0], &[], 0).reply.status, Status::ReservationConflict);
            assert_eq!(rig.unit().reserved(), Some(ONE), "a stranger's RELEASE does nothing");
            // A reset attention is told ahead of the conflict, a milder one after it.
            rig.unit().attention(TWO, Attention::NexusLoss);
            rig.unit().attention(TWO, Attention::CapacityChanged);
            assert_eq!(rig.run(TWO, &READY, &[], 0).sense(), (6, 0x2907));
            assert_eq!(rig.run(TWO, &READY, &[], 0).reply.status, Status::ReservationConflict);
            rig.tell(release[i], &[]).good();
            assert_eq!(rig.run(TWO, &READY, &[], 0).sense(), (6, 0x2a09));
            rig.run(TWO, reserve[i], &[], 0).good();
            assert_eq!(rig.ask(&READY).reply.status, Status::ReservationConflict);
            match i {
                0 => rig.unit().nexus_lost(TWO),
                _ => rig.unit().reset(),
            }
            assert_eq!(rig.run(TWO, &READY, &[], 0).sense().0, 6);
            if i == 1 {
                assert_eq!(rig.ask(&READY).sense(), (6, 0x2903));
            }
            rig.ask(&READY).good();
        }
        assert_eq!(rig.tell(&[0x16, 1, 0, 0, 0, 0], &[]).sense(), (5, 0x2400));
        rig.tell(reserve[0], &[]).good();
        rig.unit().detach(ONE);
        rig.run(TWO, &READY, &[], 0).good();
    });
}

#[test]
fn start_and_stop() {
    both(|rig| {
        rig.ask(&[0x1b, 0, 0, 0, 0, 0]).good();
        assert!(rig.transcript.iter().any(|line| line.contains("Flush")));
        for cdb in [&READY[..], &cdb10(0x28, 0, 0, 1), &cdb10(0x2a, 0, 0, 1), &cdb10(0x35, 0, 0, 0)] {
            assert_eq!(rig.ask(cdb).sense(), (2, 0x0402));
        }
        assert_eq!(rig.ask(&[3, 0, 0, 0, 252, 0]).good()[12..14], [0x04, 0x02]);
        rig.ask(&[0x12, 0, 0, 0, 96, 0]).good();
        rig.ask(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]).good();
        rig.ask(&[0x1b, 0, 0, 0, 1, 0]).good();
        rig.ask(&READY).good();
        // Not removable: nothing to eject. Power conditions change nothing.
        assert_eq!(rig.ask(&[0x1b, 0, 0, 0, 2, 0]).sense(), (5, 0x2400));
        rig.ask(&[0x1b, 1, 0, 0, 0x30, 0]).good();
        rig.ask(&READY).good();
        rig.faults.push_back(Some(Fault::Poisoned));
        assert_eq!(rig.ask(&[0x1b, 0, 0, 0, 0, 0]).sense(), (4, 0x3e01));
        rig.ask(&READY).good();
        rig.ask(&[0x1b, 0, 0, 0, 4, 0]).good();
        rig.unit().reset();
        assert_eq!(rig.ask(&READY).sense(), (6, 0x2903));
        rig.ask(&READY).good();
    });
}

#[test]
fn a_removable_medium() {
    let (eject, load): ([u8; 6], [u8; 6]) = ([0x1b, 0, 0, 0, 2, 0], [0x1b, 0, 0, 0, 3, 0]);
    let prevent = |on: u8| [0x1e, 0, 0, 0, on, 0];
    both_on(Behaviour { removable: true, ..behaviour() }, |rig| {
        // It spins up by itself.
        rig.ask(&[0x1b, 0, 0, 0, 0, 0]).good();
        rig.ask(&READY).good();
        rig.ask(&prevent(1)).good();
        assert_eq!(rig.run(TWO, &eject, &[], 0).sense(), (5, 0x5302));
        rig.run(TWO, &prevent(0), &[], 0).good();
        assert_eq!(rig.run(TWO, &eject, &[], 0).sense(), (5, 0x5302), "each nexus prevents for itself");
        rig.ask(&prevent(0)).good();
        rig.run(TWO, &eject, &[], 0).good();
        for cdb in [&READY[..], &cdb10(0x28, 0, 0, 1), &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], &cdb16(0x9e, 0x10, 0, 32)] {
            assert_eq!(rig.ask(cdb).sense(), (2, 0x3a00));
        }
        rig.ask(&prevent(1)).good();
        assert_eq!(rig.ask(&load).sense(), (5, 0x5302));
        rig.unit().reset();
        rig.ask(&READY).sense();
        rig.run(TWO, &READY, &[], 0).sense();
        rig.ask(&eject).good();
        rig.ask(&load).good();
        rig.ask(&READY).good();
        assert_eq!(rig.run(TWO, &READY, &[], 0).sense(), (6, 0x2800));
        rig.run(TWO, &READY, &[], 0).good();
        rig.ask(&prevent(1)).good();
        rig.unit().detach(ONE);
        rig.run(TWO, &eject, &[], 0).good();
        assert_eq!(rig.run(TWO, &prevent(2), &[], 0).sense(), (5, 0x2400));
    });
}

#[test]
fn mode_select() {
    let control = |byte2: u8, byte4: u8, byte5: u8| [0x0a, 0x0a, byte2, 0x10, byte4, byte5, 0, 0, 0, 0, 0, 0];
    let select6 = |rig: &mut Rig, pages: &[u8]| {
        let list = [&[0, 0, 0, 0], pages].concat();
        rig.tell(&[0x15, 0x10, 0, 0, list.len() as u8, 0], &list)
    };
    both(|rig| {
        // Descriptor sense, as soon as it is set; the others hear of it.
        select6(rig, &control(0x24, 0, 0)).good();
        assert_eq!(rig.ask(&cdb10(0x28, 0, u32::MAX, 1)).reply.sense[0], 0x72);
        assert_eq!(rig.run(TWO, &READY, &[], 0).sense(), (6, 0x2a01));
        // The same again changes nothing.
        select6(rig, &control(0x24, 0, 0)).good();
        rig.run(TWO, &READY, &[], 0).good();
        assert!(!rig.unit().tells_aborted());
        // Ten bytes, a block descriptor that repeats what is, two pages.
        let mut list = vec![0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 8, 0, 0, 0, 2, 0];
        list.extend(control(0x20, 0, 0x40));
        list.extend([0x01, 0x0a, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        rig.tell(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, list.len() as u8, 0], &list).good();
        assert!(rig.unit().tells_aborted());
        assert_eq!(rig.run(TWO, &READY, &[], 0).sense(), (6, 0x2a01));
        // Whatever is wrong with any page, nothing of the list counts.
        list.truncate(28);
        list[20] = 0x08;
        let bad: &[(&[u8], u16, [u8; 3])] = &[
            (&[0x02, 0x0a], 0x2600, [0x8d, 0, 28]),
            (&[0x41, 0x0a], 0x2600, [0x8e, 0, 28]),
            (&[0x01, 0x0b, 0xc0], 0x2600, [0x8f, 0, 29]),
            (&[0x01, 0x0a, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0x2600, [0x88, 0, 39]),
            (&[0x01, 0x0a, 0xc0], 0x1a00, [0, 0, 0]),
            (&[0x01], 0x1a00, [0, 0, 0]),
        ];
        for (page, code, pointer) in bad {
            let list = [&list[..], page].concat();
            let outcome = rig.tell(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, list.len() as u8, 0], &list);
            assert_eq!((outcome.sense(), &outcome.reply.sense[15..]), ((5, *code), &pointer[..]));
        }
        rig.tell(&cdb10(0x2a, 0, 0, 1), &[0; BLOCK]).good();
        // Another size of blocks is a format, and not ours to do.
        list[14] = 16;
        let outcome = rig.tell(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, list.len() as u8, 0], &list);
        assert_eq!((outcome.sense(), outcome.reply.sense[17]), ((5, 0x2600), 8));
        assert_eq!(rig.tell(&[0x15, 0x11, 0, 0, 4, 0], &[0; 4]).sense(), (5, 0x2400));
        assert_eq!(rig.tell(&[0x15, 0x00, 0, 0, 4, 0], &[0; 4]).sense(), (5, 0x2400));
        assert_eq!(rig.tell(&[0x15, 0x10, 0, 0, 3, 0], &[0; 3]).sense(), (5, 0x1a00));
        assert_eq!(rig.tell(&[0x15, 0x10, 0, 0, 16, 0], &[0; 4]).sense(), (5, 0x1a00));
        rig.tell(&[0x15, 0x10, 0, 0, 0, 0], &[]).good();
        // A reset brings the defaults back.
        rig.unit().reset();
        assert!(!rig.unit().tells_aborted());
        assert_eq!(rig.ask(&READY).sense(), (6, 0x2903));
    });
}
