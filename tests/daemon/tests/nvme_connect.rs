//! How hosts come to a controller, what it says of itself, and how they part.

use std::time::{Duration, Instant};

use mainstay_testkit::daemon::{Builder, Daemon, free_port};
use mainstay_testkit::host::command::property;
use mainstay_testkit::host::controller::HOST_NQN;
use mainstay_testkit::host::{Connection, Error, Host, Status};

use super::SOON;
use super::nvme_data::works;

/// A configured daemon with one memory volume of 64 MiB as namespace 1 of subsystem `disk` and as LUN 0 of target `disk`.
/// `nvme` goes into the table of NVMe/TCP, `subsystem` into that of the subsystem, `rest` behind it.
pub fn configured(nvme: &str, subsystem: &str, rest: &str) -> Builder {
    Daemon::builder().config(&format!(
        r#"
        [[portal]]
        bind = "127.0.0.1:{}"
        [[volume]]
        name = "disk"
        memory = "64 MiB"
        [[target]]
        name = "disk"
        [[target.lun]]
        number = 0
        volume = "disk"
        [nvme]
        {nvme}
        [[nvme.portal]]
        bind = "127.0.0.1:{}"
        [[nvme.subsystem]]
        name = "disk"
        {subsystem}
        [[nvme.subsystem.namespace]]
        nsid = 1
        volume = "disk"
        {rest}
        "#,
        free_port(),
        free_port()
    ))
}

#[track_caller]
pub fn refused<T>(result: Result<T, Error>, status: Status) {
    let code = |status: Status| (status.kind, status.code);
    match result.map(|_| ()) {
        Err(Error::Status { status: given, .. }) if code(given) == code(status) => {}
        other => panic!("expected {status:?}, not {other:?}"),
    }
}

#[test]
fn a_controller_is_what_it_says() {
    let daemon = Daemon::memory();
    let (volume, offered) = (daemon.volume(), daemon.namespace());
    let mut one = daemon.controller();
    let mut two = daemon.controller_of(&daemon.host().named("nqn.2026-11.internal.mainstay.test:two"));
    assert_ne!(one.cntlid, two.cntlid);
    for controller in [&mut one, &mut two] {
        assert_eq!(controller.identify.cntlid, controller.cntlid);
        assert_eq!(controller.identify.nqn, offered.subsystem);
        assert_eq!(controller.identify.kind, 1);
        assert_eq!(controller.identify.in_capsule, 16384);
        assert!(controller.identify.keep_alive_units > 0);
        assert_eq!(controller.namespaces().unwrap(), [offered.nsid]);
        let namespace = controller.namespace(1).unwrap();
        assert_eq!(namespace.blocks * u64::from(namespace.block_bytes), volume.size);
        let version = controller.property(property::VS).unwrap() as u32;
        assert_eq!(version, controller.identify.version);
    }
    assert_eq!(one.identify.serial, two.identify.serial);
    let names = one.descriptors(1).unwrap();
    assert_eq!(names, two.descriptors(1).unwrap());
    assert!([2, 3].iter().all(|kind| names.iter().any(|name| name.kind == *kind)), "NGUID and UUID: {names:?}");
    assert_eq!(names.iter().find(|name| name.kind == 2).unwrap().id, one.namespace(1).unwrap().nguid);
    works(&mut one);
    works(&mut two);
    let status = daemon.status();
    let controllers = status["nvme"]["controllers"].as_array().unwrap();
    assert_eq!(controllers.len(), 2, "{status:#}");
    assert!(controllers.iter().any(|controller| controller["host"] == HOST_NQN), "{status:#}");
}

#[test]
fn queues_are_agreed_on() {
    let daemon = configured("io_queues = 3\nqueue_size = 32", "", "").start();
    let mut host = daemon.host().queues(2, 32);
    host.io_queues_asked = 100;
    let mut controller = daemon.controller_of(&host);
    assert_eq!((controller.startup.io_queues, controller.startup.queue_entries_max()), (3, 32));
    works(&mut controller);
    refused(controller.io_queue(2), Status::COMMAND_SEQUENCE_ERROR);
    let third = controller.io_queue(3).unwrap();
    controller.io.push(third);
    assert!(controller.io_queue(4).is_err(), "a fourth of three");
    controller.host.io_entries = 33;
    controller.io.pop();
    let deadline = Instant::now() + SOON;
    // The place of the queue that has left is free again.
    controller.host.io_entries = 32;
    while controller.io_queue(3).is_err() {
        assert!(Instant::now() < deadline);
    }
    controller.host.io_entries = 33;
    refused(controller.io_queue(3), Status::CONNECT_INVALID_PARAMETERS);
    controller.host.io_entries = 32;
    let cntlid = std::mem::replace(&mut controller.cntlid, 0x7777);
    refused(controller.io_queue(1), Status::CONNECT_INVALID_PARAMETERS);
    controller.cntlid = cntlid;
    works(&mut controller);
}

#[test]
fn an_io_queue_belongs_to_a_controller_of_the_same_host() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller();
    let mut stranger = daemon.controller_of(&daemon.host().named("nqn.2026-11.internal.mainstay.test:stranger"));
    stranger.cntlid = controller.cntlid;
    stranger.io.clear();
    assert!(stranger.io_queue(2).is_err(), "a queue of another's controller");
    works(&mut controller);
}

