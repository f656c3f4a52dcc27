//! The composition root: opens what is configured, introduces the rooms to each other, and runs until told to stop.

// The swap comes in parts; this goes when the last one is in.
#![allow(dead_code)]

mod control;
mod descriptors;
mod journal;
mod lobby;
mod reactor;
mod report;
mod sessions;
mod site;
mod vigil;
mod world;

use crate::config::Config;
use crate::control::console::Console;
use crate::control::place::{self, BindError};
use crate::control::words::{Served, ServedVolume, What};
use mainstay_base::arena::{Arena, SLACK};
use mainstay_base::unit::VolumeId;
use mainstay_edge::memory::SharedRegion;
use mainstay_edge::portal;
use mainstay_edge::state::{StateDir, StateError};
use mainstay_edge::volume::{OpenError, Volume};
use mainstay_proto::iscsi::{Limits, Site};
use mainstay_proto::nexus::Export;
use mainstay_proto::scsi::LogicalUnit;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use world::{BackingShown, Ground, Places, Socket, World};

/// Payload memory set aside for each connection, in bytes: with it short commands go on, whatever others hoard.
const OWN: usize = 8 * 1024;
/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);
/// How long sessions get to finish when the daemon is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

type Opened = (Arc<Volume>, BackingShown);

/// What the configuration does not say.
pub struct Options {
    /// Where identities are remembered.
    pub state_dir: PathBuf,
    /// Where the control socket is made.
    pub control: PathBuf,
    /// Who is told what happens.
    pub console: Box<dyn Console>,
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

/// Serve `config` until SIGINT or SIGTERM.
pub fn run(config: Config, options: Options) -> Result<(), Error> {
    let state = StateDir::open(&options.state_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut site, exports) = site::site(&config);
    // Before any volume is opened: an address that is taken must not leave a file behind that was made for nothing.
    let listeners = {
        let _runtime = runtime.enter();
        listen(&mut site)?
    };
    let control = place::bind(&options.control)?;
    let volumes = match open_volumes(&config, &state) {
        Ok(volumes) => volumes,
        Err(error) => {
            place::unbind(&options.control);
            return Err(error);
        }
    };
    let served = runtime.block_on(tokio::task::LocalSet::new().run_until(serve(
        config,
        (site, exports, listeners),
        &options.control,
        // Ours is let go last.
        state.clone(),
        volumes,
        control,
        options.console,
    )));
    // A thread that waits for a disk that hangs must not keep us.
    runtime.shutdown_background();
    place::unbind(&options.control);
    served
}

fn open_volumes(config: &Config, state: &StateDir) -> Result<Vec<Opened>, Error> {
    let open = |volume: &crate::config::Volume| {
        let shown = site::shown(volume);
        Ok((Arc::new(Volume::open(site::spec(volume), state)?), shown))
    };
    config.volumes.iter().map(open).collect()
}

async fn serve(
    config: Config,
    (site, exports, listeners): (Site, Vec<Export>, Vec<TcpListener>),
    control_path: &std::path::Path,
    state: StateDir,
    volumes: Vec<Opened>,
    control: std::os::unix::net::UnixListener,
    console: Box<dyn Console>,
) -> Result<(), Error> {
    // From the first moment: a signal that comes early stops us like a late one.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let memory = usize::try_from(config.limits.memory).unwrap_or(usize::MAX / SLACK);
    let region = SharedRegion::new("payload", memory.saturating_mul(SLACK))
        .map_err(|source| Error::Memory { bytes: memory, source: source.into() })?;
    let region = Arc::new(region);
    let units = volumes.iter().enumerate().map(|(index, (volume, _))| unit(index, volume)).collect();
    let state_dir = state.path().to_owned();
    let places = Places { state_dir, control: control_path.to_owned(), config: config.file.clone() };
    let descriptors = descriptors::raise_for(&config);
    let accounts = descriptors.sessions_max + config.limits.logins_max;
    let limits = limits(&config);
    let world = World::new(Ground {
        site,
        exports,
        units,
        volumes,
        arena: Arena::new(region.clone(), memory).with_accounts(OWN, accounts),
        region,
        listeners: listeners.into_iter().map(|listener| Socket::Live(Rc::new(listener))).collect(),
        control_listener: Socket::Live(Rc::new(tokio::net::UnixListener::from_std(control)?)),
        limits: descriptors,
        console,
        places,
        state,
        config,
    });
    let world = Rc::new(RefCell::new(world));
    let (broken, answered, listeners, control) = {
        let world = world.borrow();
        let listeners: Vec<_> = world.listeners.iter().filter_map(|socket| socket.live().cloned()).collect();
        (world.broken.clone(), world.answered.clone(), listeners, world.control_listener.live().cloned())
    };
    let accept =
        |(index, listener)| reactor::spawn(&broken, reactor::accept(world.clone(), listener, index, limits.clone()));
    let accepting: Vec<_> = listeners.into_iter().enumerate().map(accept).collect();
    if let Some(control) = control {
        reactor::spawn(&broken, control::accept(world.clone(), control));
    }
    reactor::spawn(&broken, reactor::complete(world.clone(), answered));
    reactor::spawn(&broken, reactor::keep_time(world.clone()));
    {
        let mut world = world.borrow_mut();
        let served = world.served();
        world.console.ready(&served);
    }
    let why = tokio::select! {
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "terminated",
        () = broken.notified() => return Err(Error::Broken),
    };
    world.borrow_mut().tell(What::Stopping { why: why.to_owned() });
    // Who comes now is refused by the system, and comes again.
    accepting.iter().for_each(tokio::task::JoinHandle::abort);
    tokio::select! {
        failed = reactor::drain(&world, DRAIN) => if failed.is_empty() { Ok(()) } else { Err(Error::Unflushed(failed)) },
        () = broken.notified() => Err(Error::Broken),
    }
}

/// Listen on every portal; a port of 0 becomes the one the system chose.
fn listen(site: &mut Site) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::new();
    for portal in &mut site.portals {
        let addr = portal.bind;
        let failed = |error: io::Error| Error::Listen { addr, why: explain(addr, &error) };
        let listener = portal::listen(addr).map_err(failed)?;
        portal.bind = listener.local_addr().map_err(failed)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn explain(addr: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "something else listens there (`ss -ltnp 'sport = :{}'` says what); choose another address with --iscsi",
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

fn unit(index: usize, volume: &Volume) -> LogicalUnit {
    LogicalUnit::new(VolumeId(index as u32), volume.geometry(), volume.identity().clone(), volume.behaviour())
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        login_timeout: limits.login_timeout,
        ping_interval: if limits.ping_interval.is_zero() { NEVER } else { limits.ping_interval },
        ping_timeout: limits.ping_timeout,
        window_max: limits.window_max,
        ..Limits::default()
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
            volumes: (0..self.volumes.len()).map(volume).collect(),
        }
    }
}
