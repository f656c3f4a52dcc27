//! Any commands, in any order: nothing breaks, nothing grows without bound, and a saved controller is the same controller.

use super::*;
use proptest::prelude::*;

fn entry() -> impl Strategy<Value = Entry> {
    let opcode = prop_oneof![
        3 => proptest::sample::select(vec![0x02u8, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18, 0x7f]),
        1 => any::<u8>(),
    ];
    let fid = prop_oneof![proptest::sample::select(feature::FEATURES).prop_map(|feature| feature.fid), any::<u8>()];
    let small = || prop_oneof![0u32..5, any::<u32>()];
    (opcode, fid, 0u32..8, any::<bool>(), small(), small(), small()).prop_map(
        |(opcode, fid, select, save, nsid, d11, d12)| {
            let mut entry = admin(opcode);
            entry.set_dword(1, nsid);
            entry.set_dword(10, u32::from(fid) | select << 8 | u32::from(save) << 31);
            entry.set_dword(11, d11);
            entry.set_dword(12, d12);
            if opcode == 0x7f {
                entry.set_dword(10, select & 1);
                entry.0[4] = if save { 0 } else { 4 };
                entry.set_dword(11, [0, 8, 0x14, 0x1c, 0x14, 0x14, 0x68, d11][select as usize]);
                entry.set_dword(12, [0, ENABLED, ENABLED | 1 << 14, d12][fid as usize % 4]);
            }
            entry
        },
    )
}

proptest! {
    #[test]
    fn any_commands(discovery: bool, steps in prop::collection::vec((entry(), any::<u8>(), prop_oneof![0u32..600, Just(4096)]), 1..60)) {
        let mut rig = Rig::new(true, &if discovery { super::discovery() } else { connect() });
        rig.enable();
        for (step, (entry, kind, given)) in steps.into_iter().enumerate() {
            match kind {
                0..160 => {
                    if let Outcome::Collect(len) = rig.send(entry, given) {
                        prop_assert_eq!(len, given);
                        let data = vec![step as u8; len as usize];
                        rig.give(&entry, &data);
                    }
                }
                160..180 => drop(rig.join(&Connect { qid: u16::from(kind) - 160, cntlid: 7, ..connect() }, 0)),
                180..200 => rig.notice(Notice::Volume(VolumeId(u32::from(kind) - 180))),
                200..210 => rig.notice(Notice::Health(given as u8)),
                210..220 => rig.notice(Notice::Discovery),
                220..230 => drop(rig.publication()),
                230..240 => drop(rig.changes()),
                240..250 => {
                    rig.after(given.into());
                    rig.tick();
                }
                _ => while rig.event().is_some() {},
            }
            prop_assert!(rig.controller.events_held() <= usize::from(AERL) + 1);
            prop_assert!(rig.controller.errors.newest_first().count() <= usize::from(ELPE) + 1);
        }
    }

    #[test]
    fn a_damaged_saved_form_is_refused_or_saves_itself_again(at in any::<prop::sample::Index>(), byte: u8, cut: bool) {
        let mut rig = Rig::new(false, &connect());
        rig.enable();
        rig.send(admin(0x0c), 0);
        rig.notice(Notice::Volume(VolumeId(1)));
        rig.reply(admin(0xee)).unwrap_err();
        let mut bytes = rig.controller.save().encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(if cut { at } else { bytes.len() });
        if let Ok(controller) = ControllerV1::decode(&bytes[..]).map_err(drop).and_then(|it| Controller::restore(&it).map_err(drop)) {
            prop_assert_eq!(Controller::restore(&controller.save()), Ok(controller));
        }
    }
}
