//! For single tests: a daemon of its own from a private copy of the program, sessions that must live on, and orders of faults.

pub mod hosts;

use super::bytes::bytes;
use super::events::Events;
use super::ground::{self, Ground};
use super::order::{self, Answer};
use super::program;
use super::watch::Look;
use hosts::Hosts;
use mainstay_testkit::daemon::{Builder, Daemon};
use mainstay_testkit::initiator::{Command, Session, cdb, task::function};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A daemon, with sessions and hosts that are in the middle of something.
pub struct Rig {
    /// The daemon.
    pub daemon: Daemon,
    /// Where everything is.
    pub ground: Ground,
    /// The program it was started by: a copy that a test may replace.
    pub program: PathBuf,
    /// Its subscriber of events.
    pub events: Events,
    /// One with a write that was asked for its data.
    writer: Option<(Session, u32, Command)>,
    /// One that reads and writes.
    session: Session,
    /// The same over NVMe/TCP.
    pub hosts: Hosts,
    rounds: u64,
    expected: Option<Vec<u8>>,
}

impl Rig {
    /// A daemon of the version of this tree.
    pub fn current() -> Rig {
        Rig::of(&program::current(), "")
    }

    /// A daemon of the next version, which fails on order.
    pub fn next() -> Rig {
        Rig::of(&program::next(), "")
    }

    /// A daemon of `program`; `limits` goes into the configuration.
    pub fn of(program: &Path, limits: &str) -> Rig {
        Rig::with(program, |program| ground::builder(program, limits))
    }

    /// A daemon of `program` as `builder` says; it must serve what [`ground`] says.
    pub fn with(program: &Path, builder: impl FnOnce(&Path) -> Builder) -> Rig {
        let folder = Arc::new(TempDir::new().expect("a temporary folder"));
        let program = program::install(program, &folder.path().join("mainstay"));
        let fault = folder.path().join("fault");
        let builder = builder(&program).folder(&folder).env("MAINSTAY_TEST_FAULT", fault.to_str().expect("UTF-8"));
        Rig::around(builder.start(), program)
    }

    /// Sessions with a daemon that is there.
    pub fn around(daemon: Daemon, program: PathBuf) -> Rig {
        let ground = Ground::of(&daemon);
        let events = Events::listen(&daemon, &program);
        let mut session = ground.login("open", 1).digests().connect(ground.portal).expect("a login");
        session.patience = ground::PATIENCE;
        session.clear_attentions(1).expect("TEST UNIT READY");
        let hosts = Hosts::connect(&ground).expect("two hosts");
        let mut rig = Rig { daemon, ground, program, events, writer: None, session, hosts, rounds: 0, expected: None };
        rig.begin_write();
        rig
    }

    /// A copy of `program` under another name in the daemon's folder.
    pub fn install(&self, program: &Path, name: &str) -> PathBuf {
        program::install(program, &self.daemon.folder().path().join(name))
    }

    /// Orders `what`, e.g. `adopt segv`, of programs of the next version.
    pub fn order(&self, what: &str) {
        let _ = fs::remove_file(self.hit());
        fs::write(self.fault(), what).expect("the temporary folder can be written");
    }

    fn fault(&self) -> PathBuf {
        self.daemon.folder().path().join("fault")
    }

    fn hit(&self) -> PathBuf {
        self.daemon.folder().path().join("fault.hit")
    }

    /// Whether what was ordered has happened.
    pub fn has_happened(&self) -> bool {
        self.hit().exists()
    }

