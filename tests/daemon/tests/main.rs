//! The real binary on loopback, seen by a scripted initiator that shares no protocol code with it, and by a scripted host.
//!
//! Each file is a kind of behaviour and each test has a daemon of its own. Waiting is always for something, with a
//! deadline; only tests about silence wait for time to pass.

mod announcement;
mod attack;

mod chap;
mod configuration;
mod data;
mod discovery;
mod footprint;
mod fragments;
mod geometry;
mod life;
mod medium;
mod negotiation;
mod nvme;
mod nvme_attack;
mod nvme_auth;
mod nvme_connect;
mod nvme_cross;
mod nvme_data;
mod nvme_events;
mod nvme_swap;
mod promise;
mod protection;
mod residual;
mod session;
mod signals;
mod supervisor;
mod tasks;
mod window;

use std::time::Duration;

use mainstay_testkit::daemon::{Builder, Daemon, free_port};
use mainstay_testkit::initiator::{Error, Pdu, Session, opcode};

/// What tests wait for something that should happen at once.
const SOON: Duration = Duration::from_secs(5);

/// Bytes that differ from place to place and by seed.
fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// A configured daemon with one memory volume of 64 MiB as LUN 0 of target `disk`. `top` goes before the tables, `target`
/// into that of the target, `rest` after it.
fn configured(top: &str, target: &str, rest: &str) -> Builder {
    let port = free_port();
    Daemon::builder().config(&format!(
        r#"
        {top}
        [[portal]]
        bind = "127.0.0.1:{port}"
        [[volume]]
        name = "disk"
        memory = "64 MiB"
        [[target]]
        name = "disk"
        {target}
        [[target.lun]]
        number = 0
        volume = "disk"
        {rest}
        "#
    ))
}

/// The session ends: the target closes, perhaps after a last word. Gives those words.
#[track_caller]
fn assert_ends(session: &mut Session, patience: Duration) -> Vec<Pdu> {
    match session.read_to_close(patience) {
        Ok(seen) => seen,
        Err(why) => panic!("the connection should have ended: {why}"),
    }
}

/// A login that must fail with this status; a detail of none stands for any.
#[track_caller]
fn assert_refused(result: Result<Session, Error>, class: u8, detail: Option<u8>) {
    match result {
        Err(Error::Login { class: c, detail: d }) if c == class && detail.is_none_or(|detail| detail == d) => {}
        other => panic!("expected login status {class}/{detail:?}, not {:?}", other.map(|_| "a session")),
    }
}

/// Reads and writes a little: the session works.
#[track_caller]
fn assert_works(session: &mut Session, lun: u8) {
    let block = session.capacity(lun).expect("READ CAPACITY").block_bytes;
    let data = bytes(4096, u64::from(session.cmd_sn));
    session.write10(lun, 8, &data, block).and_then(|o| o.good()).expect("WRITE(10)");
    let back = session.read10(lun, 8, (4096 / block) as u16, block).and_then(|o| o.good()).expect("READ(10)");
    assert!(back == data, "what was read is not what was written");
}

/// Says why a test did nothing.
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

/// A Reject with this reason (RFC 7143 §11.17.1), among `seen`.
fn has_reject(seen: &[Pdu], reason: u8) -> bool {
    seen.iter().any(|pdu| pdu.opcode() == opcode::REJECT && pdu.bhs[2] == reason)
}
