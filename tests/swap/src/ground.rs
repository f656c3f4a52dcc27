//! The daemon that is swapped: every kind of volume, targets and subsystems with and without authentication, and room for each
//! session alone.

use mainstay_testkit::daemon::{Builder, Daemon, free_port};
use mainstay_testkit::host::Host;
use mainstay_testkit::initiator::{Chap, Login};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of the volumes that everybody uses, and of the part that is one session's alone.
pub const VOLUME: u64 = 1 << 30;
/// See [`VOLUME`].
pub const PLOT: u64 = 4 << 20;
/// Sessions that have a plot of their own.
pub const PLOTS: u16 = (VOLUME / PLOT) as u16;

/// The first host of NVMe/TCP that has its plot for long.
pub const HOSTS: u16 = 40;
/// The first session that has its plot only for a while.
pub const SCENES: u16 = 150;

/// What the initiator must prove, and the target in turn; nobody's secrets.
pub const SECRETS: [(&str, &str); 2] = [("alice", "correct horse ba"), ("the-target", "another secret 7")];

/// What hosts of the subsystem `guarded` must prove, and the controller in turn; nobody's keys.
pub const KEYS: [&str; 2] = [
    "DHHC-1:00:WVhbWl1cX15RUFNSVVRXVklIS0pNTE9OQUBDQkVER0anpFmU:",
    "DHHC-1:00:JyYlJCMiISAvLi0sKyopKDc2NTQzMjEwPz49PDs6OTiFd3RM:",
];

/// LUNs of the target `open`; namespaces of the subsystem `open` have the numbers that follow on them.
pub const LUNS: [(u8, u32); 4] = [(0, 512), (1, 512), (2, 4096), (3, 512)];
/// LUNs of the target `odd`, whose state is changed.
#[allow(missing_docs)]
pub mod odd {
    pub const RESERVED: u8 = 0;
    pub const REMOVABLE: u8 = 1;
    pub const MODES: u8 = 2;
}

/// Namespaces of the subsystem `odd`, whose state is changed.
#[allow(missing_docs)]
pub mod strange {
    pub const MARKED: u32 = 1;
    pub const PROTECTED: u32 = 2;
    pub const FAR: u32 = 3;
    /// The ANA group of [`FAR`] alone.
    pub const GROUP: u16 = 5;
}

/// What the portal of NVMe/TCP is called.
pub const WAY: &str = "way";
/// The name of the discovery service beside the well-known one.
pub const DISCOVERY: &str = "nqn.2026-11.internal.mainstay.test:discovery";

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where to log in.
    pub portal: SocketAddr,
    /// Where hosts connect.
    pub nvme: SocketAddr,
    /// Where the daemon takes orders.
    pub control: PathBuf,
    /// After how much silence the daemon pings.
    pub ping: Duration,
    prefix: String,
}

/// The configuration, listening on `port`; `limits` goes into that table.
pub fn configuration([port, nvme]: [u16; 2], limits: &str) -> String {
    let [(alice, hers), (target, its)] = SECRETS;
    let many: String = (0..12)
        .map(|n| format!("[[target]]\nname = \"many{n}\"\nlun = [{{ number = 0, volume = \"modes\" }}]\n"))
        .collect();
    let [host_key, controller_key] = KEYS;
    let ping = if limits.contains("ping_interval") { "" } else { "ping_interval = 8" };
    format!(
        r#"
[[portal]]
bind = "127.0.0.1:{port}"
[[nvme.portal]]
bind = "127.0.0.1:{nvme}"
name = "{WAY}"
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
[[volume]]
name = "marked"
memory = "16 MiB"
[[volume]]
name = "protected"
memory = "16 MiB"
[[volume]]
name = "far"
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
[nvme.discovery]
name = "{DISCOVERY}"
[[nvme.subsystem]]
name = "open"
namespace = [
  {{ nsid = 1, volume = "memory" }},
  {{ nsid = 2, volume = "file" }},
  {{ nsid = 3, volume = "large" }},
  {{ nsid = 4, volume = "through" }},
]
[[nvme.subsystem]]
name = "odd"
namespace = [
  {{ nsid = 1, volume = "marked" }},
  {{ nsid = 2, volume = "protected" }},
  {{ nsid = 3, volume = "far", group = 5 }},
]
[[nvme.subsystem]]
name = "kept"
static_controllers = 4
namespace = [{{ nsid = 1, volume = "memory" }}]
[[nvme.subsystem]]
name = "guarded"
namespace = [{{ nsid = 1, volume = "memory" }}]
dhchap = {{ key = "{host_key}", controller_key = "{controller_key}" }}
"#
    )
}

/// A daemon of `program` with all that.
pub fn builder(program: &Path, limits: &str) -> Builder {
    Daemon::builder().program(program).config(&configuration([free_port(), free_port()], limits))
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
        let (nvme, control) = (daemon.namespace().portal, daemon.control().to_owned());
        Ground { portal: first.portal, nvme, control, ping: Duration::from_secs(8), prefix }
    }

    /// The full name of a target.
    pub fn target(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// The full name of a subsystem.
    pub fn subsystem(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix.replacen("iqn", "nqn", 1))
    }

    /// How host `number` comes to `subsystem`.
    pub fn host(&self, subsystem: &str, number: u16) -> Host {
        let host = Host::new(&self.subsystem(subsystem));
        let host = host.named(&format!("nqn.2026-11.internal.mainstay.test:swap-{number}"));
        match subsystem {
            "guarded" => host.keys(KEYS[0], Some(KEYS[1])),
            _ => host,
        }
    }

    /// Has the daemon set the way to a group of volumes.
    pub fn set_path(&self, group: u16, state: &str) -> std::io::Result<String> {
        use std::io::{BufRead as _, Write as _};
        let mut stream = std::os::unix::net::UnixStream::connect(&self.control)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let params = serde_json::json!({ "portal": WAY, "group": group, "state": state });
        let call = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "path", "params": params });
        stream.write_all(format!("{call}\n").as_bytes())?;
        let mut answer = String::new();
        std::io::BufReader::new(stream).read_line(&mut answer)?;
        if answer.contains("\"result\"") { Ok(answer) } else { Err(std::io::Error::other(answer)) }
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
