//! A swap as a host sees it: whatever was under way goes on, on the same connections.

use std::time::Duration;

use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::host::{Data, command};

use super::bytes;
use super::nvme_auth::{both_ways, proving};
use super::nvme_data::works;

/// By the program that runs already.
fn swap(daemon: &Daemon) {
    daemon.ctl_ok(&["swap", "--allow-same"]);
}

#[test]
fn halves_of_everything_survive() {
    let daemon = Daemon::builder().arg("--size").arg("64M").start();
    let host = daemon.host().digests(true, true).queues(2, 32).hold_r2ts().keep_alive(Duration::from_secs(30));
    let mut controller = daemon.controller_of(&host);
    controller.set_feature(0x0b, 1 << 8).unwrap();
    let event = controller.listen().unwrap();
    let (solicited, inside) = (bytes(65536, 1), bytes(4096, 2));
    for round in 0..4u64 {
        // One queue waits for data, the other has sent half a capsule.
        let write = command::write(1, round * 200, 128, false);
        let write = controller.io[0].start(write, Data::ToController(solicited.clone())).unwrap();
        let first = controller.io[0].next_r2t().unwrap();
        let half = command::write(1, round * 200 + 128, 8, false);
        let cut = [3, 70, 77, 2000][round as usize];
        let half = controller.io[1].start_part(half, Data::ToController(inside.clone()), cut).unwrap();
        swap(&daemon);
        controller.io[1].flush().unwrap();
        assert!(controller.io[1].wait(half).unwrap().status().is_success(), "round {round}");
        let mut asked = first.len;
        controller.io[0].answer(&first).unwrap();
        while asked < 65536 {
            let next = controller.io[0].next_r2t().unwrap();
            asked += next.len;
            controller.io[0].answer(&next).unwrap();
        }
        assert!(controller.io[0].wait(write).unwrap().status().is_success(), "round {round}");
        assert!(controller.read(1, round * 200, 128, 512).unwrap() == solicited, "round {round}");
        assert!(controller.read(1, round * 200 + 128, 8, 512).unwrap() == inside, "round {round}");
    }
    // The event request of before the first swap is answered after the last.
    assert!(!controller.admin.is_done(event));
    daemon.ctl_ok(&["resize", &daemon.volume().name, "128M"]);
    assert_eq!(controller.event(event).unwrap(), (2, 0, 4));
    controller.keep_alive().unwrap();
    assert_eq!(controller.feature(0x0b, 0).unwrap(), 1 << 8);
    works(&mut controller);
}

#[test]
fn who_has_proved_himself_stays_known() {
    let daemon = both_ways();
    let host = proving(&daemon);
    let mut controller = daemon.controller_of(&host);
    swap(&daemon);
    works(&mut controller);
    controller.admin.authenticate(&host.credentials().unwrap(), 2).unwrap();
    works(&mut controller);
    works(&mut daemon.controller_of(&host.named("nqn.2026-11.internal.mainstay.test:later")));
}

#[test]
fn a_way_that_was_set_stays_set() {
    let daemon = Daemon::memory();
    let portal = daemon.status()["nvme"]["portals"][0]["name"].as_str().unwrap().to_owned();
    let mut controller = daemon.controller();
    daemon.ctl_ok(&["path", "set", &portal, "inaccessible"]);
    let before = controller.log(0x0c, 0, 0, 4096).unwrap();
    swap(&daemon);
    assert!(controller.log(0x0c, 0, 0, 4096).unwrap() == before);
    assert!(controller.read(1, 0, 1, 512).is_err());
    daemon.ctl_ok(&["path", "set", &portal, "optimized"]);
    works(&mut controller);
}
