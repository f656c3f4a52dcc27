//! The login phase as a script (RFC 7143 §6.3, §11.12).

use std::net::SocketAddr;

use super::chap::{self, Chap};
use super::pdu::{self, Pdu, opcode};
use super::{Error, Result, Session};

/// Stages of a login (RFC 7143 §11.12.3).
#[allow(missing_docs)]
pub mod stage {
    pub const SECURITY: u8 = 0;
    pub const OPERATIONAL: u8 = 1;
    pub const FULL_FEATURE: u8 = 3;
}

/// What an initiator says at login. [`Login::new`] is a well-behaved one; change what the test is about.
#[derive(Clone, Debug)]
pub struct Login {
    /// InitiatorName.
    pub initiator: String,
    /// TargetName; none for a discovery session.
    pub target: Option<String>,
    /// Session id of the initiator's choice.
    pub isid: [u8; 6],
    /// Not 0 to join or reinstate by handle.
    pub tsih: u16,
    /// Connection id.
    pub cid: u16,
    /// The first command number.
    pub cmd_sn: u32,
    /// Operational keys to offer, in order.
    pub keys: Vec<(String, String)>,
    /// Proof of who we are.
    pub chap: Option<Chap>,
    /// Starts in the operational stage, without a word on security.
    pub skip_security: bool,
    /// Cuts our text after this many bytes per PDU, with the C bit.
    pub piece: usize,
}

impl Login {
    /// A normal session of `initiator` with `target`, no security, the usual keys.
    pub fn new(initiator: &str, target: &str) -> Login {
        let keys = [
            ("HeaderDigest", "None"),
            ("DataDigest", "None"),
            ("InitialR2T", "No"),
            ("ImmediateData", "Yes"),
            ("MaxRecvDataSegmentLength", "262144"),
            ("MaxBurstLength", "262144"),
            ("FirstBurstLength", "65536"),
            ("MaxOutstandingR2T", "1"),
            ("MaxConnections", "1"),
            ("DefaultTime2Wait", "2"),
            ("DefaultTime2Retain", "0"),
            ("DataPDUInOrder", "Yes"),
            ("DataSequenceInOrder", "Yes"),
            ("ErrorRecoveryLevel", "0"),
        ];
        Login {
            initiator: initiator.to_owned(),
            target: Some(target.to_owned()),
            isid: [0x80, 0x12, 0x34, 0x56, 0, 1],
            tsih: 0,
            cid: 1,
            cmd_sn: 1,
            keys: keys.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            chap: None,
            skip_security: false,
            piece: 8192,
        }
    }

    /// A discovery session.
    pub fn discovery(initiator: &str) -> Login {
        let mut login = Login::new(initiator, "");
        login.target = None;
        login.keys = ["HeaderDigest=None", "DataDigest=None", "MaxRecvDataSegmentLength=262144"]
            .iter()
            .map(|pair| pair.split_once('=').expect("a pair"))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        login
    }

    /// Offers `value` for `key`, instead of what was there.
    pub fn key(mut self, key: &str, value: &str) -> Login {
        match self.keys.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.keys.push((key.to_owned(), value.to_owned())),
        }
        self
    }

    /// Does not mention `key`.
    pub fn without(mut self, key: &str) -> Login {
        self.keys.retain(|(k, _)| k != key);
        self
    }

    /// With CHAP.
    pub fn chap(mut self, chap: Chap) -> Login {
        self.chap = Some(chap);
        self
    }

    /// With another session id, as another session of the same initiator has.
    pub fn session(mut self, number: u16) -> Login {
        self.isid[4..].copy_from_slice(&number.to_be_bytes());
        self
    }

    /// Both digests, offered with no way out.
    pub fn digests(self) -> Login {
        self.key("HeaderDigest", "CRC32C").key("DataDigest", "CRC32C")
    }

    /// Connects and logs in.
    pub fn connect(&self, portal: SocketAddr) -> Result<Session> {
        let mut session = Session::connect(portal)?;
        session.login(self)?;
        Ok(session)
    }

    fn introduction(&self) -> Vec<(String, String)> {
        let mut out = vec![("InitiatorName".to_owned(), self.initiator.clone())];
        match &self.target {
            Some(target) => {
                out.push(("SessionType".to_owned(), "Normal".to_owned()));
                out.push(("TargetName".to_owned(), target.clone()));
            }
            None => out.push(("SessionType".to_owned(), "Discovery".to_owned())),
        }
        out
    }
}

