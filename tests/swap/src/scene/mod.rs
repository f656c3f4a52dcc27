//! Initiators that stand still in the middle of something while the daemon is swapped, and then go on.
//!
//! A scene is set by [`set`]: one session in one state, as its name says. Nothing of it moves until [`Scene::finish`], which
//! brings what was begun to its end and looks at everything that came of it.

mod command;
mod cut;
mod login;
mod nvme;
mod odd;
mod still;

use super::bytes::Random;
use super::ground::{Ground, PATIENCE};
use mainstay_testkit::initiator::{Login, Result, Session};
use std::time::Instant;

/// An initiator that stands still.
pub struct Scene {
    /// What it is in the middle of.
    pub name: String,
    /// Of its session.
    pub number: u16,
    /// Since when.
    pub since: Instant,
    /// How long it has to stand to be what it says.
    pub ripens_ms: u64,
    /// After how long it must not stand any more.
    pub spoils_ms: u64,
    finish: Box<dyn FnOnce() -> std::result::Result<(), String> + Send>,
}

/// What setting a scene takes.
pub struct Stage<'a> {
    /// The daemon.
    pub ground: &'a Ground,
    /// Number of the session: its plot and its name.
    pub number: u16,
    /// Where to cut, how much to send.
    pub random: &'a mut Random,
}

/// Sets one kind of scene.
type Setter = fn(&mut Stage<'_>) -> Result<Scene>;

/// Every kind of iSCSI; those of NVMe follow on them.
const KINDS: &[(&str, Setter)] = &[
    ("cut: SCSI command with data", cut::command_with_data),
    ("cut: SCSI command", cut::command),
    ("cut: SCSI command with a long CDB", cut::long_cdb),
    ("cut: Data-Out asked for", cut::data_out),
    ("cut: Data-Out not asked for", cut::unsolicited),
    ("cut: NOP-Out", cut::nop_out),
    ("cut: task management", cut::management),
    ("cut: text", cut::text),
    ("cut: logout", cut::logout),
    ("cut: SNACK", cut::snack),
    ("login: connected", login::connected),
    ("login: first header", login::first_header),
    ("login: first data", login::first_data),
    ("login: CHAP agreed", login::chap_agreed),
    ("login: challenged", login::challenged),
    ("login: text continues", login::text_continues),
    ("login: operational", login::operational),
    ("login: last request cut", login::last_request_cut),
    ("write: R2T unanswered", command::r2t),
    ("write: R2T half answered", command::r2t_half),
    ("write: several R2Ts", command::several_r2ts),
    ("write: unsolicited data open", command::unsolicited),
    ("write: ordered behind it", command::ordered),
    ("write: number missing", command::gap),
    ("write: aborted, data late", command::aborted),
    ("write: management behind a gap", command::management_gap),
    ("compare and write: waits for data", command::compare),
    ("write same: waits for data", command::write_same),
    ("unmap: waits for its list", command::unmap),
    ("write and verify: waits for data", command::write_verify),
    ("read: answers unread", command::unread),
    ("read: answers unread, then logout", command::unread_logout),
    ("read: answers unread, then abort", command::unread_abort),
    ("text: continues", still::text_continues),
    ("text: answer continues", still::answer_continues),
    ("discovery: idle", still::discovery),
    ("ping: unanswered", still::ping),
    ("attention: untold", still::attention),
    ("idle", still::idle),
    ("unit: reserved", odd::reserved),
    ("unit: removal prevented", odd::prevented),
    ("unit: mode pages", odd::modes),
];

/// How many kinds there are.
pub fn kinds() -> usize {
    KINDS.len() + nvme::KINDS.len()
}

/// Kind `kind` of NVMe; none: it is one of iSCSI.
fn of_nvme(kind: usize) -> Option<(&'static str, nvme::Setter)> {
    (kind % kinds()).checked_sub(KINDS.len()).map(|at| nvme::KINDS[at])
}

/// The name of kind `kind`.
pub fn name(kind: usize) -> &'static str {
    of_nvme(kind).map_or_else(|| KINDS[kind % kinds()].0, |(name, _)| name)
}

/// Whether scenes of this kind do not stand for long: they are set last.
pub fn is_hasty(kind: usize) -> bool {
    let name = name(kind);
    name.starts_with("discovery:")
        || name == "text: answer continues"
        || name.ends_with("then logout")
        || name.ends_with("computation pending")
}

/// Sets a scene of kind `kind`.
pub fn set(kind: usize, stage: &mut Stage<'_>) -> std::result::Result<Scene, String> {
    let set = match of_nvme(kind) {
        Some((_, setter)) => setter(stage).map_err(|why| why.to_string()),
        None => KINDS[kind % kinds()].1(stage).map_err(|why| why.to_string()),
    };
    let set = set.map(|scene| Scene { number: stage.number, ..scene });
    set.map_err(|why| format!("{}, session {}: to set it: {why}", name(kind), stage.number))
}

impl Scene {
    fn new(name: impl Into<String>, finish: impl FnOnce() -> Result<()> + Send + 'static) -> Result<Scene> {
        Ok(Scene::of(name, finish))
    }

    fn of<E: std::fmt::Display>(
        name: impl Into<String>,
        finish: impl FnOnce() -> std::result::Result<(), E> + Send + 'static,
    ) -> Scene {
        Scene {
            name: name.into(),
            number: 0,
            since: Instant::now(),
            ripens_ms: 0,
            spoils_ms: 15_000,
            finish: Box::new(|| finish().map_err(|why| why.to_string())),
        }
    }

    /// Whether it has stood long enough.
    pub fn is_ripe(&self) -> bool {
        self.since.elapsed().as_millis() >= u128::from(self.ripens_ms)
    }

    /// Whether it must not stand any longer.
    pub fn is_spoiling(&self) -> bool {
        self.since.elapsed().as_millis() >= u128::from(self.spoils_ms)
    }

    /// Brings it to its end; an error is something the daemon did wrong.
    pub fn finish(self) -> std::result::Result<(), String> {
        let (name, since) = (self.name, self.since);
        (self.finish)().map_err(|why| format!("{name}, after {:?}: {why}", since.elapsed()))
    }
}

impl Stage<'_> {
    /// How this session logs in: digests by the number.
    fn login(&self, target: &str) -> Login {
        let login = self.ground.login(target, self.number);
        if self.number.is_multiple_of(2) { login.digests() } else { login }
    }

    /// A session with `target`, no attention left on LUN `lun`.
    fn session(&self, target: &str, lun: u8) -> Result<Session> {
        self.session_of(&self.login(target), lun)
    }

    fn session_of(&self, login: &Login, lun: u8) -> Result<Session> {
        let mut session = login.connect(self.ground.portal)?;
        session.patience = PATIENCE;
        session.clear_attentions(lun)?;
        Ok(session)
    }

    /// A number from `from` on, below `to`.
    fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.random.below((to - from) as u64) as usize
    }
}

/// The end of most scenes: nothing uncalled for has come, and the session still ends well.
fn good_end(session: Session) -> Result<()> {
    use mainstay_testkit::initiator::Error;
    if !session.asyncs.is_empty() || !session.rejects.is_empty() {
        return Err(Error::Odd(format!("uncalled for: {:?} {:?}", session.asyncs, session.rejects)));
    }
    match session.logout()? {
        0 => Ok(()),
        code => Err(Error::Odd(format!("the logout was answered with {code}"))),
    }
}
