//! `mainstay serve`: the options, and what it tells its terminal.

use super::attach::{ready_json, serve_banner};
use super::events::{event_json, event_line};
use super::failure::{Failure, say};
use super::paint::Paint;
use super::{log, size};
use crate::config::{Config, Given, Level, Listen, Problem, Remark, ServeOptions, Told, Voice};
use crate::control::console::Console;
use crate::control::words::{Event, Served};
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The ports of iSCSI (RFC 7143 §15) and of NVMe/TCP.
const PORT: u16 = 3260;
const NVME_PORT: u16 = 4420;

/// Serve volumes, in the foreground
///
/// Each PATH becomes a disk of its own: an image file or a block device. A file that does not exist is made, sparse, with
/// --size bytes. Without any PATH one disk in memory is served. When everything is ready the commands that attach the
/// disks are printed, then a line for each login, logout and error. Ctrl-C finishes what is under way and stops.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mainstay serve disk.img
      One file, made with 1 GiB unless it exists.
  mainstay serve --size 20G a.img b.img
      Two disks.
  mainstay serve
      A disk in memory, to try things out.
  mainstay serve --iscsi 0.0.0.0:3260 disk.img
      Let other machines in: everyone who reaches the port.
  mainstay serve --config /etc/mainstay.toml
      Names, access lists, CHAP: see `mainstay config reference`.")]
pub struct Serve {
    /// Image files or block devices
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Serve what this file says
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "size", "iscsi", "nvme", "name_prefix", "block_size", "read_only"])]
    pub config: Option<PathBuf>,
    /// Size of files that are made and of the disk in memory: 512M, 20G, 1.5T [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub size: Option<u64>,
    /// Address to listen on, again for more [default: 127.0.0.1:3260, this machine only]
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = address)]
    pub iscsi: Vec<SocketAddr>,
    /// Address to serve NVMe/TCP on, again for more; or `none` [default: 127.0.0.1:4420, and discovery on 127.0.0.1:8009]
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = listen)]
    pub nvme: Vec<Listen>,
    /// Beginning of the target names; a colon and the file's name follow [default: iqn.2026-11.internal.mainstay]
    #[arg(long, value_name = "IQN")]
    pub name_prefix: Option<String>,
    /// Bytes of a logical block [default: 512]
    #[arg(long, value_name = "BYTES", value_parser = ["512", "4096"])]
    pub block_size: Option<String>,
    /// Refuse writes
    #[arg(long)]
    pub read_only: bool,
    /// Directory that remembers who each volume is
    ///
    /// Default: MAINSTAY_STATE_DIR, else STATE_DIRECTORY (systemd), else /var/lib/mainstay as root, else mainstay in
    /// XDG_STATE_HOME or ~/.local/state.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Control socket to make
    ///
    /// Default: MAINSTAY_CONTROL, else /run/mainstay/control.sock as root, else mainstay/control.sock in
    /// XDG_RUNTIME_DIR (without that: /tmp/mainstay-UID/control.sock).
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
    /// Print JSON: one object when ready, then one per event, each on a line
    #[arg(long)]
    pub json: bool,
    /// Print neither the commands nor the events
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
    /// Where the log goes [default: what the configuration file says, else human]
    #[arg(long, value_enum, value_name = "FORM")]
    pub log: Option<log::Form>,
    /// Log more; twice: much more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// `text` as an address to listen on, with the port of iSCSI unless it names one.
fn address(text: &str) -> Result<SocketAddr, String> {
    address_or(text, PORT)
}

/// The same for NVMe/TCP, which can be left out.
fn listen(text: &str) -> Result<Listen, String> {
    if text == "none" {
        return Ok(Listen::None);
    }
    address_or(text, NVME_PORT).map(Listen::At)
}

fn address_or(text: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok();
    let without = || bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
    with_port().or_else(without).ok_or_else(|| {
        format!("write an address and a port, like 127.0.0.1:{port}, 0.0.0.0:{port} (all of IPv4) or [::]:{port} (all of IPv6)")
    })
}

