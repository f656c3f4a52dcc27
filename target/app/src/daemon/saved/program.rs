//! The daemon itself: counters, places, limits, how it speaks, and the addresses it has.

use super::handed::{self, Handed, Role};
use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::config::{Config, Voice, VoiceV1};
use crate::daemon::descriptors::Room;
use crate::daemon::site;
use crate::daemon::world::{Places, Socket, World};
use mainstay_base::snapshot::Section;
use mainstay_base::time::Instant;
use mainstay_edge::clock;
use mainstay_proto::iscsi::Site;
use mainstay_proto::nexus::Export;
use mainstay_proto::nvme;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

pub(super) const KIND: &str = "daemon";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct DaemonV1 {
    /// Instants mean nothing after another boot.
    #[prost(string, tag = "1")]
    boot: String,
    #[prost(uint64, tag = "2")]
    started_ms: u64,
    #[prost(uint64, tag = "3")]
    nexus_next: u64,
    #[prost(uint64, tag = "4")]
    control_next: u64,
    #[prost(bytes = "vec", tag = "5")]
    state_dir: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    control: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "7")]
    config: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "8")]
    program: Vec<u8>,
    #[prost(uint64, tag = "9")]
    sessions_max: u64,
    #[prost(uint64, tag = "15")]
    queues_max: u64,
    /// Where each portal listens, with the port that the system chose.
    #[prost(string, repeated, tag = "10")]
    portals: Vec<String>,
    /// When it was last told that connections made room for others.
    #[prost(uint64, optional, tag = "11")]
    crowded: Option<u64>,
    #[prost(message, optional, tag = "12")]
    voice: Option<VoiceV1>,
    /// It was told that we are ready.
    #[prost(bool, tag = "13")]
    announced: bool,
    /// The same of the portals of NVMe; empty: somebody else is there, and it gave way.
    #[prost(string, repeated, tag = "14")]
    nvme_portals: Vec<String>,
    /// What the next version says of itself.
    #[cfg(feature = "next")]
    #[prost(string, tag = "100")]
    motto: String,
}

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let places = &world.places;
    let saved = DaemonV1 {
        boot: clock::boot(),
        started_ms: world.started_ms,
        nexus_next: world.nexus_next,
        control_next: world.control_next,
        state_dir: bytes(&places.state_dir),
        control: bytes(&places.control),
        config: places.config.as_deref().map(bytes),
        program: bytes(&places.program),
        sessions_max: world.sessions.room.sessions as u64,
        queues_max: world.sessions.room.queues as u64,
        portals: world.site.portals.iter().map(|portal| portal.bind.to_string()).collect(),
        nvme_portals: nvme_portals(world),
        crowded: world.crowded.map(|at| at.0),
        voice: Some(world.voice.save()),
        announced: world.announced,
        #[cfg(feature = "next")]
        motto: super::next::motto(),
    };
    match forms.version(KIND) {
        version @ 1 => Ok(Some(put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "the daemon")),
    }
}

fn nvme_portals(world: &World) -> Vec<String> {
    let first = world.site.portals.len();
    let portals = world.nvme.site.portals.iter().zip(first..);
    portals.map(|(portal, at)| if world.listens(at) { portal.bind.to_string() } else { String::new() }).collect()
}

pub(super) struct Program {
    pub places: Places,
    pub room: Room,
    pub voice: Voice,
    saved: DaemonV1,
}

pub(super) fn restore(sections: &Sections<'_>) -> Result<Program, Unreadable> {
    let saved: DaemonV1 = get(KIND, sections.one(KIND)?)?;
    let boot = clock::boot();
    if saved.boot != boot {
        let why = format!("it was saved in another life of this machine ({:?}, this is {boot:?})", saved.boot);
        return Err(Unreadable::section(KIND, why));
    }
    let places = Places {
        state_dir: path(&saved.state_dir),
        control: path(&saved.control),
        config: saved.config.as_deref().map(path),
        program: path(&saved.program),
    };
    let number = |number: u64, what| need(KIND, usize::try_from(number).ok(), what);
    let sessions = number(saved.sessions_max, "the number of sessions")?;
    let room = Room { sessions, queues: number(saved.queues_max, "the number of queues")? };
    let voice = need(KIND, saved.voice.as_ref().and_then(Voice::restore), "how it speaks")?;
    Ok(Program { places, room, voice, saved })
}

impl Program {
    /// What is served, as `config` says, at the addresses there were.
    pub fn site(&self, config: &Config) -> Result<(Site, Vec<Export>, nvme::Site), Unreadable> {
        let (mut site, exports) = site::site(config);
        let mut nvme = config.nvme.clone();
        if self.saved.portals.len() != site.portals.len() || self.saved.nvme_portals.len() != nvme.portals.len() {
            return Err(Unreadable::section(KIND, "it has not the portals of its configuration"));
        }
        for (portal, bind) in site.portals.iter_mut().zip(&self.saved.portals) {
            portal.bind = need(KIND, bind.parse().ok(), "the address of a portal")?;
        }
        for (at, bind) in self.saved.nvme_portals.iter().enumerate() {
            match bind.is_empty() {
                true => nvme.without_portal(at),
                false => nvme.portals[at].bind = need(KIND, bind.parse().ok(), "the address of a portal")?,
            }
        }
        Ok((site, exports, nvme))
    }

    /// Those of its portals; lost where one gave way.
    pub fn listeners(&self, from: &mut dyn Handed) -> Result<Vec<Socket<TcpListener>>, Unreadable> {
        let all = self.saved.portals.iter().chain(&self.saved.nvme_portals).zip(0..);
        let one = |(bind, index): (&String, u64)| match bind.is_empty() {
            true => Ok(Socket::Lost),
            false => handed::parked(&Role::Listener(index), from),
        };
        all.map(one).collect()
    }

    pub fn apply(self, world: &mut World) {
        world.started_ms = self.saved.started_ms;
        world.nexus_next = self.saved.nexus_next;
        world.control_next = self.saved.control_next;
        world.announced = self.saved.announced;
        #[cfg(feature = "next")]
        super::next::remember_motto(&self.saved.motto);
        world.crowded = self.saved.crowded.map(Instant);
    }
}

pub(super) fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

pub(super) fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: DaemonV1 = get(KIND, section)?;
    let place = |bytes: &[u8]| path(bytes).display().to_string();
    Ok(format!(
        "started at {} ms since 1970 as {}, boot {}\nstate directory {}, control socket {}\nlistens on {}\n\
         next connection {}, next control connection {}, sessions at most {}, queues {}",
        saved.started_ms,
        place(&saved.program),
        saved.boot,
        place(&saved.state_dir),
        place(&saved.control),
        [&saved.portals[..], &saved.nvme_portals].concat().join(", "),
        saved.nexus_next,
        saved.control_next,
        saved.sessions_max,
        saved.queues_max,
    ))
}
