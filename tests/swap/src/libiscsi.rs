//! Sessions of libiscsi, by a small program in C that is compiled when it is needed.

use super::ground::{Ground, PLOT};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program, running.
#[derive(Debug)]
pub struct Sessions {
    child: Child,
    out: BufReader<ChildStdout>,
}

/// Compiles it into `folder`; an error says what is missing on this machine.
pub fn compile(folder: &Path) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("libiscsi/load.c");
    let program = folder.join("libiscsi-load");
    let output =
        Command::new("cc").args(["-O1", "-g", "-Wall", "-o"]).arg(&program).arg(source).arg("-liscsi").output();
    let hint = "on Debian or Ubuntu, sudo apt-get install gcc libiscsi-dev";
    match output {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => {
            Err(format!("libiscsi's headers or library: {hint} ({:.200})", String::from_utf8_lossy(&output.stderr)))
        }
        Err(error) => Err(format!("cc ({error}): {hint}")),
    }
}

impl Sessions {
    /// `count` sessions with LUN `lun` of the target `open`, in the plots from `first` on; all have logged in.
    pub fn start(
        program: &Path,
        ground: &Ground,
        (lun, block): (u8, u32),
        first: u16,
        count: u16,
    ) -> Result<Sessions, String> {
        let mut command = Command::new(program);
        command.args([ground.portal.to_string(), ground.target("open")]);
        command.args([u64::from(lun), u64::from(block), first.into(), count.into(), PLOT].map(|n| n.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        out.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.trim() == "ready" { Ok(Sessions { child, out }) } else { Err(line) }
    }

    /// Whether it has ended by itself, which it does only with an error.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Everything is read again, then they log out; gives what was done.
    pub fn stop(mut self) -> Result<String, String> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        let _ = self.out.read_to_string(&mut said);
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(said.trim().to_owned()) } else { Err(format!("{status}: {said}")) }
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
