//! Namespace write protection (NVM Express base 2.0 §8.12): for whom it holds, and for how long.

use super::bytes;
use mainstay_testkit::daemon::Daemon;
use mainstay_testkit::host::{Controller, Data, Status, command};

/// Feature 84h.
const WRITE_PROTECTION: u8 = 0x84;

fn set(controller: &mut Controller, state: u32) -> Status {
    let mut entry = command::set_features(WRITE_PROTECTION, state);
    entry.set_dword(1, 1);
    controller.admin.run(entry, Data::Nothing).unwrap().status()
}

fn get(controller: &mut Controller) -> u32 {
    let mut entry = command::get_features(WRITE_PROTECTION, 0, 0);
    entry.set_dword(1, 1);
    let done = controller.admin.run(entry, Data::Nothing).unwrap();
    assert_eq!(done.status(), Status::SUCCESS);
    done.completion.dword()
}

/// What the feature says, and whether both protocols act accordingly.
#[track_caller]
fn assert_state(daemon: &Daemon, state: u32) {
    let mut controller = daemon.controller();
    assert_eq!(get(&mut controller), state);
    let written = controller.write(1, 0, &bytes(4096, 1), 512).map_err(|error| error.status());
    let sense = daemon.session().write10(0, 8, &bytes(4096, 2), 512).unwrap().sense();
    if state == 0 {
        assert_eq!((written, sense), (Ok(()), None));
    } else {
        assert_eq!(written, Err(Some(Status::NAMESPACE_WRITE_PROTECTED)));
        // Data protect, write protected.
        assert_eq!(sense, Some((7, 0x27, 0)));
    }
    controller.read(1, 0, 8, 512).unwrap();
}

/// A crash, and a start anew.
fn again(daemon: Daemon) -> Daemon {
    let folder = daemon.folder().clone();
    // Dropped: SIGKILL.
    drop(daemon);
    Daemon::builder().folder(&folder).arg("disk.img").start()
}

#[test]
fn write_protection_outlives_a_restart_until_it_is_lifted() {
    let daemon = Daemon::file(8 << 20);
    assert_state(&daemon, 0);
    assert_eq!(set(&mut daemon.controller(), 1), Status::SUCCESS);
    assert_state(&daemon, 1);
    let daemon = again(again(daemon));
    assert_state(&daemon, 1);
    assert_eq!(set(&mut daemon.controller(), 0), Status::SUCCESS);
    assert_state(&daemon, 0);
    let daemon = again(daemon);
    assert_state(&daemon, 0);
}

#[test]
fn protection_until_the_next_power_cycle_ends_with_a_restart_and_not_before() {
    let daemon = Daemon::file(8 << 20);
    let mut controller = daemon.controller();
    // From the other one: what was kept is kept no longer.
    assert_eq!((set(&mut controller, 1), set(&mut controller, 2)), (Status::SUCCESS, Status::SUCCESS));
    assert_state(&daemon, 2);
    daemon.ctl_ok(&["swap", "--allow-same"]);
    assert_state(&daemon, 2);
    let mut controller = daemon.controller();
    assert_eq!(set(&mut controller, 0), Status::FEATURE_NOT_CHANGEABLE);
    let daemon = again(daemon);
    assert_state(&daemon, 0);
}
