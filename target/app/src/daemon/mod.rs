//! The composition root: opens what is configured, introduces the rooms to each other, and runs until told to stop.

mod announcing;
mod associations;
mod control;
mod descriptors;
mod fault;
mod journal;
mod live;
mod lobby;
mod reactor;
mod report;
mod saved;
mod sessions;
mod signals;
mod site;
mod supervisor;
mod swap;
mod vigil;
mod world;

pub use saved::{rehearse, show};
pub use swap::VERSION;
pub use swap::adopt::{Speak, resume};

use crate::config::{Config, Voice};
use crate::control::console::Console;
use crate::control::place::{self, BindError};
use crate::control::words::{Served, ServedVolume};
use mainstay_base::arena::{Arena, SLACK};
use mainstay_base::unit::{Protection, VolumeId};
use mainstay_edge::memory::SharedRegion;
use mainstay_edge::portal;
use mainstay_edge::state::{StateDir, StateError};
use mainstay_edge::volume::{OpenError, Volume};
use mainstay_proto::iscsi::Site;
use mainstay_proto::nexus::Export;
use mainstay_proto::nvme;
use mainstay_proto::scsi::LogicalUnit;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use world::{BackingShown, Ground, Places, Socket, World};

/// Payload memory set aside for each connection, in bytes: with it short commands go on, whatever others hoard.
const OWN: usize = 8 * 1024;

type Opened = (Arc<Volume>, BackingShown);

/// What the configuration does not say.
pub struct Options {
    /// Where identities are remembered.
    pub state_dir: PathBuf,
    /// Where the control socket is made.
    pub control: PathBuf,
    /// Who is told what happens.
    pub console: Box<dyn Console>,
    /// How the console speaks.
    pub voice: Voice,
}

