//! In-band authentication.

use super::super::State;
use super::*;
use crate::auth::dhchap::{self, Hash, Initiator, Key, Step, Terms, Transfer};
use crate::nvme::{Connect, Entry, Keys, Sgl, Status};
use std::time::Duration;
use zeroize::Zeroizing;

fn key(seed: u8) -> Zeroizing<String> {
    Key::generate(&[seed; 32], None).unwrap().text()
}

/// NULL by default: a computation takes a while.
fn keys(group: u8, mutual: bool) -> Keys {
    Keys { host: key(1), controller: mutual.then(|| key(2)), hashes: vec![Hash::Sha256 as u8], groups: vec![group] }
}

fn transfer(fctype: u8, bytes: u32) -> Entry {
    let mut entry = fabrics(fctype);
    Transfer::write(bytes, &mut entry.0);
    entry.set_sgl(Sgl::Transport { len: bytes });
    entry
}

/// The host's side of an exchange on one queue.
struct Prover {
    initiator: Initiator,
    keys: dhchap::Keys,
}

impl Prover {
    fn new(keys: &Keys) -> Prover {
        let controller = keys.controller.as_ref().map(|key| key.as_str());
        let keys = dhchap::Keys::parse(&keys.host, controller, &keys.hashes, &keys.groups).unwrap();
        let connect = connect(0, 0);
        let terms = Terms { keys: &keys, host: &connect.hostnqn, subsystem: &connect.subnqn };
        Prover { initiator: Initiator::new([9; 32], 5, &terms), keys }
    }

    /// Take one step. False: it is over.
    fn step(&mut self, world: &mut World, host: &mut Host) -> Result<bool, String> {
        let connect = connect(0, 0);
        let terms = Terms { keys: &self.keys, host: &connect.hostnqn, subsystem: &connect.subnqn };
        match self.initiator.step() {
            Step::Send(message) => {
                let cqe = host.ask(world, transfer(5, message.len() as u32), &message);
                assert_eq!(status(&cqe), Status::SUCCESS);
                self.initiator.sent();
            }
            Step::Receive => {
                let (message, cqe) = host.fetch(world, transfer(6, 4096), 4096);
                assert_eq!((status(&cqe), message.len()), (Status::SUCCESS, 4096));
                self.initiator.received(&terms, &message);
            }
            Step::Compute(work) => self.initiator.computed(&terms, &dhchap::compute(&work)),
            Step::Done(_) => return Ok(false),
            Step::Failed(failure) => return Err(failure.why),
        }
        Ok(true)
    }

    fn run(mut self, world: &mut World, host: &mut Host) -> Result<(), String> {
        while self.step(world, host)? {}
        Ok(())
    }
}

fn prove(world: &mut World, host: &mut Host, keys: &Keys) -> Result<(), String> {
    Prover::new(keys).run(world, host)
}

/// A queue that is connected, and has to prove who it is.
fn challenged(world: &mut World, connect: &Connect) -> Host {
    let (mut host, pdus) = Host::connecting(world, connect);
    let [Pdu::Done(cqe)] = pdus[..] else { panic!("{pdus:?}") };
    assert_eq!((status(&cqe), result(&cqe) >> 16), (Status::SUCCESS, 2), "AUTHREQ.ATR");
    host.cntlid = result(&cqe) as u16;
    assert_eq!(world.queue(host.index).info().state, State::Authenticating);
    host
}

