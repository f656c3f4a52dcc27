//! What hosts of NVMe and their queues are to each other in a world.

use super::rig::Rig;
use crate::config::{Config, ServeOptions};
use crate::daemon::saved::Forms;
use crate::daemon::saved::handed::Nothing;
use crate::daemon::world::{Hold, Socket, World};
use mainstay_proto::auth::dhchap;
use mainstay_proto::host::command as nvme;
use mainstay_proto::host::queue::Data;
use mainstay_proto::nvme::{Controllers, Keys};
use mainstay_proto::queue::State;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use tempfile::TempDir;

fn rig() -> Rig {
    Rig::of(TempDir::new().unwrap(), Config::from_paths(&[], &ServeOptions::default()).unwrap())
}

/// An old write must not land behind what its host writes after it has come back.
#[test]
fn a_host_that_comes_back_waits_for_what_its_old_queue_has_at_a_store() {
    let mut rig = rig();
    let (admin, mut io) = rig.controller("nqn.2026-11.x:host");
    rig.world.hold = Hold::All;
    io.ask(&mut rig, nvme::write(1, 8, 8, true), Data::ToController(vec![4; 4096]));
    for id in [io.id, admin.id] {
        rig.world.call(id, |pump| pump.disconnected());
        rig.world.settle();
    }
    assert!(!rig.world.knows(admin.id) && rig.world.knows(io.id), "its write is held back");
    let mut again = rig.host();
    let nqn = rig.world.nvme.site.subsystems[0].nqn.clone();
    again.queue.connect(&nvme::Connect::admin("nqn.2026-11.x:host", [7; 16], &nqn)).unwrap();
    again.talk(&mut rig);
    let state = |rig: &Rig, id| rig.world.connections[&id].machine.queue().map(|queue| queue.info().state);
    assert_eq!(state(&rig, again.id), Some(State::Deciding));
    rig.world.release_held();
    assert!(!rig.world.knows(io.id));
    assert_eq!(state(&rig, again.id), Some(State::Ready));
}

/// A swap that came to nothing leaves what was asked, and asks again.
#[test]
fn a_host_that_waits_and_is_asked_for_again_gets_one_controller() {
    let mut rig = rig();
    let (admin, mut io) = rig.controller("nqn.2026-11.x:host");
    rig.world.hold = Hold::All;
    io.ask(&mut rig, nvme::write(1, 8, 8, true), Data::ToController(vec![4; 4096]));
    for id in [io.id, admin.id] {
        rig.world.call(id, |pump| pump.disconnected());
        rig.world.settle();
    }
    let restored = World::restore(&rig.world.save(&Forms::own()).unwrap(), &mut Nothing).unwrap();
    assert_eq!((rig.world.lingering.len(), restored.lingering.len()), (1, 1), "its write is held back");
    let nqn = rig.world.nvme.site.subsystems[0].nqn.clone();
    let mut again = rig.host();
    again.queue.connect(&nvme::Connect::admin("nqn.2026-11.x:host", [7; 16], &nqn)).unwrap();
    again.talk(&mut rig);
    for _ in 0..3 {
        rig.world.resume_queues();
        rig.world.settle();
        assert_eq!(rig.world.fenced(), 1);
    }
    rig.world.resume();
    assert!(rig.world.lingering.is_empty());
    assert_eq!(rig.world.nvme.live.len(), 1);
}

/// What it waits for can be far off: a disk that hangs.
#[test]
fn hosts_that_come_in_vain_again_and_again_leave_nothing_behind() {
    let mut rig = rig();
    let (admin, mut io) = rig.controller("nqn.2026-11.x:host");
    rig.world.hold = Hold::All;
    io.ask(&mut rig, nvme::write(1, 8, 8, true), Data::ToController(vec![4; 4096]));
    for id in [io.id, admin.id] {
        rig.world.call(id, |pump| pump.disconnected());
        rig.world.settle();
    }
    let nqn = rig.world.nvme.site.subsystems[0].nqn.clone();
    for _ in 0..3 {
        let mut again = rig.host();
        again.queue.connect(&nvme::Connect::admin("nqn.2026-11.x:host", [7; 16], &nqn)).unwrap();
        again.talk(&mut rig);
        assert_eq!(rig.world.fenced(), 1);
        rig.world.call(again.id, |pump| pump.disconnected());
        rig.world.settle();
        assert_eq!(rig.world.fenced(), 0);
    }
}

