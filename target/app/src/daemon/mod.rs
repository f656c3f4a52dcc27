//! The composition root: opens what is configured, introduces the rooms to each other, and runs until told to stop.

mod control;
mod journal;
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
use mainstay_edge::volume::{OpenError, Pool, Volume};
use mainstay_proto::iscsi::Limits;
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
use tokio::sync::Notify;
use world::{BackingShown, Places, World};

/// Payload memory set aside for each connection, in bytes: with it short commands go on, whatever others hoard.
const OWN: usize = 8 * 1024;
/// Threads that wait for disks.
const POOL_THREADS_MAX: usize = 16;
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
}

/// Serve `config` until SIGINT or SIGTERM.
pub fn run(config: Config, options: Options) -> Result<(), Error> {
    let state = StateDir::open(&options.state_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let volumes = open_volumes(&config, &state)?;
    let control = place::bind(&options.control)?;
    let served = runtime.block_on(tokio::task::LocalSet::new().run_until(serve(
        config,
        &options.control,
        options.state_dir,
        volumes,
        control,
        options.console,
    )));
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
    control_path: &std::path::Path,
    state_dir: PathBuf,
    volumes: Vec<Opened>,
    control: std::os::unix::net::UnixListener,
    console: Box<dyn Console>,
) -> Result<(), Error> {
    // From the first moment: a signal that comes early stops us like a late one.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (mut site, exports) = site::site(&config);
    let listeners = listen(&mut site)?;
    let memory = usize::try_from(config.limits.memory).unwrap_or(usize::MAX / SLACK);
    let region = SharedRegion::new("payload", memory.saturating_mul(SLACK))
        .map_err(|source| Error::Memory { bytes: memory, source: source.into() })?;
    let units = volumes.iter().enumerate().map(|(index, (volume, _))| unit(index, volume)).collect();
    let answered = Arc::new(Notify::new());
    let notify = answered.clone();
    let pool = Pool::new(POOL_THREADS_MAX, Arc::new(move || notify.notify_one()));
    let places = Places { state_dir, control: control_path.to_owned(), config: config.file.clone() };
    let sessions = sessions::Sessions::new(config.limits.sessions_max);
    let accounts = config.limits.sessions_max + config.limits.logins_max;
    let arena = Arena::new(Arc::new(region), memory).with_accounts(OWN, accounts);
    let world = World::new(site, exports, units, volumes, arena, pool, sessions, console, places);
    let world = Rc::new(RefCell::new(world));
    let limits = limits(&config);
    for (index, listener) in listeners.into_iter().enumerate() {
        let accept = reactor::accept(world.clone(), listener, index, limits.clone(), config.limits.logins_max);
        tokio::task::spawn_local(accept);
    }
    let control = tokio::net::UnixListener::from_std(control)?;
    tokio::task::spawn_local(control::accept(world.clone(), control));
    tokio::task::spawn_local(reactor::complete(world.clone(), answered));
    tokio::task::spawn_local(reactor::keep_time(world.clone()));
    {
        let mut world = world.borrow_mut();
        let served = world.served();
        world.console.ready(&served);
    }
    let why = tokio::select! {
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "terminated",
    };
    world.borrow_mut().tell(What::Stopping { why: why.to_owned() });
    reactor::drain(&world, DRAIN).await;
    Ok(())
}

/// Listen on every portal; a port of 0 becomes the one the system chose.
fn listen(site: &mut mainstay_proto::iscsi::Site) -> Result<Vec<TcpListener>, Error> {
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