    /// Waits until what was ordered happens.
    #[track_caller]
    pub fn wait_fault(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.has_happened() {
            assert!(Instant::now() < deadline, "nobody came by the point that was ordered\n{}", self.daemon.words());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets a `wait` go on.
    pub fn go_on(&self) {
        fs::remove_file(self.hit()).expect("it waits");
    }

    /// `mainstay swap` to `binary` with `more` options.
    pub fn swap(&self, binary: &Path, more: &[&str]) -> Answer {
        order::swap(&self.daemon, &self.program, Some(binary), more)
    }

    /// A swap that changes nothing else, with the sessions in the middle of something.
    #[track_caller]
    pub fn swap_well(&mut self, binary: &Path, more: &[&str]) -> Answer {
        let before = Look::at(&self.daemon);
        let answer = self.swap(binary, more);
        answer.assert(order::exit::DONE, &self.daemon);
        self.assert_same(&before);
        self.assert_lives();
        answer
    }

    /// A swap that comes to nothing, with exit status `status` at step `step` and a reason that has `word` in it; everything
    /// goes on as it was.
    #[track_caller]
    pub fn swap_in_vain(&mut self, binary: &Path, more: &[&str], (status, step, word): (i32, &str, &str)) -> Answer {
        let before = Look::at(&self.daemon);
        let swaps = before.status()["swaps"].as_array().map_or(0, Vec::len);
        let answer = self.swap(binary, more);
        answer.assert(status, &self.daemon);
        let said = &answer.said;
        assert_eq!(answer.word("step"), step, "{said}\n{}", self.daemon.words());
        assert!(answer.word("why").contains(word), "no {word:?} in {said}");
        self.assert_same(&before);
        // It is remembered.
        let status = self.daemon.status();
        let last = status["swaps"].as_array().and_then(|swaps| swaps.last()).cloned().unwrap_or_default();
        assert!(status["swaps"].as_array().map_or(0, Vec::len) > swaps.min(31), "{status:#}");
        for key in ["outcome", "step", "why"] {
            assert_eq!(last[key], answer.report[key], "{key} of the history: {last:#}");
        }
        self.assert_lives();
        answer
    }

    /// Nothing differs from `before` that must not.
    #[track_caller]
    pub fn assert_same(&self, before: &Look) {
        let difference = before.difference(&Look::at(&self.daemon));
        assert!(difference.is_empty(), "it changed:\n  {}\n{}", difference.join("\n  "), self.daemon.words());
    }

    /// The sessions go on: the write gets its data and is read back, another one is begun.
    #[track_caller]
    pub fn assert_lives(&mut self) {
        if let Err(why) = self.goes_on() {
            panic!("{why}\n{}", self.daemon.words());
        }
        assert!(!self.events.is_over(), "the subscriber has lost its connection\n{}", self.daemon.words());
    }

    /// As [`Rig::assert_lives`], with an error.
    pub fn goes_on(&mut self) -> Result<(), mainstay_testkit::initiator::Error> {
        use mainstay_testkit::initiator::Error;
        self.rounds += 1;
        let data = bytes(16384, self.rounds);
        self.session.write16(1, self.ground.plot(1, 512), &data, 512)?.good()?;
        self.expected = Some(data.clone());
        if self.session.read16(1, self.ground.plot(1, 512), 32, 512)?.good()? != data {
            return Err(Error::Odd("not what was written".to_owned()));
        }
        if let Some((mut session, tag, command)) = self.writer.take() {
            session.answer_r2t = true;
            for r2t in std::mem::take(&mut session.r2ts) {
                session.answer(&r2t)?;
            }
            session.wait(tag)?.good()?;
            if session.read16(0, self.ground.plot(2, 512), 16, 512)?.good()? != command.out {
                return Err(Error::Odd("not what was written after the R2T".to_owned()));
            }
            // Nothing has been aborted or told in between.
            if session.tmf(function::ABORT_TASK, 0, 0x6666, session.cmd_sn.wrapping_sub(1))? != 1 {
                return Err(Error::Odd("a task that does not exist".to_owned()));
            }
            if !session.asyncs.is_empty() || !session.rejects.is_empty() {
                return Err(Error::Odd(format!("{:?} {:?}", session.asyncs, session.rejects)));
            }
            self.writer = None;
            self.begin_write_with(session)?;
        }
        self.hosts.go_on().map_err(|why| Error::Odd(format!("NVMe: {why}")))
    }

    fn begin_write(&mut self) {
        let login = self.ground.login("guarded", 2);
        let mut session = login.connect(self.ground.portal).expect("a login with CHAP");
        session.patience = ground::PATIENCE;
        session.clear_attentions(0).expect("TEST UNIT READY");
        self.begin_write_with(session).expect("an R2T");
    }

    fn begin_write_with(&mut self, mut session: Session) -> Result<(), mainstay_testkit::initiator::Error> {
        session.answer_r2t = false;
        let lba = self.ground.plot(2, 512);
        let mut command = Command::new(0, &cdb::write16(lba, 16)).writes(&bytes(8192, self.rounds + 1000));
        (command.immediate_data, command.unsolicited) = (Some(0), Some(0));
        let tag = session.start(&command)?;
        let deadline = Instant::now() + session.patience;
        while session.r2ts.is_empty() {
            session.step(deadline)?;
        }
        self.writer = Some((session, tag, command));
        Ok(())
    }

    /// What was written last and acknowledged, at the start of the plot of session 1 of volume `file`.
    pub fn expected(&self) -> Option<&[u8]> {
        self.expected.as_deref()
    }

    /// The session that reads and writes.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}
