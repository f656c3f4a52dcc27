//! A running `mainstay` of this build, with everything of its own: ports, state directory, control socket.
//!
//! The program is built once per test process, unless `MAINSTAY_BIN` names one. It is killed when the fixture goes, and
//! what it wrote is there for the message of a failed test.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::host::{Controller, Host};
use crate::initiator::{self, Login, Session};

/// The initiator name that scripts use when none matters.
pub const INITIATOR: &str = "iqn.2026-11.internal.mainstay.test:initiator";

/// Where `mainstay` is, built if need be.
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(find_program).clone()
}

fn find_program() -> PathBuf {
    if let Some(path) = std::env::var_os("MAINSTAY_BIN") {
        return PathBuf::from(path);
    }
    // This program is build/<profile>/deps/<name> or build/<profile>/<name>.
    let own = std::env::current_exe().expect("a program knows its path");
    let folder = own.parent().expect("it lies in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().expect("deps lies in the profile's") } else { folder };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "mainstay", "--bin", "mainstay"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    // Cargo reads its settings from where it runs, so it runs at the top of the repository.
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    match cargo.status() {
        Ok(status) => assert!(status.success(), "mainstay does not build"),
        // Without Cargo, what was built before has to do.
        Err(error) => assert!(folder.join("mainstay").exists(), "cargo: {error}"),
    }
    folder.join("mainstay")
}

/// A loopback port that was free a moment ago, for tests that need the same one twice.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A volume as the ready line told it.
#[derive(Clone, Debug)]
pub struct Served {
    /// Name of the volume.
    pub name: String,
    /// Where to log in.
    pub portal: SocketAddr,
    /// Target name.
    pub target: String,
    /// Logical unit number.
    pub lun: u8,
    /// Bytes.
    pub size: u64,
    /// Bytes of a logical block.
    pub block_bytes: u32,
}

/// A namespace as the ready line told it.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Where to connect.
    pub portal: SocketAddr,
    /// The subsystem's name.
    pub subsystem: String,
    /// Its number.
    pub nsid: u32,
    /// The volume it shows.
    pub volume: String,
}