/// Why the daemon does not serve.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{0}")]
    Volume(#[from] OpenError),
    #[error(transparent)]
    Control(#[from] BindError),
    #[error("cannot listen on {addr}: {why}")]
    Listen { addr: SocketAddr, why: String },
    #[error("no memory for payload ({bytes} bytes): {source}")]
    Memory { bytes: usize, source: io::Error },
    #[error("the runtime: {0}")]
    Runtime(#[from] io::Error),
    #[error("a part of the daemon broke (see above), so it stopped; nothing that was acknowledged as durable is lost")]
    Broken,
    #[error("the last flush did not succeed, so what was not flushed before may be lost: volume {}", .0.join(", "))]
    Unflushed(Vec<String>),
}

/// Serve `config` until a signal says stop.
pub fn run(config: Config, options: Options) -> Result<(), Error> {
    let control_path = options.control.clone();
    let state = StateDir::open(&options.state_dir)?;
    let (mut site, exports) = site::site(&config);
    let mut nvme = config.nvme.clone();
    // Before any volume is opened: an address that is taken must not leave a file behind that was made for nothing.
    let listeners = listen(&mut site, &mut nvme)?;
    let control = place::bind(&options.control)?;
    let world = world(config, options, (site, exports, nvme), state, listeners, control.into());
    let ready = world.and_then(|mut world| Ok((live::awake(&mut world, live::runtime()?, Vec::new())?, world)));
    let (awake, world) = ready.inspect_err(|_| place::unbind(&control_path))?;
    live::live(world, awake)
}

fn world(
    config: Config,
    options: Options,
    (site, exports, nvme): (Site, Vec<Export>, nvme::Site),
    state: StateDir,
    listeners: Vec<Option<OwnedFd>>,
    control: OwnedFd,
) -> Result<World, Error> {
    let volumes = open_volumes(&config, &state)?;
    let memory = usize::try_from(config.limits.memory).unwrap_or(usize::MAX / SLACK);
    let region = SharedRegion::new("payload", memory.saturating_mul(SLACK))
        .map_err(|source| Error::Memory { bytes: memory, source: source.into() })?;
    let region = Arc::new(region);
    let room = descriptors::raise_for(&config);
    let accounts = room.sessions + room.queues + config.limits.logins_max;
    let places = Places {
        state_dir: state.path().to_owned(),
        control: options.control,
        config: config.file.clone(),
        program: program(),
    };
    Ok(World::new(Ground {
        site,
        exports,
        nvme,
        units: volumes.iter().enumerate().map(|(index, (volume, _))| unit(index, volume)).collect(),
        volumes,
        arena: Arena::new(region.clone(), memory).with_accounts(OWN, accounts),
        region,
        listeners: listeners.into_iter().map(|listener| listener.map_or(Socket::Lost, Socket::Parked)).collect(),
        control_listener: Socket::Parked(control),
        room,
        console: options.console,
        voice: options.voice,
        places,
        state,
        config,
    }))
}

/// The path we were started by, links and all: absolute, found as a shell finds it.
fn program() -> PathBuf {
    let named = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    let found = if named.components().count() > 1 {
        std::path::absolute(&named).ok()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(&named)).find(|path| path.is_file())
    };
    found.filter(|path| path.is_file()).or_else(|| std::env::current_exe().ok()).unwrap_or(named)
}

fn open_volumes(config: &Config, state: &StateDir) -> Result<Vec<Opened>, Error> {
    let open = |volume: &crate::config::Volume| {
        let shown = site::shown(volume);
        Ok((Arc::new(Volume::open(site::spec(volume), state)?), shown))
    };
    config.volumes.iter().map(open).collect()
}

/// Listen on every portal; a port of 0 becomes the one the system chose. None for one that gave way to somebody else.
fn listen(site: &mut Site, nvme: &mut nvme::Site) -> Result<Vec<Option<OwnedFd>>, Error> {
    let mut listeners = Vec::new();
    for portal in &mut site.portals {
        listeners.push(Some(listen_on(&mut portal.bind, "--iscsi")?));
    }
    for at in 0..nvme.portals.len() {
        listeners.push(match listen_on(&mut nvme.portals[at].bind, "--nvme") {
            Err(error) if nvme.portals[at].optional => {
                tracing::warn!("NVMe/TCP is not served there: {error}");
                nvme.without_portal(at);
                None
            }
            listener => Some(listener?),
        });
    }
    Ok(listeners)
}

fn listen_on(bind: &mut SocketAddr, option: &str) -> Result<OwnedFd, Error> {
    let addr = *bind;
    let failed = |error: io::Error| Error::Listen { addr, why: explain(addr, option, &error) };
    let listener = portal::listen(addr).map_err(failed)?;
    *bind = listener.local_addr().map_err(failed)?;
    Ok(listener.into())
}

fn unit(index: usize, volume: &Volume) -> LogicalUnit {
    let id = VolumeId(index as u32);
    let mut unit = LogicalUnit::new(id, volume.geometry(), volume.identity().clone(), volume.behaviour());
    if volume.is_protected() {
        unit.disk.protection = Protection::Protected;
    }
    unit
}

fn explain(addr: SocketAddr, option: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "something else listens there (`ss -ltnp 'sport = :{}'` says what); choose another address with {option}",
                addr.port()
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address (`ip address` lists them)".to_owned()
        }
        io::ErrorKind::PermissionDenied => format!("port {} needs more rights; ports from 1024 on do not", addr.port()),
        _ => error.to_string(),
    }
}

impl World {
    /// What the `ready` line tells.
    fn served(&self) -> Served {
        let volume = |index: usize| {
            let status = self.describe_volume(index);
            ServedVolume {
                name: status.name,
                kind: status.kind,
                path: status.path,
                created: self.backings[index].created,
                size: status.size,
                block_bytes: status.block_bytes,
                read_only: status.read_only,
            }
        };
        Served {
            pid: std::process::id(),
            control: self.places.control.clone(),
            state_dir: self.places.state_dir.clone(),
            config: self.places.config.clone(),
            portals: self.describe_portals(),
            targets: self.describe_targets(),
            nvme_portals: self.describe_nvme_portals(),
            subsystems: self.describe_subsystems(),
            volumes: (0..self.volumes.len()).map(volume).collect(),
        }
    }
}
