//! Every scene and every load ends well where nothing is swapped: so what fails over a swap is the swap's fault.

use mainstay_swap_tests::bytes::Random;
use mainstay_swap_tests::ground::{self, Ground};
use mainstay_swap_tests::load::Load;
use mainstay_swap_tests::scene::{self, Stage};
use mainstay_swap_tests::{libiscsi, program};
use std::time::Duration;

#[test]
fn scenes_end_well_without_a_swap() {
    let daemon = ground::builder(&program::current(), "").start();
    let ground = Ground::of(&daemon);
    let mut random = Random(1);
    let mut failed = Vec::new();
    for round in 0..3 {
        for kind in 0..scene::kinds() {
            let number = (round * scene::kinds() + kind) as u16;
            let stage = &mut Stage { ground: &ground, number, random: &mut random };
            let scene = scene::set(kind, stage);
            if round > 0 && scene.as_ref().is_ok_and(|scene| scene.ripens_ms > 0) {
                continue;
            }
            let ended = scene.and_then(|scene| {
                std::thread::sleep(Duration::from_millis(scene.ripens_ms));
                scene.finish()
            });
            failed.extend(ended.err());
        }
    }
    assert!(failed.is_empty(), "{failed:#?}\n{}", daemon.words());
}

#[test]
fn loads_end_well_without_a_swap() {
    let daemon = ground::builder(&program::current(), "").start();
    let ground = Ground::of(&daemon);
    let mut loads: Vec<Load> = (0..8).map(|number| Load::start(&ground, number).unwrap()).collect();
    let folder = daemon.folder().path();
    let libiscsi = match libiscsi::compile(folder) {
        Ok(program) => Some(libiscsi::Sessions::start(&program, &ground, (0, 512), 100, 6).unwrap()),
        Err(why) => {
            eprintln!("skip: libiscsi's sessions: needs {why}");
            None
        }
    };
    std::thread::sleep(Duration::from_secs(1));
    for load in loads.drain(..) {
        load.stop().unwrap_or_else(|why| panic!("{why}\n{}", daemon.words()));
    }
    if let Some(sessions) = libiscsi {
        println!("{}", sessions.stop().unwrap_or_else(|why| panic!("{why}\n{}", daemon.words())));
    }
}
