//! State of a unit that one session has changed and all must see.
//!
//! These share three small units, so each scene is set at most once at a time by whoever sets scenes.

use super::super::ground::odd;
use super::{Scene, Stage, good_end};
use mainstay_testkit::initiator::{Command, Error, Outcome, Result, Session, cdb};

fn six(opcode: u8, last: u8) -> Vec<u8> {
    vec![opcode, 0, 0, 0, last, 0]
}

fn expect(outcome: &Outcome, status: u8, sense: Option<(u8, u8, u8)>) -> Result<()> {
    if outcome.status == status && outcome.sense() == sense {
        return Ok(());
    }
    Err(Error::Odd(format!("status {status:#04x} and sense {sense:02x?} are due: {outcome:?}")))
}

/// A second session with the same target.
fn other(stage: &Stage<'_>, lun: u8) -> Result<Session> {
    let mut login = stage.login("odd");
    login.initiator += "-other";
    stage.session_of(&login, lun)
}

/// RESERVE(6) is held: the other is told of a conflict, until it is released.
pub(super) fn reserved(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut holder = stage.session("odd", odd::RESERVED)?;
    let mut other = other(stage, odd::RESERVED)?;
    let run = |session: &mut Session, cdb: &[u8]| session.run(&Command::new(odd::RESERVED, cdb));
    run(&mut holder, &six(0x16, 0))?.good()?;
    Scene::new("reserved", move || {
        expect(&run(&mut other, &cdb::test_unit_ready())?, 0x18, None)?;
        run(&mut holder, &cdb::test_unit_ready())?.good()?;
        run(&mut holder, &six(0x17, 0))?.good()?;
        run(&mut other, &cdb::test_unit_ready())?.good()?;
        good_end(holder)?;
        good_end(other)
    })
}

/// PREVENT ALLOW MEDIUM REMOVAL holds: nobody can eject.
pub(super) fn prevented(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut holder = stage.session("odd", odd::REMOVABLE)?;
    let mut other = other(stage, odd::REMOVABLE)?;
    let run = |session: &mut Session, cdb: &[u8]| session.run(&Command::new(odd::REMOVABLE, cdb));
    run(&mut holder, &six(0x1e, 1))?.good()?;
    Scene::new("removal prevented", move || {
        // START STOP UNIT with LOEJ and no START: ILLEGAL REQUEST, medium removal prevented (5/53/02).
        expect(&run(&mut other, &six(0x1b, 2))?, 2, Some((5, 0x53, 2)))?;
        run(&mut holder, &six(0x1e, 0))?.good()?;
        run(&mut other, &six(0x1b, 2))?.good()?;
        run(&mut other, &six(0x1b, 3))?.good()?;
        other.clear_attentions(odd::REMOVABLE)?;
        good_end(holder)?;
        good_end(other)
    })
}

/// D_SENSE is set in the control mode page: sense data comes in the other format.
pub(super) fn modes(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("odd", odd::MODES)?;
    let set = |session: &mut Session, on: bool| -> Result<()> {
        let sense = Command::new(odd::MODES, &cdb::mode_sense6(0x0a, 255)).reads(255);
        let mut page = session.run(&sense)?.good()?;
        let at = 4 + usize::from(page[3]);
        // PS is reserved in MODE SELECT; so is the length of the data.
        (page[0], page[2]) = (0, 0);
        page[at] &= 0x7f;
        page[at + 2] = if on { page[at + 2] | 0x04 } else { page[at + 2] & !0x04 };
        let select = vec![0x15, 0x10, 0, 0, page.len() as u8, 0];
        session.run(&Command::new(odd::MODES, &select).writes(&page))?.good().map(drop)
    };
    let bad = |session: &mut Session| session.read16(odd::MODES, u64::MAX, 1, 512);
    set(&mut session, true)?;
    Scene::new("mode pages", move || {
        let format = |outcome: &Outcome| outcome.sense.first().map(|byte| byte & 0x7f);
        match format(&bad(&mut session)?) {
            Some(0x72) => {}
            other => return Err(Error::Odd(format!("sense format {other:02x?}"))),
        }
        set(&mut session, false)?;
        match format(&bad(&mut session)?) {
            Some(0x70) => good_end(session),
            other => Err(Error::Odd(format!("sense format {other:02x?}"))),
        }
    })
}
