//! The daemon that is swapped: every kind of volume, targets with and without CHAP, and room for each session alone.

use mainstay_testkit::daemon::{Builder, Daemon, free_port};
use mainstay_testkit::initiator::{Chap, Login};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Bytes of the volumes that everybody uses, and of the part that is one session's alone.
pub const VOLUME: u64 = 1 << 30;
/// See [`VOLUME`].
pub const PLOT: u64 = 4 << 20;
/// Sessions that have a plot of their own.
pub const PLOTS: u16 = (VOLUME / PLOT) as u16;

/// The first session that has its plot only for a while.
pub const SCENES: u16 = 150;

/// What the initiator must prove, and the target in turn; nobody's secrets.
pub const SECRETS: [(&str, &str); 2] = [("alice", "correct horse ba"), ("the-target", "another secret 7")];

/// LUNs of the target `open`.
pub const LUNS: [(u8, u32); 4] = [(0, 512), (1, 512), (2, 4096), (3, 512)];
/// LUNs of the target `odd`, whose state is changed.
#[allow(missing_docs)]
pub mod odd {
    pub const RESERVED: u8 = 0;
    pub const REMOVABLE: u8 = 1;
    pub const MODES: u8 = 2;
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where to log in.
    pub portal: SocketAddr,
    /// After how much silence the daemon pings.
    pub ping: Duration,
    prefix: String,
}

/// The configuration, listening on `port`; `limits` goes into that table.
pub fn configuration(port: u16, limits: &str) -> String {
    let [(alice, hers), (target, its)] = SECRETS;
    let many: String = (0..12)
        .map(|n| format!("[[target]]\nname = \"many{n}\"\nlun = [{{ number = 0, volume = \"modes\" }}]\n"))
        .collect();
    let ping = if limits.contains("ping_interval") { "" } else { "ping_interval = 8" };
    format!(
        r#"
[[portal]]
bind = "127.0.0.1:{port}"
[limits]
{ping}
ping_timeout = "5 min"
login_timeout = "10 min"
{limits}
[[volume]]
name = "memory"
memory = {VOLUME}
[[volume]]
name = "file"
file = "file.img"
create = {VOLUME}
[[volume]]
name = "large"
memory = {VOLUME}
block_size = 4096
[[volume]]
name = "through"
file = "through.img"
create = {VOLUME}
write_cache = false
[[volume]]
name = "reserved"
memory = "16 MiB"
[[volume]]
name = "removable"
memory = "16 MiB"
removable = true
[[volume]]
name = "modes"
memory = "16 MiB"
[[target]]
name = "open"
lun = [
  {{ number = 0, volume = "memory" }},
  {{ number = 1, volume = "file" }},
  {{ number = 2, volume = "large" }},
  {{ number = 3, volume = "through" }},
]
[[target]]
name = "odd"
lun = [
  {{ number = 0, volume = "reserved" }},
  {{ number = 1, volume = "removable" }},
  {{ number = 2, volume = "modes" }},
]
[[target]]
name = "guarded"
lun = [{{ number = 0, volume = "memory" }}]
chap = {{ user = "{alice}", secret = "{hers}", mutual = {{ user = "{target}", secret = "{its}" }} }}
{many}
"#
    )
}

/// A daemon of `program` with all that.
pub fn builder(program: &Path, limits: &str) -> Builder {
    Daemon::builder().program(program).config(&configuration(free_port(), limits))
}

/// Which plot session `number` has. Those from [`SCENES`] on share, in turn, what is left.
pub fn plot(number: u16) -> u16 {
    if number < SCENES { number } else { SCENES + (number - SCENES) % (PLOTS - SCENES) }
}

impl Ground {
    /// That of a running daemon.
    pub fn of(daemon: &Daemon) -> Ground {
        let first = daemon.volume();
        let prefix = first.target.rsplit_once(':').expect("a target's name ends in ours").0.to_owned();
        Ground { portal: first.portal, ping: Duration::from_secs(8), prefix }
    }

    /// The full name of a target.
    pub fn target(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// How session `number` logs in to `target`.
    pub fn login(&self, target: &str, number: u16) -> Login {
        let name = format!("iqn.2026-11.internal.mainstay.test:swap-{number}");
        let login = Login::new(&name, &self.target(target)).session(number).key("MaxOutstandingR2T", "4");
        match target {
            "guarded" => login.chap(chap()),
            _ => login,
        }
    }

    /// The first block of a session's own part.
    pub fn plot(&self, number: u16, block: u32) -> u64 {
        u64::from(plot(number)) * PLOT / u64::from(block)
    }
}

/// What `alice` knows.
pub fn chap() -> Chap {
    let [(alice, hers), (target, its)] = SECRETS;
    Chap::new(alice, hers).mutual(target, its)
}

/// What a step of a scripted initiator may take, pauses included.
pub const PATIENCE: Duration = Duration::from_secs(20);