impl Serve {
    /// What to serve, from the file or from the options; problems and warnings are told on standard error.
    pub fn configuration(&self) -> Result<Config, Failure> {
        let colours = Paint::for_stderr().0;
        let tell = |remarks: &[Remark], level| {
            for remark in remarks {
                // With standard error gone there is no one left to tell.
                let _ = writeln!(std::io::stderr(), "{}", remark.show(level, colours).trim_end());
            }
        };
        let problems = |problems: Vec<Problem>| {
            tell(&problems, Level::Problem);
            Failure::Told
        };
        let mut config = match &self.config {
            Some(file) => {
                let (config, warnings) = Config::load(file).map_err(problems)?;
                tell(&warnings, Level::Warning);
                config
            }
            None => Config::from_paths(&self.paths, &self.options()).map_err(problems)?,
        };
        config.given = Given { state_dir: self.state_dir.is_some(), control: self.control.is_some() };
        config.state_dir = self.state_dir.clone().or(config.state_dir);
        config.control = self.control.clone().or(config.control);
        Ok(config)
    }

    fn options(&self) -> ServeOptions {
        ServeOptions {
            size: self.size,
            block_bytes: self.block_size.as_deref().and_then(|bytes| bytes.parse().ok()),
            read_only: self.read_only,
            iscsi: self.iscsi.clone(),
            nvme: self.nvme.clone(),
            name_prefix: self.name_prefix.clone(),
            state_dir: self.state_dir.clone(),
            control: self.control.clone(),
        }
    }

    /// How the daemon is to speak.
    pub fn voice(&self) -> Voice {
        let told = match (self.quiet, self.json) {
            (true, _) => Told::Nothing,
            (false, true) => Told::Json,
            (false, false) => Told::People,
        };
        Voice { told, log: self.log.map(log::Form::into), verbose: self.verbose }
    }
}

/// Who tells the terminal.
pub fn console(voice: Voice) -> Box<dyn Console> {
    match voice.told {
        Told::Nothing => Box::new(Silent),
        Told::Json => Box::new(Lines(Patience::default())),
        Told::People => Box::new(People(Paint::for_stdout(), Patience::default())),
    }
}

struct Silent;
struct Lines(Patience);
struct People(Paint, Patience);

/// The daemon does not wait for who reads its standard output: what does not go out at once is dropped.
#[derive(Default)]
struct Patience {
    dropping: bool,
}

impl Patience {
    fn tell(&mut self, text: &str) {
        let stdout = std::io::stdout();
        let mut ready = [PollFd::new(&stdout, PollFlags::OUT)];
        // A pipe that is ready takes a line whole (POSIX.1-2017 write(): PIPE_BUF); a pipe without a reader is ready.
        let waits = matches!(poll(&mut ready, Some(&Timespec::default())), Ok(0));
        if waits && !self.dropping {
            tracing::warn!("nobody reads standard output: events are not told there for now");
        }
        self.dropping = waits;
        if !waits {
            tell(text);
        }
    }
}

/// That nobody reads our standard output any more is no reason to stop serving.
fn tell(text: &str) {
    let _ = say(text);
}

impl Console for Silent {
    fn ready(&mut self, _: &Served) {}
    fn event(&mut self, _: &Event) {}
}

impl Console for Lines {
    fn ready(&mut self, served: &Served) {
        tell(&(ready_json(served) + "\n"));
    }
    fn event(&mut self, event: &Event) {
        self.0.tell(&(event_json(event) + "\n"));
    }
}

impl Console for People {
    fn ready(&mut self, served: &Served) {
        tell(&serve_banner(served, self.0));
    }
    fn event(&mut self, event: &Event) {
        self.1.tell(&(event_line(event, self.0) + "\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_out_the_port() {
        let read = |text| address(text).map(|address| address.to_string());
        assert_eq!(read("0.0.0.0").unwrap(), "0.0.0.0:3260");
        assert_eq!(read("10.0.0.1:99").unwrap(), "10.0.0.1:99");
        assert_eq!(read("::1").unwrap(), "[::1]:3260");
        assert_eq!(read("[::1]").unwrap(), "[::1]:3260");
        assert_eq!(read("[::]:7").unwrap(), "[::]:7");
        for text in ["", "localhost", ":3260", "1.2.3", "1.2.3.4:", "1.2.3.4:70000"] {
            assert!(address(text).unwrap_err().contains("0.0.0.0:3260"), "{text}");
        }
    }
}
