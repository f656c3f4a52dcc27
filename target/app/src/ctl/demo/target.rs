//! The target of a demo: a `mainstay serve` of this very program, with everything of its own in a private directory. It
//! ends, and the directory goes, when this does.

use super::super::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long it may take to begin, and to end.
const READY_WITHIN: Duration = Duration::from_secs(20);
const END_WITHIN: Duration = Duration::from_secs(5);

/// A target that runs.
#[derive(Debug)]
pub struct Target {
    child: Child,
    home: Home,
    /// Where to log in.
    pub portal: SocketAddr,
    /// Its iSCSI name.
    pub name: String,
    /// Where hosts of NVMe/TCP connect.
    pub nvme: SocketAddr,
    /// Its NVMe name.
    pub subsystem: String,
}

/// A directory that goes with everything in it.
#[derive(Debug)]
struct Home(PathBuf);

impl Target {
    /// Starts one with a volume in memory of so many bytes.
    pub fn start(bytes: u64) -> Result<Target, Failure> {
        let home = Home::new().map_err(|error| Failure::problem(format!("cannot make a directory: {error}")))?;
        let cannot = |error: io::Error| Failure::problem(format!("cannot start a target: {error}"));
        let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
        command.args(["serve", "--json", "--iscsi", "127.0.0.1:0", "--nvme", "127.0.0.1:0"]);
        command.args(["--size", &bytes.to_string()]);
        command.arg("--state-dir").arg(home.0.join("state")).arg("--control").arg(home.0.join("control"));
        // Whoever supervises us does not supervise it.
        for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        let log = std::fs::File::create(home.0.join("log")).map_err(cannot)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // In a process group of its own: Ctrl-C is for us, who then end it.
        let mut child = command.process_group(0).spawn().map_err(cannot)?;
        let stdout = child.stdout.take();
        let nowhere = SocketAddr::from(([0; 4], 0));
        let (name, subsystem) = (String::new(), String::new());
        let mut target = Target { child, home, portal: nowhere, name, nvme: nowhere, subsystem };
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = stdout.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok);
            // Only the first line is waited for; the others are read so that nobody stands in the way of who writes them.
            let _ = tell.send(lines.next());
            lines.for_each(drop);
        });
        let line = told.recv_timeout(READY_WITHIN).ok().flatten().unwrap_or_default();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let volume = &ready["volumes"][0];
        let place = |key: &str| volume[key].as_str().unwrap_or_default();
        let namespace = &volume["nvme"][0];
        let nvme = format!("{}:{}", namespace["address"].as_str().unwrap_or_default(), namespace["port"]);
        (target.portal, target.nvme) = match (place("portal").parse(), nvme.parse()) {
            (Ok(portal), Ok(nvme)) => (portal, nvme),
            _ => return Err(Failure::problem(format!("the target did not begin to serve\n{}", target.log()))),
        };
        target.name = place("target").to_owned();
        target.subsystem = namespace["subsystem"].as_str().unwrap_or_default().to_owned();
        Ok(target)
    }

    /// Its control socket.
    pub fn control(&self) -> PathBuf {
        self.home.0.join("control")
    }

    /// The end of what it has said on standard error.
    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.home.0.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let late = Instant::now() + END_WITHIN;
        while Instant::now() < late && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Home {
    fn new() -> io::Result<Home> {
        let name = format!("mainstay-demo-{}", uuid::Uuid::new_v4().simple());
        let path = Path::new(&std::env::temp_dir()).join(name);
        // Of a name that nobody can know before, and for nobody else.
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Home(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