#[test]
fn nothing_goes_before_the_proof_and_everything_after() {
    both(|world| {
        let keys = keys(0, true);
        world.site.subsystems[0].keys = Some(keys.clone());
        let mut admin = challenged(world, &connect(0, 0xffff));
        for entry in [property_get(0, true), property_set(0x14, 0x0046_0001), self::admin(0x06), self::admin(0x18)] {
            assert_eq!(status(&admin.ask(world, entry, &[])), Status::AUTHENTICATION_REQUIRED);
        }
        // No I/O queue may join before.
        let (_, pdus) = Host::connecting(world, &connect(1, admin.cntlid));
        assert_eq!((statuses(&pdus)[0].1.kind, statuses(&pdus)[0].1.code), (1, 0x82));
        prove(world, &mut admin, &keys).unwrap();
        assert_eq!(world.queue(admin.index).info().auth, "DH-HMAC-CHAP (SHA-256, no Diffie-Hellman, mutual)");
        admin.enable(world);
        let mut io = challenged(world, &connect(1, admin.cntlid));
        assert_eq!(status(&io.ask(world, rw(1, 1, 0, 1), &[1; 512])), Status::AUTHENTICATION_REQUIRED);
        assert_eq!(status(&io.ask(world, fabrics(0x08), &[])), Status::AUTHENTICATION_REQUIRED);
        prove(world, &mut io, &keys).unwrap();
        assert_eq!(status(&io.ask(world, rw(1, 1, 0, 1), &[1; 512])), Status::SUCCESS);
        // Once more, at the host's wish, with I/O in between.
        let mut again = Prover::new(&keys);
        while again.step(world, &mut io).unwrap() {
            assert_eq!(status(&io.ask(world, flush(1), &[])), Status::SUCCESS);
        }
        world.notices.clone()
    });
}

#[test]
fn a_diffie_hellman_group_is_computed_elsewhere() {
    both(|world| {
        let keys = keys(1, false);
        world.site.subsystems[0].keys = Some(keys.clone());
        let mut admin = challenged(world, &connect(0, 0xffff));
        let mut prover = Prover::new(&keys);
        // The first message makes the controller compute; who asks for the next meanwhile waits.
        world.prompt = false;
        prover.step(world, &mut admin).unwrap();
        assert_eq!(world.works.len(), 1);
        let waiting = admin.command(world, transfer(6, 4096), &[]);
        assert_eq!(admin.take(world), []);
        // After a swap nobody remembers the computation, and the host has no data for its wish.
        world.works.clear();
        world.call(admin.index, |queue, cx| queue.resume(cx));
        assert_eq!(world.works.len(), 1);
        world.work_and_settle();
        assert_eq!(statuses(&admin.take(world)), [(waiting, Status::SUCCESS)]);
    });
    // All of it.
    let keys = keys(1, true);
    let mut world = World::new(true);
    world.site.subsystems[0].keys = Some(keys.clone());
    let mut admin = challenged(&mut world, &connect(0, 0xffff));
    prove(&mut world, &mut admin, &keys).unwrap();
    assert_eq!(world.queue(admin.index).info().auth, "DH-HMAC-CHAP (SHA-256, ffdhe2048, mutual)");
}

#[test]
fn a_wrong_key_ends_the_connection_and_is_told_with_the_reason() {
    both(|world| {
        world.site.subsystems[0].keys = Some(keys(0, false));
        let mut admin = challenged(world, &connect(0, 0xffff));
        let wrong = Keys { host: key(7), ..keys(0, false) };
        let why = prove(world, &mut admin, &wrong).unwrap_err();
        assert!(world.is_gone(admin.index), "{why}");
        assert_eq!(world.notices.len(), 1);
        assert!(!world.notices[0].contains("DHHC"), "{:?}", world.notices);
        // A host that has no acceptable hash.
        let mut admin = challenged(world, &connect(0, 0xffff));
        let other = Keys { hashes: vec![Hash::Sha512 as u8], ..keys(0, false) };
        prove(world, &mut admin, &other).unwrap_err();
        assert!(world.is_gone(admin.index));
        world.notices.clone()
    });
}

/// Linux without a key reads that it has to prove who it is, and leaves.
#[test]
fn a_host_without_a_key_is_told_of() {
    both(|world| {
        let keys = keys(0, false);
        world.site.subsystems[0].keys = Some(keys.clone());
        for steps in [0, 2] {
            let mut admin = challenged(world, &connect(0, 0xffff));
            let mut prover = Prover::new(&keys);
            for _ in 0..steps {
                prover.step(world, &mut admin).unwrap();
            }
            world.call(admin.index, |queue, cx| queue.disconnected(cx));
            assert!(world.is_gone(admin.index));
        }
        assert_eq!(world.notices, ["authentication: the connection ended before the host had proved who it is"; 2]);
    });
}

