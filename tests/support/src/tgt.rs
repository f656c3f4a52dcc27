//! A running `tgtd` of Debian's tgt: the other target on which a script can be tried, and the benchmark's yardstick.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::free_port;

/// tgt is installed here.
pub fn is_installed() -> bool {
    ["tgtd", "tgtadm"].iter().all(|name| Command::new(name).arg("--version").output().is_ok())
}

/// A daemon of its own, with its own management channel; killed when it goes.
#[derive(Debug)]
pub struct Tgt {
    child: Child,
    channel: String,
    /// Where it listens.
    pub portal: SocketAddr,
    targets: u32,
}

impl Tgt {
    /// Starts without targets. Needs root: the management channel lies in /run.
    pub fn start() -> Result<Tgt, String> {
        Tgt::start_at(SocketAddr::from(([127, 0, 0, 1], free_port())))
    }

    /// The same, at this portal.
    pub fn start_at(portal: SocketAddr) -> Result<Tgt, String> {
        // The channel's number only has to differ from that of other daemons, and to be below 32768.
        let channel = (portal.port() % 32000 + 1).to_string();
        let mut command = Command::new("tgtd");
        command.args(["-f", "-C", &channel, "--iscsi", &format!("portal={portal}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("tgtd: {e}"))?;
        let tgt = Tgt { child, channel, portal, targets: 0 };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match tgt.admin(&["--op", "show", "--mode", "target"]) {
                Ok(()) => return Ok(tgt),
                Err(why) if Instant::now() > deadline => return Err(why),
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn admin(&self, words: &[&str]) -> Result<(), String> {
        let output = Command::new("tgtadm")
            .args(["-C", &self.channel, "--lld", "iscsi"])
            .args(words)
            .output()
            .map_err(|e| format!("tgtadm: {e}"))?;
        if output.status.success() { Ok(()) } else { Err(format!("tgtadm {words:?}: {output:?}")) }
    }

    /// Another target, open to everyone, with `file` as LUN 1 (LUN 0 is tgt's controller). Gives its name.
    pub fn serve(&mut self, file: &Path) -> Result<String, String> {
        self.targets += 1;
        let tid = self.targets.to_string();
        let name = format!("iqn.2026-11.internal.mainstay.test:tgt{tid}");
        let file = file.to_str().ok_or("a path in UTF-8")?;
        self.admin(&["--op", "new", "--mode", "target", "--tid", &tid, "--targetname", &name])?;
        let unit = ["--op", "new", "--mode", "logicalunit", "--tid", &tid, "--lun", "1", "--backing-store", file];
        self.admin(&unit)?;
        self.admin(&["--op", "bind", "--mode", "target", "--tid", &tid, "--initiator-address", "ALL"])?;
        Ok(name)
    }

    /// Lets initiators of the last target have digests.
    pub fn digests(&self) -> Result<(), String> {
        let tid = self.targets.to_string();
        for key in ["HeaderDigest", "DataDigest"] {
            self.admin(&[
                "--op",
                "update",
                "--mode",
                "target",
                "--tid",
                &tid,
                "--name",
                key,
                "--value",
                "CRC32C,None",
            ])?;
        }
        Ok(())
    }

    /// Asks the last target for CHAP with this name and secret.
    pub fn chap(&self, name: &str, secret: &str) -> Result<(), String> {
        self.admin(&["--op", "new", "--mode", "account", "--user", name, "--password", secret])?;
        let tid = self.targets.to_string();
        self.admin(&["--op", "bind", "--mode", "account", "--tid", &tid, "--user", name])
    }
}

impl Drop for Tgt {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
