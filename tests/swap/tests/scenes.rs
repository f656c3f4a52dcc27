//! Every scene and every load ends well where nothing is swapped: so what fails over a swap is the swap's fault.

use mainstay_swap_tests::bytes::Random;
use mainstay_swap_tests::ground::{self, Ground};
use mainstay_swap_tests::load::Load;
use mainstay_swap_tests::rig::Rig;
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
    let loads = (0..8).map(|number| Load::start(&ground, number).unwrap());
    let mut loads: Vec<Load> = loads.chain((0..8).map(|n| Load::nvme(&ground, ground::HOSTS + n).unwrap())).collect();
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

/// All at once, over a swap up and one down; half of them end in between.
#[test]
fn scenes_end_well_over_swaps() {
    let mut rig = Rig::current();
    let (current, next) = (rig.program.clone(), rig.install(&program::next(), "mainstay-next"));
    let ground = rig.ground.clone();
    let mut random = Random(2);
    let mut kinds: Vec<usize> = (0..scene::kinds()).collect();
    kinds.sort_by_key(|kind| scene::is_hasty(*kind));
    let mut scenes = Vec::new();
    for kind in kinds {
        let stage = &mut Stage { ground: &ground, number: 10 + kind as u16, random: &mut random };
        scenes.push(scene::set(kind, stage).unwrap());
    }
    rig.swap_well(&next, &[]);
    let mut failed = Vec::new();
    let (now, later): (Vec<_>, Vec<_>) = scenes
        .into_iter()
        .enumerate()
        .partition(|(n, scene)| scene.ripens_ms == 0 && (n % 2 == 0 || scene.spoils_ms < 15_000));
    failed.extend(now.into_iter().filter_map(|(_, scene)| scene.finish().err()));
    rig.swap_well(&current, &["--allow-downgrade"]);
    for (_, scene) in later {
        let left = Duration::from_millis(scene.ripens_ms).saturating_sub(scene.since.elapsed());
        std::thread::sleep(left);
        failed.extend(scene.finish().err());
    }
    assert!(failed.is_empty(), "{failed:#?}\n{}", rig.daemon.words());
}
