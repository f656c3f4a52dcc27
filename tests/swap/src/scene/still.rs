//! Text half said, pings unanswered, attentions untold, sessions that do nothing at all.

use super::super::bytes::bytes;
use super::{Scene, Stage, good_end};
use mainstay_testkit::initiator::{Command, Error, Result, cdb, opcode, pdu};
use std::time::Instant;

/// A text request that says it goes on (C bit), answered with an empty response; the rest comes later (RFC 7143 §11.10.1).
pub(super) fn text_continues(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    let text = pdu::text(&[("SendTargets", "")]);
    let cut = stage.between(1, text.len());
    let mut request = session.request(opcode::TEXT, false);
    request.bhs[1] = 0x40;
    request.set_u32(20, pdu::NO_TAG);
    request.data = text[..cut].to_vec();
    session.send(&request)?;
    let nod = session.answer_to(request.itt(), opcode::TEXT_RESPONSE)?;
    Scene::new("text continues", move || {
        let mut more = session.request(opcode::TEXT, false);
        more.set_u32(16, request.itt()).set_u32(20, nod.ttt());
        more.data = text[cut..].to_vec();
        session.send(&more)?;
        let answer = session.answer_to(request.itt(), opcode::TEXT_RESPONSE)?;
        if !String::from_utf8_lossy(&answer.data).contains("TargetName=") {
            return Err(Error::Odd(format!("{answer:?}")));
        }
        good_end(session)
    })
}

/// A list of targets that is too long for one response; the initiator has not asked for the rest.
pub(super) fn answer_continues(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut login = stage.login("open").key("MaxRecvDataSegmentLength", "512");
    login.target = None;
    login.keys.retain(|(key, _)| ["HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength"].contains(&key.as_str()));
    let mut session = login.connect(stage.ground.portal)?;
    let mut request = session.request(opcode::TEXT, false);
    request.set_u32(20, pdu::NO_TAG);
    request.data = pdu::text(&[("SendTargets", "All")]);
    session.send(&request)?;
    let mut answer = session.answer_to(request.itt(), opcode::TEXT_RESPONSE)?;
    let mut said = answer.data.clone();
    if answer.flags() & pdu::FINAL != 0 {
        return Err(Error::Odd("the list fits one response".to_owned()));
    }
    let last = stage.ground.target("many11");
    let scene = Scene::new("answer continues", move || {
        while answer.flags() & pdu::FINAL == 0 {
            let mut more = session.request(opcode::TEXT, false);
            more.set_u32(16, request.itt()).set_u32(20, answer.ttt());
            session.send(&more)?;
            answer = session.answer_to(request.itt(), opcode::TEXT_RESPONSE)?;
            said.extend_from_slice(&answer.data);
        }
        let pairs = pdu::pairs(&said).map_err(Error::Odd)?;
        let names = pairs.iter().filter(|(key, _)| key == "TargetName").count();
        if names != 15 || !pairs.iter().any(|(_, value)| *value == last) {
            return Err(Error::Odd(format!("{names} targets: {pairs:?}")));
        }
        good_end(session)
    });
    scene.map(hasty)
}

/// An idle discovery session is not kept for long.
fn hasty(mut scene: Scene) -> Scene {
    scene.spoils_ms = 2000;
    scene
}

pub(super) fn discovery(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut login = stage.login("open");
    login.target = None;
    login.keys.retain(|(key, _)| ["HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength"].contains(&key.as_str()));
    let mut session = login.connect(stage.ground.portal)?;
    session.patience = super::PATIENCE;
    let scene = Scene::new("discovery", move || match session.send_targets("All")?.len() {
        15 => good_end(session),
        count => Err(Error::Odd(format!("{count} targets"))),
    });
    scene.map(hasty)
}

/// The target's ping has come, and is answered only after the swap.
pub(super) fn ping(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 0)?;
    // After a swap the daemon first listens for a while before it calls anybody silent.
    let ripe = stage.ground.ping.as_millis() as u64 + 3000;
    let mut scene = Scene::new("ping unanswered", move || {
        let deadline = Instant::now() + session.patience;
        while session.pings.is_empty() {
            if let Some(odd) = session.step(deadline)? {
                return Err(Error::Odd(format!("instead of a ping came {odd:?}")));
            }
        }
        let echo = session.ping(b"and you?")?;
        if echo != b"and you?" {
            return Err(Error::Odd(format!("another echo: {echo:?}")));
        }
        // Answering came by itself; were it not taken, the target would close.
        session.test_unit_ready(0)?.good()?;
        good_end(session)
    })?;
    scene.spoils_ms = ripe + 15_000;
    scene.ripens_ms = ripe;
    Ok(scene)
}

/// The unit attention of a new session, told after the swap: once, and the same.
pub(super) fn attention(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.login("open").connect(stage.ground.portal)?;
    session.patience = super::PATIENCE;
    Scene::new("attention untold", move || {
        let told = session.clear_attentions(0)?;
        // 29h: power on, reset or bus device reset occurred.
        if told.iter().filter(|(code, _)| *code == 0x29).count() != 1 {
            return Err(Error::Odd(format!("{told:02x?}")));
        }
        good_end(session)
    })
}

pub(super) fn idle(stage: &mut Stage<'_>) -> Result<Scene> {
    let mut session = stage.session("open", 2)?;
    let lba = stage.ground.plot(stage.number, 4096);
    let payload = bytes(4096, u64::from(stage.number) + 59);
    session.write16(2, lba, &payload, 4096)?.good()?;
    let pages = [session.inquiry(2, Some(0x80))?, session.inquiry(2, Some(0x83))?];
    Scene::new("idle", move || {
        let read = Command::new(2, &cdb::read16(lba, 1)).reads(4096);
        if session.run(&read)?.good()? != payload {
            return Err(Error::Odd("not what was written".to_owned()));
        }
        if [session.inquiry(2, Some(0x80))?, session.inquiry(2, Some(0x83))?] != pages {
            return Err(Error::Odd("another identity".to_owned()));
        }
        good_end(session)
    })
}