/// How to start a daemon.
#[derive(Debug, Default)]
pub struct Builder {
    args: Vec<String>,
    config: Option<String>,
    folder: Option<Arc<TempDir>>,
    iscsi: Option<String>,
    state: Option<PathBuf>,
    wrapper: Vec<String>,
    stdin: Option<OwnedFd>,
    program: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Builder {
    /// One more argument of `mainstay serve`.
    pub fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Builder {
        self.args.push(arg.as_ref().to_str().expect("arguments of tests are UTF-8").to_owned());
        self
    }

    /// A configuration file with this text. The portals are the text's own affair.
    pub fn config(mut self, text: &str) -> Builder {
        self.config = Some(text.to_owned());
        self
    }

    /// In the folder of an earlier daemon: same state, same control socket.
    pub fn folder(mut self, folder: &Arc<TempDir>) -> Builder {
        self.folder = Some(folder.clone());
        self
    }

    /// Listens here instead of on a free loopback port.
    pub fn iscsi(mut self, address: &str) -> Builder {
        self.iscsi = Some(address.to_owned());
        self
    }

    /// Another state directory than the folder's `state`.
    pub fn state(mut self, path: &Path) -> Builder {
        self.state = Some(path.to_owned());
        self
    }

    /// Runs it under another program, e.g. `prlimit`.
    pub fn wrapper(mut self, words: &[&str]) -> Builder {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Another standard input than `/dev/null`.
    pub fn stdin(mut self, stdin: OwnedFd) -> Builder {
        self.stdin = Some(stdin);
        self
    }

    /// Another program than [`program`], also for what is asked of it later.
    pub fn program(mut self, path: &Path) -> Builder {
        self.program = Some(path.to_owned());
        self
    }

    /// One more variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it is ready; otherwise all it said, and how it ended.
    pub fn try_start(self) -> Result<Daemon, String> {
        let folder = self.folder.unwrap_or_else(|| Arc::new(TempDir::new().expect("a temporary folder")));
        let control = folder.path().join("control.sock");
        let mut words = self.wrapper;
        let program = self.program.unwrap_or_else(program);
        words.push(program.to_str().expect("the build folder's path is UTF-8").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("serve").arg("--json");
        command.arg("--state-dir").arg(self.state.unwrap_or_else(|| folder.path().join("state")));
        command.arg("--control").arg(&control);
        match (&self.config, self.iscsi) {
            (Some(text), None) => {
                let path = folder.path().join("mainstay.toml");
                std::fs::write(&path, text).expect("the temporary folder can be written");
                command.arg("--config").arg(path);
            }
            (None, iscsi) => {
                command.arg("--iscsi").arg(iscsi.unwrap_or_else(|| "127.0.0.1:0".to_owned()));
                command.arg("--nvme").arg("127.0.0.1:0");
            }
            (Some(_), Some(_)) => return Err("portals of a configured daemon stand in its text".to_owned()),
        }
        command.args(&self.args);
        command.envs(self.environment).stdin(self.stdin.map_or_else(Stdio::null, Stdio::from));
        command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
        let said: Lines = Lines::default();
        let log: Lines = Lines::default();
        let gather = |lines: &Lines, pipe: Option<Box<dyn io::Read + Send>>| {
            let (lines, pipe) = (lines.clone(), pipe.expect("it was asked to be a pipe"));
            thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    lines.lock().expect("nobody panics here").push(line);
                }
            })
        };
        gather(&said, child.stdout.take().map(|p| Box::new(p) as _));
        gather(&log, child.stderr.take().map(|p| Box::new(p) as _));
        let mut daemon = Daemon { child, program, folder, control, said, log, ready: Value::Null, status: None };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(first) = daemon.said().first() {
                daemon.ready = serde_json::from_str(first).map_err(|e| format!("{e} in {first:?}"))?;
                return Ok(daemon);
            }
            if let Some(status) = daemon.exited() {
                // Give the gatherers a moment for the last words.
                thread::sleep(Duration::from_millis(50));
                return Err(format!("{status}\n{}", daemon.words()));
            }
            if Instant::now() > deadline {
                return Err(format!("not ready in time\n{}", daemon.words()));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// As [`Builder::try_start`], for daemons that must start.
    pub fn start(self) -> Daemon {
        self.try_start().unwrap_or_else(|why| panic!("mainstay did not start: {why}"))
    }
}

type Lines = Arc<Mutex<Vec<String>>>;

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    program: PathBuf,
    folder: Arc<TempDir>,
    control: PathBuf,
    said: Lines,
    log: Lines,
    /// The first line of standard output.
    pub ready: Value,
    status: Option<ExitStatus>,
}

impl Daemon {
    /// How to start one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Serves one memory volume, 1 GiB.
    pub fn memory() -> Daemon {
        Daemon::builder().start()
    }

