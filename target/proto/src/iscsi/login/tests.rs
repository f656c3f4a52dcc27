//! A hand-driven initiator. Every conversation runs twice, the second time with the login saved, dropped and restored
//! after each step, and must be the same word for word.

mod chap;
mod golden;
mod properties;
mod refusals;

use prost::Message as _;

use super::saved::{EstablishedV1, LoginV1};
use super::*;
use crate::auth::Hash;
use crate::iscsi::pdu::{CmdSn, StatSn};
use crate::iscsi::site::{Access, Acl, Auth, Credential, Portal, Secret, Target};

const INITIATOR: &str = "iqn.2005-03.org.open-iscsi:initiator";
const OPEN: &str = "iqn.2026-11.com.example:open";
const GUARDED: &str = "iqn.2026-11.com.example:guarded";
const MUTUAL: &str = "iqn.2026-11.com.example:mutual";
const LISTED: &str = "iqn.2026-11.com.example:listed";
const ELSEWHERE: &str = "iqn.2026-11.com.example:elsewhere";
const SECRET: &str = "initiator-hush";
const OUR_SECRET: &str = "target-hush-1";

/// The stages by their codes.
const SECURITY: u8 = 0;
const OPERATIONAL: u8 = 1;
const FULL: u8 = 3;

fn credential(name: &str, secret: &str) -> Credential {
    Credential { name: name.into(), secret: Secret::new(secret) }
}

fn chap(algorithms: &[Hash], outgoing: Option<Credential>) -> Auth {
    Auth::Chap { algorithms: algorithms.to_vec(), incoming: credential("user", SECRET), outgoing }
}

fn site() -> Site {
    let target = |name: &str, access, auth| Target { name: name.into(), alias: None, portals: vec![1], access, auth };
    let portal = |bind: &str, tag| Portal { bind: bind.parse().unwrap(), advertise: None, tag };
    let listed = Access::Initiators(vec![
        Acl { name: INITIATOR.into(), auth: None },
        Acl { name: "iqn.guarded".into(), auth: Some(chap(&[Hash::Sha256], None)) },
    ]);
    let mut targets = vec![
        target(OPEN, Access::Anyone, Auth::None),
        target(GUARDED, Access::Anyone, chap(&[Hash::Md5, Hash::Sha256], None)),
        target(MUTUAL, Access::Anyone, chap(&Hash::ALL, Some(credential("us", OUR_SECRET)))),
        target(LISTED, listed, Auth::None),
        target(ELSEWHERE, Access::Anyone, Auth::None),
    ];
    targets[0].alias = Some("the open one".into());
    targets[4].portals = vec![0];
    Site { portals: vec![portal("10.0.0.1:3260", 3), portal("127.0.0.1:3260", 7)], targets, discovery: Auth::None }
}

/// One login and what it is told.
struct Bench {
    login: Login,
    site: Site,
    restoring: bool,
    version_min: u8,
    tsih: u16,
    cid: u16,
    itt: u32,
    /// The text of the responses so far, C bits resolved.
    heard: String,
}

impl Bench {
    fn new(restoring: bool) -> Bench {
        let login = Login::new([7; 32], Offers::default());
        Bench { login, site: site(), restoring, version_min: 0, tsih: 0, cid: 1, itt: 5, heard: String::new() }
    }

    /// A request in stage `current`, with T to `next`; `|` stands for a zero byte.
    fn send(&mut self, current: u8, next: Option<u8>, text: &str) -> String {
        let text = text.replace('|', "\0");
        show(&self.request(self.header(current, next, false), text.as_bytes()))
    }

    /// A request with C set.
    fn send_part(&mut self, current: u8, text: &str) -> String {
        let text = text.replace('|', "\0");
        show(&self.request(self.header(current, None, true), text.as_bytes()))
    }

    fn header(&self, current: u8, next: Option<u8>, more: bool) -> LoginRequest {
        let mut bhs = [0; 48];
        bhs[0] = 0x43;
        bhs[1] = u8::from(next.is_some()) << 7 | u8::from(more) << 6 | current << 2 | next.unwrap_or(0);
        let request = LoginRequest::parse(&bhs);
        LoginRequest {
            version_min: self.version_min,
            isid: Isid([0x80, 1, 2, 3, 4, 5]),
            tsih: self.tsih,
            itt: Itt(self.itt),
            cid: self.cid,
            cmd_sn: CmdSn(1),
            exp_stat_sn: StatSn(0),
            ..request
        }
    }