#[test]
fn who_pauses_too_long_between_two_messages_is_dropped() {
    both(|world| {
        let keys = keys(0, false);
        world.site.subsystems[0].keys = Some(keys.clone());
        let mut admin = challenged(world, &connect(0, 0xffff));
        let mut prover = Prover::new(&keys);
        for _ in 0..3 {
            world.pass(Duration::from_secs(14));
            prover.step(world, &mut admin).unwrap();
        }
        world.pass(Duration::from_secs(15));
        assert!(world.is_gone(admin.index));
        assert_eq!(world.notices, ["authentication: the host did not go on in time"]);
    });
}

#[test]
fn malformed_messages_are_answered_and_never_believed() {
    both(|world| {
        world.site.subsystems[0].keys = Some(keys(0, false));
        let mut admin = challenged(world, &connect(0, 0xffff));
        let mut bad = transfer(5, 64);
        bad.0[43] = 0;
        assert_eq!(status(&admin.ask(world, bad, &[0; 64])), Status::INVALID_FIELD, "another security protocol");
        assert_eq!(status(&admin.ask(world, transfer(5, 32), &[0; 64])), Status::SGL_LENGTH_INVALID);
        assert_eq!(status(&admin.ask(world, transfer(5, 0), &[])), Status::INVALID_FIELD);
        assert_eq!(status(&admin.ask(world, transfer(6, 0), &[])), Status::INVALID_FIELD);
        // Nothing is there to be fetched.
        let early = transfer(6, 4096);
        assert_eq!(status(&admin.ask(world, early, &[])), Status::COMMAND_SEQUENCE_ERROR);
        // Rubbish ends it, at the latest once the failure was fetched.
        admin.command(world, transfer(5, 64), &[0xff; 64]);
        admin.take(world);
        if !world.is_gone(admin.index) {
            admin.command(world, early, &[]);
            admin.take(world);
        }
        let state = world.queues[admin.index].as_ref().map(|queue| queue.info().state);
        assert!(matches!(state, None | Some(State::Authenticating)));
        world.notices.clone()
    });
}

/// Base §8.13.2: who fails to prove anew who it is loses what it had, whether it asks for the verdict or not.
#[test]
fn who_proves_itself_anew_in_vain_is_not_served() {
    both(|world| {
        let keys = keys(0, false);
        world.site.subsystems[0].keys = Some(keys.clone());
        let mut admin = challenged(world, &connect(0, 0xffff));
        prove(world, &mut admin, &keys).unwrap();
        admin.enable(world);
        let mut io = challenged(world, &connect(1, admin.cntlid));
        prove(world, &mut io, &keys).unwrap();
        let other = Keys { hashes: vec![Hash::Sha512 as u8], ..keys };
        for host in [&mut io, &mut admin] {
            Prover::new(&other).step(world, host).unwrap();
        }
        assert_eq!(status(&io.ask(world, rw(1, 1, 0, 1), &[1; 512])), Status::AUTHENTICATION_REQUIRED);
        assert_eq!(status(&admin.ask(world, self::admin(0x18), &[])), Status::AUTHENTICATION_REQUIRED);
        let (_, pdus) = Host::connecting(world, &connect(2, admin.cntlid));
        assert_eq!((statuses(&pdus)[0].1.kind, statuses(&pdus)[0].1.code), (1, 0x82));
        world.pass(Duration::from_secs(15));
        assert!(world.is_gone(io.index) && world.is_gone(admin.index));
        world.notices.clone()
    });
}

/// Base §8.13.2.
#[test]
fn an_exchange_that_stands_still_is_forgotten_and_the_old_proof_stands() {
    both(|world| {
        let keys = keys(0, false);
        world.site.subsystems[0].keys = Some(keys.clone());
        let mut admin = challenged(world, &connect(0, 0xffff));
        prove(world, &mut admin, &keys).unwrap();
        let mut again = Prover::new(&keys);
        for _ in 0..2 {
            again.step(world, &mut admin).unwrap();
        }
        world.pass(Duration::from_secs(120));
        let Step::Send(message) = again.initiator.step() else { panic!() };
        let late = admin.ask(world, transfer(5, message.len() as u32), &message);
        assert_eq!(status(&late), Status::COMMAND_SEQUENCE_ERROR);
        assert_eq!(world.queue(admin.index).info().state, State::Ready);
        prove(world, &mut admin, &keys).unwrap();
        world.pass(Duration::from_secs(120));
        assert!(!world.is_gone(admin.index));
        world.notices.clone()
    });
}