    /// Serves a file of `bytes` bytes in the fixture's folder, made by the daemon.
    pub fn file(bytes: u64) -> Daemon {
        Daemon::builder().arg("disk.img").arg("--size").arg(bytes.to_string()).start()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder; holds the state and whatever the test puts there.
    pub fn folder(&self) -> &Arc<TempDir> {
        &self.folder
    }

    /// Its control socket.
    pub fn control(&self) -> &Path {
        &self.control
    }

    /// The volumes of the ready line that initiators of iSCSI see.
    pub fn volumes(&self) -> Vec<Served> {
        let word = |volume: &Value, key: &str| volume[key].as_str().unwrap_or_default().to_owned();
        let number = |volume: &Value, key: &str| {
            volume[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {}", self.ready))
        };
        let list = self.ready["volumes"].as_array().unwrap_or_else(|| panic!("no volumes in {}", self.ready));
        list.iter()
            .filter(|volume| volume["portal"].is_string())
            .map(|volume| Served {
                name: word(volume, "name"),
                portal: word(volume, "portal").parse().unwrap_or_else(|_| panic!("no portal in {}", self.ready)),
                target: word(volume, "target"),
                lun: u8::try_from(number(volume, "lun")).expect("a small LUN"),
                size: number(volume, "size"),
                block_bytes: u32::try_from(number(volume, "block_size")).expect("a small block"),
            })
            .collect()
    }

    /// The first volume.
    pub fn volume(&self) -> Served {
        self.volumes().into_iter().next().unwrap_or_else(|| panic!("no volume in {}", self.ready))
    }

    /// The namespaces of the ready line.
    pub fn namespaces(&self) -> Vec<Offered> {
        let mut all = Vec::new();
        for volume in self.ready["volumes"].as_array().into_iter().flatten() {
            for namespace in volume["nvme"].as_array().into_iter().flatten() {
                let word = |key: &str| namespace[key].as_str().unwrap_or_default().to_owned();
                let portal = format!("{}:{}", word("address"), namespace["port"]);
                all.push(Offered {
                    portal: portal.parse().unwrap_or_else(|_| panic!("{portal} in {}", self.ready)),
                    subsystem: word("subsystem"),
                    nsid: namespace["nsid"].as_u64().and_then(|nsid| nsid.try_into().ok()).expect("an NSID"),
                    volume: volume["name"].as_str().unwrap_or_default().to_owned(),
                });
            }
        }
        all
    }

    /// The first namespace.
    pub fn namespace(&self) -> Offered {
        self.namespaces().into_iter().next().unwrap_or_else(|| panic!("no namespace in {}", self.ready))
    }

    /// How a well-behaved host comes to the first namespace's subsystem.
    pub fn host(&self) -> Host {
        Host::new(&self.namespace().subsystem)
    }

    /// A controller that is ready, with one I/O queue.
    pub fn controller(&self) -> Controller {
        self.controller_of(&self.host())
    }

    /// As [`Daemon::controller`], of a host of another kind.
    pub fn controller_of(&self, host: &Host) -> Controller {
        host.connect(self.namespace().portal).unwrap_or_else(|why| panic!("{why}\n{}", self.words()))
    }

    /// How a well-behaved initiator logs in to the first volume's target.
    pub fn login(&self) -> Login {
        Login::new(INITIATOR, &self.volume().target)
    }

    /// Logged in with `login`, unit attentions of the first volume taken away.
    pub fn session_of(&self, login: &Login) -> initiator::Result<Session> {
        let volume = self.volume();
        let mut session = login.connect(volume.portal)?;
        session.clear_attentions(volume.lun)?;
        Ok(session)
    }

    /// A well-behaved session.
    pub fn session(&self) -> Session {
        self.session_of(&self.login()).unwrap_or_else(|why| panic!("{why}\n{}", self.words()))
    }

    /// `mainstay VERB …` against this daemon.
    pub fn ctl(&self, words: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--control").arg(&self.control).stdin(Stdio::null());
        command.output().expect("mainstay can be run")
    }

    /// As [`Daemon::ctl`], for words that must succeed; their standard output.
    pub fn ctl_ok(&self, words: &[&str]) -> String {
        let output = self.ctl(words);
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.words());
        String::from_utf8(output.stdout).expect("our output is UTF-8")
    }

    /// `mainstay status --json`.
    pub fn status(&self) -> Value {
        let text = self.ctl_ok(&["status", "--json"]);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text:?}"))
    }

    /// Waits until the status satisfies `test`.
    pub fn wait_status(&self, what: &str, patience: Duration, test: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + patience;
        loop {
            let status = self.status();
            if test(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "not in time: {what}; {status:#}\n{}", self.words());
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Lines of standard output so far: the ready line, then events.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("nobody panics here").clone()
    }

    /// Lines of standard error so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics here").clone()
    }

    /// Waits for a line, on either output, that has all of `words`.
    pub fn wait_line(&self, words: &[&str], patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        loop {
            let lines = self.said().into_iter().chain(self.log());
            if let Some(line) = { lines }.find(|line| words.iter().all(|word| line.contains(word))) {
                return line;
            }
            assert!(Instant::now() < deadline, "no line with {words:?}\n{}", self.words());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// All it has said, for messages.
    pub fn words(&self) -> String {
        let mut out = String::new();
        for (name, lines) in [("stdout", self.said()), ("stderr", self.log())] {
            let skipped = lines.len().saturating_sub(60);
            let _ = writeln!(out, "--- {name}, {skipped} lines before");
            for line in &lines[skipped..] {
                let _ = writeln!(out, "{line}");
            }
        }
        out
    }

    /// Its exit status, if it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("our own child can be waited for");
        }
        self.status
    }

    /// Fails the test when the daemon is gone.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.exited() {
            panic!("the daemon ended: {status}\n{}", self.words());
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("our own child can be signalled");
    }

    /// Waits for the end.
    pub fn wait_exit(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.exited() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {patience:?}\n{}", self.words());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_exit(Duration::from_secs(15))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.exited().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