    fn request(&mut self, header: LoginRequest, data: &[u8]) -> Output {
        let output = self.login.handle(&Cx { site: &self.site, portal: 1 }, &header, data);
        for (response, text) in &output.responses {
            assert_eq!((response.isid, response.itt, response.current), (header.isid, header.itt, header.current));
            assert_eq!(response.tsih, header.tsih);
            self.hear(text);
        }
        self.check(&output);
        output
    }

    fn admit(&mut self, verdict: Result<u16, Refusal>) -> String {
        show(&self.verdict(verdict))
    }

    fn verdict(&mut self, verdict: Result<u16, Refusal>) -> Output {
        let output = self.login.admit(verdict);
        for (_, text) in &output.responses {
            self.hear(text);
        }
        self.check(&output);
        output
    }

    /// The value we were told for `key`, the last time.
    fn told(&self, key: &str) -> String {
        let found = self.heard.split('\0').rev().find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("{key} not in {:?}", self.heard)).to_owned()
    }

    fn hear(&mut self, text: &[u8]) {
        assert!(text.len() <= SEGMENT_BYTES_MAX);
        self.heard.push_str(std::str::from_utf8(text).unwrap());
    }

    /// What holds after every step: bounds, no secrets, and the saved form is the login.
    fn check(&mut self, output: &Output) {
        let printed = format!("{output:?} {:?} {:?}", self.login, self.login.save());
        assert!(!printed.contains(SECRET) && !printed.contains(OUR_SECRET) && !printed.contains("[7, 7"), "{printed}");
        assert!(self.login.inbox.len() <= TEXT_BYTES_MAX && self.login.outbox.len() <= TEXT_BYTES_MAX + 64);
        if let Outcome::Established(established) = &output.outcome {
            let saved = established.save().encode_to_vec();
            let restored = Established::restore(&EstablishedV1::decode(&*saved).unwrap()).unwrap();
            assert_eq!(restored, **established);
        }
        if self.restoring {
            let saved = self.login.save().encode_to_vec();
            let restored = Login::restore(&LoginV1::decode(&*saved).unwrap()).unwrap();
            assert_eq!(restored, self.login);
            assert_eq!(restored.save().encode_to_vec(), saved);
            self.login = restored;
        }
    }
}

/// Runs `conversation` plainly and with save and restore after each step.
fn both<T: PartialEq + std::fmt::Debug>(conversation: impl Fn(&mut Bench) -> T) -> T {
    let [plain, restored] = [false, true].map(|restoring| {
        let mut bench = Bench::new(restoring);
        (conversation(&mut bench), bench.heard)
    });
    assert_eq!(plain, restored);
    plain.0
}

/// One line: what was answered, and how it goes on.
fn show(output: &Output) -> String {
    let mut line = String::new();
    for (response, text) in &output.responses {
        let text = String::from_utf8(text.clone()).unwrap().replace('\0', "|");
        let mark = match (response.transit, response.more) {
            (true, false) => format!("to {:?} ", response.next),
            (false, true) => "more ".to_owned(),
            (false, false) => String::new(),
            (true, true) => panic!("T and C"),
        };
        line += &format!("{mark}{text}");
        if response.status != (0, 0) {
            line += &format!("{:02x}{:02x}", response.status.0, response.status.1);
        }
    }
    match &output.outcome {
        Outcome::Continue => {}
        Outcome::Candidate(candidate) => line += &format!("candidate {} {:?}", candidate.initiator, candidate.kind),
        Outcome::Established(established) => line += &format!(" tsih {}", established.tsih),
        Outcome::Failed(refusal) => line += &format!(" {}", refusal.reason),
    }
    line
}

/// The names of a normal session.
fn names(target: &str) -> String {
    format!("InitiatorName={INITIATOR}|TargetName={target}|SessionType=Normal|")
}

/// What an initiator that knows `secret` answers to the challenge we were told.
fn answer(bench: &Bench, secret: &str) -> String {
    let hash = Hash::from_number(bench.told("CHAP_A").parse().unwrap()).unwrap();
    let challenge = crate::auth::decode(&bench.told("CHAP_C"), 1024).unwrap();
    assert_eq!(challenge.len(), hash.bytes());
    let id = bench.told("CHAP_I").parse().unwrap();
    crate::auth::encode(&crate::auth::response(hash, id, &Secret::new(secret), &challenge))
}
