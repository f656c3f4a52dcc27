//! Logins that stop half way, in each stage and in the middle of CHAP.

use super::super::ground::{PATIENCE, SECRETS};
use super::{Scene, Stage, good_end};
use mainstay_testkit::initiator::{Error, Login, Pdu, Result, Session, chap, login::stage, pdu};

/// A connection, and the login it is going to make.
fn begun(at: &Stage<'_>, target: &str) -> Result<(Session, Login)> {
    let mut login = at.login(target);
    login.chap = None;
    let mut session = Session::connect(at.ground.portal)?;
    session.patience = PATIENCE;
    session.isid = login.isid;
    (session.cmd_sn, session.exp_cmd_sn) = (login.cmd_sn, login.cmd_sn);
    session.max_cmd_sn = login.cmd_sn.wrapping_sub(1);
    Ok((session, login))
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn hello(login: &Login, method: &str) -> Vec<(String, String)> {
    let target = login.target.as_deref().unwrap_or_default();
    pairs(&[
        ("InitiatorName", &login.initiator),
        ("SessionType", "Normal"),
        ("TargetName", target),
        ("AuthMethod", method),
    ])
}

/// From the operational stage on: the keys, in one request.
fn operational_stage(session: &mut Session, login: &Login) -> Result<()> {
    let (answer, said) = session.login_exchange(login, stage::OPERATIONAL, Some(stage::FULL_FEATURE), &login.keys)?;
    full_feature(session, &answer, said)
}

/// What the last response says holds; the session works.
fn full_feature(session: &mut Session, answer: &Pdu, said: Vec<(String, String)>) -> Result<()> {
    if answer.flags() & 0x83 != 0x80 | stage::FULL_FEATURE {
        return Err(Error::Odd(format!("not in full feature phase: {answer:?}")));
    }
    session.tsih = u16::from_be_bytes([answer.bhs[14], answer.bhs[15]]);
    session.keys.extend(said);
    let crc = |key: &str| session.keys.get(key).is_some_and(|value| value == "CRC32C");
    (session.header_digest, session.data_digest) = (crc("HeaderDigest"), crc("DataDigest"));
    session.clear_attentions(0)?;
    session.capacity(0).map(drop)
}

/// The security stage without proof, in one exchange, and all the rest.
fn whole_login(mut session: Session, login: &Login) -> Result<()> {
    session.login(login)?;
    session.clear_attentions(0)?;
    good_end(session)
}

pub(super) fn connected(at: &mut Stage<'_>) -> Result<Scene> {
    let (session, login) = begun(at, "open")?;
    Scene::new("connected, nothing said", move || whole_login(session, &login))
}

/// The first request of a login without security, and how it is cut.
fn first(at: &mut Stage<'_>, from: usize, to: impl Fn(usize) -> usize) -> Result<Scene> {
    let (mut session, login) = begun(at, "open")?;
    let mut request = session.login_request(&login, stage::SECURITY, Some(stage::OPERATIONAL));
    request.data = pdu::text(&hello(&login, "None"));
    let whole = request.encode(false, false).len();
    let cut = at.between(from, to(whole));
    let rest = session.send_part(&request, cut as isize)?;
    Scene::new("login, cut in the first request", move || {
        session.send_bytes(&rest)?;
        session.login_response()?;
        operational_stage(&mut session, &login)?;
        good_end(session)
    })
}

pub(super) fn first_header(at: &mut Stage<'_>) -> Result<Scene> {
    first(at, 1, |_| 48)
}

pub(super) fn first_data(at: &mut Stage<'_>) -> Result<Scene> {
    first(at, 48, |whole| whole)
}

/// Offers CHAP; the target has agreed.
fn agreed(at: &mut Stage<'_>) -> Result<(Session, Login)> {
    let (mut session, login) = begun(at, "guarded")?;
    session.login_exchange(&login, stage::SECURITY, None, &hello(&login, "CHAP"))?;
    Ok((session, login))
}

/// Offers algorithms; the target has sent its challenge: algorithm, identifier and challenge.
fn ask_challenge(session: &mut Session, login: &Login) -> Result<(u8, u8, Vec<u8>)> {
    let (_, said) = session.login_exchange(login, stage::SECURITY, None, &pairs(&[("CHAP_A", "8,7,6,5")]))?;
    let word = |key: &str| {
        let found = said.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
        found.ok_or_else(|| Error::Odd(format!("no {key} in {said:?}")))
    };
    let number = |key: &str| word(key)?.parse().map_err(|_| Error::Odd(format!("{said:?}")));
    Ok((number("CHAP_A")?, number("CHAP_I")?, chap::unbinary(&word("CHAP_C")?).map_err(Error::Odd)?))
}

/// Proves, wants proof, and goes through to the end.
fn prove(mut session: Session, login: &Login, challenged: (u8, u8, Vec<u8>)) -> Result<()> {
    let (algorithm, identifier, challenge) = challenged;
    let [(name, secret), (_, theirs)] = SECRETS;
    let odd = || Error::Odd("an algorithm that nobody offered".to_owned());
    let proof = chap::response(algorithm, identifier, secret.as_bytes(), &challenge).ok_or_else(odd)?;
    let ours: Vec<u8> = (40..56).collect();
    let say = pairs(&[
        ("CHAP_N", name),
        ("CHAP_R", &chap::binary(&proof, false)),
        ("CHAP_I", "9"),
        ("CHAP_C", &chap::binary(&ours, true)),
    ]);
    let (_, said) = session.login_exchange(login, stage::SECURITY, Some(stage::OPERATIONAL), &say)?;
    let theirs = chap::response(algorithm, 9, theirs.as_bytes(), &ours).ok_or_else(odd)?;
    let given = said.iter().find(|(key, _)| key == "CHAP_R").map(|(_, value)| chap::unbinary(value));
    if given != Some(Ok(theirs)) {
        return Err(Error::Odd(format!("the target's proof: {said:?}")));
    }
    operational_stage(&mut session, login)?;
    good_end(session)
}

pub(super) fn chap_agreed(at: &mut Stage<'_>) -> Result<Scene> {
    let (mut session, login) = agreed(at)?;
    Scene::new("login, CHAP agreed on", move || {
        let challenged = ask_challenge(&mut session, &login)?;
        prove(session, &login, challenged)
    })
}

pub(super) fn challenged(at: &mut Stage<'_>) -> Result<Scene> {
    let (mut session, login) = agreed(at)?;
    let challenged = ask_challenge(&mut session, &login)?;
    Scene::new("login, challenged", move || prove(session, &login, challenged))
}

pub(super) fn text_continues(at: &mut Stage<'_>) -> Result<Scene> {
    let (mut session, login) = begun(at, "open")?;
    session.login_exchange(&login, stage::SECURITY, Some(stage::OPERATIONAL), &hello(&login, "None"))?;
    let text = pdu::text(&login.keys);
    let cut = at.between(1, text.len());
    let mut request = session.login_request(&login, stage::OPERATIONAL, None);
    // C: the text goes on in the next request (RFC 7143 §11.12.2).
    request.bhs[1] |= 0x40;
    request.data = text[..cut].to_vec();
    session.send(&request)?;
    session.login_response()?;
    Scene::new("login, text continues", move || {
        let mut request = session.login_request(&login, stage::OPERATIONAL, Some(stage::FULL_FEATURE));
        request.data = text[cut..].to_vec();
        session.send(&request)?;
        let answer = session.login_response()?;
        let said = pdu::pairs(&answer.data).map_err(Error::Odd)?;
        full_feature(&mut session, &answer, said)?;
        good_end(session)
    })
}

pub(super) fn operational(at: &mut Stage<'_>) -> Result<Scene> {
    let (mut session, login) = begun(at, "open")?;
    session.login_exchange(&login, stage::SECURITY, Some(stage::OPERATIONAL), &hello(&login, "None"))?;
    let (first, rest) = login.keys.split_at(at.between(1, login.keys.len()));
    let (first, rest) = (first.to_vec(), rest.to_vec());
    let (_, said) = session.login_exchange(&login, stage::OPERATIONAL, None, &first)?;
    session.keys.extend(said);
    Scene::new("login, some keys agreed", move || {
        let (answer, said) = session.login_exchange(&login, stage::OPERATIONAL, Some(stage::FULL_FEATURE), &rest)?;
        full_feature(&mut session, &answer, said)?;
        good_end(session)
    })
}

pub(super) fn last_request_cut(at: &mut Stage<'_>) -> Result<Scene> {
    let (mut session, login) = begun(at, "open")?;
    session.login_exchange(&login, stage::SECURITY, Some(stage::OPERATIONAL), &hello(&login, "None"))?;
    let mut request = session.login_request(&login, stage::OPERATIONAL, Some(stage::FULL_FEATURE));
    request.data = pdu::text(&login.keys);
    let whole = request.encode(false, false).len();
    let rest = session.send_part(&request, at.between(1, whole) as isize)?;
    Scene::new("login, last request cut", move || {
        session.send_bytes(&rest)?;
        let answer = session.login_response()?;
        let said = pdu::pairs(&answer.data).map_err(Error::Odd)?;
        full_feature(&mut session, &answer, said)?;
        good_end(session)
    })
}