/// A queue that was told to end is not gone while its host does not take the last bytes, but what it has at a store is as old.
#[test]
fn a_host_waits_for_a_queue_too_that_is_being_closed() {
    let mut rig = rig();
    let (admin, mut io) = rig.controller("nqn.2026-11.x:host");
    rig.world.hold = Hold::All;
    io.ask(&mut rig, nvme::write(1, 8, 8, true), Data::ToController(vec![4; 4096]));
    // An answer that is not taken.
    io.queue.submit(nvme::flush(9), Data::Nothing).unwrap();
    let said = io.queue.output().to_vec();
    rig.world.hear(io.id, &said);
    rig.world.call(admin.id, |pump| pump.disconnected());
    rig.world.settle();
    assert!(rig.world.connections[&io.id].machine.has_output() && !rig.world.connections[&io.id].machine.is_closed());
    let nqn = rig.world.nvme.site.subsystems[0].nqn.clone();
    let mut again = rig.host();
    again.queue.connect(&nvme::Connect::admin("nqn.2026-11.x:host", [7; 16], &nqn)).unwrap();
    again.talk(&mut rig);
    assert_eq!(rig.world.fenced(), 1);
    rig.world.taken(io.id);
    rig.world.release_held();
    assert_eq!(rig.world.fenced(), 0);
    let queue = rig.world.connections[&again.id].machine.queue().unwrap();
    assert_eq!(queue.info().state, State::Ready);
}

/// The connection is found dead when it is written to, not when it is read from.
#[test]
fn what_was_set_at_a_controller_that_stays_outlives_a_write_that_fails() {
    let mut rig = rig();
    rig.world.nvme.site.subsystems[0].controllers = Controllers::Static(1);
    let (mut admin, _io) = rig.controller("nqn.2026-11.x:host");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _inside = runtime.enter();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let stream = Rc::new(tokio::net::TcpStream::from_std(stream).unwrap());
    runtime.block_on(stream.writable()).unwrap();
    rig.world.connections.get_mut(&admin.id).unwrap().socket = Socket::Live(stream);
    admin.ask(&mut rig, nvme::property_get(0x1c), Data::Nothing);
    assert!(!rig.world.knows(admin.id));
    assert_eq!(rig.world.nvme.retained.len(), 1);
}

/// Each computation keeps a thread for a while; who asks for many has only the last of them, and none when it has gone.
#[test]
fn a_queue_waits_for_one_computation_and_takes_its_wish_along() {
    let mut rig = rig();
    let key = dhchap::Key::generate(&[1; 32], None).unwrap().text();
    let keys = Keys { host: key.clone(), controller: None, hashes: vec![1], groups: vec![1] };
    rig.world.nvme.site.subsystems[0].keys = Some(keys);
    let nqn = rig.world.nvme.site.subsystems[0].nqn.clone();
    let mut host = rig.host();
    host.queue.connect(&nvme::Connect::admin("nqn.2026-11.x:host", [7; 16], &nqn)).unwrap();
    host.talk(&mut rig);
    let keys = dhchap::Keys::parse(&key, None, &[1], &[1]).unwrap();
    let terms = dhchap::Terms { keys: &keys, host: "nqn.2026-11.x:host", subsystem: &nqn };
    for n in 0..4 {
        let dhchap::Step::Send(message) = dhchap::Initiator::new([n; 32], n.into(), &terms).step() else { panic!() };
        host.ask(&mut rig, nvme::authentication_send(message.len() as u32), Data::ToController(message));
    }
    let work = rig.world.next_computation();
    assert!(work.is_some_and(|(id, _)| id == host.id) && rig.world.next_computation().is_none());
    let dhchap::Step::Send(message) = dhchap::Initiator::new([9; 32], 9, &terms).step() else { panic!() };
    host.ask(&mut rig, nvme::authentication_send(message.len() as u32), Data::ToController(message));
    rig.world.call(host.id, |pump| pump.disconnected());
    rig.world.settle();
    assert!(!rig.world.knows(host.id) && rig.world.next_computation().is_none());
}

/// Else the world would stumble over it after the commit.
#[test]
fn a_queue_of_what_is_not_served_is_refused() {
    let mut rig = rig();
    let _hosts = rig.controller("nqn.2026-11.x:host");
    let saved = |rig: &Rig| World::restore(&rig.world.save(&Forms::own()).unwrap(), &mut Nothing);
    assert!(saved(&rig).is_ok());
    rig.world.config.nvme.subsystems.clear();
    let why = saved(&rig).err().expect("it is not taken").to_string();
    assert!(why.contains("its subsystem does not exist"), "{why}");
}