fn pair(key: &str, value: impl Into<String>) -> (String, String) {
    (key.to_owned(), value.into())
}

impl Session {
    /// A login request of the connection's state, to be filled with text.
    pub fn login_request(&self, login: &Login, current: u8, next: Option<u8>) -> Pdu {
        let mut pdu = Pdu::new(opcode::LOGIN).immediate();
        pdu.bhs[1] = current << 2 | next.map_or(0, |next| 0x80 | next);
        pdu.bhs[8..14].copy_from_slice(&login.isid);
        pdu.set_u16(14, self.tsih.max(login.tsih)).set_u32(16, 0).set_u16(20, login.cid);
        pdu.set_u32(24, login.cmd_sn).set_u32(28, self.exp_stat_sn);
        pdu
    }

    /// One question and its answer, each in as many PDUs as it takes: the last response and all its pairs.
    pub fn login_exchange(
        &mut self,
        login: &Login,
        current: u8,
        next: Option<u8>,
        say: &[(String, String)],
    ) -> Result<(Pdu, Vec<(String, String)>)> {
        let text = pdu::text(say);
        let mut pieces = text.chunks(login.piece.max(1)).peekable();
        loop {
            let piece = pieces.next().unwrap_or_default();
            let more = pieces.peek().is_some();
            let mut ask = self.login_request(login, current, if more { None } else { next });
            if more {
                ask.bhs[1] |= 0x40;
            }
            ask.data = piece.to_vec();
            self.send(&ask)?;
            if !more {
                break;
            }
            let nod = self.login_response()?;
            if !nod.data.is_empty() || nod.flags() & 0xc0 != 0 {
                return Err(Error::Odd(format!(
                    "a request that continues is answered with an empty response: {nod:?}"
                )));
            }
        }
        let mut bytes = Vec::new();
        loop {
            let answer = self.login_response()?;
            bytes.extend_from_slice(&answer.data);
            if answer.flags() & 0x40 == 0 {
                return Ok((answer, pdu::pairs(&bytes).map_err(Error::Odd)?));
            }
            let ask = self.login_request(login, current, None);
            self.send(&ask)?;
        }
    }

    /// The next login response; one with a bad status is an error.
    pub fn login_response(&mut self) -> Result<Pdu> {
        let answer = self.receive()?;
        match answer.opcode() {
            opcode::LOGIN_RESPONSE if answer.bhs[36] == 0 => Ok(answer),
            opcode::LOGIN_RESPONSE => Err(Error::Login { class: answer.bhs[36], detail: answer.bhs[37] }),
            opcode::REJECT => Err(Error::Reject { reason: answer.bhs[2], pdu: Box::new(answer) }),
            _ => Err(Error::Odd(format!("in the login phase came {answer:?}"))),
        }
    }

    fn keep(&mut self, pairs: &[(String, String)]) {
        for (key, value) in pairs {
            self.keys.insert(key.clone(), value.clone());
        }
    }

    /// The whole login phase.
    pub fn login(&mut self, login: &Login) -> Result<()> {
        self.isid = login.isid;
        self.cmd_sn = login.cmd_sn;
        self.exp_cmd_sn = login.cmd_sn;
        self.max_cmd_sn = login.cmd_sn.wrapping_sub(1);
        let mut say = login.introduction();
        if login.skip_security {
            say.extend(login.keys.iter().cloned());
        } else {
            self.security(login, say)?;
            say = login.keys.clone();
        }
        let mut rounds = 0;
        let answer = loop {
            let (answer, pairs) = self.login_exchange(login, stage::OPERATIONAL, Some(stage::FULL_FEATURE), &say)?;
            self.keep(&pairs);
            if answer.flags() & 0x80 != 0 {
                break answer;
            }
            rounds += 1;
            if rounds > 8 {
                return Err(Error::Odd("the target never agrees to leave the login phase".to_owned()));
            }
            say.clear();
        };
        if answer.flags() & 0x8f != 0x80 | stage::OPERATIONAL << 2 | stage::FULL_FEATURE {
            return Err(Error::Odd(format!("a last login response with these stages: {answer:?}")));
        }
        self.tsih = u16::from_be_bytes([answer.bhs[14], answer.bhs[15]]);
        if self.tsih == 0 {
            return Err(Error::Odd("TSIH 0 in the last login response".to_owned()));
        }
        self.settle(login);
        Ok(())
    }