#[test]
fn who_may_not_connect() {
    let list = r#"
        [[nvme.subsystem.host]]
        name = "nqn.2026-11.internal.mainstay.test:friend"
    "#;
    let daemon = configured("", "", list).start();
    let portal = daemon.namespace().portal;
    refused(daemon.host().connect(portal), Status::CONNECT_INVALID_HOST);
    refused(Host::new("nqn.2026-11.internal.mainstay:nobody").connect(portal), Status::CONNECT_INVALID_PARAMETERS);
    let friend = daemon.host().named("nqn.2026-11.internal.mainstay.test:friend");
    works(&mut daemon.controller_of(&friend));
    // Discovery shows a subsystem to those who may connect.
    let curious = Host::discovery();
    let shown = |host: &Host| host.discover(portal).unwrap().1.iter().filter(|record| record.kind == 2).count();
    assert_eq!(shown(&curious), 0);
    assert_eq!(shown(&curious.named("nqn.2026-11.internal.mainstay.test:friend")), 1);
}

#[test]
fn a_namespace_is_masked_from_other_hosts() {
    let daemon = configured("", "", "hosts = [\"nqn.2026-11.internal.mainstay.test:friend\"]").start();
    let mut other = daemon.controller();
    assert_eq!(other.namespaces().unwrap(), Vec::<u32>::new());
    refused(other.read(1, 0, 1, 512), Status::INVALID_NAMESPACE);
    refused(other.copy(1, 0, &[(8, 1)], 0), Status::INVALID_NAMESPACE);
    assert!(other.namespace(1).map(|namespace| namespace.blocks).unwrap_or(0) == 0);
    let mut friend = daemon.controller_of(&daemon.host().named("nqn.2026-11.internal.mainstay.test:friend"));
    assert_eq!(friend.namespaces().unwrap(), [1]);
    works(&mut friend);
}

#[test]
fn the_discovery_log() {
    let daemon = Daemon::memory();
    let offered = daemon.namespace();
    let (header, records) = Host::discovery().discover(offered.portal).unwrap();
    assert_eq!(header.records, records.len() as u64);
    let record = records.iter().find(|record| record.kind == 2).unwrap_or_else(|| panic!("{records:?}"));
    assert_eq!((record.transport, record.family), (3, 1));
    assert_eq!(format!("{}:{}", record.address, record.service), offered.portal.to_string());
    assert_eq!((record.nqn.as_str(), record.security), (offered.subsystem.as_str(), 0));
    // Nothing has changed, so neither has the generation.
    assert_eq!(Host::discovery().discover(offered.portal).unwrap(), (header, records));
    let mut discovery = Host::discovery().connect(offered.portal).unwrap();
    assert_eq!(discovery.identify.kind, 2);
    assert!(discovery.io_queue(1).is_err(), "a discovery controller has no I/O queues");
    refused(discovery.identify(2, 0), Status::INVALID_FIELD);
}

#[test]
fn a_host_that_falls_silent_is_let_go() {
    let daemon = Daemon::memory();
    let mut silent = daemon.controller_of(&daemon.host().keep_alive(Duration::from_millis(1000)));
    let alive = daemon.host().named("nqn.2026-11.internal.mainstay.test:alive").keep_alive(Duration::from_millis(1000));
    let mut alive = daemon.controller_of(&alive);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        alive.keep_alive().unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    silent.admin.read_to_close(Duration::from_secs(1)).expect("the admin queue is closed");
    silent.io[0].read_to_close(Duration::from_secs(1)).expect("so is the I/O queue");
    works(&mut alive);
}

#[test]
fn shutdown_and_reset() {
    let daemon = Daemon::memory();
    let mut controller = daemon.controller();
    works(&mut controller);
    controller.shut_down().unwrap();
    // CC.EN from 1 to 0 drops the I/O queues and leaves the admin queue (base §3.7.2).
    let mut controller = daemon.controller_of(&daemon.host().named("nqn.2026-11.internal.mainstay.test:reset"));
    controller.set_property(property::CC, 0x46_0000).unwrap();
    let deadline = Instant::now() + SOON;
    while controller.property(property::CSTS).unwrap() & 1 != 0 {
        assert!(Instant::now() < deadline, "CSTS.RDY stays");
    }
    controller.io[0].read_to_close(SOON).expect("the I/O queue is closed");
    let (admin, host, cntlid, portal) = (controller.admin, controller.host, controller.cntlid, controller.portal);
    let mut controller = host.start(portal, admin, cntlid).expect("it starts again");
    works(&mut controller);
}

#[test]
fn kick_ends_one_controller_only() {
    let daemon = Daemon::memory();
    let mut stays = daemon.controller();
    let name = "nqn.2026-11.internal.mainstay.test:victim";
    let mut victim = daemon.controller_of(&daemon.host().named(name).queues(2, 32));
    let status = daemon.status();
    let list = status["nvme"]["controllers"].as_array().unwrap();
    let id = list.iter().find(|controller| controller["host"] == name).unwrap()["id"].to_string();
    daemon.ctl_ok(&["kick", &id]);
    for queue in victim.io.iter_mut().chain([&mut victim.admin]) {
        queue.read_to_close(SOON).expect("every queue of it is closed");
    }
    works(&mut stays);
    works(&mut daemon.controller_of(&daemon.host().named(name)));
}

#[test]
fn a_queue_that_leaves_takes_its_commands_along() {
    let daemon = Daemon::memory();
    for round in 0..20 {
        let mut controller = daemon.controller();
        let io: &mut Connection = &mut controller.io[0];
        for n in 0..32 {
            let data = mainstay_testkit::host::Data::ToController(vec![n as u8; 65536]);
            io.start(mainstay_testkit::host::command::write(1, n * 128, 128, false), data).unwrap();
        }
        if round % 2 == 0 { drop(controller.admin) } else { controller.io.clear() }
    }
    daemon.wait_status("controllers are gone", SOON, |status| {
        status["nvme"]["controllers"].as_array().is_some_and(Vec::is_empty)
    });
    works(&mut daemon.controller());
}
