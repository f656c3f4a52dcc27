//! Saved forms that nobody has saved.

use super::super::tests::rig::{BOTH, Options, Rig, entry, good, pattern};
use super::*;
use crate::nvme::Sgl;
use crate::nvmetcp::pdu::CapsuleCmd;

/// A connection in the middle of everything.
fn busy() -> (Rig, ConnectionV1) {
    let mut rig = Rig::new(false, Options { budget: 1 << 16, digests: BOTH, ..Options::default() });
    rig.open();
    let tag = rig.transport(0x01, 1, 40_000);
    rig.collect(tag, 0, 20_000);
    rig.collect(tag, 20_000, 20_000);
    let tag = rig.transport(0x02, 2, 512);
    rig.send(tag, 0, &pattern(512));
    let tag = rig.transport(0x02, 3, 512);
    rig.finish(tag, good(3));
    let write = entry(0x01, 4, Sgl::InCapsule { offset: 0, len: 512 });
    let wire = rig.wire(&CapsuleCmd { entry: write }.emit(&rig.to, 512), &pattern(512));
    rig.bytes(&wire[..300]);
    let saved = rig.connection().save();
    (rig, saved)
}

#[test]
fn damaged_forms_are_refused() {
    let (rig, saved) = busy();
    let incoming = saved.incoming.clone().unwrap();
    let (command, free) = (saved.commands[0].clone(), saved.free.clone());
    assert_eq!((saved.commands.len(), free.len(), command.collects.len()), (2, 1, 2));
    let output = saved.output.clone().unwrap();
    let damages: Vec<Box<dyn Fn(&mut ConnectionV1)>> = vec![
        Box::new(|form| form.info = None),
        Box::new(|form| form.limits = None),
        Box::new(|form| form.output = None),
        Box::new(|form| form.timers = None),
        Box::new(|form| form.head = vec![0; 133]),
        Box::new(|form| form.commands_max = 1 << 16),
        Box::new(|form| form.hungry = vec![1 << 16]),
        Box::new(|form| form.free = vec![2, 2]),
        Box::new(|form| form.free = vec![0]),
        Box::new(|form| form.free = vec![9]),
        Box::new(|form| form.commands[1].tag = 0),
        Box::new(|form| form.commands[0].reply = vec![1]),
        Box::new(|form| form.commands[0].cid = 1 << 16),
        Box::new(|form| form.commands[0].collects[0].got = 20_001),
        Box::new(|form| form.commands[0].collects[0].len = 20_001),
        Box::new(|form| form.commands[0].collects[1].offset = u32::MAX),
        Box::new(|form| form.info.as_mut().unwrap().phase = 4),
        Box::new(|form| form.info.as_mut().unwrap().peer.clear()),
        Box::new(|form| form.info.as_mut().unwrap().hpda = 256),
        Box::new(|form| form.limits.as_mut().unwrap().cpda = 256),
        Box::new(|form| {
            form.waiting = Some(WaitingV1 { entry: vec![0; 64], from: 1, len: 512, carried: 512, pad: 0, until: 0 })
        }),
        Box::new(|form| form.waiting = Some(WaitingV1 { entry: vec![0; 63], ..WaitingV1::default() })),
        Box::new({
            let incoming = incoming.clone();
            move |form| form.incoming = Some(IncomingV1 { to: 513, ..incoming.clone() })
        }),
        Box::new({
            let incoming = incoming.clone();
            move |form| form.incoming = Some(IncomingV1 { from: 513, ..incoming.clone() })
        }),
        Box::new({
            let incoming = incoming.clone();
            move |form| form.incoming = Some(IncomingV1 { base: u64::MAX, ..incoming.clone() })
        }),
        Box::new({
            let incoming = incoming.clone();
            move |form| form.incoming = Some(IncomingV1 { at: 513, ..incoming.clone() })
        }),
        Box::new({
            let incoming = incoming.clone();
            move |form| form.incoming = Some(IncomingV1 { trailer: vec![0; 5], ..incoming.clone() })
        }),
        Box::new(move |form| {
            // The same memory twice.
            form.incoming.as_mut().unwrap().place = form.commands[0].collects[0].place;
        }),
        Box::new({
            let output = output.clone();
            move |form| form.output = Some(OutputV1 { bytes: vec![], ..output.clone() })
        }),
        Box::new({
            let output = output.clone();
            move |form| {
                let mut output = output.clone();
                output.segments.last_mut().unwrap().bytes = u64::MAX;
                form.output = Some(output);
            }
        }),
        Box::new(move |form| {
            let mut output = output.clone();
            output.segments.iter_mut().find(|segment| segment.place.is_some()).unwrap().end = 513;
            form.output = Some(output);
        }),
        Box::new(|form| form.events = vec![EventV1 { kind: 5, ..EventV1::default() }]),
        Box::new(|form| form.events = vec![EventV1 { kind: 1, ..EventV1::default() }]),
        Box::new(|form| form.events = vec![EventV1 { kind: 2, given: Some(GivenV1::default()), ..EventV1::default() }]),
    ];
    for (n, damage) in damages.iter().enumerate() {
        let mut form = saved.clone();
        damage(&mut form);
        assert!(Connection::restore(&form, &rig.arena.reopened()).is_err(), "damage {n}");
    }
    assert_eq!(Connection::restore(&saved, &rig.arena.reopened()).unwrap().save(), saved);
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection>() <= 1024, "{}", size_of::<Connection>());
}
