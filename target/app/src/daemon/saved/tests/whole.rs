//! What was restored is what was saved.

use super::rig::{Rig, cdb10, command, login, wire};
use crate::control::words::RefusedLogin;
use crate::daemon::saved::handed::Nothing;
use crate::daemon::saved::show::text;
use crate::daemon::saved::{Forms, digest, rehearsal};
use crate::daemon::world::{Hold, World};
use mainstay_base::sam::NexusId;
use mainstay_base::snapshot::Snapshot;
use mainstay_proto::host::command::{self as nvme, async_event_request};
use mainstay_proto::host::queue::Data;
use mainstay_proto::iscsi::pdu::Stage;

/// A world in which something of everything is under way.
pub fn busy() -> Rig {
    let mut rig = Rig::new();
    // Silent, within a header, within the text of a login.
    rig.connect();
    let id = rig.connect();
    let hello =
        wire(&login(Stage::SecurityNegotiation, Stage::OperationalNegotiation), b"InitiatorName=iqn.2026-11.x:a\0");
    rig.world.hear(id, &hello[..20]);
    let id = rig.connect();
    rig.world.hear(id, &hello[..60]);
    // Sessions: idle; with its login response unsent; reinstating the second.
    rig.log_in(1);
    let id = rig.connect();
    rig.log_in_on(id, 2);
    // Within immediate data; with a read unsent; with a write whose data is to come; with a command held back.
    let id = rig.log_in(3);
    let write = wire(&command(1, &cdb10(0x2a, 0, 16), 0, 8192), &[7; 8192]);
    rig.world.hear(id, &write[..5000]);
    let id = rig.log_in(4);
    rig.command(id, 1, &[0x12, 0, 0, 0, 96, 0], 96, 0, &[]);
    rig.command(id, 2, &cdb10(0x28, 0, 128), 65_536, 0, &[]);
    let id = rig.log_in(5);
    rig.command(id, 1, &[0; 6], 0, 0, &[]);
    rig.command(id, 2, &[0; 6], 0, 0, &[]);
    rig.command(id, 3, &cdb10(0x2a, 64, 1024), 0, 524_288, &[9; 4096]);
    let id_of_six = rig.log_in(6);
    rig.command(id_of_six, 1, &[0; 6], 0, 0, &[]);
    // NVMe: silent, within its first PDU, waiting for an event and for a keep alive; with a write whose data is to come.
    rig.connect_nvme();
    let id = rig.connect_nvme();
    rig.world.hear(id, &[0, 0, 128, 0, 128]);
    let (mut admin, mut io) = rig.controller("nqn.2026-11.x:host");
    admin.ask(&mut rig, async_event_request(), Data::Nothing);
    io.ask(&mut rig, nvme::read(1, 0, 8), Data::ToHost(4096));
    io.ask(&mut rig, nvme::write(1, 16, 64, false), Data::ToController(vec![3; 32_768]));
    rig.world.hold = Hold::All;
    // Held back, and then one that is not whole.
    io.ask(&mut rig, nvme::write(1, 8, 8, true), Data::ToController(vec![4; 4096]));
    io.queue.submit(nvme::write(1, 32, 8, true), Data::ToController(vec![5; 4096])).unwrap();
    let said = io.queue.output()[..2000].to_vec();
    rig.world.hear(io.id, &said);
    rig.command(id_of_six, 2, &cdb10(0x28, 8, 16), 8192, 0, &[]);
    rig.command(id_of_six, 3, &cdb10(0x2a, 8, 8), 0, 4096, &[1; 4096]);
    rig.command(id_of_six, 5, &cdb10(0x28, 8, 16), 8192, 0, &[]);
    // Who logs in again waits for its first session, which has requests held back.
    let id = rig.connect();
    rig.log_in_on(id, 6);
    rig.announce();
    rig.control(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n{\"jsonrpc\":");
    rig
}

pub fn restored(snapshot: &Snapshot) -> World {
    World::restore(snapshot, &mut Nothing).unwrap()
}

#[test]
fn a_busy_world_comes_back_to_the_byte() {
    let rig = busy();
    let world = &rig.world;
    assert_eq!(world.in_flight(), 0);
    assert!(world.connections.values().any(|connection| connection.held.len() == 2), "{}", outline(world));
    assert!(!world.sessions.waiting.is_empty());
    let saved = world.save(&Forms::own()).unwrap();
    let again = restored(&Snapshot::decode(&saved.encode()).unwrap());
    let resaved = again.save(&Forms::of(&saved)).unwrap();
    for (a, b) in saved.sections.iter().zip(&resaved.sections).filter(|(a, _)| &*a.kind != "descriptors") {
        assert_eq!(a, b, "{}", a.kind);
    }
    assert_eq!(digest(&saved), digest(&resaved));
    assert_eq!(again.arena.usage(), world.arena.usage());
    assert_eq!(again.arena.room(), world.arena.room());
    let own = |world: &World, id| world.connections.get(&id).map(|c: &_| c.arena.room());
    for &id in world.connections.keys() {
        assert_eq!(own(&again, id), own(world, id));
    }
    let told = rehearsal::of(&saved.encode()).unwrap();
    assert_eq!(told.digest, digest(&saved));
    assert!(text(&saved).contains("full feature"));
}

fn outline(world: &World) -> String {
    text(&world.save(&Forms::own()).unwrap())
}

#[test]
fn what_was_restored_goes_on() {
    let mut rig = busy();
    let saved = rig.world.save(&Forms::own()).unwrap();
    let mut again = restored(&saved);
    // Both go on in the same way; the stores of the second are of nothing, so no data is compared.
    for world in [&mut rig.world, &mut again] {
        world.release_held();
    }
    let ids: Vec<NexusId> = rig.world.connections.keys().copied().collect();
    assert_eq!(ids, again.connections.keys().copied().collect::<Vec<_>>());
    for id in ids {
        let (first, second) = (rig.world.taken(id), again.taken(id));
        assert_eq!(first.len(), second.len(), "{id:?}");
    }
}

/// A login that was refused.
pub fn refusal() -> RefusedLogin {
    RefusedLogin {
        time_ms: 1,
        peer: "127.0.0.1:9".parse().unwrap(),
        initiator: None,
        target: Some("iqn".into()),
        step: "step".into(),
        why: "why".into(),
    }
}