    fn security(&mut self, login: &Login, mut say: Vec<(String, String)>) -> Result<()> {
        let to_operational = Some(stage::OPERATIONAL);
        let Some(chap) = &login.chap else {
            say.push(pair("AuthMethod", "None"));
            let (answer, pairs) = self.login_exchange(login, stage::SECURITY, to_operational, &say)?;
            self.keep(&pairs);
            return if answer.flags() & 0x83 == 0x80 | stage::OPERATIONAL {
                Ok(())
            } else {
                Err(Error::Odd(format!("the target stays in the security stage: {answer:?} {pairs:?}")))
            };
        };
        let find = |pairs: &[(String, String)], key: &str| {
            let found = pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
            found.ok_or_else(|| Error::Odd(format!("no {key} in {pairs:?}")))
        };
        say.push(pair("AuthMethod", "CHAP"));
        let (_, pairs) = self.login_exchange(login, stage::SECURITY, None, &say)?;
        self.keep(&pairs);
        if find(&pairs, "AuthMethod")? != "CHAP" {
            return Err(Error::Odd(format!("CHAP was offered: {pairs:?}")));
        }
        let offer = chap.algorithms.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        let (_, pairs) = self.login_exchange(login, stage::SECURITY, None, &[pair("CHAP_A", offer)])?;
        let number = |text: String| text.parse::<u8>().map_err(|e| Error::Odd(format!("{e}: {text:?}")));
        let algorithm = number(find(&pairs, "CHAP_A")?)?;
        let identifier = number(find(&pairs, "CHAP_I")?)?;
        let challenge = chap::unbinary(&find(&pairs, "CHAP_C")?).map_err(Error::Odd)?;
        self.keep(&pairs);
        if !chap.algorithms.contains(&algorithm) {
            return Err(Error::Odd(format!("CHAP_A={algorithm} was not offered")));
        }
        let proof = chap::response(algorithm, identifier, &chap.secret, &challenge)
            .ok_or_else(|| Error::Odd(format!("CHAP_A={algorithm}?")))?;
        let mut say = vec![pair("CHAP_N", chap.name.clone()), pair("CHAP_R", chap::binary(&proof, chap.base64))];
        let ours =
            if chap.reflect { challenge } else { (0..16).map(|n: u8| (n * 13) ^ self.local().port() as u8).collect() };
        if chap.mutual.is_some() {
            say.push(pair("CHAP_I", "77"));
            say.push(pair("CHAP_C", chap::binary(&ours, chap.base64)));
        }
        let (answer, pairs) = self.login_exchange(login, stage::SECURITY, to_operational, &say)?;
        self.keep(&pairs);
        if let Some((name, secret)) = &chap.mutual {
            if find(&pairs, "CHAP_N")? != *name {
                return Err(Error::Odd(format!("the target is called {pairs:?}, not {name}")));
            }
            let proof = chap::unbinary(&find(&pairs, "CHAP_R")?).map_err(Error::Odd)?;
            if Some(proof) != chap::response(algorithm, 77, secret, &ours) {
                return Err(Error::Odd("the target's own proof is wrong".to_owned()));
            }
        }
        if answer.flags() & 0x83 != 0x80 | stage::OPERATIONAL {
            return Err(Error::Odd(format!("after CHAP the target stays in the security stage: {answer:?}")));
        }
        Ok(())
    }

    /// What follows from offers and answers (RFC 7143 §13).
    fn settle(&mut self, login: &Login) {
        // A key that was not negotiated has its default.
        let word = |key: &str| self.keys.get(key).filter(|v| *v != "Irrelevant" && *v != "NotUnderstood");
        let flag = |key: &str, default: bool| word(key).map_or(default, |v| v == "Yes");
        let number = |key: &str, default: usize| word(key).and_then(|v| v.parse().ok()).unwrap_or(default);
        let offered = |key: &str| login.keys.iter().any(|(k, _)| k == key);
        self.agreed = super::Agreed {
            initial_r2t: !offered("InitialR2T") || flag("InitialR2T", true),
            immediate_data: !offered("ImmediateData") || flag("ImmediateData", true),
            first_burst: number("FirstBurstLength", 65536),
            max_burst: number("MaxBurstLength", 262_144),
            target_segment: number("MaxRecvDataSegmentLength", 8192),
            max_outstanding_r2t: number("MaxOutstandingR2T", 1),
        };
        let (header, data) = (word("HeaderDigest"), word("DataDigest"));
        let (header, data) = (header.is_some_and(|v| v == "CRC32C"), data.is_some_and(|v| v == "CRC32C"));
        self.header_digest = header;
        self.data_digest = data;
    }
}
